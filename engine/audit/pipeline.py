"""The pipeline as a value: its stages are functions, so that a test can replace one of them.

The defaults are the product's own, the very functions that `engine.backtest` calls, in the same order.
A test holds the two together, bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.simulation.cerebro import simulate
from engine.simulation.engines import simulate_again, simulate_reported
from engine.training.walkforward import training_data
from forewalk.data.cleaning.rules import clean
from forewalk.data.cleaning.together import by_day
from forewalk.data.loading import read_table
from forewalk.data.quality import QualityReport
from forewalk.data.table import Table
from forewalk.features.own import panel_of
from forewalk.features.panel import FeaturePanel, Labels, build_labels
from forewalk.folds import Fold, walk_forward_folds
from forewalk.sessions import microseconds
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts, SimulationResult
from models.base import Forecaster, TrainingData
from models.kinds import forecaster_of
from models.timeline import Timeline


@dataclass(frozen=True, eq=False)
class NewsDates:
    """When the items behind a news or sentiment feature were written, changed, dated and used; length N.

    Attributes:
        created_at: first publication, UTC.
        updated_at: last change of the text, UTC; equal to `created_at` where there was none.
        dated_at: the stamp by which the pipeline put the item on a bar, UTC.
        used_at: close of the first bar whose features contain the item, UTC.
    """

    created_at: pd.DatetimeIndex
    updated_at: pd.DatetimeIndex
    dated_at: pd.DatetimeIndex
    used_at: pd.DatetimeIndex


def _read(settings: Settings) -> Table:
    return read_table(settings.data, settings.features.columns, news=settings.news)


def _clean(table: Table, settings: Settings) -> tuple[Bars, QualityReport]:
    bars, quality = clean(table, settings.data)
    return by_day(bars), quality


def _features(bars: Bars, settings: Settings) -> FeaturePanel:
    return panel_of(bars, settings)


def _labels(bars: Bars, panel: FeaturePanel, settings: Settings) -> Labels:
    return build_labels(bars, panel, settings.label)


def _folds(bars: Bars, labels: Labels, settings: Settings) -> tuple[Fold, ...]:
    return walk_forward_folds(bars.timestamps, labels.end, settings.folds)


def _training(panel: FeaturePanel, labels: Labels, fold: Fold) -> TrainingData:
    return training_data(panel, labels, fold)


def _forecaster(settings: Settings) -> Forecaster:
    return forecaster_of(settings)


def _forecast(timeline: Timeline, panel: FeaturePanel, settings: Settings) -> Forecasts:
    return timeline.forecasts(panel, settings.label.horizon_bars)


def _simulate(
    bars: Bars, forecasts: Forecasts, settings: Settings, runonce: bool = True, preload: bool = True
) -> SimulationResult:
    if runonce and preload:  # proves that compiled code gives the same account, bit for bit
        return simulate_reported(bars, forecasts, settings)
    return simulate(bars, forecasts, settings, runonce=runonce, preload=preload)


def _no_news(settings: Settings) -> NewsDates | None:
    return None


@dataclass(frozen=True)
class Pipeline:
    """The stages from raw rows to the account. Each must be an importable function, for worker processes.

    Attributes:
        read: the source's rows; called once, its result is what the audit doctors.
        clean, features, labels, folds: what the rows become.
        training: what one fold's model may see.
        forecaster: what learns from it.
        forecast: what the timeline says at every bar.
        simulate: what the strategy does with it; called with `runonce` and `preload` of backtrader.
        news: dates of the items behind the features, None where there are none.
    """

    read: Callable[[Settings], Table] = _read
    clean: Callable[[Table, Settings], tuple[Bars, QualityReport]] = _clean
    features: Callable[[Bars, Settings], FeaturePanel] = _features
    labels: Callable[[Bars, FeaturePanel, Settings], Labels] = _labels
    folds: Callable[[Bars, Labels, Settings], tuple[Fold, ...]] = _folds
    training: Callable[[FeaturePanel, Labels, Fold], TrainingData] = _training
    forecaster: Callable[[Settings], Forecaster] = _forecaster
    forecast: Callable[[Timeline, FeaturePanel, Settings], Forecasts] = _forecast
    simulate: Callable[[Bars, Forecasts, Settings, bool, bool], SimulationResult] = _simulate
    news: Callable[[Settings], NewsDates | None] = _no_news


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything before training; folds and training data are empty where they were not asked for."""

    bars: Bars
    quality: QualityReport
    panel: FeaturePanel
    labels: Labels
    folds: tuple[Fold, ...] = ()
    training: tuple[TrainingData, ...] = ()


Parts = tuple[bytes, ...]  # one model: the serialised weights of its members, in order


def prepare(table: Table, settings: Settings, pipeline: Pipeline, with_folds: bool = True) -> Prepared:
    """Run the stages from rows to training data."""
    bars, quality = pipeline.clean(table, settings)
    panel = pipeline.features(bars, settings)
    labels = pipeline.labels(bars, panel, settings)
    if not with_folds:
        return Prepared(bars, quality, panel, labels)
    folds = pipeline.folds(bars, labels, settings)
    training = tuple(pipeline.training(panel, labels, fold) for fold in folds)
    return Prepared(bars, quality, panel, labels, folds, training)


def fit_parts(data: TrainingData, settings: Settings, pipeline: Pipeline) -> Parts:
    """Train every member of one fold's model in this process."""
    forecaster = pipeline.forecaster(settings)
    return tuple(forecaster.fit_member(data, member)[0] for member in forecaster.members(data.symbols))


def finish(
    prepared: Prepared,
    training: Sequence[TrainingData],
    parts: Sequence[Parts],
    settings: Settings,
    pipeline: Pipeline,
    again: bool = False,
) -> tuple[Timeline, Forecasts, SimulationResult]:
    """Run the stages from trained models to the account; `training` and `parts` belong together.

    `again` is for another future: the product's own simulation then is the compiled one, where it knows the account.
    The real run has proved both equal, so a past that is the same in compiled code is that of the reported account.
    """
    forecaster = pipeline.forecaster(settings)
    models = tuple(forecaster.assemble(data.info, part) for data, part in zip(training, parts, strict=True))
    timeline = Timeline(models, settings.model.max_age_bars)
    forecasts = pipeline.forecast(timeline, prepared.panel, settings)
    if again and pipeline.simulate is _simulate:
        return timeline, forecasts, simulate_again(prepared.bars, forecasts, settings)
    return timeline, forecasts, pipeline.simulate(prepared.bars, forecasts, settings, True, True)


def training_digest(data: TrainingData) -> str:
    """Return sha256 over every value a forecaster is given to learn from, and where they stop."""
    digest = hashlib.sha256(repr((data.symbols, data.panel.names, data.trained_until.isoformat())).encode())
    ranked = () if data.scores is None else (data.scores,)
    arrays = (
        *ranked,
        data.panel.values,
        data.panel.scale,
        data.panel.eligible,
        data.target,
        data.train,
        data.valid,
        microseconds(data.panel.timestamps),
    )
    for values in arrays:
        digest.update(repr(values.shape).encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
