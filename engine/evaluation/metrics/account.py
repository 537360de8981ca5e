"""What the account did: returns, risk, trading and costs, for the strategy and for buying and holding.

Conventions, chosen to equal QuantStats 0.0.86 on the same rows: simple returns per bar, the first of
them 0 (the account still holds its starting cash); years are rows / bars_per_year; the risk-free rate is
0; standard deviations take one degree of freedom off; downside deviation divides by all rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from engine.evaluation.metrics.plain import json_ready
from forewalk.returns import drawdown_series, simple_returns
from forewalk.types import FloatArray


def strategy_metrics(
    equity: pd.DataFrame,
    trades: pd.DataFrame,
    orders: pd.DataFrame,
    counts: Mapping[str, float],
    bars_per_year: float,
) -> dict[str, Any]:
    """Summarise one simulated account as in `SimulationResult`.

    Args:
        equity: columns time, equity, gross_exposure, benchmark; one row per bar.
        trades: closed round trips with columns pnl and return; may be empty.
        orders: columns fill_price and filled_quantity, NaN where nothing was filled; may be empty.
        counts: fees_paid and slippage_paid in money, among others.
        bars_per_year: bars in one year, e.g. 252.

    Returns:
        JSON-able: `strategy` and `benchmark` (see `return_metrics`; the strategy also has exposure, turnover
        and trade statistics) and `costs`. What is undefined is None: the Sharpe ratio of an account that
        never moved, the hit rate without a trade.

    Raises:
        ValueError: `equity` has no rows.
    """
    times = pd.DatetimeIndex(equity["time"])
    values = equity["equity"].to_numpy(dtype=np.float64)
    years = len(equity) / bars_per_year
    strategy = {
        **return_metrics(values, times, bars_per_year),
        "exposure": float(equity["gross_exposure"].mean()),
        "turnover_per_year": _traded_value(orders) / float(values.mean()) / years,
        **_trade_metrics(trades),
    }
    return {
        "strategy": json_ready(strategy),
        "benchmark": return_metrics(equity["benchmark"].to_numpy(dtype=np.float64), times, bars_per_year),
        "costs": json_ready(_costs(counts, float(values[0]))),
    }


def return_metrics(values: FloatArray, times: pd.DatetimeIndex, bars_per_year: float) -> dict[str, Any]:
    """Return growth, risk and drawdown of account values, [T], at `times`.

    total_return and cagr are fractions; `cagr = (1 + total_return) ** (bars_per_year / T) - 1`. Sharpe
    (1994), Sortino (downside deviation of all T rows against 0) and volatility are annualised by
    sqrt(bars_per_year). max_drawdown is negative; drawdown_start is the peak before it,
    drawdown_recovery the first bar back at that peak (None if there is none), all ISO dates. An account
    that ends at or below zero has no cagr.

    Raises:
        ValueError: `values` is empty, or starts at or below zero.
    """
    if not len(values) or not values[0] > 0:
        raise ValueError("there must be at least one account value and the first must be positive")
    returns = simple_returns(values)
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else math.nan
    downside = math.sqrt(float(np.sum(np.minimum(returns, 0.0) ** 2)) / len(returns))
    total = float(values[-1] / values[0]) - 1.0
    cagr = math.pow(1.0 + total, bars_per_year / len(values)) - 1.0 if total > -1 else math.nan
    drawdown = _drawdown(values, times)
    depth = drawdown["max_drawdown"]
    year = math.sqrt(bars_per_year)
    result = {
        "bars": len(values),
        "years": len(values) / bars_per_year,
        "total_return": total,
        "cagr": cagr,
        "annual_volatility": spread * year,
        "sharpe": float(returns.mean()) / spread * year if spread > 0 else None,
        "sortino": float(returns.mean()) / downside * year if downside > 0 else None,
        "calmar": cagr / -depth if depth < 0 else None,
        **drawdown,
    }
    return dict(json_ready(result))


def _drawdown(values: FloatArray, times: pd.DatetimeIndex) -> dict[str, Any]:
    depth = drawdown_series(values)
    trough = int(np.argmin(depth))
    if depth[trough] == 0:
        return {
            "max_drawdown": 0.0,
            "drawdown_start": None,
            "drawdown_trough": None,
            "drawdown_recovery": None,
        }
    start = int(np.argmax(values[: trough + 1]))
    back = np.flatnonzero(values[trough:] >= values[start])
    return {
        "max_drawdown": float(depth[trough]),
        "drawdown_start": times[start].isoformat(),
        "drawdown_trough": times[trough].isoformat(),
        "drawdown_recovery": times[trough + int(back[0])].isoformat() if len(back) else None,
    }


def _traded_value(orders: pd.DataFrame) -> float:
    """Value of all fills, buys plus sells."""
    if orders.empty:
        return 0.0
    value = orders["fill_price"].astype(float) * orders["filled_quantity"].astype(float)
    return float(np.nansum(np.abs(value.to_numpy())))


def _trade_metrics(trades: pd.DataFrame) -> dict[str, Any]:
    returns = np.zeros(0) if trades.empty else trades["return"].to_numpy(dtype=np.float64)
    profit = np.zeros(0) if trades.empty else trades["pnl"].to_numpy(dtype=np.float64)
    wins, losses = returns[profit > 0], returns[profit < 0]
    return {
        "trades": len(trades),
        "hit_rate": len(wins) / len(profit) if len(profit) else None,
        "average_win": float(wins.mean()) if len(wins) else None,
        "average_loss": float(losses.mean()) if len(losses) else None,
    }


def _costs(counts: Mapping[str, float], start_value: float) -> dict[str, float]:
    fees, slippage = float(counts.get("fees_paid", 0.0)), float(counts.get("slippage_paid", 0.0))
    return {
        "fees_paid": fees,
        "slippage_paid": slippage,
        "total": fees + slippage,
        "share_of_start": (fees + slippage) / start_value,
    }
