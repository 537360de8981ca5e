"""One book's part of an account that several books trade, each with a daemon and a journal of its own.

To everything that trades a book, the account looks as if nothing else were in it: its money is the book's share, its
positions are what the broker holds less what the books beside it hold, and their orders are not shown. Nothing is
netted between books: a book that is long and one that is short of the same shares each hold theirs, and the broker
holds the sum. Where the broker's sum is none of what the journals say, the remainder is everybody's who looks: each
book halts that symbol, until a person lets one of them adopt it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

from broker.books.neighbours import Neighbour, filled, same, together
from broker.errors import BrokerError, RateLimited, Refused, Unreachable
from broker.ids import parse_client_order_id
from broker.journal.journal import Journal
from broker.orders import AT_BROKER, IN_DOUBT, WAITING
from broker.port import Broker
from broker.values import SHARES, Account, BrokerOrder, CashFlow, Fill, OrderRequest, Position
from forewalk.errors import ConfigError

ZERO = Decimal(0)
TRIES = 3  # to read positions and orders of one moment
RECENT = timedelta(hours=1)
LOOK_BACK = timedelta(seconds=60)
PAST_FLOWS = timedelta(days=14)
AnyBroker = TypeVar("AnyBroker", bound=Broker)


def book_share(broker: AnyBroker, journal: Journal, share: float, beside: Sequence[Path]) -> AnyBroker:
    """Return the account as one book sees it; the account itself where it has all of it alone.

    Args:
        share: of the account's equity, given to the book at its first look.
        beside: journals of the other books, which need not be there yet.

    Raises:
        ConfigError: a journal beside this one is of the same book, or of another account; see `account` too.
    """
    if share == 1.0 and not beside:
        return broker
    return cast(
        AnyBroker, SharedAccount(broker, journal, Decimal(str(share)), [Neighbour(p) for p in beside])
    )


class SharedAccount:
    """A broker as one book sees it. What is not defined here is the broker's own."""

    def __init__(
        self, broker: Broker, journal: Journal, share: Decimal, neighbours: Sequence[Neighbour]
    ) -> None:
        self._broker = broker
        self._journal = journal
        self._share = share
        self._neighbours = tuple(neighbours)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    # money

    def account(self) -> Account:
        """Return the account with the book's money: cash, equity, and equity at the start of the session.

        The buying power is the account's, which the broker goes by.

        Raises:
            ConfigError: more is given away than there is, or the journal has had the whole account before.
            Unreachable: no price is known of something that the book holds.
        """
        whole = self._broker.account()
        if self._journal.file.account not in (None, whole.id):
            return whole  # the reconciler says so
        if self._journal.allocation.get() is None:
            self._allocate(whole)
        cash = self._journal.allocation.cash()
        equity = cash + self._worth()
        start = self._journal.money.session_start()
        return replace(whole, cash=cash, equity=equity, last_equity=equity if start is None else start)

    def _allocate(self, whole: Account) -> None:
        if self._journal.money.last_mark() is not None:
            raise ConfigError(
                f"{self._journal.path} has had the whole account; a book that shares one begins with a journal of "
                "its own: choose another live.state"
            )
        given = {journal.book: self._given(journal, whole) for journal in self._journals()}
        if sum(given.values(), self._share) > 1:
            said = ", ".join(f"{book} {share:f}" for book, share in sorted(given.items()))
            raise ConfigError(
                f"live.share = {self._share:f}, and {said} are given already: more than the account"
            )
        now = self._broker.clock().now
        seen = [flow.id for flow in self._broker.cash_flows(now - PAST_FLOWS)]
        cash = self._share * whole.equity - self._worth()
        self._journal.allocation.begin(self._share, cash, now, seen)

    def _given(self, journal: Journal, whole: Account) -> Decimal:
        if journal.book == self._journal.book:
            raise ConfigError(
                f"{journal.path} is a journal of the book {journal.book!r} too: give each book a live.book of its own"
            )
        if journal.file.account not in (None, whole.id):
            raise ConfigError(f"{journal.path} is of another account: live.beside names books of this one")
        given = journal.allocation.get()
        if given is None and journal.file.account is not None:
            raise ConfigError(
                f"the book {journal.book!r} has the whole account; give it a live.share, and a new journal"
            )
        return ZERO if given is None else Decimal(given.share)

    def _worth(self) -> Decimal:
        """Return the value of what the book holds, at the last prices that are known.

        It goes by the executions that are booked, as the cash does.
        """
        held = self._journal.ledger.quantities()
        if not held:
            return ZERO
        prices = {s: p.last_price for s, p in self._broker.positions().items() if p.last_price}
        missing = sorted(held.keys() - prices.keys())  # held here, and the account as a whole has none
        if missing:
            with contextlib.suppress(BrokerError):
                prices |= {symbol: price.value for symbol, price in self._broker.last_prices(missing).items()}
        for symbol in held.keys() - prices.keys():
            known = self._known(symbol)
            if known is None:
                raise Unreachable(
                    f"no price of {symbol} is known, so what the book is worth is not known either"
                )
            prices[symbol] = known
        return sum((quantity * prices[symbol] for symbol, quantity in held.items()), ZERO)

    def _known(self, symbol: str) -> Decimal | None:
        """Return the last price that the journal knows."""
        closes = self._journal.decisions.last_closes()
        return (
            Decimal(str(closes[symbol][1])) if symbol in closes else self._journal.ledger.last_price(symbol)
        )

    def cash_flows(self, after: datetime) -> list[CashFlow]:
        """Return the book's part of the cash that has moved since it was given its share."""
        given = self._journal.allocation.get()
        if given is None:
            return []
        share = Decimal(given.share)
        flows = [flow for flow in self._broker.cash_flows(after) if flow.id not in given.seen]
        return [replace(flow, amount=flow.amount * share) for flow in flows]

    # positions

    def positions(self) -> dict[str, Position]:
        """Return what the broker holds less what the books beside this one hold.

        A journal may be behind the broker, its daemon dead: where own and others' quantities do not add up to the
        broker's, the orders of the books beside are looked up at the broker too.

        Raises:
            Unreachable: a journal beside this one cannot be read.
        """
        others = self._others()
        whole = self._broker.positions()
        own = self._own()
        for _ in range(TRIES):
            if same(_quantities(whole), together(own, others)):
                break
            others = together(self._others(), self._not_written_down())
            again = self._broker.positions()
            steady, whole = _quantities(again) == _quantities(whole), again
            if steady:
                break
        parts = {symbol: self._part(symbol, whole, others) for symbol in whole.keys() | others.keys()}
        return {symbol: part for symbol, part in parts.items() if part is not None}

    def most(self, symbol: str, side: str) -> Decimal | None:
        """Return how much one order may be over: the broker takes none that turns the whole position around.

        None where it is on the side that makes it larger; 0 where other orders hold all of it.
        """
        position = self._broker.positions().get(symbol)
        if position is None or position.quantity * (1 if side == "sell" else -1) <= 0:
            return None
        return abs(position.available)

    def close_position(self, symbol: str) -> BrokerOrder:
        """Let the broker close a position, unless a part of it is another book's."""
        if self._others().get(symbol):
            raise Refused(403, None, f"a part of {symbol} is another book's", {})
        return self._broker.close_position(symbol)

    def _own(self) -> dict[str, Decimal]:
        return filled(self._journal)

    def _others(self) -> dict[str, Decimal]:
        return together(*(filled(journal) for journal in self._journals()))

    def _not_written_down(self) -> dict[str, Decimal]:
        """Return what the broker has filled of the other books' orders and their journals do not know yet."""
        journals = self._journals()
        since = self._broker.clock().now - RECENT
        for journal in journals:
            open_orders = journal.orders.all(AT_BROKER | IN_DOUBT | WAITING)
            since = min([since, *((order.posted_at or order.send_from) - LOOK_BACK for order in open_orders)])
        missing: dict[str, Decimal] = {}
        for order in {found.id: found for found in self._broker.orders_since(since)}.values():
            owner = self._owner(order)
            if owner is None:
                continue
            stored = owner.orders.get(order.client_order_id) or owner.orders.of_broker(order.id)
            more = order.filled - (ZERO if stored is None else stored.filled)
            missing[order.symbol] = missing.get(order.symbol, ZERO) + (more if order.side == "buy" else -more)
        return missing

    def _part(self, symbol: str, whole: dict[str, Position], others: dict[str, Decimal]) -> Position | None:
        position, theirs = whole.get(symbol), others.get(symbol, ZERO)
        if not theirs:
            return position
        held = ZERO if position is None else position.quantity
        rest = held - theirs
        if abs(rest) <= SHARES:
            return None
        free = rest  # nothing of the account is sold by making its position larger
        if position is not None and held * rest > 0:
            free = min(rest, position.available, key=abs)
        if position is not None:
            return replace(position, quantity=rest, available=free)
        price = self._known(symbol)
        return Position(symbol, rest, price or ZERO, price, free)

    # orders

    def open_orders(self) -> list[BrokerOrder]:
        """Return the open orders that are not of a book beside this one."""
        return [order for order in self._broker.open_orders() if self._owner(order) is None]

    def cancel_all(self) -> None:
        """Cancel what is open, but for the orders of the books beside."""
        for order in self.open_orders():
            self._broker.cancel(order.id)

    def fills(self, after: datetime | None) -> list[Fill]:
        """Return the executions that are not known to be of a book beside this one."""
        journals = self._journals()
        return [
            fill
            for fill in self._broker.fills(after)
            if all(journal.orders.of_broker(fill.order_id) is None for journal in journals)
        ]

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """POST an order; where one of another book stands against it, it was not accepted and may be sent again."""
        try:
            return self._broker.submit(request)
        except Refused as no:
            existing = no.body.get("existing_order_id")
            if existing and self._owner(self._broker.order(str(existing))) is not None:
                raise RateLimited(
                    f"{request.client_order_id}: an order of another book stands against it"
                ) from None
            raise

    def _owner(self, order: BrokerOrder) -> Journal | None:
        """Return the journal beside this one that an order belongs to."""
        name = parse_client_order_id(order.client_order_id)
        for journal in self._journals():
            if name.book == journal.book if name is not None else journal.orders.of_broker(order.id):
                return journal
        return None

    def _journals(self) -> list[Journal]:
        found = (neighbour.journal() for neighbour in self._neighbours)
        return [journal for journal in found if journal is not None]


def _quantities(positions: dict[str, Position]) -> dict[str, Decimal]:
    return {symbol: position.quantity for symbol, position in positions.items()}
