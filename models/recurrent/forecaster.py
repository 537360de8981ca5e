"""The recurrent forecaster: trains K seeded networks, pooled over symbols or one set per symbol."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from forewalk.errors import ConfigError, DataError
from forewalk.settings.sections import ModelSettings
from forewalk.types import IntArray, TrainingCurve
from models.base import ModelInfo, TrainingData
from models.checkpoint import pack, unpack
from models.recurrent.fitted import FittedLSTM, load_lstm, make_member
from models.recurrent.ranking import RankRows, train_ranker
from models.recurrent.residual import ridge_line
from models.recurrent.stacked import can_stack, train_stacked
from models.recurrent.training import Sequences, Trained, make_sequences, train_network
from models.scaler import Scaler
from models.scores import ranked_cells

TOGETHER = 64  # networks trained at once on a device at the most; bounds its memory


@dataclass(frozen=True, eq=False)
class _Prepared:
    """One network that is about to be trained."""

    model_id: str
    member: str
    symbols: tuple[str, ...]
    scaler: Scaler
    sequences: Sequences
    seed: int
    embedded: tuple[str, ...]

    def finished(self, trained: Trained) -> tuple[bytes, TrainingCurve]:
        """Serialise what came out of the training."""
        header = {
            "mean": self.scaler.mean,
            "std": self.scaler.std,
            "residual_std": trained.residual_std,
            "symbols": self.symbols,
            **_known(self.embedded),
        }
        if trained.return_per_position != 1.0:
            header["return_per_score"] = trained.return_per_position
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
        if self.settings.loss == "rank_correlation":
            return self._fit_ranker(data, member)
        prepared = self._prepare(data, member)
        trained = train_network(prepared.sequences, self.settings, prepared.seed, self.device)
        return prepared.finished(trained)

    def fits_together(self) -> bool:
        """Whether networks are trained on a device, where they share its steps."""
        return self.settings.loss != "rank_correlation" and self.device != "cpu"

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

    def _fit_ranker(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        columns = [data.panel.symbols.index(symbol) for symbol in data.symbols]
        values, scores = data.panel.values[:, columns], ranked_cells(data)[:, columns]
        scaler = Scaler.fit(values[_as_slice(data.train)])
        x = scaler.transform(values)
        rows = RankRows.of(x, scores, data.target[:, columns], data.train, data.valid)
        if self.settings.residual == "ridge":
            rows = replace(rows, line=ridge_line(x, scores, data.train, data.valid))
        trained = train_ranker(rows, self.settings, _seed(self.seed, data.model_id, member))
        header = {
            "mean": scaler.mean,
            "std": scaler.std,
            "residual_std": trained.std_factor,
            "symbols": (),
            "return_per_score": trained.return_per_score,
            "std_factor": trained.std_factor,
            **_known(self._embedded(data.symbols)),
        }
        losses = trained.train_loss, trained.valid_loss, trained.best_epoch
        return pack(trained.network.state_dict(), header), TrainingCurve(data.model_id, member, *losses)

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
        x = scaler.transform(values)
        sequences = make_sequences(x, target, data.train, data.valid, self.settings)
        if self.settings.residual == "ridge":
            complete = np.where(np.isfinite(values).all(axis=2), target, np.nan)
            sequences = replace(sequences, line=ridge_line(x, complete, data.train, data.valid))
        return _Prepared(
            model_id=data.model_id,
            member=member,
            symbols=() if self.settings.scope == "pooled" else symbols,
            scaler=scaler,
            sequences=sequences,
            seed=_seed(self.seed, data.model_id, member),
            embedded=self._embedded(symbols),
        )

    def _embedded(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Return the symbols that have numbers of their own."""
        return symbols if self.settings.symbol_embedding else ()

    def assemble(self, info: ModelInfo, parts: Sequence[bytes]) -> FittedLSTM:
        """Put the trained networks together."""
        return self.assembled(info, list(zip(self.members(info.symbols), parts, strict=True)))

    def assembled(self, info: ModelInfo, parts: Sequence[tuple[str, bytes]]) -> FittedLSTM:
        """Put some trained networks together, each with its name."""
        members = []
        for name, part in parts:
            weights, header = unpack(part)
            members.append(make_member(name, weights, header, len(info.feature_names), self.settings))
        return FittedLSTM(
            model_id=info.model_id,
            trained_until=info.trained_until,
            valid_from=info.valid_from,
            feature_names=info.feature_names,
            data_fingerprint=info.data_fingerprint,
            settings=self.settings,
            members=tuple(members),
        )

    def load(self, path: Path, not_before: pd.Timestamp | None = None) -> FittedLSTM:
        """Read what `FittedLSTM.save` wrote; see `load_lstm`."""
        model = load_lstm(path)
        if not_before is None or not_before <= model.valid_from:
            return model
        return replace(model, valid_from=not_before)


def _known(embedded: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return what a header says of the symbols that have numbers of their own; nothing where none has."""
    return {"embedded": embedded} if embedded else {}


def _as_slice(rows: IntArray) -> slice | IntArray:
    """Return increasing rows without a gap as a slice, which copies nothing."""
    whole = len(rows) and rows[-1] - rows[0] + 1 == len(rows)
    return slice(int(rows[0]), int(rows[-1]) + 1) if whole else rows


def _seed(seed: int, model_id: str, member: str) -> int:
    """A seed for each network that depends on names only, so that neither order nor job count matters."""
    digest = hashlib.sha256(f"{seed}/{model_id}/{member}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
