"""What the compiled simulation starts from: the settings as plain numbers, bars and forecasts as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.simulation.compiled.types import KINDS, PANEL, RULES, SIZINGS, Terms
from engine.simulation.feeds import feed_lines
from engine.simulation.money import BPS, IMPACT, dividends_of, half_spread_of, years_between
from forewalk.errors import ConfigError
from forewalk.sessions import bars_per_year
from forewalk.settings.sections import ExecutionSettings, Settings
from forewalk.types import Bars, FloatArray, Forecasts

Panel = npt.NDArray[Any]  # records of PANEL
Rules = npt.NDArray[Any]  # records of RULES
TERMS = Terms._fields
NOTHING = np.empty((0, 0))
KIND_OF = {
    "market": KINDS.index("market"),
    "open_auction": KINDS.index("market"),
    "close_auction": KINDS.index("close"),
    "limit": KINDS.index("limit"),
}  # where each style of `execution` is filled


def make_panel(span: Bars, forecasts: Forecasts, execution: ExecutionSettings, ranked: bool) -> Panel:
    """Return what the accounts see as records, [T, S]: the feeds' lines, and the rankings where `ranked`."""
    panel = np.zeros(span.close.shape, PANEL)
    lines = feed_lines(span, execution)
    for name in ("open", "close", "capacity"):
        panel[name] = lines[name]
    score = forecasts.mean / forecasts.std
    panel["score"] = np.where(np.isfinite(score), score, np.nan)
    horizon_years = forecasts.horizon_bars / bars_per_year(span.calendar, span.interval)
    panel["annual_std"] = forecasts.std / np.sqrt(horizon_years)
    panel["gain"] = np.abs(forecasts.mean)
    panel["known"][:, 0] = np.isfinite(score).sum(axis=1)
    if ranked:
        ranking = np.argsort(-panel["score"], axis=1, kind="stable")  # NaN last
        panel["ranked"] = ranking
        np.put_along_axis(panel["rank"], ranking, np.arange(len(span.symbols))[None, :], axis=1)
    return panel


def rests(settings: Settings) -> bool:
    """Whether orders may be filled elsewhere than at the open: stops, limits, orders for the close."""
    return settings.strategy.stop_orders or not set(settings.execution.styles) <= {"market", "open_auction"}


def account_terms(span: Bars, settings: Settings) -> dict[str, FloatArray]:
    """Return what an account bears besides its orders, by the names of `Terms`; only what there is."""
    known = {
        "dividends": dividends_of(span),
        "half_spread": half_spread_of(span),
        "impact": span.extras.get(IMPACT),
    }
    if rests(settings):
        lines = feed_lines(span, settings.execution)
        coins = np.array([["/" in symbol for symbol in span.symbols]], dtype=np.float64)
        known |= {"high": lines["high"], "low": lines["low"], "coins": coins}
    return {"years": years_between(span), **{name: v for name, v in known.items() if v is not None}}


def terms_of(arrays: Mapping[str, npt.NDArray[Any]]) -> Terms:
    """Return the terms as the kernels take them; one that is not there is empty."""
    return Terms(*(own(arrays.get(name, NOTHING)) for name in TERMS))


def own(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array that may be written to: what is shared is read-only, for which nothing is compiled."""
    return values if values.flags.writeable else values.copy()


def make_rules(settings: Sequence[Settings], symbols: int) -> Rules:
    """Return one record of plain numbers per settings, over so many symbols; what is not set is infinite or NaN.

    Raises:
        ConfigError: the policy is the user's own.
    """
    grid = np.zeros(len(settings), RULES)
    for rules, each in zip(grid, settings, strict=True):
        strategy, execution = each.strategy, each.execution
        if strategy.is_own:
            raise ConfigError(
                f"strategy.kind = {strategy.kind!r} is your own; only the built-in policies are compiled"
            )
        for name in ("entry", "exit", "min_hold_bars", "top", "hysteresis", "always_held"):
            rules[name] = getattr(strategy, name)
        for name in ("target_volatility", "trade_band", "tilt"):
            rules[name] = getattr(strategy, name)
        rules["max_weight"], rules["max_gross"] = strategy.weight_limit(symbols), strategy.max_gross
        rules["min_gain"] = strategy.min_gain_bps * BPS
        rules["kind"] = strategy.kind == "cross_section"
        rules["direction"] = strategy.direction == "long_short"
        rules["sizing"] = SIZINGS.index(strategy.sizing)
        rules["stop_loss"] = np.inf if strategy.stop_loss is None else strategy.stop_loss
        rules["take_profit"] = np.inf if strategy.take_profit is None else strategy.take_profit
        rules["turnover_cap"] = np.nan if strategy.turnover_cap is None else strategy.turnover_cap
        rules["fraction"] = np.nan if strategy.fraction is None else strategy.fraction
        rules["fractional"], rules["cash"] = execution.fractional, execution.cash
        rules["stale_exit_bars"] = execution.stale_exit_bars
        share = execution.max_volume_share
        rules["max_volume_share"] = np.nan if share is None else share
        rules["fee"], rules["slippage"] = execution.fee_bps * BPS, execution.slippage_bps * BPS
        rules["fee_per_share"], rules["fee_min"] = execution.fee_per_share, execution.fee_min
        rules["cash_yield"] = execution.cash_yield
        rules["borrow"] = execution.borrow_bps_per_year * BPS
        rules["margin"] = execution.margin_bps_per_year * BPS
        rules["impact"] = execution.impact
        rules["entry_kind"], rules["exit_kind"] = (KIND_OF[style] for style in execution.styles)
        rules["limit_bps"], rules["stop_orders"] = execution.limit_bps, strategy.stop_orders
        rules["resting"] = rests(each)
    return grid
