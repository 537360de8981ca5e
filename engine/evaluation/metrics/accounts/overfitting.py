"""The best of many: was it chosen for luck, and is any of them better than a benchmark at all?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from engine.evaluation.metrics.door import Record
from forewalk.types import FloatArray

BLOCKS = 16  # 12,870 ways to split, as in the paper
SPLITS_AT_ONCE = 512


@dataclass(frozen=True)
class Overfitting(Record):
    """Outcome of `probability_of_overfitting`.

    Attributes:
        probability: share of splits in which the best in sample is in the lower half out of sample.
        loss_probability: share of splits in which the best in sample loses money out of sample.
        median_logit: median log odds of its relative rank out of sample; below 0 is overfit.
        splits: ways to cut the bars in two halves that were tried.
        tries: columns that entered.
    """

    probability: float
    loss_probability: float
    median_logit: float
    splits: int
    tries: int


@dataclass(frozen=True)
class SuperiorAbility(Record):
    """Outcome of Hansen's test; small p-values say that at least one try beats the benchmark.

    Attributes:
        lower, consistent, upper: p-values; `consistent` is the one to read. None where nothing can be tested.
        best: column with the highest mean return over the benchmark, -1 without one.
        tries: columns that differ from the benchmark.
    """

    lower: float | None
    consistent: float | None
    upper: float | None
    best: int
    tries: int


def probability_of_overfitting(returns: FloatArray, blocks: int = BLOCKS) -> Overfitting:
    """Return the probability of backtest overfitting of K tries by combinatorially symmetric cross-validation.

    The bars are cut into `blocks` equal parts (a remainder at the start is left out). For every way to take
    half of them, the try with the highest Sharpe ratio there is ranked among all on the other half. Bailey,
    Borwein, Lopez de Prado & Zhu (2017), "The Probability of Backtest Overfitting", Journal of Computational
    Finance 20. Ties share their mean rank; a try that never moves has a Sharpe ratio of 0.

    Args:
        returns: per bar, [T, K], K >= 2.
        blocks: even; lowered to what T allows (two bars a block).

    Raises:
        ValueError: fewer than two tries or too few bars for two blocks, or `blocks` is odd.
    """
    bars, tries = returns.shape
    blocks = min(blocks, bars // 2 // 2 * 2)
    if tries < 2 or blocks < 2 or blocks % 2:
        raise ValueError(
            f"{bars} bars of {tries} tries cannot be split into {blocks} blocks; use an even number"
        )
    length = bars // blocks
    cut = returns[bars - length * blocks :].reshape(blocks, length, tries)
    sums, squares = cut.sum(axis=1), (cut**2).sum(axis=1)  # [blocks, K]
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    inside = np.zeros((len(chosen), blocks))
    inside[np.arange(len(chosen))[:, None], chosen] = 1.0
    logits, earned = [], []
    for part in np.array_split(inside, math.ceil(len(inside) / SPLITS_AT_ONCE)):
        half = length * blocks // 2
        best = np.argmax(_sharpe(part @ sums, part @ squares, half), axis=1)
        outside = _sharpe((1 - part) @ sums, (1 - part) @ squares, half)
        every = np.arange(len(part))
        share = rankdata(outside, axis=1)[every, best] / (tries + 1)
        logits.append(np.log(share / (1 - share)))
        earned.append(outside[every, best])
    logit, outcome = np.concatenate(logits), np.concatenate(earned)
    return Overfitting(
        float(np.mean(logit <= 0)), float(np.mean(outcome < 0)), float(np.median(logit)), len(inside), tries
    )


def superior_ability(
    returns: FloatArray, benchmark: FloatArray | None = None, seed: int = 0, repetitions: int = 1000
) -> SuperiorAbility:
    """Test whether the best of K tries earns more per bar than a benchmark, given that it was the best of K.

    Hansen (2005), "A Test for Superior Predictive Ability", Journal of Business & Economic Statistics 23, by
    `arch` with the stationary bootstrap and blocks of sqrt(T) bars on average; studentised.

    Args:
        returns: per bar, [T, K].
        benchmark: per bar, [T]; None means cash, which earns nothing.
        seed, repetitions: of the bootstrap.
    """
    from arch.bootstrap import SPA

    base = np.zeros(len(returns)) if benchmark is None else benchmark
    excess = returns - base[:, None]
    differs = np.flatnonzero(excess.std(axis=0) > 1e-12)
    if not len(differs) or len(returns) < 10:
        return SuperiorAbility(math.nan, math.nan, math.nan, -1, len(differs))
    test = SPA(np.zeros(len(returns)), -excess[:, differs], reps=repetitions, seed=seed)
    test.compute()
    lower, consistent, upper = (float(test.pvalues[name]) for name in ("lower", "consistent", "upper"))
    best = int(differs[np.argmax(excess[:, differs].mean(axis=0))])
    return SuperiorAbility(lower, consistent, upper, best, len(differs))


def _sharpe(total: FloatArray, square: FloatArray, count: int) -> FloatArray:
    mean = total / count
    variance = np.maximum(square - count * mean**2, 0.0) / max(count - 1, 1)
    moves = variance > 1e-24
    return np.where(moves, mean / np.sqrt(np.where(moves, variance, 1.0)), 0.0)
