"""The daemon's health and metrics over HTTP on loopback."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from broker.keys import redacted
from engine.live.watch.status import Status

ALLOWED_HOSTS = ("127.0.0.1", "localhost")


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
