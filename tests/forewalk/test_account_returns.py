import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.evaluation.metrics.accounts.account import return_metrics
from forewalk.returns import DAYS_A_YEAR, bars_per_year_covered, sharpe_sample
from forewalk.sessions import bars_per_year, session_closes, sessions_between


@given(st.lists(st.floats(-0.5, 0.5, allow_subnormal=False), min_size=8, max_size=60))
def test_the_sample_of_an_account_is_scipys(values):
    returns = np.array(values)
    if returns.std() < 1e-6:
        return
    sample = sharpe_sample(returns)
    assert sample.sharpe == pytest.approx(returns.mean() / stats.tstd(returns), rel=1e-9, abs=1e-12)
    assert sample.skew == pytest.approx(stats.skew(returns), rel=1e-6, abs=1e-9)
    assert sample.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-6, abs=1e-9)
    assert sample.observations == len(values)


@pytest.mark.parametrize("returns", [np.zeros(10), np.full(10, 0.01), np.zeros(1), np.zeros(0)])
def test_an_account_that_never_moved_has_no_ratio(returns):
    sample = sharpe_sample(returns)
    assert np.isnan([sample.sharpe, sample.skew, sample.kurtosis]).all()


def test_a_sample_of_normal_returns_is_normal():
    sample = sharpe_sample(np.random.default_rng(3).normal(0.001, 0.01, 100_000))
    assert (sample.sharpe, sample.skew, sample.kurtosis) == pytest.approx((0.1, 0, 3), abs=0.02)


TIMES = session_closes("XNYS", sessions_between("XNYS", "2010-01-04", "2017-12-29"))
PRICES = 100 * np.exp(np.cumsum(np.random.default_rng(8).normal(0.0004, 0.012, len(TIMES))))


def measured(rows, calendar="XNYS", interval="1d"):
    """Growth and risk of holding, seen at these rows only."""
    year = bars_per_year_covered(TIMES[rows], bars_per_year(calendar, interval))
    return return_metrics(PRICES[rows], TIMES[rows], year)


@given(share=st.floats(0.02, 1.0), seed=st.integers(0, 999))
def test_holes_do_not_change_the_growth_per_year(share, seed):
    inner = np.random.default_rng(seed).random(len(TIMES) - 2) < share
    rows = np.flatnonzero(np.concatenate([[True], inner, [True]]))
    whole = measured(np.arange(len(TIMES)))
    assert measured(rows).cagr == pytest.approx(whole.cagr, rel=1e-9) or len(rows) < 3


@pytest.mark.parametrize(("step", "tolerance"), [(5, 0.1), (21, 0.2)])
def test_weekly_and_monthly_bars_have_about_the_risk_of_daily_ones(step, tolerance):
    rows = np.arange(0, len(TIMES), step)
    whole, some = measured(np.arange(len(TIMES))), measured(rows)
    assert some.cagr == pytest.approx(whole.cagr, abs=0.01)
    assert some.volatility_annual == pytest.approx(whole.volatility_annual, rel=tolerance)
    assert some.sharpe_annual == pytest.approx(whole.sharpe_annual, rel=2 * tolerance)


def test_growth_is_what_pandas_computes_from_calendar_time():
    years = (TIMES[-1] - TIMES[0]) / pd.Timedelta(days=DAYS_A_YEAR)
    assert measured(np.arange(len(TIMES))).cagr == pytest.approx((PRICES[-1] / PRICES[0]) ** (1 / years) - 1)


def test_a_complete_year_has_about_the_bars_of_its_calendar():
    assert bars_per_year_covered(TIMES, 0.0) == pytest.approx(252, abs=0.5)
    assert bars_per_year_covered(TIMES[:2], 252.0) == 252.0
