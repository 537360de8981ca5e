"""The paper book: what it holds and waits for, and what a person may say: approve, reject, halt, flatten, resume."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from engine.web.access import BookReader, Trader, places_of
from engine.web.api.asked import OfRun, Settings
from engine.web.api.book import as_the_servers_own, journal_of, market_time, settings_of, stop
from engine.web.api.common import Asked, missing, problems
from engine.web.api.runs import folder_of
from engine.web.jobs.practising import Practice, Practices
from forewalk.errors import UsageError

router = APIRouter(tags=["live"])
Symbol = Annotated[str | None, Field(max_length=14, pattern=r"^[A-Z0-9]{1,10}(\.[A-Z]{1,3})?$")]


class HaltInForce(BaseModel):
    """A stop of a symbol, or of everything where that is null; `confirmed` is whether the broker has done it."""

    symbol: str | None
    reason: str
    since: str
    flatten: bool
    confirmed: bool


class LiveStatus(BaseModel):
    """What the book is at.

    Attributes:
        running: whether its daemon is. decided: UTC close of the last bar decided on. equity, equity_at: newest.
        positions: quantity by symbol. unfinished, waiting: orders, and those of them that wait for a person.
        halts: in force. lines: all of it in words, as `forewalk live status` prints it.
    """

    book: str
    running: bool
    decided: str | None
    equity: float | None
    equity_at: str | None
    positions: dict[str, str]
    unfinished: int
    waiting: int
    halts: list[HaltInForce]
    lines: list[str]


class WatchReading(BaseModel):
    """One watch: `level` is its sum over its limit, null where it cannot be read and `detail` says why.

    Attributes:
        since: session in which the alarm that is not over began. alarm: what a person is told of it.
    """

    watch: str
    sessions: int
    level: float | None
    since: date | None
    detail: str
    alarm: str | None


class AccountPlace(BaseModel):
    """Where the account is: growth of one unit of money since the first decision, deposits taken out.

    Attributes:
        held: growth of just holding. expected: quantiles by level that the backtest leads to expect, null for none.
        inside: the narrowest of the ranges for 50, 80 and 95 of 100 that holds the account, null for none.
    """

    decisions: int
    account: float
    held: float
    expected: dict[str, float] | None
    inside: int | None


class LiveDrift(BaseModel):
    """Whether the book still does what its backtest did.

    Attributes:
        asof: UTC close of the last bar decided on when the watches were read. silent: why there are no readings.
        account: null before the first decision. no_band: why nothing is expected of it.
    """

    asof: str | None
    readings: list[WatchReading]
    silent: str
    account: AccountPlace | None
    no_band: str


class Order(BaseModel):
    """An order of the book; `nonce` binds an approval to the order as it is shown here, null where none waits."""

    client_order_id: str
    symbol: str
    side: str
    quantity: str
    kind: str
    state: str
    filled: str
    average_price: str | None
    decided_price: str
    send_from: str
    valid_until: str
    reason: str
    nonce: str | None


class Approval(Asked):
    """The nonce that the order was shown with."""

    nonce: str = Field(min_length=8, max_length=8)


class Halt(Asked):
    """What to stop: a symbol, or everything; `flatten` closes positions at the market too."""

    symbol: Symbol = None
    reason: str = Field(default="by hand", min_length=1, max_length=200)
    flatten: bool = False


class Resume(Asked):
    """What to lift; see `forewalk live resume --help` for the rest."""

    symbol: Symbol = None
    adopt: bool = False
    new_peak: bool = False


class Said(BaseModel):
    """What came of it, in words."""

    lines: list[str]


@router.get("/live", responses=problems(404, 409))
def status(request: Request, person: BookReader) -> LiveStatus:
    """Return what the book holds, what it waits for and what is halted."""
    from broker.halts import EVERYTHING
    from broker.orders import AT_BROKER, IN_DOUBT, WAITING, OrderState
    from broker.trading.commands import status_lines
    from broker.values import plain
    from engine.live.lock import is_locked

    settings = settings_of(places_of(request, person))
    running = is_locked(settings.live.state.expanduser())
    with journal_of(settings, readonly=True) as journal:
        last, equity = journal.decisions.last(), journal.money.equity()
        halts = [
            HaltInForce(
                symbol=None if halt.scope == EVERYTHING else halt.scope,
                reason=halt.reason,
                since=halt.at.isoformat(),
                flatten=halt.flatten,
                confirmed=halt.confirmed_at is not None,
            )
            for halt in journal.halts.in_force()
        ]
        return LiveStatus(
            book=settings.live.book,
            running=running,
            decided=last.asof.isoformat() if last else None,
            equity=float(equity[-1][2]) if equity else None,
            equity_at=equity[-1][1].isoformat() if equity else None,
            positions={name: plain(held) for name, held in sorted(journal.ledger.quantities().items())},
            unfinished=len(journal.orders.all(AT_BROKER | IN_DOUBT | WAITING)),
            waiting=len(journal.orders.all({OrderState.AWAIT_APPROVAL, OrderState.NEEDS_HUMAN})),
            halts=halts,
            lines=status_lines(journal, running),
        )


@router.get("/live/drift", responses=problems(404, 409))
def drift(request: Request, person: BookReader) -> LiveDrift:
    """Return what the watches said after the last session, and where the account is in its backtest's band."""
    from engine.live.watch.facts import account
    from engine.live.watch.summary import account_history, expected_band
    from engine.web.screens.quant.drift import place_of, readings_of, unread

    settings = settings_of(places_of(request, person))
    with journal_of(settings, readonly=True) as journal:
        place, why_not = None, ""
        own = account(journal)
        if len(own.times):
            expected, why_not = expected_band(settings, len(own.times))
            held = account_history(journal, settings)["benchmark"].to_numpy(dtype="float64")
            place = AccountPlace(**asdict(place_of(own, held, expected)))
    found, problem = readings_of(settings.live.state.expanduser())
    readings = [WatchReading(**asdict(each), alarm=each.alarm) for each in found.readings] if found else []
    silent = problem or (found.problem if found else "") or ("" if readings else unread(settings))
    asof = found.asof.isoformat() if found else None
    return LiveDrift(asof=asof, readings=readings, silent=silent, account=place, no_band=why_not)


@router.get("/live/orders", responses=problems(404, 409))
def orders(
    request: Request,
    person: BookReader,
    everything: Annotated[bool, Query(alias="all", description="Finished orders too.")] = False,
) -> list[Order]:
    """Return the orders that are not finished, or all."""
    from broker.orders import FINAL

    with journal_of(settings_of(places_of(request, person)), readonly=True) as journal:
        found = journal.orders.all()
        return [_order(each) for each in found if everything or each.state not in FINAL]


@router.post("/live/orders/{order_id}/approve", responses=problems(404, 409, 502))
def approve(request: Request, person: Trader, order_id: str, approval: Approval) -> Order:
    """Let an order go out, if it is still the one that was shown; the daemon sends it."""
    from broker.trading import commands

    settings = settings_of(places_of(request, person))
    with journal_of(settings) as journal:
        if journal.orders.get(order_id) is None:
            raise missing("such order")
        try:
            commands.approve(journal, order_id, approval.nonce, market_time(settings))
        except UsageError as problem:
            raise HTTPException(409, str(problem)) from None
        return _order(journal.orders.get(order_id))


@router.post("/live/orders/{order_id}/reject", responses=problems(404, 409))
def reject(request: Request, person: Trader, order_id: str) -> Order:
    """Say no to an order that waits."""
    from broker.trading import commands

    with journal_of(settings_of(places_of(request, person))) as journal:
        if journal.orders.get(order_id) is None:
            raise missing("such order")
        try:
            commands.reject(journal, order_id, commands.now_utc())
        except UsageError as problem:
            raise HTTPException(409, str(problem)) from None
        return _order(journal.orders.get(order_id))


@router.post("/live/halt", responses=problems(404, 409, 502))
def halt(request: Request, person: Trader, asked: Halt) -> Said:
    """Stop a symbol or everything until `resume`: open orders are cancelled, positions closed if asked."""
    settings = settings_of(places_of(request, person))
    reason = f"{asked.reason} ({person.name})"
    return Said(lines=stop(settings, asked.symbol, reason, asked.flatten))


@router.post("/live/resume", responses=problems(404, 409, 502))
def resume(request: Request, person: Trader, asked: Resume) -> Said:
    """Lift a halt after a look at the account; one that would begin again is not lifted, and it is said why."""
    from broker.trading.resuming import Wishes
    from engine.live.job import resume_book

    settings = settings_of(places_of(request, person))
    with journal_of(settings) as journal:
        try:
            with as_the_servers_own():
                lines = resume_book(settings, journal, asked.symbol, Wishes(asked.adopt, asked.new_peak))
        except UsageError as problem:
            raise HTTPException(409, str(problem)) from None
    return Said(lines=lines)


@router.get("/live/practice", responses=problems(409))
def practice(request: Request, person: BookReader) -> Practice:
    """Return what the team's practice book is at: the daemon on a simulator, over past days."""
    return _practices(request).look(places_of(request, person))


@router.post("/live/practice", status_code=202, responses=problems(404, 409))
def begin_practice(request: Request, person: Trader, asked: OfRun | Settings) -> Practice:
    """Begin to practise with the models of a run, or with one trained by settings ({}: a small one of the sample).

    No account is needed. Its orders wait for approval; once all are answered, the market opens and fills them.
    """
    places = places_of(request, person)
    if isinstance(asked, OfRun):
        folder_of(request, person, asked.run)
        return _practices(request).begin(places, asked.run, {})
    return _practices(request).begin(places, None, asked.settings)


@router.post("/live/practice/next", status_code=202, responses=problems(409))
def next_day(request: Request, person: Trader) -> Practice:
    """Let the next day come; orders that nobody approved are left."""
    return _practices(request).next_day(places_of(request, person))


@router.post("/live/practice/end", responses=problems(409))
def end_practice(request: Request, person: Trader) -> Practice:
    """End it; the book can still be read."""
    return _practices(request).end(places_of(request, person))


def _practices(request: Request) -> Practices:
    found: Practices = request.app.state.practices
    return found


@router.get("/models", tags=["models"], responses=problems(404, 409, 502))
def models(request: Request, person: BookReader) -> list[dict[str, Any]]:
    """Return the models of the book, the oldest first, with lineage and age."""
    from engine.live.models.registry import listed

    settings = settings_of(places_of(request, person))
    folder = settings.live.state.expanduser() / "models"
    with journal_of(settings, readonly=True) as journal:
        return [entry.to_json() for entry in listed(journal, settings, folder, market_time(settings))]


def _order(stored: Any) -> Order:
    from broker.orders import OrderState
    from broker.trading.commands import nonce
    from broker.values import plain

    return Order(
        client_order_id=stored.client_order_id,
        symbol=stored.symbol,
        side=str(stored.side),
        quantity=plain(stored.quantity),
        kind=stored.kind,
        state=str(stored.state),
        filled=plain(stored.filled),
        average_price=None if stored.average_price is None else plain(stored.average_price),
        decided_price=plain(stored.decided_price),
        send_from=stored.send_from.isoformat(),
        valid_until=stored.valid_until.isoformat(),
        reason=stored.reason,
        nonce=nonce(stored) if stored.state == OrderState.AWAIT_APPROVAL else None,
    )
