"""What a decision knew at its bar is what the replay shows at that bar: no more, and no less."""

from datetime import timedelta
from decimal import Decimal

import pytest

from broker.journal.journal import Journal
from broker.orders import OrderStep
from engine.live.deciding.past import account_state
from helpers.book_values import ASOF, a_decision, a_new_order

NAME = "paper-20261119-AAPL-m-0"
NEXT = ASOF + timedelta(days=1)
MADE = timedelta(minutes=1)  # after the close, as the helpers' decisions are


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    journal.decisions.record(a_decision(), [], [a_new_order(NAME)], ask=False)
    yield journal
    journal.close()


def past(journal):
    return account_state(journal, Decimal(1000), ASOF - timedelta(days=5)).past


def test_an_order_refused_as_it_is_decided_on_is_news_to_the_next_bar(journal):
    journal.orders.step(NAME, OrderStep.REFUSE, ASOF + MADE, "halted")
    (order,) = past(journal)
    assert (order.decided_at, order.ended_at) == (ASOF, ASOF + MADE)


@pytest.mark.parametrize(("after", "known"), [(MADE / 2, NEXT), (MADE, NEXT), (2 * MADE, NEXT + 2 * MADE)])
def test_what_happens_between_a_close_and_its_decision_is_known_at_that_bar(journal, after, known):
    later = a_decision(asof=NEXT, decision_id="later")
    journal.decisions.record(later, [], [], ask=False)
    journal.ledger.adjust("MSFT", Decimal(4), Decimal(100), NEXT + after, "adopted")
    journal.orders.step(NAME, OrderStep.REFUSE, NEXT + after, "halted")
    found = {order.symbol: order for order in past(journal)}
    assert found["MSFT"].fills[0].at == known
    assert found["AAPL"].ended_at == known
