"""Constant risk: each position as large as its forecast std allows, and kept there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.settings.sections import StrategySettings
from strategies.policy import Outlook, Positions, decide

YEAR = 1 / 252


def settings(**changes):
    given = {"sizing": "constant_risk", "always_held": True, "target_volatility": 0.16, "max_weight": 1.0}
    return StrategySettings(**{**given, **changes})


def outlook(annual, scores=None, missing=None):
    std = np.array(annual, dtype=float) * np.sqrt(YEAR)
    scores = np.zeros(len(std)) if scores is None else np.array(scores, dtype=float)
    return Outlook(scores * std, std, np.full(len(std), 100.0), YEAR, missing=missing)


def positions(weights):
    weights = np.array(weights, dtype=float)
    flat = weights == 0
    return Positions(weights, np.where(flat, 0, 3), np.where(flat, np.nan, 100.0))


def weights_after(decision, held):
    return np.where(np.isnan(decision.target), held.weight, decision.target)


volatilities = st.lists(st.floats(0.02, 2.0), min_size=1, max_size=9)


@given(volatilities, st.floats(0.01, 1.0), st.sampled_from([0.5, 0.95, 2.0]))
def test_every_asset_carries_the_same_risk_unless_all_together_are_too_large(annual, target, gross):
    policy = settings(target_volatility=target, max_gross=gross, max_weight=1e9)
    weight = decide(outlook(annual), positions([0.0] * len(annual)), policy).target
    wanted = target / np.array(annual) / len(annual)
    np.testing.assert_allclose(weight, wanted * min(1.0, gross / wanted.sum()))


@given(volatilities, st.data())
def test_after_a_decision_all_are_inside_the_band_and_a_second_one_changes_nothing(annual, data):
    held = positions(
        data.draw(st.lists(st.sampled_from([0.01, 0.1, 0.2]), min_size=len(annual), max_size=len(annual)))
    )
    policy = settings(max_gross=10.0, max_weight=1e9)
    after = weights_after(decide(outlook(annual), held, policy), held)
    wanted = 0.16 / np.array(annual) / len(annual)
    assert (np.abs(after - wanted) <= 0.05 * wanted * (1 + 1e-9)).all()
    assert np.isnan(decide(outlook(annual), positions(after), policy).target).all()


@pytest.mark.parametrize(
    ("weight", "annual", "expected"),
    [(0.40, 0.20, ""), (0.419, 0.20, ""), (0.421, 0.20, "resize"), (0.379, 0.20, "resize"), (0.381, 0.20, ""),
     (0.40, 0.40, "resize"), (0.40, 0.10, "resize")],
)  # fmt: skip
def test_a_position_is_resized_when_it_leaves_the_band(weight, annual, expected):
    policy = settings(max_gross=3.0)
    decision = decide(outlook([annual, 0.2]), positions([weight, 0.40]), policy)
    assert decision.reasons() == [expected, ""]
    assert np.isnan(decision.target[0]) or decision.target[0] == pytest.approx(0.08 / annual)


def test_a_missing_bar_changes_neither_its_position_nor_the_size_of_the_others():
    held = positions([0.40, 0.40])
    gap = outlook([0.2, np.nan], missing=np.array([False, True]))
    assert decide(gap, held, settings()).reasons() == ["", ""]
    other = StrategySettings(always_held=True, max_weight=1.0)
    assert decide(gap, held, other).reasons() == ["", "no_forecast"]


def test_a_symbol_that_has_a_bar_but_no_forecast_is_closed_and_one_that_has_none_for_long():
    gap = outlook([0.2, np.nan], missing=np.array([False, False]))
    assert decide(gap, positions([0.40, 0.40]), settings(max_gross=3.0)).reasons()[1] == "no_forecast"


def test_what_stays_as_it_is_leaves_its_room_alone():
    gap = outlook([0.01, np.nan], missing=np.array([False, True]))
    held = positions([0.0, 0.40])
    assert decide(gap, held, settings(max_gross=0.95)).target[0] == pytest.approx(0.55)


def test_a_tilt_makes_the_likelier_riser_larger_and_none_more_than_twice_as_large():
    tilted = outlook([0.2, 0.2, 0.2], scores=[0.1, -0.1, 9.0])
    policy = settings(tilt=2.0, max_gross=9.0, max_weight=9.0)
    size = decide(tilted, positions([0.0] * 3), policy).target
    np.testing.assert_allclose(size, 0.16 / 0.2 / 3 * np.array([1.2, 0.8, 2.0]))


def test_the_turnover_cap_takes_exits_first_then_resizes():
    policy = settings(kind="cross_section", always_held=False, top=2, hysteresis=0, min_hold_bars=0,
                      turnover_cap=0.6, max_gross=3.0)  # fmt: skip
    look = outlook([0.2, 0.2, 0.2], scores=[0.3, 0.2, -0.1])
    decision = decide(look, positions([0.2, 0.0, 0.4]), policy)
    assert decision.reasons() == ["resize", "turnover", "exit"]


@pytest.mark.parametrize(
    ("change", "said"),
    [({"kind": "cross_section"}, "always_held is long in every symbol"),
     ({"direction": "long_short"}, "always_held is long in every symbol"),
     ({"min_gain_bps": 10.0}, "min_gain_bps goes without it"),
     ({"sizing": "fixed_fraction", "tilt": 1.0}, "tilt changes nothing"),
     ({"stop_loss": 0.1, "stop_orders": True}, "wash trade")],
)  # fmt: skip
def test_what_cannot_go_together_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        settings(**change)


def test_symbols_not_due_are_neither_resized_nor_forgotten_in_the_sum():
    look = replace(outlook([0.2, 0.2]), due=np.array([True, False]))
    decision = decide(look, positions([0.40, 0.90]), settings(max_gross=1.2))
    assert decision.reasons() == ["resize", ""]
    assert decision.target[0] == pytest.approx(0.30)
