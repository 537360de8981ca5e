"""The simulated account: backtrader's broker with costs that bite, and without the work that changes nothing."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np

from engine.simulation.feeds import BARRED, STALE
from engine.simulation.moments import by_moment, limit_fill, slipped
from engine.simulation.money import (
    BPS,
    IMPACT,
    bears_interest,
    dividends_of,
    fee_of,
    half_spread_of,
    impact_share,
    interest,
    years_between,
)
from forewalk.data.cleaning.together import own_open_times
from forewalk.sessions import DAILY
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars, FloatArray
from strategies.indicator import backtrader_times


def simulated_broker(execution: ExecutionSettings, bars: Bars | None = None) -> bt.brokers.BackBroker:
    """Return backtrader's broker with costs that are always charged: slippage is never capped at the range.

    `bars` are those of the run: with them cash and borrowed shares bear interest, dividends are paid and spreads
    count, where there are any.
    """
    broker = charging(SimulatedBroker(Terms(execution, bars)), execution)
    if execution.fee_per_share or execution.fee_min:
        broker.addcommissioninfo(
            Commission(
                commission=execution.fee_bps * BPS,
                per_share=execution.fee_per_share,
                least=execution.fee_min,
            )
        )
    else:
        broker.setcommission(commission=execution.fee_bps * BPS)
    return broker


def charging(broker: bt.brokers.BackBroker, execution: ExecutionSettings) -> bt.brokers.BackBroker:
    """Give a broker its cash, and slippage and capacity that always bite."""
    broker.setcash(execution.cash)
    broker.set_slippage_perc(
        execution.slippage_bps * BPS, slip_open=True, slip_match=True, slip_out=True, slip_limit=True
    )
    broker.set_filler(capacity_filler)
    return broker


def capacity_filler(order: Any, price: float, ago: int) -> float:
    """Fill what the bar's capacity allows; a stale or barred position may only be reduced."""
    remaining = float(abs(order.executed.remsize))
    capacity = float(order.data.capacity[ago])
    if capacity >= 0.0:
        return min(remaining, capacity)
    if order.data._broker_position_size() * order.executed.remsize >= 0:
        return 0.0
    return remaining if capacity == STALE else min(remaining, BARRED - capacity)


class Commission(bt.CommInfoBase):
    """A share of the value, so much a share, and a least fee."""

    params = (
        ("per_share", 0.0),
        ("least", 0.0),
        ("stocklike", True),
        ("commtype", bt.CommInfoBase.COMM_PERC),
        ("percabs", True),
    )

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        return fee_of(abs(size), price, self.p.commission, self.p.per_share, self.p.least)


class Terms:
    """What an account bears besides its orders, bar by bar; None where it bears nothing of the kind.

    Attributes:
        years: time since the bar before, [T].
        dividends: cash paid per share held at the close before, [T, S].
        half_spread: what a fill is worse than the mid price by, [T, S].
        impact: what the root of one unit moves the price by, a fraction, [T, S].
        daily: whether a bar is a session.
        opened: when each bar opened, [T, S], in backtrader's days, where markets close at different times.
    """

    def __init__(self, execution: ExecutionSettings, bars: Bars | None) -> None:
        self.execution = execution
        self.years: FloatArray | None = None
        self.dividends: FloatArray | None = None
        self.half_spread: FloatArray | None = None
        self.impact: FloatArray | None = None
        self.daily = bars is not None and bars.interval == DAILY
        self.opened: FloatArray | None = None
        if bars is None:
            return
        self.dividends, self.half_spread = dividends_of(bars), half_spread_of(bars, execution.spread_pips)
        if execution.impact:
            self.impact = bars.extras.get(IMPACT)
        if bears_interest(execution):
            self.years = years_between(bars)
        if bars.calendars:
            self.opened = _opened(bars)


def _opened(bars: Bars) -> FloatArray:
    """Return when each bar opened, [T, S], minus infinity where a row is no close of the symbol's market."""
    opened = np.full(bars.close.shape, -np.inf)
    for symbol, (rows, moments) in own_open_times(bars).items():
        opened[rows, bars.symbols.index(symbol)] = backtrader_times(moments)
    return opened


class SimulatedBroker(bt.brokers.BackBroker):
    """BackBroker for shares paid in full, whose feeds can tell the filler what is held.

    Shares have no daily settlement and no interest of backtrader's kind, so the two loops over all positions that
    `BackBroker` makes for these on every bar are left out; what `Terms` know is booked instead. Orders, fills, cash
    and value are the same bit by bit (`tests/simulation`), and the bar costs what its orders cost.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__()
        self._terms = terms
        self._daily = terms.daily
        self.interest = self.dividends = 0.0  # received so far, less what was paid

    def start(self) -> None:
        """Let each feed answer for its position."""
        super().start()
        self._bar = -1
        self._column = {data: column for column, data in enumerate(self.cerebro.datas)}
        self._close = {data: data.lines.close for data in self.cerebro.datas}
        for data in self.cerebro.datas:
            data._broker_position_size = lambda data=data: self.getposition(data).size

    def submit(self, order: Any, check: bool = True) -> Any:
        """Take an order; what it asks its parameters for again and again is put on itself.

        A day order of daily bars is good for the next bar: backtrader would let it end before that one begins.
        """
        given = order.p
        if given.valid == bt.Order.DAY and self._daily:
            order.valid = None
            order.addinfo(one_bar=True)
        vars(order).update(data=given.data, owner=given.owner, parent=given.parent, transmit=given.transmit)
        return super().submit(order, check)

    def notify(self, order: Any) -> None:
        """Queue a snapshot of the order, as `Order.clone` makes it, without the detour through `copy`."""
        executed = order.executed
        executed.p1, executed.p2 = executed.p2, len(executed.exbits)
        snapshot = _twin(order)
        snapshot.executed = _twin(executed)
        self.notifs.append(snapshot)

    def next(self) -> None:
        """Book what came due overnight, check and execute the orders that wait, value the account at the close."""
        self._bar += 1
        if self._bar and self._accrues():
            self._accrue()
        while self._toactivate:
            self._toactivate.popleft().activate()
        self.check_submitted()
        if any(order.exectype != bt.Order.Market for order in self.pending):
            waiting = by_moment(self.pending)
            self.pending.clear()
            self.pending.extend(waiting)
        self.pending.append(None)  # what is put back comes after it and waits for the next bar
        while (order := self.pending.popleft()) is not None:
            if order.expire():
                self.notify(order)
                self._ococheck(order)
                self._bracketize(order, cancel=True)
            elif not order.active() or self._has_opened(order):
                self.pending.append(order)
            else:
                self._attempt(order)
        self._get_value()

    def _get_value(self, datas: Any = None, lever: bool = False) -> Any:
        """Value the account in `BackBroker`'s own steps, without asking what shares paid in full answer."""
        if datas is not None or self._cash_addition or self._fundhist or not self._in_full():
            return super()._get_value(datas, lever)
        gross = net = unrealized = 0.0
        for data, position in self.positions.items():
            size = position.size
            if not size:
                continue
            line = self._close[data]
            close = line.array[line._idx]
            value, gain = size * close, size * (close - position.price)
            gross += value
            unrealized += gain
            if value > 0:
                net += value - gain
                net += gain
            else:
                net += value
        self._value = self.cash + net
        self._fundval = self._value / self._fundshares
        self._valuemkt, self._valuelever, self._valuemktlever = net, self.cash + gross, gross
        self._leverage, self._unrealized = gross / (net or 1.0), unrealized
        return self._valuelever if lever else self._value

    def _in_full(self) -> bool:
        """Whether all that is held is paid in full: a strategy of the user's own may have asked for margin."""
        return self.p.shortcash and all(_is_plain(info) for info in self.comminfo.values())

    def _has_opened(self, order: Any) -> bool:
        """Whether the symbol's bar had opened before the order was decided on: another market closed in between."""
        opened = self._terms.opened
        return opened is not None and opened[self._bar, self._column[order.data]] < order.created.dt

    def _accrues(self) -> bool:
        return self._terms.years is not None or self._terms.dividends is not None

    def _accrue(self) -> None:
        """Book dividends and interest on what was held at the close before."""
        terms, bar = self._terms, self._bar
        paid = short = 0.0
        for column, data in enumerate(self.cerebro.datas):
            size = self.positions[data].size
            if size and terms.dividends is not None:
                paid += size * terms.dividends[bar, column]
            if size < 0:
                short += -size * data.close[-1]
        self._book_interest(paid, short)

    def _book_interest(self, paid: float, short: float, rolled: float = 0.0) -> None:
        """Book dividends `paid`, the rollover of pairs, and the interest with borrowed shares worth `short`."""
        earned, terms = rolled, self._terms
        if terms.years is not None:
            given = terms.execution
            borrow, margin = given.borrow_bps_per_year * BPS, given.margin_bps_per_year * BPS
            years = terms.years[self._bar]
            earned += interest(self.cash, short, years, given.cash_yield, borrow, margin)
        self.cash += paid + earned
        self.dividends += paid
        self.interest += earned

    def _execute(self, order: Any, ago: Any = None, price: Any = None, **more: Any) -> Any:
        """Execute; a real fill of a market or stop order is worse by half the spread and by its own impact."""
        if ago is not None and price is not None and order.exectype != bt.Order.Limit:
            half, moved = self._half_spread(order.data), self._moved(order, price)
            price = price + half if order.isbuy() else price - half
            price = price + moved if order.isbuy() else price - moved
        return super()._execute(order, ago=ago, price=price, **more)

    def _moved(self, order: Any, price: float) -> float:
        """Return how far an order of this size moves the price at which this bar fills it."""
        impact, data = self._terms.impact, order.data
        if impact is None:
            return 0.0
        quantity = capacity_filler(order, price, 0)
        base = data.close[0] if order.exectype == bt.Order.Close else data.open[0]
        one = float(impact[self._bar, self._column[data]])
        return float(base * impact_share(quantity, one, self._terms.execution.impact))

    def _half_spread(self, data: Any) -> float:
        spread = self._terms.half_spread
        return 0.0 if spread is None else float(spread[self._bar, self._column[data]])

    def _try_exec_limit(self, order: Any, popen: float, phigh: float, plow: float, plimit: float) -> None:
        """Fill a limit order where the bar trades through its price; see `limit_fill`."""
        beyond = plow if order.isbuy() else phigh
        price = limit_fill(order, plimit, popen, beyond, self.p.slip_perc, self._half_spread(order.data))
        if price is not None:
            self._execute(order, ago=0, price=price)

    def _try_exec_close(self, order: Any, pclose: float) -> None:
        """Fill an order for the closing auction at the close of the first bar after the one it was made on."""
        if order.data.datetime[0] > order.created.dt:
            self._execute(order, ago=0, price=slipped(order, pclose, self.p.slip_perc))

    def _attempt(self, order: Any) -> None:
        self._try_exec(order)
        if order.alive() and order.info.get("one_bar"):
            order.status = order.Expired
            self.notify(order)
            self._ococheck(order)
            self._bracketize(order, cancel=True)
        elif order.alive():
            self.pending.append(order)
        elif order.status == order.Completed:
            self._bracketize(order)


def _is_plain(info: bt.CommInfoBase) -> bool:
    kind = type(info)
    same = (
        kind.getvaluesize is bt.CommInfoBase.getvaluesize
        and kind.profitandloss is bt.CommInfoBase.profitandloss
    )
    return same and info._stocklike and info.p.mult == 1.0 and info.get_leverage() == 1.0


def _twin(value: Any) -> Any:
    copied = object.__new__(type(value))
    vars(copied).update(vars(value))
    return copied
