"""The strategy that turns forecasts into orders. It decides nothing itself: `policy.decide` does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import backtrader as bt
import numpy as np

from forewalk.settings.sections import ExecutionSettings, StrategySettings
from forewalk.types import BoolArray, FloatArray
from strategies.indicator import ForecastIndicator, ForecastTable, now
from strategies.policy import KEPT_TO_SIZE, Decision, Outlook, Positions, decide
from strategies.styles import style_of, terms_of

SHARE_DECIMALS = 6


class SignalStrategy(bt.Strategy):
    """Hold the weights that `decide` asks for; orders are made at the close, by default filled at the next open.

    Parameters: `table` (ForecastTable), `settings` (StrategySettings), `fractional` (bool), `execution`
    (ExecutionSettings, of which the styles count), `bars_per_year` (float, or one for each symbol), `returns`
    (PastReturns, for a policy that looks at how symbols move together). An order that a
    bar has not filled wholly is cancelled before the next decision.
    With `settings.stop_orders` a stop order rests for every position, from the bar after the one that opened it; what
    is added to a position changes its average entry price, from which the stop is counted.
    Afterwards `decisions` lists (backtrader time, symbol, target weight, mean, std, reason). `policy` is what
    decides; a subclass may have another one with the arguments and the answer of `strategies.policy.decide`.

    Where markets close at different times (feeds with a line `own`), each close decides on its own market's symbols
    alone, and bars are counted by closes of their own market. What another market has ordered counts as held.
    """

    params = (
        ("table", None),
        ("settings", StrategySettings()),
        ("fractional", False),
        ("execution", ExecutionSettings()),
        ("bars_per_year", 252.0),
        ("returns", None),
    )

    policy = staticmethod(decide)

    def __init__(self) -> None:
        table: ForecastTable = self.p.table
        self.forecasts = [ForecastIndicator(data, table=table) for data in self.datas]
        self.columns = {data._name: column for column, data in enumerate(self.datas)}
        self.entered_bar = np.zeros(len(self.datas), dtype=np.int64)
        self.open_orders: dict[int, Any] = {}
        self.stops: dict[int, Any] = {}  # by column, resting
        self.decisions: list[tuple[float, str, float, float, float, str]] = []
        self.means, self.stds = (
            [getattr(of.lines, name) for of in self.forecasts] for name in ("mean", "std")
        )
        self.closes, self.capacities = self.lines_of("close"), self.lines_of("capacity")
        self.rates, self.own = self.lines_of("rate"), self.lines_of("own")
        # Mean and std of each at its market's last close; one that has not closed yet is expected to say something.
        self.known = np.array([np.zeros(len(self.datas)), np.ones(len(self.datas))])
        self.waiting = self.p.settings.sizing in KEPT_TO_SIZE
        self.horizon_years = table.forecasts.horizon_bars / self.p.bars_per_year

    def lines_of(self, name: str) -> list[Any]:
        """Return a line of every feed; none where not all have it."""
        there = all(name in data.lines.getlinealiases() for data in self.datas)
        return [getattr(data.lines, name) for data in self.datas] if there else []

    def next(self) -> None:
        """Decide at the close of the bar and send the orders: reductions first, they free the cash."""
        due = self.due()
        for order in list(self.open_orders.values()):
            if due is None or due[self.columns[order.data._name]]:
                self.cancel(order)
        outlook = self.outlook(due)
        positions = self.held_positions(self.worth(outlook.close), due)
        decision = self.policy(outlook, positions, self.p.settings)
        if due is not None:
            decision = Decision(np.where(due, decision.target, np.nan), decision.reason)
        wanted = self.send(decision, outlook)
        if self.p.settings.stop_orders:
            self.protect(wanted, due)

    def due(self) -> BoolArray | None:
        """Return whose market closes now; None where all close together."""
        return now(self.own) > 0 if self.own else None

    def bar(self, column: int) -> int:
        """Return how many bars of its own market a symbol has had."""
        return int(abs(self.own[column][0])) if self.own else len(self)

    def outlook(self, due: BoolArray | None = None) -> Outlook:
        """Read the forecasts and closes of the current bar; of symbols not due, the forecast of their last close."""
        mean, std = now(self.means), now(self.stds)
        if due is not None:
            self.known = np.where(due, (mean, std), self.known)
            mean, std = self.known
        return Outlook(
            mean=mean,
            std=std,
            close=self.priced(now(self.closes)),
            horizon_years=self.horizon_years,
            due=due,
            missing=now(self.capacities) == 0.0 if self.waiting and self.capacities else None,
            returns=None if self.p.returns is None else self.p.returns.until(self.data.datetime[0]),
        )

    def priced(self, close: FloatArray) -> FloatArray:
        """Return closes, 0 where there is no rate into the account's currency yet: it is no price to enter at."""
        return close * (now(self.rates) > 0) if self.rates else close

    def worth(self, close: FloatArray) -> FloatArray:
        """Return closes in the account's currency."""
        return close * now(self.rates) if self.rates else close

    def held_positions(self, close: FloatArray, due: BoolArray | None = None) -> Positions:
        """Read the account: signed weights, bars held since the fill, entry prices.

        `close` is in the account's currency; entry prices stay in their symbol's own. Of symbols not due, what is
        ordered counts as held.
        """
        held = [self.broker.getposition(data) for data in self.datas]
        size = np.array([position.size for position in held], dtype=np.float64)
        price = np.array([position.price for position in held], dtype=np.float64)
        entry = np.where((size != 0) & (price > 0), price, np.nan)  # a replay has some that cost nothing
        bar = len(self) if due is None else np.array([self.bar(column) for column in range(len(held))])
        equity = self.broker.getvalue()
        if due is not None:
            for order in self.open_orders.values():
                column = self.columns[order.data._name]
                size[column] += (
                    0.0 if due[column] else order.executed.remsize
                )  # those due have been cancelled
        return Positions(
            weight=np.where(size != 0, size * close / equity, 0.0),
            bars_held=np.where(size != 0, bar - self.entered_bar, 0),
            entry_price=entry,
        )

    def send(self, decision: Decision, outlook: Outlook) -> dict[int, float]:
        """Turn target weights into orders: |position| reductions first, then the rest by symbol order.

        Returns the positions they lead to, by column, of the symbols that have a target.
        """
        columns = np.flatnonzero(~np.isnan(decision.target)).tolist()
        if not columns:
            return {}
        equity, worth = self.broker.getvalue(), self.worth(outlook.close)
        reasons, sizes = decision.reasons(), {}
        orders: list[tuple[bool, int, float]] = []
        for column in columns:
            data, weight = self.datas[column], float(decision.target[column])
            now = self.broker.getposition(data).size
            wanted = self.shares(weight, equity, worth[column])
            self.note(data, weight, outlook, column, reasons[column])
            sizes[column] = wanted
            if wanted != now:
                orders.append((abs(wanted) >= abs(now), column, wanted - now))
        for _, column, size in sorted(orders):
            if column in self.stops:
                self.cancel(self.stops.pop(column))
            self.order(column, size, reasons[column], outlook.close[column])
        return sizes

    def order(self, column: int, size: float, reason: str, close: float) -> None:
        """Make one order in the style that the settings ask for; `close` is in the symbol's own currency."""
        data, execution, side = self.datas[column], self.p.execution, 1 if size > 0 else -1
        style = style_of(execution, self.broker.getposition(data).size * size < 0, reason)
        terms = terms_of(style, data._name, float(close), side, execution.limit_bps)
        trade = self.buy if size > 0 else self.sell
        order = trade(data=data, size=abs(size), reason=reason, **terms)
        self.open_orders[order.ref] = order

    def protect(self, wanted: Mapping[int, float], due: BoolArray | None = None) -> None:
        """Keep one stop order at `stop_loss` from the entry price for what stays held of each position."""
        for column, data in enumerate(self.datas):
            if due is not None and not due[column]:
                continue
            held, resting = self.broker.getposition(data), self.stops.get(column)
            stays = wanted.get(column, held.size)
            size = min(abs(stays), abs(held.size)) if stays * held.size > 0 else 0.0
            side = 1.0 if held.size > 0 else -1.0
            price = held.price * (1.0 - side * self.p.settings.stop_loss)
            if resting is not None:
                if size == abs(resting.executed.remsize) and price == resting.created.price:
                    continue
                self.cancel(self.stops.pop(column))
            if size:
                trade = self.sell if side > 0 else self.buy
                self.stops[column] = trade(
                    data=data, size=size, exectype=bt.Order.Stop, price=price, reason="stop_loss"
                )

    def shares(self, weight: float, equity: float, price: float) -> float:
        """Return the signed number of shares worth `weight` of the equity; whole ones unless fractional."""
        if weight == 0.0:
            return 0
        exact = weight * equity / price
        return round(exact, SHARE_DECIMALS) if self.p.fractional else math.trunc(exact)

    def note(self, data: Any, weight: float, outlook: Outlook, column: int, reason: str) -> None:
        """Remember a decision for the run's tables."""
        row = (
            data.datetime[0],
            data._name,
            weight,
            float(outlook.mean[column]),
            float(outlook.std[column]),
            reason,
        )
        self.decisions.append(row)

    def notify_order(self, order: Any) -> None:
        """Forget finished orders and keep the bar at which each position was opened."""
        if not order.alive():
            self.open_orders.pop(order.ref, None)
            column = self.columns[order.data._name]
            if column in self.stops and self.stops[column].ref == order.ref:
                del self.stops[column]
        opened_it = self.broker.getposition(order.data).size == order.executed.size != 0
        if opened_it and order.status in (order.Completed, order.Partial):
            column = self.columns[order.data._name]
            self.entered_bar[column] = self.bar(column)
