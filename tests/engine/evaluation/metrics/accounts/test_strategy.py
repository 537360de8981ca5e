import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.accounts.account import CostMetrics, return_metrics, strategy_metrics
from forewalk.returns import drawdown_series, simple_returns

EMPTY = pd.DataFrame()


def times(count):
    return pd.bdate_range("2020-01-02", periods=count, tz="UTC") + pd.Timedelta(hours=21)


def account(returns, held=None):
    values = 1e5 * np.cumprod(1 + np.asarray(returns))
    benchmark = values if held is None else 1e5 * np.cumprod(1 + np.asarray(held))
    columns = {"time": times(len(values)), "equity": values, "gross_exposure": 0.5, "benchmark": benchmark}
    return pd.DataFrame(columns)


@pytest.fixture
def returns():
    series = np.random.default_rng(1).normal(0.0005, 0.01, 700)
    series[:50] = 0  # flat at first
    return series


@pytest.mark.parametrize("bars_per_year", [252, 365])
def test_headline_metrics_equal_quantstats(returns, bars_per_year):
    stats = pytest.importorskip("quantstats").stats
    ours = strategy_metrics(account(returns), EMPTY, EMPTY, {}, bars_per_year).strategy
    series = pd.Series(returns, times(700).tz_localize(None).normalize())
    year = {"periods": bars_per_year}
    assert ours.total_return == pytest.approx(stats.comp(series))
    assert ours.cagr == pytest.approx(stats.cagr(series, **year))
    assert ours.volatility_annual == pytest.approx(stats.volatility(series, **year))
    assert ours.sharpe_annual == pytest.approx(stats.sharpe(series, **year))
    assert ours.sortino_annual == pytest.approx(stats.sortino(series, **year))
    assert ours.calmar == pytest.approx(stats.calmar(series, **year))
    assert ours.max_drawdown == pytest.approx(stats.max_drawdown(series))


def test_drawdown_dates_equal_quantstats_deepest_drawdown(returns):
    stats = pytest.importorskip("quantstats").stats
    series = pd.Series(returns, times(700).tz_localize(None).normalize())
    deepest = stats.drawdown_details(stats.to_drawdown_series(series)).sort_values("max drawdown").iloc[0]
    ours = return_metrics(account(returns)["equity"].to_numpy(), times(700), 252)
    assert ours.drawdown_trough[:10] == deepest["valley"]
    assert ours.drawdown_start[:10] < deepest["start"]  # the peak itself, theirs is the first bar below it


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60), st.floats(0.1, 1e6))
def test_return_metrics_do_not_depend_on_the_amount_of_money(moves, scale):
    values = np.cumprod(np.concatenate([[1.0], 1 + np.array(moves).round(6)]))
    once, scaled = (return_metrics(v, times(len(values)), 252) for v in (values, values * scale))
    assert once.max_drawdown <= 0
    first, second = ((one.total_return, one.cagr, one.max_drawdown) for one in (once, scaled))
    assert first == pytest.approx(second, abs=1e-9, rel=1e-6)


@given(st.lists(st.floats(-0.5, 0.5), max_size=60))
def test_returns_compound_back_to_the_account(moves):
    values = 100 * np.cumprod(np.concatenate([[1.0], 1 + np.array(moves)]))
    np.testing.assert_allclose(100 * np.cumprod(1 + simple_returns(values)), values)


def test_drawdown_of_six_values_worked_by_hand():
    values = np.array([100.0, 120, 90, 60, 130, 117])
    metrics, at = return_metrics(values, times(6), 252), times(6)
    np.testing.assert_allclose(drawdown_series(values), [0, 0, -0.25, -0.5, 0, -0.1])
    assert metrics.max_drawdown == -0.5
    dates = [metrics.drawdown_start, metrics.drawdown_trough, metrics.drawdown_recovery]
    assert dates == [at[1].isoformat(), at[3].isoformat(), at[4].isoformat()]


def test_a_drawdown_that_lasts_to_the_end_has_no_recovery():
    assert return_metrics(np.array([2.0, 1.0]), times(2), 252).drawdown_recovery is None


@pytest.mark.parametrize("count", [1, 2, 300])
def test_an_account_that_never_trades_has_metrics_that_json_can_hold(count):
    metrics = strategy_metrics(account(np.zeros(count)), EMPTY, EMPTY, {}, 252)
    json.dumps(metrics.to_json(), allow_nan=False)
    strategy = metrics.strategy
    assert (strategy.total_return, strategy.cagr, strategy.max_drawdown) == (0, 0, 0)
    assert (strategy.sharpe_annual, strategy.sortino_annual, strategy.calmar, strategy.hit_rate) == (
        None,
    ) * 4
    assert (strategy.trades, strategy.turnover_per_year, metrics.costs.total_paid) == (0, 0, 0)


def test_an_account_that_loses_everything_has_no_growth_rate():
    metrics = return_metrics(np.array([100.0, 50, -10, -10, 5, -1]), times(6), 252)
    assert metrics.cagr is None
    assert metrics.total_return == pytest.approx(-1.01)


def test_trades_fills_and_costs_are_summed_up():
    trades = pd.DataFrame({"pnl": [10.0, -5, 20, 0], "return": [0.1, -0.05, 0.3, 0.0]})
    orders = pd.DataFrame({"fill_price": [10.0, 20, np.nan], "filled_quantity": [100.0, -50, 0]})
    counts = {"fees_paid": 30.0, "slippage_paid": 70.0}
    metrics = strategy_metrics(account(np.zeros(126)), trades, orders, counts, 252)
    strategy = metrics.strategy
    assert (strategy.trades, strategy.hit_rate, strategy.mean_gross_exposure) == (4, 0.5, 0.5)
    assert (strategy.average_win, strategy.average_loss) == (pytest.approx(0.2), -0.05)
    assert strategy.turnover_per_year == pytest.approx(2000 / 1e5 / 0.5)
    assert metrics.costs == CostMetrics(30, 70, 100, pytest.approx(1e-3))


def test_an_account_without_rows_or_money_is_refused():
    for values in (np.zeros(0), np.zeros(3)):
        with pytest.raises(ValueError, match="at least one account value"):
            return_metrics(values, times(len(values)), 252)
