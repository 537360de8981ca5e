"""What a forecast is made of: bars up to now, the newest model's answer, and how its kind has fared so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from engine.runs.closes import next_closes
from engine.runs.folder import StoredRun, forecast_table, read_run
from engine.runs.record import Clock, wall_clock
from engine.runs.stored import stored_forecasts
from forewalk.data.cleaning.together import by_day
from forewalk.data.loading import closed_by, load_bars
from forewalk.errors import DataError, PluginError
from forewalk.plugins.holding import changed_since, held, settled, sources_of
from forewalk.settings.loading import load_settings
from forewalk.settings.sections import Settings
from forewalk.types import CLOSED_AT, Bars, Forecasts

if TYPE_CHECKING:
    from engine.training.walked import Progress
    from models.timeline import Timeline

CLOSES_KNOWN = 30  # bars whose closes are laid beside the forecast log


@dataclass(frozen=True, eq=False)
class Basis:
    """What the next forecast stands on.

    Attributes:
        settings: of the run or the command.
        bars: up to the newest; rows are days where markets close apart.
        forecasts: the last rows, the newest bar included, [t, S].
        history: every forecast out of sample up to now with what became of it; see `forecast_table`.
        run: folder of the run; None where it was trained just now.
        notes: what the reader must know of the data or the model, a line each.
    """

    settings: Settings
    bars: Bars
    forecasts: Forecasts
    history: pd.DataFrame
    run: Path | None
    notes: tuple[str, ...]

    def closes(self) -> dict[tuple[str, pd.Timestamp], float]:
        """Return the last CLOSES_KNOWN closes by symbol and UTC close of the bar, where there is one."""
        bars = self.bars
        rows = range(max(0, len(bars) - CLOSES_KNOWN), len(bars))
        closed = bars.extras.get(CLOSED_AT)
        return {
            (symbol, bars.timestamps[row] if closed is None else _moment(closed[row, column])): float(
                bars.close[row, column]
            )
            for row in rows
            for column, symbol in enumerate(bars.symbols)
            if np.isfinite(bars.close[row, column])
        }

    def noting(self, lines: Sequence[str]) -> Basis:
        """Return the basis with more notes."""
        return replace(self, notes=(*self.notes, *lines))


def _moment(microseconds: float) -> pd.Timestamp:
    return pd.Timestamp(int(microseconds), unit="us", tz="UTC")


def trained(settings: Settings, progress: Progress, now: Clock = wall_clock) -> Basis:
    """Train walk-forward on the bars of the settings that have closed and return the basis.

    Raises:
        DataError, ConfigError, ConnectionFailed, PluginError: see `forewalk.errors`.
    """
    from engine.training.walked import walk
    from forewalk.compute.workers import workers_of

    workers_of(settings).prepare()
    moment = now()
    with held(settings) as own:
        walked = walk(settled(settings, own), progress, now=moment)
    _refuse_silence(walked.forecasts, walked.settings, "the newest model", walked.timeline)
    history = forecast_table(walked.forecasts, walked.actual, walked.bars)
    notes = (*walked.quality.headlines(), *_late(walked.bars, moment))
    return Basis(walked.settings, walked.bars, walked.forecasts, history, None, notes)


def from_run(run: Path, progress: Progress, overrides: Sequence[str] = (), now: Clock = wall_clock) -> Basis:
    """Ask the newest model of a finished run about the newest bars of its source that have closed.

    Args:
        overrides: of its settings, as `data.end=2020-01-31`; only settings of `data` may be changed.

    Raises:
        DataError: the run has no models, they are too old for the newest bar, or symbols or features are others.
        PluginError: the user's own code is not what the run was made with.
    """
    stored = read_run(run)
    for override in overrides:
        if not override.startswith("data."):
            raise DataError(
                f"{override}: the models of {run} were trained with its own settings; only data.* may be changed"
            )
    settings = load_settings(run / "config.toml", list(overrides), environment={})
    changed = changed_since(stored.manifest, sources_of(settings))
    if changed:
        raise PluginError(
            f"{', '.join(changed)}: not what {run} was made with; put it back or run the backtest again"
        )
    progress("data", 0, 1)
    moment = now()
    with held(settings):
        bars, quality = load_bars(settings.data, columns=settings.features.columns, news=settings.news)
        bars = closed_by(moment, by_day(bars))
        progress("forecast", 0, 1)
        first, last = _span(stored, bars)
        unchanged = bars.fingerprint == stored.manifest["data_fingerprint"]
        asked = _stored if unchanged else _asked
        fresh, history = asked(stored, bars, settings, first, last)
    revised = [] if unchanged else _revisions(stored, bars)
    notes = (*quality.headlines(), *revised, *_late(bars, moment))
    # `runs/latest` leads to another run tomorrow
    return Basis(settings, bars, fresh, history, run.parent / run.resolve().name, notes)


def _stored(
    stored: StoredRun, bars: Bars, settings: Settings, first: int, last: int
) -> tuple[Forecasts, pd.DataFrame]:
    """Return the run's own last rows and all of its forecasts: its models say the same of the same bars."""
    fresh = _read(stored, bars, settings, last, len(bars))
    _refuse_silence(fresh, settings, f"the last model of {stored.path}")
    return fresh, stored.forecasts


def _asked(
    stored: StoredRun, bars: Bars, settings: Settings, first: int, last: int
) -> tuple[Forecasts, pd.DataFrame]:
    """Return the rows from `last` on as the newest model says, and every forecast up to now with its outcome."""
    from engine.live.models.files import ModelFile, forecasts_from, load_timeline, run_models, sha256_of
    from forewalk.features.own import panel_of
    from forewalk.features.panel import build_labels

    timeline = load_timeline([ModelFile(path, sha256_of(path)) for path in run_models(stored.path)], settings)
    panel = panel_of(bars, settings)
    fresh = forecasts_from(panel, settings, timeline, bars.timestamps[last])
    _refuse_silence(fresh, settings, f"the last model of {stored.path}", timeline)
    labels = build_labels(bars, panel, settings.label)
    before = _read(stored, bars, settings, first, last)
    parts = [
        forecast_table(part, labels.returns[row : row + len(part)], bars.until(part.timestamps[-1]))
        for row, part in ((first, before), (len(bars) - len(fresh), fresh))
        if len(part)
    ]
    return fresh, pd.concat([part for part in parts if len(part)], ignore_index=True)


def _read(stored: StoredRun, bars: Bars, settings: Settings, first: int, stop: int) -> Forecasts:
    """Return the run's forecasts of the rows from `first` to `stop - 1`."""
    times, horizon = bars.timestamps[first:stop], settings.label.horizon_bars
    return stored_forecasts(stored.forecasts, times, bars.symbols, horizon, CLOSED_AT in bars.extras)


def _span(stored: StoredRun, bars: Bars) -> tuple[int, int]:
    """Return the rows of the run's first forecast and of the first bar that it has no settled answer for."""
    asof = pd.DatetimeIndex(stored.forecasts["asof"])
    if not len(asof):
        raise DataError(f"{stored.path}: the run has no forecasts")
    first = int(bars.timestamps.searchsorted(asof[0]))
    last = int(bars.timestamps.searchsorted(asof[-1]))
    return first, max(first, min(last, len(bars) - 1))


def _refuse_silence(
    forecasts: Forecasts, settings: Settings, model: str, timeline: Timeline | None = None
) -> None:
    """Raise DataError where the newest bar has no model that is young enough; the message tells its age."""
    if forecasts.model_ids[-1]:
        return
    age = ""
    if timeline is not None and timeline.models:
        newest = timeline.models[-1]
        since = int((forecasts.timestamps >= newest.valid_from).sum())
        age = f": it was trained until {newest.trained_until:%Y-%m-%d}"
        # rows may begin after its start: then it is older still
        age += f", {'more than ' if forecasts.timestamps[0] > newest.valid_from else ''}{since} bars ago"
    raise DataError(
        f"{model} is too old for the bar of {forecasts.timestamps[-1]:%Y-%m-%d}{age}, and answers for "
        f"model.max_age_bars = {settings.model.max_age_bars} bars; run the backtest again, it trains a new one"
    )


def _late(bars: Bars, moment: datetime) -> list[str]:
    """Return, in words, whether a bar has closed since the newest one that is there."""
    last = bars.timestamps[-1]
    due = next_closes(bars.calendar, bars.interval, last, 1)[0]
    if due > pd.Timestamp(moment):
        return []
    return [
        f"the newest bar closed at {last:%Y-%m-%d %H:%M} UTC; the one that closed at {due:%Y-%m-%d %H:%M} is not "
        "there"
    ]


def _revisions(stored: StoredRun, bars: Bars) -> list[str]:
    """Return, in words, whether bars that the run had seen have changed since."""
    seen = stored.manifest["data_fingerprint"]
    last = pd.DatetimeIndex(stored.equity["time"])[-1]
    if bars.until(pd.Timestamp(last)).fingerprint == seen or bars.fingerprint == seen:
        return []
    return [
        f"bars up to {last:%Y-%m-%d} are not the ones that {stored.path.name} was made with: prices were revised, "
        "or symbols added; its past forecasts stand as they were"
    ]
