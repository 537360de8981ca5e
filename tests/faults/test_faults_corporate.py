"""Splits and dividends: booked where the list explains exactly what the broker holds, else the symbol is halted."""

import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

BUY = {"strategy": "fault_strategies:BuyOnce"}
EX_DAY = "2026-03-06"


def bought(scene):
    """Ten shares of AAPL, bought at the open of 5 March; it is half a minute after that open."""
    scene.decide_and_send(**BUY)
    assert scene.positions() == {"AAPL": 10}


def to_ex_day(scene, **live):
    """Decide at the close before the ex day, and look again when the market is open on it."""
    scene.after_close()
    scene.once(**BUY | live)
    scene.after_open()
    scene.once(**BUY | live)


def adjustments(scene):
    with scene.journal() as journal:
        return [(symbol, quantity, price) for symbol, quantity, price, _ in journal.ledger.adjustments()]


def actions(scene):
    with scene.journal() as journal:
        return {action.text.partition(":")[2].strip(): action.state for action in journal.corporate.all()}


def cash_of_journal(scene, opening=100_000):
    """The cash that the journal's own lines add up to."""
    with scene.journal() as journal:
        traded = sum(-fill.signed * fill.price for fill, _ in journal.ledger.fills())
        return opening + traded + sum(flow.amount for flow in journal.money.cash_flows())


@pytest.mark.row(37)
@pytest.mark.parametrize(
    ("new", "old", "held", "in_lieu"),
    [(10, 1, 100, 0), (3, 2, 15, 0), (1, 2, 5, 0), (1, 4, 2, Decimal("-0.5")), (1, 20, 0, Decimal("-0.5"))],
    ids=["10:1", "3:2", "1:2", "1:4 with a fraction", "1:20, all in cash"],
)
def test_a_split_that_is_announced_is_booked_and_halts_nothing(scene, new, old, held, in_lieu):
    bought(scene)
    scene.control.split(symbol="AAPL", new=new, old=old)
    to_ex_day(scene)
    assert scene.halts() == []
    assert scene.ledger().get("AAPL", 0) == held
    split, *fraction = adjustments(scene)
    assert split == ("AAPL", held - 10 - in_lieu, 0)
    assert [quantity for _, quantity, _ in fraction] == ([in_lieu] if in_lieu else [])
    assert list(actions(scene).values()) == ["booked"]
    slack = abs(in_lieu) * 2 * old / new  # two dollars on a hundred: a fraction is booked at the last trade
    assert abs(Decimal(scene.truth()["cash"]) - cash_of_journal(scene)) <= slack
    scene.check()


@pytest.mark.row(37)
def test_after_a_split_the_strategy_remembers_its_entry_in_the_new_shares_and_trades_on(scene):
    leave = {"strategy": "fault_strategies:LeaveLater"}
    scene.decide_and_send(**leave)
    scene.control.split(symbol="AAPL", new=10)
    for _ in range(3):
        scene.decide_and_send(**leave)
    bought, sold = scene.orders()
    assert (bought.quantity, bought.average_price) == (10, Decimal("102.2"))
    assert (sold.quantity, sold.reason) == (100, "bought at 10.22")
    assert scene.ledger() == scene.positions() == {}
    assert scene.halts() == []
    scene.check()


@pytest.mark.row(37)
def test_a_split_is_booked_once_over_restarts_and_over_a_kill_while_it_is_looked_at(scene):
    bought(scene)
    scene.control.split(symbol="AAPL", new=10)
    scene.after_close()
    scene.once(**BUY)
    scene.after_open()
    scene.once("during_reconcile:kill9:2", **BUY)
    for _ in range(2):
        assert scene.once(**BUY) == 0
    assert adjustments(scene) == [("AAPL", 90, 0)]
    scene.check()


@pytest.mark.row(11)
def test_a_kill_while_a_journal_learns_of_splits_leaves_the_version_before(scene):
    """The second migration adds what splits need; the first has made the journal."""
    scene.after_close()
    assert scene.once("during_migration:kill9:2", **BUY) == -9
    with closing(sqlite3.connect(scene.state / "journal.db")) as journal:
        assert journal.execute("PRAGMA user_version").fetchone() == (1,)
        names = {row[1] for row in journal.execute("PRAGMA table_info(adjustments)")}
    assert "kind" not in names
    assert scene.once(**BUY) == 0
    scene.after_open()
    assert scene.once(**BUY) == 0
    assert scene.ledger() == {"AAPL": 10}
    scene.check()


@pytest.mark.row(37)
def test_a_split_that_is_announced_and_not_made_halts_the_symbol_once(scene):
    bought(scene)
    scene.control.split(symbol="AAPL", new=10, adjusts=False)
    to_ex_day(scene)
    ((scope, reason),) = scene.halts()
    assert (scope, "the broker still holds 10" in reason) == ("AAPL", True)
    assert scene.command("resume", "AAPL")[0] == 0
    scene.once(**BUY)
    assert scene.halts() == []
    assert adjustments(scene) == []
    scene.check()


@pytest.mark.row(37)
@pytest.mark.parametrize(
    "other", [{"announced": False}, {"day": "2026-04-01"}], ids=["in no list", "listed for another day"]
)
def test_a_position_that_no_announcement_of_this_day_explains_halts_the_symbol(scene, other):
    bought(scene)
    if "day" in other:
        scene.control.split(symbol="AAPL", new=10, adjusts=False, **other)
    scene.control.split(symbol="AAPL", new=10, announced=False)
    to_ex_day(scene)
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    assert adjustments(scene) == []


@pytest.mark.row(37)
@pytest.mark.parametrize("held", ["99", "101", "100.5", "-100"])
def test_a_position_that_the_split_explains_only_nearly_halts_the_symbol(scene, held):
    bought(scene)
    scene.control.split(symbol="AAPL", new=10)
    scene.after_close()
    scene.once(**BUY)
    scene.after_open()
    scene.control.set_position(symbol="AAPL", qty=held)
    scene.once(**BUY)
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    assert adjustments(scene) == []


@pytest.mark.row(37)
def test_a_split_that_the_list_tells_of_too_late_is_booked_and_the_halt_left_to_a_person(scene):
    bought(scene)
    scene.control.split(symbol="AAPL", new=10, announced=False)
    to_ex_day(scene)
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    scene.control.split(symbol="AAPL", new=10, day=EX_DAY, adjusts=False, rescale=False)
    scene.once(**BUY)
    assert adjustments(scene) == [("AAPL", 90, 0)]
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    scene.check()


@pytest.mark.row(59)
@pytest.mark.parametrize("send", ["at_open", "after_close"])
def test_an_order_decided_on_before_a_split_is_not_executed_after_it(scene, send):
    """Alternate wants to sell its ten old shares of AAPL and MSFT each; only MSFT's order goes out."""
    scene.decide_and_send()
    scene.control.split(symbol="AAPL", new=10)
    scene.after_close()
    scene.once(send=send)
    scene.after_open()
    scene.once(send=send)
    assert scene.ledger() == scene.positions() == {"AAPL": 100}
    (refused,) = scene.orders("refused")
    assert (refused.symbol, "decided on before AAPL: split 10 for 1" in refused.reason) == ("AAPL", True)
    assert scene.halts() == []
    scene.check()


@pytest.mark.row(59)
def test_a_resting_order_is_taken_back_the_evening_before_a_split(scene):
    resting = {"strategy": "fault_strategies:RestingLimit"}
    scene.decide_and_send(**resting)
    assert scene.states() == ["acked"]
    scene.control.split(symbol="AAPL", new=10)
    scene.after_close()
    for _ in range(2):
        scene.once(**resting)
    assert scene.orders()[0].state == "canceled"
    scene.after_open()
    scene.once(**resting)
    assert [order["status"] for order in scene.broker_orders().values()] == ["canceled"]
    scene.check()


@pytest.mark.row(59)
def test_a_resting_order_that_the_broker_has_split_itself_is_followed_and_taken_back(scene):
    """The daemon is down on the evening before: the broker replaces the order by one over ten times the shares."""
    resting = {"strategy": "fault_strategies:RestingLimit"}
    scene.decide_and_send(**resting)
    scene.control.split(symbol="AAPL", new=10)
    scene.after_close()
    scene.after_open()
    for _ in range(2):
        scene.once(**resting)
    assert scene.states() == ["canceled", "replaced"]
    scene.check()


def test_a_dividend_is_noted_and_not_expected_because_paper_accounts_are_paid_none(scene):
    bought(scene)
    scene.control.dividend(symbol="AAPL", rate="0.25")
    to_ex_day(scene)
    assert actions(scene) == {f"dividend of 0.25 dollars a share, ex {EX_DAY}": "noted"}
    assert any("10 shares held, 2.5 dollars due" in text for text in scene.events("noted"))
    assert (scene.halts(), adjustments(scene)) == ([], [])
    assert Decimal(scene.truth()["cash"]) == cash_of_journal(scene)
    scene.check()


def test_a_dividend_that_the_broker_pays_is_booked_once_and_the_cash_adds_up(scene):
    bought(scene)
    scene.control.dividend(symbol="AAPL", rate="0.25", payable="2026-03-09", paid=True)
    for _ in range(3):
        to_ex_day(scene)
    with scene.journal() as journal:
        assert [(flow.symbol, flow.amount) for flow in journal.money.cash_flows()] == [
            ("AAPL", Decimal("2.5"))
        ]
    assert Decimal(scene.truth()["cash"]) == cash_of_journal(scene)
    assert scene.halts() == []
    scene.check()


@pytest.mark.parametrize("route", ["GET /v1/corporate-actions", "GET /v2/account/activities/DIV"])
@pytest.mark.parametrize(
    "fault", [{"action": "status", "status": 500}, {"action": "truncate"}, {"action": "empty"}], ids=str
)
def test_a_list_that_cannot_be_read_stops_no_trading_and_explains_nothing(scene, route, fault):
    scene.control.http_fault(route=route, when="after", count=None, **fault)
    bought(scene)
    scene.control.split(symbol="AAPL", new=10)
    to_ex_day(scene)
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    scene.control.clear_faults()
    scene.once(**BUY)
    assert adjustments(scene) == [("AAPL", 90, 0)]
    scene.check()


def test_what_is_announced_shows_in_the_status(scene):
    bought(scene)
    scene.control.split(symbol="AAPL", new=10, day="2026-03-20")
    scene.after_close()
    scene.once(**BUY)
    code, said = scene.command("status")
    assert (code, "AAPL: split 10 for 1, ex 2026-03-20" in said) == (0, True), said


def test_an_announcement_that_leaves_the_list_is_withdrawn(scene):
    bought(scene)
    scene.control.snapshot(name="before")
    scene.control.split(symbol="AAPL", new=10, day="2026-03-20")
    scene.after_close()
    scene.once(**BUY)
    assert list(actions(scene).values()) == ["announced"]
    scene.control.restore(name="before")
    to_ex_day(scene)
    assert list(actions(scene).values()) == ["withdrawn"]
