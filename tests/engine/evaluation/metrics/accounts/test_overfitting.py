import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from engine.evaluation.metrics.accounts.overfitting import probability_of_overfitting, superior_ability


def noise(seed, bars=400, tries=10):
    return np.random.default_rng(seed).normal(0, 0.01, (bars, tries))


def written_out(returns, blocks):
    """The same quantity, split by split, as the paper words it."""
    length = len(returns) // blocks
    parts = np.array_split(returns[len(returns) - length * blocks :], blocks)
    logits = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[b] for b in chosen])
        outside = np.concatenate([parts[b] for b in range(blocks) if b not in chosen])
        best = np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1))
        rank = rankdata(outside.mean(axis=0) / outside.std(axis=0, ddof=1))[best]
        share = rank / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
    return np.array(logits)


@given(st.integers(0, 1000), st.sampled_from([2, 4, 6]), st.integers(2, 6))
def test_it_equals_the_definition_written_out(seed, blocks, tries):
    returns = noise(seed, 61, tries)
    logits = written_out(returns, blocks)
    ours = probability_of_overfitting(returns, blocks)
    assert ours.probability == pytest.approx(np.mean(logits <= 0))
    assert ours.median_logit == pytest.approx(np.median(logits))
    assert ours.splits == len(logits)


@given(st.integers(0, 1000))
def test_the_order_and_the_scale_of_the_tries_do_not_matter(seed):
    returns = noise(seed, 60, 4)
    shuffled = returns[:, [2, 0, 3, 1]] * 7
    assert probability_of_overfitting(shuffled, 4) == probability_of_overfitting(returns, 4)


def test_the_best_of_noise_is_overfit_about_half_the_time():
    shares = [probability_of_overfitting(noise(seed), 8).probability for seed in range(60)]
    assert 0.4 < np.mean(shares) < 0.65


def test_a_try_that_is_truly_better_is_not_overfit():
    returns = noise(1)
    returns[:, 3] += 0.004
    result = probability_of_overfitting(returns, 8)
    assert result.probability == 0
    assert result.loss_probability == 0


def test_a_try_that_never_moves_does_no_harm():
    returns = noise(2)
    returns[:, 0] = 0
    assert 0 <= probability_of_overfitting(returns, 8).probability <= 1


def test_short_histories_are_split_into_fewer_blocks():
    assert probability_of_overfitting(noise(1, 9), 16).splits == 6


@pytest.mark.parametrize(("shape", "blocks"), [((100, 1), 8), ((3, 5), 8), ((100, 5), 5)])
def test_what_cannot_be_split_is_refused(shape, blocks):
    with pytest.raises(ValueError, match="cannot be split"):
        probability_of_overfitting(np.ones(shape), blocks)


def test_hansens_test_finds_one_good_try_among_many():
    returns = noise(3)
    returns[:, 6] += 0.002
    result = superior_ability(returns, seed=1)
    assert result.consistent < 0.05
    assert result.best == 6


def test_hansens_test_does_not_see_skill_in_noise_more_often_than_it_should():
    found = [
        superior_ability(noise(seed, 200, 5), seed=seed, repetitions=200).consistent < 0.05
        for seed in range(80)
    ]
    assert np.mean(found) < 0.13


def test_what_beats_cash_need_not_beat_the_benchmark():
    benchmark = noise(4)[:, 0] + 0.002
    extra = noise(5)
    returns = benchmark[:, None] + extra - extra.mean(axis=0)
    assert superior_ability(returns, seed=1).consistent < 0.05
    assert superior_ability(returns, benchmark, seed=1).consistent > 0.05


def test_the_p_values_are_ordered_as_hansen_proves():
    result = superior_ability(noise(8) + np.linspace(-0.003, 0.001, 10), seed=2)
    assert result.lower <= result.consistent <= result.upper


def test_a_try_equal_to_the_benchmark_is_left_out():
    benchmark = noise(4)[:, 0]
    assert (
        superior_ability(np.column_stack([benchmark, benchmark + 0.01 * noise(5)[:, 0]]), benchmark).tries
        == 1
    )
    nothing = superior_ability(benchmark[:, None], benchmark)
    assert nothing.consistent is None
    assert (nothing.best, nothing.tries) == (-1, 0)
