"""ARIMA(1, 1, 0) on each symbol's log price, fitted once per fold and filtered forward bar by bar.

That is AR(1) with a mean on log returns (Box & Jenkins 1970), by statsmodels. No moving-average term: on daily
returns its root nearly cancels the autoregressive one, and maximum likelihood then returns pairs like 0.98 and
-0.98 that mean nothing. It reads a panel whose only feature is the one-bar log return that ends at the bar
(`engine.evaluation.baselines.returns_panel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forewalk.errors import DataError
from forewalk.features.panel import FeaturePanel
from forewalk.types import FloatArray
from models.base import TrainingData
from models.baselines.rule import NumberArray, trained_columns

RETURN_FEATURE = "one_bar_return"
ORDER = (1, 0, 0)
FEWEST_BARS = 100
WARM_UP_BARS = 20  # bars that the filter sees before the model's first own bar


@dataclass(frozen=True, eq=False)
class ArimaRule:
    """Mean, AR coefficient and innovation variance of each symbol's return, [len(symbols), 3].

    A symbol without a fit of its own (too new, or never moving) gets the forecast zero.
    """

    symbols: tuple[str, ...]
    parameters: FloatArray
    horizon_bars: int

    @classmethod
    def fit(cls, data: TrainingData, horizon_bars: int) -> ArimaRule:
        """Fit each symbol to its returns between the first and the last training row."""
        if data.panel.names != (RETURN_FEATURE,):
            raise DataError(
                f"arima reads a panel of {RETURN_FEATURE!r} alone, this one has {data.panel.names}"
            )
        fitted: dict[str, FloatArray] = {}
        for column in trained_columns(data):
            returns = data.panel.values[int(data.train[0]) :, column, 0].astype(np.float64)
            parameters = fit_ar(returns[np.isfinite(returns)])
            if parameters is not None:
                fitted[data.panel.symbols[column]] = parameters
        rows = np.array(list(fitted.values()), dtype=np.float64).reshape(len(fitted), 3)
        return cls(tuple(fitted), rows, horizon_bars)

    @classmethod
    def read(cls, arrays: Mapping[str, NumberArray], header: Mapping[str, Any]) -> ArimaRule:
        """Rebuild it from its arrays."""
        return cls(tuple(header["symbols"]), arrays["parameters"], int(header["horizon_bars"]))

    def scaled_mean(self, panel: FeaturePanel, start: int, first: int, stop: int) -> FloatArray:
        """Sum of the next `horizon_bars` expected returns over the scale of the bar.

        The filter starts `WARM_UP_BARS` of the symbol's own bars before row `start`, whatever is asked for.
        """
        mean = np.zeros((stop - first, len(panel.symbols)))
        known = dict(zip(self.symbols, self.parameters, strict=True))
        for column, symbol in enumerate(panel.symbols):
            if symbol not in known:
                continue
            own = np.flatnonzero(np.isfinite(panel.values[:stop, column, 0]))
            own = own[max(0, int(np.searchsorted(own, start)) - WARM_UP_BARS) :]
            returns = panel.values[own, column, 0].astype(np.float64)
            expected = expected_returns(returns, known[symbol], self.horizon_bars)
            asked = own >= first
            mean[own[asked] - first, column] = expected[asked]
        return np.asarray(mean / panel.scale[first:stop])

    def arrays(self) -> dict[str, NumberArray]:
        """The parameters."""
        return {"parameters": self.parameters}

    def header(self) -> dict[str, Any]:
        """Whose they are, and how far they look."""
        return {"symbols": self.symbols, "horizon_bars": self.horizon_bars}


def fit_ar(returns: FloatArray) -> FloatArray | None:
    """Return mean, AR coefficient and innovation variance of AR(1); None where there is nothing to fit.

    The mean is the sample's, the rest is Burg's estimate, which is always stationary (Brockwell & Davis 1991,
    ch. 8.2). Needs 100 returns that are not all the same.
    """
    from statsmodels.tsa.arima.model import ARIMA

    spread = float(returns.std()) if len(returns) >= FEWEST_BARS else 0.0
    if spread < 1e-9:
        return None
    demeaned = (returns - returns.mean()) / spread
    ar, variance = ARIMA(demeaned, order=ORDER, trend="n").fit(method="burg").params
    return np.array([returns.mean(), ar, variance * spread**2])


def expected_returns(returns: FloatArray, parameters: FloatArray, horizon_bars: int = 1) -> FloatArray:
    """Return, for each bar, the expected sum of the next `horizon_bars` returns given returns up to it.

    The Kalman filter of statsmodels makes one pass with fixed parameters. With mean m and AR coefficient a
    the expectation k bars ahead is `m + a^(k-1) (f - m)`, f being the one a bar ahead.
    """
    from statsmodels.tsa.arima.model import ARIMA

    if not len(returns):
        return np.zeros(0)
    spread = float(np.sqrt(parameters[2]))
    mean, ar = float(parameters[0]), float(parameters[1])
    model = ARIMA(np.append(returns / spread, np.nan), order=ORDER)
    model.update(np.array([mean / spread, ar, 1.0]))
    ahead = np.asarray(model.ssm.filter().forecasts[0, 1:]) * spread  # what `apply` gives, without its tables
    if horizon_bars == 1:
        return ahead
    weight = float(np.sum(ar ** np.arange(horizon_bars)))
    return np.asarray(horizon_bars * mean + weight * (ahead - mean))
