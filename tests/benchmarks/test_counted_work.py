"""The hot paths do no more work than they did: counted in lines of Python, so that no machine and no load decides.

A ceiling is what was counted (Python 3.11) and a quarter more. Where one is broken on purpose, count again;
where not, something has moved into a loop.
"""

import pytest

from engine.simulation.cerebro import simulate
from engine.simulation.engines import simulate_beside
from engine.training.walkforward import walk_forward
from forewalk.features.own import panel_of
from forewalk.features.panel import build_labels
from forewalk.settings.loading import settings_from
from helpers.counted_work import count_work
from helpers.making import make_bars, make_settings
from helpers.small_panels import folds_of, make_forecasts, make_world
from models.kinds import forecaster_of

ROOM = 1.25
BARS = 200  # between the shorter and the longer of two runs, whose difference is the loop without what surrounds it
DAILY = settings_from({"strategy": {"sizing": "fixed_fraction", "entry": 0.05, "min_hold_bars": 4}})
QUIET = settings_from({"strategy": {"sizing": "fixed_fraction", "entry": 100.0}})
STEP = "models/recurrent/training.py:FlatAdamW.step"

# Lines of a bar in Cerebro: ours, backtrader's. Counted without any order, so that a bar alone is seen.
A_BAR = {1: (249, 185), 8: (725, 290)}
AN_ORDER = (245, 808)
A_TRAINING_STEP = 43
FEATURES_OF_A_SYMBOL = 197
A_COMPILED_ACCOUNT = 446  # with resting stops and limits, volume known before and stds over a window


def of_simulation(settings, rows, symbols):
    """The work of a Cerebro run, and its number of orders."""
    bars = make_bars(rows, symbols)
    forecasts = make_forecasts(bars)
    work = count_work(lambda: simulate(bars, forecasts, settings))
    return work, len(simulate(bars, forecasts, settings).orders)


def more_lines(longer, shorter):
    """By how many lines one run is longer than another: ours, backtrader's."""
    theirs = longer.lines_of("backtrader") - shorter.lines_of("backtrader")
    return longer.lines_of() - shorter.lines_of() - theirs, theirs


@pytest.mark.parametrize("symbols", A_BAR)
def test_a_bar_without_orders_costs_no_more_than_it_did(symbols):
    shorter, longer = (of_simulation(QUIET, rows, symbols)[0] for rows in (120, 120 + BARS))
    ours, theirs = more_lines(longer, shorter)
    assert ours / BARS <= A_BAR[symbols][0] * ROOM
    assert theirs / BARS <= A_BAR[symbols][1] * ROOM


def test_an_order_costs_no_more_than_it_did():
    quiet, _ = of_simulation(QUIET, 320, 8)
    busy, orders = of_simulation(DAILY, 320, 8)
    assert orders > 300
    ours, theirs = more_lines(busy, quiet)
    assert ours / orders <= AN_ORDER[0] * ROOM
    assert theirs / orders <= AN_ORDER[1] * ROOM


def of_compiled(rows, symbols):
    bars = make_bars(rows, symbols)
    forecasts = make_forecasts(bars)
    return count_work(lambda: simulate_beside(bars, forecasts, DAILY)).lines_of()


def test_a_compiled_account_runs_no_python_for_a_bar_or_an_order():
    assert of_compiled(520, 8) == of_compiled(120, 8) <= A_COMPILED_ACCOUNT * ROOM


def of_features(rows, symbols):
    bars, settings = make_bars(rows, symbols), make_settings()
    return count_work(lambda: build_labels(bars, panel_of(bars, settings), settings.label)).lines_of()


def test_features_and_labels_run_no_python_for_a_bar():
    assert of_features(600, 3) == of_features(300, 3)


def test_features_of_a_symbol_cost_no_more_than_they_did():
    assert (of_features(300, 6) - of_features(300, 3)) / 3 <= FEATURES_OF_A_SYMBOL * ROOM


def of_training(**model):
    world = make_world()
    settings = make_settings(model__patience=99, **{f"model__{name}": value for name, value in model.items()})
    forecaster = forecaster_of(settings)
    return count_work(lambda: walk_forward(world.panel, world.labels, folds_of(world), forecaster, 200))


def test_a_training_step_costs_no_more_than_it_did():
    few, many = of_training(max_epochs=2), of_training(max_epochs=6)
    steps = many.calls[STEP] - few.calls[STEP]
    assert steps > 150
    assert (many.lines_of() - few.lines_of()) / steps <= A_TRAINING_STEP * ROOM


def test_the_width_of_a_network_costs_no_line_of_python():
    assert of_training(hidden_size=16).lines_of() == of_training(hidden_size=4).lines_of()


def test_counting_sees_a_loop_over_bars_and_nothing_of_other_libraries():
    loop = count_work(lambda: [make_bars(5, 1).since(bar) for bar in make_bars(50, 1).timestamps])
    assert loop.calls["forewalk/types.py:Bars.since"] == 50
    assert {file.split("/")[0] for file in loop.lines} == {"forewalk"}
