"""Walk-forward training: one model per fold, each from the past alone, put on a timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forewalk.compute.pool import Processes
from forewalk.compute.workers import Workers
from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel, Labels
from forewalk.folds import Fold
from forewalk.types import Arrays, FloatArray, TrainingCurve
from models.base import FitsTogether, Forecaster, TrainingData
from models.timeline import Timeline

ALONE = Processes(1)  # this process


@dataclass(frozen=True)
class _MemberTask:
    """One network to train: everything but the arrays, which all tasks share."""

    forecaster: Forecaster
    fold: Fold
    member: str
    timestamps: pd.DatetimeIndex
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    data_fingerprint: str

    def __repr__(self) -> str:
        return f"{self.fold.model_id} {self.member}"


def training_data(
    panel: FeaturePanel, labels: Labels, fold: Fold, data_fingerprint: str = ""
) -> TrainingData:
    """Cut out what the fold's model may see: features up to its last training row and labels known by then.

    Raises:
        DataError: no symbol has its minimum history by then.
    """
    rows = int(fold.valid[-1]) + 1
    if not panel.eligible[rows - 1].any():
        raise DataError(
            f"{fold.model_id}: its training ends after {rows} bars, and no symbol has data.min_history_bars by then; "
            "lower that, raise folds.train_bars, or load a longer history"
        )
    known = np.concatenate([fold.train, fold.valid])

    def seen(values: FloatArray) -> FloatArray:
        result = np.full((rows, len(panel.symbols)), np.nan)
        result[known] = values[known]
        return result

    return TrainingData(
        panel=panel.known(rows),
        target=seen(labels.scaled),
        train=fold.train,
        valid=fold.valid,
        model_id=fold.model_id,
        trained_until=fold.trained_until,
        valid_from=fold.valid_from,
        data_fingerprint=data_fingerprint,
        scores=None if labels.scores is None else seen(labels.scores),
    )


def walk_forward(
    panel: FeaturePanel,
    labels: Labels,
    folds: Sequence[Fold],
    forecaster: Forecaster,
    max_age_bars: int,
    workers: Workers = ALONE,
    data_fingerprint: str = "",
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Timeline, tuple[TrainingCurve, ...]]:
    """Train one model per fold and return them as a timeline, with the training curve of every member.

    The result is the same for any `workers`. With `model.device` on a GPU of this machine all members are
    trained at once on it instead, with the same result to rounding. `on_done(done, total)` reports progress.
    """
    training = [training_data(panel, labels, fold, data_fingerprint) for fold in folds]
    members = [forecaster.members(data.symbols) for data in training]
    work = [(fold, member) for fold, names in enumerate(members) for member in names]
    longest_first = sorted(work, key=lambda item: -item[0])
    if workers.here and isinstance(forecaster, FitsTogether) and forecaster.fits_together():
        fits = forecaster.fit_together([(training[fold], member) for fold, member in longest_first])
        on_done(len(work), len(work))
    else:
        about = (panel.timestamps, panel.symbols, panel.names, data_fingerprint)
        tasks = [_MemberTask(forecaster, folds[fold], member, *about) for fold, member in longest_first]
        done = iter(range(1, len(work) + 1))
        shared = arrays_of(panel, labels)
        fits = workers.run(_fit_member, tasks, shared, lambda _: on_done(next(done), len(work)))
    fitted = dict(zip(longest_first, fits, strict=True))
    models = tuple(
        forecaster.assemble(data.info, [fitted[fold, member][0] for member in members[fold]])
        for fold, data in enumerate(training)
    )
    return Timeline(models, max_age_bars), tuple(fitted[item][1] for item in work)


def arrays_of(panel: FeaturePanel, labels: Labels) -> dict[str, npt.NDArray[Any]]:
    """Return what all tasks share; `panel_and_labels` puts it together again."""
    arrays: dict[str, npt.NDArray[Any]] = {} if labels.scores is None else {"scores": labels.scores}
    return arrays | {
        "values": panel.values,
        "scale": panel.scale,
        "eligible": panel.eligible,
        "scaled": labels.scaled,
        "returns": labels.returns,
        "end": labels.end.tz_localize(None).to_numpy("M8[us]"),
        "horizon": np.array(labels.horizon_bars),
    }


def panel_and_labels(
    arrays: Arrays, timestamps: pd.DatetimeIndex, symbols: tuple[str, ...], names: tuple[str, ...]
) -> tuple[FeaturePanel, Labels]:
    """Put what `arrays_of` took apart together again, in whatever process this is."""
    panel = FeaturePanel(
        timestamps=timestamps,
        symbols=symbols,
        names=names,
        values=arrays["values"],
        scale=arrays["scale"],
        eligible=arrays["eligible"],
    )
    labels = Labels(
        returns=arrays["returns"],
        scaled=arrays["scaled"],
        end=pd.DatetimeIndex(arrays["end"], tz="UTC"),
        horizon_bars=int(arrays["horizon"]),
        scores=arrays.get("scores"),
    )
    return panel, labels


def _fit_member(task: _MemberTask, arrays: Arrays) -> tuple[bytes, TrainingCurve]:
    panel, labels = panel_and_labels(arrays, task.timestamps, task.symbols, task.names)
    data = training_data(panel, labels, task.fold, task.data_fingerprint)
    return task.forecaster.fit_member(data, task.member)
