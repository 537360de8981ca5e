"""A chance of a rise is corrected by what came after chances like it: as sklearn does, and never turned round."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from engine.forecast.probability import FEWEST, Correction, correction


def stated(slope, shift, rows=4000, seed=0, spread=0.6):
    """Chances that were stated, and outcomes whose true log odds are slope times the stated ones, plus shift."""
    random = np.random.default_rng(seed)
    odds = random.normal(0, spread, rows)
    up = random.random(rows) < expit(slope * odds + shift)
    return expit(odds), np.where(up, 0.01, -0.01)


def brier(p, actual):
    return float(np.mean((p - (actual > 0)) ** 2))


@given(slope=st.floats(0.2, 1.5), shift=st.floats(-0.4, 0.4), seed=st.integers(0, 30))
def test_what_is_wrong_with_the_odds_is_found(slope, shift, seed):
    found = correction(*stated(slope, shift, seed=seed))
    assert found.slope == pytest.approx(slope, abs=0.25)
    assert found.shift == pytest.approx(shift, abs=0.15)


@given(slope=st.floats(0.3, 1.5), seed=st.integers(0, 30))
def test_it_is_the_logistic_regression_of_sklearn(slope, seed):
    """With so many outcomes Platt's targets are hardly other than 0 and 1."""
    p, actual = stated(slope, 0.1, rows=20_000, seed=seed)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], actual > 0)
    found = correction(p, actual)
    assert found.slope == pytest.approx(theirs.coef_[0, 0], abs=2e-3)
    assert found.shift == pytest.approx(theirs.intercept_[0], abs=2e-3)


@given(slope=st.floats(0.0, 0.4), seed=st.integers(0, 20))
def test_chances_that_were_too_sure_are_better_after_it_on_rows_it_has_not_seen(slope, seed):
    found = correction(*stated(slope, 0.2, seed=seed))
    p, actual = stated(slope, 0.2, seed=seed + 1000)
    assert brier(np.array([found.of(each) for each in p]), actual) < brier(p, actual)


@given(seed=st.integers(0, 50))
def test_chances_that_were_the_wrong_way_round_become_the_share_of_rises(seed):
    p, actual = stated(-1.0, 0.2, seed=seed)
    found = correction(p, actual)
    assert found.slope == 0.0
    assert found.of(0.2) == found.of(0.9) == pytest.approx((actual > 0).mean(), abs=1e-3)


@given(p=st.floats(0, 1), other=st.floats(0, 1), seed=st.integers(0, 20))
def test_a_higher_chance_stays_the_higher_one(p, other, seed):
    found = correction(*stated(0.5, 0.1, seed=seed))
    assert (found.of(p) - found.of(other)) * (p - other) >= 0
    assert 0 <= found.of(p) <= 1


@pytest.mark.parametrize(
    ("p", "actual"),
    [
        (np.full(FEWEST - 1, 0.5), np.tile([0.1, -0.1], FEWEST)[: FEWEST - 1]),  # too few
        (np.full(1000, 0.5), np.full(1000, 0.1)),  # nothing ever fell
        (np.full(1000, 0.5), np.full(1000, np.nan)),  # nothing is known
        (np.full(1000, 0.5), np.zeros(1000)),  # nothing ever moved
    ],
)
def test_where_too_little_is_known_nothing_is_corrected(p, actual):
    assert correction(p, actual) == Correction()
    assert Correction().of(0.123) == 0.123


def test_chances_that_are_all_the_same_become_the_share_of_rises():
    actual = np.where(np.arange(1000) % 4 == 0, -0.1, 0.1)
    assert correction(np.full(1000, 0.5), actual).of(0.5) == pytest.approx(0.75, abs=1e-3)
