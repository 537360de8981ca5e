"""The main job: real prices in, an honest walk-forward backtest out.

`python -m engine.backtest` and `forewalk backtest` are the same code. Libraries are imported inside the
functions, so that `--help` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.evaluation.subject import Evidence, Metrics, Subject
    from engine.runs.counts import Tried
    from forewalk.data.factors.laying import FactorReturns
    from forewalk.data.quality import QualityReport
    from forewalk.data.table import Table
    from forewalk.folds import Fold
    from forewalk.plugins.holding import Own
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars, TrainingCurve

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
    from engine.evaluation.cautions import of_adjusted_shares, refuse_nonsense
    from engine.evaluation.evidence import gather_evidence
    from engine.evaluation.subject import Subject
    from engine.evaluation.verdict import verdict_sentence
    from engine.simulation.benchmark import beside
    from engine.simulation.engines import compiling, simulate_reported
    from engine.training.walked import walk
    from forewalk.data.benchmark import benchmark_bars
    from forewalk.data.factors.laying import factor_returns

    factors: list[FactorReturns | None] = []

    @contextmanager
    def meanwhile(bars: Bars, settings: Settings, folds: Sequence[Fold]) -> Iterator[None]:
        factors.append(factor_returns(settings, bars, int(folds[0].test[0])))
        with compiling(bars, settings):
            yield

    walked = walk(settings, progress, given, refuse_nonsense, meanwhile)
    settings, bars, forecasts = walked.settings, walked.bars, walked.forecasts
    progress("simulation", 0, 1)
    simulation = simulate_reported(bars, forecasts, settings)
    benchmark = benchmark_bars(settings, bars, len(bars) - len(forecasts), given)
    if benchmark is not None:
        simulation = beside(simulation, benchmark, settings.execution)
    subject = Subject(
        settings=settings,
        bars=bars,
        panel=walked.panel,
        labels=walked.labels,
        folds=walked.folds,
        timeline=walked.timeline,
        forecasts=forecasts,
        actual=walked.actual,
        simulation=simulation,
        plugins=own.sources,
        benchmark=benchmark,
        factors=factors[0],
    )
    evidence = gather_evidence(subject, tried(), progress)
    said = [*walked.quality.headlines(), verdict_sentence(evidence.metrics, settings)]
    if settings.execution.fee_per_share:  # else the report says it where it tells of the data
        said.insert(0, of_adjusted_shares(walked.quality, settings))
    verdict = " ".join(filter(None, said))
    return Backtest(subject, evidence, walked.quality, walked.curves, verdict, own, given)
