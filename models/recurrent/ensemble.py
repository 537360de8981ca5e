"""The recurrent network, boosted trees and ridge regression as one forecaster.

Timmermann (2006), Forecast combinations, Handbook of Economic Forecasting 1: equal weights are hard to beat where
the weights would have to be told from few forecasts. Weights told from validation rows are in
`models.recurrent.pooling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel
from forewalk.settings.sections import ModelSettings
from forewalk.types import BoolArray, FloatArray, TrainingCurve
from models.base import FittedForecaster, ModelInfo, ScaledForecast, TrainingData
from models.baselines.rule import FittedBaseline
from models.baselines.simple import BaselineForecaster
from models.checkpoint import pack, read_file
from models.recurrent.fitted import FittedLSTM
from models.recurrent.forecaster import LSTMForecaster
from models.recurrent.pooling import apart, said_by, shares_of, together, with_said
from models.scores import standardised

FORMAT = 1
BESIDE = ("trees", "ridge")


@dataclass(frozen=True)
class EnsembleForecaster:
    """Trains the networks of `settings` from `seed`, and trees and ridge on the same features and labels.

    Members are those of the networks (`models.recurrent.forecaster`), then those of `settings.ensemble.beside`.
    """

    settings: ModelSettings
    seed: int

    @property
    def network(self) -> LSTMForecaster:
        """The forecaster of the networks alone."""
        return LSTMForecaster(self.settings, self.seed)

    def members(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """The networks, then what stands beside them."""
        return (*self.network.members(symbols), *self.settings.ensemble.beside)

    def fit_member(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        """Train one part; raises DataError where it has nothing to learn from."""
        part, curve = self._trained(data, member)
        if self.settings.ensemble.weights == "equal":
            return part, curve
        alone = self._alone(data.info, member, part)
        return with_said(part, said_by(alone, data, self._ranks)), curve

    @property
    def _ranks(self) -> bool:
        return self.settings.loss == "rank_correlation"

    def _trained(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        if member in BESIDE:
            return self._beside(member).fit_member(data, member)
        return self.network.fit_member(data, member)

    def _alone(self, info: ModelInfo, member: str, part: bytes) -> FittedForecaster:
        """Return one member as a model of its own, valid on the rows it was trained on to be asked about them."""
        if member in BESIDE:
            return self._beside(member).assemble(info, [part])
        return self.network.assembled(info, [(member, part)])

    def assemble(self, info: ModelInfo, parts: Sequence[bytes]) -> FittedEnsemble:
        """Put the trained parts together."""
        if self.settings.ensemble.weights == "equal":
            return self._assembled(info, parts, None)
        found = [apart(part) for part in parts]
        networks = len(parts) - len(self.settings.ensemble.beside)
        said = [each for _, each in found]
        shares = shares_of([together(said[:networks]), *said[networks:]], self._ranks)
        return self._assembled(info, [part for part, _ in found], shares)

    def _assembled(
        self, info: ModelInfo, parts: Sequence[bytes], shares: tuple[float, ...] | None
    ) -> FittedEnsemble:
        names = self.settings.ensemble.beside
        networks = len(parts) - len(names)
        return FittedEnsemble(
            info=info,
            parts=tuple(parts),
            ranks=self._ranks,
            network=self.network.assemble(info, parts[:networks]),
            beside=tuple(
                self._beside(name).assemble(info, [part])
                for name, part in zip(names, parts[networks:], strict=True)
            ),
            weights=shares,
        )

    def load(self, path: Path, not_before: pd.Timestamp | None = None) -> FittedEnsemble:
        """Read what `FittedEnsemble.save` wrote; DataError where it is damaged or no ensemble."""
        tensors, header = read_file(path)
        named = header.get("ensemble") or ["nobody"]
        if not set(named) <= set(BESIDE) or header.get("format") != FORMAT:
            raise DataError(
                f"{path}: no model of model.kind = 'ensemble'; name its own kind, or train it again"
            )
        about = header["info"]
        dates = {name: pd.Timestamp(about[name]) for name in ("trained_until", "valid_from")}
        lists = {name: tuple(about[name]) for name in ("symbols", "feature_names")}
        info = ModelInfo(**{**about, **dates, **lists})
        if not_before is not None and not_before > info.valid_from:
            info = replace(info, valid_from=not_before)
        parts = [tensors[name].numpy().tobytes() for name in sorted(tensors)]
        trained = self.settings.model_validate(header["settings"])
        shares = header.get("shares")
        return replace(self, settings=trained)._assembled(
            info, parts, None if shares is None else tuple(shares)
        )

    def _beside(self, name: str) -> BaselineForecaster:
        return BaselineForecaster("trees" if name == "trees" else "ridge", self.seed)


@dataclass(frozen=True, eq=False)
class FittedEnsemble:
    """A trained ensemble with its dates; satisfies `FittedForecaster`.

    Attributes:
        info: what it knows of itself.
        parts: what its members learned, as they serialised it.
        ranks: whether the members learned an order of the symbols.
        network, beside: the mixture of the networks; trees and ridge.
        weights: how much each of them has to say, the network first, adding up to one; None: all the same.
    """

    info: ModelInfo
    parts: tuple[bytes, ...]
    ranks: bool
    network: FittedLSTM
    beside: tuple[FittedBaseline, ...]
    weights: tuple[float, ...] | None = None

    @property
    def shares(self) -> dict[str, float]:
        """How much each has to say, by name; they add up to one."""
        names = ("network", *(model.kind for model in self.beside))
        given = self.weights or (1.0 / len(names),) * len(names)
        return dict(zip(names, given, strict=True))

    @property
    def model_id(self) -> str:
        """Name, unique within a run."""
        return self.info.model_id

    @property
    def trained_until(self) -> pd.Timestamp:
        """End of the last label it saw, UTC."""
        return self.info.trained_until

    @property
    def valid_from(self) -> pd.Timestamp:
        """First bar it may be asked about, UTC."""
        return self.info.valid_from

    def predict_scaled(self, panel: FeaturePanel, first: int, stop: int) -> ScaledForecast:
        """Forecast rows `first` to `stop - 1`: the moments of the mixture, with the same weights or with `weights`.

        Where they rank, the mean is instead the mean of their standardised scores, bar by bar, times the mean of
        their spreads over the symbols: each has its say in the order. NaN where one of them has none.
        """
        said = [self.network.predict_scaled(panel, first, stop)]
        said += [model.predict_scaled(panel, first, stop) for model in self.beside]
        means, stds = np.array([one.mean for one in said]), np.array([one.std for one in said])
        if self.ranks:
            rows = slice(first, stop)
            usable = (
                panel.eligible[rows] & np.isfinite(panel.values[rows, :, 0]) & np.isfinite(panel.scale[rows])
            )
            mean = _ranked(means, usable & np.isfinite(means).all(axis=0), self.weights)
            return ScaledForecast(mean, np.sqrt(self._mean(stds**2)))
        mean = self._mean(means)
        return ScaledForecast(mean, np.sqrt(self._mean(stds**2 + means**2) - mean**2))

    def _mean(self, values: FloatArray) -> FloatArray:
        """Average values [K, ...] over the models, by their say."""
        if self.weights is None:
            return np.asarray(values.mean(axis=0))
        return np.asarray(sum(share * each for share, each in zip(self.weights, values, strict=True)))

    def by_seed(self) -> tuple[FittedEnsemble, ...]:
        """Return one ensemble per seed of the network, with the same trees and ridge."""
        return tuple(replace(self, network=network) for network in self.network.by_seed())

    def warmed_before(self, bar: pd.Timestamp) -> FittedEnsemble:
        """Return the same models with the networks' state warmed before an earlier bar."""
        return replace(self, network=self.network.warmed_before(bar))

    def save(self, path: Path) -> None:
        """Write one safetensors file: what the members learned as bytes, and what the model knows of itself."""
        about = asdict(self.info)
        dates = {name: about[name].isoformat() for name in ("trained_until", "valid_from")}
        header = {
            "format": FORMAT,
            "ensemble": [model.kind for model in self.beside],
            **({} if self.weights is None else {"shares": self.weights}),
            "model_id": self.model_id,
            **dates,
            "feature_names": self.info.feature_names,
            "data_fingerprint": self.info.data_fingerprint,
            "settings": self.network.settings.model_dump(mode="json", exclude={"params"}),
            "info": {**about, **dates},
        }
        parts = {
            f"part-{number:05d}": torch.frombuffer(bytearray(part), dtype=torch.uint8)
            for number, part in enumerate(self.parts)
        }
        path.write_bytes(pack(parts, header))


def _ranked(means: FloatArray, usable: BoolArray, weights: tuple[float, ...] | None = None) -> FloatArray:
    """Return the mean over the models of standardised means [K, n, S], times the mean of their spreads."""
    count = np.maximum(usable.sum(axis=1, keepdims=True), 1)
    scores, spread = np.zeros(usable.shape), np.zeros((len(usable), 1))
    for number, mean in enumerate(means):
        say = 1.0 if weights is None else len(means) * weights[number]
        scores += say * np.nan_to_num(standardised(mean, usable))  # equal scores order nothing: no say
        known = np.where(usable, mean, 0.0)
        off = np.where(usable, known - known.sum(axis=1, keepdims=True) / count, 0.0)
        spread += say * np.sqrt((off**2).sum(axis=1, keepdims=True) / count)
    return np.where(usable, scores * spread / len(means) ** 2, np.nan)
