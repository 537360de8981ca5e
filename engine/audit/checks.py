"""Checks of one run that need no doctored data: windows, model dates, fills, calendar, modes, vintages.

Each returns a `Check`; none raises for what it finds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.audit.certificate import Check, Offender
from engine.audit.compare import NEVER, compare
from engine.audit.doctoring import iso_utc
from engine.audit.known import result_blocks
from engine.audit.pipeline import NewsDates, Pipeline, Prepared
from engine.simulation.cerebro import lived_bars
from engine.simulation.money import IMPACT, half_spread_of, impact_share, with_frictions
from forewalk.data.cleaning.together import each_market, own_open_times, spread_out, true_closes
from forewalk.errors import LeakError, LookaheadError, PluginError
from forewalk.folds import check_fold
from forewalk.sessions import (
    DAILY,
    bar_open_times,
    exchange_zone,
    intraday_closes,
    microseconds,
    session_closes,
)
from forewalk.settings.sections import Settings
from forewalk.types import BAR_FIELDS, Bars, BoolArray, FloatArray, Forecasts, SimulationResult

PRICE_TOLERANCE = 1e-9  # relative, of a fill price
VINTAGE_TOLERANCE = 1e-6  # relative, of a price pulled at two dates: vendors deliver float32


def check_windows(prepared: Prepared, settings: Settings) -> Check:
    """Labels of training end before validation and before the test window, embargo included."""
    name, question = "label windows", "No training label reaches into validation, embargo or test bars."
    stamps, ends = prepared.bars.timestamps, prepared.labels.end
    count = 0
    for fold in prepared.folds:
        try:
            check_fold(fold, stamps, ends, settings.folds.embargo_bars)
        except LeakError as error:
            bar = fold.valid_from.isoformat()
            return Check(
                name, question, "leak", count, "", Offender("folds", fold.model_id, bar, message=str(error))
            )
        count += len(fold.train) + len(fold.valid)
    return Check(name, question, "clean", count, f"{len(prepared.folds)} folds are disjoint in their labels")


def check_labels(prepared: Prepared, settings: Settings) -> Check:
    """Each label is the return of the `horizon_bars` after its bar or its next open, and its end is stamped so."""
    name = "label definition"
    question = "The label of bar t is the return from close t to close t+h and is dated by the close of t+h."
    if settings.label.execution == "next_open":
        question = (
            "The label of bar t is the return from open t+1 to open t+1+h and is dated by the close of t+1+h."
        )
    bars, labels, horizon = prepared.bars, prepared.labels, settings.label.horizon_bars
    expected = np.full(bars.close.shape, np.nan)
    ends = np.zeros(len(bars), np.int64)
    stamps, reach = microseconds(bars.timestamps), settings.label.reach_bars
    for market, own in each_market(bars):
        spread_out(_expected_labels(own, settings), market, expected)
        later = np.append(stamps[market.rows[reach:]], np.full(min(reach, len(own)), NEVER))
        ends[market.rows] = np.maximum(ends[market.rows], later)
    gap = np.abs(labels.returns - expected)
    missing = np.isnan(labels.returns) != np.isnan(expected)
    wrong = np.nan_to_num(gap, nan=0.0) > PRICE_TOLERANCE
    late = (ends != NEVER) & (microseconds(labels.end) != ends)
    bad = (wrong | missing).any(axis=1) | late
    if not bad.any():
        return Check(name, question, "clean", int(np.isfinite(expected).sum()), f"horizon of {horizon} bars")
    row = int(bad.argmax())
    column = int((wrong | missing)[row].argmax())
    offender = Offender(
        stage="labels",
        what=f"return {bars.symbols[column]}",
        bar=bars.timestamps[row].isoformat(),
        expected=repr(float(expected[row, column])),
        found=repr(float(labels.returns[row, column])),
        size=None if np.isnan(gap[row, column]) else float(gap[row, column]),
    )
    return Check(name, question, "leak", int(bad.sum()), "", offender)


def _expected_labels(bars: Bars, settings: Settings) -> FloatArray:
    horizon, reach = settings.label.horizon_bars, settings.label.reach_bars
    prices = bars.close if settings.label.execution == "close" else bars.open
    expected = np.full(bars.close.shape, np.nan)
    if len(bars) <= reach:
        return expected
    expected[:-reach] = np.log(prices[reach:] / prices[reach - horizon : -horizon])
    if settings.label.relative:
        counted = expected if bars.member is None else np.where(bars.member, expected, np.nan)
        both = np.isfinite(counted).any(axis=1)
        expected[both] -= np.nanmean(counted[both], axis=1, keepdims=True)
        expected[~both] = np.nan
    return expected


def check_model_dates(prepared: Prepared, forecasts: Forecasts) -> Check:
    """Every forecast comes from a model whose last label ended before the bar, by the fold's own windows."""
    name = "models and their bars"
    question = "No model is asked about a bar at or before the end of the last label it saw."
    count = 0
    ends = {
        data.model_id: prepared.labels.end[np.concatenate([data.train, data.valid])].max()
        for data in prepared.training
    }
    closes = true_closes(prepared.bars)[len(prepared.bars) - len(forecasts) :].min(axis=1)
    first_close = pd.DatetimeIndex(closes.astype("datetime64[us]"), tz="UTC")
    for row, (asof, model_id) in enumerate(zip(forecasts.timestamps, forecasts.model_ids, strict=True)):
        if not model_id:
            continue
        until = max(forecasts.trained_until[row], ends.get(model_id, forecasts.trained_until[row]))
        if first_close[row] <= until:
            offender = Offender(
                "forecasts", model_id, asof.isoformat(), message=f"it was trained until {until}"
            )
            return Check(name, question, "leak", count, "", offender)
        count += len(forecasts.symbols)
    return Check(name, question, "clean", count, f"{len(prepared.training)} models")


def check_fills(bars: Bars, simulation: SimulationResult, settings: Settings) -> Check:
    """Every fill comes on a bar after its decision; a market order filled at once is filled at the open."""
    name, question = (
        "fills",
        "Every order is filled on a later bar than it was decided on, at that bar's open.",
    )
    orders = simulation.orders[simulation.orders["filled_at"].notna()]
    bars = lived_bars(with_frictions(bars, settings.execution), settings)
    stamps = microseconds(bars.timestamps)
    clocks = {name: (rows, microseconds(opens)) for name, (rows, opens) in own_open_times(bars).items()}
    decided = microseconds(pd.DatetimeIndex(orders["decided_at"]))
    opened_at = microseconds(pd.DatetimeIndex(orders["filled_at"]))
    slip = settings.execution.slippage_bps * 1e-4
    prices, sizes = (orders[column].to_numpy(np.float64) for column in ("fill_price", "filled_quantity"))
    spread = half_spread_of(bars, settings.execution.spread_pips)
    impact = bars.extras.get(IMPACT)
    fills = zip(orders.itertuples(), decided, opened_at, prices, sizes, strict=True)
    for order, at, opened, price, quantity in fills:
        what = f"{order.side} {order.quantity:g} {order.symbol}"
        rows, opens = clocks[str(order.symbol)]
        bar = int(np.searchsorted(stamps[rows], opened, side="right"))  # which opened then
        if bar >= len(rows) or opens[bar] < at:
            message = f"filled at {order.filled_at}, decided at {order.decided_at}"
            offender = Offender("fills", what, iso_utc(int(at)), message=message)
            return Check(name, question, "leak", len(orders), "", offender)
        row, column = int(rows[bar]), bars.symbols.index(str(order.symbol))
        next_bar = bar == np.searchsorted(stamps[rows], at) + 1
        half = 0.0 if spread is None else float(spread[row, column])
        sign = 1.0 if order.side == "buy" else -1.0
        one = 0.0 if impact is None else float(impact[row, column])
        moved = impact_share(float(quantity), one, settings.execution.impact)
        expected = float(bars.open[row, column]) * (1.0 + sign * (slip + moved)) + sign * half
        size = abs(float(price) - expected)
        if order.type == "market" and next_bar and size > PRICE_TOLERANCE * expected:
            moment, found = iso_utc(int(stamps[row])), repr(float(price))
            offender = Offender("fills", f"price of {what}", moment, "", repr(expected), found, size)
            return Check(name, question, "leak", len(orders), "", offender)
    return Check(name, question, "clean", len(orders), f"{len(orders)} fills")


def check_calendar(prepared: Prepared, settings: Settings) -> Check:
    """Bars carry the close of their session or interval, in order, once; decisions are made at such closes."""
    name = "calendar"
    question = "Every bar is dated by its close, on a session of its exchange, in order and once."
    count = 0
    for _, bars in each_market(prepared.bars):
        stamps, right = microseconds(bars.timestamps), _on_closes(bars, settings)
        count += len(stamps)
        if not right.all():
            bar = iso_utc(int(stamps[int((~right).argmax())]))
            offender = Offender("cleaning", "timestamp", bar, message=f"no close of {bars.calendar}")
            return Check(name, question, "leak", count, "", offender)
    names = ", ".join(dict.fromkeys(prepared.bars.calendars or (prepared.bars.calendar,)))
    return Check(name, question, "clean", count, f"{names}, {prepared.bars.interval}")


def _on_closes(bars: Bars, settings: Settings) -> BoolArray:
    """Return which bars of one market are dated by a close of it, in order and once, [T]."""
    stamps = microseconds(bars.timestamps)
    if bars.interval == DAILY:
        local = bars.timestamps.tz_convert(exchange_zone(bars.calendar)).tz_localize(None)
        right = np.zeros(len(stamps), bool)
        for days in (0, 1):  # a session may close at midnight or later
            dates = local - pd.Timedelta(days=days)
            right |= microseconds(session_closes(bars.calendar, dates)) == stamps
    else:
        begin = bar_open_times(bars)
        closes, inside = intraday_closes(bars.calendar, begin, bars.interval)
        right = inside & (microseconds(closes) >= stamps)
    if settings.data.cleaning.off_session == "flag":
        right |= True  # the user keeps bars outside the sessions
    right[1:] &= np.diff(stamps) > 0
    return right


def check_modes(
    bars: Bars, forecasts: Forecasts, simulation: SimulationResult, settings: Settings, pipeline: Pipeline
) -> Check:
    """The account is the same whether backtrader sees all bars at once or one by one."""
    name = "bar by bar"
    question = "Loading and calculating bar by bar, where no later bar exists yet, gives the same account."
    reference = list(result_blocks(bars, forecasts, simulation))
    end, count = int(microseconds(bars.timestamps)[-1]), 0
    for runonce, preload in ((False, True), (False, False)):
        mode = f"runonce={runonce} preload={preload}"
        try:
            other = pipeline.simulate(bars, forecasts, settings, runonce, preload)
        except (IndexError, LookaheadError, PluginError) as error:
            what = "reads a bar that does not exist yet" if isinstance(error, IndexError) else "fails"
            message = f"with {mode} the strategy {what}: {error}"
            offender = Offender("decisions", "strategy", message=message)
            return Check(name, question, "leak", count, "", offender)
        found = compare(reference, list(result_blocks(bars, forecasts, other)), end, truncated=False)
        count += sum(found.values.values())
        if found.offenders:
            first = found.offenders[0]
            offender = Offender(
                first.stage, first.what, first.bar, "", first.expected, first.found, first.size, mode
            )
            return Check(name, question, "leak", count, "", offender)
    return Check(name, question, "clean", count, "runonce off, preload off")


def check_vintages(earlier: Bars, later: Bars) -> Check:
    """The history pulled at an earlier date must be the history pulled later, up to float32 rounding.

    Prices restated after the fact (back-adjustment for later dividends and splits, corrections, a partial last
    bar) were not what anyone could have traded on.
    """
    name, question = "vintages", "What an earlier download says about its bars is what the data say today."
    symbols = [symbol for symbol in earlier.symbols if symbol in later.symbols]
    old, new = earlier.select(symbols), later.select(symbols)
    _, rows, others = np.intersect1d(
        microseconds(old.timestamps), microseconds(new.timestamps), assume_unique=True, return_indices=True
    )
    count = 0
    worst: tuple[int, int, str, float, float] | None = None
    for field in BAR_FIELDS:
        then, now = getattr(old, field)[rows], getattr(new, field)[others]
        count += then.size
        bad = np.abs(now - then) > VINTAGE_TOLERANCE * np.maximum(np.abs(then), np.abs(now))
        bad |= np.isnan(then) != np.isnan(now)
        if bad.any():
            row, column = (int(place[0]) for place in np.nonzero(bad))
            if worst is None or row < worst[0]:
                worst = (row, column, field, float(then[row, column]), float(now[row, column]))
    if worst is None:
        return Check(name, question, "clean", count, f"{len(rows)} bars of {len(symbols)} symbols")
    row, column, field, expected, found = worst
    gap = abs(found - expected)
    offender = Offender(
        stage="cleaning",
        what=f"{field} {symbols[column]}",
        bar=old.timestamps[rows[row]].isoformat(),
        expected=repr(expected),
        found=repr(found),
        size=gap if np.isfinite(gap) else None,
        message="restated after the earlier download",
    )
    return Check(name, question, "leak", count, "", offender)


def check_known_at(dates: NewsDates, what: str = "news") -> Check:
    """Every item is dated by its creation, and used on no bar that closed before it was written.

    The update time is no date for an item: vendors touch old items in bulk, and the text of an item that is
    updated after the move may describe the move.
    """
    name, question = "news dates", "Every news item is dated by its creation and used on no earlier bar."
    created, updated = microseconds(dates.created_at), microseconds(dates.updated_at)
    dated, used = microseconds(dates.dated_at), microseconds(dates.used_at)
    early, other = used < np.maximum(created, dated), dated != created
    bad = early | other
    if not bad.any():
        return Check(name, question, "clean", len(created), f"{len(created)} items")
    row = int(bad.argmax())
    if other[row] and dated[row] == updated[row]:
        message = f"created {iso_utc(created[row])}, but dated by its update {iso_utc(updated[row])}"
    elif other[row]:
        message = f"created {iso_utc(created[row])}, but dated {iso_utc(dated[row])}"
    else:
        message = f"used at {iso_utc(used[row])}, before it was written at {iso_utc(created[row])}"
    offender = Offender("features", f"{what} item {row}", iso_utc(used[row]), message=message)
    return Check(name, question, "leak", len(created), "", offender)


def check_news(settings: Settings, pipeline: Pipeline) -> Check:
    """Apply `check_known_at` to what the pipeline says of its news."""
    dates = pipeline.news(settings)
    if dates is None:
        question = "Every news item is dated by its creation and used on no earlier bar."
        own = "no feature of your own says that it uses news"
        return Check("news dates", question, "not_applicable", 0, own)
    return check_known_at(dates)
