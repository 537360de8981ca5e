"""A Parquet cache of downloaded bars, one file per symbol and interval, and the comparison of two vintages.

Adjusted prices are rewritten by the vendor after every dividend, so two downloads of the same days
differ. `compare_vintages` says by how much; a backtest that silently mixed them would look ahead.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.data.quality import Finding
from forewalk.data.table import check_symbol, file_name
from forewalk.errors import DataError
from forewalk.types import FloatArray, IntArray

_PRICES = ("open", "high", "low", "close", "adj_close")
RESTATEMENTS = "restatements.jsonl"  # beside the bars: what a later download said otherwise
PRICE_TOLERANCE = 1e-5  # relative; vendors' float32 noise stays below it
VOLUME_TOLERANCE = 0.01  # vendors touch up the volume of finished bars by less than this


@dataclass(frozen=True, eq=False)
class CachedBars:
    """What one download of one symbol brought.

    Attributes:
        frame: open, high, low, close, volume as float64, indexed by zone-less session dates (daily) or by
            UTC starts of the bars (intraday), ascending and unique.
        fetched_at: UTC instant of the download.
        start: first date asked for, YYYY-MM-DD.
        until: UTC instant up to which the download is complete.
    """

    frame: pd.DataFrame
    fetched_at: pd.Timestamp
    start: str
    until: pd.Timestamp


@dataclass(frozen=True)
class VintageComparison:
    """How a later download differs from an earlier one on the bars they share.

    Attributes:
        common: bars in both.
        restated: common bars whose prices or volume changed, without a partial last bar.
        largest_change: largest relative change of a price among them, e.g. 0.01 for 1 %; 0 when none.
        factor: what all prices of the restated bars were multiplied by, where it is one and the same: a dividend or a
            split since; None where they changed in different ways.
        first, last: index labels of the first and last restated bar, None when none.
        partial_last_bar: only the last common bar's volume changed by over 1 % (without volumes: only its
            prices changed): the earlier download caught a session that was still running.
    """

    common: int
    restated: int
    largest_change: float
    first: pd.Timestamp | None
    last: pd.Timestamp | None
    partial_last_bar: bool
    factor: float | None = None

    def findings(self, symbol: str) -> list[Finding]:
        """Return the comparison as findings of a quality report."""
        found = []
        first, last = _utc(self.first), _utc(self.last)
        if self.restated:
            count, share = self.restated, f"{self.largest_change:.3%}"
            message = (
                f"{count} of {self.common} known bars were restated by the source, by {share} at the most"
            )
            if self.factor is not None:
                message += f": all prices times {self.factor:.6g}, as after a dividend or a split"
            found.append(Finding(symbol, "restated_history", "", "noted", count, first, last, message))
        if self.partial_last_bar:
            message = "the last bar of the earlier download was incomplete and has been replaced"
            found.append(Finding(symbol, "partial_last_bar", "", "repaired", 1, first, last, message))
        return found


def _utc(moment: pd.Timestamp | None) -> pd.Timestamp | None:
    return moment.tz_localize("UTC") if moment is not None and moment.tz is None else moment


def compare_vintages(old: pd.DataFrame, new: pd.DataFrame) -> VintageComparison:
    """Compare two downloads of the same symbol on the bars and columns they have in common.

    Args:
        old, new: indexed by time, unique; any of open, high, low, close, adj_close, volume. Rows may be in
            any order. NaN equals NaN.

    Raises:
        DataError: they share no column, or an index repeats a label.
    """
    if not (old.index.is_unique and new.index.is_unique):
        raise DataError("vintages cannot be compared: a timestamp is repeated")
    prices = [name for name in _PRICES if name in old and name in new]
    columns = [*prices, *(["volume"] if "volume" in old and "volume" in new else [])]
    if not columns:
        raise DataError("vintages cannot be compared: they share no column")
    index = old.index.intersection(new.index).sort_values()
    change = _relative_change(old.loc[index, columns], new.loc[index, columns])
    changed = np.asarray((change > PRICE_TOLERANCE).any(axis=1))
    if len(columns) > len(prices):
        late = change[:, -1] > VOLUME_TOLERANCE
    else:
        late = changed
    partial = bool(len(index) > 1 and late[-1] and not late[:-1].any())
    restated = np.flatnonzero(changed[:-1] if partial else changed)
    span = np.append(restated, len(index) - 1) if partial else restated
    return VintageComparison(
        common=len(index),
        restated=len(restated),
        largest_change=float(change[restated, : len(prices)].max(initial=0.0)),
        first=index[span[0]] if len(span) else None,
        last=index[span[-1]] if len(span) else None,
        partial_last_bar=partial,
        factor=_common_factor(old.loc[index, prices], new.loc[index, prices], restated),
    )


def _common_factor(old: pd.DataFrame, new: pd.DataFrame, restated: IntArray) -> float | None:
    """Return new / old of the restated rows' prices where it is the same for all of them and not 1."""
    if not len(restated) or not old.shape[1]:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = new.to_numpy(np.float64)[restated] / old.to_numpy(np.float64)[restated]
    low, high = float(ratio.min()), float(ratio.max())  # NaN where a price is missing
    if not (0.0 < low <= high < np.inf) or high / low - 1.0 > 10 * PRICE_TOLERANCE:
        return None
    middle = float(np.median(ratio))
    return middle if abs(middle - 1.0) > PRICE_TOLERANCE else None


def _relative_change(old: pd.DataFrame, new: pd.DataFrame) -> FloatArray:
    """Return |new / old - 1| [N, columns]; 0 where both are equal or NaN, infinite where one is NaN."""
    before, after = old.to_numpy(np.float64), new.to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.abs(after - before) / np.abs(before)
    change = np.where((before == after) | (np.isnan(before) & np.isnan(after)), 0.0, change)
    return np.where(np.isnan(change), np.inf, change)


def cache_file(folder: Path, symbol: str, interval: str) -> Path:
    """Return the path of one symbol's file; a symbol that would leave `folder` raises DataError."""
    name = f"{file_name(check_symbol(symbol, 'data.symbols'))}_{interval}.parquet"
    path = (folder / name).resolve()
    if path.parent != folder.resolve():
        raise DataError(f"{symbol!r} leads out of the cache folder {folder}")
    return path


def read_cached(folder: Path, symbol: str, interval: str) -> CachedBars | None:
    """Return what the cache has for `symbol`, or None.

    Raises:
        DataError: the file is there but damaged.
    """
    import pyarrow
    from pyarrow import parquet

    path = cache_file(folder, symbol, interval)
    if not path.exists():
        return None
    try:
        table = parquet.read_table(path)
        notes = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        frame = table.to_pandas()
        return CachedBars(
            frame=frame,
            fetched_at=pd.Timestamp(notes["forewalk.fetched_at"]),
            start=notes["forewalk.start"],
            until=pd.Timestamp(notes["forewalk.until"]),
        )
    except (pyarrow.ArrowException, KeyError, ValueError, OSError) as error:
        raise DataError(
            f"{path}: the cached bars are damaged ({error}); delete the file and load again"
        ) from None


def write_cached(folder: Path, symbol: str, interval: str, cached: CachedBars) -> None:
    """Write one symbol's bars; the file appears whole or not at all.

    Raises:
        DataError: the folder cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    path = cache_file(folder, symbol, interval)
    table = pyarrow.Table.from_pandas(cached.frame)
    notes = {
        "forewalk.fetched_at": cached.fetched_at.isoformat(),
        "forewalk.start": cached.start,
        "forewalk.until": cached.until.isoformat(),
    }
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **notes})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-", delete=False) as stream:
            parquet.write_table(table, stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
        Path(stream.name).replace(path)
    except OSError as error:
        raise DataError(
            f"{folder}: the cache cannot be written: {error.strerror or error} (data.cache)"
        ) from None


def note_restatement(
    folder: Path,
    symbol: str,
    interval: str,
    found: VintageComparison,
    before: pd.Timestamp,
    now: pd.Timestamp,
) -> None:
    """Add a line to the cache's list of revised histories: what changed between two downloads.

    Raises:
        DataError: the folder cannot be written.
    """
    line = {
        "symbol": symbol,
        "interval": interval,
        "fetched_before": before.isoformat(),
        "fetched": now.isoformat(),
        "bars_compared": found.common,
        "bars_restated": found.restated,
        "first": None if found.first is None else found.first.isoformat(),
        "last": None if found.last is None else found.last.isoformat(),
        "largest_change": found.largest_change if np.isfinite(found.largest_change) else None,
        "factor": found.factor,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / RESTATEMENTS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    except OSError as error:
        raise DataError(
            f"{folder}: the cache cannot be written: {error.strerror or error} (data.cache)"
        ) from None


def restatements(folder: Path) -> list[dict[str, object]]:
    """Return what downloads into a cache folder said otherwise than the ones before, oldest first."""
    path = folder / RESTATEMENTS
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
