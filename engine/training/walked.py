"""From prices to forecasts: load, build features, cut folds, train, forecast every bar out of sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from engine.training.walkforward import walk_forward
from forewalk.compute.workers import workers_of
from forewalk.data.cleaning.together import by_day
from forewalk.data.loading import closed_by, load_bars, resolved
from forewalk.data.quality import QualityReport
from forewalk.data.table import Table
from forewalk.features.own import gap_findings, panel_of
from forewalk.features.panel import FeaturePanel, Labels, build_labels
from forewalk.folds import Fold, walk_forward_folds
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray, Forecasts, TrainingCurve
from models.kinds import forecaster_of
from models.timeline import Timeline

Progress = Callable[[str, int, int], None]  # (what, done, total)


@dataclass(frozen=True, eq=False)
class Walked:
    """What lies between prices and the account.

    Attributes:
        settings: with what was told from the data filled in.
        bars: rows are days where markets close apart. quality: what was wrong with the data.
        panel, labels, folds: what was learned from. timeline, curves: the models, and the losses of each network.
        forecasts: of every bar from the first model's first on, the last bar included.
    """

    settings: Settings
    bars: Bars
    quality: QualityReport
    panel: FeaturePanel
    labels: Labels
    folds: tuple[Fold, ...]
    timeline: Timeline
    curves: tuple[TrainingCurve, ...]
    forecasts: Forecasts

    @property
    def actual(self) -> FloatArray:
        """What became of each forecast, [T, S] as `forecasts`; NaN while it is unknown."""
        return self.labels.returns[len(self.bars) - len(self.forecasts) :]


def _nothing(bars: Bars, settings: Settings) -> None:
    pass


def _no_context(bars: Bars, settings: Settings, folds: Sequence[Fold]) -> AbstractContextManager[object]:
    return nullcontext()


def walk(
    settings: Settings,
    progress: Progress,
    given: Table | None = None,
    refuse: Callable[[Bars, Settings], None] = _nothing,
    meanwhile: Callable[[Bars, Settings, Sequence[Fold]], AbstractContextManager[object]] = _no_context,
    now: datetime | None = None,
) -> Walked:
    """Go the whole way from prices to forecasts.

    Args:
        settings: everything it depends on.
        progress: told what is being done, how much of it is done, and how much there is.
        given: rows in memory, taken instead of the source of the settings.
        refuse: raises where these bars and settings make no sense together.
        meanwhile: entered with the folds, while the networks are trained.
        now: bars that close later are left out, UTC; None where all have closed.

    Raises:
        DataError, ConfigError, ConnectionFailed, PluginError: see `forewalk.errors`.
    """
    progress("data", 0, 1)
    bars, quality = load_bars(settings.data, given, settings.features.columns, settings.news)
    settings = settings.model_copy(update={"data": resolved(settings.data, bars)})
    bars = by_day(bars)
    if now is not None:
        bars = closed_by(now, bars)
    refuse(bars, settings)
    progress("features", 0, 1)
    panel = panel_of(bars, settings)
    quality = quality.noting(gap_findings(panel))
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    with meanwhile(bars, settings, folds):
        timeline, curves = walk_forward(
            panel,
            labels,
            folds,
            forecaster_of(settings),
            max_age_bars=settings.model.max_age_bars,
            workers=workers_of(settings),
            data_fingerprint=bars.fingerprint,
            on_done=lambda done, total: progress("training", done, total),
        )
    forecasts = timeline.forecasts(panel, settings.label.horizon_bars)
    return Walked(
        settings, bars, quality, panel, labels, folds, timeline, curves, forecasts
    )  # fmt: skip
