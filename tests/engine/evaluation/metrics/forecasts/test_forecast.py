import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from engine.evaluation.metrics.door import leaves
from engine.evaluation.metrics.forecasts.skill import ForecastMetrics, forecast_metrics
from engine.evaluation.metrics.forecasts.volatility import ewma_variance


def measure(forecasts_of, panel, **changes):
    mean, actual, close, trailing = panel
    return forecast_metrics(forecasts_of(changes.pop("mean", mean), **changes), actual, close, trailing)


def test_the_naive_forecast_has_no_skill_over_itself(forecasts_of, panel):
    overall = measure(forecasts_of, panel, mean=np.zeros_like(panel[0])).overall
    for errors in (overall.returns, overall.prices):
        assert (errors.skill_mae, errors.skill_rmse, errors.skill_mse) == (0, 0, 0)
    assert overall.beats_naive is False
    assert overall.diebold_mariano.p_less is None


@given(order=st.permutations(range(6)))
@settings(max_examples=10)
def test_overall_metrics_do_not_depend_on_the_order_of_symbols(order, forecasts_of, panel):
    shuffled = tuple(values[:, order] for values in panel)
    first, second = (dict(leaves(measure(forecasts_of, p).overall.to_json())) for p in (shuffled, panel))
    assert first == pytest.approx(second, rel=1e-9)


def test_doubling_forecasts_and_returns_leaves_every_share_as_it_was(forecasts_of, panel):
    mean, actual, close, trailing = panel
    once = measure(forecasts_of, panel).overall
    doubled = forecast_metrics(
        forecasts_of(2 * mean, std=np.full_like(mean, 0.02)), 2 * actual, close, 2 * trailing
    ).overall
    assert doubled.returns.skill_mse == pytest.approx(once.returns.skill_mse)
    assert doubled.direction == once.direction
    assert doubled.variance.qlike == pytest.approx(once.variance.qlike)
    assert doubled.coverage == once.coverage


def test_errors_are_those_of_textbooks(forecasts_of, panel):
    mean, actual, close, _ = panel
    overall, used = measure(forecasts_of, panel).overall, np.isfinite(actual)
    error = (mean - actual)[used]
    price_error = (close * np.exp(mean) - close * np.exp(actual))[used]
    assert overall.forecasts == used.sum() == 719
    assert overall.returns.mae == pytest.approx(np.abs(error).mean())
    assert overall.returns.naive_rmse == pytest.approx(np.sqrt(np.mean(actual[used] ** 2)))
    assert overall.prices.mse == pytest.approx(np.mean(price_error**2))
    assert overall.prices.skill_mse == pytest.approx(
        1 - np.mean(price_error**2) / np.mean((close * np.exp(actual) - close)[used] ** 2)
    )


def test_direction_counts_of_six_cells_worked_by_hand(forecasts_of):
    mean = np.array([[1, -1, 1], [1, 0, -1]]) * 0.01
    actual = np.array([[2, 2, -2], [2, 2, 0]]) * 0.01
    last = np.array([[1, 1, 1], [-1, 1, 1]]) * 0.01
    direction = forecast_metrics(forecasts_of(mean), actual, np.ones((2, 3)), last).overall.direction
    assert (direction.forecasts, direction.zero_outcomes, direction.zero_forecasts) == (4, 1, 1)
    assert (direction.accuracy, direction.base_rate) == (0.5, 0.75)
    assert direction.persistence_accuracy == 0.5
    assert direction.mcc == pytest.approx((2 * 0 - 1 * 1) / math.sqrt(3 * 3 * 1 * 1))


@given(cells=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_exact_interval_of_the_direction_is_the_binomial_one(cells, forecasts_of):
    up, called = (np.where([cell[side] for cell in cells], 0.01, -0.01)[:, None] for side in (0, 1))
    direction = forecast_metrics(forecasts_of(called), up, np.ones_like(up), up).overall.direction
    exact = stats.binomtest(int((up == called).sum()), len(cells)).proportion_ci(method="exact")
    assert (direction.exact_low, direction.exact_high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_skilful_forecasts_beat_naive_and_noise_does_not(forecasts_of, panel):
    noise = np.random.default_rng(11).normal(0, 0.01, panel[0].shape)
    assert measure(forecasts_of, panel, mean=0.5 * np.nan_to_num(panel[1])).overall.beats_naive is True
    assert measure(forecasts_of, panel, mean=noise).overall.beats_naive is False


def test_brier_score_stands_beside_a_coin_and_the_base_rate(forecasts_of, panel):
    ups = np.isfinite(panel[1]) & (panel[1] > 0)
    share = ups.sum() / 719
    brier = measure(forecasts_of, panel, p_up=np.where(ups, 0.8, 0.2)).overall.brier
    assert brier.score == pytest.approx(0.04)
    assert brier.base_rate_score == pytest.approx(share * (1 - share))
    assert brier.skill == pytest.approx(1 - 0.04 / 0.25)


def test_ewma_forecasting_itself_has_no_variance_skill(forecasts_of, panel):
    std = np.sqrt(3 * ewma_variance(panel[3]))
    variance = measure(forecasts_of, panel, std=std, horizon=3).overall.variance
    assert variance.qlike == pytest.approx(variance.ewma_qlike)
    assert variance.skill_mse == pytest.approx(0)
    assert variance.beats_ewma is False


def test_variance_losses_count_only_cells_that_have_an_ewma_variance(forecasts_of, panel):
    _, actual, _, trailing = panel
    variance = measure(forecasts_of, panel).overall.variance
    naive, realised = ewma_variance(trailing)[19:], (actual**2)[19:]
    assert variance.forecasts == 101 * 6
    assert variance.ewma_qlike == pytest.approx(np.mean(realised / naive))
    assert variance.qlike == pytest.approx(np.mean(np.log(1e-4 / naive) + realised / 1e-4))


def test_normal_outcomes_fill_normal_bands_to_their_level(forecasts_of):
    actual = np.random.default_rng(12).normal(0, 0.01, (4000, 5))
    coverage = forecast_metrics(
        forecasts_of(np.zeros((4000, 5)) + 1e-9), actual, np.ones((4000, 5)), np.roll(actual, 1, axis=0)
    ).overall.coverage
    assert (coverage.in_50_percent, coverage.in_80_percent, coverage.in_95_percent) == pytest.approx(
        (0.5, 0.8, 0.95), abs=0.01
    )


def test_each_symbol_and_each_model_is_measured_on_its_own_cells(forecasts_of, panel):
    ids = ("",) * 10 + ("fold-00",) * 50 + ("fold-01",) * 60
    metrics = measure(forecasts_of, panel, model_ids=ids)
    alone = measure(forecasts_of, tuple(values[:, [2]] for values in panel)).overall
    assert metrics.per_symbol["S2"] == alone
    assert alone.rank_ic is None
    assert {name: part.bars for name, part in metrics.per_model.items()} == {
        "fold-00": 50,
        "fold-01": 60,
    }


def test_metrics_of_nothing_known_are_none_and_never_nan(forecasts_of):
    empty = np.full((4, 2), np.nan)
    metrics = forecast_metrics(forecasts_of(empty), empty, empty, empty)
    stored = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert ForecastMetrics.from_json(stored) == metrics
    assert metrics.overall.forecasts == 0
    assert metrics.overall.returns.mse is None


def test_outcomes_without_any_spread_do_not_divide_by_zero(forecasts_of):
    still = np.zeros((60, 5))
    overall = forecast_metrics(forecasts_of(still), still, still + 7, still).overall
    json.dumps(overall.to_json(), allow_nan=False)
    assert overall.direction.accuracy is None
    assert overall.variance is None


def test_arrays_of_another_shape_are_refused(forecasts_of, panel):
    mean, actual, close, trailing = panel
    with pytest.raises(ValueError, match="close has shape"):
        forecast_metrics(forecasts_of(mean), actual, close[1:], trailing)


def ranks_of(forecasts_of, random, bars, horizon):
    """What a report says of the ranks of forecasts that move slowly and know nothing of outcomes that overlap."""
    moves = random.normal(0, 0.01, (bars + horizon, 8))
    total, noise = np.cumsum(moves, axis=0), random.normal(0, 0.01, (bars, 8))
    for row in range(1, bars):
        noise[row] += 0.9 * noise[row - 1]
    actual, forecasts = total[horizon:] - total[:-horizon], forecasts_of(noise, horizon=horizon)
    return forecast_metrics(forecasts, actual, np.exp(total[:bars]), moves[:bars]).overall.rank_ic


def test_ranks_that_know_nothing_are_significant_about_as_often_as_they_should_be(forecasts_of):
    random = np.random.default_rng(4)
    found = [ranks_of(forecasts_of, random, 120, 20) for _ in range(150)]
    assert 0.01 < np.mean([ic.p < 0.05 for ic in found]) < 0.11
    assert np.mean([abs(ic.t) >= 2 for ic in found]) < 0.22  # of three degrees of freedom 14 %
    few = ranks_of(forecasts_of, random, 60, 20)
    assert (few.t, few.p) == (None, None)  # three horizons say nothing
