"""What was traded: the price with fills and forecast ranges, closer or wider, and every trade in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.runs.folder import StoredRun, read_run
from engine.runs.stored import require_same_bars
from engine.web.screens import drawing
from engine.web.screens.windows import Moves, moves_of, window_of
from forewalk.errors import ForewalkError
from forewalk.settings.loading import load_settings
from forewalk.types import Bars, FloatArray

RANGE_80 = 1.2815515655446004  # standard deviations of a normal distribution on either side
MOST_RANGES = 250  # bars beyond which ranges would be a blot
ROWS = 50  # of a table on one page
COLUMNS = {
    "symbol": "symbol",
    "side": "side",
    "opened_at": "bought or sold short",
    "closed_at": "closed",
    "quantity": "shares",
    "entry_price": "price in",
    "exit_price": "price out",
    "bars_held": "bars held",
    "fees": "fees",
    "pnl": "profit after costs",
    "return": "of its value",
}  # of trades.csv, and what a reader sees


@dataclass(frozen=True)
class Asked:
    """What a reader asks for: a symbol, how many bars up to which date, and how the trades are ordered."""

    symbol: str | None = None
    bars: int = 250
    to: str | None = None
    sort: str = "closed_at"
    down: bool = True
    part: int = 1

    def link(self, **change: Any) -> str:
        """Return the query of a link that changes some of it."""
        new = {**self.__dict__, **change}
        return "?" + urlencode(
            {
                key: int(value) if value is True or value is False else value
                for key, value in new.items()
                if value is not None
            }
        )


@dataclass(frozen=True)
class Trading:
    """The screen.

    Attributes:
        symbols: with a forecast or a trade. symbol: shown, None where there is none.
        chart: of its price; None with `silent` in words where the prices cannot be had.
        marks: (date, what, shares, price) of the fills on the chart. moves: (what, query) of links to other windows.
        heads: (title, query to order by it, whether it is the order now). rows: of trades, as text.
        part, parts: of the table. count: trades of all symbols. positions: held at the end, as text.
    """

    symbols: tuple[str, ...]
    symbol: str | None
    chart: Markup | None
    silent: str
    marks: tuple[tuple[str, str, str, str], ...]
    moves: Moves
    heads: tuple[tuple[str, str, bool], ...]
    rows: tuple[tuple[str, ...], ...]
    part: int
    parts: int
    count: int
    positions: tuple[tuple[str, ...], ...]


def trading(folder: Path, asked: Asked) -> Trading:
    """Return the screen of a run's folder.

    Raises:
        ForewalkError: a file of the run is missing or damaged.
    """
    run, trades = _stored(folder, (folder / "manifest.json").stat().st_mtime_ns)
    symbols = tuple(sorted({*map(str, run.forecasts["symbol"]), *map(str, run.orders["symbol"])}))
    traded = [*trades["symbol"].astype(str), *run.orders["symbol"].astype(str)]
    first = traded[0] if traded else next(iter(symbols), None)
    symbol = asked.symbol if asked.symbol in symbols else first
    chart: Markup | None = None
    marks: tuple[tuple[str, str, str, str], ...] = ()
    moves: Moves = ()
    silent = ""
    if symbol is not None:
        try:
            bars = _bars(folder, run.manifest["data_fingerprint"])
            chart, marks, moves = _window(run, bars, symbol, asked)
        except ForewalkError as problem:
            silent = str(problem)
    rows, part, parts = _ordered(trades, asked, _is_daily(folder))
    return Trading(
        symbols=symbols,
        symbol=symbol,
        chart=chart,
        silent=silent,
        marks=marks,
        moves=moves,
        heads=tuple(
            (
                title,
                asked.link(sort=name, down=not (asked.sort == name and asked.down), part=1),
                asked.sort == name,
            )
            for name, title in COLUMNS.items()
        ),
        rows=rows,
        part=part,
        parts=parts,
        count=len(trades),
        positions=_positions(folder),
    )


@lru_cache(maxsize=16)
def _stored(folder: Path, written: int) -> tuple[StoredRun, pd.DataFrame]:
    """Read a run; `written` is when, since a name may be used again."""
    return read_run(folder), pd.read_csv(folder / "trades.csv")


@lru_cache(maxsize=4)
def _bars(folder: Path, fingerprint: str) -> Bars:
    return require_same_bars(read_run(folder), load_settings(folder / "config.toml", environment={}))


def _is_daily(folder: Path) -> bool:
    return load_settings(folder / "config.toml", environment={}).data.interval in {"1d", "1wk", "1mo"}


def _ordered(trades: pd.DataFrame, asked: Asked, daily: bool) -> tuple[tuple[tuple[str, ...], ...], int, int]:
    """Return one page of the trades as text, its number, and how many there are."""
    parts = max(1, -(-len(trades) // ROWS))
    part = min(max(asked.part, 1), parts)
    by = asked.sort if asked.sort in COLUMNS else "closed_at"
    table = trades.sort_values(by, ascending=not asked.down, kind="stable")[(part - 1) * ROWS : part * ROWS]
    return (
        tuple(tuple(_cell(name, row[name]) for name in COLUMNS) for _, row in table.iterrows()),
        part,
        parts,
    )


def _cell(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return str(value)[:16].removesuffix(" 00:00")
    if name == "return":
        return f"{value:+.1%}"
    if name in {"pnl", "fees", "entry_price", "exit_price"}:
        return f"{value:,.2f}"
    return f"{value:,g}" if isinstance(value, int | float) else str(value)


def _positions(folder: Path) -> tuple[tuple[str, ...], ...]:
    held = pd.read_csv(folder / "open_positions.csv")
    return tuple(
        (
            str(row["symbol"]),
            f"{row['quantity']:,g}",
            f"{row['entry_price']:,.2f}",
            f"{row['last_price']:,.2f}",
            f"{row['value']:,.2f}",
            f"{row['unrealised']:+,.2f}",
        )
        for _, row in held.iterrows()
    )


def _window(
    run: StoredRun, bars: Bars, symbol: str, asked: Asked
) -> tuple[Markup, tuple[tuple[str, str, str, str], ...], Moves]:
    """Return the chart of the bars asked for, the fills on it, and the links to other windows."""
    column = bars.symbols.index(symbol)
    there = np.flatnonzero(np.isfinite(bars.close[:, column]))
    dates = bars.timestamps[there]
    first, last, span = window_of(dates, asked.bars, asked.to)
    rows = there[first:last]
    times, close = bars.timestamps[rows], bars.close[rows, column]
    fills = _fills(run.orders, symbol, times)
    chart = _drawn(symbol, times, close, _ranges(run.forecasts, symbol, times, close), fills)
    marks = tuple(
        (f"{time:%Y-%m-%d}", what, f"{shares:,g}", f"{price:,.2f}") for time, what, shares, price, _ in fills
    )
    moves = moves_of(lambda bars, to: asked.link(symbol=symbol, bars=bars, to=to), dates, first, last, span)
    return chart, marks, moves


def _fills(
    orders: pd.DataFrame, symbol: str, times: pd.DatetimeIndex
) -> list[tuple[pd.Timestamp, str, float, float, int]]:
    """Return (time, what, shares, price, row) of the fills within the window, a stop's named as one."""
    own = orders[(orders["symbol"].astype(str) == symbol) & (orders["filled_quantity"] > 0)]
    moments = pd.to_datetime(own["filled_at"], utc=True, errors="coerce")
    found = []
    for (_, order), moment in zip(own.iterrows(), moments, strict=True):
        if (
            pd.isna(moment)
            or not len(times)
            or moment > times[-1]
            or moment < times[0] - pd.Timedelta(days=1)
        ):
            continue
        what = "stop" if "stop" in f"{order['reason']} {order['type']}" else str(order["side"])
        row = min(int(times.searchsorted(moment)), len(times) - 1)
        found.append((moment, what, float(order["filled_quantity"]), float(order["fill_price"]), row))
    return found


def _ranges(
    forecasts: pd.DataFrame, symbol: str, times: pd.DatetimeIndex, close: FloatArray
) -> tuple[list[int], FloatArray, FloatArray]:
    """Return rows of the window, and the lowest and highest price of the range for 80 of 100 given before each."""
    own = forecasts[forecasts["symbol"].astype(str) == symbol]
    if len(times) > MOST_RANGES or own.empty:
        return [], np.empty(0), np.empty(0)
    made = times.get_indexer(pd.DatetimeIndex(own["asof"]).tz_convert("UTC"))
    target = made + own["horizon_bars"].to_numpy()
    known = (made >= 0) & (target < len(times)) & np.isfinite(own["mean"].to_numpy())
    mean, std = own["mean"].to_numpy()[known], own["std"].to_numpy()[known]
    start = close[made[known]]
    low, high = (start * np.exp(mean + side * RANGE_80 * std) for side in (-1, 1))
    return target[known].tolist(), low, high


def _drawn(
    symbol: str,
    times: pd.DatetimeIndex,
    close: FloatArray,
    ranges: tuple[Sequence[int], FloatArray, FloatArray],
    fills: Sequence[tuple[pd.Timestamp, str, float, float, int]],
) -> Markup:
    at, low, high = ranges
    x, y = drawing.axes(
        [*close.tolist(), *low.tolist(), *high.tolist(), *(fill[3] for fill in fills)], len(times)
    )
    digits = "{:,.0f}" if y.high >= 1000 else "{:,.2f}"
    parts = [drawing.frame(y, digits, f"{times[0]:%Y-%m-%d}", f"{times[-1]:%Y-%m-%d}")]
    if len(at) > 1:
        xs = [x(row) for row in at]
        parts.append(drawing.area("band80", xs, [y(value) for value in low], [y(value) for value in high]))
    shown = drawing.thinned(close)
    parts.append(drawing.line("price", [x(row) for row in shown], [y(float(close[row])) for row in shown]))
    parts += [drawing.mark(what, x(row), y(price)) for _, what, _, price, row in fills]
    label = f"{symbol} from {times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d} with {len(fills)} fills"
    return drawing.chart(label, parts)
