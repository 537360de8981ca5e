"""What the same money would have done without the forecasts: policies that need no model.

`buy_and_hold` and `equal_weight` hold every symbol; `momentum` holds what has risen over a year (the sign of
the past return: Moskowitz, Ooi & Pedersen 2012, Journal of Financial Economics 104); `shuffled` is the run's
own policy on its own forecasts in another order of time; `ewma_sized` is the policy of a run at constant risk with
RiskMetrics' std in place of the model's, which shows what the model is needed for; `equal_exposure` holds the
account's own mean exposure all the time, in equal parts; `equal_risk` is buying and holding with as much cash
beside it, or borrowed, as makes it as volatile as the account: these two, and `shuffled`, need hindsight and can
never be traded. All decide at the close, trade at the next open and pay the run's fee and slippage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from engine.evaluation.metrics.accounts.account import ReturnMetrics
from engine.evaluation.metrics.forecasts.volatility import ewma_variance
from engine.simulation.benchmark import benchmark_of, members_of
from engine.simulation.engines import simulate_beside
from engine.simulation.feeds import delisted
from engine.simulation.money import Holding, with_frictions
from forewalk.features.panel import one_bar_returns
from forewalk.instruments import account_bars
from forewalk.returns import simple_returns
from forewalk.settings.sections import ExecutionSettings, Settings
from forewalk.types import Bars, BoolArray, FloatArray, Forecasts
from strategies.risk import as_told

REBALANCE_BARS = 21
MOMENTUM_BARS = 252
SHUFFLE_BLOCK_BARS = 21
CLOSE_SHARPE = 0.1  # a twin this near, or better, and what tells them apart earned nothing


@dataclass(frozen=True, eq=False)
class PolicyAccount:
    """Value of an account at each close, [T], the value of its trades and what they cost, in money."""

    equity: FloatArray
    traded: float
    costs: float


def policy_baselines(
    bars: Bars, forecasts: Forecasts, settings: Settings, seed: int, account: pd.DataFrame | None = None
) -> dict[str, FloatArray]:
    """Return the account value of each baseline at the closes of the forecasts' rows, [T], by name.

    Args:
        bars: the whole history; momentum looks at bars before the first forecast.
        forecasts: rows aligned with the last `len(forecasts)` bars. A symbol belongs to the universe from
            its first forecast on.
        settings: policy, limits and costs of the run.
        seed: of the shuffle.
        account: `equity` and `cash` of the run's account, a row per bar; None leaves out `equal_exposure`
            and `equal_risk`.
    """
    gross, execution = settings.strategy.max_gross, settings.execution
    bars = with_frictions(bars, execution)
    held = benchmark_of(bars.since(forecasts.timestamps[0]), forecasts, execution)
    all_bars = account_bars(bars, execution.spread_pips)
    span = all_bars.since(forecasts.timestamps[0])
    members = members_of(span, forecasts)
    short = settings.strategy.direction == "long_short"
    momentum = momentum_targets(all_bars, members, gross, short=short)
    found = {
        "buy_and_hold": held,
        "equal_weight": target_account(span, equal_weight_targets(members, gross), execution).equity,
        "momentum": target_account(span, momentum, execution).equity,
        "shuffled": shuffled_account(bars, forecasts, settings, seed),
    }
    if settings.strategy.always_held:
        plain = simulate_beside(bars, with_plain_risk(bars, forecasts), as_told(settings))
        found["ewma_sized"] = plain.equity["equity"].to_numpy(dtype=np.float64)
    if account is not None:
        targets = equal_weight_targets(members, mean_exposure(account))
        found["equal_exposure"] = target_account(span, targets, execution).equity
        found["equal_risk"] = at_equal_risk(held, account["equity"].to_numpy(dtype=np.float64))
    return found


def mean_exposure(account: pd.DataFrame) -> float:
    """Return the mean of positions over the account's value, signed: 0 is as much short as long."""
    equity, cash = (account[name].to_numpy(dtype=np.float64) for name in ("equity", "cash"))
    known = equity > 0
    return float(((equity - cash)[known] / equity[known]).mean()) if known.any() else 0.0


def at_equal_risk(held: FloatArray, equity: FloatArray) -> FloatArray:
    """Return the value, [T], of `held` mixed with cash until its returns are as volatile as those of `equity`.

    The mix is one constant over all bars, set again at each without costs; cash earns and costs nothing, and a loss
    of everything stays one. What never moves cannot be scaled: it stays as it is. Modigliani & Modigliani (1997),
    Journal of Portfolio Management 23, compare by such a mix.
    """
    own, others = simple_returns(equity), simple_returns(held)
    risk = float(others.std())
    share = float(own.std()) / risk if risk > 0 else 1.0
    return np.asarray(float(held[0]) * np.cumprod(np.maximum(1.0 + share * others, 0.0)), dtype=np.float64)


def beside_equal_risk(own: ReturnMetrics, twin: ReturnMetrics | None) -> str:
    """Say what buying and holding came to at the account's volatility, so that less of it is not taken for skill."""
    if twin is None or own.volatility_annual is None or own.cagr is None or twin.cagr is None:
        return ""
    return (
        f"At the account's own volatility of {own.volatility_annual:.1%} a year, buying and holding grew by "
        f"{twin.cagr:.1%} a year with a deepest drawdown of {twin.max_drawdown:.1%}, the account by {own.cagr:.1%} "
        f"with {own.max_drawdown:.1%}."
    )


def beside_plain_risk(own: ReturnMetrics, twin: ReturnMetrics | None) -> str:
    """Say what the same sizes by a plain average came to, where that is about as much."""
    if twin is None or own.sharpe_annual is None or twin.sharpe_annual is None:
        return ""
    if twin.sharpe_annual < own.sharpe_annual - CLOSE_SHARPE:
        return ""
    return (
        "Sized by a plain average of past squared returns (RiskMetrics) the same policy has a Sharpe ratio of "
        f"{twin.sharpe_annual:.2f}, this account {own.sharpe_annual:.2f}: no model is needed for what it earned."
    )


def with_plain_risk(bars: Bars, forecasts: Forecasts) -> Forecasts:
    """Return the forecasts with RiskMetrics' std in place of the model's and no opinion on the direction.

    Where the model said nothing, or fewer returns are known than the average needs, nothing is said. Nothing after a
    row's close is used.

    Args:
        bars: the whole history; the forecasts' rows are aligned with its end.
    """
    variance = forecasts.horizon_bars * ewma_variance(one_bar_returns(bars))[-len(forecasts) :]
    known = np.isfinite(forecasts.mean) & (variance > 0)
    std, nothing, even = (np.where(known, values, np.nan) for values in (np.sqrt(variance), 0.0, 0.5))
    return replace(forecasts, mean=nothing, std=std, p_up=even)


def shuffled_account(bars: Bars, forecasts: Forecasts, settings: Settings, seed: int) -> FloatArray:
    """Return the account value, [T], of the run's own policy on `shuffled_forecasts`."""
    result = simulate_beside(bars, shuffled_forecasts(forecasts, seed), settings)
    return result.equity["equity"].to_numpy(dtype=np.float64)


def shuffled_forecasts(forecasts: Forecasts, seed: int, block_bars: int = SHUFFLE_BLOCK_BARS) -> Forecasts:
    """Return the forecasts with each symbol's rows in another order of time.

    Blocks of `block_bars` rows in a row move together, so that turnover stays about what it was, and symbols
    with equally many forecasts move alike, so that ranks within a bar stay as they were; what is lost is the
    date. Each symbol keeps the rows at which it has a forecast. It looks into the future: it measures luck and
    can never be traded.
    """
    mean, std, p_up = (np.array(values) for values in (forecasts.mean, forecasts.std, forecasts.p_up))
    for column in range(len(forecasts.symbols)):
        there = np.flatnonzero(np.isfinite(forecasts.mean[:, column]))
        starts = np.arange(0, len(there), block_bars)
        order = np.random.default_rng(seed).permutation(len(starts))
        source = [there[start : start + block_bars] for start in starts[order].tolist()]
        moved = np.concatenate([there[:0], *source])
        for values in (mean, std, p_up):
            values[there, column] = values[moved, column]
    return replace(forecasts, mean=mean, std=std, p_up=p_up)


def equal_weight_targets(
    members: BoolArray, gross: float, rebalance_bars: int = REBALANCE_BARS
) -> FloatArray:
    """Return equal weights, [T, S], every `rebalance_bars` rows and when a symbol joins or leaves; NaN between."""
    target = np.full(members.shape, np.nan)
    count = members.sum(axis=1)
    left = _left(members)
    joined = np.diff(count, prepend=0) > 0
    due = joined | left.any(axis=1) | (np.arange(len(members)) % rebalance_bars == 0)
    rows = np.flatnonzero(due & (count > 0))
    target[rows] = np.where(members[rows], gross / count[rows, None], np.nan)
    target[left] = 0.0
    return target


def _left(members: BoolArray) -> BoolArray:
    """Return where a symbol is no member any more, on the first row, [T, S]."""
    before = np.vstack([np.zeros((1, members.shape[1]), bool), members[:-1]])
    return before & ~members


def momentum_targets(
    bars: Bars, members: BoolArray, gross: float, span_bars: int = MOMENTUM_BARS, short: bool = False
) -> FloatArray:
    """Return the weight by the sign of each symbol's return over its last `span_bars` bars, [T, S].

    `gross / members` where it rose, none (or the same short) where it fell, unknown counts as none. A weight
    is set when the sign or the number of members changes; NaN between.

    Args:
        bars: history of which `members` [T, S] covers the last T bars.
    """
    sign = np.zeros(bars.close.shape)
    for column in range(len(bars.symbols)):
        own = np.flatnonzero(bars.present[:, column])
        close = bars.close[own, column]
        if len(own) > span_bars:
            sign[own[span_bars:], column] = np.sign(close[span_bars:] - close[:-span_bars])
        last = np.maximum.accumulate(np.where(bars.present[:, column], np.arange(len(bars)), -1))
        sign[:, column] = np.where(last >= 0, sign[last, column], 0.0)
    wanted = sign[len(bars) - len(members) :]
    wanted = wanted if short else np.maximum(wanted, 0.0)
    count = np.maximum(members.sum(axis=1), 1)[:, None]
    weight = np.where(members, wanted * gross / count, np.nan)
    before = np.vstack([np.full((1, weight.shape[1]), np.nan), weight[:-1]])
    weight = np.where(weight == before, np.nan, weight)
    weight[_left(members)] = 0.0
    return weight


def target_account(bars: Bars, target: FloatArray, execution: ExecutionSettings) -> PolicyAccount:
    """Simulate target weights in fractions of shares.

    Weights decided at the close of row t become shares at that close and are traded at the next open at which
    the symbol has a bar, with fee and slippage on the value traded. A symbol that has left the universe and has no
    bar is sold at its last price. There is no margin check and no volume cap.

    Args:
        bars: T bars of S symbols.
        target: weight of the account's value, [T, S]; NaN leaves the position alone.
        execution: starting cash, costs and interest; a least fee per order counts for nothing here.
    """
    holding = Holding(bars, execution)
    shares, waiting = np.zeros(len(bars.symbols)), np.full(len(bars.symbols), np.nan)
    price = np.full(len(bars.symbols), np.nan)
    cash, traded, costs = execution.cash, 0.0, 0.0
    equity = np.empty(len(bars))
    gone = delisted(bars, execution) if execution.delisting_return else None
    for t in range(len(bars)):
        if t:
            cash += holding.due(t, cash, shares, price)
        filled = np.isfinite(waiting) & bars.present[t]
        if bars.member is not None:
            filled |= np.isfinite(waiting) & ~bars.present[t] & ~bars.member[t] & np.isfinite(price)
        if filled.any():
            change, opens = (waiting - shares)[filled], np.where(bars.present[t], bars.open[t], price)[filled]
            values = np.abs(change * opens)
            paid = holding.cost(t, values, filled)
            cash -= float((change * opens).sum()) + paid
            traded += float(values.sum())
            costs += paid
            shares[filled], waiting[filled] = waiting[filled], np.nan
        price = np.where(bars.present[t], bars.close[t], price)
        if gone is not None:
            price = np.where(gone[t], price * (1.0 + execution.delisting_return), price)
        equity[t] = cash + float(np.where(shares != 0, shares * price, 0.0).sum())
        decided = np.isfinite(target[t]) & np.isfinite(price)
        waiting[decided] = target[t, decided] * equity[t] / price[decided]
    return PolicyAccount(equity, traded, costs)
