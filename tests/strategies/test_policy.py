import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.settings.sections import StrategySettings
from strategies.policy import Outlook, Positions, decide

YEAR = 1 / 252


def outlook(scores, std=0.02, close=None):
    scores = np.array(scores, dtype=float)
    std = np.full(len(scores), std) if np.isscalar(std) else np.array(std)
    return Outlook(scores * std, std, np.full(len(scores), 100.0) if close is None else np.array(close), YEAR)


def positions(weights, held=100, entry=100.0):
    weights = np.array(weights, dtype=float)
    flat = weights == 0
    bars = np.where(flat, 0, held)
    return Positions(weights, bars.astype(np.int64), np.where(flat, np.nan, entry))


def settings(**changes):
    return StrategySettings(**changes)


def after(decision, held):
    return np.where(np.isnan(decision.target), held.weight, decision.target)


count = st.shared(st.integers(1, 12), key="symbols")
scores = count.flatmap(lambda n: st.lists(st.floats(-3, 3) | st.just(float("nan")), min_size=n, max_size=n))
weights = count.flatmap(
    lambda n: st.lists(st.sampled_from([0.0, 0.0, 0.1, -0.1, 0.3]), min_size=n, max_size=n)
)
policies = st.builds(
    settings,
    kind=st.sampled_from(["per_symbol", "cross_section"]),
    direction=st.sampled_from(["long_flat", "long_short"]),
    sizing=st.sampled_from(["fixed_fraction", "volatility_target", "constant_risk"]),
    top=st.integers(1, 4),
    hysteresis=st.integers(0, 4),
    min_hold_bars=st.integers(0, 200),
    stop_loss=st.none() | st.just(0.05),
    take_profit=st.none() | st.just(0.05),
    max_weight=st.sampled_from([0.05, 0.25, 1.0]),
    max_gross=st.sampled_from([0.5, 0.95]),
    turnover_cap=st.none() | st.just(0.3),
)


@given(scores, weights, policies)
def test_limits_hold_for_every_new_position(scores, held, policy):
    held = positions(held)
    decision = decide(outlook(scores), held, policy)
    target, now = after(decision, held), held.weight
    fresh = (now == 0) & (target != 0)
    assert (np.abs(target[fresh]) <= policy.max_weight + 1e-12).all()
    if fresh.any() and policy.turnover_cap is None:
        assert np.abs(target).sum() <= policy.max_gross + 1e-9


@given(scores, weights, policies)
def test_a_position_is_never_flipped_at_once(scores, held, policy):
    held = positions(held)
    target = after(decide(outlook(scores), held, policy), held)
    assert (target * held.weight >= 0).all()


@given(scores, weights, policies)
def test_without_a_forecast_nothing_is_opened_and_everything_is_closed(scores, held, policy):
    held = positions(held)
    target = after(decide(outlook(scores), held, policy), held)
    assert (target[np.isnan(scores)] == 0).all()


@given(scores, weights, policies)
def test_long_flat_never_opens_a_short(scores, held, policy):
    held = positions(np.abs(held))
    policy = policy.model_copy(update={"direction": "long_flat"})
    assert (after(decide(outlook(scores), held, policy), held) >= 0).all()


@given(scores, weights, policies, st.randoms(use_true_random=False))
def test_the_order_of_the_symbols_does_not_matter(scores, held, policy, random):
    scores = [s + 1e-3 * i for i, s in enumerate(scores)]  # no ties
    order = list(range(len(scores)))
    random.shuffle(order)
    one = decide(outlook(scores), positions(held), policy)
    two = decide(outlook([scores[i] for i in order]), positions([held[i] for i in order]), policy)
    np.testing.assert_allclose(one.target[order], two.target, rtol=1e-12)


@given(scores, weights, policies)
def test_a_decision_has_a_reason_exactly_where_it_has_a_target(scores, held, policy):
    decision = decide(outlook(scores), positions(held), policy)
    for target, reason in zip(decision.target, decision.reasons(), strict=True):
        assert np.isnan(target) == (reason in ("", "turnover"))


@given(scores, policies)
def test_what_has_just_been_bought_is_kept_on_the_same_forecast(scores, policy):
    policy = policy.model_copy(update={"stop_loss": None, "take_profit": None, "turnover_cap": None,
                                       "entry": 0.1, "exit": 0.0})  # fmt: skip
    flat = positions(np.zeros(len(scores)))
    bought = after(decide(outlook(scores), flat, policy), flat)
    again = decide(outlook(scores), positions(bought, held=0), policy)
    assert np.isnan(again.target[bought != 0]).all()


@pytest.mark.parametrize(
    ("score", "held", "bars", "change", "expected"),
    [
        (0.5, 0.0, 0, {}, "entry"),
        (0.05, 0.0, 0, {}, ""),
        (-0.5, 0.0, 0, {}, ""),
        (-0.5, 0.0, 0, {"direction": "long_short"}, "entry"),
        (0.05, 0.2, 9, {}, ""),
        (-0.01, 0.2, 9, {}, "exit"),
        (-0.01, 0.2, 4, {}, ""),
        (-0.01, 0.2, 9, {"exit": -0.1}, ""),
        (0.01, -0.2, 9, {"direction": "long_short"}, "exit"),
        (float("nan"), 0.2, 0, {}, "no_forecast"),
        (0.5, 0.4, 9, {}, "limit"),
    ],
)
def test_thresholds_of_the_per_symbol_policy(score, held, bars, change, expected):
    policy = settings(entry=0.1, min_hold_bars=5, max_weight=0.25, **change)
    decision = decide(outlook([score]), positions([held], held=bars), policy)
    assert decision.reasons() == [expected]


@pytest.mark.parametrize(
    ("weight", "price", "expected"),
    [(0.2, 94.0, "stop_loss"), (0.2, 96.0, ""), (0.2, 111.0, "take_profit"), (-0.2, 106.0, "stop_loss"),
     (-0.2, 89.0, "take_profit"), (-0.2, 95.0, "")],
)  # fmt: skip
def test_stops_work_on_both_sides_and_at_any_age(weight, price, expected):
    policy = settings(direction="long_short", stop_loss=0.05, take_profit=0.1, min_hold_bars=50, entry=0.1)
    score = 1.0 if weight > 0 else -1.0
    decision = decide(outlook([score], close=[price]), positions([weight], held=1), policy)
    assert decision.reasons() == [expected]


def test_the_best_are_held_long_and_the_worst_short():
    policy = settings(kind="cross_section", direction="long_short", top=2, max_gross=0.8)
    decision = decide(outlook([0.1, 0.4, -0.3, 0.2, -0.1]), positions([0.0] * 5), policy)
    np.testing.assert_allclose(decision.target, [np.nan, 0.2, -0.2, 0.2, -0.2])


def test_a_held_symbol_stays_until_it_leaves_the_band():
    policy = settings(kind="cross_section", top=1, hysteresis=1, min_hold_bars=0, max_weight=1.0)
    second = decide(outlook([0.3, 0.2, 0.1]), positions([0.0, 0.9, 0.0]), policy)
    third = decide(outlook([0.3, 0.1, 0.2]), positions([0.0, 0.9, 0.0]), policy)
    assert second.reasons() == ["", "", ""]
    assert third.reasons() == ["entry", "exit", ""]


def test_the_turnover_cap_lets_exits_go_first():
    policy = settings(kind="cross_section", top=1, hysteresis=0, min_hold_bars=0, max_weight=1.0,
                      turnover_cap=0.95)  # fmt: skip
    decision = decide(outlook([0.3, 0.1]), positions([0.0, 0.9]), policy)
    assert decision.reasons() == ["turnover", "exit"]


def test_volatility_targeting_gives_the_calmer_symbol_more():
    policy = settings(sizing="volatility_target", target_volatility=0.1, entry=0.1, max_weight=1.0)
    decision = decide(outlook([0.5, 0.5], std=[0.01, 0.02]), positions([0.0, 0.0]), policy)
    assert decision.target[0] == pytest.approx(2 * decision.target[1])
    annual = 0.01 * np.sqrt(252)
    assert decision.target[0] == pytest.approx(0.95 / 2 * 0.1 / annual)


def test_a_gross_exposure_that_drifted_far_beyond_its_limit_is_trimmed():
    policy = settings(max_gross=0.9, max_weight=1.0, entry=0.1)
    decision = decide(outlook([0.5, 0.5]), positions([0.6, 0.6]), policy)
    np.testing.assert_allclose(decision.target, [0.45, 0.45])
    assert decision.reasons() == ["limit", "limit"]


@pytest.mark.parametrize("kind", ["per_symbol", "cross_section"])
@pytest.mark.parametrize(("mean_bps", "expected"), [(9.9, ""), (10.1, "entry"), (-10.1, "entry"), (-9.9, "")])
def test_nothing_is_entered_whose_forecast_does_not_pay_for_the_trade(kind, mean_bps, expected):
    policy = settings(kind=kind, top=1, direction="long_short", entry=0.0, min_gain_bps=10.0)
    scores = [mean_bps * 1e-4 / 0.02, 0.0]
    assert decide(outlook(scores), positions([0.0, 0.0]), policy).reasons()[0] == expected


def test_a_held_position_stays_whatever_its_forecast_would_pay():
    policy = settings(entry=0.0, exit=0.0, min_gain_bps=50.0)
    assert decide(outlook([0.01]), positions([0.2]), policy).reasons() == [""]
