"""The main job: real prices in, an honest walk-forward backtest out.

`python -m engine.backtest` and `forewalk backtest` are the same code. Libraries are imported inside the
functions, so that `--help` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.evaluation.subject import Evidence, Metrics, Subject
    from engine.runs.counts import Tried
    from forewalk.data.quality import QualityReport
    from forewalk.data.table import Table
    from forewalk.plugins.holding import Own
    from forewalk.settings.sections import Settings
    from forewalk.types import TrainingCurve

Progress = Callable[[str, int, int], None]  # (what, done, total)


def _silent(what: str, done: int, total: int) -> None:
    pass


def _nothing_tried() -> Tried:
    from engine.runs.counts import Tried

    return Tried()


@dataclass(frozen=True, eq=False)
class Backtest:
    """Everything one backtest produced.

    Attributes:
        subject: settings, bars, features, folds, models, forecasts and the account.
        evidence: how all that compares, and how far it can be believed.
        quality: what was wrong with the data.
        curves: losses of every network.
        verdict: the outcome in plain words, bad news first.
        own: the user's own code that it was made with.
        given: rows that came from memory, to be kept with the run; None where a source can give them again.
    """

    subject: Subject
    evidence: Evidence
    quality: QualityReport
    curves: tuple[TrainingCurve, ...]
    verdict: str
    own: Own
    given: Table | None = None

    @property
    def metrics(self) -> Metrics:
        """Every number of the run."""
        return self.evidence.metrics


def backtest(
    settings: Settings,
    progress: Progress = _silent,
    tried: Callable[[], Tried] = _nothing_tried,
    given: Table | None = None,
) -> Backtest:
    """Run the whole way from prices to metrics; nothing is written.

    Args:
        settings: everything the run depends on.
        progress: told what is being done, how much of it is done, and how much there is.
        tried: returns the earlier trials, of which those on overlapping data discount the result.
        given: rows in memory, taken instead of the source of the settings.

    Raises:
        DataError, ConfigError, ConnectionFailed, PluginError: see `forewalk.errors`.
    """
    from forewalk.compute.workers import workers_of

    workers_of(settings).prepare()  # before our own imports, which take as long
    from forewalk.plugins.holding import held, settled

    with held(settings) as own:
        return _backtest(settled(settings, own), own, progress, tried, given)


def _backtest(
    settings: Settings,
    own: Own,
    progress: Progress,
    tried: Callable[[], Tried],
    given: Table | None,
) -> Backtest:
    from engine.evaluation.cautions import refuse_nonsense
    from engine.evaluation.evidence import gather_evidence
    from engine.evaluation.subject import Subject
    from engine.evaluation.verdict import verdict_sentence
    from engine.simulation.benchmark import beside
    from engine.simulation.engines import compiling, simulate_reported
    from engine.training.walkforward import walk_forward
    from forewalk.compute.workers import workers_of
    from forewalk.data.benchmark import benchmark_bars
    from forewalk.data.cleaning.together import by_day
    from forewalk.data.factors.laying import factor_returns
    from forewalk.data.loading import load_bars, resolved
    from forewalk.features.own import gap_findings, panel_of
    from forewalk.features.panel import build_labels
    from forewalk.folds import walk_forward_folds
    from models.kinds import forecaster_of

    progress("data", 0, 1)
    bars, quality = load_bars(settings.data, given, settings.features.columns)
    settings = settings.model_copy(update={"data": resolved(settings.data, bars)})
    bars = by_day(bars)
    refuse_nonsense(bars, settings)
    progress("features", 0, 1)
    panel = panel_of(bars, settings)
    quality = quality.noting(gap_findings(panel))
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    factors = factor_returns(settings, bars, int(folds[0].test[0]))
    with compiling(bars, settings):
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
    progress("simulation", 0, 1)
    simulation = simulate_reported(bars, forecasts, settings)
    benchmark = benchmark_bars(settings, bars, len(bars) - len(forecasts), given)
    if benchmark is not None:
        simulation = beside(simulation, benchmark, settings.execution)
    subject = Subject(
        settings=settings,
        bars=bars,
        panel=panel,
        labels=labels,
        folds=folds,
        timeline=timeline,
        forecasts=forecasts,
        actual=labels.returns[len(bars) - len(forecasts) :],
        simulation=simulation,
        plugins=own.sources,
        benchmark=benchmark,
        factors=factors,
    )
    evidence = gather_evidence(subject, tried(), progress)
    verdict = " ".join([*quality.headlines(), verdict_sentence(evidence.metrics, settings)])
    return Backtest(subject, evidence, quality, curves, verdict, own, given)
