import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import brentq

from benchmarks.drift import RATE, chart_series, feature_series, measured
from engine.evaluation.metrics.drift.cusum import MARGIN, Chart, by_mean, by_share, calibrated
from engine.evaluation.metrics.drift.resampling import resampled_rows
from engine.evaluation.metrics.drift.shift import binned, calibrated_shift, edges_of, stability, windows
from engine.evaluation.metrics.drift.streams import by_session, forecast_values, naive_variance

CHART = Chart(centre=0.0, scale=1.0, low=-3.0, high=3.0, allowance=0.25, limit=4.0)
NUMBERS = st.floats(-10, 10)


def plain_course(chart, values):
    """The same by hand: a sum that is never below 0, and alarms that last until it is there again."""
    total, on, alarms = 0.0, False, []
    for row, value in enumerate(values):
        if not np.isnan(value):
            score = (min(max(value, chart.low), chart.high) - chart.centre) / chart.scale - chart.allowance
            total = min(max(total + score, 0.0), 2 * chart.limit)
        if total > chart.limit and not on:
            alarms.append(row)
        on = total > chart.limit or (on and total > 0)
    return tuple(alarms), on


@given(arrays(float, st.integers(0, 60), elements=st.one_of(NUMBERS, st.just(np.nan))))
def test_a_chart_goes_as_it_is_written_down_in_the_plainest_way(values):
    course = CHART.course(values)
    assert (course.alarms, course.since is not None) == plain_course(CHART, values)


@given(arrays(float, st.integers(1, 40), elements=NUMBERS), st.data())
def test_sessions_of_which_nothing_is_known_change_no_alarm(values, data):
    holes = data.draw(st.lists(st.integers(0, len(values)), max_size=10))
    holed = np.insert(values, holes, np.nan)
    whole = CHART.course(values)
    course = CHART.course(holed)
    assert np.isnan(holed).sum() == len(holes)
    assert len(course.alarms) == len(whole.alarms)
    assert course.sums[-1] == whole.sums[-1]


@given(arrays(float, st.integers(2, 60), elements=NUMBERS), st.integers(1, 59))
def test_the_past_of_a_chart_does_not_change_with_what_comes_later(values, cut):
    cut = min(cut, len(values))
    assert CHART.course(values[:cut]).sums.tolist() == CHART.course(values).sums[:cut].tolist()


def test_one_wild_session_is_no_drift():
    quiet = np.random.default_rng(0).normal(size=1000)
    chart = calibrated(quiet, 0.05, 252, 20, seed=0)
    values = np.zeros(100)
    values[50] = 1e9
    assert chart.course(values).alarms == ()
    assert chart.course(np.full(100, 1.0)).alarms != ()


def test_the_limit_of_independent_normal_values_is_near_that_of_theory():
    """Siegmund (1985), Sequential Analysis: the average run is (exp(2kb) - 2kb - 1) / 2k^2, b = limit + 1.166."""
    values = np.random.default_rng(1).normal(size=20_000)
    chart = calibrated(values, 0.5, 252, 1, seed=1)
    theory = brentq(lambda b: (np.exp(0.5 * b) - 0.5 * b - 1) / (2 * 0.25**2) - 252 / 0.5, 1, 20) - 1.166
    assert chart.limit / MARGIN == pytest.approx(theory, rel=0.05)


def test_the_same_reference_and_seed_give_the_same_chart():
    values = np.random.default_rng(2).normal(size=300)
    assert calibrated(values, 0.05, 252, 20, 3) == calibrated(values, 0.05, 252, 20, 3)
    assert calibrated(values, 0.05, 252, 20, 3) != calibrated(values, 0.05, 252, 20, 4)


@pytest.mark.parametrize("fit", [by_mean, by_share])
def test_too_few_values_calibrate_nothing(fit):
    assert calibrated(np.zeros(59), 0.05, 252, 20, 0, fit) is None
    assert calibrated(np.r_[np.zeros(59), np.full(40, np.nan)], 0.05, 252, 20, 0, fit) is None


def test_scores_of_a_share_are_those_of_its_likelihood_ratio():
    misses = np.tile([1.0, 0, 0, 0, 0], 100)
    chart = calibrated(misses, 0.05, 252, 20, 0, by_share)
    before = 0.2
    after = 1.5 * 0.25 / (1 + 1.5 * 0.25)
    ratio = np.array([np.log((1 - after) / (1 - before)), np.log(after / before)])
    scores = chart.scores(np.array([0.0, 1.0]))
    assert scores[1] / scores[0] == pytest.approx(ratio[1] / ratio[0])


def test_resampled_rows_go_on_in_runs_of_the_length_asked_for():
    rows = resampled_rows(500, 5000, 3, 25.0, np.random.default_rng(0))
    goes_on = (np.diff(rows, axis=1) % 500 == 1).mean()
    assert goes_on == pytest.approx(1 - 1 / 25, abs=0.01)
    assert set(np.unique(rows)) == set(range(500))


def test_the_naive_variance_knows_no_outcome_before_its_horizon_has_ended():
    actual = np.random.default_rng(0).normal(size=(60, 2))
    changed = actual.copy()
    changed[50:] *= 100
    before, after = (naive_variance(values, 5) for values in (actual, changed))
    assert np.isfinite(before[40:]).all()
    assert before[:55].tobytes() == after[:55].tobytes()
    assert (after[55] > before[55]).all()


def test_what_a_forecast_adds_is_as_defined_and_missing_ones_add_nothing():
    one = np.array([[0.02]])
    values = forecast_values(0 * one, one, 2 * one, one**2)
    assert {name: float(value[0, 0]) for name, value in values.items()} == pytest.approx(
        {"loss": 0.0, "qlike": 0.0, "coverage": 1.0, "width": 0.0}
    )
    for hole in range(4):
        cells = [one, one, one, one]
        cells[hole] = one * np.nan
        assert all(np.isnan(value).all() for value in forecast_values(*cells).values())


def test_a_session_counts_once_however_many_bars_and_symbols_it_has():
    days = pd.DatetimeIndex(["2026-01-05"] * 3 + ["2026-01-06"] * 2 + ["2026-01-07"])
    values = np.array([[1.0, 2.0], [3.0, np.nan], [np.nan, 2.0], [5.0, 5.0], [7.0, 7.0], [np.nan, np.nan]])
    assert by_session(values, days).tolist() == [2.0, 6.0]


@given(arrays(float, (30, 2, 3), elements=NUMBERS))
def test_bins_hold_every_value_once(values):
    values[0, 0, 0] = np.nan
    counts = binned(values, edges_of(values))
    assert counts.sum(axis=(0, 2)).tolist() == [59, 60, 60]


def test_the_stability_index_is_that_of_its_formula():
    expected = np.full((1, 10), 0.1)
    counts = np.array([[91.0, *[1.0] * 9]])
    share = (counts[0] + 0.5) / 105
    assert stability(counts, expected)[0] == pytest.approx(sum((share - 0.1) * np.log(share / 0.1)))
    assert np.isnan(stability(np.zeros((1, 10)), expected)[0])


def test_windows_are_the_sums_of_their_sessions():
    counts = np.random.default_rng(0).integers(0, 5, (80, 2, 10)).astype(float)
    assert windows(counts).shape == (18, 2, 10)
    assert (windows(counts)[17] == counts[17:].sum(axis=0)).all()


def test_a_reference_of_less_than_a_year_says_nothing_about_features():
    assert calibrated_shift(("a",), np.zeros((251, 1, 1)), 0.05, 252, 0) is None


def test_the_benchmark_finds_breaks_and_lets_quiet_markets_be():
    found = {line.watch: line for line in measured(chart_series, 20, 4)}
    assert {found[name].found for name in ("loss", "coverage", "qlike")} == {1.0}
    assert found["coverage"].delay[0] < 63
    assert sum(found[name].per_year for name in ("coverage", "qlike", "width")) <= 4 * RATE
    (features,) = measured(feature_series, 1, 2)
    assert (features.found, features.per_year) == (1.0, 0.0)
