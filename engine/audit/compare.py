"""What a run knew, value by value and stage by stage, and the first value that two runs disagree on.

Every value carries the moment at which it was known. Up to the cut, a run over doctored data must know the
same values at the same moments, bit for bit. Only forecasts of truncated data, whose arrays have other
shapes, may differ by rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.audit.certificate import Offender
from engine.audit.doctoring import iso_utc
from engine.audit.pipeline import Prepared, training_digest
from forewalk.sessions import microseconds
from forewalk.types import BAR_FIELDS, Bars, BoolArray, Forecasts, IntArray, SimulationResult

STAGES = (
    "cleaning", "features", "labels", "folds", "training", "fit", "forecasts", "decisions", "orders",
    "fills", "equity", "trades",
)  # fmt: skip
NEVER = int(np.iinfo(np.int64).max)  # known_at of what no bar of the data has decided
ROUNDING = 1e-6  # of a forecast on truncated data

Values = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Block:
    """Values of one kind, N rows known at some moment, M columns.

    Attributes:
        stage: one of `STAGES`.
        name: what the values are, e.g. "rsi".
        columns: what each column is, e.g. the symbols, length M.
        known_at: microseconds UTC [N].
        values: [N, M], numbers or fixed-width text.
        rounded: whether truncated data may change them by `ROUNDING`.
        needs_later_bars: compared only where the bars after the cut are still there.
        rows: what each row is, where its moment does not say it, e.g. the folds, length N or empty.
        aligned: rows belong together by their number, and the real run says which were known.
    """

    stage: str
    name: str
    columns: tuple[str, ...]
    known_at: IntArray
    values: Values
    rounded: bool = False
    needs_later_bars: bool = False
    rows: tuple[str, ...] = ()
    aligned: bool = False


@dataclass(frozen=True)
class Agreement:
    """What one doctored run showed: values compared and first offender by stage, largest rounding."""

    values: dict[str, int] = field(default_factory=dict)
    offenders: tuple[Offender, ...] = ()
    rounding: float = 0.0


def prepared_blocks(prepared: Prepared) -> Iterator[Block]:
    """Yield what was known before training."""
    bars, panel, labels = prepared.bars, prepared.panel, prepared.labels
    stamps = microseconds(bars.timestamps)
    for name in BAR_FIELDS:
        yield Block("cleaning", name, bars.symbols, stamps, getattr(bars, name))
    for name, values in bars.extras.items():
        yield Block("cleaning", name, bars.symbols, stamps, values)
    for column, name in enumerate(panel.names):
        yield Block("features", name, panel.symbols, stamps, panel.values[:, :, column])
    yield Block("features", "scale", panel.symbols, stamps, panel.scale)
    yield Block("features", "eligible", panel.symbols, stamps, panel.eligible)
    ends = np.where(labels.end.isna(), NEVER, microseconds(labels.end))
    yield Block("labels", "return", bars.symbols, ends, labels.returns)
    yield Block("labels", "scaled return", bars.symbols, ends, labels.scaled)
    if labels.scores is not None:
        yield Block("labels", "rank", bars.symbols, ends, labels.scores)
    yield from _fold_blocks(prepared)


def _fold_blocks(prepared: Prepared) -> Iterator[Block]:
    if not prepared.folds:
        return
    rows = [
        (f.train[0], f.train[-1], len(f.train), f.valid[0], f.valid[-1], len(f.valid), f.test[0])
        for f in prepared.folds
    ]
    names = (
        "train first",
        "train last",
        "train rows",
        "valid first",
        "valid last",
        "valid rows",
        "test first",
    )
    begin = microseconds(pd.DatetimeIndex([fold.valid_from for fold in prepared.folds]))
    end = microseconds(pd.DatetimeIndex([fold.trained_until for fold in prepared.folds]))
    ids = tuple(fold.model_id for fold in prepared.folds)
    yield Block("folds", "window", names, begin, np.array(rows, np.int64), rows=ids)
    yield Block("folds", "trained_until", ("time",), begin, end[:, None], rows=ids)
    yield from _training_blocks(prepared, end)


def _training_blocks(prepared: Prepared, end: IntArray) -> Iterator[Block]:
    """Yield how much each fold's forecaster is given, sums of it that tell where and how much, and its digest."""
    sizes = [
        (len(data.panel), len(data.train), len(data.valid), int(np.isfinite(data.target).sum()))
        for data in prepared.training
    ]
    sums = [
        (float(np.nansum(data.target)), float(np.nansum(data.panel.values, dtype=np.float64)))
        for data in prepared.training
    ]
    digests = [[training_digest(data)] for data in prepared.training]
    ids = tuple(data.model_id for data in prepared.training)
    for name, columns, values in (
        ("number of", ("rows", "train rows", "valid rows", "labels"), np.array(sizes, np.int64)),
        ("sum of", ("labels", "features"), np.array(sums)),
        ("data", ("sha256",), np.array(digests)),
    ):
        yield Block("training", name, columns, end, values, needs_later_bars=True, rows=ids)


def result_blocks(bars: Bars, forecasts: Forecasts, simulation: SimulationResult) -> Iterator[Block]:
    """Yield what was known after training: forecasts and everything the account did."""
    stamps = microseconds(forecasts.timestamps)
    for name in ("mean", "std", "p_up"):
        yield Block("forecasts", name, forecasts.symbols, stamps, getattr(forecasts, name), rounded=True)
    models = np.array([[name] for name in forecasts.model_ids] or np.empty((0, 1)), dtype="U")
    yield Block("forecasts", "model", ("id",), stamps, models)
    yield from _account_blocks(bars, simulation)


def _account_blocks(bars: Bars, simulation: SimulationResult) -> Iterator[Block]:
    stamps = microseconds(bars.timestamps)
    decisions, orders = simulation.decisions, simulation.orders
    asof = _times(decisions["asof"])
    yield _numbers("decisions", decisions, ("target_weight", "forecast_mean", "forecast_std"), asof, True)
    yield _texts("decisions", decisions, ("symbol", "reason"), asof)
    decided = _times(orders["decided_at"])
    yield _numbers("orders", orders, ("quantity",), decided)
    yield _texts("orders", orders, ("symbol", "side", "type", "reason"), decided)
    settled = _settled(orders, bars, stamps)
    outcomes = orders.assign(filled_at=orders["filled_at"].astype(str))
    amounts = _numbers("fills", orders, ("filled_quantity", "fill_price", "fee"), settled)
    yield replace(amounts, aligned=True)
    yield replace(_texts("fills", outcomes, ("status", "filled_at"), settled), aligned=True)
    equity = simulation.equity
    yield _numbers(
        "equity", equity, ("equity", "cash", "gross_exposure", "benchmark"), _times(equity["time"])
    )
    trades = simulation.trades
    closed = _next_close(stamps, _times(trades["closed_at"]))
    names = ("quantity", "entry_price", "exit_price", "bars_held", "fees", "pnl", "return")
    yield _numbers("trades", trades, names, closed)
    yield _texts("trades", trades, ("symbol", "side"), closed)


def _settled(orders: pd.DataFrame, bars: Bars, stamps: IntArray) -> IntArray:
    """When the outcome of each order became final: at its last fill, or on the bar after it where it was refused.

    When an order that was never filled was given up depends on the strategy: never, for the comparison. So is one
    that was refused, but whose symbol did not trade on the bar after it: it may have waited until later.
    """
    filled = _times(orders["filled_at"])
    refused = orders["status"].isin(["margin", "rejected"]).to_numpy(bool)
    row = np.minimum(np.searchsorted(stamps, _times(orders["decided_at"])) + 1, len(stamps))
    column = pd.Index(bars.symbols).get_indexer(pd.Index(orders["symbol"].astype(str)))
    traded = np.append(bars.volume > 0, np.zeros((1, len(bars.symbols)), bool), axis=0)[row, column]
    unfilled = np.where(refused & traded, np.append(stamps, NEVER)[row], NEVER)
    return np.asarray(np.where(filled == NEVER, unfilled, _next_close(stamps, filled)))


def _next_close(stamps: IntArray, opened: IntArray) -> IntArray:
    """Return the close of the bar that opens at each moment; it may open at the very close of the one before."""
    return np.append(stamps, NEVER)[np.searchsorted(stamps, opened, side="right")]


def _times(column: pd.Series) -> IntArray:
    times = pd.DatetimeIndex(pd.to_datetime(column, utc=True))
    return np.where(times.isna(), NEVER, microseconds(times))


def _numbers(
    stage: str, frame: pd.DataFrame, names: Sequence[str], known_at: IntArray, rounded: bool = False
) -> Block:
    values = frame[list(names)].to_numpy(np.float64, copy=True)
    return Block(stage, "number", tuple(names), known_at, values, rounded)


def _texts(stage: str, frame: pd.DataFrame, names: Sequence[str], known_at: IntArray) -> Block:
    values = np.array([[str(value) for value in frame[name]] for name in names], dtype="U").T
    return Block(stage, "text", tuple(names), known_at, values)


def compare(reference: Sequence[Block], found: Sequence[Block], cut: int, truncated: bool) -> Agreement:
    """Compare what two runs knew up to `cut`; only stages that the second run reached are compared."""
    other = {(block.stage, block.name): block for block in found}
    reached = {block.stage for block in found}
    values: dict[str, int] = {}
    offenders: dict[str, tuple[int, Offender]] = {}
    rounding = 0.0
    for block in reference:
        if block.stage not in reached or (truncated and block.needs_later_bars):
            continue
        match = other.get((block.stage, block.name))
        count, gap, offence = _difference(block, match, cut, truncated)
        values[block.stage] = values.get(block.stage, 0) + count
        rounding = max(rounding, gap)
        if offence and (block.stage not in offenders or offence[0] < offenders[block.stage][0]):
            offenders[block.stage] = offence
    in_order = tuple(offenders[stage][1] for stage in STAGES if stage in offenders)
    return Agreement(values, in_order, rounding)


def _difference(
    block: Block, other: Block | None, cut: int, truncated: bool
) -> tuple[int, float, tuple[int, Offender] | None]:
    """Return the values compared, the largest accepted rounding, and the earliest offence with its time."""
    if other is None or other.columns != block.columns:
        there = "missing" if other is None else ", ".join(other.columns)
        offender = Offender(block.stage, block.name, "", iso_utc(cut), ", ".join(block.columns), there)
        return 0, 0.0, (0, offender)
    mine, theirs = _known_rows(block, other, cut)
    times, other_times = block.known_at[mine], other.known_at[theirs]
    if not np.array_equal(times, other_times):
        return 0, 0.0, _other_rows(block, times, other_times, cut)
    expected, got = block.values[mine], other.values[theirs]
    same, gap = _equal(expected, got), 0.0
    if truncated and block.rounded:
        close = np.abs(expected - got) <= ROUNDING
        gap = float(np.abs(expected - got)[close & ~same].max(initial=0.0))
        same |= close
    if same.all():
        return expected.size, gap, None
    row = int(np.where(~same.all(axis=1), times, NEVER).argmin())
    column = int((~same[row]).argmax())
    offender = Offender(
        stage=block.stage,
        what=_what(block, int(mine[row]), column),
        bar=iso_utc(int(times[row])),
        cut=iso_utc(cut),
        expected=_shown(expected[row, column]),
        found=_shown(got[row, column]),
        size=_size(expected[row, column], got[row, column]),
    )
    return expected.size, gap, (int(times[row]), offender)


def _known_rows(block: Block, other: Block, cut: int) -> tuple[IntArray, IntArray]:
    """Return the numbers of the rows that each of two runs knew at the cut."""
    mine = np.flatnonzero(block.known_at <= cut)
    return mine, mine[mine < len(other.values)] if block.aligned else np.flatnonzero(other.known_at <= cut)


def _other_rows(block: Block, times: IntArray, others: IntArray, cut: int) -> tuple[int, Offender]:
    """Name the first row that only one of two runs has."""
    differing = np.setxor1d(times, others)
    first = int(differing[0]) if len(differing) else int(times[0])
    there, here = int((times == first).sum()), int((others == first).sum())
    counted = (f"{there} rows", f"{here} rows") if there != here else (f"{len(times)} rows", "another order")
    return first, Offender(block.stage, block.name, iso_utc(first), iso_utc(cut), *counted)


def _equal(expected: Values, got: Values) -> BoolArray:
    if expected.dtype.kind != "f":
        return np.asarray(expected == got)
    same = (expected == got) & (np.signbit(expected) == np.signbit(got))
    return np.asarray(same | (np.isnan(expected) & np.isnan(got)))


def _what(block: Block, row: int, column: int) -> str:
    name = "" if block.name in ("number", "text") else f"{block.name} "
    return (
        f"{block.rows[row]} {name}{block.columns[column]}" if block.rows else f"{name}{block.columns[column]}"
    )


def _shown(value: Any) -> str:
    return str(value)[:24] if isinstance(value, str) else repr(value.item())


def _size(expected: Any, got: Any) -> float | None:
    if isinstance(expected, str):
        return None
    size = float(np.abs(float(got) - float(expected)))
    return size if np.isfinite(size) else None


@dataclass(frozen=True)
class BlockHeader:
    """A block without its arrays; `dtype` and `shape` are those of its values."""

    stage: str
    name: str
    columns: tuple[str, ...]
    rounded: bool
    needs_later_bars: bool
    rows: tuple[str, ...]
    aligned: bool
    dtype: str
    shape: tuple[int, ...]


_HEADER = ("stage", "name", "columns", "rounded", "needs_later_bars", "rows", "aligned")


def pack_blocks(blocks: Sequence[Block]) -> tuple[tuple[BlockHeader, ...], dict[str, Values]]:
    """Split blocks into headers and arrays that worker processes can share."""
    arrays: dict[str, Values] = {}
    for number, block in enumerate(blocks):
        if block.values.size:  # an empty array cannot be mapped into memory
            arrays[f"known-{number:04d}"] = block.known_at
            arrays[f"values-{number:04d}"] = block.values
    headers = tuple(
        BlockHeader(
            **{name: getattr(block, name) for name in _HEADER},
            dtype=block.values.dtype.str,
            shape=block.values.shape,
        )
        for block in blocks
    )
    return headers, arrays


def unpack_blocks(headers: Sequence[BlockHeader], arrays: Mapping[str, Values]) -> list[Block]:
    """Put together what `pack_blocks` split."""
    blocks = []
    for number, header in enumerate(headers):
        known_at = arrays.get(f"known-{number:04d}", np.zeros(header.shape[0], np.int64))
        values = arrays.get(f"values-{number:04d}", np.empty(header.shape, header.dtype))
        fields = {name: getattr(header, name) for name in _HEADER}
        blocks.append(Block(known_at=known_at, values=values, **fields))
    return blocks
