"""Technical features of one symbol, as arrays over its own bars.

Every function takes 1-D float64 arrays of the symbol's existing bars, oldest first and free of NaN, and
returns an array of the same length: the value at t uses bars up to t only, NaN until there are enough of
them. Scaling by volatility makes symbols and decades comparable, so that one model can be pooled over them.
Indicator definitions are TA-Lib's (https://ta-lib.org).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import talib

from forewalk.settings.sections import FeatureSettings
from forewalk.types import FloatArray

RANGE_MEAN_BARS = 21
LIMIT = 10.0  # features are cut at +-10: a flat series has a tiny volatility and would explode
SMALLEST_VOLATILITY = 1e-6


def log_returns(close: FloatArray, span: int = 1) -> FloatArray:
    """Return log(close[t] / close[t - span]); NaN for the first `span` bars."""
    result = np.full(len(close), np.nan)
    if len(close) > span:
        result[span:] = np.log(close[span:] / close[:-span])
    return result


def realised_volatility(close: FloatArray, bars: int) -> FloatArray:
    """Return the root mean square of the last `bars` one-bar log returns (per bar, zero mean assumed)."""
    mean_square = _after_warm_up(talib.SMA, log_returns(close) ** 2, bars)
    return np.sqrt(np.maximum(mean_square, 0.0))


def usable_volatility(close: FloatArray, bars: int) -> FloatArray:
    """Return `realised_volatility`, NaN where the price has hardly moved: nothing can be scaled by it."""
    volatility = realised_volatility(close, bars)
    return np.where(volatility > SMALLEST_VOLATILITY, volatility, np.nan)


def technical_features(
    opens: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    settings: FeatureSettings,
) -> dict[str, FloatArray]:
    """Return the features switched on in `settings`, by name, in a fixed order; cut at +-10."""
    volatility = usable_volatility(close, settings.volatility_bars)
    pairs = (
        *_trend(close, volatility, settings),
        *_bar_shape(opens, high, low, close, volatility, settings),
        *_oscillators(high, low, close, volatility, settings),
        *_activity(volume, volatility, settings),
    )
    return {name: np.clip(values, -LIMIT, LIMIT) for name, values in pairs}


def _trend(
    close: FloatArray, volatility: FloatArray, settings: FeatureSettings
) -> Iterator[tuple[str, FloatArray]]:
    for span in settings.return_spans:
        yield f"return_{span}", log_returns(close, span) / (volatility * np.sqrt(span))
    for span in settings.ema_spans:
        yield f"ema_distance_{span}", np.log(close / talib.EMA(close, span)) / (volatility * np.sqrt(span))
    for span in settings.sma_spans:
        yield f"sma_distance_{span}", np.log(close / talib.SMA(close, span)) / (volatility * np.sqrt(span))


def _bar_shape(
    opens: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volatility: FloatArray,
    settings: FeatureSettings,
) -> Iterator[tuple[str, FloatArray]]:
    if settings.gap:
        gap = np.full(len(close), np.nan)
        gap[1:] = np.log(opens[1:] / close[:-1])
        yield "gap", gap / volatility
    if settings.range:
        spread = np.log(high / low)
        mean = talib.SMA(spread, RANGE_MEAN_BARS)
        yield (
            "range",
            np.where(mean > SMALLEST_VOLATILITY, spread / np.maximum(mean, SMALLEST_VOLATILITY), 1.0) - 1.0,
        )


def _oscillators(
    high: FloatArray, low: FloatArray, close: FloatArray, volatility: FloatArray, settings: FeatureSettings
) -> Iterator[tuple[str, FloatArray]]:
    if settings.rsi_bars:
        yield "rsi", (talib.RSI(close, settings.rsi_bars) - 50.0) / 50.0
    if settings.macd:
        _, _, histogram = talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
        yield "macd", histogram / (close * volatility)
    if settings.bollinger_bars:
        middle = talib.SMA(close, settings.bollinger_bars)
        width = 2.0 * close * volatility * np.sqrt(settings.bollinger_bars / 3.0)
        upper, _, lower = talib.BBANDS(close, settings.bollinger_bars, 2.0, 2.0)
        half = (upper - lower) / 2.0
        yield "bollinger", (close - middle) / np.where(half > 1e-3 * width, half, width)
    if settings.atr_bars:
        yield "atr", talib.ATR(high, low, close, settings.atr_bars) / (close * volatility)


def _activity(
    volume: FloatArray, volatility: FloatArray, settings: FeatureSettings
) -> Iterator[tuple[str, FloatArray]]:
    yield "volatility", np.log(volatility)
    if settings.volume_bars:
        yield "volume", _z_score(np.log1p(np.maximum(volume, 0.0)), settings.volume_bars)


def _z_score(values: FloatArray, bars: int) -> FloatArray:
    mean = talib.SMA(values, bars)
    std = talib.STDDEV(values, bars, 1.0)
    return np.where(std > 1e-9, (values - mean) / np.maximum(std, 1e-9), np.where(np.isnan(std), np.nan, 0.0))


def _after_warm_up(function: object, values: FloatArray, bars: int) -> FloatArray:
    """Apply a TA-Lib function past the leading NaN, which would otherwise poison its running sums."""
    result = np.full(len(values), np.nan)
    first = int(np.isnan(values).sum())
    if len(values) - first >= bars:
        result[first:] = function(np.ascontiguousarray(values[first:]), bars)  # type: ignore[operator]
    return result
