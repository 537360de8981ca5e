"""A model process: forecasts and fits are made in a child that may hang, run out of memory or die.

The daemon itself never imports torch. It asks, waits at most so long, and kills a child that does not answer;
the next question starts a new one.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.live.models.files import ModelFile
from forewalk.compute.child import InferenceFailed
from forewalk.plugins.sources import Source
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts

FIT_TIMEOUT_S = 3600.0
OWN_FIT_TIMEOUT_S = 3000.0  # of the user's own code: so that it is told where, before the process is ended


@dataclass(frozen=True)
class ForecastTask:
    """Forecast the bars from `first` on with the models of `files`."""

    bars: Bars
    settings: Settings
    files: tuple[ModelFile, ...]
    first: Any
    plugins: tuple[Source, ...] = ()


@dataclass(frozen=True)
class FitTask:
    """Train a model on everything known at the last bar and write it to `target`."""

    bars: Bars
    settings: Settings
    model_id: str
    target: Path
    plugins: tuple[Source, ...] = ()


@dataclass(frozen=True)
class CompareTask:
    """Compare a challenger's recipe with the champion on held-out bars."""

    bars: Bars
    settings: Settings
    champion: ModelFile
    held_out_bars: int
    plugins: tuple[Source, ...] = ()


def do_task(task: Any) -> Any:
    """Do one task, with the user's own code as it was when the daemon started; runs in the child."""
    from forewalk.plugins.failures import OverTime, time_limit
    from forewalk.plugins.holding import held

    asked = isinstance(task, ForecastTask)
    limit = task.settings.live.inference_timeout_s if asked else OWN_FIT_TIMEOUT_S
    try:
        with time_limit(limit) if task.plugins else nullcontext(), held(task.settings, task.plugins):
            return _done(task)
    except OverTime as problem:  # not in the user's code
        raise InferenceFailed(f"the models: {problem}") from None


def _done(task: Any) -> Any:
    from engine.live.models import files

    if isinstance(task, ForecastTask):
        timeline = files.load_timeline(task.files, task.settings)
        return files.forecasts_for(task.bars, task.settings, timeline, task.first)
    if isinstance(task, FitTask):
        model = files.fit_live(task.bars, task.settings, task.model_id)
        model.save(task.target)
        return model.valid_from
    if isinstance(task, CompareTask):
        (champion,) = files.load_timeline((task.champion,), task.settings).models
        return files.compare(task.bars, task.settings, champion, task.held_out_bars)
    raise TypeError(f"no such task: {type(task).__name__}")


def checked_forecasts(answer: Any, bars: Bars) -> Forecasts:
    """Return the answer if it is about these bars; InferenceFailed where length or symbols differ."""
    if not isinstance(answer, Forecasts):
        raise InferenceFailed(f"the model process answered with {type(answer).__name__}")
    span = bars.timestamps[len(bars) - len(answer) :]
    if answer.symbols != bars.symbols or not len(answer) or not answer.timestamps.equals(span):
        raise InferenceFailed("the forecasts are not about the bars that were asked about")
    return answer
