"""Outliers and changed units are found as if every bar were looked at, though only those after a leap are."""

from collections import deque
from statistics import median

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forewalk.data.cleaning.levels import LASTING_BARS, MEDIAN_BARS, OUTLIER_TOLERANCE, find_outliers
from forewalk.data.table import Rows

UNITS = (10.0, 100.0, 0.1, 0.01)


def rows_of(close, volume=None):
    count = len(close)
    return Rows(
        symbols=("A",),
        code=np.zeros(count, dtype=np.int64),
        time=np.arange(count, dtype=np.int64),
        prices=np.repeat(np.asarray(close)[:, None], 4, axis=1),
        volume=np.full(count, np.nan) if volume is None else np.asarray(volume),
        last_time=count,
    )


def off_by(ratio):
    return next((u for u in UNITS if 1 / OUTLIER_TOLERANCE <= ratio / u <= OUTLIER_TOLERANCE), 1.0)


def bar_by_bar(close):
    """The rule as the documentation tells it, of shares whose volume nobody knows."""
    factors, switches = np.ones(len(close)), np.ones(len(close))
    accepted, pending, unit = deque(maxlen=MEDIAN_BARS), [], 1.0
    for row, price in enumerate(close):
        if not 0 < price < np.inf:
            continue
        ratio = price / median(accepted) if accepted else 1.0
        factor = off_by(ratio)
        if pending and not 1 / 3 < ratio < 3 and 0.5 < price / median(pending) < 2:
            factor = unit
        if factor == 1.0:
            accepted.append(price)
            pending = []
        elif factor == unit and len(pending) == LASTING_BARS:
            accepted = deque([*pending, price], maxlen=MEDIAN_BARS)
            switches[row], pending = unit, []
        else:
            pending = [*pending, price] if factor == unit else [price]
            factors[row] = unit = factor
    return factors, switches


@st.composite
def series(draw):
    """Closes that wander and now and then stand at another level for a while, or at no price at all."""
    count = draw(st.integers(1, 80))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = np.ones(count)
    for _ in range(draw(st.integers(0, 5))):
        first = draw(st.integers(0, count - 1))
        factor = draw(st.sampled_from([10.0, 100.0, 0.1, 0.01, 4.0, 0.3, 2.5, 40.0, 1000.0, np.nan, 0.0]))
        level[first : first + draw(st.integers(1, 12))] *= factor
    return 50 * level * np.exp(np.cumsum(random.normal(0, draw(st.sampled_from([0.0, 0.02, 0.3])), count)))


@given(close=series())
def test_what_is_found_is_what_looking_at_every_bar_finds(close):
    factors, switches = find_outliers(rows_of(close))
    expected = bar_by_bar(close.tolist())
    np.testing.assert_array_equal(factors, expected[0])
    np.testing.assert_array_equal(switches, expected[1])


@given(close=series(), traded=st.booleans(), data=st.data())
def test_no_later_bar_changes_what_was_found(close, traded, data):
    volume = np.full(len(close), 1e6) if traded else None
    stop = data.draw(st.integers(1, len(close)))
    whole = find_outliers(rows_of(close, volume))
    part = find_outliers(rows_of(close[:stop], None if volume is None else volume[:stop]))
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_array_equal(one[:stop], other)
