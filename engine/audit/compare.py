"""What two runs knew, and the first value that they disagree on; `engine.audit.known` lists what a run knew.

Every value carries the moment at which it was known. Up to the cut, a run over doctored data must know the
same values at the same moments, bit for bit. Only forecasts of truncated data, whose arrays have other
shapes, may differ by rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.audit.certificate import Offender
from engine.audit.doctoring import iso_utc
from forewalk.types import BoolArray, IntArray

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


def compare(
    reference: Sequence[Block],
    found: Sequence[Block],
    cut: int,
    truncated: bool,
    later_bars: bool | None = None,
) -> Agreement:
    """Compare what two runs knew up to `cut`; only stages that the second run reached are compared.

    `later_bars` says whether the second run has bars after the cut: doctored ones may all be refused by cleaning.
    None: where it was not truncated.
    """
    lacking = truncated if later_bars is None else not later_bars
    other = {(block.stage, block.name): block for block in found}
    reached = {block.stage for block in found}
    values: dict[str, int] = {}
    offenders: dict[str, tuple[int, Offender]] = {}
    rounding = 0.0
    for block in reference:
        if block.stage not in reached or (lacking and block.needs_later_bars):
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
