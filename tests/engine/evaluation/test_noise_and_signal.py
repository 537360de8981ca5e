"""A small version of `benchmarks/noise/sweeping.py`, which draws a hundred large panels."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.noise.sweeping import Task, made_up_panel, shares, study

PANELS = 40
MOST = stats.binom.ppf(0.995, PANELS, 0.05) / PANELS  # what a test at 5 % exceeds once in 200 tries


@pytest.fixture(scope="module")
def on_noise():
    return shares([study(Task(seed, ic=0.0, bars=500, symbols=6, repetitions=100)) for seed in range(PANELS)])


@pytest.mark.parametrize("statistic", ["diebold_mariano", "deflated_best", "deflated_best_feature"])
def test_noise_hardly_ever_looks_like_skill(on_noise, statistic):
    assert on_noise[statistic] <= MOST


@pytest.mark.parametrize("statistic", ["clark_west", "sharpe_first", "spa"])
def test_a_single_test_on_noise_is_significant_about_as_often_as_it_says(on_noise, statistic):
    assert on_noise[statistic] <= MOST


def test_the_best_of_many_on_noise_looks_good_until_the_tries_are_counted(on_noise):
    assert on_noise["sharpe_best_feature"] >= 1.5 * MOST
    assert on_noise["deflated_best_feature"] <= on_noise["sharpe_best_feature"] / 3


@pytest.mark.parametrize("seed", [1, 2])
def test_a_planted_signal_is_found(seed):
    found = study(Task(seed, ic=0.05, bars=1500, symbols=60))
    assert found.dm < 0.01
    assert found.spa < 0.05
    assert found.dsr_best > 0.95


@pytest.mark.parametrize("ic", [0.0, 0.05])
def test_the_planted_signal_has_the_size_it_should(ic):
    bars, panel, labels = made_up_panel(Task(3, ic, bars=1500, symbols=40))
    leads = [np.corrcoef(panel.values[:-1, :, f].ravel(), labels.scaled[:-1].ravel())[0, 1] for f in range(6)]
    assert leads[0] == pytest.approx(ic, abs=0.015)
    assert np.abs(leads[1:]).max() < 0.015
    np.testing.assert_allclose(np.diff(np.log(bars.close), axis=0), labels.returns[:-1], atol=1e-12)
