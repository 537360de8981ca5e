"""News and social texts in live trading: fetched beside the trading, each first seen when it was.

The daemon fetches into `news.path`, the file that backtests read: what it knew at a bar stands there with the moment
at which it was first seen, and a backtest of later knows the same. A source that does not answer is an alert, and
from `news.patience_minutes` on its features are missing: no forecast, never yesterday's tone.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from broker.hosts import is_local
from engine.live.bars import FreshBars
from forewalk.data.columns.texts.fetching.sources import fetch_texts
from forewalk.data.columns.texts.fetching.store import TextStore
from forewalk.data.columns.texts.fetching.wanted import Wanted
from forewalk.data.columns.texts.fetching.web import Web
from forewalk.data.columns.texts.placing import with_texts
from forewalk.data.columns.texts.rows import text_rows
from forewalk.errors import DataError, ForewalkError
from forewalk.sessions import microseconds
from forewalk.settings.loading import load_settings
from forewalk.settings.news import NewsSettings
from forewalk.settings.sections import Settings
from forewalk.types import Bars

KIND = "texts"  # of an alert
KNOWN = "texts-known.jsonl"  # in the state folder: what each decision knew
BACK = {"gdelt": timedelta(hours=6)}  # that the first fetch into a new file reaches: its files are large
BACK_USUAL = timedelta(days=30)
STARTS = "text_"  # how the extras of texts begin
TOLERANCE = 1e-9

Fetch = Callable[[str, TextStore, Wanted, Any], int]
Say = Callable[[str, str], None]


class TextPoller:
    """Fetches texts in a thread of its own; trading never waits for it.

    Args:
        say: told of what went wrong: (kind, text). fetch: fetches from one source; see `fetch_texts`.
    """

    def __init__(self, settings: Settings, say: Say, fetch: Fetch = fetch_texts) -> None:
        self._settings = settings
        self._say = say
        self._fetch = fetch
        self._virtual = is_local(settings.live.url)
        self._thread: threading.Thread | None = None
        self._problems: list[str] = []
        self._next: datetime | None = None
        self._sources = tuple(name for name in settings.news.poll if name == "alpaca" or not self._virtual)
        if len(self._sources) < len(settings.news.poll):
            others = ", ".join(sorted(set(settings.news.poll) - set(self._sources)))
            self._problems.append(
                f"{others}: not fetched in the time of a simulator, which has no news of today"
            )

    def step(self, now: datetime) -> None:
        """Begin a fetch where one is due, and say what went wrong with the last one; never raises.

        Args:
            now: the broker's time, UTC.
        """
        if self.busy:
            return
        for problem in self._problems:
            self._say(KIND, problem)
        self._problems = []
        if not self._sources or (self._next is not None and now < self._next):
            return
        self._next = now + timedelta(minutes=self._settings.news.poll_minutes)
        self._thread = threading.Thread(target=self._work, args=(now,), name="texts", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as problem:  # the machine has no thread left
            self._thread = None
            self._say(KIND, str(problem))

    @property
    def busy(self) -> bool:
        """Whether a fetch is under way."""
        return self._thread is not None and self._thread.is_alive()

    def _work(self, now: datetime) -> None:
        news, begun = self._settings.news, time.monotonic()
        try:
            store = TextStore(_path(self._settings))
        except (ForewalkError, OSError) as problem:
            self._problems.append(f"texts are not fetched: {problem}")
            return
        clock = None if self._virtual else lambda: now + timedelta(seconds=time.monotonic() - begun)
        data = self._settings.data
        if self._virtual:
            data = data.model_copy(update={"url": self._settings.live.url})
        for name in self._sources:
            first = now - BACK.get(name, BACK_USUAL)
            wanted = Wanted(data.traded, first, now, now, news, Web(news.contact), clock)
            try:
                self._fetch(name, store, wanted, data)
            except (ForewalkError, OSError) as problem:
                self._problems.append(f"{name} gives no texts{_since(store.last_poll(name))}: {problem}")
            except Exception as problem:  # noqa: BLE001 - the thread's own boundary: whatever it is, trading goes on
                self._problems.append(f"{name} gives no texts: {type(problem).__name__}: {problem}")


def _since(last: datetime | None) -> str:
    return "" if last is None else f" since {last:%Y-%m-%d %H:%M} UTC"


def _path(settings: Settings) -> Path:
    assert settings.news.path is not None
    return settings.news.path.expanduser()


def with_live_texts(fresh: FreshBars, settings: Settings, say: Say) -> FreshBars:
    """Return the bars with the texts that were known at each close; a last bar that knows nothing is an alert.

    Texts that were first seen after the last close belong to the next bar, though they are there at the decision.

    Raises:
        DataError, ConfigError: the file cannot be read as it is.
    """
    if settings.news.path is None:
        return fresh
    path = _path(settings)
    if not path.exists() or not path.stat().st_size:
        raise DataError(f"{settings.news.path}: nothing has been fetched yet (news.poll)")
    bars = fresh.bars
    rows, _ = text_rows(settings.news, bars.symbols)
    rows = rows.keep(rows.known <= microseconds(bars.timestamps)[-1])
    if not len(rows):
        raise DataError(f"{settings.news.path}: no text up to the bar of {bars.timestamps[-1]}")
    bars = with_texts(bars, rows)
    missing = [name for name, values in text_extras(bars) if np.isnan(values[-1]).all()]
    if missing:
        say(
            KIND,
            f"{bars.timestamps[-1]:%Y-%m-%d %H:%M}: no source of texts has been heard for too long, so their "
            "features are missing and nothing is forecast (news.patience_minutes, news.silent_bars)",
        )
    return replace(fresh, bars=bars)


def text_extras(bars: Bars) -> Iterator[tuple[str, Any]]:
    """Yield the sums of texts that bars carry, by name, [T, S] each."""
    return ((name, values) for name, values in sorted(bars.extras.items()) if name.startswith(STARTS))


def keep_known(bars: Bars, settings: Settings) -> None:
    """Write down what a decision on the last bar knew of texts; OSError where that is not possible."""
    last = {
        name: [None if np.isnan(value) else float(value) for value in values[-1]]
        for name, values in text_extras(bars)
    }
    if not last:
        return
    line = {"asof": bars.timestamps[-1].isoformat(), "symbols": list(bars.symbols), "known": last}
    path = settings.live.state.expanduser() / KNOWN
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class TextParity:
    """What decisions knew of texts beside what the file of texts says now.

    Attributes:
        compared: bars. equal: of them, those whose sums of texts are the same for every symbol.
        differences: in words, in time order.
    """

    compared: int
    equal: int
    differences: tuple[str, ...]

    def lines(self, shown: int = 20) -> list[str]:
        """Return the findings as text."""
        if not self.compared:
            return []
        head = f"texts: {self.equal} of {self.compared} decisions knew of texts what the backtest knows"
        more = len(self.differences) - shown
        lines = [head, *(f"  {text}" for text in self.differences[:shown])]
        return lines + ([f"  and {more} more"] if more > 0 else [])


def text_parity(bars: Bars, state: Path, news: NewsSettings) -> TextParity:
    """Compare what each decision knew of texts with what a backtest knows at its bar.

    Args:
        bars: of the backtest. state: folder of the book. news: of the backtest; its file is read as it is now.

    Raises:
        DataError, ConfigError: the file of texts cannot be read.
    """
    path = state / KNOWN
    if news.path is None or not path.exists():
        return TextParity(0, 0, ())
    rows, _ = text_rows(news, bars.symbols)
    now = with_texts(bars, rows)
    compared, equal, differences = 0, 0, []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            told = json.loads(line)
        except ValueError:  # cut off by a kill
            continue
        asof = pd.Timestamp(told["asof"])
        row = int(bars.timestamps.searchsorted(asof))
        if row >= len(bars) or bars.timestamps[row] != asof:
            continue
        found = list(_different(told, now, row))
        compared += 1
        equal += not found
        differences += found
    return TextParity(compared, equal, tuple(differences))


def run_text_parity(run: Path, state: Path) -> TextParity:
    """Compare what each decision of a book knew of texts with what the backtest of a run knows; see `text_parity`."""
    from forewalk.data.loading import load_bars

    settings = load_settings(run / "config.toml", environment={})
    if settings.news.path is None or not (state / KNOWN).exists():
        return TextParity(0, 0, ())
    return text_parity(load_bars(settings.data)[0], state, settings.news)


def _different(told: dict[str, Any], now: Bars, row: int) -> Iterator[str]:
    """Yield each symbol of a bar of which other texts are known now."""
    place = {symbol: column for column, symbol in enumerate(now.symbols)}
    names = sorted({*told["known"], *(name for name, _ in text_extras(now))})
    for number, symbol in enumerate(told["symbols"]):
        if symbol not in place:
            continue
        for name in names:
            then = told["known"].get(name)
            was = np.nan if then is None or then[number] is None else then[number]
            values = now.extras.get(name)
            is_now = np.nan if values is None else float(values[row, place[symbol]])
            if not np.isclose(was, is_now, rtol=0.0, atol=TOLERANCE, equal_nan=True):
                what = f"{name.removeprefix(STARTS).replace('_', ' ')}: {was:.4g} then, {is_now:.4g} in the backtest"
                yield f"{told['asof'][:16]} {symbol:6} {what}"
                break
