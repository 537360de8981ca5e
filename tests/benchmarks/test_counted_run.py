"""A whole run does each thing as often as it must: one simulation in Cerebro, each network once, each file once.

Counted, not timed: see `helpers.counted_work`.
"""

import pytest

from engine.backtest.job import backtest
from forewalk.settings.loading import load_settings
from helpers.counted_work import count_work

FOLDS, SEEDS, ACCOUNTS = 3, 2, 41
SETTINGS = [
    "model.hidden_size=4", f"model.seeds={SEEDS}", "model.max_epochs=1", "model.lookback_bars=10", "jobs=1",
    "folds.train_bars=1250", "folds.refit_every_bars=1000",
]  # fmt: skip

ONCE = (
    "forewalk/data/loading.py:load_bars",
    "forewalk/features/own.py:panel_of",
    "forewalk/features/panel.py:build_labels",
    "forewalk/folds.py:walk_forward_folds",
    "engine/simulation/cerebro.py:simulate",
    "backtrader/cerebro.py:Cerebro.run",
    "engine/simulation/engines.py:check_equal",
    "engine/evaluation/baselines.py:run_baselines",
)
# What was counted over the sample's 2,020 bars (Python 3.11) and a quarter more.
LINES = 1.25 * 2_036_000


@pytest.fixture(scope="module")
def work():
    settings = load_settings(overrides=SETTINGS, environment={})
    return count_work(lambda: backtest(settings))


@pytest.mark.parametrize("name", ONCE)
def test_what_is_needed_once_is_done_once(work, name):
    assert work.calls[name] == 1


def test_every_network_is_trained_once(work):
    fits = work.calls["models/recurrent/forecaster.py:LSTMForecaster.fit_member"]
    assert fits == FOLDS * (SEEDS + 1)  # with each seed, and its twin on returns alone with one


def test_all_accounts_beside_the_reported_one_are_compiled_and_no_more_than_they_were(work):
    assert work.calls["engine/simulation/cerebro.py:build_cerebro"] == 1
    assert 1 < work.calls["engine/simulation/compiled/account.py:equity_and_orders"] <= ACCOUNTS


def test_a_run_costs_no_more_lines_than_it_did(work):
    assert work.lines_of("engine", "forewalk", "models", "strategies") <= LINES
