"""Tune the model nested in walk-forward: each fold chooses on its own past, then both are judged on the outer folds.

`python -m engine.tune` and `forewalk tune` are the same code. What a fold chose depends on rows before its
`trained_until` alone; a fold may begin with what earlier folds chose, never with what later ones did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.training.walked import Progress
    from engine.tune.inner import Past
    from engine.tune.result import FoldChoice, Outer, Tuning
    from engine.tune.space import Params, Space, Value
    from engine.tune.study import Plan
    from forewalk.compute.workers import Workers
    from forewalk.features.panel import FeaturePanel, Labels
    from forewalk.folds import Fold
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars, Forecasts
    from models.base import FittedForecaster

JOURNAL_FILE = "trials.journal"
LOCK_FILE = "trials.lock"


@dataclass(frozen=True)
class Effort:
    """How much is tried, said before anything is.

    Attributes:
        trials: most trials of each outer fold.
        inner: inner folds of each outer fold.
        budget_s: processor seconds of all inner fits together; every fold has the same share, and a fold that has
            used its share begins no further generation of trials.
    """

    trials: int = 16
    inner: int = 3
    budget_s: float = 600.0


def tune(
    settings: Settings,
    space: Space,
    effort: Effort,
    out: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Tuning:
    """Choose settings fold by fold, and compare them with the run's own on the outer folds.

    Args:
        settings: everything the run depends on; the built-in models only.
        space: settings of the model and their values; the run's own are added.
        effort: how much is tried.
        out: folder of the journal and the page; None means `runs/tune-KEY`, the same for the same task, so that
            the same command goes on where it was killed.
        progress: told what is being done, how much of it is done, and how much there is.

    Raises:
        ConfigError: Optuna is missing, a value is not allowed, `out` holds another task's journal, or another command
            is at work there.
        DataError: the data cannot be used, or are too short for the inner folds, or have no outcome to judge by.
        LeakError: what a fold would be tuned on knows what came after its training.
    """
    from engine.evaluation.cautions import refuse_nonsense
    from engine.tune.inner import prove_blind
    from engine.tune.result import Tuning
    from engine.tune.space import with_own
    from engine.tune.study import Plan
    from forewalk.compute.workers import workers_of
    from forewalk.data.cleaning.together import by_day
    from forewalk.data.loading import load_bars, resolved
    from forewalk.errors import ConfigError
    from forewalk.features.own import panel_of
    from forewalk.features.panel import build_labels
    from forewalk.folds import walk_forward_folds

    if settings.own_code:
        raise ConfigError(
            "the tuner knows the built-in features, models and strategies only; leave out your own"
        )
    space = with_own(space, settings)
    progress("data", 0, 1)
    bars, _ = load_bars(settings.data, None, settings.features.columns, settings.news)
    settings = settings.model_copy(update={"data": resolved(settings.data, bars)})
    bars = by_day(bars)
    refuse_nonsense(bars, settings)
    panel = panel_of(bars, settings)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    plan = Plan(space, effort.trials, effort.budget_s / len(folds), settings.seed)
    key = _key(bars, settings, space, effort)
    folder = out or Path("runs") / f"tune-{key[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    workers = workers_of(settings)
    with _alone(folder):
        choices = choose(
            panel, labels, folds, settings, plan, effort.inner, folder, key, workers, _recorder(folder, bars),
            progress, lambda past, fold: prove_blind(past, fold, bars, settings),
        )  # fmt: skip
    test = judge(panel, labels, folds, settings, choices, workers, bars.fingerprint, progress)
    return Tuning(folder, effort, space, choices, test, settings.model.loss == "rank_correlation")


def judge(
    panel: FeaturePanel,
    labels: Labels,
    folds: Sequence[Fold],
    settings: Settings,
    choices: Sequence[FoldChoice],
    workers: Workers,
    fingerprint: str = "",
    progress: Progress = lambda what, done, total: None,
) -> Outer:
    """Train each outer fold with what it chose and with the run's own settings, and compare them on its test rows.

    Raises:
        DataError: on no bar is the loss of both known.
    """
    from engine.training.walkforward import walk_forward
    from engine.tune.result import compared
    from models.kinds import forecaster_of
    from models.timeline import Timeline

    def models(of: Callable[[int], Settings]) -> Forecasts:
        fitted: list[FittedForecaster] = []
        for number, fold in enumerate(folds):
            progress("comparing", number, len(folds))
            mine, age = forecaster_of(of(number)), settings.model.max_age_bars
            timeline, _ = walk_forward(panel, labels, [fold], mine, age, workers, fingerprint)
            fitted.extend(timeline.models)
        return Timeline(tuple(fitted), settings.model.max_age_bars).forecasts(panel, labels.horizon_bars)

    own = models(lambda number: settings)
    tuned = models(lambda number: choices[number].settings(settings))
    first = len(panel) - len(own)
    return compared(own, tuned, labels.returns[first:], panel.scale[first:], settings)


def choose(
    panel: FeaturePanel,
    labels: Labels,
    folds: Sequence[Fold],
    settings: Settings,
    plan: Plan,
    inner: int,
    folder: Path,
    key: str,
    workers: Workers,
    record: Callable[[str, Settings, Sequence[Forecasts]], None] = lambda name, settings, forecasts: None,
    progress: Progress = lambda what, done, total: None,
    prove: Callable[[Past, Fold], None] = lambda past, fold: None,
) -> tuple[FoldChoice, ...]:
    """Let each fold choose on its own past, the first one first; a later fold begins with what earlier ones chose.

    `prove` is given each fold's past before anything is tried on it, and raises where it knows too much.

    Raises:
        LeakError: what a fold is tuned on could know what came after its `trained_until`.
    """
    from dataclasses import replace

    from engine.tune.inner import check_past, cut_past
    from engine.tune.result import FoldChoice
    from engine.tune.study import FOLD_SEEDS, Journal, best_of, run_study

    choices: list[FoldChoice] = []
    for number, fold in enumerate(folds):
        progress("tuning", number, len(folds))
        past = cut_past(panel, labels, fold, settings.folds, inner)
        check_past(past, fold)
        prove(past, fold)
        own_plan = replace(plan, seed=plan.seed + FOLD_SEEDS * number)
        warm: list[dict[str, Value] | Params] = [choices[-1].values] if choices else []
        journal = Journal(folder / JOURNAL_FILE, fold.model_id, key)
        name = f"{folder.name}/{fold.model_id}"
        tried = run_study(
            past, settings, own_plan, warm, journal, workers,
            lambda values, forecasts, name=name: record(name, values, forecasts),  # type: ignore[misc]
        )  # fmt: skip
        best = best_of(tried)
        choices.append(FoldChoice(fold.model_id, fold.trained_until, best.params, best.loss, tried))
    progress("tuning", len(folds), len(folds))
    return tuple(choices)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second command out of the folder: it would end the first one's trials and count its own beside them.

    Raises:
        ConfigError: another command is at work there.
    """
    import fcntl

    from forewalk.errors import ConfigError

    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another command is tuning in {folder}; wait until it is done, or choose another --out"
            ) from None
        yield


def _recorder(folder: Path, bars: Bars) -> Callable[[str, Settings, Sequence[Forecasts]], None]:
    """Return what puts a trial's account over its inner tests into the ledger beside the folder."""
    from engine.runs.ledger import LEDGER_FILE, Ledger, leave_receipt
    from engine.runs.trial import make_trial
    from engine.simulation.compiled.run import simulate_settings
    from engine.tune.result import joined
    from forewalk.returns import simple_returns

    ledger = Ledger(folder.parent / LEDGER_FILE)

    def record(name: str, settings: Settings, parts: Sequence[Forecasts]) -> None:
        forecasts = joined(parts)
        seen = bars.until(forecasts.timestamps[-1])
        (equity,) = simulate_settings(seen, forecasts, [settings]).equity
        leave_receipt(folder, ledger.record(make_trial("tune", name, seen, settings, simple_returns(equity))))

    return record


def _key(bars: Bars, settings: Settings, space: Space, effort: Effort) -> str:
    """Return the hash of all that the trials depend on, so that a journal is never continued by another task."""
    import hashlib
    import json

    from engine.runs.trial import settings_hash

    parts = [bars.fingerprint, settings_hash(settings), {key: list(values) for key, values in space.items()}]
    return hashlib.sha256(json.dumps([*parts, effort.inner], sort_keys=True).encode()).hexdigest()
