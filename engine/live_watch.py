"""Being watched: a rotated JSON log, /health and /metrics on loopback, a webhook, counters."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from broker.hosts import LOOPBACK
from broker.keys import RedactingFormatter, redacted
from engine.errors import ConfigError
from engine.live_status import Status

log = logging.getLogger("engine.live")

LOG_FILES = 5
WEBHOOK_KINDS = frozenset({"halt", "refused", "fill", "needs_human", "foreign_fill", "skew", "no_trading"})
WEBHOOK_QUEUE = 100
ALLOWED_HOSTS = ("127.0.0.1", "localhost")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record with its traceback, if any."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_log(path: Path, megabytes: float, console: bool) -> logging.Handler:
    """Write the log of this process to a rotated file, and to the terminal when asked; secrets are hidden."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        path, maxBytes=int(megabytes * 2**20), backupCount=LOG_FILES, encoding="utf-8"
    )
    handler.setFormatter(RedactingFormatter(JsonLines()))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    if console:
        shown = logging.StreamHandler()
        shown.setFormatter(RedactingFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")))
        root.addHandler(shown)
    return handler


class Watch:
    """Everything that is told of what happens. `notify` may be called from one thread only.

    Args:
        webhook: URL that gets halts, refusals and fills; None for none.
        book: named in every message.
    """

    def __init__(self, book: str, webhook: str | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._book = book
        self._listeners: list[Callable[[str, str, str], None]] = []
        self._webhook = None if webhook is None else Webhook(checked_webhook(webhook))

    def listen(self, listener: Callable[[str, str, str], None]) -> None:
        """Call `listener(kind, symbol, text)` too."""
        self._listeners.append(listener)

    def notify(self, kind: str, symbol: str, text: str) -> None:
        """Count, log and pass on one thing that happened."""
        self.counts[kind] += 1
        bad = kind in ("halt", "needs_human", "unreachable", "journal", "halted")
        log.log(
            logging.ERROR if bad else logging.INFO,
            "%s %s %s",
            kind,
            symbol,
            text,
            extra={"fields": {"kind": kind, "symbol": symbol, "book": self._book}},
        )
        for listener in self._listeners:
            listener(kind, symbol, text)
        if self._webhook is not None and kind in WEBHOOK_KINDS:
            self._webhook.send({"book": self._book, "kind": kind, "symbol": symbol, "text": redacted(text)})


def checked_webhook(url: str) -> str:
    """Return the URL if it is https, or http on this machine; ConfigError otherwise."""
    parts = urlsplit(url)
    if (parts.scheme == "https" and parts.hostname) or (
        parts.scheme == "http" and parts.hostname in LOOPBACK
    ):
        return url
    raise ConfigError(f"live.webhook = {url!r}: https, or http://127.0.0.1:PORT")


class Webhook:
    """Posts messages in the background; a slow or dead receiver never holds the daemon up."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue(WEBHOOK_QUEUE)
        threading.Thread(target=self._run, daemon=True, name="webhook").start()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; it is dropped when a hundred are waiting."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            log.warning("the webhook is too slow; a message was dropped")

    def _run(self) -> None:
        while True:
            message = self._queue.get()
            try:
                with (
                    requests.Session() as session
                ):  # a kept connection may be dead when the next message comes
                    session.trust_env = False
                    session.post(self._url, json=message, timeout=5, allow_redirects=False).raise_for_status()
            except requests.RequestException as problem:
                log.warning("webhook: %s", type(problem).__name__)


def metrics_text(status: Status, counts: Counter[str]) -> str:
    """Return the state in Prometheus' text format."""
    lines: list[str] = []

    def gauge(name: str, value: float | None, what: str) -> None:
        if value is not None:
            lines.extend(
                (
                    f"# HELP forewalk_{name} {what}",
                    f"# TYPE forewalk_{name} gauge",
                    f"forewalk_{name} {value:g}",
                )
            )

    gauge("up", 1.0, "1 while the daemon runs")
    gauge("halted", float(bool(status.halts)), "1 while trading is halted")
    gauge("equity_dollars", status.equity, "equity of the paper account")
    gauge("cash_dollars", status.cash, "cash of the paper account")
    gauge("positions", float(len(status.positions)), "symbols held")
    gauge("last_sync_timestamp", _epoch(status.last_sync), "broker time of the last successful look")
    gauge("last_decision_timestamp", _epoch(status.last_decision), "bar of the last decision")
    gauge("decide_seconds", status.decide_seconds, "duration of the last decision")
    gauge("posts", float(status.posts), "orders sent by this process")
    gauge("failed_steps", float(status.failures), "looks at the broker that failed")
    lines += ["# HELP forewalk_events_total what happened", "# TYPE forewalk_events_total counter"]
    lines += [f'forewalk_events_total{{kind="{kind}"}} {count}' for kind, count in sorted(counts.items())]
    return "\n".join(lines) + "\n"


def health(status: Status) -> tuple[int, dict[str, Any]]:
    """Return HTTP status and body: 200 while the daemon runs and reaches its broker, 503 otherwise."""
    body = {
        "state": status.state,
        "problem": redacted(status.problem),
        "halts": [redacted(halt) for halt in status.halts],
        "last_sync": status.last_sync.isoformat() if status.last_sync else None,
        "last_decision": status.last_decision.isoformat() if status.last_decision else None,
    }
    return (200 if status.state in ("running", "halted") and not status.problem else 503), body


def serve_health(port: int, status: Status, counts: Counter[str]) -> ThreadingHTTPServer:
    """Serve GET /health and /metrics on 127.0.0.1, to requests that name this machine as host; nothing else."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if (self.headers.get("Host") or "").rpartition(":")[0] not in ALLOWED_HOSTS:
                self._answer(421, "text/plain", "only this machine is served\n")
            elif self.path == "/health":
                code, body = health(status)
                self._answer(code, "application/json", json.dumps(body) + "\n")
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4", metrics_text(status, counts))
            else:
                self._answer(404, "text/plain", "there are /health and /metrics\n")

        def _answer(self, code: int, kind: str, text: str) -> None:
            content = text.encode()
            self.send_response_only(code)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, name="health").start()
    return server


def _epoch(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
