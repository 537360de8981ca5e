"""Frozen values that every part of the engine passes around.

Time convention, everywhere: a timestamp is the **close** of its bar, timezone-aware UTC.
Array convention: rows are bars (T), columns are symbols (S), float64, NaN where there is nothing.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forewalk.errors import DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Arrays = Mapping[str, npt.NDArray[Any]]  # named arrays that independent tasks share

PRICE_FIELDS = ("open", "high", "low", "close")
BAR_FIELDS = (*PRICE_FIELDS, "volume")
CLOSED_AT = (
    "closed_at"  # of `Bars.extras`: the true close of each cell where rows are days of several markets
)
ACCOUNT_EXTRAS = (  # of `Bars.extras`: what the account reads
    *("member", "dividend", "spread"),
    *("rate_open", "rate_close", "pair", "pip", CLOSED_AT),
)


def frozen(values: npt.ArrayLike) -> FloatArray:
    """Return a read-only C-contiguous float64 copy of `values`."""
    array = np.array(values, dtype=np.float64, order="C")
    array.flags.writeable = False
    return array


def _of_shape(name: str, values: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    found = frozen(values)
    if found.shape != shape:
        raise DataError(f"{name} has shape {found.shape}, but the bars are {shape} (bars x symbols)")
    return found


def utc_index(timestamps: Sequence[pd.Timestamp] | pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return `timestamps` as a microsecond UTC index; a zone-less timestamp raises DataError."""
    index = timestamps if isinstance(timestamps, pd.DatetimeIndex) else pd.DatetimeIndex(list(timestamps))
    if index.tz is None:
        raise DataError("timestamps have no time zone; localise them to the exchange's zone first")
    return index.tz_convert("UTC").as_unit("us")


@dataclass(frozen=True, eq=False)
class Bars:
    """A price history: T bars of S symbols.

    Attributes:
        timestamps: UTC close of each bar, strictly increasing, length T.
        symbols: column names, unique, length S.
        open, high, low, close: prices, float64 [T, S], read-only, NaN where the symbol has no bar.
        volume: traded units, float64 [T, S], read-only, NaN where the symbol has no bar.
        calendar: name of the exchange calendar (exchange_calendars), e.g. "XNYS".
        interval: "1d" for daily bars, "1wk", "1mo", or a pandas offset such as "1h" or "1min".
        notes: what was found and changed when the bars were read, a line each; no part of the fingerprint.
        extras: what else is known of each cell, float64 [T, S] by name, read-only; only what there is:
            member: 1 where the symbol belongs to the universe on that day, else 0 (`data.universe`);
            dividend: cash per share, paid to who held it at the close before; prices are raw then;
            spread: ask less bid at the open, in units of the price; prices are mid prices then;
            rate_open, rate_close, pair, pip: of currencies, see `forewalk.instruments.with_currencies`;
            closed_at: true close of each cell where rows are days, see `forewalk.data.cleaning.together`;
            and the columns of `features.columns`.
        calendars: calendar of each symbol where a panel mixes markets, length S; else empty. The rows of such a
            panel are the true closes of all its markets, so most symbols have no bar on most rows.

    Raises:
        DataError: shapes disagree, timestamps are not increasing or not zone-aware, symbols repeat.
    """

    timestamps: pd.DatetimeIndex
    symbols: tuple[str, ...]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    calendar: str = "XNYS"
    interval: str = "1d"
    notes: tuple[str, ...] = ()
    extras: Mapping[str, FloatArray] = field(default_factory=dict)
    calendars: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "timestamps", utc_index(self.timestamps))
        if not (self.timestamps.is_monotonic_increasing and self.timestamps.is_unique):
            raise DataError("bar timestamps must be strictly increasing; sort them and drop duplicates")
        if len(set(self.symbols)) != len(self.symbols):
            raise DataError(f"symbols repeat: {', '.join(self.symbols)}")
        shape = (len(self.timestamps), len(self.symbols))
        for name in BAR_FIELDS:
            object.__setattr__(self, name, _of_shape(name, getattr(self, name), shape))
        extras = {name: _of_shape(name, values, shape) for name, values in sorted(self.extras.items())}
        object.__setattr__(self, "extras", extras)

    def __len__(self) -> int:
        return len(self.timestamps)

    def __repr__(self) -> str:
        span = f"{self.timestamps[0]:%Y-%m-%d}..{self.timestamps[-1]:%Y-%m-%d}" if len(self) else "empty"
        notes = f", {len(self.notes)} notes" if self.notes else ""
        return f"Bars({len(self)} x {len(self.symbols)} symbols, {span}, {self.interval}, {self.calendar}{notes})"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return f"<code>{html.escape(repr(self))}</code>" + (f"<ul>{notes}</ul>" if notes else "")

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        symbol: str | None = None,
        *,
        calendar: str = "XNYS",
        interval: str | None = None,
        cleaning: Mapping[str, str] | None = None,
        columns: Sequence[str] = (),
    ) -> Bars:
        """Return the bars of a pandas DataFrame, long or wide, placed in time and cleaned as a file's are.

        Long: one row per bar, a date as column or index, columns open, high, low, close, volume (any case;
        adj_close rescales all prices), and symbol as column or index level. Wide: columns of two levels,
        (field, symbol) or (symbol, field); a symbol has no bar where all its fields are NaN.

        Dates without a zone (and midnights) are session dates of the exchange. Intraday stamps are the start
        of their bar and need a zone. What was found and changed is in `notes`.

        Args:
            frame: the prices.
            symbol: whose they are, where the frame has no symbols.
            calendar: exchange_calendars name.
            interval: bar length; None takes it from the stamps.
            cleaning: policy by rule, e.g. {"outliers": "flag"}; see `data.cleaning` in the settings.
            columns: columns of your own that go along, for `features.columns`; `<name>_known_at` dates their values.

        Raises:
            DataError: a column, date, number or symbol is wrong, or cleaning leaves nothing.
            ConfigError: the calendar, interval or a policy is unknown.
        """
        from forewalk.data.sources.frames import bars_from_frame

        return bars_from_frame(frame, symbol, calendar, interval, cleaning, columns)

    @cached_property
    def present(self) -> BoolArray:
        """True [T, S] where the symbol has a bar (its close is not NaN)."""
        return ~np.isnan(self.close)

    @cached_property
    def member(self) -> BoolArray | None:
        """True [T, S] where the symbol belongs to the universe; None where no universe was given."""
        member = self.extras.get("member")
        return None if member is None else member > 0

    def with_extras(self, **extras: FloatArray) -> Bars:
        """Return the bars with more known of each cell."""
        return replace(self, extras={**self.extras, **extras})

    def until(self, asof: pd.Timestamp) -> Bars:
        """Return the bars that were known at `asof`: those whose close is at or before it."""
        return self._rows(slice(0, int(self.timestamps.searchsorted(asof, side="right"))))

    def since(self, first: pd.Timestamp) -> Bars:
        """Return the bars whose close is at or after `first`."""
        return self._rows(slice(int(self.timestamps.searchsorted(first, side="left")), None))

    def select(self, symbols: Sequence[str]) -> Bars:
        """Return the columns of `symbols`, in that order; an unknown symbol raises DataError."""
        missing = [symbol for symbol in symbols if symbol not in self.symbols]
        if missing:
            raise DataError(f"no bars for {', '.join(missing)}; there are: {', '.join(self.symbols)}")
        columns = [self.symbols.index(symbol) for symbol in symbols]
        fields = {name: getattr(self, name)[:, columns] for name in BAR_FIELDS}
        extras = {name: values[:, columns] for name, values in self.extras.items()}
        calendars = tuple(self.calendars[column] for column in columns) if self.calendars else ()
        return replace(self, symbols=tuple(symbols), extras=extras, calendars=calendars, **fields)

    def frame(self, symbol: str) -> pd.DataFrame:
        """Return one symbol's existing bars as a DataFrame indexed by UTC close."""
        column = self.symbols.index(symbol)
        data = {name: getattr(self, name)[:, column] for name in BAR_FIELDS}
        frame = pd.DataFrame(data, index=self.timestamps)
        return frame[self.present[:, column]]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over calendar, interval, symbols, timestamps and every value, as hex."""
        digest = hashlib.sha256()
        digest.update(repr((self.calendar, self.interval, self.symbols)).encode())
        if self.calendars:
            digest.update(repr(self.calendars).encode())
        digest.update(self.timestamps.tz_localize(None).to_numpy("M8[us]").astype("<i8").tobytes())
        for name in BAR_FIELDS:
            canonical = np.where(np.isnan(getattr(self, name)), np.nan, getattr(self, name))
            digest.update(canonical.astype("<f8").tobytes())
        for name, values in self.extras.items():
            digest.update(name.encode() + np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
        return digest.hexdigest()

    def _rows(self, rows: slice) -> Bars:
        fields = {name: getattr(self, name)[rows] for name in BAR_FIELDS}
        extras = {name: values[rows] for name, values in self.extras.items()}
        return replace(self, timestamps=self.timestamps[rows], extras=extras, **fields)


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What the timeline said at the close of every bar; NaN where it said nothing.

    Attributes:
        timestamps: `asof` of each row, UTC, length T.
        symbols: length S.
        mean: expected log return from close t to close t+h, float64 [T, S]
            (relative to the universe's mean when the label is `market_relative`).
        std: its standard deviation, same units, > 0.
        p_up: probability that the return is positive, in (0, 1).
        horizon_bars: h.
        model_ids: the model behind each row, length T, "" where there is none.
        trained_until: end of the last label that model saw, length T, NaT where there is none.
    """

    timestamps: pd.DatetimeIndex
    symbols: tuple[str, ...]
    mean: FloatArray
    std: FloatArray
    p_up: FloatArray
    horizon_bars: int
    model_ids: tuple[str, ...]
    trained_until: pd.DatetimeIndex

    def __post_init__(self) -> None:
        shape = (len(self.timestamps), len(self.symbols))
        for name in ("mean", "std", "p_up"):
            values = frozen(getattr(self, name))
            if values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.timestamps)

    def __repr__(self) -> str:  # backtrader prints parameters into chart labels
        return f"Forecasts({len(self)} x {len(self.symbols)}, h={self.horizon_bars})"


@dataclass(frozen=True)
class TrainingCurve:
    """Loss per epoch of one network.

    Attributes:
        model_id: the model this network belongs to, e.g. "fold-03".
        network: which of its networks, e.g. "seed-0" or "AAPL/seed-0".
        train_loss, valid_loss: mean loss per target, one value per epoch.
        best_epoch: 0-based epoch whose weights were kept.
    """

    model_id: str
    network: str
    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]
    best_epoch: int


@dataclass(frozen=True, eq=False)
class SimulationResult:
    """What one Cerebro run did. All times are UTC.

    Attributes:
        equity: one row per bar; columns time, equity, cash, gross_exposure (sum of |weights|), benchmark
            (value of the same cash put into an equal-weight portfolio of the symbols and held).
        orders: decided_at, symbol, side, quantity, type, status, reason, filled_at, fill_price, fee, one row
            per order. A partial fill has the filled quantity in `filled_quantity`.
        trades: one row per round trip: symbol, side, quantity, opened_at, closed_at, entry_price,
            exit_price, bars_held, fees, pnl, return.
        decisions: one row per target that changed: asof, symbol, target_weight, forecast_mean, forecast_std.
        open_positions: symbol, quantity, entry_price, last_price, value, unrealised, marked at the last close.
        counts: orders, filled, partial, rejected, margin, cancelled, pending; fees_paid, slippage_paid.
    """

    equity: pd.DataFrame
    orders: pd.DataFrame
    trades: pd.DataFrame
    decisions: pd.DataFrame
    open_positions: pd.DataFrame
    counts: dict[str, float]
