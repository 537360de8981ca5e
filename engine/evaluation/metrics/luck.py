"""How much of a result may be luck: intervals, the number of tries behind it, and the best of many.

All functions take plain arrays. Returns are simple returns per bar in time order; Sharpe ratios are per bar
unless called annual, and kurtosis is 3 for a normal distribution. Functions give NaN where nothing can be
computed, records give None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from engine.evaluation.metrics.bootstrap import AccountBootstrap, Interval
from engine.evaluation.metrics.door import Record, named
from engine.evaluation.metrics.overfitting import (
    Overfitting,
    SuperiorAbility,
    probability_of_overfitting,
    superior_ability,
)
from forewalk.returns import SharpeSample, sharpe_sample
from forewalk.types import FloatArray

EULER = 0.5772156649015329


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
        sharpe, cagr, max_drawdown: Sharpe ratio per year, growth per year, deepest drawdown (negative fraction),
            with 95 % intervals by the stationary bootstrap.
        block_bars: mean length of its blocks; 0 where nothing was resampled.
        probabilistic_sharpe: probability that the true Sharpe ratio is above 0.
        deflated: the same after all tries on these data.
        minimum_track_record_bars: bars needed to be 95 % sure; None also where no number of bars is enough.
        overfitting: None with fewer than two tries.
        superior_ability: of the best try over cash.
        tries: distinct tries on these data, this one included.
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
    account: AccountBootstrap,
    bars_per_year: float,
    seed: int,
    trial_returns: FloatArray | None = None,
    trials: float | None = None,
    tries: int | None = None,
    repetitions: int = 1000,
) -> LuckMetrics:
    """Discount one account for luck.

    Args:
        returns: of the account, [T].
        account: `bootstrap_account` of these returns.
        bars_per_year: annualises the Sharpe ratio that luck would reach.
        seed: of the bootstrap of the tries.
        trial_returns: of every distinct try on the same bars, this one included, [T, K].
        trials: effective number of independent tries; None means K.
        tries: distinct tries on these data, also over other bars; None means K.
        repetitions: of the bootstrap of the tries.
    """
    columns = returns[:, None] if trial_returns is None else trial_returns
    sample = sharpe_sample(returns)
    sharpes = np.array([sharpe_sample(column).sharpe for column in columns.T])
    sharpes = sharpes[np.isfinite(sharpes)]
    count = max(float(columns.shape[1]) if trials is None else trials, 1.0)
    variance = float(sharpes.var(ddof=1)) if len(sharpes) > 1 else 0.0
    deflated = deflated_sharpe(sample, count, variance)
    return LuckMetrics(
        sharpe=account.sharpe,
        cagr=account.cagr,
        max_drawdown=account.max_drawdown,
        block_bars=account.block_bars,
        probabilistic_sharpe=probabilistic_sharpe(sample),
        deflated=DeflatedAnnual(deflated.probability, deflated.threshold * math.sqrt(bars_per_year), count),
        minimum_track_record_bars=minimum_track_record(sample),
        overfitting=probability_of_overfitting(columns) if columns.shape[1] > 1 else None,
        superior_ability=superior_ability(columns, None, seed, repetitions),
        tries=columns.shape[1] if tries is None else tries,
    )


def _shape(sample: SharpeSample) -> float:
    return 1.0 - sample.skew * sample.sharpe + (sample.kurtosis - 1.0) / 4.0 * sample.sharpe**2


def _standard_error(sample: SharpeSample) -> float:
    """Standard error of the Sharpe ratio (Mertens 2002); NaN where it cannot be computed."""
    shape = _shape(sample)
    if sample.observations < 2 or not shape > 0:
        return math.nan
    return math.sqrt(shape / (sample.observations - 1))
