"""A trained recurrent model: an ensemble of networks that is asked, saved and read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel
from forewalk.settings.sections import ModelSettings
from models.base import ScaledForecast
from models.checkpoint import pack, read_file
from models.recurrent.losses import OF_RESIDUALS
from models.recurrent.networks import RecurrentForecaster
from models.recurrent.ranking import RankForecaster
from models.recurrent.training import run_network
from models.scaler import Scaler
from models.scores import standardised

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Member:
    """One trained network and what belongs to it; `symbols` is empty for a pooled one.

    `return_per_score` is what a unit of the score of a network that ranks is worth, or of a position with the loss
    `sharpe`; `std_factor` how far the spread of one that ranks is off. `embedded` are the symbols that a network with
    `symbol_embedding` knows, in its order.
    """

    name: str
    network: RecurrentForecaster | RankForecaster
    scaler: Scaler
    residual_std: float
    symbols: tuple[str, ...]
    return_per_score: float = 1.0
    std_factor: float = 1.0
    embedded: tuple[str, ...] = ()

    def whose(self, symbols: Sequence[str]) -> Tensor | None:
        """Return where each symbol is in `embedded`, its length where it was not trained on; None without any."""
        if not self.embedded:
            return None
        places = {symbol: number for number, symbol in enumerate(self.embedded)}
        return torch.tensor([places.get(symbol, len(places)) for symbol in symbols])


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
            mean, log_std = run_network(member.network, x, who=member.whose(panel.symbols))
            reads.append((mean[-(stop - first) :], log_std[-(stop - first) :]))
        if self.settings.loss == "rank_correlation":
            return self._ranked(panel, slice(first, stop), reads)
        return self._mixture(panel, reads)

    def _mixture(self, panel: FeaturePanel, reads: Sequence[tuple[Tensor, Tensor]]) -> ScaledForecast:
        """Average what the members read, mean and log std [n, columns] each, to the moments of the mixture."""
        shape = (len(reads[0][0]), len(panel.symbols))
        total, square, count = np.zeros(shape), np.zeros(shape), np.zeros(len(panel.symbols))
        for member, (mean, log_std) in zip(self.members, reads, strict=True):
            columns = _columns(member, panel)
            means = member.return_per_score * mean.double().numpy()
            of_residuals = self.settings.loss in OF_RESIDUALS
            std = member.residual_std if of_residuals else np.exp(log_std.double().numpy())
            total[:, columns] += means
            square[:, columns] += std**2 + means**2
            count[columns] += 1
        counts = np.where(count > 0, count, np.nan)
        mixed = total / counts
        return ScaledForecast(mixed, np.sqrt(square / counts - mixed**2))

    def _ranked(
        self, panel: FeaturePanel, rows: slice, reads: Sequence[tuple[Tensor, Tensor]]
    ) -> ScaledForecast:
        """Average the members' standardised scores, worth the mean of what each is worth, and their variances.

        All have the same say in the order, whatever a validation window made of one of them.
        """
        usable = panel.eligible[rows] & np.isfinite(panel.values[rows, :, 0]) & np.isfinite(panel.scale[rows])
        score, square = np.zeros(usable.shape), np.zeros(usable.shape)
        for member, (raw, log_std) in zip(self.members, reads, strict=True):
            score += standardised(raw.double().numpy(), usable)
            square += (member.std_factor * np.exp(log_std.double().numpy())) ** 2
        worth = float(np.mean([member.return_per_score for member in self.members]))
        count = len(self.members)
        return ScaledForecast(worth * score / count, np.sqrt(square / count))

    def by_seed(self) -> tuple[FittedLSTM, ...]:
        """Return one model per seed, in the order of the seeds; this one is the mixture of them."""
        seeds = sorted({_natural(member.name)[1] for member in self.members})
        return tuple(
            replace(self, members=tuple(m for m in self.members if _natural(m.name)[1] == seed))
            for seed in seeds
        )

    def warmed_before(self, bar: pd.Timestamp) -> FittedLSTM:
        """Return the same networks with their state warmed before an earlier bar.

        To look at what they have learned, on bars they have seen; what they say of those is no forecast.
        """
        return replace(self, valid_from=min(bar, self.valid_from))

    def inputs_of(self, panel: FeaturePanel, row: int, column: int) -> list[tuple[Member, Tensor]]:
        """Return the members that answer for a symbol with the scaled features they read up to `row`, [L, F]."""
        start = self._start(panel)
        if start > row:
            raise self._too_short()
        symbol, found = panel.symbols[column], []
        for member in self.members:
            if not member.symbols or symbol in member.symbols:
                place = column if not member.symbols else 0
                x = self._inputs(
                    member, panel if not member.symbols else panel.of_columns((column,)), start, row + 1
                )
                found.append((member, x[:, place]))
        return found

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
            "settings": self.settings.model_dump(mode="json", exclude={"kind", "params"}),
            "members": {
                member.name: {
                    "mean": member.scaler.mean,
                    "std": member.scaler.std,
                    "residual_std": member.residual_std,
                    "symbols": member.symbols,
                    "return_per_score": member.return_per_score,
                    "std_factor": member.std_factor,
                    **({"embedded": member.embedded} if member.embedded else {}),
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
    if "ensemble" in header:
        raise DataError(f"{path}: a model of an ensemble; set model.kind = 'ensemble', or train it again")
    if "own" in header:
        raise DataError(
            f"{path}: a model of {header['own']}, no recurrent one; name that in model.kind, or train it again"
        )
    settings = ModelSettings.model_validate(header["settings"])
    features = tuple(header["feature_names"])
    members = []
    for name in sorted(header["members"], key=_natural):
        weights = {k.split("|", 1)[1]: v for k, v in tensors.items() if k.startswith(f"{name}|")}
        members.append(
            make_member(name, weights, header["members"][name], len(features), settings, str(path))
        )
    return FittedLSTM(
        model_id=header["model_id"],
        trained_until=pd.Timestamp(header["trained_until"]),
        valid_from=pd.Timestamp(header["valid_from"]),
        feature_names=features,
        data_fingerprint=header["data_fingerprint"],
        settings=settings,
        members=tuple(members),
    )


def make_member(
    name: str,
    weights: dict[str, Tensor],
    header: dict[str, Any],
    features: int,
    settings: ModelSettings,
    source: str = "checkpoint",
) -> Member:
    """Put one network together from its weights and what `Member` says about it; DataError where they do not fit."""
    kind = RankForecaster if settings.loss == "rank_correlation" else RecurrentForecaster
    embedded = tuple(header.get("embedded", ()))
    network = kind(features, settings, len(embedded))
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
        return_per_score=float(header.get("return_per_score", 1.0)),
        std_factor=float(header.get("std_factor", 1.0)),
        embedded=embedded,
    )


def _columns(member: Member, panel: FeaturePanel) -> slice | list[int]:
    """Columns of the panel that a member answers for: all of them for a pooled one."""
    if not member.symbols:
        return slice(None)
    return [panel.symbols.index(symbol) for symbol in member.symbols if symbol in panel.symbols]


def _natural(name: str) -> tuple[str, int]:
    symbol, _, number = name.rpartition("seed-")
    return symbol, int(number)
