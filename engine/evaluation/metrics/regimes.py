"""Results by the state the market was in, as it was known before each bar: calm or wild, risen or fallen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.evaluation.metrics.door import Record
from forewalk.returns import simple_returns
from forewalk.types import BoolArray, FloatArray

VOLATILITY_BARS = 21  # over which the market's volatility is measured
TREND_BARS = 126  # over which it has risen or fallen
FEWEST_BARS = 21  # of a regime; fewer say nothing


@dataclass(frozen=True)
class RegimeMetrics(Record):
    """The bars of one state of the market.

    Attributes:
        regime: "calm" or "wild" (volatility of the last 21 bars below or above its median so far), "risen" or
            "fallen" (over the last 126 bars). Each bar is in one of either pair, where both are known.
        bars: of the account. total_return, benchmark_return: of these bars, one after the other, fractions.
        rank_ic: mean per bar of forecasts made then; None with fewer than five symbols. direction: share of right
            ones.
    """

    regime: str
    bars: int
    total_return: float
    benchmark_return: float
    rank_ic: float | None
    direction: float | None


def regimes_of(close: FloatArray) -> dict[str, BoolArray]:
    """Return which bars are in which state, [T], told from closes [T, S] up to and with each bar.

    The market is the mean simple return of the symbols. NaN are no bars; a state is unknown, and no bar in either,
    before its window is full.
    """
    filled = pd.DataFrame(close).ffill()
    market = filled.pct_change(fill_method=None).mean(axis=1, skipna=True)
    spread = market.rolling(VOLATILITY_BARS).std()
    usual = spread.expanding().median()
    trend = market.fillna(0.0).rolling(TREND_BARS).sum()
    pairs = (
        ("calm", spread <= usual),
        ("wild", spread > usual),
        ("risen", trend > 0),
        ("fallen", trend <= 0),
    )
    known = {"calm": spread.notna(), "wild": spread.notna(), "risen": trend.notna(), "fallen": trend.notna()}
    return {name: (state & known[name]).to_numpy(dtype=bool) for name, state in pairs}


def regime_metrics(
    mean: FloatArray, actual: FloatArray, ranks: FloatArray, close: FloatArray, equity: pd.DataFrame
) -> tuple[RegimeMetrics, ...]:
    """Measure the account and the forecasts in each state; states of fewer than 21 bars are left out.

    Args:
        mean, actual, ranks: forecasts and outcomes, [T, S], and rank IC, [T].
        close: of the whole history; its last T rows are those of the forecasts.
        equity: columns `equity` and `benchmark`, one row per bar of the forecasts.
    """
    first = len(close) - len(mean)
    own, held = (simple_returns(equity[name].to_numpy(dtype=np.float64)) for name in ("equity", "benchmark"))
    found = []
    for name, state in regimes_of(close).items():
        before = np.concatenate([[False], state[:-1]])[first:]  # what a bar's return began with
        if before.sum() < FEWEST_BARS:
            continue
        now = state[first:]
        known = ranks[now & np.isfinite(ranks)]
        used = np.isfinite(mean[now]) & np.isfinite(actual[now]) & (mean[now] != 0) & (actual[now] != 0)
        hits = ((mean[now] > 0) == (actual[now] > 0))[used]
        found.append(
            RegimeMetrics(
                regime=name,
                bars=int(before.sum()),
                total_return=float(np.prod(1.0 + own[before]) - 1.0),
                benchmark_return=float(np.prod(1.0 + held[before]) - 1.0),
                rank_ic=float(known.mean()) if len(known) else None,
                direction=float(hits.mean()) if len(hits) else None,
            )
        )
    return tuple(found)
