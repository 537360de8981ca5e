"""Being watched: a rotated JSON log, /health and /metrics on loopback, a webhook, counters."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections import Counter
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from broker.hosts import LOOPBACK
from broker.keys import RedactingFormatter, redacted
from forewalk.errors import ConfigError

log = logging.getLogger("engine.live")

LOG_FILES = 5
WEBHOOK_KINDS = frozenset(
    {"halt", "refused", "fill", "needs_human", "foreign_fill", "skew", "no_trading", "forecast_log"}
)
WEBHOOK_QUEUE = 100


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


class PrivateLog(RotatingFileHandler):
    """A rotated log that only this user may read."""

    def _open(self) -> Any:
        path = Path(self.baseFilename)
        path.touch(mode=0o600)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return super()._open()


def start_log(path: Path, megabytes: float, console: bool) -> logging.Handler:
    """Write the log of this process to a rotated file, and to the terminal when asked; secrets are hidden."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = PrivateLog(path, maxBytes=int(megabytes * 2**20), backupCount=LOG_FILES, encoding="utf-8")
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
        self._webhook = None if webhook is None else Webhook(checked_webhook(webhook))

    def notify(self, kind: str, symbol: str, text: str) -> None:
        """Count, log and pass on one thing that happened."""
        self.counts[kind] += 1
        bad = kind in ("halt", "needs_human", "unreachable", "journal", "halted", "forecast_log")
        log.log(
            logging.ERROR if bad else logging.INFO,
            "%s %s %s",
            kind,
            symbol,
            text,
            extra={"fields": {"kind": kind, "symbol": symbol, "book": self._book}},
        )
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
