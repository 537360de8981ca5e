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
from torch import Tensor

from forewalk.errors import ConfigError, DataError
from forewalk.features.panel import FeaturePanel
from forewalk.settings.sections import ModelSettings
from forewalk.types import IntArray, TrainingCurve
from models.base import ScaledForecast, TrainingData
from models.checkpoint import pack, read_file, unpack
from models.recurrent.networks import RecurrentForecaster, State
from models.recurrent.stacked import can_stack, train_stacked
from models.recurrent.training import Sequences, Trained, make_sequences, run_network, train_network
from models.scaler import Scaler

FORMAT = 1
TOGETHER = 64  # networks trained at once on a device at the most; bounds its memory


@dataclass(frozen=True, eq=False)
class Member:
    """One trained network and what belongs to it; `symbols` is empty for a pooled one."""

    name: str
    network: RecurrentForecaster
    scaler: Scaler
    residual_std: float
    symbols: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Memory:
    """How far a model has read a panel, and what it remembers there.

    Attributes:
        next_row: number of the first row not read.
        asof: timestamp of the row before it, UTC; None before the first.
        symbols: columns of the panel that was read.
        states: what each member's network remembers, in the order of the members.
    """

    next_row: int
    asof: pd.Timestamp | None
    symbols: tuple[str, ...]
    states: tuple[State, ...]


@dataclass(frozen=True, eq=False)
class _Prepared:
    """One network that is about to be trained."""

    model_id: str
    member: str
    symbols: tuple[str, ...]
    scaler: Scaler
    sequences: Sequences
    seed: int

    def finished(self, trained: Trained) -> tuple[bytes, TrainingCurve]:
        """Serialise what came out of the training."""
        header = {
            "mean": self.scaler.mean,
            "std": self.scaler.std,
            "residual_std": trained.residual_std,
            "symbols": self.symbols,
        }
        curve = TrainingCurve(
            self.model_id, self.member, trained.train_loss, trained.valid_loss, trained.best_epoch
        )
        return pack(trained.network.state_dict(), header), curve


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

    @property
    def device(self) -> str:
        """Where networks are trained: `settings.device`, with `auto` resolved to what is there."""
        there = torch.cuda.is_available()
        if self.settings.device == "cuda" and not there:
            raise ConfigError(
                "model.device = 'cuda', but torch sees no CUDA device; use 'auto' or 'cpu', or install a CUDA "
                "build of torch"
            )
        return "cuda" if there and self.settings.device != "cpu" else "cpu"

    def fit_member(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        """Train one network; raises DataError where it has nothing to learn from."""
        prepared = self._prepare(data, member)
        trained = train_network(prepared.sequences, self.settings, prepared.seed, self.device)
        return prepared.finished(trained)

    def fit_together(
        self, work: Sequence[tuple[TrainingData, str]], device: str | None = None
    ) -> list[tuple[bytes, TrainingCurve]]:
        """Train many members at once on one device, in the order of `work`; see `models.recurrent.stacked`.

        The results are those of `fit_member` to rounding. Networks that cannot be stacked follow each other.
        """
        device = device or self.device
        prepared = [self._prepare(data, member) for data, member in work]
        if can_stack(self.settings):
            trained = []
            for first in range(0, len(prepared), TOGETHER):
                part = prepared[first : first + TOGETHER]
                seeds = [one.seed for one in part]
                trained += train_stacked([one.sequences for one in part], seeds, self.settings, device)
        else:
            trained = [train_network(one.sequences, self.settings, one.seed, device) for one in prepared]
        return [one.finished(result) for one, result in zip(prepared, trained, strict=True)]

    def _prepare(self, data: TrainingData, member: str) -> _Prepared:
        symbols = data.symbols if self.settings.scope == "pooled" else (member.rpartition("/")[0],)
        columns: slice | list[int] = slice(None)  # a view: a list of all columns would copy the panel
        if symbols != data.panel.symbols:  # without those that are not eligible yet
            columns = [data.panel.symbols.index(symbol) for symbol in symbols]
        values, target = data.panel.values[:, columns], data.target[:, columns]
        for what, rows in (("training", data.train), ("validation", data.valid)):
            if not np.isfinite(target[rows]).any():
                raise DataError(f"{data.model_id} {member}: no {what} bar has a label; load a longer history")
        scaler = Scaler.fit(values[_as_slice(data.train)])
        return _Prepared(
            model_id=data.model_id,
            member=member,
            symbols=() if self.settings.scope == "pooled" else symbols,
            scaler=scaler,
            sequences=make_sequences(scaler.transform(values), target, data.train, data.valid, self.settings),
            seed=_seed(self.seed, data.model_id, member),
        )

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
        start = self._start(panel)
        if start > first:
            raise self._too_short()
        reads = []
        for member in self.members:  # one pass, so that a forecast has the same bits wherever the panel ends
            x = self._inputs(member, panel, start, stop)
            mean, log_std, _ = run_network(member.network, x)
            reads.append((mean[-(stop - first) :], log_std[-(stop - first) :]))
        return self._mixture(panel, reads)

    def warmed(self, panel: FeaturePanel) -> Memory:
        """Read the `lookback_bars` bars before `valid_from`; return what the model then remembers.

        Raises:
            DataError: the panel has other features, or begins after `valid_from`.
        """
        start = self._start(panel)
        states = tuple(
            member.network.warmed(self._inputs(member, panel, start, start)) for member in self.members
        )
        return Memory(start, panel.timestamps[start - 1] if start else None, panel.symbols, states)

    def read_on(self, panel: FeaturePanel, memory: Memory, stop: int) -> tuple[ScaledForecast, Memory]:
        """Forecast the rows from `memory.next_row` to `stop - 1`; return also what is remembered after them.

        The cost is that of the new rows alone, so a live step takes as long on the thousandth bar as on the
        first: keep the memory and call this with a panel one bar longer. The forecasts are those of
        `predict_scaled`. Earlier rows must be the ones that were read; where history was restated, start
        again with `warmed`.

        Raises:
            DataError: the panel has other symbols, or another bar before `memory.next_row`.
        """
        first = memory.next_row
        before = panel.timestamps[first - 1] if first else None
        if panel.symbols != memory.symbols or before != memory.asof:
            raise DataError(
                f"{self.model_id} has read up to {memory.asof}, the panel holds {before} in row {first - 1}; "
                "start again with warmed(panel)"
            )
        reads, states = [], []
        for member, state in zip(self.members, memory.states, strict=True):
            values = panel.values[first:stop, _columns(member, panel)]
            x = torch.from_numpy(member.scaler.transform(values))
            mean, log_std, after = run_network(member.network, x, state)
            reads.append((mean, log_std))
            states.append(after)
        return self._mixture(panel, reads), Memory(
            stop, panel.timestamps[stop - 1] if stop else None, panel.symbols, tuple(states)
        )

    def _mixture(self, panel: FeaturePanel, reads: Sequence[tuple[Tensor, Tensor]]) -> ScaledForecast:
        """Average what the members read, mean and log std [n, columns] each, to the moments of the mixture."""
        shape = (len(reads[0][0]), len(panel.symbols))
        total, square, count = np.zeros(shape), np.zeros(shape), np.zeros(len(panel.symbols))
        for member, (mean, log_std) in zip(self.members, reads, strict=True):
            columns = _columns(member, panel)
            means = mean.double().numpy()
            std = member.residual_std if self.settings.loss == "mse" else np.exp(log_std.double().numpy())
            total[:, columns] += means
            square[:, columns] += std**2 + means**2
            count[columns] += 1
        counts = np.where(count > 0, count, np.nan)
        mixed = total / counts
        return ScaledForecast(mixed, np.sqrt(square / counts - mixed**2))

    def by_seed(self) -> tuple[FittedLSTM, ...]:
        """Return one model per seed, in the order of the seeds; this one is the mixture of them."""
        seeds = sorted({_natural(member.name)[1] for member in self.members})
        return tuple(
            replace(self, members=tuple(m for m in self.members if _natural(m.name)[1] == seed))
            for seed in seeds
        )

    def _start(self, panel: FeaturePanel) -> int:
        """Return the row of `valid_from`; DataError where the panel does not fit the model."""
        if panel.names != self.feature_names:
            raise DataError(
                f"{self.model_id} was trained on {self.feature_names}, the panel has {panel.names}"
            )
        start = int(panel.timestamps.searchsorted(self.valid_from))
        if start == 0 and panel.timestamps[0] > self.valid_from:
            raise self._too_short()
        return start

    def _inputs(self, member: Member, panel: FeaturePanel, start: int, stop: int) -> Tensor:
        """Scale the rows from `lookback_bars` before `start` to `stop - 1`, zeros before the panel's first."""
        lookback = self.settings.lookback_bars
        begin = max(0, start - lookback)
        x = member.scaler.transform(panel.values[begin:stop, _columns(member, panel)])
        return torch.from_numpy(np.pad(x, ((lookback - (start - begin), 0), (0, 0), (0, 0))))

    def _too_short(self) -> DataError:
        return DataError(
            f"{self.model_id} is valid from {self.valid_from}; the panel must reach back "
            f"{self.settings.lookback_bars} bars before it"
        )

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
    weights: dict[str, Tensor],
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


def _columns(member: Member, panel: FeaturePanel) -> slice | list[int]:
    """Columns of the panel that a member answers for: all of them for a pooled one."""
    if not member.symbols:
        return slice(None)
    return [panel.symbols.index(symbol) for symbol in member.symbols if symbol in panel.symbols]


def _as_slice(rows: IntArray) -> slice | IntArray:
    """Return increasing rows without a gap as a slice, which copies nothing."""
    whole = len(rows) and rows[-1] - rows[0] + 1 == len(rows)
    return slice(int(rows[0]), int(rows[-1]) + 1) if whole else rows


def _seed(seed: int, model_id: str, member: str) -> int:
    """A seed for each network that depends on names only, so that neither order nor job count matters."""
    digest = hashlib.sha256(f"{seed}/{model_id}/{member}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def _natural(name: str) -> tuple[str, int]:
    symbol, _, number = name.rpartition("seed-")
    return symbol, int(number)
