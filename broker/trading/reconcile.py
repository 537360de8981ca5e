"""Bring the journal to what the broker says. REST is the truth; start-up is nothing but the first call.

Each `sync` reads account, clock, orders, executions and positions, joins them into the journal, goes on with
everything that was left half done, and halts a symbol whose ledger and position disagree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from broker.errors import MustHalt, Unreachable
from broker.failpoints import reach
from broker.halts import EVERYTHING, HaltCause
from broker.ids import parse_client_order_id
from broker.journal.journal import Journal
from broker.journal.records import StoredOrder
from broker.orders import AT_BROKER, IN_DOUBT, OrderState, OrderStep, is_known
from broker.port import Broker, Notify
from broker.trading.cancelling import Canceller
from broker.trading.doubts import LOOK_BACK, Doubts
from broker.values import Account, BrokerOrder, MarketClock, Position, plain
from forewalk.errors import DataError

log = logging.getLogger(__name__)

TOLERANCE = Decimal("0.000001")  # shares
FILLS_OVERLAP = timedelta(days=1)  # executions are asked for again from before the last one known
LAG_S = 60.0  # how long the list of executions may lag behind an order's filled quantity
STRIKES = 2  # looks in a row at which ledger and position must disagree before the symbol is halted
ONE_BY_ONE = 3  # orders that are asked for by their ids; more are read from one list
Explain = Callable[[str, Decimal, Decimal, datetime], bool]  # (symbol, ledger, held, now) -> booked since


@dataclass(frozen=True)
class Look:
    """The broker at one moment, after the journal has caught up with it.

    Attributes:
        foreign: open orders that are not ours. doubtful: symbols whose ledger does not match (yet).
        skew_s: by how much this machine's clock is off the broker's at the least, as far as one call can tell: 0
            where the time that the call took explains it. None where nobody asked.
    """

    account: Account
    clock: MarketClock
    positions: dict[str, Position]
    open_orders: tuple[BrokerOrder, ...]
    foreign: tuple[BrokerOrder, ...]
    doubtful: frozenset[str]
    skew_s: float | None = None

    @property
    def now(self) -> datetime:
        """The broker's time."""
        return self.clock.now


class Reconciler:
    """Keeps one journal in step with one account.

    Args:
        symbols: what this book trades; positions in other symbols are left alone.
        monotonic: seconds that never go back; pauses are measured with it.
        pauses_s: between two look-ups of an order in doubt.
        notify: told of halts, adoptions and the like.
        wall: this machine's clock, None where time is virtual.

    Attributes:
        doubts: the orders whose outcome is unknown. canceller: asks for what is to be cancelled.
        explain: asked before a symbol is halted because ledger and position differ; books what explains it.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        symbols: Sequence[str],
        monotonic: Callable[[], float],
        pauses_s: Sequence[float],
        notify: Notify,
        wall: Callable[[], datetime] | None = None,
    ) -> None:
        self.journal = journal
        self.broker = broker
        self.symbols = tuple(symbols)
        self._monotonic = monotonic
        self._notify = notify
        self._wall = wall
        self.doubts = Doubts(journal, broker, monotonic, pauses_s, self.adopt, self.halt)
        self.canceller = Canceller(broker, monotonic)
        self._strikes: dict[str, int] = {}
        self._lagging: dict[str, float] = {}
        self._started = False
        self.explain: Explain = lambda symbol, booked, held, now: False

    def sync(self) -> Look:
        """Read the broker, catch up, and return what it looks like now.

        Raises:
            Unreachable: the broker did not answer; the journal is as true as before, try again.
            MustHalt: the keys are refused, or the account is another one than this journal's.
        """
        account = self.broker.account()
        self._own(account)
        clock, skew_s = self._read_clock()
        now = clock.now
        self.recover(now)
        open_orders, foreign = self.join_orders(now)
        reach("during_reconcile")
        self.join_fills(now)
        if self._cancel_wanted():
            open_orders, foreign = self.join_orders(now)
            self.join_fills(now)
        self.doubts.resolve(now)
        positions = self.broker.positions()
        doubtful = self._compare(positions, now)
        return Look(account, clock, positions, tuple(open_orders), tuple(foreign), doubtful, skew_s)

    def _read_clock(self) -> tuple[MarketClock, float | None]:
        """Read the broker's time, and this machine's right before and after: nothing else may come in between."""
        if self._wall is None:
            return self.broker.clock(), None
        before = self._wall()
        clock = self.broker.clock()
        after = self._wall()
        least, most = (before - clock.now).total_seconds(), (after - clock.now).total_seconds()
        return clock, 0.0 if least <= 0 <= most else min(least, most, key=abs)

    def _own(self, account: Account) -> None:
        try:
            self.journal.file.bind_account(account.id)
        except DataError as other:
            problem = str(other)
        else:
            return
        raise MustHalt(problem, HaltCause.OTHER_ACCOUNT)

    # start-up

    def recover(self, now: datetime) -> None:
        """Once in a process: what was under way when the last one ended is in doubt now."""
        if self._started:
            return
        for order in self.journal.orders.all({OrderState.SUBMITTING}):
            self.journal.orders.step(
                order.client_order_id, OrderStep.LOSE, now, "ended before the answer was written down"
            )
        self.find_waiting(now)
        self._started = True

    def find_waiting(self, now: datetime) -> None:
        """Adopt orders that the broker has though this journal never sent them: it is new, or an older copy."""
        waiting = self.journal.orders.all({OrderState.INTENT, OrderState.DECIDED})
        if waiting:
            since = min(self._decided_at(order) for order in waiting) - LOOK_BACK
            listed = {found.client_order_id: found for found in self.broker.orders_since(since)}
            for order in waiting:
                if order.client_order_id in listed:
                    self.adopt(order, listed[order.client_order_id], now)

    def _decided_at(self, order: StoredOrder) -> datetime:
        decision = self.journal.decisions.get(order.decision_id)
        return order.send_from if decision is None else min(decision.made_at, order.send_from)

    # orders

    def join_orders(self, now: datetime) -> tuple[list[BrokerOrder], list[BrokerOrder]]:
        """Read the open orders and those of ours that are over; return all open ones, and the foreign among them."""
        open_orders = self.broker.open_orders()
        foreign, ended = self.join_open(open_orders, now)
        self.join_ended(ended, now)
        return open_orders, foreign

    def join_open(
        self, open_orders: Sequence[BrokerOrder], now: datetime
    ) -> tuple[list[BrokerOrder], list[StoredOrder]]:
        """Join the reports of open orders; return the foreign ones, and those of ours that are open no more."""
        foreign = []
        seen = set()
        for found in open_orders:
            stored = self.journal.orders.get(found.client_order_id) or self.journal.orders.of_broker(found.id)
            if stored is None:
                foreign.append(found)
                self._question_name(found, now)
                continue
            seen.add(stored.client_order_id)
            self.adopt(stored, found, now)
        at_broker = self.journal.orders.all(AT_BROKER)
        return foreign, [o for o in at_broker if o.client_order_id not in seen and o.broker_id]

    def join_ended(self, ended: Sequence[StoredOrder], now: datetime) -> None:
        """Read what became of orders that are open no more: a few one by one, many in one list."""
        listed: dict[str, BrokerOrder] = {}
        if len(ended) > ONE_BY_ONE:
            since = min(order.posted_at or order.send_from for order in ended) - LOOK_BACK
            listed = {found.id: found for found in self.broker.orders_since(since)}
        failed: Unreachable | None = None
        for stored in ended:
            assert stored.broker_id is not None
            try:
                self.adopt(stored, listed.get(stored.broker_id) or self.broker.order(stored.broker_id), now)
            except Unreachable as problem:  # the others are read all the same
                failed = problem
        if failed is not None:
            raise failed

    def adopt(self, stored: StoredOrder, found: BrokerOrder, now: datetime) -> None:
        """Join a report, after making sure that it is about the order we meant."""
        if not self.is_same(stored, found):
            self._another_order(stored, found, now)
            return
        if stored.take_profit is not None and not found.legs and not self.journal.orders.legs(stored):
            found = self.broker.order(found.id)  # a list shows no legs
        if not is_known(found.status):
            text = f"order {stored.client_order_id} has the unknown status {found.status!r}"
            self.halt(stored.symbol, HaltCause.STATUS, text, now)
        before = stored.state
        after = self.journal.orders.report(stored.client_order_id, found, now)
        if before not in AT_BROKER and after.state != before:
            self._notify("found", stored.symbol, f"{stored.client_order_id} is {after.state}")
        if after.state == OrderState.REJECTED and before != OrderState.REJECTED:
            self.journal.diary.note(now, "rejected", found.status, stored.symbol, stored.client_order_id)
            self._notify("refused", stored.symbol, f"{stored.client_order_id} was rejected by the exchange")
        if found.replaced_by:
            self._follow(after, found.replaced_by, now)

    def _another_order(self, stored: StoredOrder, found: BrokerOrder, now: datetime) -> None:
        """The broker's order of this id is not the one we meant: a person must look, at this symbol only."""
        name = stored.client_order_id
        text = (
            f"order {name} is {found.side} {plain(found.quantity)} {found.symbol} there, "
            f"but {stored.side} {plain(stored.quantity)} {stored.symbol} here"
        )
        if stored.state in (OrderState.SUBMITTING, OrderState.UNKNOWN):
            self.journal.orders.step(name, OrderStep.GIVE_UP, now, text)
        elif stored.state in (OrderState.INTENT, OrderState.DECIDED):
            self.journal.orders.step(name, OrderStep.REFUSE, now, text)
        self.halt(stored.symbol, HaltCause.ORDER, text, now)

    @staticmethod
    def is_same(stored: StoredOrder, found: BrokerOrder) -> bool:
        """Whether the broker's order is the one we meant: symbol, side and quantity (a bracket's leg may shrink)."""
        return (stored.symbol, stored.side) == (found.symbol, found.side) and (
            bool(stored.parent) or abs(stored.quantity - found.quantity) <= TOLERANCE
        )

    def _follow(self, old: StoredOrder, successor_id: str, now: datetime) -> None:
        if self.journal.orders.of_broker(successor_id) is None:
            self.journal.orders.add_successor(old, self.broker.order(successor_id), now)
            self._notify("replaced", old.symbol, f"{old.client_order_id} was replaced by the broker")

    def _question_name(self, found: BrokerOrder, now: datetime) -> None:
        name = parse_client_order_id(found.client_order_id)
        if name is not None and found.symbol in self.symbols:
            text = f"open order {found.client_order_id} has a name of ours but is not in the journal"
            self.halt(found.symbol, HaltCause.ORDER, text, now)

    # executions

    def join_fills(self, now: datetime) -> None:
        """Read the executions since shortly before the last one known, and book what is new."""
        last = self.journal.ledger.last_fill_at()
        for fill in self.journal.ledger.add_fills(
            self.broker.fills(None if last is None else last - FILLS_OVERLAP), now
        ):
            owner = self.journal.orders.of_broker(fill.order_id)
            what = f"{fill.side} {plain(fill.quantity)} at {plain(fill.price)}"
            self._notify("fill" if owner else "foreign_fill", fill.symbol, what)

    # cancellations

    def _cancel_wanted(self) -> int:
        wanted = [o.broker_id for o in self.journal.orders.all(AT_BROKER) if o.cancel_wanted and o.broker_id]
        return self.canceller.ask(wanted)

    # positions

    def _compare(self, positions: dict[str, Position], now: datetime) -> frozenset[str]:
        """Halt symbols in which ledger and position differ at two looks in a row, and name those in doubt."""
        ledger = self.journal.ledger.quantities()
        in_doubt = {order.symbol for order in self.journal.orders.all(IN_DOUBT)}
        explained = self._lags(now) | in_doubt  # an order whose outcome is unknown may well have been filled
        doubtful = set(explained)
        for symbol in self.symbols:
            held = positions[symbol].quantity if symbol in positions else Decimal(0)
            booked = ledger.get(symbol, Decimal(0))
            if abs(held - booked) <= TOLERANCE:
                self._strikes.pop(symbol, None)
                continue
            doubtful.add(symbol)
            if symbol in explained:
                continue
            self._strikes[symbol] = self._strikes.get(symbol, 0) + 1
            if self._strikes[symbol] < STRIKES:
                continue
            if self.explain(symbol, booked, held, now):
                self._strikes.pop(symbol)
                doubtful.discard(symbol)
            else:
                self.halt(
                    symbol,
                    HaltCause.POSITION,
                    f"the broker holds {plain(held)} {symbol}, the journal says {plain(booked)}; "
                    f"if the broker is right: live resume {symbol} --adopt",
                    now,
                )
        return frozenset(doubtful)

    def _lags(self, now: datetime) -> set[str]:
        """Symbols with an order whose filled quantity has executions still missing from the list."""
        late = self.journal.ledger.missing_fills(TOLERANCE)
        self._lagging = {name: self._lagging.get(name, self._monotonic()) for name in late}
        for name, since in self._lagging.items():
            if self._monotonic() - since > LAG_S:
                text = f"executions of {name} are missing from the broker's list"
                self.halt(late[name], HaltCause.EXECUTIONS, text, now)
        return set(late.values())

    def halt(self, scope: str, cause: HaltCause, reason: str, now: datetime, **asks: bool) -> None:
        """Stop a symbol (or everything) and say so, once; `asks` are those of `Halts.begin`."""
        if self.journal.halts.begin(scope, cause, reason, now, **asks):
            log.error("halt %s: %s", scope, reason)
            self._notify("halt", "" if scope == EVERYTHING else scope, reason)
