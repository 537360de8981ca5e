"""Two runs compared pair by pair: against independent arithmetic, and with a difference that was put there."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import forewalk as fw
from engine.evaluation.paired import pair_accounts, pair_forecasts
from forewalk.errors import DataError

TIMES = pd.date_range("2020-01-01", periods=300, tz="UTC")


def forecasts(error, symbols=("A", "B"), horizon=1, seed=0, times=TIMES):
    """A forecast table whose mean is off the truth by `error` times its own noise."""
    actual = np.random.default_rng(1).normal(0, 0.01, (len(TIMES), 2))[: len(times), : len(symbols)]
    mean = actual + error * np.random.default_rng(seed).normal(0, 0.01, actual.shape)
    return pd.DataFrame(
        {
            "asof": np.repeat(times, len(symbols)),
            "symbol": np.tile(symbols, len(times)),
            "horizon_bars": horizon,
            "mean": mean.ravel(),
            "actual": actual.ravel(),
        }
    )


def account(drift, seed=0, times=TIMES):
    returns = np.random.default_rng(seed).normal(drift, 0.01, len(times))
    return pd.DataFrame({"time": times, "equity": 100 * np.cumprod(1 + returns)})


def test_the_test_of_forecasts_is_a_t_test_of_the_bars_mean_loss_differences():
    a, b = forecasts(0.5, seed=2), forecasts(0.6, seed=3)
    found = pair_forecasts(a, b)
    losses = [((t["actual"] - t["mean"]) ** 2).to_numpy().reshape(-1, 2).mean(axis=1) for t in (a, b)]
    assert found.test.mean_difference == pytest.approx((losses[0] - losses[1]).mean())
    assert found.test.p_less < 0.05  # a's errors were made smaller
    assert found.test.statistic == pytest.approx(stats.ttest_rel(*losses).statistic, rel=0.2)  # HAC, not iid
    assert (found.cells, found.bars) == (600, 300)


@given(seed=st.integers(0, 50), error=st.floats(0.1, 2.0))
def test_swapping_the_runs_turns_every_sign(seed, error):
    a, b = forecasts(error, seed=seed), forecasts(1.0, seed=seed + 1)
    forth, back = pair_forecasts(a, b), pair_forecasts(b, a)
    assert forth.test.statistic == pytest.approx(-back.test.statistic)
    assert (forth.mse_a, forth.mse_b) == (back.mse_b, back.mse_a)


def test_only_what_both_forecast_with_a_known_outcome_is_compared():
    a, b = forecasts(1.0), forecasts(0.9, symbols=("A",), times=TIMES[100:])
    b["actual"] = a[a["symbol"] == "A"]["actual"].to_numpy()[100:]
    b.loc[b.index[-1], "actual"] = np.nan
    assert pair_forecasts(a, b).cells == 199


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (forecasts(1.0, horizon=5), "horizons are 1 and 5 bars"),
        (forecasts(1.0, symbols=("C", "D")), "share no forecast"),
        (forecasts(1.0).assign(actual=0.0), "outcomes are not the same"),
    ],
)
def test_forecasts_of_other_things_are_not_compared(other, reason):
    with pytest.raises(DataError, match=reason):
        pair_forecasts(forecasts(1.0), other)


def test_what_moves_both_accounts_alike_cancels():
    market = np.random.default_rng(5).normal(0, 0.03, 300)
    tables = []
    for seed, extra in ((7, 0.001), (8, 0.0)):
        returns = market + extra + np.random.default_rng(seed).normal(0, 1e-4, 300)
        tables.append(pd.DataFrame({"time": TIMES, "equity": 100 * np.cumprod(1 + returns)}))
    found = pair_accounts(*tables, bars_per_year=252, seed=1, repetitions=200)
    assert found.return_difference.value == pytest.approx(0.252, rel=0.02)
    assert found.return_difference.low > 0.24


@given(seed=st.integers(0, 20))
def test_accounts_of_chance_differ_by_what_their_interval_holds(seed):
    found = pair_accounts(account(0, seed), account(0, seed + 100), 252, seed=1, repetitions=100)
    assert found.return_difference.low < found.return_difference.value < found.return_difference.high
    assert found.sharpe_difference.value == pytest.approx(found.sharpe_a - found.sharpe_b)


def test_an_account_that_never_moves_has_no_sharpe_ratio_and_no_interval_of_it():
    idle = pd.DataFrame({"time": TIMES, "equity": 100.0})
    found = pair_accounts(idle, account(0.001), 252, seed=1, repetitions=100)
    assert found.sharpe_a is None
    assert (found.sharpe_difference.low, found.sharpe_difference.high) == (None, None)
    assert found.return_difference.low < found.return_difference.high


def test_a_run_compared_with_itself_differs_in_nothing(result, saved):
    found = fw.compare(result, saved)
    assert found.same_data
    assert found.settings == ()
    assert found.lines() == [
        "backtest and mine forecast with the same error (358 forecasts).",
        f"backtest and mine have the same account: {found.accounts.return_a:.1%} over 179 bars.",
        "Settings that differ: none.",
    ]
    assert "same error" in found._repr_html_()


def test_runs_with_other_settings_name_them(result):
    other = fw.Result.of(result.run)
    other.settings = fw.load_settings(result.settings, {"model.seeds": 2, "jobs": 7})
    assert fw.compare(result, other).settings == (("model.seeds", 1, 2),)
