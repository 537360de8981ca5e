"""The model confidence set keeps the best, leaves out what is clearly worse, and says nothing on too little."""

import numpy as np

from engine.evaluation.metrics.forecasts.confidence_set import SIZE, confidence_set


def losses(seed, bars=400, worse=0.0):
    random = np.random.default_rng(seed)
    shared = random.standard_t(5, bars) ** 2 * 1e-4
    found = {name: shared + 2e-5 * random.normal(size=bars) for name in ("a", "b", "c")}
    found["worse"] = found["a"] + worse + 1e-5 * random.normal(size=bars)
    return found


def test_what_is_clearly_worse_is_left_out_and_the_best_is_kept():
    p = confidence_set(losses(1, worse=2e-5))
    assert p["worse"] <= SIZE
    assert max(p.values()) == 1.0
    assert sum(value > SIZE for value in p.values()) >= 1


def test_among_equals_the_best_is_seldom_left_out():
    left_out = sum(confidence_set(losses(seed), repetitions=200)["a"] <= SIZE for seed in range(60))
    assert left_out <= 12  # 10 % of 60; by luck more than 12 once in a hundred such tests


def test_the_unit_of_the_loss_changes_nothing():
    small = losses(2)
    large = {name: 1e8 * loss for name, loss in small.items()}
    assert confidence_set(small) == confidence_set(large)


def test_one_that_repeats_another_shares_its_place():
    twice = losses(3)
    twice["again"] = twice["worse"].copy()
    p = confidence_set(twice)
    assert p["again"] == p["worse"]


def test_bars_that_one_of_them_lacks_do_not_count():
    whole = losses(4)
    holes = {name: np.where(np.arange(400) < 50, np.nan, loss) for name, loss in whole.items()}
    cut = {name: loss[50:] for name, loss in whole.items()}
    one_hole = {**whole, "a": holes["a"]}
    assert confidence_set(holes) == confidence_set(one_hole) == confidence_set(cut)


def test_too_few_horizons_or_forecasters_give_no_set():
    few = {name: loss[:290] for name, loss in losses(5).items()}
    assert confidence_set(few, horizon_bars=20) == {}
    assert confidence_set({"a": np.ones(400)}) == {}
    assert confidence_set({"a": np.ones(400), "b": np.ones(400)}) == {}
    assert confidence_set({}) == {}
