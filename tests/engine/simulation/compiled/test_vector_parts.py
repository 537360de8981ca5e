"""What the equality rests on: sums as NumPy takes them, feeds as backtrader sees them, metrics by their names."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.metrics.accounts.account import return_metrics, strategy_metrics
from engine.simulation.cerebro import simulate
from engine.simulation.compiled import types as vector_types
from engine.simulation.compiled.inputs import make_panel, make_rules
from engine.simulation.compiled.run import simulate_settings
from engine.simulation.feeds import BARRED, STALE, feed_columns
from forewalk.compute.pool import Processes
from forewalk.settings.loading import settings_from
from helpers.vector_worlds import all_settings, make_world, worlds
from helpers.waiting import PATIENCE_S
from strategies import policy


@numba.njit
def pairwise(values, count):
    return vector_types.pairwise(values, 0, count)


@given(count=st.integers(0, 1500), seed=st.integers(0, 2**32 - 1))
def test_a_sum_is_numpys_to_the_last_bit(count, seed):
    values = np.abs(np.random.default_rng(seed).normal(size=count)) * 10.0 ** (seed % 7)
    with_stack = np.concatenate([values, np.empty(vector_types.STACK)])
    assert pairwise(with_stack, count) == values.sum()


@given(world=worlds, settings=all_settings)
def test_an_account_sees_what_the_feeds_show(world, settings):
    bars, forecasts = world
    span = bars.since(forecasts.timestamps[0])
    panel = make_panel(span, forecasts, settings.execution, ranked=False)
    for s, columns in enumerate(feed_columns(span, settings.execution)):
        for name in ("open", "close", "capacity"):
            assert np.array_equal(panel[name][:, s], columns[name])


def test_the_constants_are_those_of_the_policy_and_the_broker():
    for name in (*map(str.upper, policy.REASONS[1:]), "LIMIT_TOLERANCE"):
        assert getattr(vector_types, name) == getattr(policy, name)
    assert (vector_types.STALE, vector_types.BARRED) == (STALE, BARRED)


def test_the_metrics_are_those_of_the_report():
    bars, forecasts = make_world(4, bars=200, symbols=6)
    run = simulate(bars, forecasts, settings_from({}))
    report = strategy_metrics(run.equity, run.trades, run.orders, run.counts, 252.0).strategy
    (row,) = simulate_settings(bars, forecasts, [settings_from({})]).table.to_dict("records")
    assert row["total_return"] == pytest.approx(report.total_return, rel=1e-12)
    others = (report.sharpe_annual, report.max_drawdown, report.turnover_per_year)
    for name, value in zip(("sharpe", "max_drawdown", "turnover_per_year"), others, strict=True):
        assert row[name] == pytest.approx(value, rel=1e-3)  # bars per year: 252 or the calendar's
    exact = return_metrics(run.equity["equity"].to_numpy(), pd.DatetimeIndex(run.equity["time"]), 252.0)
    assert row["max_drawdown"] == pytest.approx(exact.max_drawdown, rel=1e-12)
    assert row["sharpe_per_bar"] * np.sqrt(252) == pytest.approx(exact.sharpe_annual, rel=1e-9)
    assert row["fees"] == pytest.approx(run.counts["fees_paid"], rel=1e-12)


def test_an_account_that_never_trades_has_no_sharpe_ratio():
    bars, forecasts = make_world(4)
    (row,) = simulate_settings(bars, forecasts, [settings_from({"strategy": {"entry": 99}})]).table.to_dict(
        "records"
    )
    assert np.isnan(row["sharpe"])
    assert (row["total_return"], row["max_drawdown"], row["turnover_per_year"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_threads_change_nothing(jobs):
    bars, forecasts = make_world(5, bars=60, symbols=70)
    grid = [settings_from({"strategy": {"entry": 0.01 * n}}) for n in range(80)]
    one, many = (simulate_settings(bars, forecasts, grid, Processes(n)) for n in (1, jobs))
    assert np.array_equal(one.equity, many.equity)


def test_progress_counts_to_the_end():
    seen = []
    grid = [settings_from({"strategy": {"entry": 0.01 * n}}) for n in range(70)]
    simulate_settings(
        *make_world(5), grid, Processes(2), on_done=lambda done, total: seen.append((done, total))
    )
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (70, 70)


def test_what_is_not_set_never_bites():
    (rules,) = make_rules([settings_from({})], symbols=4)
    assert rules["stop_loss"] == rules["take_profit"] == np.inf
    assert np.isnan(rules["turnover_cap"])
    assert np.isnan(rules["fraction"])


def test_machine_code_kept_on_disk_does_what_fresh_code_does():
    fresh = simulate_settings(*make_world(6, symbols=200), [settings_from({})]).equity.sum()
    code = (
        "from helpers.vector_worlds import make_world\nfrom forewalk.settings.loading import settings_from\n"
        "from engine.simulation.compiled.run import simulate_settings\n"
        "print(repr(simulate_settings(*make_world(6, symbols=200), [settings_from({})]).equity.sum().item()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert float(said.stdout) == fresh
