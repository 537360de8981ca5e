from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from engine.evaluation.metrics.forecasts.pit import calibration
from engine.evaluation.metrics.over_time import TimeMetrics, open_to_open, time_metrics
from engine.evaluation.metrics.statistics import rank_ic
from helpers.judged_runs import make_judged
from helpers.small_panels import make_bars, make_forecasts


def judged(bars=520):
    subject = make_judged(("A", "B", "C", "D", "E"), bars=bars).subject
    return subject.forecasts, subject.actual, subject.bars, subject.simulation.equity


def test_the_years_make_up_the_whole_account():
    forecasts, actual, bars, equity = judged(900)
    years = time_metrics(forecasts, actual, bars, equity).years
    assert [one.year for one in years] == sorted({t.year for t in equity["time"]})
    for name in ("total_return", "benchmark_return"):
        column = equity["equity" if name == "total_return" else "benchmark"]
        whole = np.prod([1 + getattr(one, name) for one in years])
        assert whole == pytest.approx(column.iloc[-1] / column.iloc[0])
    assert sum(one.bars for one in years) == len(equity)


def test_the_year_that_gained_most_is_left_out():
    forecasts, actual, bars, equity = judged(900)
    found = time_metrics(forecasts, actual, bars, equity)
    best = max(found.years, key=lambda one: one.total_return - one.benchmark_return)
    kept = forecasts.timestamps.year != best.year
    assert found.without.year == best.year
    assert 1 + found.without.total_return == pytest.approx(
        equity["equity"].iloc[-1] / equity["equity"].iloc[0] / (1 + best.total_return)
    )
    assert found.without.rank_ic == pytest.approx(np.nanmean(rank_ic(forecasts.mean, actual)[kept]))


def test_one_year_alone_is_not_left_out():
    forecasts, actual, bars, equity = judged()
    rows = slice(0, 20)
    few = replace(
        forecasts,
        timestamps=forecasts.timestamps[rows],
        mean=forecasts.mean[rows],
        std=forecasts.std[rows],
        p_up=forecasts.p_up[rows],
        model_ids=forecasts.model_ids[rows],
        trained_until=forecasts.trained_until[rows],
    )
    assert time_metrics(few, actual[rows], bars, equity[rows]).without is None


def test_a_signal_that_lasts_three_bars_is_seen_at_lags_below_three():
    random = np.random.default_rng(2)
    bars = make_bars(symbols=8)
    shock = random.normal(size=(104, 8))
    signal = shock[:100]
    actual = shock[:100] + 0.0
    for lag in (1, 2):
        actual[lag:] += signal[:-lag]
    actual += random.normal(0, 0.3, actual.shape)
    found = time_metrics(make_forecasts(bars, signal), actual, bars, account(bars))
    strong = [at.lag_bars for at in found.decay if at.t is not None and at.t > 5]
    assert strong == [1, 2]
    assert [at.lag_bars for at in found.decay] == list(range(1, 21))


def account(bars):
    times = bars.timestamps[-100:]
    return pd.DataFrame({"time": times, "equity": 1e5, "benchmark": 1e5})


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_tradable_return_begins_at_the_open_after_the_forecast(horizon):
    opens = np.exp(np.random.default_rng(1).normal(size=(12, 2)).cumsum(axis=0))
    found = open_to_open(opens, horizon)
    for t in range(12 - horizon - 1):
        np.testing.assert_allclose(found[t], np.log(opens[t + 1 + horizon] / opens[t + 1]))
    assert np.isnan(found[12 - horizon - 1 :]).all()


def test_skill_that_is_gone_by_the_open_is_not_tradable():
    random = np.random.default_rng(5)
    bars = make_bars(symbols=8)
    jump = random.normal(0, 0.01, bars.open.shape)
    level = np.exp(jump.cumsum(axis=0))
    moved = replace(bars, open=level, close=level, high=level, low=level)  # all of it happens at the open
    forecast = np.roll(jump, -1, axis=0)[-100:]
    found = time_metrics(make_forecasts(bars, forecast), forecast, moved, account(bars))
    assert np.nanmean(rank_ic(forecast, forecast)) == pytest.approx(1)
    assert abs(found.tradable.rank_ic) < 0.1


def test_a_right_spread_passes_and_a_wrong_one_does_not():
    random = np.random.default_rng(8)
    mean, std = random.normal(0, 0.3, (400, 6)), random.uniform(0.5, 2, (400, 6))
    actual = mean + std * random.normal(size=mean.shape)
    right, wide, narrow = (calibration(mean, std * factor, actual) for factor in (1.0, 1.5, 0.7))
    assert right.p > 0.05
    assert all(one.p > 0.01 for one in right.coverage)
    assert max(wide.p, narrow.p) < 1e-6
    assert wide.pit_spread < 1 < narrow.pit_spread
    assert wide.coverage[1].z > 5
    assert narrow.coverage[1].z < -5


def test_the_transform_is_that_of_the_stated_normal():
    random = np.random.default_rng(9)
    mean, actual = random.normal(size=(50, 1)), random.normal(size=(50, 1))
    found = calibration(mean, np.full((50, 1), 2.0), actual)
    u = stats.norm(mean, 2.0).cdf(actual)
    assert found.pit_mean == pytest.approx(u.mean())
    assert found.pit_spread == pytest.approx(12 * np.mean((u - 0.5) ** 2))


def test_right_spreads_are_refused_in_about_one_history_of_twenty():
    refused = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        common = random.normal(size=(300, 1))
        actual = np.sqrt(0.3) * common + np.sqrt(0.7) * random.normal(size=(300, 5))
        refused += calibration(np.zeros((300, 5)), np.ones((300, 5)), actual).p <= 0.05
    assert refused <= 20


def test_it_goes_through_the_file_and_back():
    found = time_metrics(*judged())
    assert TimeMetrics.from_json(found.to_json()) == found
