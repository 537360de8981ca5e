"""Rules of thumb that rank symbols by their own past: reversal over one and five bars, and momentum.

Reversal: Jegadeesh (1990), Journal of Finance 45, and Lehmann (1990), Quarterly Journal of Economics 105. Momentum
over twelve months without the last one: Jegadeesh & Titman (1993), Journal of Finance 48. Nothing of the signal is
fitted; the training rows only say how large a return a unit of it stands for. A bar counts as a day. They read a
panel whose only feature is the one-bar log return that ends at the bar (`engine.evaluation.baselines.returns_panel`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel
from forewalk.types import FloatArray
from models.base import TrainingData
from models.baselines.arima import RETURN_FEATURE
from models.baselines.rule import NumberArray, trained_columns
from models.recurrent.training import TARGET_LIMIT

SMALLEST_SLOPE = 0.001  # not zero or less: a wrong sign in training would turn the ranking round, or end it


@dataclass(frozen=True)
class PastReturn:
    """A signal: `sign` times the sum of a symbol's last `bars` returns, without the last `skipped`."""

    bars: int
    skipped: int
    sign: int


SIGNALS: Mapping[str, PastReturn] = {
    "reversal_1": PastReturn(1, 0, -1),
    "reversal_5": PastReturn(5, 0, -1),
    "momentum_12_1": PastReturn(252, 21, 1),
}


@dataclass(frozen=True, eq=False)
class RankRule:
    """Forecasts `slope` times the signal, over the root of the bars it sums so that it has a bar's size.

    A symbol with too few bars of its own gets the forecast zero.
    """

    kind: str
    slope: float

    @classmethod
    def fit(cls, data: TrainingData, kind: str) -> RankRule:
        """Find the slope on the training rows: least squares through the origin, in multiples of the scale.

        Without an intercept, and above zero, so that the forecasts of a bar rank as the signal does.
        """
        if data.panel.names != (RETURN_FEATURE,):
            raise DataError(
                f"{kind} reads a panel of {RETURN_FEATURE!r} alone, this one has {data.panel.names}"
            )
        columns = trained_columns(data)
        first, stop = int(data.train[0]), int(data.train[-1]) + 1
        x = cls(kind, 1.0).scaled_mean(data.panel, first, first, stop)[data.train - first][:, columns]
        y = np.clip(data.target[data.train][:, columns], -TARGET_LIMIT, TARGET_LIMIT)
        both = np.isfinite(x) & np.isfinite(y)
        square = float(np.sum(x[both] ** 2))
        slope = float(np.sum(x[both] * y[both])) / square if square > 0 else 0.0
        return cls(kind, max(slope, SMALLEST_SLOPE))

    @classmethod
    def read(cls, arrays: Mapping[str, NumberArray], header: Mapping[str, Any]) -> RankRule:
        """Rebuild it from its header."""
        return cls(str(header["signal"]), float(header["slope"]))

    def scaled_mean(self, panel: FeaturePanel, start: int, first: int, stop: int) -> FloatArray:
        """Slope times signal over the scale of the bar, of returns up to the bar alone."""
        signal = np.zeros((stop - first, len(panel.symbols)))
        for column in range(len(panel.symbols)):
            returns = panel.values[:stop, column, 0].astype(np.float64)
            own = np.flatnonzero(np.isfinite(returns))
            known = past_return(returns[own], SIGNALS[self.kind])
            asked = own >= first
            signal[own[asked] - first, column] = known[asked]
        return np.asarray(self.slope * signal / panel.scale[first:stop])

    def arrays(self) -> dict[str, NumberArray]:
        """It has none."""
        return {}

    def header(self) -> dict[str, Any]:
        """Which signal, and its slope."""
        return {"signal": self.kind, "slope": self.slope}


def past_return(returns: FloatArray, signal: PastReturn) -> FloatArray:
    """Return the signal at each bar, [n], of a symbol's one-bar returns [n] up to it; 0 where there are too few.

    Each window is summed by itself, so that a value does not depend on where the returns begin.
    """
    result = np.zeros(len(returns))
    if len(returns) < signal.bars:
        return result
    length = signal.bars - signal.skipped
    windows = np.lib.stride_tricks.sliding_window_view(returns, length)
    sums = windows[: len(returns) - signal.bars + 1].sum(axis=1)
    result[signal.bars - 1 :] = signal.sign * sums / math.sqrt(length)
    return result
