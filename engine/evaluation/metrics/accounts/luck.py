"""How much of a result may be luck: intervals, the number of tries behind it, and the best of many.

All functions take plain arrays. Returns are simple returns per bar in time order; Sharpe ratios are per bar
unless called annual, and kurtosis is 3 for a normal distribution. Functions give NaN where nothing can be
computed, records give None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from engine.evaluation.metrics.accounts.bootstrap import AccountBootstrap, Interval
from engine.evaluation.metrics.accounts.overfitting import (
    Overfitting,
    SuperiorAbility,
    probability_of_overfitting,
    superior_ability,
)
from engine.evaluation.metrics.accounts.relative import Alpha, alpha_against
from engine.evaluation.metrics.accounts.sharpe_interval import (
    SharpeDifference,
    sharpe_difference,
    sharpe_interval,
)
from engine.evaluation.metrics.door import Record, named
from forewalk.returns import SharpeSample, hedged_returns, sharpe_sample
from forewalk.types import FloatArray

EULER = 0.5772156649015329
CLEAR = 0.95  # 1 - p from which a result is said to be more than luck
FEWEST_RETURNS = 60  # of an account, a quarter of days: below it no probability is told


@dataclass(frozen=True)
class DeflatedSharpe:
    """Outcome of `deflated_sharpe`.

    Attributes:
        probability: that the true Sharpe ratio exceeds what the best of so many tries reaches by luck.
        threshold: that expected best Sharpe ratio per bar.
        trials: independent tries that entered.
    """

    probability: float
    threshold: float
    trials: float


@dataclass(frozen=True)
class DeflatedAnnual(Record):
    """`DeflatedSharpe` of the account, as the page shows it.

    Attributes:
        probability: that its true Sharpe ratio exceeds what the best of so many tries reaches by luck.
        threshold_annual: that expected best Sharpe ratio per year.
        trials: independent tries that entered, an effective number.
    """

    probability: float | None
    threshold_annual: float | None
    trials: float


@dataclass(frozen=True)
class LuckMetrics(Record):
    """One account discounted for luck.

    Attributes:
        sharpe, cagr, max_drawdown: Sharpe ratio per year with its 95 % interval by the studentised block bootstrap;
            growth per year and deepest drawdown (negative fraction) with those of the stationary bootstrap.
        block_bars: mean length of its blocks; 0 where nothing was resampled.
        probabilistic_sharpe: 1 - p of the test that nothing is left of the account beyond `against`.
        deflated: the same after all tries on overlapping data.
        minimum_track_record_bars: bars needed for 1 - p of 0.95; None also where no number of bars is enough.
        overfitting: of what is left beyond `against`; None with fewer than two tries on the same bars.
        superior_ability: of the best try beyond `against`.
        tries: distinct tries on overlapping data, this one included.
        against: "buy_and_hold", taken out at the account's own beta, or "cash" for an account that is as much short
            as long by construction.
        alpha: against buying and holding the same symbols, whatever `against` is.
        sharpe_difference: ratio of the account minus that of buying and holding.
        lost_tries: known to be missing from the ledger; they count.
    """

    sharpe: Interval
    cagr: Interval
    max_drawdown: Interval
    block_bars: int
    probabilistic_sharpe: float | None = field(metadata=named("psr"))
    deflated: DeflatedAnnual
    minimum_track_record_bars: float | None
    overfitting: Overfitting | None = field(metadata=named("pbo"))
    superior_ability: SuperiorAbility = field(metadata=named("spa"))
    tries: int
    against: str
    alpha: Alpha
    sharpe_difference: SharpeDifference
    lost_tries: int


def probabilistic_sharpe(sample: SharpeSample, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio per bar exceeds `benchmark`.

    `Phi((SR - b) sqrt(T - 1) / sqrt(1 - skew SR + (kurtosis - 1) / 4 SR^2))`, Bailey & Lopez de Prado (2012),
    "The Sharpe Ratio Efficient Frontier", Journal of Risk 15. NaN with fewer than two observations, without a
    Sharpe ratio, or where the moments are impossible.
    """
    error = _standard_error(sample)
    return float(stats.norm.cdf((sample.sharpe - benchmark) / error)) if error > 0 else math.nan


def expected_maximum_sharpe(trials: float, variance: float) -> float:
    """Return the Sharpe ratio that the best of `trials` independent tries without skill is expected to reach.

    `sqrt(V) ((1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e)))`, g Euler's constant, Bailey & Lopez de Prado
    (2014). Zero for a single try; `trials` may be a fraction (an effective number).

    Args:
        trials: N >= 1.
        variance: of the Sharpe ratios among the tries, in the units (per bar) of the result squared.

    Raises:
        ValueError: fewer than one trial, or a negative variance.
    """
    if trials < 1 or variance < 0:
        raise ValueError(f"{trials} trials with a variance of {variance} are impossible")
    if trials == 1:
        return 0.0
    high = stats.norm.ppf(1 - 1 / trials)
    higher = stats.norm.ppf(1 - 1 / (trials * math.e))
    return max(0.0, math.sqrt(variance) * float((1 - EULER) * high + EULER * higher))


def deflated_sharpe(sample: SharpeSample, trials: float, variance: float) -> DeflatedSharpe:
    """Return the Sharpe ratio's probability of being real after `trials` tries whose ratios vary by `variance`.

    The probabilistic Sharpe ratio against the expected maximum: Bailey & Lopez de Prado (2014), "The Deflated
    Sharpe Ratio", Journal of Portfolio Management 40. With one trial it is `probabilistic_sharpe` against 0.
    """
    threshold = expected_maximum_sharpe(trials, variance)
    return DeflatedSharpe(probabilistic_sharpe(sample, threshold), threshold, trials)


def minimum_track_record(sample: SharpeSample, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Return how many observations the Sharpe ratio would need to exceed `benchmark` with `confidence`.

    `1 + (1 - skew SR + (kurtosis - 1) / 4 SR^2) (z / (SR - b))^2`, Bailey & Lopez de Prado (2012). Infinite
    where the Sharpe ratio does not exceed the benchmark; NaN where there is none.
    """
    if not sample.sharpe > benchmark:
        return math.nan if math.isnan(sample.sharpe) else math.inf
    z = float(stats.norm.ppf(confidence))
    return 1.0 + _shape(sample) * (z / (sample.sharpe - benchmark)) ** 2


def luck_metrics(
    returns: FloatArray,
    benchmark: FloatArray,
    account: AccountBootstrap,
    bars_per_year: float,
    seed: int,
    neutral: bool = False,
    tries: FloatArray | None = None,
    counted: float = 1.0,
    variance: float = 0.0,
    distinct: int = 1,
    lost: int = 0,
    repetitions: int = 1000,
) -> LuckMetrics:
    """Take the market and luck out of one account.

    Args:
        returns, benchmark: simple returns of the account and of buying and holding the same symbols, [T].
        account: `bootstrap_account` of these returns.
        bars_per_year: annualises the Sharpe ratio that luck would reach.
        seed: of the bootstraps.
        neutral: the account is as much short as long by construction: it is compared with cash.
        tries: returns of every distinct try on the same bars, this one included, [T, K]; None means this one alone.
        counted, variance: tries that the discount reckons with, and the variance of their Sharpe ratios per bar.
        distinct, lost: tries on overlapping data, and those known to be missing.
        repetitions: of the bootstraps.
    """
    market = None if neutral else benchmark
    columns = returns[:, None] if tries is None else tries
    columns = np.column_stack([hedged_returns(column, market) for column in columns.T])
    sample = sharpe_sample(hedged_returns(returns, market))
    deflated = deflated_sharpe(sample, counted, variance)
    if sample.observations < FEWEST_RETURNS:
        deflated = replace(deflated, probability=math.nan)
    interval = Interval(*sharpe_interval(returns, bars_per_year, seed, repetitions))
    return LuckMetrics(
        sharpe=interval,
        cagr=account.cagr,
        max_drawdown=account.max_drawdown,
        block_bars=account.block_bars,
        probabilistic_sharpe=probabilistic_sharpe(sample),
        deflated=DeflatedAnnual(deflated.probability, deflated.threshold * math.sqrt(bars_per_year), counted),
        minimum_track_record_bars=minimum_track_record(sample),
        overfitting=probability_of_overfitting(columns) if columns.shape[1] > 1 else None,
        superior_ability=superior_ability(columns, None, seed, repetitions),
        tries=distinct + lost,
        against="cash" if neutral else "buy_and_hold",
        alpha=alpha_against(returns, {"buy_and_hold": benchmark}, bars_per_year),
        sharpe_difference=sharpe_difference(returns, benchmark, bars_per_year, seed, repetitions),
        lost_tries=lost,
    )


def passes(luck: LuckMetrics) -> bool:
    """Whether the test against the benchmark (or cash) passes after all tries, and the alpha beside it at 5 %.

    The first counts the tries and takes the days for independent; the alpha's errors allow for days that follow from
    each other, as those of stale prices do. As many dollars short as long is not yet free of the market, either:
    long what swings more and short what swings less earns its drift, and has no alpha at its own beta.
    """
    return passes_test(luck.deflated.probability, luck.alpha)


def passes_test(probability: float | None, alpha: Alpha) -> bool:
    """Do `passes` by its parts: 1 - p after all tries, and alpha against holding, which may be unknown."""
    if probability is None or not probability > CLEAR:
        return False
    return alpha.p_greater is None or alpha.p_greater < 1.0 - CLEAR


def _shape(sample: SharpeSample) -> float:
    return 1.0 - sample.skew * sample.sharpe + (sample.kurtosis - 1.0) / 4.0 * sample.sharpe**2


def _standard_error(sample: SharpeSample) -> float:
    """Standard error of the Sharpe ratio (Mertens 2002); NaN where it cannot be computed."""
    shape = _shape(sample)
    if sample.observations < 2 or not shape > 0:
        return math.nan
    return math.sqrt(shape / (sample.observations - 1))
