"""Corporate actions: what the list says, what a split makes of a position, and what the journal keeps of it."""

import json
import os
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.alpaca.answers import BadAnswer, cash_flow
from broker.alpaca.corporate import corporate_actions
from broker.journal.corporate import ANNOUNCED, BOOKED, NONE_HELD, WITHDRAWN
from broker.journal.journal import Journal
from broker.journal.schema import MIGRATIONS
from broker.values import DIVIDEND, OTHER, SPLIT, CashFlow, CorporateAction, SplitBooking, split_booking

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
DATA = Path(os.environ.get("FOREWALK_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
RECORDED = DATA / "payloads" / "alpaca" / "data__test_corporate_actions__test_get_corporate_actions__0.json"
SHARES = st.decimals(min_value=-100_000, max_value=100_000, places=6).filter(lambda shares: shares != 0)
RATES = st.integers(min_value=1, max_value=50)


@given(SHARES, RATES, RATES)
def test_what_a_split_explains_adds_up_to_what_is_held(before, new, old):
    ratio = Decimal(new) / Decimal(old)
    exact = before * ratio
    for after in (exact, Decimal(int(exact))):
        booking = split_booking(before, after, ratio)
        if booking is not None:
            assert abs(before + booking.added + booking.in_cash - after) <= Decimal("1e-6")
            assert abs(booking.in_cash) < 1
            assert booking.in_cash * before <= 0  # a fraction is given up, never gained


@given(SHARES, RATES, RATES, st.decimals(min_value=-5, max_value=5, places=5))
def test_a_split_explains_the_whole_shares_or_all_of_them_and_nothing_else(before, new, old, off):
    exact = before * Decimal(new) / Decimal(old)
    after = exact + off
    explained = split_booking(before, after, Decimal(new) / Decimal(old)) is not None
    near = min(abs(off), abs(after - int(exact)))
    if near > Decimal("2e-6"):
        assert not explained


@pytest.mark.parametrize(
    ("before", "after", "ratio", "booking"),
    [
        ("10", "100", "10", SplitBooking(Decimal(90), Decimal(0))),
        ("-10", "-100", "10", SplitBooking(Decimal(-90), Decimal(0))),
        ("10", "2.5", "0.25", SplitBooking(Decimal("-7.5"), Decimal(0))),
        ("10", "2", "0.25", SplitBooking(Decimal("-7.5"), Decimal("-0.5"))),
        ("3", "0", "0.25", SplitBooking(Decimal("-2.25"), Decimal("-0.75"))),
        ("10", "10", "10", None),  # nothing has happened
        ("10", "3", "0.25", None),  # rounded up: a person looks at that
        ("10", "90", "10", None),
        ("0", "90", "10", None),
    ],
)
def test_how_a_split_explains_a_position(before, after, ratio, booking):
    assert split_booking(Decimal(before), Decimal(after), Decimal(ratio)) == booking


def page(**groups):
    return {"corporate_actions": groups, "next_page_token": None}


BASE = {"id": "1", "symbol": "AAPL", "ex_date": "2026-03-06", "process_date": "2026-03-06"}


@pytest.mark.parametrize(
    ("group", "item", "kind", "ratio", "cash"),
    [
        ("forward_splits", {"new_rate": 3, "old_rate": 2}, SPLIT, "1.5", None),
        ("reverse_splits", {"new_rate": 1, "old_rate": 20}, SPLIT, "0.05", None),
        ("reverse_splits", {"new_rate": 1, "old_rate": 20, "new_symbol": "APPL"}, OTHER, None, None),
        ("stock_dividends", {"rate": 0.05}, SPLIT, "1.05", None),
        ("cash_dividends", {"rate": 0.125}, DIVIDEND, None, "0.125"),
        ("spin_offs", {"symbol": None, "source_symbol": "AAPL"}, OTHER, None, None),
        ("cash_mergers", {"symbol": None, "acquiree_symbol": "AAPL", "rate": 5}, OTHER, None, None),
        ("what_comes_next_year", {}, OTHER, None, None),
    ],
)
def test_an_entry_of_the_list_is_a_split_a_dividend_or_something_for_a_person(group, item, kind, ratio, cash):
    (action,) = corporate_actions(page(**{group: [BASE | item]}), ("AAPL",))
    numbers = [None if number is None else Decimal(number) for number in (ratio, cash)]
    assert (action.kind, action.ratio, action.cash) == (kind, *numbers)
    assert (action.symbol, action.ex_date) == ("AAPL", date(2026, 3, 6))


@pytest.mark.parametrize(
    "item",
    [
        {"new_rate": 0, "old_rate": 1},
        {"new_rate": "NaN", "old_rate": 1},
        {"new_rate": True, "old_rate": 1},
        {"old_rate": 1},
        {"new_rate": 2, "old_rate": 1, "ex_date": "soon"},
    ],
    ids=str,
)
def test_an_entry_that_cannot_be_read_is_left_out_and_the_others_stay(item):
    items = [BASE | item, BASE | {"id": "2", "new_rate": 2, "old_rate": 1}, "nonsense"]
    assert [action.ratio for action in corporate_actions(page(forward_splits=items), ("AAPL",))] == [2]


@pytest.mark.parametrize("body", [None, [], {}, {"corporate_actions": []}])
def test_a_page_without_a_list_is_no_answer(body):
    with pytest.raises(BadAnswer):
        corporate_actions(body, ("AAPL",))


def test_what_concerns_other_symbols_is_left_out():
    assert corporate_actions(page(cash_dividends=[BASE | {"rate": 1}]), ("MSFT",)) == []


def test_the_recorded_answer_is_read_whole():
    if not RECORDED.is_file():
        pytest.skip(f"no recorded answer at {RECORDED}")
    body = json.loads(RECORDED.read_text())
    items = [item for group in body["corporate_actions"].values() for item in group]
    names = {str(value) for item in items for key, value in item.items() if "symbol" in key}
    found = corporate_actions(body, names)
    assert len({action.id.split()[0] for action in found}) == len(items)


PAID = {"id": "1", "activity_type": "DIV", "date": "2026-03-06", "net_amount": "2.5"}


@pytest.mark.parametrize("body", [{}, PAID | {"net_amount": "NaN"}, PAID | {"date": "soon"}, None])
def test_a_cash_flow_that_cannot_be_read_is_no_answer(body):
    with pytest.raises(BadAnswer):
        cash_flow(body)


# the journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal
    journal.close()


def split_of(symbol="AAPL", ratio="10", day=date(2026, 3, 6), name="1"):
    return CorporateAction(name, SPLIT, symbol, day, Decimal(ratio), None, f"{symbol}: split, ex {day}")


def states(journal):
    return {action.action_id: action.state for action in journal.corporate.all()}


def test_an_announcement_is_new_once_and_follows_the_list_until_it_has_happened(journal):
    assert journal.corporate.keep([split_of()], NOW) == [split_of()]
    assert journal.corporate.keep([split_of()], NOW) == []
    journal.corporate.keep([split_of(ratio="20", day=date(2026, 3, 9))], NOW)
    (kept,) = journal.corporate.all()
    assert (kept.ratio, kept.ex_date, kept.state) == (20, date(2026, 3, 9), ANNOUNCED)
    journal.corporate.settle(kept, NONE_HELD, NOW, "none held")
    journal.corporate.keep([split_of(ratio="30")], NOW)
    assert [(action.ratio, action.state) for action in journal.corporate.all()] == [(20, NONE_HELD)]


def test_an_announcement_that_goes_is_withdrawn_and_may_come_back(journal):
    journal.corporate.keep([split_of()], NOW)
    journal.corporate.keep([], NOW)
    assert states(journal) == {"1": WITHDRAWN}
    assert journal.corporate.keep([split_of()], NOW) == [split_of()]
    assert states(journal) == {"1": ANNOUNCED}


@pytest.mark.parametrize("in_cash", ["0", "-0.5"])
def test_a_split_is_booked_in_shares_and_cash_at_once(journal, in_cash):
    journal.ledger.adjust("AAPL", Decimal(10), Decimal(100), NOW, "adopted")
    journal.corporate.keep([split_of(ratio="0.25")], NOW)
    (action,) = journal.corporate.all()
    journal.corporate.book_split(
        action, SplitBooking(Decimal("-7.5"), Decimal(in_cash)), Decimal(400), NOW, "split"
    )
    assert journal.ledger.quantities() == {"AAPL": Decimal("2.5") + Decimal(in_cash)}
    assert sum(flow.amount for flow in journal.money.cash_flows()) == -Decimal(in_cash) * 400
    assert states(journal) == {"1": BOOKED}
    assert [action.action_id for action in journal.corporate.splits()] == ["1"]
    kept = journal.ledger.adjustments(without_splits_of={"AAPL"})
    assert [quantity for _, quantity, _, _ in kept] == [10, *([Decimal(in_cash)] if Decimal(in_cash) else [])]


def test_a_dividend_is_booked_once_for_ever(journal):
    flow = CashFlow("20260306::1", "dividend", "AAPL", Decimal("2.5"), date(2026, 3, 6))
    assert journal.money.add_cash_flows([flow], NOW) == [flow]
    assert journal.money.add_cash_flows([flow], NOW) == []
    assert journal.money.cash_flows() == [flow]


def test_a_journal_of_the_first_version_is_brought_up_to_date_with_what_it_holds(tmp_path):
    path = tmp_path / "journal.db"
    old = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        old.execute(statement)
    old.execute("INSERT INTO meta VALUES ('book', 'paper')")
    old.execute(
        "INSERT INTO adjustments (symbol, quantity, price, at, reason) VALUES ('AAPL', '7', '100', ?, 'adopted')",
        (NOW.isoformat(timespec="microseconds"),),
    )
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    journal = Journal(path, "paper")
    assert journal.ledger.quantities() == {"AAPL": 7}
    assert journal.ledger.adjustments() == [("AAPL", 7, 100, NOW)]
    assert journal.corporate.all() == journal.money.cash_flows() == []
    journal.close()
