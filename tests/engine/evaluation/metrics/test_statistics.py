import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from engine.evaluation.metrics.statistics import (
    clustered_share,
    diebold_mariano,
    hac_lag,
    information_coefficient,
    matthews_correlation,
    mean_test,
    newey_west_variance,
    rank_ic,
)

losses = arrays(np.float64, 40, elements=st.floats(0, 100, width=32))


@given(losses, losses, st.integers(1, 6))
def test_diebold_mariano_changes_sign_when_the_forecasts_change_places(a, b, horizon):
    forth, back = diebold_mariano(a, b, horizon), diebold_mariano(b, a, horizon)
    if forth.statistic is None:
        assert (back.statistic, back.p_less, forth.p_less) == (None, None, None)
        return
    assert forth.statistic == pytest.approx(-back.statistic)
    assert forth.p_less == pytest.approx(1 - back.p_less, abs=1e-12)
    assert forth.p_two_sided == pytest.approx(back.p_two_sided)


@given(losses, losses, st.floats(0.01, 1000))
def test_diebold_mariano_does_not_depend_on_the_unit_of_the_loss(a, b, scale):
    once, scaled = diebold_mariano(a, b), diebold_mariano(a * scale, b * scale)
    assert (once.statistic is None) == (scaled.statistic is None)
    assert once.statistic is None or once.statistic == pytest.approx(scaled.statistic, rel=1e-6)


def test_diebold_mariano_of_independent_losses_is_the_one_sample_t_test():
    random = np.random.default_rng(1)
    a, b = random.exponential(1, 60), random.exponential(1.3, 60)
    ours, theirs = diebold_mariano(a, b, lag=0), stats.ttest_1samp(a - b, 0)
    assert ours.statistic == pytest.approx(theirs.statistic)
    assert ours.p_two_sided == pytest.approx(theirs.pvalue)
    assert ours.p_less == pytest.approx(stats.ttest_1samp(a - b, 0, alternative="less").pvalue)


def test_harvey_leybourne_newbold_shrinks_the_statistic_of_long_horizons_by_their_factor():
    random = np.random.default_rng(2)
    a, b, n, h = random.exponential(1, 30), random.exponential(1, 30), 30, 4
    plain = (a - b).mean() / math.sqrt(newey_west_variance(a - b, 3) / n)
    expected = plain * math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    assert diebold_mariano(a, b, horizon_bars=h, lag=3).statistic == pytest.approx(expected)


def test_symbols_that_move_together_add_no_evidence():
    random = np.random.default_rng(3)
    a, b = random.exponential(1, 80), random.exponential(1.2, 80)
    panel = diebold_mariano(np.tile(a[:, None], 50), np.tile(b[:, None], 50))
    assert panel.statistic == pytest.approx(diebold_mariano(a, b).statistic)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_diebold_mariano_gives_no_verdict_on_too_few_periods(n):
    assert diebold_mariano(np.arange(n), np.zeros(n)).p_less is None


def test_diebold_mariano_gives_no_verdict_when_the_losses_do_not_differ():
    assert diebold_mariano(np.ones(50), np.ones(50)).statistic is None


@pytest.mark.parametrize(
    ("n", "h", "lag"), [(100, 1, 4), (1000, 1, 6), (1000, 21, 40), (5, 21, 4), (0, 1, 0)]
)
def test_the_lag_rule_covers_the_overlap_and_stays_below_the_sample(n, h, lag):
    assert hac_lag(n, h) == lag


def test_newey_west_variance_equals_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    series = np.convolve(np.random.default_rng(4).normal(size=203), [1, 0.7, 0.4, 0.1], "valid")
    for lag in (0, 1, 5, 12):
        fit = api.OLS(series, np.ones(len(series))).fit(cov_type="HAC", cov_kwds={"maxlags": lag})
        assert newey_west_variance(series, lag) / len(series) == pytest.approx(fit.bse[0] ** 2)


def test_newey_west_variance_of_four_numbers_worked_by_hand():
    # centred -1.5 -0.5 0.5 1.5: g0 = 5 / 4, g1 = (0.75 - 0.25 + 0.75) / 4, half weight, twice
    assert newey_west_variance([1, 2, 3, 4], 1) == pytest.approx((5 + 1.25) / 4)


def test_mean_test_is_the_hac_regression_on_a_constant():
    api = pytest.importorskip("statsmodels.api")
    series = np.random.default_rng(5).normal(0.1, 1, 250)
    test = mean_test(np.append(series, np.nan), horizon_bars=5)
    fit = api.OLS(series, np.ones(250)).fit(cov_type="HAC", cov_kwds={"maxlags": test.lag_bars})
    assert (test.t, test.observations, test.lag_bars) == (pytest.approx(fit.tvalues[0]), 250, 8)


def test_the_clustered_interval_is_wider_when_symbols_are_right_together():
    hits = np.tile(np.random.default_rng(6).random(400)[:, None] < 0.5, 20)
    everything = np.ones_like(hits)
    low, high = clustered_share(hits, everything)
    exact = stats.binomtest(int(hits.sum()), hits.size).proportion_ci(method="exact")
    assert high - low > 3 * (exact.high - exact.low)


def slow_guesses(random, bars, horizon, symbols=8):
    """Which of forecasts that move slowly and know nothing are right about outcomes that overlap."""
    moves = random.normal(size=(bars + horizon, symbols)) + 0.6 * random.normal(size=(bars + horizon, 1))
    total = np.cumsum(moves, axis=0)
    outcome = total[horizon:] - total[:-horizon]
    noise, guess = random.normal(size=(bars, symbols)), np.zeros((bars, symbols))
    for row in range(1, bars):
        guess[row] = 0.9 * guess[row - 1] + noise[row]
    return (guess > 0) == (outcome > 0)


@pytest.mark.parametrize(("bars", "horizon"), [(60, 1), (60, 5), (120, 20), (600, 20)])
def test_the_interval_of_the_direction_holds_a_coin_however_far_labels_overlap(bars, horizon):
    random = np.random.default_rng(11)
    missed = 0
    for _ in range(400):
        hits = slow_guesses(random, bars, horizon)
        low, high = clustered_share(hits, np.ones_like(hits), horizon)
        missed += not low <= 0.5 <= high
    assert 0.02 < missed / 400 < 0.085


def test_three_horizons_have_no_interval():
    hits = slow_guesses(np.random.default_rng(11), 60, 20)
    assert np.isnan(clustered_share(hits, np.ones_like(hits), 20)).all()


def test_matthews_correlation_is_pearsons_of_the_two_directions():
    random = np.random.default_rng(7)
    truth, call = random.random(300) < 0.6, random.random(300) < 0.4
    counts = [int(np.sum((truth == t) & (call == c))) for t, c in ((1, 1), (0, 0), (0, 1), (1, 0))]
    assert matthews_correlation(*counts) == pytest.approx(np.corrcoef(truth, call)[0, 1])
    assert math.isnan(matthews_correlation(5, 0, 5, 0))


def test_information_coefficients_equal_scipy_bar_by_bar():
    random = np.random.default_rng(8)
    x, y = random.normal(size=(30, 9)), random.normal(size=(30, 9)).round(1)
    y[2, 4] = np.nan
    ic, ranks = information_coefficient(x, y), rank_ic(x, y)
    for bar in range(30):
        used = np.isfinite(y[bar])
        assert ic[bar] == pytest.approx(stats.pearsonr(x[bar, used], y[bar, used]).statistic)
        assert ranks[bar] == pytest.approx(stats.spearmanr(x[bar, used], y[bar, used]).statistic)


def test_a_bar_with_four_symbols_or_without_spread_has_no_information_coefficient():
    x = np.arange(10.0).reshape(2, 5)
    y = np.array([[1, 2, 3, 4, np.nan], [1, 1, 1, 1, 1]])
    assert np.isnan(rank_ic(x, y)).all()
    assert np.isnan(information_coefficient(x, y)).all()


@given(st.permutations(range(6)))
def test_rank_ic_does_not_depend_on_the_order_of_symbols(order):
    random = np.random.default_rng(9)
    x, y = random.normal(size=(5, 6)), random.normal(size=(5, 6))
    np.testing.assert_allclose(rank_ic(x[:, order], y[:, order]), rank_ic(x, y), atol=1e-12)
