"""What may be claimed, and what is too good to be true."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from engine.evaluation.metrics.alarms import (
    alarm_sentence,
    fastest_month,
    feature_alarms,
    plausibility_alarms,
)
from engine.evaluation.metrics.forecasts.claims import holm, skill_claims
from engine.evaluation.metrics.statistics import diebold_mariano


def panel(random, ic, bars=500, symbols=50, factor=0.02, horizon=1):
    """Forecasts of which `ic` is in the own part of fat-tailed returns that share a common factor."""
    own = random.standard_t(4, size=(bars, symbols)) / np.sqrt(2) * 0.02
    common = random.normal(0.0003, factor, (bars, 1))
    signal = ic * own / own.std() + np.sqrt(1 - ic**2) * random.normal(size=own.shape)
    return 0.001 * signal, common + own


def test_noise_is_claimed_to_be_skill_about_as_often_as_stated():
    random = np.random.default_rng(1)
    claimed = [skill_claims(*panel(random, 0.0, bars=120, symbols=8)).any for _ in range(200)]
    assert np.mean(claimed) < 0.1


def test_a_signal_across_symbols_is_found_where_squared_error_is_blind():
    random = np.random.default_rng(2)
    found, blind = [], []
    for _ in range(5):
        mean, actual = panel(random, 0.05, factor=0.06)
        found.append(skill_claims(mean, actual).claims("rank"))
        blind.append(diebold_mariano((actual - mean) ** 2, actual**2).a_is_better)
    assert sum(found) >= 4
    assert sum(blind) <= 2


@pytest.mark.parametrize(("bars", "horizon", "enough"), [(60, 20, False), (299, 20, False), (400, 20, True)])
def test_labels_that_overlap_are_too_few_to_claim_anything(bars, horizon, enough):
    random = np.random.default_rng(3)
    mean = np.cumsum(random.normal(size=(bars, 6)), axis=0)
    claims = skill_claims(mean, mean + random.normal(size=mean.shape), horizon)
    assert claims.enough is enough
    assert claims.any is enough  # a perfect forecast, too


def test_no_skill_with_overlapping_labels_is_seldom_claimed():
    random = np.random.default_rng(4)
    claimed = []
    for _ in range(100):
        steps = random.normal(size=(320, 6))
        actual = np.array([steps[t + 1 : t + 11].sum(axis=0) for t in range(305)])
        mean = np.array([steps[max(t - 20, 0) : t + 1].mean(axis=0) for t in range(305)])
        claimed.append(skill_claims(mean, actual, 10).any)
    assert np.mean(claimed) < 0.12


def test_questions_that_cannot_be_asked_are_left_out():
    random = np.random.default_rng(5)
    actual = random.normal(size=(100, 2))
    claims = skill_claims(np.ones_like(actual), actual)
    assert claims.of("rank") is None  # two symbols have no ranks
    assert claims.of("direction") is None or claims.of("direction").p is None
    assert not claims.claims("direction")


def test_nothing_known_is_nothing_claimed():
    empty = np.full((30, 3), np.nan)
    assert skill_claims(empty, empty).any is False


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert all(q >= p - 1e-12 for p, q in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= -1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(max_examples=20)
def test_holm_is_that_of_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, 0.05, method="holm")[1].tolist())


def test_holm_leaves_out_what_is_not_known():
    assert holm([0.01, float("nan"), 0.04])[0] == pytest.approx(0.02)
    assert np.isnan(holm([0.01, float("nan")])[1])


# ---- too good to be true

TIMES = pd.bdate_range("2020-01-01", periods=500, tz="UTC")


def alarms(**changed):
    honest = {
        "rank_ic": 0.02,
        "rank_t": 4.0,
        "direction": 0.52,
        "bars": 500,
        "sharpe_annual": 1.2,
        "years": 2.0,
        "equity": np.linspace(100, 140, 500),
        "times": TIMES,
    }
    return plausibility_alarms(**{**honest, **changed})


def test_honest_numbers_raise_no_alarm():
    assert alarms() == ()
    assert alarm_sentence(()) == ""


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"rank_ic": 0.97, "rank_t": 90.0}, "mean rank IC a bar"),
        ({"rank_ic": -0.2, "rank_t": -9.0}, "mean rank IC a bar"),
        ({"direction": 0.75}, "share of right directions"),
        ({"sharpe_annual": 4.5}, "Sharpe ratio a year"),
        (
            {"equity": np.r_[np.full(480, 100.0), np.linspace(100, 210, 20)]},
            "growth of the account within a month",
        ),
    ],
)
def test_what_is_too_good_raises_an_alarm(changed, what):
    (alarm,) = alarms(**changed)
    assert alarm.what == what
    assert abs(alarm.value) > alarm.limit


@pytest.mark.parametrize(
    "changed",
    [
        {"direction": 0.7, "bars": 20},
        {"rank_ic": 0.3, "rank_t": 1.8},
        {"sharpe_annual": 6.0, "years": 0.2},
        {"rank_ic": None, "rank_t": None, "direction": None, "sharpe_annual": None},
    ],
)
def test_a_short_history_may_give_odd_numbers(changed):
    assert alarms(**changed) == ()


def test_a_feature_that_gives_the_direction_away_is_named():
    random = np.random.default_rng(1)
    actual = random.normal(size=(400, 3))
    values = random.normal(size=(400, 3, 4))
    values[:, :, 2] = 5.0 + actual + random.normal(0, 0.5, actual.shape)  # not centred
    (alarm,) = feature_alarms(("a", "b", "tomorrow", "d"), values, actual)
    assert "the feature tomorrow alone" in alarm.what
    assert feature_alarms(("a", "b"), values[:, :, :2], actual) == ()


def test_a_feature_that_is_never_there_is_no_alarm():
    assert feature_alarms(("a",), np.full((50, 2, 1), np.nan), np.ones((50, 2))) == ()


def test_the_fastest_month_is_over_calendar_time():
    equity = np.full(500, 100.0)
    equity[250:] = 250.0
    assert fastest_month(equity, TIMES) == pytest.approx(1.5)
    slow = pd.date_range("2000-01-01", periods=500, freq="40D", tz="UTC")
    assert fastest_month(equity, slow) == 0.0
    assert fastest_month(np.array([100.0]), TIMES[:1]) == 0.0
