"""Being watched: a rotated JSON log, counters, and what happens on its way to the outbox."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broker.journal.file import JournalUnwritable
from broker.journal.outbox import FROM_THE_DIARY, Outbox
from broker.keys import RedactingFormatter, redacted
from engine.live.watch.alarms.kinds import ALARMS

if TYPE_CHECKING:
    from engine.live.watch.alarms.sending import Alarms

log = logging.getLogger("engine.live")

LOG_FILES = 5


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
        book: named in every message.

    Attributes:
        counts: how often each kind has happened. outbox, alarms: where alarms go, None without a channel.
    """

    def __init__(self, book: str) -> None:
        self.counts: Counter[str] = Counter()
        self.outbox: Outbox | None = None
        self.alarms: Alarms | None = None
        self._book = book

    @staticmethod
    def now() -> datetime:
        """Return this machine's time."""
        return datetime.now(UTC)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Tell of an end that nobody asked for, and pass it on."""
        try:
            yield
        except Exception as problem:
            self.notify("stopped", "", f"ended by {type(problem).__name__}: {problem}")
            raise

    def notify(self, kind: str, symbol: str, text: str) -> None:
        """Count, log and pass on one thing that happened; never raises and never waits for a receiver."""
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
        if self.outbox is None or self.alarms is None or kind not in ALARMS:
            return
        if kind not in FROM_THE_DIARY:
            try:
                self.outbox.add(self.now(), kind, symbol, redacted(text))
            except JournalUnwritable:
                self.alarms.tell_unwritten(kind, symbol, text)
        self.alarms.wake()
