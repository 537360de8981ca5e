"""The forecast log as the API gives it: read once for each state of the file, kept as ready rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

TIMES = ("written", "asof", "closes_at")
KEPT = 16  # logs in memory: one a team
MOST_READY = 256  # answers


@dataclass(frozen=True, eq=False)
class Logged:
    """A forecast log in one state.

    Attributes:
        tag: names the state. rows: the forecasts, plain JSON values, the newest first.
    """

    tag: str
    rows: tuple[dict[str, Any], ...]

    def latest(self) -> list[dict[str, Any]]:
        """Return the newest forecast of each symbol and question, by symbol."""
        newest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in self.rows:
            key = tuple(row[name] for name in ("symbol", "horizon_bars", "interval", "execution", "relative"))
            if key not in newest or row["asof"] > newest[key]["asof"]:
                newest[key] = row
        return [newest[key] for key in sorted(newest)]

    def selected(self, symbol: str | None, horizon_bars: int | None) -> list[dict[str, Any]]:
        """Return the rows of a symbol and of so many bars ahead; None means any."""
        return [
            row
            for row in self.rows
            if symbol in (None, row["symbol"]) and horizon_bars in (None, row["horizon_bars"])
        ]


def logged(path: Path) -> Logged:
    """Return the log as it is now; one that is not there has no rows. ForewalkError where it is no forecast log."""
    return _read(path, state_of(path))


def state_of(path: Path) -> str:
    """Return what changes whenever the file does, its write-ahead log included."""
    parts = []
    for each in (path, path.with_name(f"{path.name}-wal")):
        try:
            found = each.stat()
        except FileNotFoundError:
            continue
        parts.append(f"{found.st_ino:x}.{found.st_size:x}.{found.st_mtime_ns:x}")
    return "-".join(parts) or "none"


@lru_cache(maxsize=KEPT)
def _read(path: Path, state: str) -> Logged:
    from engine.forecast.log import ForecastLog

    table = ForecastLog(path).table()
    for name in TIMES:
        table[name] = [moment.isoformat() for moment in table[name]]
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return Logged(state, tuple({str(name): value for name, value in row.items()} for row in reversed(rows)))


async def ready(make: Callable[..., bytes], path: Path, *wanted: Any) -> tuple[bytes, str]:
    """Return `make(path, state, *wanted)` and the state; made in a thread, once for each state and question."""
    state = state_of(path)
    key = (make, path, state, wanted)
    if key not in _ready:
        made = await asyncio.to_thread(make, path, state, *wanted)
        while len(_ready) >= MOST_READY:
            _ready.pop(next(iter(_ready)), None)
        _ready[key] = made
    return _ready[key], state


_ready: dict[tuple[Any, ...], bytes] = {}


def latest(path: Path, state: str, symbol: str | None, horizon_bars: int | None) -> bytes:
    """Return the newest forecast of each symbol and question as JSON."""
    rows = Logged(state, tuple(logged(path).latest())).selected(symbol, horizon_bars)
    return json.dumps(rows).encode()


def history(
    path: Path, state: str, symbol: str | None, horizon_bars: int | None, limit: int, offset: int
) -> bytes:
    """Return a page of the forecasts as JSON, the newest first."""
    rows = logged(path).selected(symbol, horizon_bars)
    page = {"items": rows[offset : offset + limit], "total": len(rows), "limit": limit, "offset": offset}
    return json.dumps(page).encode()


def track_record(path: Path, state: str) -> bytes:
    """Return the track record of a log as JSON, without its forecasts; see `engine.forecast.track`."""
    from engine.forecast.track import track_record

    found = track_record(path).to_dict()
    del found["forecasts"]
    return json.dumps(found).encode()
