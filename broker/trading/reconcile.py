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

from broker.errors import MustHalt
from broker.failpoints import reach
from broker.ids import parse_client_order_id
from broker.journal.halts import EVERYTHING
from broker.journal.journal import Journal
from broker.journal.records import StoredOrder
from broker.orders import AT_BROKER, IN_DOUBT, OrderState, OrderStep, is_known
from broker.port import Broker, Notify
from broker.values import Account, BrokerOrder, MarketClock, Position, plain
from forewalk.errors import DataError

log = logging.getLogger(__name__)

TOLERANCE = Decimal("0.000001")  # shares
FILLS_OVERLAP = timedelta(days=1)  # executions are asked for again from before the last one known
LAG_S = 60.0  # how long the list of executions may lag behind an order's filled quantity
STRIKES = 2  # looks in a row at which ledger and position must disagree before the symbol is halted
LOOK_BACK = timedelta(seconds=60)
Explain = Callable[[str, Decimal, Decimal, datetime], bool]  # (symbol, ledger, held, now) -> booked since


@dataclass(frozen=True)
class Look:
    """The broker at one moment, after the journal has caught up with it.

    `foreign` are open orders that are not ours. `doubtful` are symbols whose ledger does not match (yet).
    """

    account: Account
    clock: MarketClock
    positions: dict[str, Position]
    open_orders: tuple[BrokerOrder, ...]
    foreign: tuple[BrokerOrder, ...]
    doubtful: frozenset[str]

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

    Attributes:
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
    ) -> None:
        self.journal = journal
        self.broker = broker
        self.symbols = tuple(symbols)
        self._monotonic = monotonic
        self._pauses_s = tuple(pauses_s)
        self._notify = notify
        self._lookups: dict[str, tuple[int, float]] = {}  # id -> (look-ups done, next one not before)
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
        clock = self.broker.clock()
        now = clock.now
        if not self._started:
            self._recover(now)
        open_orders = self.broker.open_orders()
        foreign = self._join_orders(open_orders, now)
        reach("during_reconcile")
        self._join_fills(now)
        self._cancel_wanted(now)
        self._resolve_doubts(now)
        positions = self.broker.positions()
        doubtful = self._compare(positions, now)
        self._started = True
        return Look(account, clock, positions, tuple(open_orders), tuple(foreign), doubtful)

    def next_lookup_s(self) -> float | None:
        """Return in how many seconds an order in doubt is to be looked up; None where none is."""
        due = [moment for _, moment in self._lookups.values()]
        return max(0.0, min(due) - self._monotonic()) if due else None

    def _own(self, account: Account) -> None:
        try:
            self.journal.file.bind_account(account.id)
        except DataError as other:
            problem = str(other)
        else:
            return
        raise MustHalt(problem)

    # start-up

    def _recover(self, now: datetime) -> None:
        """What was under way when the last process ended is in doubt now."""
        for order in self.journal.orders.all({OrderState.SUBMITTING}):
            self.journal.orders.step(
                order.client_order_id, OrderStep.LOSE, now, "ended before the answer was written down"
            )
        for order in self.journal.orders.all({OrderState.INTENT, OrderState.DECIDED}):
            found = self.broker.order_by_client_id(order.client_order_id)
            if found is not None:
                self.adopt(order, found, now)

    # orders

    def _join_orders(self, open_orders: Sequence[BrokerOrder], now: datetime) -> list[BrokerOrder]:
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
        for stored in self.journal.orders.all(AT_BROKER):
            if stored.client_order_id not in seen and stored.broker_id:
                self.adopt(stored, self.broker.order(stored.broker_id), now)
        return foreign

    def adopt(self, stored: StoredOrder, found: BrokerOrder, now: datetime) -> None:
        """Join a report, after making sure that it is about the order we meant."""
        if not self.is_same(stored, found):
            text = (
                f"order {stored.client_order_id} is {found.side} {plain(found.quantity)} {found.symbol} there, "
                f"but {stored.side} {plain(stored.quantity)} {stored.symbol} here"
            )
            self.halt(stored.symbol, text, now)
            return
        if not is_known(found.status):
            self.halt(
                stored.symbol, f"order {stored.client_order_id} has the unknown status {found.status!r}", now
            )
        before = stored.state
        after = self.journal.orders.report(stored.client_order_id, found, now)
        self._lookups.pop(stored.client_order_id, None)
        if before not in AT_BROKER and after.state != before:
            self._notify("found", stored.symbol, f"{stored.client_order_id} is {after.state}")
        if after.state == OrderState.REJECTED and before != OrderState.REJECTED:
            self.journal.diary.note(now, "rejected", found.status, stored.symbol, stored.client_order_id)
            self._notify("refused", stored.symbol, f"{stored.client_order_id} was rejected by the exchange")
        if found.replaced_by:
            self._follow(after, found.replaced_by, now)

    @staticmethod
    def is_same(stored: StoredOrder, found: BrokerOrder) -> bool:
        """Whether the broker's order is the one we meant: symbol, side and quantity."""
        return (stored.symbol, stored.side) == (found.symbol, found.side) and (
            abs(stored.quantity - found.quantity) <= TOLERANCE
        )

    def _follow(self, old: StoredOrder, successor_id: str, now: datetime) -> None:
        if self.journal.orders.of_broker(successor_id) is None:
            self.journal.orders.add_successor(old, self.broker.order(successor_id), now)
            self._notify("replaced", old.symbol, f"{old.client_order_id} was replaced by the broker")

    def _question_name(self, found: BrokerOrder, now: datetime) -> None:
        name = parse_client_order_id(found.client_order_id)
        if name is not None and found.symbol in self.symbols:
            self.halt(
                found.symbol,
                f"open order {found.client_order_id} has a name of ours but is not in the journal",
                now,
            )

    # executions

    def _join_fills(self, now: datetime) -> None:
        last = self.journal.ledger.last_fill_at()
        for fill in self.journal.ledger.add_fills(
            self.broker.fills(None if last is None else last - FILLS_OVERLAP), now
        ):
            owner = self.journal.orders.of_broker(fill.order_id)
            what = f"{fill.side} {plain(fill.quantity)} at {plain(fill.price)}"
            self._notify("fill" if owner else "foreign_fill", fill.symbol, what)

    # cancellations

    def _cancel_wanted(self, now: datetime) -> None:
        for order in self.journal.orders.all(AT_BROKER):
            if order.cancel_wanted and order.broker_id:
                reach("before_cancel")
                self.broker.cancel(order.broker_id)
                reach("after_cancel")
                self.adopt(order, self.broker.order(order.broker_id), now)
        self._join_fills_of_cancelled(now)

    def _join_fills_of_cancelled(self, now: datetime) -> None:
        if any(
            order.cancel_wanted for order in self.journal.orders.all({OrderState.CANCELED, OrderState.FILLED})
        ):
            self._join_fills(now)

    # doubts

    def _resolve_doubts(self, now: datetime) -> None:
        for order in self.journal.orders.all({OrderState.UNKNOWN}):
            done, due = self._lookups.setdefault(
                order.client_order_id, (0, self._monotonic() + self._pauses_s[0])
            )
            if self._monotonic() < due:
                continue
            reach("before_lookup")
            found = self.broker.order_by_client_id(order.client_order_id)
            reach("after_lookup")
            if found is not None:
                self.adopt(order, found, now)
            elif done + 1 < len(self._pauses_s):
                self._lookups[order.client_order_id] = (
                    done + 1,
                    self._monotonic() + self._pauses_s[done + 1],
                )
            else:
                self._conclude(order, now)

    def _conclude(self, order: StoredOrder, now: datetime) -> None:
        """Every look-up said 404: search the list too, then send once more, let it go, or ask."""
        since = (order.posted_at or now) - LOOK_BACK
        listed = {found.client_order_id: found for found in self.broker.orders_since(since)}
        name = order.client_order_id
        if name in listed:
            self.adopt(order, listed[name], now)
            return
        if now > order.valid_until:
            self.journal.orders.step(
                name, OrderStep.EXPIRE, now, "the broker never had it, and its time is over"
            )
            self._lookups.pop(name, None)
        elif order.posts > 1:
            self.journal.orders.step(name, OrderStep.GIVE_UP, now, "sent twice, found never")
            self._lookups.pop(name, None)
            self.halt(
                order.symbol, f"{name} was sent twice and is nowhere to be found: reject it, then resume", now
            )
        # else: the sender sends the same id once more, see `may_resend`

    def may_resend(self, order: StoredOrder) -> bool:
        """Whether all look-ups are done and have found nothing, so that the same id may be sent once more."""
        done, due = self._lookups.get(order.client_order_id, (0, float("inf")))
        return done + 1 >= len(self._pauses_s) and self._monotonic() >= due and order.posts <= 1

    def resent(self, client_order_id: str) -> None:
        """Begin the look-ups anew after an order was sent once more."""
        self._lookups.pop(client_order_id, None)

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
                self.halt(late[name], f"executions of {name} are missing from the broker's list", now)
        return set(late.values())

    def halt(self, scope: str, reason: str, now: datetime) -> None:
        """Stop a symbol (or everything) and say so, once."""
        if self.journal.halts.begin(scope, reason, now):
            log.error("halt %s: %s", scope, reason)
            self._notify("halt", "" if scope == EVERYTHING else scope, reason)
