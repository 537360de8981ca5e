"""Corporate actions in paper trading: known before the open, booked where they explain a position, else a halt.

A split multiplies what is held. Where the broker's list announces it and it explains exactly what the broker holds
now, the journal books it and the past is read in the new shares; everything else is left to a person. Orders that
were decided on in the old shares are not sent, and taken back where they are at the broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from broker.errors import Refused, Unreachable
from broker.halts import HaltCause
from broker.journal.corporate import ANNOUNCED, NONE_HELD, NOTED, UNADJUSTED, WITHDRAWN, StoredAction
from broker.journal.journal import Journal
from broker.journal.records import StoredOrder
from broker.orders import AT_BROKER, WAITING, OrderStep
from broker.port import Notify
from broker.trading.cash import explain_coin_fee, read_cash_flows
from broker.trading.reconcile import TOLERANCE, Look, Reconciler
from broker.values import DIVIDEND, OTHER, SPLIT, CashFlow, CorporateAction, RawPrice, plain, split_booking
from engine.live.deciding.past import PastSplit, midnight, past_splits, split_factor
from engine.live.schedule import Session

BACK, AHEAD = timedelta(days=14), timedelta(days=60)  # span of process dates that is asked for
RETRY_S = 60.0  # between two attempts to read the list after one that failed
AGAIN_S = 300.0  # between two readings for the sake of a position that nothing explains


class ActionFeed(Protocol):
    """Where announcements come from; see `AlpacaPaper`."""

    def corporate_actions(self, symbols: Sequence[str], first: date, last: date) -> list[CorporateAction]:
        """Return what is announced for the symbols."""
        ...

    def cash_flows(self, after: datetime) -> list[CashFlow]:
        """Return the cash that moved without an order."""
        ...

    def last_prices(self, symbols: Iterable[str]) -> dict[str, RawPrice]:
        """Return the last raw trades."""
        ...


class CorporateActions:
    """Reads the lists each session, books splits, notes dividends, and stops orders from before a split.

    Args:
        zone: of the exchange; ex dates begin at its midnight.
        adjusted: whether the bars are adjusted for splits; the journal's past is then read in today's shares.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        journal: Journal,
        feed: ActionFeed,
        reconciler: Reconciler,
        zone: ZoneInfo,
        adjusted: bool,
        notify: Notify,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._feed = feed
        self._reconciler = reconciler
        self._zone = zone
        self._adjusted = adjusted
        self._notify = notify
        self._monotonic = monotonic
        self._read_for: tuple[date, date] | None = None  # session and date of the last reading
        self._read_at = float("-inf")
        self._retry_at = float("-inf")
        self._session: date | None = None
        reconciler.explain = self.explain

    def step(self, look: Look, session: Session) -> None:
        """Read the lists where that has not been done for this session and date, and see whose date has come."""
        self._session = session.day
        wanted = (session.day, look.now.astimezone(self._zone).date())
        if self._read_for != wanted and self._monotonic() >= self._retry_at and self._read(look.now):
            self._read_for = wanted
        for action in self._journal.corporate.all((ANNOUNCED,)):
            if action.ex_date <= session.day:
                self._arrive(action, look, session)
        self.stop_orders(session.day, look.now)

    def stop_orders(self, session: date, now: datetime) -> None:
        """Refuse, or take back, orders decided on before an ex date and executed on it or later.

        Quantities and prices of such an order are in shares that are no more. Dividends leave orders alone: Alpaca
        lowers resting limits by itself. The kill switch's orders are left alone too.
        """
        changes = [
            action
            for action in self._journal.corporate.all()
            if action.kind in (SPLIT, OTHER) and action.state != WITHDRAWN and action.ex_date > session - BACK
        ]
        if not changes:
            return
        for order in self._journal.orders.all(WAITING | AT_BROKER):
            for action in changes:
                if action.symbol == order.symbol and self._is_older(order, action, session):
                    self._stop(order, action, now)
                    break

    def explain(self, symbol: str, booked: Decimal, held: Decimal, now: datetime) -> bool:
        """Book the split that makes `held` out of `booked` shares, if one is announced; of a coin, its fee.

        See `split_booking` and `explain_coin_fee`.
        """
        if explain_coin_fee(self._journal, symbol, booked, held, now):
            self._notify("coin_fee", symbol, f"{plain(booked - held)} taken of the coins bought")
            return True
        if self._monotonic() - self._read_at > AGAIN_S:
            self._read(now)
        today = now.astimezone(self._zone).date()
        latest = max(today, self._session or today)
        for action in self._journal.corporate.all((ANNOUNCED, UNADJUSTED)):
            if action.symbol != symbol or action.ratio is None or not today - BACK < action.ex_date <= latest:
                continue
            booking = split_booking(booked, held, action.ratio)
            if booking is None:
                continue
            price = self._price(symbol) if booking.in_cash else Decimal(0)
            if price is None:
                return False
            text = f"{action.text}: {plain(booked)} shares became {plain(held)}"
            if booking.in_cash:
                text += f" and {plain(-booking.in_cash)} in cash at about {plain(price)}"
            self._journal.corporate.book_split(action, booking, price, now, text)
            self._notify("split", symbol, text)
            return True
        return False

    def past_splits(self, asof: datetime) -> tuple[PastSplit, ...]:
        """Return the splits that bars until `asof` are adjusted for; none where bars are not adjusted at all."""
        if not self._adjusted:
            return ()
        return tuple(split for split in past_splits(self._journal, self._zone) if split.at <= asof)

    def rescaled(
        self, closes: Mapping[str, tuple[datetime, float]], asof: datetime
    ) -> dict[str, tuple[datetime, float]]:
        """Return closes by symbol as bars until `asof` show them."""
        splits = self.past_splits(asof)
        return {
            symbol: (at, close / split_factor(splits, symbol, at)) for symbol, (at, close) in closes.items()
        }

    # inside

    def _read(self, now: datetime) -> bool:
        """Read both lists into the journal; False where the broker did not answer."""
        today = now.astimezone(self._zone).date()
        symbols = sorted({*self._reconciler.symbols, *self._journal.ledger.quantities()})
        try:
            listed = self._feed.corporate_actions(symbols, today - BACK, today + AHEAD)
            read_cash_flows(self._journal, self._feed, now, self._notify)
        except (Unreachable, Refused) as problem:
            self._retry_at = self._monotonic() + RETRY_S
            self._notify("corporate_actions", "", f"the list cannot be read: {problem}")
            return False
        self._read_at = self._monotonic()
        for action in self._journal.corporate.keep(listed, now):
            self._notify("announced", action.symbol, action.text)
        return True

    def _arrive(self, action: StoredAction, look: Look, session: Session) -> None:
        """The ex date has come: note a dividend, and see whether the broker has made the split.

        What a merger, a spin-off or a new name makes of a position is not foretold: reconciliation halts where it
        changes.
        """
        booked = self._journal.ledger.quantities().get(action.symbol, Decimal(0))
        begin = midnight(action.ex_date, self._zone)
        if action.kind == DIVIDEND and action.cash is not None and booked:
            due = f"{plain(booked)} shares held, {plain(booked * action.cash)} dollars due"
            text = f"{action.text}: {due}; booked when the broker pays, which it does not on paper"
            self._journal.corporate.settle(action, NOTED, look.now, text)
        elif look.now < begin:
            return
        elif action.kind == OTHER:
            self._journal.corporate.settle(
                action, NOTED, look.now, f"{action.text}: {plain(booked)} shares held"
            )
        elif action.kind == DIVIDEND or not self._held_before(action.symbol, begin):
            self._journal.corporate.settle(action, NONE_HELD, look.now, f"{action.text}: none held")
        elif look.now >= session.open or action.ex_date < session.day:
            self._expect(action, booked, look)

    def _held_before(self, symbol: str, moment: datetime) -> Decimal:
        """Return the quantity that the journal held at a moment."""
        fills = [
            fill.signed
            for fill, _ in self._journal.ledger.fills()
            if fill.symbol == symbol and fill.at < moment
        ]
        others = [
            quantity
            for name, quantity, _, at in self._journal.ledger.adjustments()
            if name == symbol and at < moment
        ]
        return sum((*fills, *others), Decimal(0))

    def _expect(self, action: StoredAction, booked: Decimal, look: Look) -> None:
        """Halt where the market is open in the new shares and the broker still shows the old ones."""
        if action.symbol in look.doubtful:  # the position has changed: reconciliation explains it, or halts
            return
        position = look.positions.get(action.symbol)
        held = Decimal(0) if position is None else position.quantity
        if abs(held - booked) <= TOLERANCE:
            text = (
                f"{action.text}: the broker still holds {plain(held)}; if right: live resume {action.symbol}"
            )
            self._journal.corporate.settle(action, UNADJUSTED, look.now, text)
            self._reconciler.halt(action.symbol, HaltCause.CORPORATE_ACTION, text, look.now)

    def _is_older(self, order: StoredOrder, action: StoredAction, session: date) -> bool:
        decision = self._journal.decisions.get(order.decision_id)
        if decision is None or decision.kind == "flatten":
            return False
        return decision.session < action.ex_date <= session

    def _stop(self, order: StoredOrder, action: StoredAction, now: datetime) -> None:
        reason = f"decided on before {action.text}"
        if order.state in WAITING:
            self._journal.orders.step(order.client_order_id, OrderStep.REFUSE, now, reason)
            self._notify("refused", order.symbol, f"{order.client_order_id}: {reason}")
        elif not order.cancel_wanted:
            self._journal.orders.want_cancel(order.client_order_id, now)
            self._notify("cancel", order.symbol, f"{order.client_order_id}: {reason}")

    def _price(self, symbol: str) -> Decimal | None:
        found = self._feed.last_prices([symbol]).get(symbol)
        return None if found is None else found.value
