"""The recurrent forecaster: K seeded networks, pooled over symbols or one set per symbol, averaged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from engine.config import ModelSettings
from engine.errors import DataError
from engine.features.pipeline import FeaturePanel, Float32Array
from engine.types import FloatArray, TrainingCurve
from models.base import ScaledForecast, TrainingData
from models.checkpoint import pack, read_file, unpack
from models.networks import RecurrentForecaster
from models.training import make_sequences, run_network, train_network

FORMAT = 1
INPUT_LIMIT = 5.0  # scaled features are cut at five standard deviations of the training rows


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each feature over the training rows of one fold; length F."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, values: Float32Array) -> Scaler:
        """Fit to values [n, S, F]; rows with NaN do not count."""
        rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        if not len(rows):
            raise DataError("no training bar has complete features; load a longer history")
        std = rows.std(axis=0)
        return cls(tuple(rows.mean(axis=0).tolist()), tuple(np.where(std > 1e-8, std, 1.0).tolist()))

    def transform(self, values: Float32Array) -> Float32Array:
        """Scale values [n, S, F]; NaN becomes 0, the training mean."""
        scaled = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.nan_to_num(np.clip(scaled, -INPUT_LIMIT, INPUT_LIMIT), nan=0.0)


@dataclass(frozen=True, eq=False)
class Member:
    """One trained network and what belongs to it; `symbols` is empty for a pooled one."""

    name: str
    network: RecurrentForecaster
    scaler: Scaler
    residual_std: float
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class LSTMForecaster:
    """Trains recurrent networks of `settings` (LSTM or GRU, with or without attention) from `seed`.

    Members are named `seed-0`, `seed-1` ... for a pooled model and `AAPL/seed-0` ... for one per symbol.
    """

    settings: ModelSettings
    seed: int

    def members(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """One member per seed, or one per symbol and seed."""
        seeds = [f"seed-{number}" for number in range(self.settings.seeds)]
        if self.settings.scope == "pooled":
            return tuple(seeds)
        return tuple(f"{symbol}/{seed}" for symbol in symbols for seed in seeds)

    def fit_member(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        """Train one network; raises DataError where it has nothing to learn from."""
        symbols = data.symbols if self.settings.scope == "pooled" else (member.rpartition("/")[0],)
        columns = [data.panel.symbols.index(symbol) for symbol in symbols]
        values, target = data.panel.values[:, columns], data.target[:, columns]
        for what, rows in (("training", data.train), ("validation", data.valid)):
            if not np.isfinite(target[rows]).any():
                raise DataError(f"{data.model_id} {member}: no {what} bar has a label; load a longer history")
        scaler = Scaler.fit(values[data.train])
        sequences = make_sequences(scaler.transform(values), target, data.train, data.valid, self.settings)
        trained = train_network(sequences, self.settings, _seed(self.seed, data.model_id, member))
        header = {
            "mean": scaler.mean,
            "std": scaler.std,
            "residual_std": trained.residual_std,
            "symbols": () if self.settings.scope == "pooled" else symbols,
        }
        curve = TrainingCurve(
            data.model_id, member, trained.train_loss, trained.valid_loss, trained.best_epoch
        )
        return pack(trained.network.state_dict(), header), curve

    def assemble(self, data: TrainingData, parts: Sequence[bytes]) -> FittedLSTM:
        """Put the trained networks together."""
        members = []
        for name, part in zip(self.members(data.symbols), parts, strict=True):
            weights, header = unpack(part)
            members.append(_member(name, weights, header, len(data.panel.names), self.settings))
        return FittedLSTM(
            model_id=data.model_id,
            trained_until=data.trained_until,
            valid_from=data.valid_from,
            feature_names=data.panel.names,
            data_fingerprint=data.data_fingerprint,
            settings=self.settings,
            members=tuple(members),
        )


@dataclass(frozen=True, eq=False)
class FittedLSTM:
    """A trained ensemble. Forecasts are the moments of the members' equal-weight mixture.

    The state is always warmed over the `lookback_bars` bars before `valid_from`, so the forecast of a bar
    does not depend on which other bars were asked for.
    """

    model_id: str
    trained_until: pd.Timestamp
    valid_from: pd.Timestamp
    feature_names: tuple[str, ...]
    data_fingerprint: str
    settings: ModelSettings
    members: tuple[Member, ...]

    def predict_scaled(self, panel: FeaturePanel, first: int, stop: int) -> ScaledForecast:
        """Forecast rows `first` to `stop - 1` of the panel in multiples of its scale; see `predict_rows`."""
        if panel.names != self.feature_names:
            raise DataError(
                f"{self.model_id} was trained on {self.feature_names}, the panel has {panel.names}"
            )
        start = int(panel.timestamps.searchsorted(self.valid_from))
        if start > first or (start == 0 and panel.timestamps[0] > self.valid_from):
            raise DataError(
                f"{self.model_id} is valid from {self.valid_from}; the panel must reach back "
                f"{self.settings.lookback_bars} bars before it"
            )
        shape = (stop - first, len(panel.symbols))
        total, square, count = np.zeros(shape), np.zeros(shape), np.zeros(len(panel.symbols))
        for member in self.members:
            columns = [panel.symbols.index(s) for s in member.symbols if s in panel.symbols]
            chosen = columns if member.symbols else list(range(len(panel.symbols)))
            mean, std = self._run(member, panel, chosen, start, stop)
            mean, std = mean[first - start :], std[first - start :]
            total[:, chosen] += mean
            square[:, chosen] += std**2 + mean**2
            count[chosen] += 1
        counts = np.where(count > 0, count, np.nan)
        mean = total / counts
        return ScaledForecast(mean, np.sqrt(square / counts - mean**2))

    def by_seed(self) -> tuple[FittedLSTM, ...]:
        """Return one model per seed, in the order of the seeds; this one is the mixture of them."""
        seeds = sorted({_natural(member.name)[1] for member in self.members})
        return tuple(
            replace(self, members=tuple(m for m in self.members if _natural(m.name)[1] == seed))
            for seed in seeds
        )

    def _run(
        self, member: Member, panel: FeaturePanel, columns: list[int], start: int, stop: int
    ) -> tuple[FloatArray, FloatArray]:
        lookback = self.settings.lookback_bars
        begin = max(0, start - lookback)
        x = member.scaler.transform(panel.values[begin:stop][:, columns])
        x = np.pad(x, ((lookback - (start - begin), 0), (0, 0), (0, 0)))  # [lookback + rows, columns, F]
        mean, log_std = run_network(member.network, torch.from_numpy(x))
        means = mean[lookback:].double().numpy()
        if self.settings.loss == "mse":
            return means, np.full(means.shape, member.residual_std)
        return means, np.exp(log_std[lookback:].double().numpy())

    def save(self, path: Path) -> None:
        """Write one safetensors file whose JSON header describes settings, scalers, features and dates."""
        tensors = {
            f"{member.name}|{name}": weight
            for member in self.members
            for name, weight in member.network.state_dict().items()
        }
        path.write_bytes(pack(tensors, self.header()))

    def header(self) -> dict[str, Any]:
        """Return the description stored beside the weights."""
        return {
            "format": FORMAT,
            "model_id": self.model_id,
            "trained_until": self.trained_until.isoformat(),
            "valid_from": self.valid_from.isoformat(),
            "feature_names": self.feature_names,
            "data_fingerprint": self.data_fingerprint,
            "settings": self.settings.model_dump(mode="json"),
            "members": {
                member.name: {
                    "mean": member.scaler.mean,
                    "std": member.scaler.std,
                    "residual_std": member.residual_std,
                    "symbols": member.symbols,
                }
                for member in self.members
            },
        }


def load_lstm(path: Path) -> FittedLSTM:
    """Read what `FittedLSTM.save` wrote; DataError where the file is damaged or of another format."""
    tensors, header = read_file(path)
    if header.get("format") != FORMAT:
        raise DataError(
            f"{path}: format {header.get('format')!r}, this version reads {FORMAT}; train it again"
        )
    settings = ModelSettings.model_validate(header["settings"])
    features = tuple(header["feature_names"])
    members = []
    for name in sorted(header["members"], key=_natural):
        weights = {k.split("|", 1)[1]: v for k, v in tensors.items() if k.startswith(f"{name}|")}
        members.append(_member(name, weights, header["members"][name], len(features), settings, str(path)))
    return FittedLSTM(
        model_id=header["model_id"],
        trained_until=pd.Timestamp(header["trained_until"]),
        valid_from=pd.Timestamp(header["valid_from"]),
        feature_names=features,
        data_fingerprint=header["data_fingerprint"],
        settings=settings,
        members=tuple(members),
    )


def _member(
    name: str,
    weights: dict[str, torch.Tensor],
    header: dict[str, Any],
    features: int,
    settings: ModelSettings,
    source: str = "checkpoint",
) -> Member:
    network = RecurrentForecaster(features, settings)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"{source}: the weights of {name} do not fit its settings: {error}") from None
    return Member(
        name=name,
        network=network.eval(),
        scaler=Scaler(tuple(header["mean"]), tuple(header["std"])),
        residual_std=float(header["residual_std"]),
        symbols=tuple(header["symbols"]),
    )


def _seed(seed: int, model_id: str, member: str) -> int:
    """A seed for each network that depends on names only, so that neither order nor job count matters."""
    digest = hashlib.sha256(f"{seed}/{model_id}/{member}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def _natural(name: str) -> tuple[str, int]:
    symbol, _, number = name.rpartition("seed-")
    return symbol, int(number)
