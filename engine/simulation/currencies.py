"""The simulated account over several currencies.

Shares and coins in another currency are paid for in the account's own at the rate of the moment. A currency pair is
not paid for: a position of q units opened at S0 is worth q (S - S0) R, with R the account's money for one unit of the
quote currency on the same bar, and its profit is booked at the rate of the bar on which it is closed. What may be
held is bound by `execution.leverage`: the sum of |q| S R over all pairs, over the account's value.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np

from engine.simulation.account import SimulatedBroker, Terms, charging, simulated_broker
from engine.simulation.money import BPS, fee_of, years_between
from forewalk.settings.sections import ExecutionSettings
from forewalk.types import Bars


def needs_currencies(bars: Bars) -> bool:
    """Whether an account over these bars must know currencies; see `forewalk.instruments.with_currencies`."""
    return "rate_close" in bars.extras


def account_over(bars: Bars, execution: ExecutionSettings) -> bt.brokers.BackBroker:
    """Return the simulated account of a run over these bars."""
    if needs_currencies(bars):
        return charging(CurrencyBroker(execution, bars), execution)
    return simulated_broker(execution, bars)


class CurrencyCommission(bt.CommInfoBase):
    """The arithmetic of one symbol: in the account's currency, and settled in its profit if it is a pair."""

    params = (("stocklike", True), ("commtype", bt.CommInfoBase.COMM_PERC), ("percabs", True))

    def __init__(self, broker: CurrencyBroker, column: int, pair: bool, execution: ExecutionSettings) -> None:
        super().__init__()
        self._broker, self._column, self._pair, self._execution = broker, column, pair, execution

    def _rate(self) -> float:
        return self._broker.rate(self._column)

    def getvaluesize(self, size: float, price: float) -> float:
        """Return what a position is worth to the account: all of a share, the open profit of a pair."""
        if not self._pair:
            return size * price * self._rate()
        entry = self._broker.entry_price(self._column)
        return size * (price - entry) * self._rate() if self._broker.valuing else 0.0

    def getoperationcost(self, size: float, price: float) -> float:
        """Return the cash that an order takes."""
        return 0.0 if self._pair else abs(size) * price * self._rate()

    def profitandloss(self, size: float, price: float, newprice: float) -> float:
        """Return the profit in the account's currency, at the rate of now."""
        return size * (newprice - price) * self._rate()

    def getsize(self, price: float, cash: float) -> float:
        """Return how much the cash is worth, for backtrader's sizers."""
        size = cash / (price * self._rate())
        return size if self._execution.fractional else float(int(size))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        terms = self._execution
        return fee_of(
            abs(size), price * self._rate(), terms.fee_bps * BPS, terms.fee_per_share, terms.fee_min
        )


class CurrencyBroker(SimulatedBroker):
    """`SimulatedBroker` over the rates of its bars."""

    def __init__(self, execution: ExecutionSettings, bars: Bars) -> None:
        super().__init__(Terms(execution, bars))
        self._execution = execution
        self._rates = tuple(np.nan_to_num(bars.extras[name]) for name in ("rate_open", "rate_close"))
        self._pips = bars.extras["pip"][0]
        self._pairs = bars.extras["pair"][0] > 0
        self._years = years_between(bars)
        self._rollover = np.array([execution.rollover.get(symbol, 0.0) for symbol in bars.symbols])
        self._at_close = True
        self.valuing = False

    def start(self) -> None:
        """Give each feed its own arithmetic."""
        super().start()
        for column, data in enumerate(self.cerebro.datas):
            self.addcommissioninfo(
                CurrencyCommission(self, column, bool(self._pairs[column]), self._execution), name=data._name
            )

    def rate(self, column: int) -> float:
        """Return the account's money for one unit of a symbol's price: at the open while orders are filled, else at
        the close."""
        return float(self._rates[1 if self._at_close else 0][max(self._bar, 0), column])

    def rate_at_fill(self, data: Any) -> float:
        """Return the rate at which the fills of this bar were booked."""
        return float(self._rates[0][max(self._bar, 0), self._column[data]])

    def rate_now(self, data: Any) -> float:
        """Return the rate at the close of this bar."""
        return float(self._rates[1][max(self._bar, 0), self._column[data]])

    def pip(self, data: Any) -> float:
        """Return the pip of a currency pair, NaN of anything else."""
        return float(self._pips[self._column[data]])

    def is_pair(self, data: Any) -> bool:
        """Whether a symbol is a currency pair."""
        return bool(self._pairs[self._column[data]])

    def entry_price(self, column: int) -> float:
        """Return the average price of what is held."""
        return float(self.positions[self.cerebro.datas[column]].price)

    def next(self) -> None:
        """As the account of one currency does; orders are filled at the rates of the open."""
        self._at_close = False
        super().next()
        self._at_close = True
        self._get_value()

    def getvalue(self, datas: Any = None, mkt: bool = False, lever: bool = False) -> float:
        """Return the account's value, or what is held of one symbol: of a pair its base at the price of now."""
        if datas and len(datas) == 1 and self.is_pair(datas[0]):
            data = datas[0]
            return float(self.positions[data].size * data.close[0] * self.rate(self._column[data]))
        return float(super().getvalue(datas, mkt, lever))

    def _get_value(self, datas: Any = None, lever: bool = False) -> Any:
        self.valuing = True
        try:
            return bt.brokers.BackBroker._get_value(self, datas, lever)
        finally:
            self.valuing = False

    def _attempt(self, order: Any) -> None:
        """Try an order; one that would hold more of pairs than `execution.leverage` allows is refused."""
        if self.is_pair(order.data) and self._exceeds(order):
            order.margin()
            self.notify(order)
            return
        super()._attempt(order)

    def _exceeds(self, order: Any) -> bool:
        held = self.positions[order.data].size
        after = held + order.executed.remsize
        if abs(after) <= abs(held):
            return False
        gross = 0.0
        for column, data in enumerate(self.cerebro.datas):
            size = after if data is order.data else self.positions[data].size
            if self._pairs[column] and size:
                gross += abs(size) * data.open[0] * self.rate(column)
        return bool(gross > self._execution.leverage * max(self._value, 0.0))

    def _accrues(self) -> bool:
        return bool(self._rollover.any()) or super()._accrues() is True

    def _accrue(self) -> None:
        """Book interest, dividends and rollover; another currency's money counts at the rate of the close before."""
        terms, before = self._terms, self._rates[1][self._bar - 1]
        paid = short = rolled = 0.0
        for column, data in enumerate(self.cerebro.datas):
            size = self.positions[data].size
            if not size:
                continue
            value = size * data.close[-1] * before[column]
            if self._pairs[column]:
                rolled += value * self._rollover[column]
            elif size < 0:
                short -= value
            if terms.dividends is not None:
                paid += size * terms.dividends[self._bar, column] * before[column]
        self._book_interest(paid, short, rolled * self._years[self._bar])
