"""The past read in today's shares, and when an announcement is taken for what has happened."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import backtrader as bt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.journal.corporate import ANNOUNCED, NONE_HELD, NOTED, UNADJUSTED
from broker.journal.journal import Journal
from broker.values import DIVIDEND, OTHER, SPLIT, CorporateAction, SplitBooking
from engine.live.deciding.corporate import CorporateActions
from engine.live.deciding.past import PastSplit, account_state, split_factor
from engine.live.schedule import Session
from engine.simulation.capture import CaptureBroker
from engine.simulation.cerebro import build_cerebro
from engine.simulation.orders import AccountState, PastFill, PastOrder
from helpers.live_values import live_settings, some_bars

NEW_YORK = ZoneInfo("America/New_York")
EX = date(2026, 3, 6)
MIDNIGHT = datetime(2026, 3, 6, 5, tzinfo=UTC)
OPEN = datetime(2026, 3, 6, 14, 30, tzinfo=UTC)
SESSION = Session(EX, OPEN, OPEN + timedelta(hours=6.5))
BEFORE, AFTER = OPEN - timedelta(days=1), OPEN + timedelta(minutes=1)


class Feed:
    """Lists what it was given."""

    def __init__(self, *listed):
        self.listed = list(listed)
        self.readings = 0

    def corporate_actions(self, symbols, first, last):
        self.readings += 1
        return self.listed

    def cash_flows(self, after):
        return []

    def last_prices(self, symbols):
        return {}


def ten_for_one(day=EX):
    return CorporateAction(f"{day}", SPLIT, "AAPL", day, Decimal(10), None, f"AAPL: split 10 for 1, ex {day}")


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal
    journal.close()


@pytest.fixture
def halts():
    return []


def actions_of(journal, feed, halts, adjusted=True, clock=lambda: 0.0):
    reconciler = SimpleNamespace(symbols=("AAPL",), halt=lambda scope, cause, text, now: halts.append(scope))
    return CorporateActions(journal, feed, reconciler, NEW_YORK, adjusted, lambda *_: None, clock)


def look(now, held=None):
    positions = {} if held is None else {"AAPL": SimpleNamespace(quantity=Decimal(held))}
    return SimpleNamespace(now=now, positions=positions, doubtful=frozenset())


def hold(journal, shares, at):
    journal.ledger.adjust("AAPL", Decimal(shares), Decimal(100), at, "bought")


# when an announcement is taken for what has happened


@pytest.mark.parametrize(
    ("now", "held_since", "state", "halted"),
    [
        (BEFORE, BEFORE, ANNOUNCED, False),  # its day has not come
        (MIDNIGHT + timedelta(hours=1), BEFORE, ANNOUNCED, False),  # the broker has until the open
        (AFTER, BEFORE, UNADJUSTED, True),
        (AFTER + timedelta(days=3), BEFORE, UNADJUSTED, True),  # seen late only
        (AFTER, AFTER, NONE_HELD, False),  # bought, or taken over, in the new shares
        (AFTER, None, NONE_HELD, False),
        (MIDNIGHT - timedelta(hours=1), None, ANNOUNCED, False),  # the bars are in old shares still
    ],
)
def test_an_announced_split_that_the_position_does_not_show(journal, halts, now, held_since, state, halted):
    if held_since is not None:
        hold(journal, 10, held_since)
    actions = actions_of(journal, Feed(ten_for_one()), halts)
    actions.step(look(now, 10 if held_since else None), SESSION)
    assert [action.state for action in journal.corporate.all()] == [state]
    assert halts == (["AAPL"] if halted else [])


@pytest.mark.parametrize(
    ("kind", "shares", "state"),
    [(DIVIDEND, 10, NOTED), (DIVIDEND, 0, NONE_HELD), (OTHER, 10, NOTED), (OTHER, 0, NOTED)],
)
def test_a_dividend_or_a_merger_is_written_down_and_halts_nothing_by_itself(
    journal, halts, kind, shares, state
):
    hold(journal, shares, BEFORE)
    cash = Decimal("0.5") if kind == DIVIDEND else None
    actions = actions_of(journal, Feed(CorporateAction("1", kind, "AAPL", EX, None, cash, "AAPL")), halts)
    actions.step(look(AFTER, shares), SESSION)
    assert [action.state for action in journal.corporate.all()] == [state]
    assert (halts, journal.corporate.splits()) == ([], [])


def test_the_list_is_read_once_for_each_session_and_date(journal, halts):
    feed = Feed()
    actions = actions_of(journal, feed, halts)
    for minutes in (0, 1, 60):
        actions.step(look(OPEN + timedelta(minutes=minutes)), SESSION)
    assert feed.readings == 1
    monday = Session(date(2026, 3, 9), OPEN + timedelta(days=3), OPEN + timedelta(days=3, hours=6))
    actions.step(look(SESSION.close), monday)  # the evening before
    actions.step(look(monday.open - timedelta(hours=5)), monday)  # the morning
    assert feed.readings == 3


@pytest.mark.parametrize(("held", "explained"), [(100, True), (99, False), (-100, False), (10, False)])
def test_only_the_announced_ratio_explains_a_position(journal, halts, held, explained):
    hold(journal, 10, BEFORE)
    actions = actions_of(journal, Feed(ten_for_one()), halts)
    assert actions.explain("AAPL", Decimal(10), Decimal(held), AFTER) is explained
    assert journal.ledger.quantities() == {"AAPL": 100 if explained else 10}


@pytest.mark.parametrize("days", [-20, 4])
def test_a_split_of_another_time_explains_nothing(journal, halts, days):
    hold(journal, 10, BEFORE)
    actions = actions_of(journal, Feed(ten_for_one(EX + timedelta(days=days))), halts)
    assert not actions.explain("AAPL", Decimal(10), Decimal(100), AFTER)


def test_a_fraction_without_a_price_is_not_booked(journal, halts):
    hold(journal, 10, BEFORE)
    quarter = CorporateAction("1", SPLIT, "AAPL", EX, Decimal("0.25"), None, "AAPL: split 1 for 4")
    actions = actions_of(journal, Feed(quarter), halts)
    assert not actions.explain("AAPL", Decimal(10), Decimal(2), AFTER)
    assert journal.ledger.quantities() == {"AAPL": 10}


# the past in today's shares


@given(
    st.lists(st.integers(min_value=-30, max_value=30), max_size=4), st.integers(min_value=-30, max_value=30)
)
def test_a_share_is_multiplied_by_every_split_after_it(days, day):
    splits = [PastSplit("AAPL", OPEN + timedelta(days=at), 2.0) for at in days]
    factor = split_factor(splits, "AAPL", OPEN + timedelta(days=day))
    assert factor == 2.0 ** sum(at > day for at in days)
    assert split_factor(splits, "MSFT", OPEN + timedelta(days=day)) == 1.0


def booked(journal):
    """Ten shares bought at 100 before a split of ten for one that was booked."""
    hold(journal, 10, BEFORE)
    journal.corporate.keep([ten_for_one()], OPEN)
    journal.corporate.book_split(
        journal.corporate.all()[0], SplitBooking(Decimal(90), Decimal(0)), Decimal(0), OPEN, "split"
    )


@pytest.mark.parametrize(("adjusted", "quantities"), [(True, [100.0]), (False, [10.0, 90.0])])
def test_a_position_from_before_a_split_costs_what_it_did(journal, halts, adjusted, quantities):
    booked(journal)
    splits = actions_of(journal, Feed(), halts, adjusted).past_splits(AFTER)
    state = account_state(journal, Decimal(1000), BEFORE - timedelta(days=1), splits)
    assert [fill.quantity for order in state.past for fill in order.fills] == quantities
    assert state.positions == {"AAPL": (100.0, 10.0)}


def test_closes_are_rescaled_from_the_ex_date_on_and_not_before(journal, halts):
    booked(journal)
    actions = actions_of(journal, Feed(), halts)
    known = {"AAPL": (BEFORE, 100.0), "MSFT": (BEFORE, 50.0)}
    assert actions.rescaled(known, MIDNIGHT - timedelta(seconds=1)) == known
    assert actions.rescaled(known, AFTER) == {"AAPL": (BEFORE, 10.0), "MSFT": (BEFORE, 50.0)}
    assert actions.rescaled({"AAPL": (AFTER, 10.0)}, AFTER) == {"AAPL": (AFTER, 10.0)}


class Fixed(bt.Strategy):
    """Buy ten shares at the second bar, whatever they cost."""

    said = ()

    def __init__(self):
        Fixed.said = self.heard = []

    def next(self):
        if len(self) == 2:
            self.buy(size=10)

    def notify_order(self, order):
        self.heard.append((order.getstatusname(), order.executed.size, order.executed.remsize))


def test_an_order_over_the_old_shares_is_completed_by_its_execution_in_the_new_ones():
    bars = some_bars(sessions=6)
    closes = [moment.to_pydatetime() for moment in bars.timestamps]
    fill = PastFill(100.0, 10.0, closes[2] - timedelta(hours=1))
    account = AccountState(1e5, {"AAPL": (100.0, 10.0)}, [PastOrder("id", closes[1], "AAPL", 100.0, (fill,))])
    build_cerebro(bars, live_settings().execution, Fixed, {}, broker=CaptureBroker(account, closes)).run()
    assert Fixed.said[-1] == ("Completed", 100.0, 0.0)
