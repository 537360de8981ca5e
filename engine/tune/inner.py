"""Inner folds: an outer fold's own past, cut again, so that choosing settings never sees an outer test row.

Everything behind `cut_past` ends, physically, at the outer fold's last training row. Varma & Simon (2006), BMC
Bioinformatics 7, show what choosing on the rows that are then reported costs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.training.walkforward import panel_and_labels, walk_forward
from forewalk.errors import DataError, LeakError
from forewalk.features.own import panel_of
from forewalk.features.panel import FeaturePanel, Labels, build_labels
from forewalk.folds import Fold, walk_forward_folds
from forewalk.settings.sections import FoldSettings, Settings
from forewalk.types import Arrays, Bars, BoolArray, FloatArray, Forecasts
from models.kinds import forecaster_of

TESTED = 0.4  # of the outer fold's past, cut into the inner tests
AnyArray = npt.NDArray[Any]
FEWEST_BARS = 50  # of an inner training window


@dataclass(frozen=True, eq=False)
class Past:
    """What one outer fold may be tuned on: N rows of features and labels, and the inner folds within them."""

    panel: FeaturePanel
    labels: Labels
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class InnerTask:
    """Settings to be trained on one inner fold; the arrays of the past are shared by all tasks."""

    settings: Settings
    fold: Fold
    timestamps: pd.DatetimeIndex
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    markets: tuple[tuple[int, ...], ...]

    def __repr__(self) -> str:
        return f"inner {self.fold.model_id}"


@dataclass(frozen=True, eq=False)
class InnerResult:
    """Loss of the inner test, lower is better; forecasts of its rows; processor seconds it took."""

    loss: float
    forecasts: Forecasts
    processor_s: float


def cut_past(panel: FeaturePanel, labels: Labels, outer: Fold, settings: FoldSettings, count: int) -> Past:
    """Cut what was known at the outer fold's `trained_until` into `count` inner folds, purged as outer ones are.

    Raises:
        DataError: the past is too short for `count` inner folds.
    """
    begin, rows = int(outer.train[0]), int(outer.valid[-1]) + 1
    width = int((rows - begin) * TESTED) // count
    first = rows - begin - width * count
    if width < 1 or first < FEWEST_BARS:
        raise DataError(
            f"{outer.model_id} has {rows - begin} bars of its own past, too few for {count} inner folds; "
            "raise folds.train_bars or ask for fewer --inner"
        )
    # no label that ends after trained_until, though its row lies before
    ends = labels.end[:rows]
    end = pd.DatetimeIndex(ends.where(ends <= outer.trained_until))
    inner = settings.model_copy(update={"train_bars": first, "refit_every_bars": width})
    folds = tuple(
        replace(fold, train=fold.train + begin, valid=fold.valid + begin, test=fold.test + begin)
        for fold in walk_forward_folds(panel.timestamps[begin:rows], end[begin:], inner)
    )
    known = np.asarray(end.notna())[:, None]
    past = replace(
        labels,
        returns=np.where(known, labels.returns[:rows], np.nan),
        scaled=np.where(known, labels.scaled[:rows], np.nan),
        end=end,
        scores=None if labels.scores is None else np.where(known, labels.scores[:rows], np.nan),
    )
    return Past(panel.known(rows), past, folds)


def check_past(past: Past, outer: Fold) -> None:
    """Raise LeakError where the inner folds could see anything after the outer fold's `trained_until`."""
    if len(past.panel) and past.panel.timestamps[-1] >= outer.valid_from:
        raise LeakError(
            f"{outer.model_id}: tuning sees bars up to {past.panel.timestamps[-1]}, tested from {outer.valid_from}"
        )
    last = past.labels.end.max()
    if last > outer.trained_until:
        raise LeakError(
            f"{outer.model_id}: tuning sees a label that ends {last}, after {outer.trained_until}"
        )
    nameless = np.isfinite(past.labels.scaled).any(axis=1) & np.asarray(past.labels.end.isna())
    if nameless.any():
        row = past.panel.timestamps[int(np.flatnonzero(nameless)[0])]
        raise LeakError(
            f"{outer.model_id}: tuning sees an outcome of {row} that was not known by {outer.trained_until}"
        )


def prove_blind(past: Past, outer: Fold, bars: Bars, settings: Settings) -> None:
    """Cut the fold's past again from bars that end where its training ends, and raise LeakError where it is another.

    What `check_past` cannot see is caught here: a feature, scale or label within the past that knows what came after.
    """
    known = bars.until(outer.trained_until)
    panel = panel_of(known, settings)
    labels = build_labels(known, panel, settings.label)
    again = cut_past(panel, labels, outer, settings.folds, len(past.folds))
    pairs: dict[str, tuple[AnyArray | None, AnyArray | None]] = {
        "features": (past.panel.values, again.panel.values),
        "scales": (past.panel.scale, again.panel.scale),
        "eligible symbols": (past.panel.eligible, again.panel.eligible),
        "labels": (past.labels.scaled, again.labels.scaled),
        "rank labels": (past.labels.scores, again.labels.scores),
    }
    for what, (one, other) in pairs.items():
        if one is None or other is None:
            continue
        cells = np.asarray(np.isclose(one, other, rtol=1e-5, atol=1e-9, equal_nan=True))
        same: BoolArray = np.array([bool(row.all()) for row in cells])
        if not same.all():
            row = past.panel.timestamps[int(np.argmin(same))]
            raise LeakError(
                f"{outer.model_id}: {what} that tuning sees at {row} change with bars after {outer.trained_until}; "
                "the choice would know the outer test"
            )


def fit_inner(task: InnerTask, arrays: Arrays) -> InnerResult:
    """Train the task's settings on its inner fold and measure them on its test; pure, runs anywhere."""
    import time

    began = time.process_time()
    panel, labels = panel_and_labels(arrays, task.timestamps, task.symbols, task.names)
    panel = replace(panel, markets=task.markets)
    stop = int(task.fold.test[-1]) + 1
    timeline, _ = walk_forward(
        panel, labels, [task.fold], forecaster_of(task.settings), max_age_bars=len(panel)
    )
    known = panel.known(stop)
    forecasts = timeline.forecasts(known, labels.horizon_bars)
    rows = slice(stop - len(forecasts), stop)
    losses = bar_losses(forecasts, labels.returns[rows], panel.scale[rows], task.settings)
    known_losses = losses[np.isfinite(losses)]
    loss = float(known_losses.mean()) if len(known_losses) else np.inf
    return InnerResult(loss, forecasts, time.process_time() - began)


def bar_losses(forecasts: Forecasts, actual: FloatArray, scale: FloatArray, settings: Settings) -> FloatArray:
    """Return the loss of each bar, [T], lower is better; NaN where no forecast has a known outcome.

    The Gaussian negative log likelihood of the return in multiples of `scale`, mean over symbols, without its
    constant; with `model.loss = "rank_correlation"` minus the rank correlation over the symbols of the bar.
    """
    from engine.evaluation.metrics.statistics import rank_ic, row_means

    if settings.model.loss == "rank_correlation":
        return -rank_ic(forecasts.mean, actual)
    spread = forecasts.std / scale
    error = (actual - forecasts.mean) / forecasts.std
    return row_means(np.log(spread) + 0.5 * error**2)
