"""Every order state is reached, left and never gone back from, whatever the order of events."""

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.orders import (
    AT_BROKER,
    FINAL,
    IN_DOUBT,
    RANK,
    STEPS,
    WAITING,
    IllegalStep,
    OrderState,
    OrderStep,
    Progress,
    after,
    is_known,
)

QUANTITY = Decimal(10)
reports = st.builds(
    Progress,
    st.sampled_from([*RANK, "a_status_of_next_year"]),
    st.integers(0, 10).map(Decimal),
)


@given(st.lists(reports, max_size=6), st.randoms())
def test_reports_say_the_same_in_every_order_and_however_often(said, random):
    shuffled = [*said, *said]
    random.shuffle(shuffled)
    assert joined(said) == joined(shuffled)


@given(st.lists(reports, max_size=8))
def test_the_filled_quantity_never_shrinks_and_a_finished_order_never_opens_again(said):
    progress = Progress()
    for report in said:
        earlier, progress = progress, progress.joined(report)
        assert progress.filled >= earlier.filled
        if earlier.state(QUANTITY) in FINAL:
            assert progress.state(QUANTITY) in FINAL
        if earlier.state(QUANTITY) == OrderState.FILLED:
            assert progress.state(QUANTITY) == OrderState.FILLED


@given(st.lists(reports))
def test_all_of_the_quantity_filled_is_filled_whatever_else_was_said(said):
    assert joined([*said, Progress("canceled", QUANTITY)]).state(QUANTITY) == OrderState.FILLED


@given(reports, reports, reports)
def test_joining_reports_is_associative_commutative_and_idempotent(a, b, c):
    assert a.joined(b).joined(c) == a.joined(b.joined(c))
    assert a.joined(b) == b.joined(a)
    assert a.joined(a) == a


def test_fill_before_new_and_cancel_before_fill_end_alike_in_all_permutations():
    said = [
        Progress("new"),
        Progress("partially_filled", Decimal(4)),
        Progress("pending_cancel", Decimal(4)),
        Progress("canceled", Decimal(4)),
    ]
    ends = {joined(order).state(QUANTITY) for order in permutations(said)}
    assert ends == {OrderState.CANCELED}
    assert {joined(order).filled for order in permutations(said)} == {Decimal(4)}


@pytest.mark.parametrize("status", ["a_status_of_next_year", ""])
def test_an_unknown_status_is_noticed_and_moves_nothing(status):
    assert not is_known(status)
    assert Progress("new", Decimal(3)).joined(Progress(status, Decimal(3))).status == "new"


def test_every_state_belongs_to_exactly_one_kind():
    kinds = (WAITING, AT_BROKER, IN_DOUBT, FINAL)
    assert sum(len(kind) for kind in kinds) == len(OrderState)
    assert frozenset().union(*kinds) == set(OrderState)


@given(st.lists(st.sampled_from(OrderStep), max_size=12))
def test_a_walk_through_the_table_posts_only_what_was_meant(steps):
    state, past = OrderState.DECIDED, [OrderState.DECIDED]
    for step in steps:
        try:
            state = after(state, step)
        except IllegalStep:
            continue
        past.append(state)
    if OrderState.SUBMITTING in past:
        assert OrderState.INTENT in past[: past.index(OrderState.SUBMITTING)]


def test_an_unknown_outcome_is_never_a_rejection_by_itself():
    ways = {
        step
        for (state, step), end in STEPS.items()
        if state == OrderState.UNKNOWN and end == OrderState.REFUSED
    }
    assert ways == set()


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (OrderState.FILLED, OrderStep.SUBMIT),
        (OrderState.REFUSED, OrderStep.SUBMIT),
        (OrderState.EXPIRED, OrderStep.SUBMIT),
        (OrderState.DECIDED, OrderStep.SUBMIT),
        (OrderState.AWAIT_APPROVAL, OrderStep.SUBMIT),
        (OrderState.NEEDS_HUMAN, OrderStep.SUBMIT),
        (OrderState.ACKED, OrderStep.SUBMIT),
    ],
)
def test_an_order_that_is_over_or_not_approved_cannot_be_sent(state, step):
    with pytest.raises(IllegalStep):
        after(state, step)


def joined(said):
    progress = Progress()
    for report in said:
        progress = progress.joined(report)
    return progress
