"""The life of the models: the first ones, and challengers that are trained aside and must earn their place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from broker.journal.journal import Journal
from broker.port import Notify
from engine.live.models.files import HeldOutLosses, ModelFile, accept, run_models
from engine.live.models.own_code import TrainedWith
from engine.live.models.tasks import FIT_TIMEOUT_S, CompareTask, FitTask
from engine.live.watch.readings import OF_MODELS
from forewalk.compute.child import InferenceFailed, ModelProcess
from forewalk.errors import DataError, ForewalkError, PluginError
from forewalk.plugins.holding import sources_of
from forewalk.settings.sections import Settings
from forewalk.types import Bars

log = logging.getLogger(__name__)

CHAMPION, CHALLENGER, REJECTED = "champion", "challenger", "rejected"
HELD_OUT_BARS = 126  # half a year of bars on which a challenger's recipe must not be worse


class Retrainer:
    """Keeps the list of models in the journal and their files in `state/models`.

    Args:
        state: the daemon's folder. worker: does the fits, apart from the one that forecasts.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        state: Path,
        worker: ModelProcess,
        notify: Notify,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._folder = state / "models"
        self._worker = worker
        self._notify = notify
        self._bars: Bars | None = None
        self._pending: tuple[str, str, pd.Timestamp] | None = None  # stage, model id, last bar
        self._drift: str | None = None  # the alarm that the challenger under way answers
        self._comparison: HeldOutLosses | None = None
        self._monotonic = monotonic
        self._deadline = 0.0
        self._plugins = sources_of(settings)
        self._own_code = TrainedWith(self._folder, self._plugins)

    def champions(self, bars: Bars) -> tuple[ModelFile, ...]:
        """Return the models that forecast now, oldest first; at the very first call they are made.

        Raises:
            DataError: a model file is missing. InferenceFailed: the first model could not be trained.
            PluginError: the user's own code raised, or is not what the models were trained with.
        """
        self._bars = bars
        if not self._files(CHAMPION):
            self._begin(bars)
        self._own_code.check()
        return self._files(CHAMPION)

    @property
    def bars(self) -> Bars | None:
        """The bars of the last decision, None before the first."""
        return self._bars

    def while_waiting(self, call: Callable[[], object]) -> None:
        """Let `call` be called while the first model is waited for."""
        self._worker.while_waiting(call)

    @property
    def busy(self) -> bool:
        """Whether a challenger is being trained."""
        return self._pending is not None

    def step(self, now: datetime) -> None:
        """Start a challenger when one is due, and take the worker's answer when there is one.

        A challenger that is not there FIT_TIMEOUT_S after its beginning has failed; its process is ended.
        """
        if self._pending is not None:
            if self._worker.ready():
                self._take_answer()
            elif self._monotonic() > self._deadline:
                model_id, self._pending = self._pending[1], None
                self._worker.stop()
                self._fail(model_id, InferenceFailed(f"not trained within {FIT_TIMEOUT_S:g} s"))
        elif self._bars is not None and self._is_due(self._bars):
            self._start_challenger(self._bars)

    def stop(self) -> None:
        """End the worker; a challenger under way is begun again after the next start."""
        self._worker.stop()
        self._pending = None

    def _files(self, role: str) -> tuple[ModelFile, ...]:
        rows = sorted(
            (m for m in self._journal.models.all() if m["role"] == role), key=lambda m: m["valid_from"]
        )
        return tuple(
            ModelFile(
                self._folder / row["file"], row["sha256"], _moment(row["valid_from"]), _moment(row["until"])
            )
            for row in rows
        )

    # the first models

    def _begin(self, bars: Bars) -> None:
        run = self._settings.live.run
        if run is not None:
            now = bars.timestamps[-1].to_pydatetime()
            self._own_code.check_run(run)
            files = [accept(path, self._folder) for path in run_models(run)]
            self._journal.models.record_all(  # at once: half a timeline would pass for the whole of it
                [
                    (f.path.stem, f.path.name, f.sha256, _valid_from(f.path), CHAMPION, f"from {run}", now)
                    for f in files
                ]
            )
            return
        self._notify("model", "", "training the first model")
        model_id = _live_id(bars)
        valid_from = self._worker.ask(self._fit_task(bars, model_id), FIT_TIMEOUT_S)
        kept = self._accept(model_id)
        self._record(kept, valid_from.to_pydatetime(), CHAMPION, "the first model", bars)

    def _fit_task(self, bars: Bars, model_id: str) -> FitTask:
        self._folder.mkdir(parents=True, exist_ok=True)
        return FitTask(bars, self._settings, model_id, self._folder / f".{model_id}.fit", self._plugins)

    def _accept(self, model_id: str) -> ModelFile:
        fresh = self._folder / f".{model_id}.fit"
        named = fresh.with_name(f"{model_id}.safetensors")
        staged = fresh.parent / "fit" / named.name
        staged.parent.mkdir(exist_ok=True)
        fresh.replace(staged)
        return accept(staged, self._folder)

    def _record(self, file: ModelFile, valid_from: datetime, role: str, note: str, bars: Bars) -> None:
        now = bars.timestamps[-1].to_pydatetime()
        self._journal.models.record(file.path.stem, file.path.name, file.sha256, valid_from, role, note, now)

    # challengers

    def _is_due(self, bars: Bars) -> bool:
        rule = self._settings.live.retrain
        models = self._journal.models.all()
        self._drift = self._unanswered(models)
        if not models or any(model["model_id"] == _live_id(bars) for model in models):
            return False
        if self._drift is not None:
            return True
        if rule == "never":
            return False
        newest = max(pd.Timestamp(model["at"]) for model in models)
        since = bars.timestamps[bars.timestamps > newest]
        if rule == "weekly":
            return len(since) > 0 and since[-1].isocalendar()[:2] != newest.isocalendar()[:2]
        return len(since) >= int(rule)

    def _unanswered(self, models: list[dict[str, Any]]) -> str | None:
        """Return the newest alarm of a watch of the models that no challenger was trained for; None without one."""
        if self._settings.live.drift != "challenger":
            return None
        alarms = [line.text.partition(":")[0] for line in self._journal.diary.events("drift")]
        of_models = [alarm for alarm in alarms if alarm.partition(" ")[0] in OF_MODELS]
        answered = any(of_models and f"drift: {of_models[-1]}" in model["note"] for model in models)
        return of_models[-1] if of_models and not answered else None

    def _noted(self, note: str) -> str:
        return note if self._drift is None else f"{note}; drift: {self._drift}"

    def _start_challenger(self, bars: Bars) -> None:
        model_id = _live_id(bars)
        champion = self._files(CHAMPION)[-1]
        try:
            self._worker.send(CompareTask(bars, self._settings, champion, HELD_OUT_BARS, self._plugins))
        except InferenceFailed as problem:
            self._fail(model_id, problem)
            return
        self._pending = ("compare", model_id, bars.timestamps[-1])
        self._deadline = self._monotonic() + FIT_TIMEOUT_S

    def _take_answer(self) -> None:
        assert self._pending is not None
        assert self._bars is not None
        stage, model_id, asof = self._pending
        self._pending = None
        try:
            answer = self._worker.receive(0.0)
            if stage == "compare":
                self._comparison = answer
                self._worker.send(self._fit_task(self._bars.until(asof), model_id))
                self._pending = ("fit", model_id, asof)
                return
        except (InferenceFailed, PluginError) as problem:
            self._fail(model_id, problem)
            return
        self._judge(model_id, answer.to_pydatetime())

    def _judge(self, model_id: str, valid_from: datetime) -> None:
        comparison = self._comparison
        assert comparison is not None
        assert self._bars is not None
        kept = self._accept(model_id)
        note = (
            f"loss {comparison.challenger:.4f} against the champion's {comparison.champion:.4f} "
            f"on {comparison.bars} bars neither was trained on"
        )
        role = CHALLENGER if comparison.challenger_is_not_worse else REJECTED
        if role == CHALLENGER and not self._settings.live.approve and self._drift is None:
            role = CHAMPION  # written at once: a challenger left by a kill in between would wait for ever
            valid_from = after_the_decided(self._journal, valid_from)
        note = self._noted(note)
        self._record(kept, valid_from, role, note, self._bars)
        self._notify("model", "", f"{model_id}, {role}: {note}")

    def _fail(self, model_id: str, problem: ForewalkError) -> None:
        """A failed fit leaves the champion; the next one is due as if this one had been made."""
        assert self._bars is not None
        self._journal.models.record(
            model_id,
            "",
            "",
            self._bars.timestamps[-1],
            REJECTED,
            self._noted(f"failed: {problem}"),
            self._bars.timestamps[-1],
        )
        self._notify("model", "", f"{model_id} failed: {problem}")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _live_id(bars: Bars) -> str:
    return f"live-{bars.timestamps[-1]:%Y%m%dT%H%M}"


def promote(journal: Journal, model_id: str, now: datetime) -> str:
    """Make a challenger a champion and say so: the timeline grows by it; bars decided on keep their forecasts.

    Raises:
        DataError: no such challenger is waiting.
    """
    row = next((m for m in journal.models.all() if m["model_id"] == model_id), None)
    if row is None or row["role"] != CHALLENGER:
        raise DataError(f"no challenger {model_id!r} is waiting")
    valid_from = after_the_decided(journal, datetime.fromisoformat(row["valid_from"]))
    journal.models.record(model_id, row["file"], row["sha256"], valid_from, CHAMPION, row["note"], now)
    return f"{model_id} is a champion now: {row['note']}"


def after_the_decided(journal: Journal, valid_from: datetime) -> datetime:
    """Return `valid_from`, or the moment after the last bar decided on where that is later."""
    last = journal.decisions.last()
    return valid_from if last is None else max(valid_from, last.asof + timedelta(microseconds=1))


def _valid_from(path: Path) -> datetime:
    """Read when a model is valid from out of its header, without loading its weights."""
    from models.header import read_header

    try:
        return pd.Timestamp(read_header(path)["valid_from"]).to_pydatetime()
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: does not say when it is valid ({error}); train it again") from None
