"""Raw rows for audits that take seconds, and damage for them."""

from dataclasses import replace

import numpy as np

from engine.audit.pipeline import Pipeline
from forewalk.data.table import NO_TIME, Table
from forewalk.data.universe import OPEN_END, Universe
from forewalk.sessions import microseconds
from helpers.making import make_bars, make_settings

SMALL = {
    "data__min_history_bars": 60,
    "folds__train_bars": 120,
    "folds__refit_every_bars": 45,
    "model__max_epochs": 1,
    "model__lookback_bars": 8,
    "features__ema_spans": (10,),
    "strategy__min_hold_bars": 1,
    "strategy__entry": 0.0,
}
GAP = (slice(140, 146), 1)  # rows and column


def small_settings(**overrides):
    """Two folds and a model that learns hardly anything: an audit asks whether it could have cheated."""
    merged = {**SMALL, **overrides}
    sections_first = dict(sorted(merged.items(), key=lambda item: "__" in item[0]))
    return make_settings(**sections_first)


def table_of(bars) -> Table:
    """The rows a source would deliver for daily bars: one per existing bar, symbol after symbol."""
    parts = []
    for code, symbol in enumerate(bars.symbols):
        frame = bars.frame(symbol)
        days = frame.index.tz_convert("America/New_York").tz_localize(None).normalize()
        parts.append((np.full(len(frame), code), microseconds(days), frame.to_numpy(np.float64)))
    code, wall, values = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Table(
        symbols=bars.symbols,
        origins=("made up",) * len(bars.symbols),
        code=code.astype(np.int64),
        wall=wall,
        instant=np.full(len(code), NO_TIME),
        line=np.arange(len(code)) + 1,
        prices=np.ascontiguousarray(values[:, :4]),
        volume=np.ascontiguousarray(values[:, 4]),
    )


def small_table(rows=175, symbols=2, seed=0, missing=(GAP,)) -> Table:
    """A random walk of two symbols, one with a gap."""
    return table_of(make_bars(rows, symbols, seed, missing))


def damaged_table(seed=1) -> Table:
    """Raw rows with most of what cleaning knows: outliers, impossible ranges, NaN, a split, repeated rows."""
    table = small_table(seed=seed)
    prices, volume = table.prices.copy(), table.volume.copy()
    prices[[70, 160]] *= 100.0
    prices[90, 1] = prices[90, 2] * 0.5
    prices[[110, 265], 3] = np.nan
    prices[150:170] /= 2.0
    volume[120:127] = 0.0
    volume[130] = -5.0
    table = replace(table, prices=prices, volume=volume)
    again = np.sort(np.append(np.arange(len(table)), [80, 170, 280]))
    return replace(
        table,
        **{
            name: getattr(table, name)[again]
            for name in ("code", "wall", "instant", "line", "prices", "volume")
        },
    )


def table_with_spikes() -> Table:
    """Four closes that are a quarter too high, and right again the next day."""
    table = small_table()
    prices = table.prices.copy()
    prices[[130, 160, 295, 320], 3] *= 1.25
    prices[:, 1] = prices.max(axis=1)
    return replace(table, prices=prices)


def table_with_a_split() -> Table:
    """The second symbol's price halves overnight, unadjusted."""
    table = small_table()
    prices = table.prices.copy()
    prices[325:] /= 2.0
    return replace(table, prices=prices)


def table_with_a_universe() -> Table:
    """Three symbols of which one joins late, one leaves and comes back, and one is delisted at a loss."""
    bars = make_bars(175, 3, 0, ((slice(150, None), 1),))
    dates = [int(day) for day in np.unique(table_of(bars).wall)]
    spans = ((0, 0, 139), (0, 150, None), (1, 0, 149), (2, 100, None))
    universe = Universe(
        symbols=bars.symbols,
        code=np.array([code for code, _, _ in spans]),
        first=np.array([dates[first] for _, first, _ in spans]),
        last=np.array([OPEN_END if last is None else dates[last] for _, _, last in spans]),
        delisting_return=np.array([np.nan, np.nan, -0.4, np.nan]),
        source="universe.csv",
        sha256="0",
    )
    return replace(table_of(bars), universe=universe)


def pipeline_on(table, **stages) -> Pipeline:
    """The product's pipeline on the given rows, with some stages replaced."""
    return Pipeline(read=lambda settings: table, **stages)
