"""Change the future of raw rows, before cleaning has seen them, and choose the moments to do it at.

A row belongs to the future of a cut when its bar closes after it. Three futures replace the real one: none
at all, noise with damage in it, and the same data scaled and shifted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forewalk.data.cleaning.closing import row_closes, settings_for
from forewalk.data.cleaning.together import true_closes
from forewalk.data.columns.rows import ColumnRows
from forewalk.data.columns.texts.rows import TextRows
from forewalk.data.quality import QualityReport
from forewalk.data.table import CLOSE, HIGH, LOW, NO_TIME, OPEN, Table
from forewalk.data.universe import OPEN_END, Universe
from forewalk.folds import Fold
from forewalk.sessions import DAILY, microseconds, session_closes, sessions_between
from forewalk.settings.sections import DataSettings
from forewalk.types import CLOSED_AT, Bars, BoolArray, FloatArray, IntArray

TRUNCATED, NOISE, SCALED = "nothing", "noise", "scaled and shifted"
DOCTORINGS = (TRUNCATED, NOISE, SCALED)

GAP_CUTS = 2
DAMAGE_CUTS = 4
MEMBER_CUTS = 4
_DAY = 24 * 3600 * 10**6
_NOISE_STEP = 0.03  # daily standard deviation of the random walk
_DAMAGED = 0.01  # share of noisy rows that are damaged, for each kind of damage
_SCALE, _SHIFT, _VOLUME = 1.7, 0.3, 3.0


@dataclass(frozen=True, order=True)
class Cut:
    """A moment after which everything is replaced: microseconds UTC, and why it was chosen."""

    time: int
    reason: str

    def __str__(self) -> str:
        return f"{iso_utc(self.time)} {self.reason}"


def iso_utc(time: int) -> str:
    """Return microseconds since 1970 UTC as ISO 8601."""
    return pd.Timestamp(time, unit="us", tz="UTC").isoformat()


def doctored(
    table: Table, closes: IntArray, cut: int, doctoring: str, seed: Sequence[int], settings: DataSettings
) -> Table:
    """Return the table with every row that closes after `cut` replaced; earlier rows keep their bits.

    Args:
        table: raw rows in source order.
        closes: from `row_closes`.
        cut: microseconds UTC.
        doctoring: one of `DOCTORINGS`.
        seed: of the noise.
        settings: say which bar a row of the user's columns belongs to.
    """
    future = closes > cut
    generator = np.random.default_rng(list(seed))
    if table.universe is not None:
        table = replace(table, universe=other_universe(table, cut, doctoring, generator))
    if table.columns is not None:
        table = replace(table, columns=other_columns(table.columns, settings, cut, doctoring, generator))
    if table.texts is not None:
        table = replace(table, texts=other_texts(table.texts, cut, doctoring, generator))
    if doctoring == TRUNCATED:
        return table.keep(~future)
    table = replace(table, extras=other_extras(table, future, doctoring, generator))
    change = noisy if doctoring == NOISE else scaled
    return change(table, future, closes, generator)


def other_extras(
    table: Table, future: BoolArray, doctoring: str, generator: np.random.Generator
) -> dict[str, FloatArray]:
    """Return the table's extras with those of the future replaced: spreads and dividends that nobody could know."""
    found = {}
    for name, values in table.extras.items():
        other = generator.uniform(0.0, 0.01, len(table)) if doctoring == NOISE else _VOLUME * values
        found[name] = np.where(future, other, values)
    return found


def other_columns(
    rows: ColumnRows, settings: DataSettings, cut: int, doctoring: str, generator: np.random.Generator
) -> ColumnRows:
    """Return columns of the user's own with every value of a later bar, or known later than the cut, replaced."""
    closes = row_closes(rows, settings)
    later = (closes > cut)[:, None] | (rows.known > cut)
    if doctoring == TRUNCATED:
        values = np.where(later, np.nan, rows.values)
        return replace(rows, values=values).keep(closes <= cut)
    if doctoring == NOISE:
        spread = np.nan_to_num(np.nanstd(rows.values, axis=0)) + 1.0
        values = rows.values + generator.normal(0.0, 5.0, rows.values.shape) * spread
    else:
        values = _SCALE * rows.values + _SHIFT
    return replace(rows, values=np.where(later, values, rows.values))


def other_texts(rows: TextRows, cut: int, doctoring: str, generator: np.random.Generator) -> TextRows:
    """Return texts with those known after the cut taken away, rewritten and moved, or turned around.

    Noise gives each another tone, another symbol and another moment, by hours and over nights, never before the cut,
    and says of some that they are copies. Those known by the cut keep their bits.
    """
    later = rows.known > cut
    if doctoring == TRUNCATED:
        return rows.keep(~later)
    count = len(rows)
    if doctoring == NOISE:
        moved = np.maximum(cut + 1, rows.known + generator.integers(-2 * _DAY, 2 * _DAY, count))
        tone, code = generator.uniform(-1.0, 1.0, count), generator.integers(0, len(rows.symbols), count)
        weight, copy = generator.uniform(0.1, 20.0, count), generator.random(count) < 0.3
        text = rows.text if rows.corpus is None else generator.integers(0, len(rows.corpus), count)
    else:
        moved, tone, code = rows.known + _DAY // 24, -rows.tone, rows.code
        weight, copy = _VOLUME * rows.weight, ~rows.copy
        text = rows.text if rows.corpus is None else len(rows.corpus) - 1 - rows.text
    other = replace(
        rows,
        known=np.where(later, moved, rows.known),
        tone=np.where(later, tone, rows.tone),
        code=np.where(later, code, rows.code),
        weight=np.where(later, weight, rows.weight),
        copy=np.where(later, copy, rows.copy),
        text=np.where(later, text, rows.text),
    )
    return other.keep(np.argsort(other.known, kind="stable"))


def other_universe(table: Table, cut: int, doctoring: str, generator: np.random.Generator) -> Universe | None:
    """Return the universe with what it says about the days after the cut replaced.

    With nothing, no span begins, ends or delists there; otherwise begins and ends are moved and delisting returns
    invented. A day is one of UTC; with intraday bars the day after the cut's own is left alone, since the sessions of
    some exchanges begin on the evening before.
    """
    universe = table.universe
    if universe is None:
        return None
    daily = bool((table.instant == NO_TIME).all())
    day = (cut - 1) // _DAY * _DAY + (0 if daily else _DAY)
    begins, ends = universe.first > day, universe.last > day
    if doctoring == TRUNCATED:
        there = ~begins
        return replace(
            universe,
            code=universe.code[there],
            first=universe.first[there],
            last=np.where(ends, OPEN_END, universe.last)[there],
            delisting_return=np.where(ends, np.nan, universe.delisting_return)[there],
        )
    count = len(universe.code)
    moved = generator.integers(1, 200, count) * _DAY
    first = np.where(begins, day + moved, universe.first)
    last = np.where(ends, np.maximum(first, day) + generator.integers(1, 400, count) * _DAY, universe.last)
    invented = np.where(ends, generator.uniform(-1.0, 0.5, count), universe.delisting_return)
    return replace(universe, first=first, last=last, delisting_return=invented)


def noisy(table: Table, future: BoolArray, closes: IntArray, generator: np.random.Generator) -> Table:
    """Replace the future rows by a random walk from each symbol's last close, with gaps and damaged rows."""
    prices, volume = table.prices.copy(), table.volume.copy()
    lost = np.zeros(len(table), bool)
    for rows, last in _futures(table, future, closes):
        count = len(rows)
        close = last * np.exp(np.cumsum(generator.normal(0.0, _NOISE_STEP, count)))
        opened = close * np.exp(generator.normal(0.0, 0.01, count))
        spread = 1.0 + np.abs(generator.normal(0.0, 0.01, count))
        prices[rows, OPEN], prices[rows, CLOSE] = opened, close
        prices[rows, HIGH] = np.maximum(opened, close) * spread
        prices[rows, LOW] = np.minimum(opened, close) / spread
        volume[rows] = np.round(np.exp(generator.normal(13.0, 1.0, count)))
        lost[rows] = _damage(prices, volume, rows, generator)
    return replace(table, prices=prices, volume=volume).keep(~lost)


def scaled(table: Table, future: BoolArray, closes: IntArray, generator: np.random.Generator) -> Table:
    """Scale the future rows' prices and volume, and lift the prices by part of the last close before them."""
    prices, volume = table.prices.copy(), table.volume.copy()
    for rows, last in _futures(table, future, closes):
        prices[rows] = _SCALE * prices[rows] + _SHIFT * last
        volume[rows] = _VOLUME * volume[rows]
    return replace(table, prices=prices, volume=volume)


def halved(table: Table) -> Table:
    """Return the table with all prices halved, exactly: what a later 2:1 split does to an adjusted history."""
    return replace(table, prices=table.prices * 0.5)


def split_once_more(table: Table, volumes: bool) -> tuple[Table, str]:
    """Return the table with one symbol's prices halved, and its volumes doubled if asked, and that symbol.

    It is the symbol with the most rows, the first of them: what its next 2:1 split will do to an adjusted history.
    """
    chosen = int(np.bincount(table.code, minlength=len(table.symbols)).argmax())
    own = table.code == chosen
    prices = np.where(own[:, None], table.prices * 0.5, table.prices)
    volume = np.where(own, table.volume * 2.0, table.volume) if volumes else table.volume
    return replace(table, prices=prices, volume=volume), table.symbols[chosen]


def choose_cuts(
    table: Table,
    settings: DataSettings,
    bars: Bars,
    folds: Sequence[Fold],
    quality: QualityReport,
    first: int,
) -> tuple[Cut, ...]:
    """Return the moments at which the future is replaced, in time order, each once.

    For each fold: the end of its training, its first test bar (just after the model is retrained), and the
    middle of its test window. Where markets close at different times, also each of the closes of one day: what
    closes first must not know of what closes later. Besides: moments inside gaps of a symbol, bars that cleaning
    objected to or changed (what it does to a bar must not wait for the next one), and bars before the universe
    changes.
    None before row `first`, where truncated data are too short to be used, and none at or after the last bar,
    where nothing would be replaced.
    """
    stamps = microseconds(bars.timestamps)
    chosen: dict[int, str] = {}

    def add(time: int, reason: str) -> None:
        if stamps[first] <= time < stamps[-1]:
            chosen.setdefault(int(time), reason)

    for fold in folds:
        add(microseconds(pd.DatetimeIndex([fold.trained_until]))[0], f"end of training of {fold.model_id}")
        add(stamps[fold.test[0]], f"first bar of {fold.model_id}")
        add(stamps[fold.test[len(fold.test) // 2]], f"middle of {fold.model_id}")
    add(stamps[-2], "last bar but one")
    for time, reason in _within_days(bars, folds):
        add(time, reason)
    for time in _spread(gap_moments(table, settings, stamps), GAP_CUTS):
        add(time, "inside a gap")
    found = sorted({f.first for f in quality.findings if f.first is not None})
    damaged = microseconds(pd.DatetimeIndex(found)) if found else np.zeros(0, np.int64)
    for time in _spread(damaged, DAMAGE_CUTS):
        add(time, "damaged bar")
    for time in _spread(cleaned_moments(table, settings, bars), DAMAGE_CUTS):
        add(time, "changed by cleaning")
    if bars.member is not None:
        changes = np.flatnonzero((bars.member[1:] != bars.member[:-1]).any(axis=1))
        for time in _spread(stamps[changes], MEMBER_CUTS):
            add(time, "before the universe changes")
    return tuple(sorted(Cut(time, reason) for time, reason in chosen.items()))


def _within_days(bars: Bars, folds: Sequence[Fold]) -> Iterator[tuple[int, str]]:
    """Yield a close within the day in the middle of each test window, and all of the last one's."""
    if CLOSED_AT not in bars.extras:
        return
    closed = bars.extras[CLOSED_AT]
    for number, fold in enumerate(folds):
        day = closed[fold.test[len(fold.test) // 2]]
        closes = np.unique(day[np.isfinite(day)]).astype(np.int64).tolist()
        chosen = closes if fold is folds[-1] else [closes[number % len(closes)]]
        for time in chosen:
            yield time, f"a close within a day of {fold.model_id}"


def gap_moments(table: Table, settings: DataSettings, stamps: IntArray) -> IntArray:
    """Return the closes, sorted, at which some symbol has no row but has one before and after."""
    grid = stamps
    settings = settings_for(table, settings)
    if settings.interval == DAILY and len(set(table.calendars)) < 2:
        first, last = (pd.Timestamp(time, unit="us") for time in (stamps[0], stamps[-1]))
        grid = microseconds(
            session_closes(settings.exchange, sessions_between(settings.exchange, first, last))
        )
    closes = row_closes(table, settings)
    missing: list[IntArray] = []
    for code in range(len(table.symbols)):
        own = closes[table.code == code]
        if len(own):
            inside = grid[(grid > own.min()) & (grid < own.max())]
            missing.append(np.setdiff1d(inside, own))
    return np.unique(np.concatenate(missing)) if missing else np.zeros(0, np.int64)


def cleaned_moments(table: Table, settings: DataSettings, bars: Bars) -> IntArray:
    """Return the closes, sorted, of rows that are not in the bars as they were delivered."""
    closes, stamps = row_closes(table, settings), microseconds(bars.timestamps)
    row = np.minimum(np.searchsorted(stamps, closes), len(stamps) - 1)
    kept = (true_closes(bars)[row, table.code] == closes) & (
        bars.close[row, table.code] == table.prices[:, CLOSE]
    )
    return np.unique(closes[~kept & (closes != NO_TIME)])


def _spread(moments: IntArray, count: int) -> list[int]:
    """Return at most `count` of the moments, spread over them."""
    if len(moments) <= count:
        return [int(time) for time in moments]
    return [int(moments[row]) for row in np.linspace(0, len(moments) - 1, count).astype(int)]


def _futures(table: Table, future: BoolArray, closes: IntArray) -> Iterable[tuple[IntArray, float]]:
    """Yield each symbol's future rows in time order, with its last usable close before them."""
    usable = np.isfinite(table.prices[:, CLOSE]) & (table.prices[:, CLOSE] > 0)
    for code in range(len(table.symbols)):
        mine = table.code == code
        rows = np.flatnonzero(mine & future)
        known = np.flatnonzero(mine & ~future & usable)
        if len(rows):
            own = known if len(known) else np.flatnonzero(mine & usable)
            last = table.prices[own[np.argmax(closes[own])], CLOSE] if len(own) else 100.0
            yield rows[np.argsort(closes[rows], kind="stable")], float(last)


def _damage(
    prices: FloatArray, volume: FloatArray, rows: IntArray, generator: np.random.Generator
) -> BoolArray:
    """Damage some rows in place as vendors do; return which of them are lost altogether."""
    kinds: tuple[Callable[[IntArray], None], ...] = (
        lambda hit: prices.__setitem__(hit, prices[hit] * 100.0),
        lambda hit: prices.__setitem__((hit, HIGH), prices[hit, LOW] * 0.9),
        lambda hit: prices.__setitem__((hit, CLOSE), np.nan),
        lambda hit: volume.__setitem__(hit, 0.0),
    )
    draw = generator.random((len(kinds) + 1, len(rows))) < _DAMAGED
    for kind, hit in zip(kinds, draw, strict=False):
        kind(rows[hit])
    return np.asarray(draw[-1])
