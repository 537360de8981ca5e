"""Forecasters to measure a network against: same folds, same rows, same features, same guard.

`zero` says that nothing changes, `drift` that each symbol goes on rising as it did, `ridge` and `trees` learn
from the network's own features with its own scaler, `arima` from past returns, and the rules of
`models.baselines.rank_rules` rank by them. No pickle: what they learn is written as arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel
from forewalk.types import FloatArray, TrainingCurve
from models.base import ModelInfo, TrainingData
from models.baselines.arima import ArimaRule
from models.baselines.rank_rules import SIGNALS, RankRule
from models.baselines.rule import (
    FittedBaseline,
    NumberArray,
    Rule,
    learning_rows,
    mean_square_error,
    pack_arrays,
    trained_columns,
)
from models.baselines.trees import TreesRule
from models.checkpoint import unpack
from models.scaler import Scaler
from models.scores import ranked_cells, return_per_score

Kind = Literal["zero", "drift", "ridge", "trees", "arima", "reversal_1", "reversal_5", "momentum_12_1"]
RIDGE_PENALTIES = tuple(10.0**power for power in range(-4, 3))  # per training row, on standardised features


@dataclass(frozen=True)
class BaselineForecaster:
    """Trains one baseline; satisfies `Forecaster` with a single member named like its `kind`.

    Attributes:
        kind: "zero", "drift", "ridge", "trees"; or, from a panel of one-bar returns, "arima" (see
            `models.baselines.arima`) and those of `models.baselines.rank_rules`.
        seed: of the trees' binning; the others draw no random number.
        horizon_bars: length of the label, for `arima`.
    """

    kind: Kind
    seed: int = 0
    horizon_bars: int = 1

    def members(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """One member, whatever the symbols."""
        return (self.kind,)

    def fit_member(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        """Fit to the training rows; raises DataError where there is nothing to learn from.

        The curve has one point, the mean squared error of the scaled validation rows, and no training loss.
        """
        rule = _fit_to_ranks(data, self) if data.scores is not None else _FIT[self.kind](data, self)
        error = mean_square_error(data, rule, data.valid)
        header = {**rule.header(), "residual_std": float(np.sqrt(error))}
        curve = TrainingCurve(data.model_id, member, (), (error,), 0)
        return pack_arrays(rule.arrays(), header), curve

    def assemble(self, info: ModelInfo, parts: Sequence[bytes]) -> FittedBaseline:
        """Turn the one part into a model."""
        tensors, header = unpack(parts[0])
        return FittedBaseline(
            kind=self.kind,
            rule=_READ[self.kind]({name: tensor.numpy() for name, tensor in tensors.items()}, header),
            residual_std=float(header["residual_std"]),
            model_id=info.model_id,
            trained_until=info.trained_until,
            valid_from=info.valid_from,
            feature_names=info.feature_names,
            data_fingerprint=info.data_fingerprint,
        )


@dataclass(frozen=True)
class ZeroRule:
    """The price stays where it is."""

    def scaled_mean(self, panel: FeaturePanel, start: int, first: int, stop: int) -> FloatArray:
        """Zero for every cell."""
        return np.zeros((stop - first, len(panel.symbols)))

    def arrays(self) -> dict[str, NumberArray]:
        """Nothing was learned."""
        return {}

    def header(self) -> dict[str, Any]:
        """Nothing to describe."""
        return {}


@dataclass(frozen=True, eq=False)
class DriftRule:
    """The random walk with drift: each symbol's mean return so far, the pooled mean for a new symbol.

    `drift` is in log return over the horizon, one entry for each of `symbols`.
    """

    symbols: tuple[str, ...]
    drift: FloatArray
    pooled: float

    def scaled_mean(self, panel: FeaturePanel, start: int, first: int, stop: int) -> FloatArray:
        """Drift over the scale of the bar."""
        known = dict(zip(self.symbols, self.drift.tolist(), strict=True))
        drift = np.array([known.get(symbol, self.pooled) for symbol in panel.symbols])
        return np.asarray(drift / panel.scale[first:stop])

    def arrays(self) -> dict[str, NumberArray]:
        """The drifts."""
        return {"drift": self.drift}

    def header(self) -> dict[str, Any]:
        """Whose they are."""
        return {"symbols": self.symbols, "pooled": self.pooled}


@dataclass(frozen=True, eq=False)
class RidgeRule:
    """A linear function of the scaled features, the same for every symbol."""

    scaler: Scaler
    coefficients: FloatArray
    intercept: float
    penalty: float

    def scaled_mean(self, panel: FeaturePanel, start: int, first: int, stop: int) -> FloatArray:
        """Intercept plus features times coefficients, summed feature by feature.

        The order of the sum is fixed here, since a matrix product may round differently with other shapes.
        """
        x = self.scaler.transform(panel.values[first:stop])
        mean = np.full(x.shape[:2], self.intercept)
        for feature, coefficient in enumerate(self.coefficients.tolist()):
            mean += coefficient * x[:, :, feature].astype(np.float64)
        return mean

    def times(self, factor: float) -> RidgeRule:
        """Return the rule whose answers are `factor` times as large."""
        return replace(self, coefficients=factor * self.coefficients, intercept=factor * self.intercept)

    def arrays(self) -> dict[str, NumberArray]:
        """The coefficients."""
        return {"coefficients": self.coefficients}

    def header(self) -> dict[str, Any]:
        """The scaler, the intercept and the penalty that validation chose."""
        return {
            "mean": self.scaler.mean,
            "std": self.scaler.std,
            "intercept": self.intercept,
            "penalty": self.penalty,
        }


def _fit_zero(data: TrainingData, forecaster: BaselineForecaster) -> Rule:
    return ZeroRule()


def _fit_drift(data: TrainingData, forecaster: BaselineForecaster) -> Rule:
    columns = trained_columns(data)
    returns = (data.target * data.panel.scale)[:, columns]
    there = np.isfinite(returns)
    count, total = there.sum(axis=0), np.where(there, returns, 0.0).sum(axis=0)
    pooled = float(total.sum() / max(int(count.sum()), 1))
    drift = np.where(count > 0, total / np.maximum(count, 1), pooled)
    return DriftRule(data.symbols, drift, pooled)


def _fit_ridge(data: TrainingData, forecaster: BaselineForecaster) -> Rule:
    """Fit on the training rows; the penalty is the one with the lowest squared error on the validation rows."""
    scaler = Scaler.fit(data.panel.values[data.train][:, trained_columns(data)])
    x, y = learning_rows(data, data.train, scaler)
    x_valid, y_valid = learning_rows(data, data.valid, scaler)
    if not len(y) or not len(y_valid):
        raise DataError(f"{data.model_id} ridge: no training bar has a label; load a longer history")
    return RidgeRule(scaler, *best_ridge(x, y, x_valid, y_valid))


def best_ridge(
    x: FloatArray, y: FloatArray, x_valid: FloatArray, y_valid: FloatArray
) -> tuple[FloatArray, float, float]:
    """Return slopes [F], intercept and penalty of the ridge of x [n, F] and y [n] that misses the others by least."""
    fits = [(*ridge(x, y, penalty * len(y)), penalty) for penalty in RIDGE_PENALTIES]
    losses = [np.mean((y_valid - intercept - x_valid @ slope) ** 2) for slope, intercept, _ in fits]
    return fits[int(np.argmin(losses))]


def ridge(x: FloatArray, y: FloatArray, penalty: float) -> tuple[FloatArray, float]:
    """Return slopes [F] and intercept that minimise `sum (y - a - x b)^2 + penalty * sum b^2`.

    Hoerl & Kennard (1970), Technometrics 12; the intercept is not penalised.
    """
    centre, level = x.mean(axis=0), float(y.mean())
    centred = x - centre
    gram = centred.T @ centred + penalty * np.eye(x.shape[1])
    slope = np.linalg.solve(gram, centred.T @ (y - level))
    return slope, level - float(centre @ slope)


def _fit_to_ranks(data: TrainingData, forecaster: BaselineForecaster) -> Rule:
    """Let ridge and trees learn the rank labels that the network learns; the validation rows make returns of them."""
    if forecaster.kind not in ("ridge", "trees"):
        return _FIT[forecaster.kind](data, forecaster)
    ranked = _FIT[forecaster.kind](replace(data, target=ranked_cells(data)), forecaster)
    assert isinstance(ranked, RidgeRule | TreesRule)
    first, stop = int(data.valid[0]), int(data.valid[-1]) + 1
    answer = ranked.scaled_mean(data.panel, first, first, stop)[data.valid - first]
    columns = trained_columns(data)
    return ranked.times(return_per_score(answer[:, columns], data.target[data.valid][:, columns]))


_FIT: dict[str, Callable[[TrainingData, BaselineForecaster], Rule]] = {
    "zero": _fit_zero,
    "drift": _fit_drift,
    "ridge": _fit_ridge,
    "trees": lambda data, forecaster: TreesRule.fit(data, forecaster.seed),
    "arima": lambda data, forecaster: ArimaRule.fit(data, forecaster.horizon_bars),
    **dict.fromkeys(SIGNALS, lambda data, forecaster: RankRule.fit(data, forecaster.kind)),
}

_READ: dict[str, Callable[[Mapping[str, NumberArray], Mapping[str, Any]], Rule]] = {
    "zero": lambda arrays, header: ZeroRule(),
    "drift": lambda arrays, header: DriftRule(
        tuple(header["symbols"]), arrays["drift"], float(header["pooled"])
    ),
    "ridge": lambda arrays, header: RidgeRule(
        Scaler(tuple(header["mean"]), tuple(header["std"])),
        arrays["coefficients"],
        float(header["intercept"]),
        float(header["penalty"]),
    ),
    "trees": TreesRule.read,
    "arima": ArimaRule.read,
    **dict.fromkeys(SIGNALS, RankRule.read),
}
