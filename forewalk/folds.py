"""Walk-forward windows with purge and embargo, and the checks that prove them.

A label decided at row t ends at `label_end[t]`. A training row is kept only when its label has ended
before the test window begins (purge by overlap, Lopez de Prado 2018, ch. 7) and `embargo_bars` earlier
still. The inner validation window is cut from the end of training and purged from the rest the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forewalk.errors import DataError, LeakError
from forewalk.settings.sections import FoldSettings
from forewalk.types import IntArray


@dataclass(frozen=True, eq=False)
class Fold:
    """One walk-forward step. Row numbers count the panel's bars; every array is sorted.

    Where several markets close at different times, the panel's bars are days.

    Attributes:
        index: 0 for the first fold.
        train: rows whose labels fit the weights and whose features fit the scaler.
        valid: rows whose labels decide when to stop.
        test: rows forecast by the model, first to last.
        trained_until: end of the last label among `train` and `valid`, UTC.
        valid_from: the first row's timestamp of `test`, UTC; always later than `trained_until`.
    """

    index: int
    train: IntArray
    valid: IntArray
    test: IntArray
    trained_until: pd.Timestamp
    valid_from: pd.Timestamp

    @property
    def model_id(self) -> str:
        """Name of the model this fold trains."""
        return f"fold-{self.index:02d}"


def walk_forward_folds(
    timestamps: pd.DatetimeIndex, label_end: pd.DatetimeIndex, settings: FoldSettings
) -> tuple[Fold, ...]:
    """Cut the panel into folds; the windows depend on `settings` and row numbers only, never on the data's end.

    Args:
        timestamps: UTC close of each row, length T.
        label_end: end of the label of each row, length T, NaT where it lies beyond the data.

    Raises:
        DataError: there is no room for a single fold.
    """
    first_test = settings.train_bars
    if first_test >= len(timestamps):
        raise DataError(
            f"{len(timestamps)} bars are too few: folds.train_bars = {first_test} leaves none to test; "
            "load a longer history or lower folds.train_bars"
        )
    starts = range(first_test, len(timestamps), settings.refit_every_bars)
    folds = []
    for index, start in enumerate(starts):
        test = np.arange(start, min(start + settings.refit_every_bars, len(timestamps)))
        begin = max(0, start - settings.train_bars) if settings.scheme == "rolling" else 0
        known = np.arange(begin, start)
        known = _ended_before(known, label_end, timestamps, start - settings.embargo_bars)
        cut = len(known) - int(np.ceil(len(known) * settings.validation_fraction))
        if cut < 1 or cut >= len(known):
            raise DataError(
                f"fold {index} has {len(known)} usable training bars, too few to split; raise folds.train_bars"
            )
        train = _ended_before(known[:cut], label_end, timestamps, int(known[cut]))
        if not len(train):
            raise DataError(f"fold {index} has no training bar left after the purge; raise folds.train_bars")
        fold = Fold(
            index=index,
            train=train,
            valid=known[cut:],
            test=test,
            trained_until=label_end[known].max(),
            valid_from=timestamps[start],
        )
        check_fold(fold, timestamps, label_end, settings.embargo_bars)
        folds.append(fold)
    return tuple(folds)


def check_fold(
    fold: Fold, timestamps: pd.DatetimeIndex, label_end: pd.DatetimeIndex, embargo_bars: int = 0
) -> None:
    """Raise LeakError unless training, validation and test of `fold` are disjoint in labels and in time."""
    check_purged(
        fold.train, fold.valid, timestamps, label_end, what=f"fold {fold.index}: training and validation"
    )
    known = np.concatenate([fold.train, fold.valid])
    check_purged(
        known, fold.test, timestamps, label_end, embargo_bars, f"fold {fold.index}: training and test"
    )
    if not fold.trained_until < fold.valid_from:
        raise LeakError(
            f"fold {fold.index}: trained until {fold.trained_until}, but valid from {fold.valid_from}"
        )
    if label_end[known].max() > fold.trained_until:
        raise LeakError(f"fold {fold.index}: a label ends after trained_until {fold.trained_until}")


def check_purged(
    earlier: IntArray,
    later: IntArray,
    timestamps: pd.DatetimeIndex,
    label_end: pd.DatetimeIndex,
    embargo_bars: int = 0,
    what: str = "windows",
) -> None:
    """Raise LeakError unless every label of `earlier` ends before the first bar of `later`, embargo included."""
    first = int(later.min()) - embargo_bars
    if first < 0:
        raise LeakError(f"{what}: the embargo of {embargo_bars} bars reaches before the data")
    ends = label_end[earlier]
    late = np.flatnonzero(ends.isna() | (ends >= timestamps[first]))
    if len(late):
        row = int(earlier[late[0]])
        raise LeakError(
            f"{what} overlap: the label of row {row} ({timestamps[row]}) ends {label_end[row]}, "
            f"not before {timestamps[first]}; {len(late)} rows must be purged"
        )


def _ended_before(
    rows: IntArray, label_end: pd.DatetimeIndex, timestamps: pd.DatetimeIndex, first: int
) -> IntArray:
    if first < 0:
        return rows[:0]
    ends = label_end[rows]
    return rows[np.asarray(ends < timestamps[first])]  # NaT compares false
