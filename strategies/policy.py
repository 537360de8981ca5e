"""The decision: from forecasts and positions to target weights. Pure, over all symbols at once.

The backtest, the daemon, the sweep and the tests all call `decide`. It keeps no memory: whatever it needs to
know about the past of a position comes in as `Positions`. Arrays have one entry per symbol, length S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forewalk.settings.sections import StrategySettings
from forewalk.types import BoolArray, FloatArray, IntArray
from strategies.risk import least_variance, shrunk_correlation

HOLD = np.nan  # as a target: leave the position as it is
BPS = 1e-4
KEPT_TO_SIZE = ("constant_risk", "least_variance")  # what is held is resized
LIMIT_TOLERANCE = 1.1  # drift a position may make beyond a limit before it is trimmed

REASONS = ("", "entry", "exit", "stop_loss", "take_profit", "no_forecast", "limit", "turnover", "resize")
(NONE, ENTRY, EXIT, STOP_LOSS, TAKE_PROFIT, NO_FORECAST, LIMIT, TURNOVER, RESIZE) = range(len(REASONS))


@dataclass(frozen=True, eq=False)
class Outlook:
    """What is known at the close of the bar: forecast mean and std (log return over the horizon) and close.

    NaN mean or std: no forecast. `horizon_years` is the horizon as a fraction of a year, of each symbol where their
    markets differ. Where markets close at different times, `due` says whose close this is: only these are decided on;
    forecast and close of the others are those of their own last close. None: all. `missing` says whose bar is missing
    here without being so for long: nothing can be traded in it. None: nobody's. `returns` are past log returns,
    [W, S], the newest last, for `sizing = "least_variance"`.
    """

    mean: FloatArray
    std: FloatArray
    close: FloatArray
    horizon_years: float | FloatArray
    due: BoolArray | None = None
    missing: BoolArray | None = None
    returns: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Positions:
    """What is held at the close: signed weight (of equity), bars held, entry price (NaN if flat)."""

    weight: FloatArray
    bars_held: IntArray
    entry_price: FloatArray


@dataclass(frozen=True, eq=False)
class Decision:
    """Target weights (NaN: leave it) and, for each, the index into REASONS."""

    target: FloatArray
    reason: IntArray

    def reasons(self) -> Sequence[str]:
        """Return the reason of each symbol in words."""
        return [REASONS[code] for code in self.reason]


def decision_of(answer: Any, symbols: int) -> Decision:
    """Return what a policy of the user's own answered as a decision: a `Decision`, or target weights alone.

    Raises:
        ValueError: it is neither, of another length than `symbols`, infinite, or has an unknown reason.
    """
    given = answer if isinstance(answer, Decision) else Decision(answer, None)  # type: ignore[arg-type]
    try:
        target = np.array(given.target, dtype=np.float64)
        reason = np.zeros(len(target), np.int64) if given.reason is None else np.array(given.reason)
    except (TypeError, ValueError):
        raise ValueError(
            f"answered with {type(answer).__name__}; give a Decision, or target weights"
        ) from None
    if target.shape != (symbols,) or reason.shape != (symbols,):
        raise ValueError(
            f"answered with shape {target.shape}; give one target weight for each of {symbols} symbols"
        )
    if np.isinf(target).any():
        raise ValueError("answered with an infinite weight; NaN leaves a position as it is, 0 closes it")
    if reason.dtype.kind not in "iu" or (reason < 0).any() or (reason >= len(REASONS)).any():
        raise ValueError(f"answered with reasons {np.unique(reason)}; they are numbers of REASONS")
    return Decision(target, reason.astype(np.int64))


def decide(outlook: Outlook, positions: Positions, settings: StrategySettings) -> Decision:
    """Return the target weight of every symbol at this close.

    A position is never turned from long to short at once: it is closed first, since brokers refuse the flip.
    Stops and missing forecasts close a position whatever its age; signals only after `min_hold_bars`.
    New positions never raise the sum of |weights| above `max_gross`; positions that have drifted more than
    10 % beyond `max_weight` or `max_gross` are trimmed back. A symbol that is not due keeps what it has, which counts
    in the sum.

    With `constant_risk` and `least_variance` what is held is resized when it leaves the band around its wanted size,
    at any age; a symbol whose bar is missing stays as it is, where any other policy closes it for want of a forecast.
    """
    score = outlook.mean / outlook.std
    due = np.ones(len(score), dtype=bool) if outlook.due is None else outlook.due
    target = np.full(len(score), HOLD)
    reason = np.zeros(len(score), dtype=np.int64)
    _close([(rule & due, code) for rule, code in _stops(outlook, positions, settings)], target, reason)
    side = np.sign(positions.weight)
    waits = _waits(score, side, outlook, settings)
    no_forecast = due & (side != 0) & ~np.isfinite(score) & ~waits
    _close(((no_forecast, NO_FORECAST),), target, reason)
    if settings.kind == "cross_section":
        wanted = _wanted_by_rank(score, side, positions.bars_held, settings)
    else:  # per_symbol, and what a policy of the user's own asks of this one
        wanted = _wanted_by_threshold(score, side, settings)
    mature = due & ~waits & (positions.bars_held >= settings.min_hold_bars)
    _close((((side != 0) & (wanted != side) & mature, EXIT),), target, reason)
    _trim(positions.weight, due, target, reason, settings)
    priced = np.isfinite(outlook.close) & (outlook.close > 0)  # a feed's close is 0 before its first bar
    pays = np.abs(outlook.mean) >= settings.min_gain_bps * BPS
    entering = due & (side == 0) & (wanted != 0) & priced & pays
    size = _position_size(np.where(side != 0, side, wanted), score, waits, outlook, settings)
    if settings.sizing == "least_variance":
        size = _together(wanted, size, outlook, settings)
    if settings.sizing in KEPT_TO_SIZE:
        held = due & (side != 0) & np.isnan(target) & np.isfinite(score) & priced
        if held.any() or entering.any():
            size = size * _fit(held, entering, size, positions.weight, target, settings.max_gross)
            _resize(held, size, positions.weight, target, reason, settings.trade_band)
    _enter(entering, wanted, size, positions, target, reason, settings)
    if settings.kind == "cross_section" and settings.turnover_cap is not None:
        _cap_turnover(score, positions.weight, target, reason, settings.turnover_cap)
    return Decision(target, reason)


def _stops(
    outlook: Outlook, positions: Positions, settings: StrategySettings
) -> tuple[tuple[BoolArray, int], ...]:
    if settings.stop_loss is None and settings.take_profit is None:
        return ()
    gain = np.sign(positions.weight) * (outlook.close / positions.entry_price - 1.0)
    held = positions.weight != 0
    never = np.zeros(len(gain), dtype=bool)
    lost = held & (gain <= -settings.stop_loss) if settings.stop_loss is not None else never
    won = held & (gain >= settings.take_profit) if settings.take_profit is not None else never
    return (lost, STOP_LOSS), (won, TAKE_PROFIT)


def _waits(score: FloatArray, side: FloatArray, outlook: Outlook, settings: StrategySettings) -> BoolArray:
    """Whose position is left alone until its next bar."""
    if settings.sizing not in KEPT_TO_SIZE or outlook.missing is None:
        return np.zeros(len(score), dtype=bool)
    return np.asarray((side != 0) & ~np.isfinite(score) & outlook.missing)


def _wanted_by_threshold(score: FloatArray, side: FloatArray, settings: StrategySettings) -> FloatArray:
    """Side each symbol should be on, -1, 0 or 1: enter at `entry`, stay until below `exit`."""
    known = np.isfinite(score)
    if settings.always_held:
        return known.astype(np.float64)
    value = np.where(known, score, 0.0)
    long = known & ((value >= settings.entry) & (value > 0) | (side > 0) & (value >= settings.exit))
    if settings.direction == "long_flat":
        return long.astype(np.float64)
    short = known & ((-value >= settings.entry) & (value < 0) | (side < 0) & (-value >= settings.exit))
    return np.where(long & ~short, 1.0, np.where(short & ~long, -1.0, np.where(long & short, side, 0.0)))


def _wanted_by_rank(
    score: FloatArray, side: FloatArray, bars_held: IntArray, settings: StrategySettings
) -> FloatArray:
    """Side each symbol should be on: the best `top` long, the worst short, held ones with hysteresis."""
    known = np.flatnonzero(np.isfinite(score))
    order = known[np.argsort(-score[known], kind="stable")]
    both = settings.direction == "long_short"
    places = min(settings.top, len(order) // 2 if both else len(order))
    wanted = np.zeros(len(score))
    young = bars_held < settings.min_hold_bars
    _fill_places(order, side == 1, young, places, 1.0, wanted, settings.hysteresis)
    if both:
        _fill_places(order[::-1], side == -1, young, places, -1.0, wanted, settings.hysteresis)
    return wanted


def _fill_places(
    order: IntArray,
    held: BoolArray,
    young: BoolArray,
    places: int,
    sign: float,
    wanted: FloatArray,
    hysteresis: int,
) -> None:
    """Give the places to held symbols still good enough or too young to leave, then to the best."""
    in_order_held = order[held[order]]
    rank = np.empty(len(wanted), dtype=np.int64)
    rank[order] = np.arange(len(order))
    stays = in_order_held[(rank[in_order_held] < places + hysteresis) | young[in_order_held]]
    wanted[stays[:places]] = sign
    free = places - min(places, len(stays))
    best = order[:places]
    candidates = best[(wanted[best] == 0.0) & ~held[best]]
    wanted[candidates[:free]] = sign


def _close(rules: Sequence[tuple[BoolArray, int]], target: FloatArray, reason: IntArray) -> None:
    for closing, code in rules:
        fresh = closing & np.isnan(target)
        target[fresh] = 0.0
        reason[fresh] = code


def _trim(
    weight: FloatArray, due: BoolArray, target: FloatArray, reason: IntArray, settings: StrategySettings
) -> None:
    """Cut back what has drifted beyond the limits."""
    kept = np.isnan(target) & (weight != 0)
    if not kept.any():
        return
    limit = settings.weight_limit(len(weight))
    wide = kept & due & (np.abs(weight) > limit * LIMIT_TOLERANCE)
    target[wide] = np.sign(weight[wide]) * limit
    reason[wide] = LIMIT
    after = np.where(wide, target, weight)
    gross = float(np.abs(after[kept]).sum())
    if gross > settings.max_gross * LIMIT_TOLERANCE:
        target[kept & due] = after[kept & due] * (settings.max_gross / gross)
        reason[kept & due] = LIMIT


def _enter(
    entering: BoolArray,
    wanted: FloatArray,
    size: FloatArray,
    positions: Positions,
    target: FloatArray,
    reason: IntArray,
    settings: StrategySettings,
) -> None:
    if not entering.any():
        return
    kept = np.where(np.isnan(target), positions.weight, target)
    room = max(0.0, settings.max_gross - float(np.abs(kept).sum()))
    asked = float(size[entering].sum())
    scale = min(1.0, room / asked) if asked > 0 else 0.0
    chosen = entering & (size * scale > 0)
    target[chosen] = (wanted * size * scale)[chosen]
    reason[chosen] = ENTRY


def _fit(
    held: BoolArray,
    entering: BoolArray,
    size: FloatArray,
    weight: FloatArray,
    target: FloatArray,
    max_gross: float,
) -> float:
    """Factor, at most 1, by which the sizes of what is held and of what enters fit beside what stays as it is."""
    sized = held | entering
    rest = np.abs(np.where(np.isnan(target), weight, target))
    room = max(0.0, max_gross - float(np.where(sized, 0.0, rest).sum()))
    asked = float(np.where(sized, size, 0.0).sum())
    return min(1.0, room / asked) if asked > 0 else 0.0


def _resize(
    held: BoolArray,
    size: FloatArray,
    weight: FloatArray,
    target: FloatArray,
    reason: IntArray,
    band: float,
) -> None:
    """Set what is outside the band around its size back to it; a size of 0 closes nothing."""
    outside = held & (size > 0) & (np.abs(size - np.abs(weight)) > band * size)
    target[outside] = (np.sign(weight) * size)[outside]
    reason[outside] = RESIZE


def _position_size(
    side: FloatArray, score: FloatArray, waits: BoolArray, outlook: Outlook, settings: StrategySettings
) -> FloatArray:
    """|weight| of one position: an equal share, or a share scaled to the target volatility."""
    if settings.kind == "cross_section":
        places = settings.top * (2 if settings.direction == "long_short" else 1)
    else:
        places = int(np.isfinite(score).sum()) + int(waits.sum())
    limit = settings.weight_limit(len(outlook.std))
    whole = 1.0 if settings.sizing == "constant_risk" else settings.max_gross
    share = settings.fraction if settings.fraction is not None else whole / max(places, 1)
    if settings.sizing in ("fixed_fraction", "least_variance"):
        size = np.full(len(outlook.std), share)
    else:
        annual = outlook.std / np.sqrt(outlook.horizon_years)
        size = share * settings.target_volatility / np.where(annual > 0, annual, np.inf)
    if settings.sizing == "constant_risk":
        size = size * np.minimum(np.maximum(1.0 + settings.tilt * (score * side), 0.0), 2.0)
    return np.asarray(np.minimum(np.where(np.isnan(size), 0.0, size), limit))


def _together(
    wanted: FloatArray, size: FloatArray, outlook: Outlook, settings: StrategySettings
) -> FloatArray:
    """Share the sizes of the symbols wanted out among them so that together they vary least."""
    chosen = np.flatnonzero((wanted != 0) & np.isfinite(outlook.std))
    if outlook.returns is None or not len(chosen):
        return size
    std = outlook.std[chosen] / np.sqrt(np.broadcast_to(outlook.horizon_years, outlook.std.shape)[chosen])
    covariance = shrunk_correlation(outlook.returns[:, chosen]) * np.outer(std, std)
    shared = np.array(size)
    shared[chosen] = size[chosen].sum() * least_variance(covariance, wanted[chosen])
    return np.minimum(shared, settings.weight_limit(len(size)))


def _cap_turnover(
    score: FloatArray, weight: FloatArray, target: FloatArray, reason: IntArray, cap: float
) -> None:
    """Drop the changes that do not fit: forced ones always fit, then exits, resizes and entries, strongest first."""
    change = np.abs(np.where(np.isnan(target), 0.0, target - weight))
    forced = np.isin(reason, (STOP_LOSS, TAKE_PROFIT, NO_FORECAST, LIMIT))
    optional = np.flatnonzero((change > 0) & ~forced)
    strength = np.abs(np.nan_to_num(score[optional], nan=0.0))
    turn = np.where(reason[optional] == EXIT, 0, np.where(reason[optional] == RESIZE, 1, 2))
    order = optional[np.lexsort((-strength, turn))]
    room = cap - float(change[forced].sum())
    for symbol in order:
        if change[symbol] <= room + 1e-12:
            room -= change[symbol]
        else:
            target[symbol], reason[symbol] = HOLD, TURNOVER
