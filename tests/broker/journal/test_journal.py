"""The journal remembers each thing once, survives, and refuses what it cannot keep."""

import sqlite3
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.halts import EVERYTHING, HaltCause
from broker.journal.file import JournalUnwritable
from broker.journal.journal import Journal
from broker.journal.schema import MIGRATIONS
from broker.orders import OrderState, OrderStep
from forewalk.errors import DataError
from helpers.book_values import ASOF, NOW, a_decision, a_fill, a_new_order, a_report, a_target

ID = "paper-20261119-AAPL-m-0"


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path / "journal.db", "paper")
    yield opened
    opened.close()


@pytest.fixture
def with_order(journal):
    journal.decisions.record(a_decision(), [a_target()], [a_new_order()], ask=False)
    return journal


def at_broker(journal):
    journal.orders.step(ID, OrderStep.INTEND, NOW)
    journal.orders.submitting(ID, NOW)
    return journal.orders.report(ID, a_report(), NOW)


def test_what_was_written_is_read_back_by_another_process(with_order):
    other = Journal(with_order.path, "paper", readonly=True)
    assert other.decisions.last() == a_decision()
    assert other.decisions.targets("paper-20261119T2100") == [a_target()]
    assert other.orders.get(ID).quantity == Decimal(10)
    other.close()


def test_a_bar_is_decided_once(with_order):
    again = with_order.decisions.record(a_decision(), [], [a_new_order("paper-20261119-IBM-m-0")], ask=False)
    assert not again
    assert len(with_order.orders.all()) == 1


def test_an_order_that_needs_approval_waits_for_it(journal):
    journal.decisions.record(a_decision(), [], [a_new_order()], ask=True)
    assert journal.orders.get(ID).state == OrderState.AWAIT_APPROVAL
    journal.orders.approve(ID, "nonce", NOW)
    assert (journal.orders.get(ID).state, journal.orders.get(ID).nonce) == (OrderState.INTENT, "nonce")


def test_each_post_is_counted_before_it_happens(with_order):
    with_order.orders.step(ID, OrderStep.INTEND, NOW)
    with_order.orders.submitting(ID, NOW)
    assert (with_order.orders.get(ID).posts, with_order.orders.get(ID).posted_at) == (1, NOW)
    assert with_order.orders.posts_since(NOW) == 1
    assert with_order.orders.posts_since(NOW + timedelta(seconds=1)) == 0


def test_a_report_adopts_an_order_in_doubt(with_order):
    with_order.orders.step(ID, OrderStep.INTEND, NOW)
    with_order.orders.submitting(ID, NOW)
    with_order.orders.step(ID, OrderStep.LOSE, NOW, "no answer")
    assert with_order.orders.report(ID, a_report(), NOW).state == OrderState.ACKED
    assert with_order.orders.of_broker("broker-1").client_order_id == ID


def test_an_order_written_off_comes_back_when_the_broker_has_it(with_order):
    with_order.orders.step(ID, OrderStep.INTEND, NOW)
    with_order.orders.step(ID, OrderStep.EXPIRE, NOW, "too late")
    assert (
        with_order.orders.report(ID, a_report(filled=Decimal(10), status="filled"), NOW).state
        == OrderState.FILLED
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_the_ledger_is_the_sum_of_unique_executions(tmp_path_factory, numbers):
    journal = Journal(tmp_path_factory.mktemp("ledger") / "journal.db", "paper")
    journal.decisions.record(a_decision(), [], [a_new_order(quantity=Decimal(100))], ask=False)
    at_broker(journal)
    for number in numbers:
        journal.ledger.add_fills([a_fill(number), a_fill(number)], NOW)
    assert journal.ledger.quantities() == {"AAPL": Decimal(4) * len(set(numbers))}
    journal.close()


def test_a_fill_of_a_foreign_order_is_kept_but_not_in_the_ledger(with_order):
    at_broker(with_order)
    with_order.ledger.add_fills([a_fill(order_id="somebody-else")], NOW)
    assert with_order.ledger.quantities() == {}
    assert len(with_order.ledger.fills(own=False)) == 1


def test_a_fill_that_arrives_before_the_answer_is_booked_once_the_order_is_known(with_order):
    with_order.orders.step(ID, OrderStep.INTEND, NOW)
    with_order.orders.submitting(ID, NOW)
    with_order.ledger.add_fills([a_fill()], NOW)
    assert with_order.ledger.quantities() == {}
    with_order.orders.report(ID, a_report(), NOW)
    assert with_order.ledger.quantities() == {"AAPL": Decimal(4)}


def test_an_adopted_position_counts(journal):
    journal.ledger.adjust("IBM", Decimal(-3), Decimal(150), NOW, "adopted")
    assert journal.ledger.quantities() == {"IBM": Decimal(-3)}


def test_a_halt_stays_over_a_restart_until_a_person_lifts_it(journal):
    journal.halts.begin(EVERYTHING, HaltCause.DRAWDOWN, "12 % below", NOW)
    reopened = Journal(journal.path, "paper")
    assert reopened.halts.reason("AAPL") == "12 % below"
    assert [halt.cause for halt in reopened.halts.lift(EVERYTHING, NOW)] == [HaltCause.DRAWDOWN]
    assert reopened.halts.reason("AAPL") is None
    reopened.close()


def test_a_halt_of_one_symbol_leaves_the_others_alone(journal):
    journal.halts.begin("AAPL", HaltCause.POSITION, "mismatch", NOW)
    assert journal.halts.reason("AAPL") == "mismatch"
    assert journal.halts.reason("IBM") is None


def test_one_cause_is_one_halt_and_takes_on_what_it_is_asked_for_later(journal):
    assert journal.halts.begin(EVERYTHING, HaltCause.OPERATOR, "by hand", NOW, cancel=True, suspend=True)
    journal.halts.confirm(journal.halts.in_force()[0].id, NOW)
    assert not journal.halts.begin(EVERYTHING, HaltCause.OPERATOR, "again", NOW, cancel=True)
    assert journal.halts.begin(EVERYTHING, HaltCause.OPERATOR, "flatten", NOW, cancel=True, flatten=True)
    (halt,) = journal.halts.in_force()
    assert (halt.cancel, halt.flatten, halt.suspend, halt.confirmed_at) == (True, True, True, None)


def test_a_halt_that_spared_exits_spares_none_once_it_is_asked_to(journal):
    spare = {"allow_exits": True, "keep_exits": True}
    journal.halts.begin(EVERYTHING, HaltCause.DRAWDOWN, "12 % below", NOW, cancel=True, **spare)
    journal.halts.begin(EVERYTHING, HaltCause.DRAWDOWN, "13 % below", NOW, cancel=True)
    (halt,) = journal.halts.in_force()
    assert (halt.allow_exits, halt.keep_exits) == (False, False)


def test_what_is_not_closed_is_kept_and_only_what_is_new_of_it_is_told(journal):
    rows = [("AAPL", "blocker", "held"), ("", "left", "3 shares")]
    assert journal.halts.keep_remains(rows, NOW) == rows
    assert journal.halts.keep_remains(rows, NOW) == []
    assert journal.halts.keep_remains([*rows, ("IBM", "blocker", "held")], NOW) == [
        ("IBM", "blocker", "held")
    ]
    assert journal.halts.keep_remains([], NOW) == journal.halts.remains() == []


def test_a_replaced_order_is_followed_by_its_successor(with_order):
    stored = at_broker(with_order)
    with_order.orders.add_successor(stored, a_report("3f-random", id="broker-2", quantity=Decimal(100)), NOW)
    with_order.ledger.add_fills([a_fill(order_id="broker-2", quantity=Decimal(100))], NOW)
    assert with_order.ledger.quantities() == {"AAPL": Decimal(100)}
    assert with_order.orders.get("3f-random").decision_id == stored.decision_id


def test_symbols_and_texts_are_never_read_as_sql(journal):
    journal.diary.note(NOW, "news", "'); DROP TABLE orders; --", symbol="A'; --")
    assert journal.diary.events("news")[0].text == "'); DROP TABLE orders; --"
    assert journal.orders.all() == []


def test_another_book_cannot_open_it(journal):
    with pytest.raises(DataError, match="belongs to book 'paper'"):
        Journal(journal.path, "other")


def test_another_account_is_never_merged_into_it(journal):
    journal.file.bind_account("account-1")
    journal.file.bind_account("account-1")
    with pytest.raises(DataError, match="belongs to account 'account-1'"):
        journal.file.bind_account("account-2")


def test_it_is_written_through_to_the_disk(journal):
    pragma = {name: journal.file.one(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous")}
    assert pragma == {"journal_mode": "wal", "synchronous": 2}


def test_a_full_disk_lets_nothing_be_meant_and_leaves_the_journal_readable(with_order):
    with_order.file.limit_pages(1)
    with pytest.raises(JournalUnwritable, match="no order goes out"):
        write_a_lot(with_order)
    assert with_order.orders.get(ID).state == OrderState.DECIDED


@pytest.mark.parametrize("damage", ["middle", "header", "text"])
def test_a_damaged_file_is_refused_with_the_way_out(tmp_path, damage):
    path = tmp_path / "journal.db"
    journal = Journal(path, "paper")
    for number in range(100):
        journal.diary.note(NOW, "x", "y" * 500, symbol=str(number))
    journal.close()
    content = bytearray(path.read_bytes())
    if damage == "middle":
        content[8192:20000] = b"\xff" * (20000 - 8192)
    content[:100] = b"\0" * 100 if damage == "header" else content[:100]
    path.write_bytes(b"not a database at all" * 200 if damage == "text" else bytes(content))
    with pytest.raises(DataError, match="--rebuild"):
        Journal(path, "paper")


def test_a_journal_of_a_newer_program_is_refused(journal):
    journal.file.one(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(DataError, match="update it"):
        Journal(journal.path, "paper")


def test_a_second_writer_is_told_that_the_file_is_locked(journal):
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.file.one("PRAGMA busy_timeout = 1")
    with pytest.raises(JournalUnwritable, match="locked"):
        journal.diary.note(NOW, "x", "y")
    other.close()


def test_what_a_decision_saw_can_be_compared_with_a_later_history(journal):
    next_day = a_decision(ASOF + timedelta(days=1))
    journal.decisions.record(a_decision(), [], [], ask=False, closes={"AAPL": 200.0})
    journal.decisions.record(next_day, [], [], ask=False, closes={"AAPL": 201.0})
    assert journal.decisions.last_closes() == {"AAPL": (ASOF + timedelta(days=1), 201.0)}


def test_a_decision_that_cannot_be_written_whole_is_not_written_at_all(with_order):
    """Its cancellations and refusals belong to it: one that came later could be lost to a power cut."""
    later = a_decision(ASOF + timedelta(days=1))
    with pytest.raises(DataError, match="no order 'unheard-of'"):
        with_order.decisions.record(later, [], [], False, cancels=[ID], refused={"unheard-of": "why"})
    assert with_order.decisions.last() == a_decision()
    assert not with_order.orders.get(ID).cancel_wanted


@pytest.mark.parametrize("ask", [True, False])
def test_an_order_refused_with_its_decision_never_waits_to_be_sent(journal, ask):
    journal.decisions.record(a_decision(), [], [a_new_order()], ask, refused={ID: "prices are adjusted"})
    assert (journal.orders.get(ID).state, journal.orders.get(ID).reason) == (
        OrderState.REFUSED,
        "prices are adjusted",
    )


def write_a_lot(journal):
    for number in range(200):
        journal.diary.note(NOW, "fill", "x" * 1900, symbol=str(number))


executions = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(["AAPL", "IBM"]),
        "side": st.sampled_from(["buy", "sell"]),
        "quantity": st.decimals(min_value="0.000000001", max_value="2000000", places=9),
    }
)


@given(st.lists(executions, max_size=20))
@settings(max_examples=40, deadline=None)
def test_the_ledger_is_the_exact_sum_of_the_executions(tmp_path_factory, found):
    journal = Journal(tmp_path_factory.mktemp("sum") / "journal.db", "paper")
    journal.decisions.record(a_decision(), [], [a_new_order()], ask=False)
    at_broker(journal)
    fills = [a_fill(number, **values) for number, values in enumerate(found)]
    journal.ledger.add_fills(fills, NOW)
    sums = {symbol: sum(fill.signed for fill in fills if fill.symbol == symbol) for symbol in ("AAPL", "IBM")}
    assert journal.ledger.quantities() == {symbol: total for symbol, total in sums.items() if total}
    journal.close()


def test_an_order_filled_beyond_what_was_booked_is_missing_executions(with_order):
    at_broker(with_order)
    with_order.orders.report(ID, a_report(status="partially_filled", filled=Decimal(7)), NOW)
    with_order.ledger.add_fills([a_fill(quantity=Decimal(4))], NOW)
    assert with_order.ledger.missing_fills(Decimal("0.000001")) == {ID: "AAPL"}
    with_order.ledger.add_fills([a_fill(2, quantity=Decimal(3))], NOW)
    assert with_order.ledger.missing_fills(Decimal("0.000001")) == {}


def test_orders_of_a_time_are_those_decided_or_filled_since(with_order):
    at_broker(with_order)
    assert [order.client_order_id for order in with_order.orders.since(ASOF)] == [ID]
    assert with_order.orders.since(NOW + timedelta(hours=1)) == []
    with_order.ledger.add_fills([a_fill(at=NOW + timedelta(days=1))], NOW)
    assert [order.client_order_id for order in with_order.orders.since(NOW + timedelta(hours=1))] == [ID]


def test_the_peak_is_the_largest_number_not_the_last_in_the_alphabet(journal):
    for day, equity in enumerate(["99000", "100000.5", "9"]):
        journal.money.mark_equity(ASOF.date(), NOW + timedelta(days=day), Decimal(equity), Decimal(0))
    assert journal.money.peak_equity(NOW + timedelta(days=9), Decimal(9), Decimal(0)) == Decimal("100000.5")
