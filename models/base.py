"""What every forecaster promises: learn from the past, then only be asked about what came after.

`Forecaster.fit` sees a `TrainingData`, which physically ends where training ends. The fitted model answers
through `predict_rows`, which refuses any bar at or before `trained_until`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from scipy.special import ndtr

from forewalk.errors import LookaheadError
from forewalk.features.panel import FeaturePanel
from forewalk.types import FloatArray, IntArray, TrainingCurve


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Everything a forecaster may learn from; nothing in it was unknown at `trained_until`.

    Attributes:
        panel: features up to the last training row, N rows. Its `eligible` says at the last row which
            symbols have their minimum history; the others are not trained on.
        target: scaled labels, float64 [N, S]; NaN outside `train` and `valid` rows and where unknown.
        train: sorted row numbers that fit weights and scaler.
        valid: sorted row numbers that decide when to stop, all later than `train`, purged from it.
        model_id: name of the model to be.
        trained_until: end of the last label in `target`, UTC.
        valid_from: first bar the model will be asked about, UTC.
        data_fingerprint: sha256 of the bars behind the panel.
        scores: rank labels as normal scores, [N, S], NaN where `target` may not be seen; None unless
            `label.kind = "rank"`.
    """

    panel: FeaturePanel
    target: FloatArray
    train: IntArray
    valid: IntArray
    model_id: str
    trained_until: pd.Timestamp
    valid_from: pd.Timestamp
    data_fingerprint: str = ""
    scores: FloatArray | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols with the minimum history at the end of training."""
        return tuple(s for s, there in zip(self.panel.symbols, self.panel.eligible[-1], strict=True) if there)

    @property
    def info(self) -> ModelInfo:
        """What a model trained on it must know of itself."""
        return ModelInfo(
            model_id=self.model_id,
            trained_until=self.trained_until,
            valid_from=self.valid_from,
            symbols=self.symbols,
            feature_names=self.panel.names,
            data_fingerprint=self.data_fingerprint,
        )


@dataclass(frozen=True)
class ModelInfo:
    """What a model knows of itself, besides what it has learned.

    Attributes:
        model_id: name, unique within a run.
        trained_until: end of the last label it saw, UTC.
        valid_from: first bar it may be asked about, UTC.
        symbols: that it was trained on.
        feature_names: of the panel, in order; another panel is refused.
        data_fingerprint: sha256 of the bars behind the panel.
    """

    model_id: str
    trained_until: pd.Timestamp
    valid_from: pd.Timestamp
    symbols: tuple[str, ...]
    feature_names: tuple[str, ...]
    data_fingerprint: str = ""


@dataclass(frozen=True, eq=False)
class ScaledForecast:
    """Mean and std in multiples of the panel's `scale`, float64 [n, S]; NaN where there is no forecast."""

    mean: FloatArray
    std: FloatArray


class Predictor(Protocol):
    """What has been learned, without dates: all that a forecaster of the user's own must give back."""

    def predict_scaled(self, panel: FeaturePanel, first: int, stop: int) -> ScaledForecast:
        """Forecast rows `first` to `stop - 1`; a row's answer depends on rows up to it alone."""
        ...


@runtime_checkable
class FittedForecaster(Protocol):
    """A trained model with the dates that bound its use."""

    @property
    def model_id(self) -> str:
        """Name, unique within a run."""
        ...

    @property
    def trained_until(self) -> pd.Timestamp:
        """End of the last label it saw, UTC."""
        ...

    @property
    def valid_from(self) -> pd.Timestamp:
        """First bar it may be asked about, UTC."""
        ...

    def predict_scaled(self, panel: FeaturePanel, first: int, stop: int) -> ScaledForecast:
        """Forecast rows `first` to `stop - 1`; earlier rows of the panel may warm the state."""
        ...

    def save(self, path: Path) -> None:
        """Write the model to one self-describing file."""
        ...


@runtime_checkable
class SeedMixture(Protocol):
    """A fitted model that is the mixture of one model per seed; others have no seeds to tell apart."""

    def by_seed(self) -> Sequence[FittedForecaster]:
        """Return one model per seed, in the order of the seeds."""
        ...


@runtime_checkable
class WarmedBefore(Protocol):
    """A fitted model with a state, which can be shown how it would answer for bars before its first one."""

    def warmed_before(self, bar: pd.Timestamp) -> FittedForecaster:
        """Return the model with its state warmed before `bar`; what it says of bars it has seen is no forecast."""
        ...


class Forecaster(Protocol):
    """Something that can be trained. Its members are independent pieces of work, so they can run anywhere.

    A class of the user's own (`model.kind`) has these three methods and is made with (`ModelSettings`, seed);
    `models.arrays.ArrayForecaster` has them for whatever can be written as arrays. Its `assemble` may return a
    `Predictor`: dates, files and checks are added by `models.own`.
    """

    def members(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """Name the independent parts (seeds, symbols) of one fit."""
        ...

    def fit_member(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        """Train one part; the result is its serialised weights (no pickle) and its loss curve."""
        ...

    def assemble(self, info: ModelInfo, parts: Sequence[bytes]) -> FittedForecaster:
        """Put the parts, in the order of `members`, together into a model."""
        ...


class StoredForecaster(Forecaster, Protocol):
    """A forecaster whose models are read again from their files, as the daemon does."""

    def load(self, path: Path, not_before: pd.Timestamp | None = None) -> FittedForecaster:
        """Read what a model of this forecaster has saved; DataError where it is damaged or another's.

        `not_before` is when it was accepted: it is valid from then on, if that is later than its own start.
        """
        ...


@runtime_checkable
class FitsTogether(Protocol):
    """A forecaster that can train the members of many fits at once, on a device such as a GPU."""

    def fits_together(self) -> bool:
        """Whether there is such a device and the settings ask for it."""
        ...

    def fit_together(self, work: Sequence[tuple[TrainingData, str]]) -> Sequence[tuple[bytes, TrainingCurve]]:
        """Do `fit_member` for all of `work`, in its order, with the same results to rounding."""
        ...


def fit(forecaster: Forecaster, data: TrainingData) -> FittedForecaster:
    """Train every member in this process and return the fitted model."""
    parts = [forecaster.fit_member(data, member)[0] for member in forecaster.members(data.symbols)]
    return forecaster.assemble(data.info, parts)


def predict_rows(
    model: FittedForecaster, panel: FeaturePanel, first: int, stop: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean, std (log return over the horizon) and p_up of rows `first` to `stop - 1`, each [n, S].

    NaN where the symbol has no complete features or not yet its minimum history.

    Raises:
        LookaheadError: row `first` is at or before the model's `trained_until`.
    """
    if not 0 <= first < stop <= len(panel):
        raise ValueError(f"rows {first}..{stop} are not within the panel's {len(panel)}")
    if panel.timestamps[first] <= model.trained_until:
        raise LookaheadError(
            f"{model.model_id} was trained until {model.trained_until} and is asked for a forecast of "
            f"{panel.timestamps[first]}; only later bars may be forecast, earlier ones may warm its state"
        )
    scaled = model.predict_scaled(panel, first, stop)
    rows = slice(first, stop)
    usable = panel.eligible[rows] & np.isfinite(panel.values[rows, :, 0]) & np.isfinite(panel.scale[rows])
    mean = np.where(usable, scaled.mean * panel.scale[rows], np.nan)
    std = np.where(usable, scaled.std * panel.scale[rows], np.nan)
    return mean, std, np.asarray(ndtr(mean / std), dtype=np.float64)
