"""Write a finished backtest as a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from engine.runs.counts import Tried
    from engine.runs.trial import Trial
    from forewalk.folds import Fold
    from forewalk.settings.news import NewsSettings
from engine.backtest.job import Backtest

_RECORDED: WeakKeyDictionary[Backtest, dict[Path, Trial]] = WeakKeyDictionary()  # by the file of the ledger


def write_backtest(result: Backtest, out: Path | None = None) -> Path:
    """Write the run folder, record the trial in the ledger beside it, and return the folder.

    A backtest that this process has recorded in that ledger already is one try: it is not recorded again.

    See `engine.runs.folder` for what is inside.

    Raises:
        UsageError: `out` exists already.
        ForewalkError: the trial could not be recorded; the run folder is complete nevertheless.
    """
    from engine.runs.folder import write_run
    from engine.runs.ledger import LEDGER_FILE, leave_receipt, record_backtest
    from forewalk.plugins.sources import hashes

    subject = result.subject
    folder = write_run(out, subject.settings.name, lambda folder: fill_folder(folder, result))
    ledger = (folder.parent / LEDGER_FILE).resolve()
    recorded = _RECORDED.setdefault(result, {})
    if ledger in recorded:
        leave_receipt(folder, recorded[ledger])
    else:
        plugins = hashes(subject.plugins)
        recorded[ledger] = record_backtest(
            folder, subject.bars, subject.settings, subject.simulation, plugins
        )
    return folder


def record_try(result: Backtest) -> None:
    """Record a backtest that is not written as a trial in `runs/`: it counts, whether it is kept or not."""
    from engine.runs.folder import RUNS
    from engine.runs.ledger import LEDGER_FILE, Ledger
    from engine.runs.trial import make_trial
    from forewalk.plugins.sources import hashes

    subject, settings = result.subject, result.subject.settings
    plugins = hashes(subject.plugins)
    trial = make_trial("backtest", settings.name, subject.bars, settings, subject.account, plugins=plugins)
    file = RUNS / LEDGER_FILE
    _RECORDED.setdefault(result, {})[file.resolve()] = Ledger(file).record(trial)


def earlier_trials(out: Path | None = None) -> Callable[[], Tried]:
    """Return the `tried` of a run that will be written to `out`: the ledger beside it."""
    from engine.runs.counts import Tried
    from engine.runs.folder import RUNS
    from engine.runs.ledger import LEDGER_FILE, Ledger

    ledger = Ledger((RUNS if out is None else out.parent) / LEDGER_FILE)
    return lambda: Tried(tuple(ledger.trials()), ledger.lost())


def fill_folder(folder: Path, result: Backtest) -> None:
    """Write tables, models, pages and manifest into an empty folder."""
    from engine.report.pages import write_pages

    write_parts(folder, result)
    subject = result.subject
    write_pages(folder, subject, result.evidence, result.quality, result.curves, result.verdict)


def write_parts(folder: Path, result: Backtest) -> None:
    """Write into `folder` everything of the run but its pages: what audit, reproduce and sweep read."""
    from engine.runs.folder import forecast_table, make_manifest, write_tables
    from forewalk.data.sources.memory import write_table
    from forewalk.plugins.holding import FOLDER
    from forewalk.settings.loading import STORED_BARS

    subject = result.subject
    manifest = make_manifest(
        subject.settings,
        subject.bars.fingerprint,
        verdict=result.verdict,
        **_text_model(subject.settings.news),
        feature_names=list(subject.panel.names),
        folds=[_fold_entry(fold) for fold in subject.folds],
        plugins=result.own.manifest(),
        benchmark=None if subject.benchmark is None else subject.benchmark.fingerprint,
        factors=None if subject.factors is None else subject.factors.source.sha256,
    )
    write_tables(
        folder,
        subject.settings,
        forecast_table(subject.forecasts, subject.actual, subject.bars),
        subject.simulation,
        result.metrics.to_json(),
        result.quality.to_dict(),
        manifest,
    )
    result.own.write(folder / FOLDER)
    if result.given is not None:
        write_table(result.given, folder / STORED_BARS)
    (folder / "models").mkdir()
    for model in subject.timeline.models:
        model.save(folder / "models" / f"{model.model_id}.safetensors")


def _fold_entry(fold: Fold) -> dict[str, Any]:
    return {
        "model_id": fold.model_id,
        "train_rows": [int(fold.train[0]), int(fold.train[-1])],
        "valid_rows": [int(fold.valid[0]), int(fold.valid[-1])],
        "test_rows": [int(fold.test[0]), int(fold.test[-1])],
        "trained_until": fold.trained_until.isoformat(),
        "valid_from": fold.valid_from.isoformat(),
    }


def _text_model(news: NewsSettings) -> dict[str, Any]:
    """Return what told the tone of texts, for the manifest: {} unless it is a transformer."""
    if news.path is None or news.model is None:
        return {}
    from forewalk.data.columns.texts.scoring.transformer import local_model

    model = local_model(news)
    published = str(news.model_published)
    return {"text_model": {"folder": str(model.folder), "sha256": model.sha256, "published": published}}
