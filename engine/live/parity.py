"""Live against backtest, bar by bar: the same Cerebro over the same bars, and a name for every difference.

The backtest is run again over the live span, from the live account's opening cash and without costs, since a paper
account has none; what the market charged shows as slippage.

Once live and backtest have parted (a bar was missed, an order refused or filled in part), what follows from that is
found out, not assumed: the strategy is asked again with what the account really held and had done by that bar. Where
it then decides what live decided, the difference follows; where it does not, it is one of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from broker.ids import SAFE, leg_of
from broker.journal.journal import Journal
from broker.orders import AT_BROKER, OrderState
from engine.live.deciding.decide import run_strategy
from engine.live.deciding.past import Then, account_state, past_splits, split_factor
from engine.live.deciding.records import last_decisions
from engine.simulation.strategies import load_strategy, needs_forecasts, needs_whole_history
from forewalk.errors import DataError
from forewalk.instruments import traded
from forewalk.sessions import exchange_zone
from forewalk.settings.loading import load_settings
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts, SimulationResult
from strategies.risk import as_told, last_rows, smoothed

if TYPE_CHECKING:
    from broker.journal.records import DecisionRow, StoredOrder, Target

CLOSE_TOLERANCE = 1e-9  # relative
FORECAST_TOLERANCE = 1e-7  # log return; a model asked in another batch differs in the last bits
WEIGHT_TOLERANCE = 1e-12
SLIPPED_BPS = 1e-3  # beyond it an execution at another price has changed the account

COSTS = ("fee_bps", "fee_per_share", "fee_min", "slippage_bps", "impact", "delisting_return")
RATES = ("cash_yield", "borrow_bps_per_year", "margin_bps_per_year")

MISSED = "bar missed"
REVISED = "data revised"
NEWER_MODEL = "model newer"
REFUSED = "refused by risk"
PARTIAL = "partial fill"
NOT_SENT = "not sent in time"
STOPPED = "stop filled on one side"
LIMITED = "limit filled on one side"
NET = "safety stop filled"
FOLLOWS = "follows from an earlier difference"
UNEXPLAINED = "UNEXPLAINED"


@dataclass(frozen=True)
class Difference:
    """One thing that live and backtest did not have in common."""

    asof: pd.Timestamp
    symbol: str
    cause: str
    text: str


@dataclass(frozen=True)
class Parity:
    """What the comparison found.

    Attributes:
        bars: live bars compared. decisions: (bar, symbol) pairs compared, and how many were equal.
        differences: in time order. slippage_bps: of each filled order against the backtest's fill, worse is positive.
    """

    bars: int
    decisions: int
    equal: int
    orders: int
    differences: tuple[Difference, ...]
    slippage_bps: tuple[float, ...] = field(default=())

    @property
    def same(self) -> bool:
        """Whether every difference has a cause."""
        return not any(difference.cause == UNEXPLAINED for difference in self.differences)

    def lines(self) -> list[str]:
        """Return the report as text."""
        share = self.equal / self.decisions if self.decisions else 1.0
        lines = [
            f"{self.bars} live bars, {self.decisions} decisions: {self.equal} identical ({share:.2%})",
            f"{self.orders} filled orders{self._slippage()}",
        ]
        counts = Counter(difference.cause for difference in self.differences)
        lines += [f"  {cause}: {count}" for cause, count in counts.most_common()]
        shown = [d for d in self.differences if d.cause != FOLLOWS][:50]
        lines += [f"  {d.asof:%Y-%m-%d %H:%M} {d.symbol:6} {d.cause}: {d.text}" for d in shown]
        return lines

    def _slippage(self) -> str:
        if not self.slippage_bps:
            return ""
        values = np.array(self.slippage_bps)
        mean, median, high = values.mean(), np.median(values), np.percentile(np.abs(values), 95)
        return f", slippage {mean:+.2f} bp on average, median {median:+.2f}, 95 % within {high:.2f}"


def parity(run: Path, settings: Settings, journal: Journal) -> Parity:
    """Compare a book with a finished run whose settings it trades.

    Args:
        run: folder of the run; its data source and its forecasts are used.
        settings: of the book.

    Raises:
        DataError: the book has decided nothing, or the run does not reach into its span.
    """
    from engine.runs.folder import read_run
    from engine.runs.stored import stored_forecasts
    from forewalk.data.loading import load_bars

    stored = read_run(run)
    run_settings = load_settings(run / "config.toml", environment={})
    bars, _ = load_bars(run_settings.data)
    decisions = journal.decisions.all()
    if not decisions:
        raise DataError("the book has decided nothing yet")
    last = pd.Timestamp(decisions[-1].asof)
    span = bars.since(pd.Timestamp(decisions[0].asof))
    span = span.until(span.timestamps[min(int(span.timestamps.searchsorted(last)) + 1, len(span) - 1)])
    until, horizon = bars.until(span.timestamps[-1]).timestamps, run_settings.label.horizon_bars
    whole = stored_forecasts(stored.forecasts, until, span.symbols, horizon)
    forecasts = last_rows(smoothed(whole, settings.strategy.smooth_std_bars), len(span))
    if not np.isfinite(forecasts.mean).any():
        raise DataError(f"{run} has no forecast in the book's span; compare with a run that reaches into it")
    told = as_told(settings)
    backtest = resimulated(span, forecasts, told, float(decisions[0].cash))
    return compare(journal, span, forecasts, backtest, told)


def resimulated(bars: Bars, forecasts: Forecasts, settings: Settings, cash: float) -> SimulationResult:
    """Run the backtest over the live span, from the live cash, without costs and without a cap on volume."""
    from engine.simulation.cerebro import simulate

    free = {"cash": cash, "max_volume_share": None, "spread": "given", **dict.fromkeys(COSTS + RATES, 0.0)}
    execution = settings.execution.model_copy(update=free)
    return simulate(bars, forecasts, settings.model_copy(update={"execution": execution}))


def compare(
    journal: Journal, bars: Bars, forecasts: Forecasts, backtest: SimulationResult, settings: Settings
) -> Parity:
    """Lay the journal beside a simulation of the same bars."""
    walk = _Walk(journal, bars, forecasts, backtest, settings)
    live = {pd.Timestamp(decision.asof): decision for decision in journal.decisions.all()}
    last = max(live)
    for row, asof in enumerate(bars.timestamps):
        if asof <= last:
            walk.bar(row, asof, live.get(asof))
    return walk.result(len(live))


class _Walk:
    """Goes through the bars and remembers what was different first."""

    def __init__(
        self,
        journal: Journal,
        bars: Bars,
        forecasts: Forecasts,
        backtest: SimulationResult,
        settings: Settings,
    ) -> None:
        self.journal = journal
        self.settings = settings
        self.bars, self.forecasts = traded(bars, forecasts, settings.data.trade_as)
        orders, stops = backtest.orders, backtest.orders["type"] == "stop"
        self.targets = _by_bar(backtest.decisions, "asof")
        self.orders = _by_bar(orders[~stops], "decided_at")
        self.stops = _by_bar(orders[stops], "decided_at")
        self.live_orders, self.live_stops = _live_orders(journal, resting=False), _live_orders(journal, True)
        self.splits = past_splits(journal, exchange_zone(bars.calendar))
        fills = journal.ledger.fills()
        self.net = [(fill.symbol, fill.at) for fill, owner in fills if owner and leg_of(owner) == SAFE]
        self.differences: list[Difference] = []
        self.slippage: list[float] = []
        self.compared = self.equal = self.filled = 0
        self.parted = bool(journal.ledger.adjustments({split.symbol for split in self.splits}))
        self.again: dict[pd.Timestamp, tuple[dict[str, float], dict[str, tuple[str, float]]]] = {}

    def bar(self, row: int, asof: pd.Timestamp, decision: DecisionRow | None) -> None:
        for symbol in [name for name, at in self.net if row and self.bars.timestamps[row - 1] < at <= asof]:
            self.differ(asof, symbol, NET, "a stop of live.broker_stops was met; the backtest has none")
        if decision is None:
            self.differ(asof, "", MISSED, "no decision was made in time")
            return
        for target in self.journal.decisions.targets(decision.decision_id):
            self.symbol(row, asof, decision, target)

    def symbol(self, row: int, asof: pd.Timestamp, decision: DecisionRow, target: Target) -> None:
        wanted = self.targets.get((asof, target.symbol))
        weight = None if wanted is None else float(wanted["target_weight"])
        self.compared += 1
        if _equal(weight, target.target_weight):
            self.equal += 1
        else:
            cause, text = self.cause(row, decision, target)
            self.differ(asof, target.symbol, cause, f"live {target.target_weight}, backtest {weight}{text}")
        self.order(row, asof, decision, target.symbol)
        self.stop(asof, decision, target.symbol)

    def cause(self, row: int, decision: DecisionRow, target: Target) -> tuple[str, str]:
        column = self.bars.symbols.index(target.symbol)
        close, mean = float(self.bars.close[row, column]), float(self.forecasts.mean[row, column])
        seen = None if target.close is None else target.close / self.factor(target.symbol, decision.asof)
        if seen is None or abs(seen / close - 1) > CLOSE_TOLERANCE:
            return REVISED, f"; close was {target.close}, is {close:g}"
        if decision.model_id != self.forecasts.model_ids[row]:
            return (
                NEWER_MODEL,
                f"; {decision.model_id} live, {self.forecasts.model_ids[row] or 'none'} in the run",
            )
        if target.mean is None or abs(target.mean - mean) > FORECAST_TOLERANCE:
            return REVISED, f"; forecast was {target.mean}, is {mean:g}: earlier bars were revised"
        if not self.parted:
            return UNEXPLAINED, ""
        wanted, _ = self.asked_again(row, decision)
        return (FOLLOWS, "") if _equal(wanted.get(target.symbol), target.target_weight) else (UNEXPLAINED, "")

    def asked_again(
        self, row: int, decision: DecisionRow
    ) -> tuple[dict[str, float], dict[str, tuple[str, float]]]:
        """Return the weights and the orders (side, quantity) that the strategy wants with the live account's past."""
        asof = self.bars.timestamps[row]
        if asof not in self.again:
            strategy = load_strategy(self.settings)
            bars = self.bars.until(asof)
            first = bars.timestamps[0]
            if not needs_whole_history(strategy):
                first = bars.timestamps[max(0, len(bars) - self.settings.live.replay_bars)]
            then = Then(decision.made_at, decision.asof)
            state = account_state(self.journal, decision.cash, first.to_pydatetime(), self.splits, then)
            forecasts = self.forecasts if needs_forecasts(strategy) else None
            run = run_strategy(bars, forecasts, self.settings, strategy, state, first)
            weights = {symbol: float(row[2]) for symbol, row in last_decisions(run, bars).items()}
            self.again[asof] = (
                weights,
                {o.symbol: (o.side, o.quantity) for o in run.orders if o.kind != "stop"},
            )
        return self.again[asof]

    def order(self, row: int, asof: pd.Timestamp, decision: DecisionRow, symbol: str) -> None:
        live, other = self.live_orders.get((decision.decision_id, symbol)), self.orders.get((asof, symbol))
        if live is None and other is None:
            return
        if live is None or other is None:
            self.one_sided(row, decision, symbol, live)
        if live is None:
            return
        if live.state in (OrderState.REFUSED, OrderState.REJECTED):
            self.differ(asof, symbol, REFUSED, live.reason)
        elif live.filled == 0:
            self.unfilled(asof, live, other)
        elif other is not None and other["filled_quantity"] > 0:
            self.fill(asof, live, other)
        elif other is not None:
            where = f"live at {live.average_price}, in the backtest the bar did not trade through"
            self.differ(asof, symbol, LIMITED, f"{where} {live.limit_price}")

    def unfilled(self, asof: pd.Timestamp, live: StoredOrder, other: Any) -> None:
        """A limit that the market has not met is no difference where the backtest's was not met either.

        Neither is an order that still waits for its auction or its price.
        """
        if live.state in AT_BROKER and (live.time_in_force in ("opg", "cls") or live.limit_price is not None):
            return
        if live.limit_price is None or not live.posts:
            self.differ(asof, live.symbol, NOT_SENT, live.reason or str(live.state))
        elif other is not None and other["filled_quantity"] > 0:
            self.differ(asof, live.symbol, LIMITED, f"in the backtest at {other['fill_price']:.4f}, not live")

    def stop(self, asof: pd.Timestamp, decision: DecisionRow, symbol: str) -> None:
        """Compare resting stops where they were filled; one that was taken back again means nothing."""
        live, other = self.live_stops.get((decision.decision_id, symbol)), self.stops.get((asof, symbol))
        sold, expected = (
            live is not None and live.filled > 0,
            other is not None and other["filled_quantity"] > 0,
        )
        if sold and expected:
            self.fill(asof, live, other)  # type: ignore[arg-type]
        elif sold or expected:
            where = "live" if sold else "in the backtest"
            self.differ(asof, symbol, STOPPED, f"the stop order of this bar was filled {where} only")

    def one_sided(self, row: int, decision: DecisionRow, symbol: str, live: StoredOrder | None) -> None:
        """An order that only one of them made: it follows where the live account's past asks for the same."""
        cause = UNEXPLAINED
        if self.parted:
            again = self.asked_again(row, decision)[1].get(symbol)
            same = again is None if live is None else again is not None and again[0] == live.side
            cause = FOLLOWS if same else UNEXPLAINED
        what = (
            "no order live, one in the backtest"
            if live is None
            else f"{live.side} live, none in the backtest"
        )
        self.differ(self.bars.timestamps[row], symbol, cause, what)

    def fill(self, asof: pd.Timestamp, live: StoredOrder, other: Any) -> None:
        if live.filled < live.quantity:
            self.differ(asof, live.symbol, PARTIAL, f"{live.filled} of {live.quantity}")
        if live.average_price is not None and other["fill_price"] > 0:
            self.filled += 1
            sign = 1.0 if live.side == "buy" else -1.0
            paid = float(live.average_price) / self.factor(live.symbol, live.posted_at or live.updated_at)
            self.slippage.append(sign * (paid / float(other["fill_price"]) - 1) * 1e4)
            self.parted = self.parted or abs(self.slippage[-1]) > SLIPPED_BPS

    def factor(self, symbol: str, moment: datetime) -> float:
        """Return how many shares of the bars' end one share of that moment is: bars are adjusted for splits."""
        return split_factor(self.splits, symbol, moment)

    def differ(self, asof: pd.Timestamp, symbol: str, cause: str, text: str) -> None:
        self.parted = self.parted or cause not in (FOLLOWS, UNEXPLAINED)
        self.differences.append(Difference(asof, symbol, cause, text))

    def result(self, bars: int) -> Parity:
        return Parity(
            bars, self.compared, self.equal, self.filled, tuple(self.differences), tuple(self.slippage)
        )


def _by_bar(table: pd.DataFrame, column: str) -> dict[tuple[pd.Timestamp, str], Any]:
    return {(row[column], row["symbol"]): row for row in table.to_dict("records")}


def _live_orders(journal: Journal, resting: bool) -> dict[tuple[str, str], StoredOrder]:
    orders = [order for order in journal.orders.all() if (order.kind == "stop") == resting]
    return {(order.decision_id, order.symbol): order for order in orders}


def _equal(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= WEIGHT_TOLERANCE
