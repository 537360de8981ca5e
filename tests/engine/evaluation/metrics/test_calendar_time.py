"""Per year means per year of the calendar: how often one looks, or what is missing, flatters nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.accounts.account import return_metrics
from forewalk.returns import bars_per_year_covered
from forewalk.sessions import bars_per_year, session_closes, session_grid, sessions_between

DAYS = sessions_between("XNYS", "2012-01-03", "2019-12-31")
CLOSES = session_closes("XNYS", DAYS)
STEPS = np.random.default_rng(2).normal(0.001, 0.01, len(DAYS))
DAILY = pd.Series(1000 * np.exp(np.cumsum(STEPS)), CLOSES)
VOLATILITY = 0.01 * np.sqrt(252)


def measured(series, interval):
    times = pd.DatetimeIndex(series.index)
    year = bars_per_year_covered(times, bars_per_year("XNYS", interval))
    return return_metrics(series.to_numpy(), times, year)


def by_calendar(series):
    """Growth a year, from the first and the last value and the time between them."""
    years = (series.index[-1] - series.index[0]) / pd.Timedelta(days=365.25)
    return (series.iloc[-1] / series.iloc[0]) ** (1 / years) - 1


@given(kept=st.lists(st.integers(0, len(DAYS) - 1), min_size=20, max_size=400, unique=True))
def test_a_series_with_holes_grows_no_faster(kept):
    rows = sorted({0, len(DAYS) - 1, *kept})
    found = measured(DAILY.iloc[rows], "1d")
    assert found.cagr == pytest.approx(by_calendar(DAILY), rel=1e-9)
    assert found.years == pytest.approx((CLOSES[-1] - CLOSES[0]) / pd.Timedelta(days=365.25))


@pytest.mark.parametrize(
    ("interval", "rule"), [("1wk", "W-FRI"), ("1mo", "M"), ("1d", "D")], ids=["weekly", "monthly", "daily"]
)
def test_weekly_and_monthly_bars_of_one_series_agree_with_its_days(interval, rule):
    days = DAILY.copy()
    series = (
        days
        if interval == "1d"
        else days.groupby(days.index.tz_localize(None).to_period(rule.removesuffix("E"))).tail(1)
    )
    found = measured(series, interval)
    whole = measured(DAILY, "1d")
    assert found.cagr == pytest.approx(by_calendar(series), rel=1e-9)
    assert found.cagr == pytest.approx(whole.cagr, abs=0.01)  # a few days at either end
    assert found.volatility_annual == pytest.approx(VOLATILITY, rel=0.15)
    assert found.sharpe_annual == pytest.approx(whole.sharpe_annual, rel=0.25)


def test_hourly_bars_of_one_series_agree_with_its_days():
    days = DAYS[:500]
    times = pd.DatetimeIndex(np.concatenate([session_grid("XNYS", day, "1h") for day in days]), tz="UTC")
    per_day = len(times) / len(days)
    steps = np.random.default_rng(3).normal(0.001 / per_day, 0.01 / np.sqrt(per_day), len(times))
    hourly = pd.Series(1000 * np.exp(np.cumsum(steps)), times)
    daily = hourly.groupby(hourly.index.normalize()).tail(1)
    one, other = measured(hourly, "1h"), measured(daily, "1d")
    assert one.cagr == pytest.approx(by_calendar(hourly), rel=1e-9)
    assert one.volatility_annual == pytest.approx(other.volatility_annual, rel=0.1)
    assert one.sharpe_annual == pytest.approx(other.sharpe_annual, rel=0.2)


def test_hourly_bars_that_are_really_daily_are_not_taken_for_a_year_of_hours():
    thinned = DAILY.iloc[::7]
    assert measured(thinned, "1h").cagr == pytest.approx(by_calendar(thinned), rel=1e-9)
