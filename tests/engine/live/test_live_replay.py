"""The replay is long enough for what the strategy remembers, and one that is not is refused."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engine.live.deciding.decide import run_strategy
from engine.live.deciding.past import least_replay
from engine.live.tradable import checked_tradable
from engine.simulation.orders import AccountState, PastOrder
from forewalk.errors import ConfigError
from forewalk.settings.loading import settings_from
from forewalk.types import PRICE_FIELDS, Bars
from helpers.live_values import SYMBOLS, live_settings, random_forecasts, some_bars
from helpers.own_code import write_module
from strategies.signal import SignalStrategy

STALE = 4
HELD = {SYMBOLS[0]: (20.0, 100.0)}


def gone(bars, rows):
    """The bars without the first symbol's last rows, and forecasts that miss there too."""
    hole = np.zeros(bars.close.shape, dtype=bool)
    hole[-rows:, 0] = True
    fields = [np.where(hole, np.nan, getattr(bars, name)) for name in (*PRICE_FIELDS, "volume")]
    return Bars(bars.timestamps, bars.symbols, *fields, calendar=bars.calendar, interval=bars.interval)


def settings_with(**live):
    strategy = {"sizing": "constant_risk", "always_held": True, "max_weight": 0.3, "min_hold_bars": 0}
    return live_settings(strategy=strategy, execution={"stale_exit_bars": STALE}, live=live)


def decided(bars, settings, replay, past=()):
    """What is wanted of the first symbol at the last bar by a replay of so many, and what it does not repeat."""
    forecasts = random_forecasts(bars)
    mean, std = (np.where(bars.present, values, np.nan) for values in (forecasts.mean, forecasts.std))
    forecasts = replace(forecasts, mean=mean, std=std)
    account = AccountState(1e5, HELD, list(past), opening=HELD)
    run = run_strategy(bars, forecasts, settings, SignalStrategy, account, bars.timestamps[-replay])
    orders = [(order.side, order.quantity) for order in run.orders if order.symbol == SYMBOLS[0]]
    return orders, [text for _, text in run.differences if SYMBOLS[0] in text]


def test_a_symbol_that_has_gone_is_closed_by_the_shortest_replay_as_by_the_whole_past():
    bars, settings = gone(some_bars(40), STALE + 1), settings_with()
    whole = decided(bars, settings, len(bars))[0]
    assert whole == [("sell", 20.0)]
    assert decided(bars, settings, least_replay(settings))[0] == whole
    assert decided(bars, settings, STALE)[0] == []  # and never later: what is kept is never closed


def test_the_shortest_replay_repeats_the_closing_at_the_next_bar():
    bars, settings = gone(some_bars(40), STALE + 2), settings_with()
    at = bars.timestamps[-2].to_pydatetime()
    past = [PastOrder("id", at, SYMBOLS[0], -20.0, (), at + timedelta(hours=23))]
    assert decided(bars, settings, least_replay(settings), past)[1] == []
    assert decided(bars, settings, least_replay(settings) - 1, past)[1] != []


@pytest.mark.parametrize(
    ("strategy", "execution", "least"),
    [
        ({"min_hold_bars": 5}, {"stale_exit_bars": 10}, 13),
        ({"min_hold_bars": 40}, {"stale_exit_bars": 10}, 42),
        ({"min_hold_bars": 0}, {"stale_exit_bars": 1}, 4),
    ],
)
def test_a_replay_that_forgets_is_refused_with_the_number_that_does_not(strategy, execution, least):
    def of(replay):
        tree = {"data": {"symbols": SYMBOLS}, "live": {"replay_bars": replay}}
        return settings_from({**tree, "strategy": {**strategy, "max_weight": 0.2}, "execution": execution})

    with pytest.raises(ConfigError, match=f"set live.replay_bars = {least} or more"):
        checked_tradable(of(least - 1))
    assert checked_tradable(of(least)) == of(least)


def test_a_strategy_that_is_given_all_bars_needs_no_replay(tmp_path):
    write_module(tmp_path, "own_bars", "import backtrader as bt\n\nclass Own(bt.Strategy):\n    pass\n")
    tree = {"data": {"symbols": SYMBOLS}, "live": {"replay_bars": 1}, "plugins": str(tmp_path)}
    settings = settings_from({**tree, "strategy": {"kind": "own_bars:Own"}})
    assert checked_tradable(settings) == settings
