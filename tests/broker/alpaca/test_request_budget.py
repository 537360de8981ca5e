"""The budget never lets more requests out than a minute allows, and always keeps some for what is urgent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.alpaca.budget import KEPT_SHARE, WINDOW_S, Budget

REQUESTS = st.lists(st.tuples(st.floats(0.0, 5.0), st.booleans()), max_size=300)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@given(per_minute=st.integers(1, 60), requests=REQUESTS)
def test_within_any_minute_there_are_never_more_than_allowed(per_minute, requests):
    clock, made, ordinary = Clock(), [], []
    budget = Budget(per_minute, clock)
    for pause, urgent in requests:
        clock.now += pause
        if budget.take(urgent) == 0.0:
            made.append(clock.now)
            if not urgent:
                ordinary.append(len([at for at in made if at > clock.now - WINDOW_S]))
    for at in made:
        assert len([other for other in made if at - WINDOW_S < other <= at]) <= per_minute
    assert all(count <= per_minute - per_minute // KEPT_SHARE for count in ordinary)


@given(per_minute=st.integers(1, 60), requests=REQUESTS, urgent=st.booleans())
def test_after_the_wait_it_names_there_is_room(per_minute, requests, urgent):
    clock = Clock()
    budget = Budget(per_minute, clock)
    for pause, kind in requests:
        clock.now += pause
        budget.take(kind)
    clock.now += budget.wait_s(urgent) + 1e-6
    assert budget.room(urgent) > 0


def test_what_the_broker_refuses_closes_the_budget_for_what_is_not_urgent():
    clock = Clock()
    budget = Budget(200, clock)
    budget.refused(20.0)
    assert (budget.room(), budget.room(urgent=True)) == (0, 200)
    assert budget.wait_s() == pytest.approx(20.0)
    clock.now += 20.0
    assert budget.room() > 0


def test_without_a_limit_nothing_is_counted():
    budget = Budget(0, Clock())
    budget.refused(60.0)
    assert all(budget.take() == 0.0 for _ in range(1000))
