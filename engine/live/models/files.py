"""The daemon's models: a folder of model files with their hashes, a timeline read from it, and a new fit.

A model file enters the folder by a rename, so it is whole or not there. What is read is checked against the hash
in the journal's list; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from broker.failpoints import reach
from forewalk.errors import DataError, PluginError
from forewalk.folds import Fold, check_fold, walk_forward_folds
from forewalk.plugins.failures import defined_at
from forewalk.plugins.holding import plugin_of
from forewalk.settings.sections import FoldSettings, Settings
from forewalk.types import Bars, Forecasts

if TYPE_CHECKING:
    from forewalk.features.panel import FeaturePanel
    from models.base import FittedForecaster
    from models.timeline import Timeline

MAX_FILE_BYTES = 512 * 2**20
MIN_EVIDENCE_BARS = 20  # a champion younger than this cannot be compared with


@dataclass(frozen=True)
class ModelFile:
    """A model file, the hash it had when it was accepted, and from when on it is asked (its own start when None).

    `until` is when it was retired: bars from then on are not asked of it; None where it was not.
    """

    path: Path
    sha256: str
    valid_from: datetime | None = None
    until: datetime | None = None


def sha256_of(path: Path) -> str:
    """Return the hash of a file; DataError where it is missing or absurdly large."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{path}: more than {MAX_FILE_BYTES >> 20} MB, no model of this program")
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def accept(source: Path, folder: Path) -> ModelFile:
    """Copy a model file into the daemon's folder, durably and all at once."""
    folder.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    target = folder / source.name
    for left_over in folder.glob(".*.tmp"):  # of a process that was killed before the rename
        left_over.unlink()
    temporary = folder / f".{uuid.uuid4().hex[:8]}.tmp"
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    reach("before_model_rename")
    temporary.replace(target)
    return ModelFile(target, hashlib.sha256(content).hexdigest())


def run_models(run: Path) -> list[Path]:
    """Return the model files of a finished run; DataError where there is none."""
    files = sorted((run / "models").glob("*.safetensors"))
    if not files:
        raise DataError(f"{run}: no models/*.safetensors; name the folder of a finished run in live.run")
    return files


def load_timeline(files: Sequence[ModelFile], settings: Settings) -> Timeline:
    """Read the models, after checking their hashes, in the order in which they become valid.

    Raises:
        DataError: a file is missing, damaged, or not the one that was accepted.
    """
    from models.kinds import forecaster_of
    from models.timeline import Timeline

    forecaster = forecaster_of(settings)
    models, ends = [], {}
    for file in files:
        if sha256_of(file.path) != file.sha256:
            raise DataError(
                f"{file.path} is not the file that was accepted (hash differs); put it back or retrain"
            )
        # one that was promoted after it was trained begins later: the past stays as it was
        later = None if file.valid_from is None else pd.Timestamp(file.valid_from)
        models.append(forecaster.load(file.path, later))
        if file.until is not None:
            ends[models[-1].model_id] = pd.Timestamp(file.until)
    ordered = tuple(sorted(models, key=lambda model: model.valid_from))
    return Timeline(ordered, settings.model.max_age_bars, ends)


def forecasts_for(bars: Bars, settings: Settings, timeline: Timeline, first: pd.Timestamp) -> Forecasts:
    """Return the forecasts of the bars from `first` on, by the same features as the backtest's."""
    from forewalk.features.own import panel_of

    panel = panel_of(bars, settings)
    refuse_empty_features(panel, bars, settings)
    forecasts = forecasts_from(panel, settings, timeline, first)
    refuse_absurd_forecasts(forecasts, panel, settings)
    return forecasts


def refuse_empty_features(panel: FeaturePanel, bars: Bars, settings: Settings) -> None:
    """Raise PluginError where a function of the user's gives no number for any symbol that has its last bar.

    What it lacks of some symbols alone is a gap: these are not traded, and it is said.
    """
    from forewalk.features.own import own_features

    asked = bars.present[-1] & panel.eligible[-1] & np.isfinite(panel.scale[-1])
    if not settings.features.extra or not asked.any() or np.isfinite(panel.values[-1, asked]).any():
        return
    values = own_features(bars, settings)
    for setting in settings.features.extra:
        plugin = plugin_of(settings, "features.extra", setting)
        only = settings.model_copy(
            update={"features": settings.features.model_copy(update={"extra": (setting,)})}
        )
        names = own_features(bars, only) if len(settings.features.extra) > 1 else values
        empty = [name for name in names if not np.isfinite(names[name][-1, asked]).any()]
        if empty:
            raise PluginError(
                f"{plugin.source} gives nothing but NaN or infinity for the last bar: {', '.join(empty)} "
                f"({defined_at(plugin.source, plugin.value)})"
            )


def refuse_absurd_forecasts(forecasts: Forecasts, panel: FeaturePanel, settings: Settings) -> None:
    """Raise PluginError where the user's own model says nothing of any symbol, or more than `risk.max_forecast`."""
    if not settings.model.is_own:
        return
    plugin = plugin_of(settings, "model.kind", settings.model.kind)
    mean = forecasts.mean[-1]
    asked = panel.eligible[-1] & np.isfinite(panel.values[-1]).all(axis=1) & np.isfinite(panel.scale[-1])
    limit = settings.risk.max_forecast
    if forecasts.model_ids[-1] and asked.any() and not np.isfinite(mean[asked]).any():
        said = "gives no number for any symbol"
    elif (np.abs(mean[np.isfinite(mean)]) > limit).any():
        said = f"forecasts {mean[np.nanargmax(np.abs(mean))]:+g}, more than risk.max_forecast = {limit:g}"
    else:
        return
    raise PluginError(f"{plugin.source} {said} ({defined_at(plugin.source, plugin.value)})")


def forecasts_from(
    panel: FeaturePanel, settings: Settings, timeline: Timeline, first: pd.Timestamp
) -> Forecasts:
    """Return the forecasts of the rows from `first` on."""
    horizon = settings.label.horizon_bars
    row = int(panel.timestamps.searchsorted(first))
    known = (
        int(panel.timestamps.searchsorted(timeline.models[0].valid_from)) if timeline.models else len(panel)
    )
    return timeline.forecasts(panel, horizon, first=min(max(row, known), len(panel) - 1))


def live_fold(bars: Bars, label_end: pd.DatetimeIndex, settings: FoldSettings) -> Fold:
    """Return the fold whose model is valid from the last bar on, cut as the backtest cuts its folds."""
    last = len(bars) - 1
    offset = max(0, last - settings.train_bars) if settings.scheme == "rolling" else 0
    cut = settings.model_copy(update={"scheme": "expanding", "train_bars": last - offset})
    (fold,) = walk_forward_folds(bars.timestamps[offset:], label_end[offset:], cut)
    moved = replace(fold, train=fold.train + offset, valid=fold.valid + offset, test=np.array([last]))
    check_fold(moved, bars.timestamps, label_end, settings.embargo_bars)
    return moved


def fit_live(bars: Bars, settings: Settings, model_id: str) -> FittedForecaster:
    """Train a model on everything known at the last bar; it is valid from that bar on."""
    from engine.training.walkforward import training_data
    from forewalk.features.own import panel_of
    from forewalk.features.panel import build_labels
    from models.base import fit
    from models.kinds import forecaster_of

    panel = panel_of(bars, settings)
    labels = build_labels(bars, panel, settings.label)
    fold = live_fold(bars, labels.end, settings.folds)
    data = replace(training_data(panel, labels, fold, bars.fingerprint), model_id=model_id)
    return fit(forecaster_of(settings), data)


@dataclass(frozen=True)
class HeldOutLosses:
    """Challenger against champion on the bars that neither was trained on; losses, smaller is better."""

    champion: float
    challenger: float
    bars: int

    @property
    def challenger_is_not_worse(self) -> bool:
        """Whether the challenger may be promoted."""
        return bool(np.isfinite(self.challenger)) and self.challenger <= self.champion


def compare(bars: Bars, settings: Settings, champion: FittedForecaster, held_out_bars: int) -> HeldOutLosses:
    """Train a rehearsal of the challenger without the last bars and let both forecast those.

    With fewer than MIN_EVIDENCE_BARS bars in common the losses are NaN, and the champion stays.

    The loss is the Gaussian negative log likelihood of the actual returns, as in training. The challenger itself
    has seen these bars, so its recipe is judged by a model that has not.
    """
    from forewalk.features.own import panel_of
    from forewalk.features.panel import build_labels
    from models.base import predict_rows

    horizon = settings.label.horizon_bars
    cut = len(bars) - held_out_bars - horizon
    rehearsal = fit_live(bars.until(bars.timestamps[cut]), settings, "rehearsal")
    panel = panel_of(bars, settings)
    actual = build_labels(bars, panel, settings.label).returns
    first = max(cut, int(panel.timestamps.searchsorted(champion.valid_from)))
    stop = len(bars) - horizon
    if stop - first < MIN_EVIDENCE_BARS:
        return HeldOutLosses(np.nan, np.nan, max(0, stop - first))
    losses = [
        _nll(*predict_rows(model, panel, first, stop)[:2], actual[first:stop])
        for model in (champion, rehearsal)
    ]
    return HeldOutLosses(losses[0], losses[1], stop - first)


def _nll(mean: np.ndarray, std: np.ndarray, actual: np.ndarray) -> float:
    known = np.isfinite(mean) & np.isfinite(actual) & (std > 0)
    if not known.any():
        return float("nan")
    error = (actual[known] - mean[known]) / std[known]
    return float(np.mean(0.5 * error**2 + np.log(std[known])))
