"""The kill switch: what halts ask of the broker, symbol by symbol, on the shortest way.

It needs the trading host and nothing else: no price, no market data, no decision, no look at the account, no risk
gate, and of one symbol no other symbol. Our own suspension of trading is lifted for as long as it takes. What does
not work is tried again with growing pauses until the broker shows zero, over restarts, and what stands in the way is
named. Nothing is said to be done that the broker does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from broker.failpoints import reach
from broker.halts import EVERYTHING
from broker.ids import FLAT, leg_of
from broker.journal.journal import Journal
from broker.journal.records import Halt, StoredOrder
from broker.orders import AT_BROKER, IN_DOUBT, WAITING, OrderStep
from broker.port import Broker, Notify
from broker.trading.closing import AT_WORK, BLOCKER, LEFT, OURS, Closer, Remains, Shown, part_of, tried, whose
from broker.trading.reconcile import TOLERANCE, Reconciler
from broker.trading.safety import is_safety
from broker.trading.suspension import Suspension
from broker.values import BrokerOrder, plain

SOON_S = 4.0
PAUSES_S = (0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # between two steps, while nothing new can be done
MANY = 5  # orders from which on all are cancelled by one request, where all are to be


class KillSwitch:
    """Carries out the halts of one journal.

    Args:
        monotonic: seconds that never go back.
        dry_run: say what would be closed, and send nothing.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        reconciler: Reconciler,
        notify: Notify,
        monotonic: Callable[[], float],
        dry_run: bool = False,
    ) -> None:
        self._journal = journal
        self._broker = broker
        self._reconciler = reconciler
        self._suspension = Suspension(journal, broker)
        self._closer = Closer(journal, broker, reconciler, self._suspension, notify, monotonic, dry_run)
        self._notify = notify
        self._monotonic = monotonic
        self._idle = 0
        self._tries = False
        self._again_at: float | None = None

    def step(self, now: datetime, session: date) -> None:
        """Do what halts ask for and have not got yet. Every part can be done twice, so a restart simply goes on.

        Args:
            now: for the journal. session: date that goes into the ids of orders.

        Raises:
            MustHalt: the keys are refused. JournalUnwritable: nothing may be sent.
        """
        halts = self._journal.halts.in_force()
        asking = [halt for halt in halts if halt.asks and halt.confirmed_at is None]
        self._again_at = None
        if asking:
            with self._broker.urgent():
                acted = self._carry_out(asking, now, session)
            self._idle = 0 if acted else self._idle + 1
            self._again_at = self._monotonic() + PAUSES_S[min(self._idle, len(PAUSES_S) - 1)]
        elif not any(halt.flatten for halt in halts):
            self._journal.halts.keep_remains((), now)
        if not asking:
            with self._broker.urgent():
                self._suspension.settle(any(halt.suspend for halt in halts), now)

    @property
    def busy(self) -> bool:
        """Whether a halt asks for something that is not done."""
        return any(halt.asks and halt.confirmed_at is None for halt in self._journal.halts.in_force())

    @property
    def acts_soon(self) -> bool:
        """Whether there is something to do again within seconds, and not only something to wait for."""
        wait = self.next_s()
        return self.busy and self._tries and wait is not None and wait <= SOON_S

    def next_s(self) -> float | None:
        """Return in how many seconds the next step is due; None where nothing is asked for."""
        return None if self._again_at is None else max(0.0, self._again_at - self._monotonic())

    def _carry_out(self, halts: Sequence[Halt], now: datetime, session: date) -> bool:
        """Return whether anything was sent."""
        self._refuse_waiting(halts, now)
        tried(lambda: self._reconciler.recover(now))
        tried(lambda: self._reconciler.doubts.resolve(now))
        if any(halt.flatten for halt in halts):
            self._suspension.lift()
        shown = self._read(now)
        if shown.orders is None and shown.positions is None:
            self._journal.halts.keep_remains([("", BLOCKER, "the broker does not answer")], now)
            return False
        cancelled = self._cancel(halts, shown, now)
        reach("after_broker_cancel_all")
        if cancelled:
            shown = self._read(now)
        remains: Remains = []
        sent = 0
        for symbol in self._symbols(halts, shown):
            over = [halt for halt in halts if halt.covers(symbol)]
            remains += [(symbol, BLOCKER, text) for text in self._hanging(symbol, over, shown)]
            if any(halt.flatten for halt in over):
                foreign_too = any(halt.foreign_too for halt in over)
                rows, posted = self._closer.close(symbol, foreign_too, shown, now, session)
                remains += rows
                sent += posted
        self._tries = any(kind != AT_WORK for _, kind, _ in remains) or not remains
        if shown.orders is None or shown.positions is None:
            remains.append(("", BLOCKER, "the broker does not show its orders and positions"))
        self._conclude(halts, remains, shown, now)
        return bool(cancelled or sent)

    # reading

    def _read(self, now: datetime) -> Shown:
        """Read positions and open orders, each for itself, and join what is ours into the journal."""
        positions = tried(self._broker.positions)
        orders = tried(self._broker.open_orders)
        if orders is not None:
            _, ended = self._reconciler.join_open(orders, now)
            tried(lambda: self._reconciler.join_ended(ended, now))
        return Shown(positions, None if orders is None else tuple(orders))

    def _symbols(self, halts: Sequence[Halt], shown: Shown) -> list[str]:
        """Return the symbols that the halts are about."""
        symbols = {halt.scope for halt in halts if halt.scope != EVERYTHING}
        if any(halt.scope == EVERYTHING for halt in halts):
            symbols |= self._closer.own_quantities().keys()
            symbols |= {order.symbol for order in self._journal.orders.all(AT_BROKER | IN_DOUBT)}
        if any(halt.scope == EVERYTHING and halt.foreign_too for halt in halts):
            symbols |= (shown.positions or {}).keys()
            symbols |= {order.symbol for order in shown.orders or ()}
        return sorted(symbols)

    # cancelling

    def _refuse_waiting(self, halts: Sequence[Halt], now: datetime) -> None:
        """No order that waits is sent; one of the kill switch's own that never went out is made anew."""
        held = self._journal.ledger.quantities()
        for order in self._journal.orders.all(WAITING):
            over = [halt for halt in halts if halt.covers(order.symbol)]
            exits = all(halt.allow_exits for halt in over) and is_exit(order, held)
            if over and not exits:
                reason = f"halt: {over[0].reason}"
                self._journal.orders.step(order.client_order_id, OrderStep.REFUSE, now, reason)

    def _cancel(self, halts: Sequence[Halt], shown: Shown, now: datetime) -> int:
        """Ask for every cancellation that is due, and return how many were asked for."""
        for order in self._own_to_cancel(halts):
            if not order.cancel_wanted:
                self._journal.orders.want_cancel(order.client_order_id, now)
        known = {order.id for order in shown.orders} if shown.orders is not None else None
        own = [order.broker_id for order in self._own_to_cancel(halts) if order.broker_id]
        wanted = [name for name in own if known is None or name in known]
        wanted += [order.id for order in self._foreign_to_cancel(halts, shown)]
        if len(wanted) >= MANY and known == set(wanted):
            return self._reconciler.canceller.ask_all(wanted)
        return self._reconciler.canceller.ask(wanted)

    def _own_to_cancel(self, halts: Sequence[Halt]) -> list[StoredOrder]:
        held = self._journal.ledger.quantities()
        found = []
        for order in self._journal.orders.all(AT_BROKER):
            over = [halt for halt in halts if halt.covers(order.symbol)]
            spared = all(halt.keep_exits for halt in over) and is_exit(order, held)
            spared |= is_safety(order) and not any(halt.flatten for halt in over)  # the net stays over a halt
            if over and not spared and leg_of(order.client_order_id) != FLAT:
                found.append(order)
        return found

    def _foreign_to_cancel(self, halts: Sequence[Halt], shown: Shown) -> list[BrokerOrder]:
        return [
            order
            for order in shown.orders or ()
            if any(halt.foreign_too and halt.covers(order.symbol) for halt in halts)
            and whose(self._journal, order) != OURS
        ]

    def _hanging(self, symbol: str, halts: Sequence[Halt], shown: Shown) -> list[str]:
        """Name the orders of a symbol that are to be cancelled and still open."""
        own = {order.broker_id for order in self._own_to_cancel(halts)}
        foreign = {order.id for order in self._foreign_to_cancel(halts, shown)}
        return [
            f"order {order.id} ({whose(self._journal, order)}: {order.side} {plain(order.quantity)}) "
            f"is not cancelled yet: {order.status}"
            for order in shown.open(symbol)
            if order.id in own | foreign
        ]

    # the end

    def _conclude(self, halts: Sequence[Halt], remains: Remains, shown: Shown, now: datetime) -> None:
        """Keep what remains, name what is new of it, suspend trading and confirm what is done."""
        unfinished = {symbol for symbol, kind, _ in remains if kind != LEFT}
        done = [
            halt
            for halt in halts
            if not (unfinished if halt.scope == EVERYTHING else unfinished & {halt.scope, ""})
        ]
        remains += self._left(halts, shown)
        for symbol, kind, text in self._journal.halts.keep_remains(remains, now):
            if kind == BLOCKER:
                self._notify("blocked", symbol, text)
        if not any(halt.flatten for halt in halts if halt not in done):
            self._suspension.settle(any(halt.suspend for halt in self._journal.halts.in_force()), now)
        for halt in done:
            if not halt.suspend or self._suspension.is_in_force:
                self._journal.halts.confirm(halt.id, now)
                if halt.flatten:
                    self._say_closed(halt, remains, now)

    def _say_closed(self, halt: Halt, remains: Remains, now: datetime) -> None:
        left = [f"{symbol}: {text}" for symbol, kind, text in remains if kind == LEFT]
        text = "the broker shows no position of this book" + ("; left: " + "; ".join(left) if left else "")
        symbol = "" if halt.scope == EVERYTHING else halt.scope
        self._journal.diary.note(now, "flattened", text, symbol)
        self._notify("flattened", symbol, text)

    def _left(self, halts: Sequence[Halt], shown: Shown) -> Remains:
        """Name the positions and orders that flattening leaves, because they are not this book's."""
        own = self._closer.own_quantities()
        rows: Remains = []
        for halt in halts:
            if not halt.flatten or halt.foreign_too:
                continue
            for symbol, position in (shown.positions or {}).items():
                rest = position.quantity - part_of(own.get(symbol, Decimal(0)), position.quantity)
                if halt.covers(symbol) and abs(rest) > TOLERANCE:
                    rows.append((symbol, LEFT, f"{plain(rest)} shares that are not this book's"))
            for order in shown.orders or ():
                owner = whose(self._journal, order)
                if halt.covers(order.symbol) and owner != OURS:
                    text = f"order {order.id} ({owner}): {order.side} {plain(order.quantity)}, {order.status}"
                    rows.append((order.symbol, LEFT, text))
        return rows


def is_exit(order: StoredOrder, held: Mapping[str, Decimal]) -> bool:
    """Whether an order only makes what the book holds smaller, or is a bracket's stop or target."""
    holds = held.get(order.symbol, Decimal(0))
    left = order.quantity - order.filled
    return bool(order.parent) or (holds * order.signed < 0 and left <= abs(holds) + TOLERANCE)
