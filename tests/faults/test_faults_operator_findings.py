"""What long sequences of an operator's deeds have found, each told once more in its shortest form."""

from contextlib import closing

import pytest
from operator_world import Operator

from broker.journal.journal import Journal

OPEN, CLOSE = {"to": "open", "offset_seconds": 30}, {"to": "close", "offset_seconds": 65}


@pytest.fixture
def op():
    operator = Operator()
    operator.advance(**CLOSE)
    assert operator.once() is None
    operator.advance(**OPEN)
    assert operator.once() is None
    assert len(operator.broker.held()) == 2
    yield operator
    operator.close()


def events(op, kind):
    with closing(Journal(op.folder / "journal.db", "paper", readonly=True)) as journal:
        return [event.text for event in journal.diary.events(kind)]


@pytest.mark.row(83, 90)
def test_a_session_under_a_halt_that_suspends_adds_no_halt_of_its_own(op):
    assert op.stop(None, flatten=False) is None
    assert op.broker.account().trade_suspended
    op.advance(**CLOSE)
    assert op.once() is None
    op.advance(**OPEN)
    assert op.once() is None
    assert len(events(op, "refuse")) == 2
    assert [halt.reason for halt in op.halts()] == ["by hand"]


@pytest.mark.row(84, 87)
def test_what_is_taken_over_without_the_brokers_clock_is_not_dated_before_what_was_decided(op):
    op.advance(**CLOSE)
    assert op.once() is None
    op.broker.command("manual_trade", symbol="MSFT", qty="-3")
    op.broker.down = 1
    assert op.stop(None, flatten=True, foreign_too=True) is None
    op.advance(**OPEN)
    assert op.once() is None
    assert op.broker.held() == {}
    assert isinstance(op.resume(None, new_peak=True), list)
    for _ in range(2):
        op.advance(**CLOSE)
        assert op.once() is None
        op.advance(**OPEN)
        assert op.once() is None
    assert events(op, "no_decision") == events(op, "replay") == []
    assert op.halts() == []
