"""Losses are measured without what flows in and out: a deposit is no profit, a withdrawal no loss."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.journal.journal import Journal
from broker.values import CashFlow
from helpers.book_values import a_fill

START = datetime(2026, 3, 2, 21, tzinfo=UTC)
CASH = Decimal(100_000)


@pytest.fixture
def money(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal.money
    journal.close()


def day(number):
    return START + timedelta(days=number)


def mark(money, number, equity, cash=CASH):
    money.mark_equity(day(number).date(), day(number), Decimal(equity), Decimal(cash))


def flow(number, amount, known=True, name="1"):
    at = day(number) - timedelta(hours=3)
    kind = "deposit" if amount > 0 else "withdrawal"
    return CashFlow(name, kind, "", Decimal(amount), at.date(), at if known else None)


def drawdown(money, number, equity, cash=CASH):
    return 1 - Decimal(equity) / money.peak_equity(day(number), Decimal(equity), Decimal(cash))


def test_without_flows_the_peak_is_the_highest_mark(money):
    for number, equity in enumerate([100_000, 120_000, 110_000]):
        mark(money, number, equity)
    assert money.peak_equity(day(9), Decimal(90_000), CASH) == 120_000


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("amount", [-60_000, -1_000, 25_000, 900_000])
def test_a_flow_alone_is_neither_profit_nor_loss(money, amount, known):
    mark(money, 0, 100_000)
    mark(money, 1, 100_000)
    money.add_cash_flows([flow(2, amount, known)], day(2))
    assert drawdown(money, 2, 100_000 + amount, CASH + amount) == 0
    mark(money, 2, 100_000 + amount, CASH + amount)
    assert drawdown(money, 3, 100_000 + amount, CASH + amount) == 0


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_withdrawal_that_the_list_tells_of_late_is_placed_where_the_cash_moved(money, late):
    mark(money, 0, 100_000)
    mark(money, 1, 40_000, 40_000)
    mark(money, 2, 40_000, 40_000)
    told = CashFlow("1", "withdrawal", "", Decimal(-60_000), day(1).date(), day(1 + late))
    money.add_cash_flows([told], day(3))
    assert drawdown(money, 3, 40_000, 40_000) == 0


@given(
    returns=st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=8),
    flows=st.lists(st.sampled_from([0, 0, -30_000, 5_000, 200_000]), min_size=8, max_size=8),
)
def test_the_drawdown_is_that_of_the_returns_whatever_flows(tmp_path_factory, returns, flows):
    """An account whose cash flows at the beginning of each day, and whose holdings then move."""
    journal = Journal(tmp_path_factory.mktemp("money") / "journal.db", "paper")
    equity, cash, value, highest = Decimal(100_000), CASH, Decimal(1), Decimal(1)
    mark(journal.money, 0, equity, cash)
    for number, (change, amount) in enumerate(zip(returns, flows, strict=False), 1):
        amount = max(amount, -int(equity / 2))
        if amount:
            journal.money.add_cash_flows([flow(number, amount, name=str(number))], day(number))
        cash += amount
        factor = 1 + Decimal(str(round(change, 4)))
        equity = (equity + amount) * factor
        value *= factor
        highest = max(highest, value)
        if number < len(returns):
            mark(journal.money, number, equity, cash)
    found = drawdown(journal.money, len(returns), equity, cash)
    assert found == pytest.approx(1 - value / highest, abs=Decimal("1e-9"))
    journal.close()


def test_executions_explain_cash_so_that_a_flow_is_not_placed_on_a_purchase(money, tmp_path):
    journal = Journal(tmp_path / "other.db", "paper")
    mark(journal.money, 0, 100_000)
    bought = a_fill(quantity=Decimal(400), price=Decimal(100), at=day(1) - timedelta(hours=5))
    journal.ledger.add_fills([bought], day(1))
    mark(journal.money, 1, 100_000, 60_000)
    mark(journal.money, 2, 60_000, 20_000)
    journal.money.add_cash_flows([flow(1, -40_000, known=False)], day(2))
    assert drawdown(journal.money, 3, 60_000, 20_000) == 0
    journal.close()


def test_a_new_measure_forgets_what_was_before(money):
    mark(money, 0, 200_000)
    money.new_measure(day(1).date(), day(1), Decimal(90_000), CASH)
    assert drawdown(money, 1, 90_000) == 0
    mark(money, 2, 95_000)
    assert money.peak_equity(day(3), Decimal(90_000), CASH) == 95_000


def test_the_day_is_measured_from_the_last_close_with_what_flowed_since(money):
    money.add_cash_flows([flow(-2, 500, name="old"), flow(1, -20_000)], day(1))
    last_close = day(1) - timedelta(hours=20)
    assert money.day_start(Decimal(100_000), day(1).date(), last_close) == 80_000


def test_a_new_measure_counts_for_its_own_session_only(money):
    money.new_measure(date(2026, 3, 3), day(1), Decimal(90_000), CASH)
    assert money.day_start(Decimal(100_000), date(2026, 3, 3), day(0)) == 90_000
    assert money.day_start(Decimal(100_000), date(2026, 3, 4), day(1)) == 100_000


def test_cash_for_a_fraction_of_a_share_is_no_flow(money):
    mark(money, 0, 100_000)
    money.add_cash_flows([CashFlow("1", "in_lieu", "AAPL", Decimal(50), day(1).date(), None)], day(1))
    assert money.peak_equity(day(2), Decimal(100_000), CASH) == 100_000
