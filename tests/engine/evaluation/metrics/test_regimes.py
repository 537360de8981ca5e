"""Results by the state of the market: told from the past alone, and adding up to the whole."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evaluation.metrics.over_time import time_metrics
from engine.evaluation.metrics.regimes import regime_metrics, regimes_of
from helpers.judged_runs import make_judged


def walk(seed, bars=300, symbols=4):
    steps = np.random.default_rng(seed).normal(0, 0.01, (bars, symbols))
    return 100 * np.exp(steps.cumsum(axis=0))


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), cut=st.integers(30, 299))
def test_no_state_depends_on_later_bars(seed, cut):
    close = walk(seed)
    changed = close.copy()
    changed[cut:] *= np.random.default_rng(seed + 1).uniform(0.5, 2.0, changed[cut:].shape)
    for name, state in regimes_of(close).items():
        assert np.array_equal(state[:cut], regimes_of(changed)[name][:cut])


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_each_bar_is_in_one_state_of_a_pair_at_the_most(seed):
    states = regimes_of(walk(seed))
    assert not (states["calm"] & states["wild"]).any()
    assert not (states["risen"] & states["fallen"]).any()
    assert (states["calm"] | states["wild"])[21:].all()
    assert not states["risen"][:125].any()


def test_a_return_belongs_to_the_state_before_it():
    close = walk(3)
    close[200:, :] *= np.exp(np.random.default_rng(4).normal(0, 0.1, close[200:].shape).cumsum(axis=0))
    rows = 150
    times = pd.date_range("2020-01-01", periods=rows, tz="UTC")
    market = pd.DataFrame(close).pct_change(fill_method=None).mean(axis=1).to_numpy()[-rows:]
    value = 100 * np.cumprod(1 + np.concatenate([[0.0], market[1:]]))
    equity = pd.DataFrame({"time": times, "equity": value, "benchmark": value})
    wild = regimes_of(close)["wild"]
    expected = np.prod(1 + np.where(wild[149:-1], np.concatenate([[0.0], market[1:]]), 0.0)) - 1
    nothing = np.zeros((rows, 4))
    found = {
        one.regime: one for one in regime_metrics(nothing, nothing, np.full(rows, np.nan), close, equity)
    }
    np.testing.assert_allclose(found["wild"].total_return, expected, rtol=1e-12)
    assert found["wild"].rank_ic is None
    assert found["wild"].direction is None


def test_a_run_tells_them():
    subject = make_judged(("A", "B", "C", "D", "E"), bars=900).subject
    told = time_metrics(subject.forecasts, subject.actual, subject.bars, subject.simulation.equity)
    pair = {one.regime: one for one in told.regimes}
    assert {"calm", "wild"} <= set(pair)
    assert all(one.bars >= 21 for one in told.regimes)
