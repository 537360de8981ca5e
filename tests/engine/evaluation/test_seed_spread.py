import json
from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.baselines import run_baselines
from engine.evaluation.seeds import SeedMetrics, SeedSpread, Spread, seed_timelines, spread_over_seeds
from engine.training.walkforward import walk_forward
from helpers.judged_runs import make_judged
from models.recurrent.forecaster import LSTMForecaster


@pytest.fixture(scope="module")
def three():
    """What three seeds said and earned alone; the last has no symbols to rank, the second never fell."""
    metrics = [
        make_judged(("A", "B", "C", "D", "E", "F"), bars=520, seed=seed).evidence.metrics for seed in (1, 2)
    ]
    few = make_judged(("A", "B"), bars=520, seed=3).evidence.metrics
    first, second, last = (SeedMetrics(m.forecast.overall, m.strategy) for m in (*metrics, few))
    return first, replace(second, strategy=replace(second.strategy, sortino_annual=None)), last


def test_a_number_is_averaged_over_the_seeds_that_have_it(three):
    spread = spread_over_seeds(three)
    sharpes = [seed.strategy.sharpe_annual for seed in three]
    found = spread.of(lambda seed: seed.strategy.sharpe_annual)
    assert found == Spread(pytest.approx(np.mean(sharpes)), pytest.approx(np.std(sharpes, ddof=1)), 3)
    assert spread.of(lambda seed: seed.strategy.sortino_annual).seeds == 2
    ranks = [seed.forecast.rank_ic.mean for seed in three[:2]]
    found = spread.of(lambda seed: seed.forecast.rank_ic and seed.forecast.rank_ic.mean)
    assert (found.mean, found.seeds) == (pytest.approx(np.mean(ranks)), 2)


def test_a_block_that_the_first_seed_lacks_and_what_is_no_number_have_no_spread(three):
    spread = spread_over_seeds(three[::-1])
    assert spread.of(lambda seed: seed.forecast.rank_ic and seed.forecast.rank_ic.mean) is None
    assert spread.of(lambda seed: seed.forecast.beats_naive) is None
    assert spread.of(lambda seed: seed.strategy.drawdown_start) is None


def test_a_single_seed_has_no_standard_deviation(three):
    assert spread_over_seeds(three[:1]).of(lambda seed: seed.strategy.total_return).std is None


def test_the_file_nests_the_spreads_like_the_metrics_and_gives_them_back(three):
    spread = spread_over_seeds(three)
    stored = json.loads(json.dumps(spread.to_json(), allow_nan=False))
    assert set(stored["forecast"]["coverage"]["95"]) == {"mean", "std", "n"}
    assert SeedSpread.from_json(stored) == spread


def test_the_ensemble_is_the_mixture_of_its_seeds(world_of, folds):
    world = world_of()
    timeline, _ = walk_forward(
        world.panel, world.labels, folds(world), LSTMForecaster(world.settings.model, 7), 504
    )
    whole = timeline.forecasts(world.panel, 1)
    parts = [part.forecasts(world.panel, 1) for part in seed_timelines(timeline)]
    assert len(parts) == 2
    assert (parts[0].mean != parts[1].mean).any()
    np.testing.assert_allclose(np.mean([part.mean for part in parts], axis=0), whole.mean, atol=1e-12)


def test_each_seed_of_a_model_per_symbol_knows_every_symbol(world_of, folds):
    world = world_of()
    model = world.settings.model.model_copy(update={"scope": "per_symbol"})
    timeline, _ = walk_forward(world.panel, world.labels, folds(world)[:1], LSTMForecaster(model, 7), 504)
    for part in seed_timelines(timeline):
        assert [member.symbols for member in part.models[0].members] == [("S0",), ("S1",), ("S2",)]
        assert np.isfinite(part.forecasts(world.panel, 1).mean[:60]).all()


def test_a_baseline_has_no_seeds(world_of, folds):
    world = world_of()
    ridge = run_baselines(world.panel, world.labels, folds(world), world.returns, world.settings, ["ridge"])
    assert seed_timelines(ridge["ridge"].timeline) == ()
