"""The main job: real prices in, an honest walk-forward backtest out.

`python -m engine.backtest` and `forewalk backtest` are the same code. Libraries are imported inside the
functions, so that `--help` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.data import QualityReport
    from engine.evidence import Evidence, Subject
    from engine.folds import Fold
    from engine.trials import Trial
    from engine.types import TrainingCurve

Progress = Callable[[str, int, int], None]  # (what, done, total)


def _silent(what: str, done: int, total: int) -> None:
    pass


def _nothing_tried(data_fingerprint: str) -> Sequence[Trial]:
    return ()


@dataclass(frozen=True, eq=False)
class Backtest:
    """Everything one backtest produced.

    Attributes:
        subject: settings, bars, features, folds, models, forecasts and the account.
        evidence: how all that compares, and how far it can be believed.
        quality: what was wrong with the data.
        curves: losses of every network.
        verdict: the outcome in plain words, bad news first.
    """

    subject: Subject
    evidence: Evidence
    quality: QualityReport
    curves: tuple[TrainingCurve, ...]
    verdict: str

    @property
    def metrics(self) -> dict[str, Any]:
        """Every number of the run; see `Evidence`."""
        return self.evidence.metrics


def backtest(
    settings: Settings,
    progress: Progress = _silent,
    tried: Callable[[str], Sequence[Trial]] = _nothing_tried,
) -> Backtest:
    """Run the whole way from prices to metrics; nothing is written.

    Args:
        settings: everything the run depends on.
        progress: told what is being done, how much of it is done, and how much there is.
        tried: returns the earlier trials on the data of a fingerprint; they discount the Sharpe ratio.

    Raises:
        DataError, ConfigError, ConnectionFailed: see `engine.errors`.
    """
    from engine.cluster import workers_of
    from engine.parallel import start_early

    start_early(workers_of(settings))  # before our own imports, which take as long
    from engine.data import load_bars
    from engine.evaluation.verdict import verdict_sentence
    from engine.evidence import Subject, gather_evidence
    from engine.features.pipeline import build_features, build_labels
    from engine.folds import walk_forward_folds
    from engine.simulate import simulate
    from engine.walkforward import walk_forward
    from models.lstm import LSTMForecaster

    progress("data", 0, 1)
    bars, quality = load_bars(settings.data)
    progress("features", 0, 1)
    horizon = settings.label.horizon_bars
    panel = build_features(bars, settings.features, horizon, settings.data.min_history_bars)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    timeline, curves = walk_forward(
        panel,
        labels,
        folds,
        LSTMForecaster(settings.model, settings.seed),
        max_age_bars=settings.model.max_age_bars,
        jobs=workers_of(settings),
        data_fingerprint=bars.fingerprint,
        on_done=lambda done, total: progress("training", done, total),
    )
    forecasts = timeline.forecasts(panel, horizon)
    progress("simulation", 0, 1)
    simulation = simulate(bars, forecasts, settings)
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
    )
    evidence = gather_evidence(subject, tried(bars.fingerprint), progress)
    return Backtest(subject, evidence, quality, curves, verdict_sentence(evidence.metrics, settings))


def write_backtest(result: Backtest, out: Path | None = None) -> Path:
    """Write the run folder, record the trial in the ledger beside it, and return the folder.

    See `engine.runs` for what is inside.

    Raises:
        UsageError: `out` exists already.
        ForewalkError: the trial could not be recorded; the run folder is complete nevertheless.
    """
    from engine.runs import write_run
    from engine.trials import record_backtest

    subject = result.subject
    folder = write_run(out, subject.settings.name, lambda folder: _fill(folder, result))
    record_backtest(folder, subject.bars, subject.settings, subject.simulation)
    return folder


def earlier_trials(out: Path | None = None) -> Callable[[str], Sequence[Trial]]:
    """Return the `tried` of a run that will be written to `out`: the ledger beside it."""
    from engine.runs import RUNS
    from engine.trials import LEDGER_FILE, Ledger

    return Ledger((RUNS if out is None else out.parent) / LEDGER_FILE).trials


def _fill(folder: Path, result: Backtest) -> None:
    from engine.report import write_pages
    from engine.runs import forecast_table, make_manifest, write_tables

    subject = result.subject
    manifest = make_manifest(
        subject.settings,
        subject.bars.fingerprint,
        verdict=result.verdict,
        feature_names=list(subject.panel.names),
        folds=[_fold_entry(fold) for fold in subject.folds],
    )
    write_tables(
        folder,
        subject.settings,
        forecast_table(subject.forecasts, subject.actual),
        subject.simulation,
        result.metrics,
        result.quality.to_dict(),
        manifest,
    )
    (folder / "models").mkdir()
    for model in subject.timeline.models:
        model.save(folder / "models" / f"{model.model_id}.safetensors")
    write_pages(folder, subject, result.evidence, result.quality.to_dict(), result.curves, result.verdict)


def _fold_entry(fold: Fold) -> dict[str, Any]:
    return {
        "model_id": fold.model_id,
        "train_rows": [int(fold.train[0]), int(fold.train[-1])],
        "valid_rows": [int(fold.valid[0]), int(fold.valid[-1])],
        "test_rows": [int(fold.test[0]), int(fold.test[-1])],
        "trained_until": fold.trained_until.isoformat(),
        "valid_from": fold.valid_from.isoformat(),
    }


if __name__ == "__main__":
    from engine.cli import run

    run("backtest")
