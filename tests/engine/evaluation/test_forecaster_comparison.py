from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, matthews_corrcoef

from engine.evaluation.comparison import compare_forecasters
from engine.evaluation.metrics.forecasts.calibration import reliability_curve
from engine.evaluation.metrics.inference import robust_mean_test
from engine.evaluation.metrics.statistics import clark_west, diebold_mariano


@pytest.fixture
def three(bars_of, forecasts_on):
    """A skilled forecast, zero and noise, with the outcome, [100, 6]; the noise misses some cells."""
    bars = bars_of(symbols=6)
    random = np.random.default_rng(3)
    actual = random.normal(0, 0.01, (100, 6))
    noise = random.normal(0, 0.003, (100, 6))
    noise[10:20, 2] = np.nan
    skilled = forecasts_on(bars, 0.2 * actual + random.normal(0, 0.002, (100, 6)))
    rivals = {"zero": forecasts_on(bars, np.zeros((100, 6))), "noise": forecasts_on(bars, noise)}
    return skilled, rivals, actual


def test_everyone_is_measured_on_the_cells_that_all_forecast(three):
    skilled, rivals, actual = three
    result = compare_forecasters(skilled, rivals, actual)
    assert (result.forecasts, result.bars) == (590, 100)
    used = np.isfinite(rivals["noise"].mean)
    assert result.forecasters["lstm"].mse == pytest.approx(np.mean((actual - skilled.mean)[used] ** 2))
    assert result.forecasters["zero"].skill_mse == 0


def test_numbers_equal_scikit_learn(three):
    skilled, rivals, actual = three
    used = np.isfinite(rivals["noise"].mean)
    ours = compare_forecasters(skilled, rivals, actual).forecasters["noise"]
    up, called = actual[used] > 0, rivals["noise"].mean[used] > 0
    assert ours.accuracy == pytest.approx(accuracy_score(up, called))
    assert ours.mcc == pytest.approx(matthews_corrcoef(up, called))
    assert ours.brier == pytest.approx(brier_score_loss(up, rivals["noise"].p_up[used]))


def test_the_network_is_tested_against_each_baseline(three):
    skilled, rivals, actual = three
    against = compare_forecasters(skilled, rivals, actual).against
    used = np.isfinite(rivals["noise"].mean)
    losses = [np.where(used, (actual - f.mean) ** 2, np.nan) for f in (skilled, rivals["noise"])]
    test = diebold_mariano(*losses)
    assert against["noise"].diebold_mariano.statistic == pytest.approx(test.statistic)
    assert against["noise"].diebold_mariano.p_less < 0.01
    assert against["zero"].skill_mse > 0.1
    assert against["zero"].clark_west.t > 3
    assert against["noise"].clark_west is None
    assert "clark_west" not in against["noise"].to_json()


def test_a_twin_of_the_network_is_no_better(three):
    skilled, _, actual = three
    same = compare_forecasters(skilled, {"twin": skilled}, actual).against["twin"]
    assert same.skill_mse == 0
    assert same.diebold_mariano.p_less is None


def test_forecasts_of_other_symbols_are_refused(three):
    skilled, rivals, actual = three
    stranger = replace(rivals["zero"], symbols=tuple("ABCDEF"))
    with pytest.raises(ValueError, match="stranger"):
        compare_forecasters(skilled, {"stranger": stranger}, actual)


def test_diebold_mariano_hardly_ever_favours_a_noisy_model_but_clark_west_is_fair():
    random = np.random.default_rng(5)
    found = []
    for _ in range(400):
        actual, forecast = random.normal(0, 1, 500), random.normal(0, 0.1, 500)
        test = diebold_mariano((actual - forecast) ** 2, actual**2)
        found.append((test.p_less < 0.05, clark_west(actual, forecast).t > 1.645))
    dm, cw = np.mean(found, axis=0)
    assert dm < 0.02
    assert 0.02 < cw < 0.09


def test_clark_west_without_lags_is_the_t_test_of_the_products():
    random = np.random.default_rng(6)
    actual, forecast = random.normal(size=40), random.normal(size=40)
    ours = clark_west(actual, forecast)
    assert ours.mean == pytest.approx(2 * np.mean(actual * forecast))
    plain = stats.ttest_1samp(2 * actual * forecast, 0).statistic
    assert np.sign(ours.t) == np.sign(plain)


@given(st.integers(0, 100), st.integers(1, 20))
def test_the_parts_of_the_brier_score_add_up(seed, bins):
    random = np.random.default_rng(seed)
    p_up = random.choice([0.2, 0.4, 0.5, 0.7], (50, 4))
    actual = random.normal(0, 1, (50, 4))
    curve = reliability_curve(p_up, actual, bins=4 + bins)
    assert sum(row.forecasts for row in curve.bins) == 200
    if len(curve.bins) == 4:
        score = np.mean((p_up - (actual > 0)) ** 2)
        assert curve.reliability - curve.resolution + curve.uncertainty == pytest.approx(score)


def test_reliability_equals_scikit_learns_calibration_curve():
    random = np.random.default_rng(7)
    p_up = random.uniform(0.4, 0.6, (200, 5))
    actual = p_up - random.uniform(0, 1, p_up.shape)
    ours = reliability_curve(p_up, actual, bins=5).bins
    share, stated = calibration_curve((actual > 0).ravel(), p_up.ravel(), n_bins=5, strategy="quantile")
    np.testing.assert_allclose([row.share_up for row in ours], share)
    np.testing.assert_allclose([row.mean_p_up for row in ours], stated)
    assert all(row.low < row.mean_p_up < row.high for row in ours)


def test_one_stated_probability_is_one_bin_and_none_is_no_curve():
    assert len(reliability_curve(np.full((20, 2), 0.5), np.ones((20, 2))).bins) == 1
    assert reliability_curve(np.full((20, 2), np.nan), np.ones((20, 2))) is None


def test_ranks_are_compared_in_pairs_of_bars(three):
    skilled, rivals, actual = three
    against = compare_forecasters(skilled, rivals, actual).against
    used = np.isfinite(rivals["noise"].mean)
    ours, theirs = (
        np.array([stats.spearmanr(f.mean[t, used[t]], actual[t, used[t]]).statistic for t in range(100)])
        for f in (skilled, rivals["noise"])
    )
    test = robust_mean_test(ours - theirs)
    paired = against["noise"].rank_difference
    assert (paired.mean, paired.t, paired.p) == pytest.approx((test.mean, test.t, test.p_greater))
    assert paired.bars == 100
    assert paired.p < 0.001
    assert against["zero"].rank_difference is None
    assert "rank_difference" not in against["zero"].to_json()


def test_nobody_ranks_better_than_its_equal(three):
    skilled, _, actual = three
    paired = compare_forecasters(skilled, {"same": skilled}, actual).against["same"].rank_difference
    assert (paired.mean, paired.t, paired.p) == (0.0, None, None)
