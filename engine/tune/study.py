"""One study per outer fold: Optuna's TPE and successive halving on the inner folds, resumable bit for bit.

Trials come in generations of fixed size; those of one generation are proposed before any is judged, so the outcome is
the same for any number of workers. The sampler is seeded per trial. The journal on disk holds what each trial gave:
a resumed study goes through the same proposals again and takes from it what was measured already.
Bergstra et al. (2011), NeurIPS 24 (TPE); Jamieson & Talwalkar (2016), AISTATS 51 (successive halving).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.training.walkforward import arrays_of
from engine.tune.inner import InnerTask, Past, fit_inner
from engine.tune.space import Params, Space, own_values, with_values
from forewalk.compute.workers import Workers
from forewalk.errors import ConfigError, DataError
from forewalk.folds import Fold
from forewalk.settings.sections import Settings
from forewalk.types import Forecasts

GENERATION = 4  # trials proposed together
STARTUP = 8  # random trials before TPE's model speaks
FOLD_SEEDS = 100_003  # sampler seeds of two folds never meet


@dataclass(frozen=True)
class Tried:
    """One trial: its values, the loss of each inner fold it reached, and whether it reached them all."""

    number: int
    params: Params
    losses: tuple[float, ...]
    complete: bool
    processor_s: float

    @property
    def loss(self) -> float:
        """Mean over the inner folds it reached."""
        return sum(self.losses) / len(self.losses)


@dataclass(frozen=True)
class Plan:
    """How a study goes: what is varied, most trials, processor seconds after which no generation begins, seed."""

    space: Space
    trials: int
    budget_s: float
    seed: int


OnTried = Callable[[Settings, Sequence[Forecasts]], None]  # before a trial enters the journal


class Journal:
    """What the trials of one outer fold gave, in an Optuna journal; trials of a killed worker are marked failed."""

    def __init__(self, path: Path, name: str, key: str) -> None:
        optuna = _optuna()
        storage = optuna.storages
        backend = storage.journal.JournalFileBackend(str(path))
        self._study = optuna.create_study(
            storage=storage.JournalStorage(backend), study_name=name, load_if_exists=True
        )
        known = self._study.user_attrs.get("key")
        if known not in (None, key):
            raise ConfigError(f"{path} is of other data, settings or values; choose another --out")
        self._study.set_user_attr("key", key)
        self._done: dict[int, Tried] = {}
        state = optuna.trial.TrialState
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == state.RUNNING:
                self._study.tell(trial.number, state=state.FAIL)
            elif trial.state in (state.COMPLETE, state.PRUNED):
                tried = _read(trial, trial.state == state.COMPLETE)
                self._done[tried.number] = tried

    def found(self, number: int, params: Params) -> Tried | None:
        """Return what this trial gave, if it was finished with the same values."""
        tried = self._done.get(number)
        return tried if tried is not None and tried.params == params else None

    def begin(self, number: int, params: Params, space: Space) -> int:
        """Note that a trial runs; return its place in the journal."""
        optuna = _optuna()
        self._study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                params=dict(params),
                distributions=_distributions(space),
                user_attrs={"number": number},
            )
        )
        return len(self._study.get_trials(deepcopy=False)) - 1

    def finish(self, place: int, tried: Tried) -> None:
        """Note what a trial gave."""
        optuna = _optuna()
        state = optuna.trial.TrialState
        trial = optuna.Trial(self._study, self._study.get_trials(deepcopy=False)[place]._trial_id)
        for step, loss in enumerate(tried.losses):
            trial.report(loss, step)
        trial.set_user_attr("processor_s", tried.processor_s)
        if tried.complete:
            self._study.tell(place, tried.loss)
        else:
            self._study.tell(place, state=state.PRUNED)


def run_study(
    past: Past,
    settings: Settings,
    plan: Plan,
    warm: Sequence[Params],
    journal: Journal,
    workers: Workers,
    on_tried: OnTried = lambda settings, forecasts: None,
) -> tuple[Tried, ...]:
    """Try settings on the inner folds of one outer fold until trials or processor seconds are used up.

    The first trial is the settings' own values, then come those of `warm` (what earlier folds chose). The same
    arguments give the same trials for any `workers`, however often it was killed, unless the budget ended it.
    """
    optuna = _optuna()
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    study = optuna.create_study(pruner=pruner)
    for known in (own_values(settings, tuple(plan.space)), *warm):
        study.enqueue_trial(dict(known), skip_if_exists=True)
    done: list[Tried] = []
    while len(done) < plan.trials and (not done or sum(each.processor_s for each in done) < plan.budget_s):
        numbers = range(len(done), min(len(done) + GENERATION, plan.trials))
        asked = [_ask(study, plan, number) for number in numbers]
        done += _generation(study, asked, past, settings, plan, journal, workers, on_tried)
    return tuple(done)


def best_of(tried: Sequence[Tried]) -> Tried:
    """Return the trial with the lowest mean loss among those that reached every inner fold; the first of equals."""
    finished = [each for each in tried if each.complete and math.isfinite(each.loss)]
    if not finished:
        raise DataError("no trial has a loss on every inner fold; the inner tests have no known outcome")
    return min(finished, key=lambda each: (each.loss, each.number))


def _ask(study: Any, plan: Plan, number: int) -> Any:
    study.sampler = _optuna().samplers.TPESampler(seed=plan.seed + number, n_startup_trials=STARTUP)
    return study.ask(_distributions(plan.space))


@dataclass(eq=False)
class _Running:
    """One trial of the generation at work."""

    trial: Any
    known: Tried | None  # from the journal
    place: int
    losses: list[float] = field(default_factory=list)
    forecasts: list[Forecasts] = field(default_factory=list)
    processor_s: float = 0.0

    @property
    def loss(self) -> float:
        return sum(self.losses) / len(self.losses)


def _generation(
    study: Any,
    asked: Sequence[Any],
    past: Past,
    settings: Settings,
    plan: Plan,
    journal: Journal,
    workers: Workers,
    on_tried: OnTried,
) -> list[Tried]:
    """Judge trials together, one inner fold after the other; the pruner ends the worse ones between."""
    running = [_start(trial, journal, plan) for trial in asked]
    alive = list(running)
    for step, fold in enumerate(past.folds):
        _measure([each for each in alive if each.known is None], past, fold, settings, workers)
        for each in alive:
            if each.known is not None:
                each.losses.append(_loss_at(each.known, step))
            each.trial.report(each.loss, step + 1)  # the pruner counts from 1
        if step + 1 < len(past.folds):
            alive = [each for each in alive if not each.trial.should_prune()]
    return [_tell(study, each, each in alive, settings, journal, on_tried) for each in running]


def _start(trial: Any, journal: Journal, plan: Plan) -> _Running:
    known = journal.found(trial.number, trial.params)
    place = -1 if known is not None else journal.begin(trial.number, trial.params, plan.space)
    return _Running(trial, known, place)


def _measure(
    running: Sequence[_Running], past: Past, fold: Fold, settings: Settings, workers: Workers
) -> None:
    panel = past.panel
    about = (fold, panel.timestamps, panel.symbols, panel.names, panel.markets)
    tasks = [InnerTask(with_values(settings, each.trial.params), *about) for each in running]
    if not tasks:
        return
    found = workers.run(fit_inner, tasks, arrays_of(panel, past.labels))
    for each, result in zip(running, found, strict=True):
        each.losses.append(result.loss)
        each.forecasts.append(result.forecasts)
        each.processor_s += result.processor_s


def _tell(
    study: Any, running: _Running, complete: bool, settings: Settings, journal: Journal, on_tried: OnTried
) -> Tried:
    trial, tried = running.trial, running.known
    if tried is None:
        losses = tuple(running.losses)
        tried = Tried(trial.number, dict(trial.params), losses, complete, running.processor_s)
        on_tried(with_values(settings, trial.params), running.forecasts)
        journal.finish(running.place, tried)
    if tried.complete:
        study.tell(trial, tried.loss)
    else:
        study.tell(trial, state=_optuna().trial.TrialState.PRUNED)
    return tried


def _loss_at(tried: Tried, step: int) -> float:
    if step >= len(tried.losses):
        raise DataError("the journal of the tuner does not fit its trials; choose another --out")
    return tried.losses[step]


def _read(trial: Any, complete: bool) -> Tried:
    values = trial.intermediate_values
    return Tried(
        number=int(trial.user_attrs["number"]),
        params=dict(trial.params),
        losses=tuple(values[step] for step in sorted(values)),
        complete=complete,
        processor_s=float(trial.user_attrs["processor_s"]),
    )


def _distributions(space: Space) -> dict[str, Any]:
    kind = _optuna().distributions.CategoricalDistribution
    return {key: kind(values) for key, values in space.items()}


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError:
        raise ConfigError("tuning needs Optuna: pip install 'forewalk[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
