"""What texts added: nothing where they change nothing, something where they tell something; and the trap."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, spearmanr

from engine.evaluation.metrics.texts import TextMetrics, log_density, text_metrics
from forewalk.types import Forecasts

ROWS, SYMBOLS = 400, 8


def forecasts(mean, std=0.01):
    rows, symbols = mean.shape
    times = pd.date_range("2015-01-02 21:00", periods=rows, freq="B", tz="UTC")
    return Forecasts(
        timestamps=times,
        symbols=tuple(f"S{number}" for number in range(symbols)),
        mean=mean,
        std=np.broadcast_to(std, mean.shape).copy(),
        p_up=np.full(mean.shape, 0.5),
        horizon_bars=1,
        model_ids=("fold-00",) * rows,
        trained_until=pd.DatetimeIndex([times[0]] * rows),
    )


def world(seed=0):
    random = np.random.default_rng(seed)
    told = random.normal(0, 0.01, (ROWS, SYMBOLS))
    return random, told, told + random.normal(0, 0.01, told.shape)


def test_texts_that_tell_something_add_to_every_measure():
    random, told, actual = world()
    without = random.normal(0, 0.001, told.shape)
    accounts = (np.full(ROWS, 0.001) + random.normal(0, 1e-3, ROWS), random.normal(0, 1e-3, ROWS))
    found = text_metrics(forecasts(told), forecasts(without, 0.03), actual, told, accounts)
    for part in (found.rank_ic, found.log_likelihood, found.qlike, found.account):
        assert part.gain > 0
        assert part.p < 0.01
        assert part.bars == ROWS
    assert found.qlike.with_texts < found.qlike.without


def test_texts_that_change_nothing_add_nothing_that_can_be_tested():
    _, told, actual = world()
    found = text_metrics(forecasts(told), forecasts(told), actual, told)
    assert (found.rank_ic.gain, found.rank_ic.p, found.account) == (0.0, None, None)


def test_the_trap_is_the_tone_of_the_bar_after():
    random, _, actual = world()
    tone = np.vstack(
        [random.normal(0, 1, (5 + 1, SYMBOLS)), np.sign(actual[:-1])]
    )  # of five earlier bars, too
    found = text_metrics(forecasts(actual * 0), forecasts(actual * 0), actual, tone)
    assert found.tone_by_day.t > 10
    assert abs(found.tone_known.t) < 4


def test_few_symbols_rank_nothing_and_a_whole_record_goes_through_its_file():
    _, told, actual = world()
    found = text_metrics(forecasts(told[:, :2]), forecasts(told[:, :2] * 0.5), actual[:, :2], told[:, :2])
    assert (found.rank_ic.gain, found.rank_ic.bars, found.tone_by_day.t) == (None, 0, None)
    assert TextMetrics.from_json(found.to_json()) == found


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), hole=st.floats(0.0, 0.9))
def test_only_cells_with_both_forecasts_and_an_outcome_count(seed, hole):
    random, told, actual = world(seed)
    other = np.where(random.random(told.shape) < hole, np.nan, told * 0.5)
    one = text_metrics(forecasts(told), forecasts(other), actual, told)
    two = text_metrics(forecasts(np.where(np.isfinite(other), told, np.nan)), forecasts(other), actual, told)
    assert one == two


def test_measures_agree_with_scipy():
    _, told, actual = world()
    np.testing.assert_allclose(
        log_density(told, np.full(told.shape, 0.02), actual), norm(told, 0.02).logpdf(actual)
    )
    found = text_metrics(forecasts(told), forecasts(-told), actual, told)
    expected = np.mean([spearmanr(f, y).statistic for f, y in zip(told, actual, strict=True)])
    assert found.rank_ic.with_texts == pytest.approx(expected)
    assert found.tone_known.mean == pytest.approx(expected)
