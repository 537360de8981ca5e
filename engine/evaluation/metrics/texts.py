"""What the texts of a run added beside the same model without them, and what the usual leak would have shown."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine.evaluation.metrics.door import LEFT_OUT, Record
from engine.evaluation.metrics.forecasts.volatility import qlike
from engine.evaluation.metrics.inference import robust_mean_test
from engine.evaluation.metrics.statistics import MeanTest, mean_test, rank_ic, row_means
from forewalk.types import FloatArray, Forecasts


@dataclass(frozen=True)
class Added(Record):
    """One measure of the model with texts beside the same model without, on the bars that have both.

    Attributes:
        with_texts, without: mean over the bars.
        gain: mean difference, in the measure's unit; positive where the texts help, also of a loss.
        t, p: of the gain, allowing for overlap and clusters (`robust_mean_test`); `p` is one-sided, small is evidence
            that the texts help. None where it cannot be tested.
        bars: with both.
    """

    with_texts: float | None
    without: float | None
    gain: float | None
    t: float | None
    p: float | None
    bars: int


@dataclass(frozen=True)
class TextMetrics(Record):
    """What texts added.

    Attributes:
        rank_ic: correlation of ranks with the outcome over the symbols of a bar.
        log_likelihood: Gaussian, of the outcome under mean and std, natural logarithm, mean of the symbols.
        qlike: of the stated variance against the squared outcome; a loss.
        account: simple return a bar, after costs; None, and absent, where the account was not simulated again.
        tone_known: rank IC of the tone that a bar knows with the outcome.
        tone_by_day: the trap: rank IC of the tone of the texts of the bar after with the same outcome, as texts
            joined by the day of the label would show it.
    """

    rank_ic: Added
    log_likelihood: Added
    qlike: Added
    tone_known: MeanTest
    tone_by_day: MeanTest
    account: Added | None = field(default=None, metadata=LEFT_OUT)


def text_metrics(
    own: Forecasts,
    without: Forecasts,
    actual: FloatArray,
    tone: FloatArray,
    accounts: tuple[FloatArray, FloatArray] | None = None,
) -> TextMetrics:
    """Compare a model with texts and the same model without.

    Args:
        own, without: forecasts of the same rows, T. actual: what became of each, [T, S], NaN while unknown.
        tone: mean tone of the texts of each bar, [T, S], NaN without one; it may have earlier rows.
        accounts: simple returns of both accounts, the same bars.
    """
    horizon = own.horizon_bars
    there = np.isfinite(own.mean) & np.isfinite(without.mean) & np.isfinite(actual)
    cells = np.where(there, actual, np.nan)
    pairs = [
        (np.where(there, each.mean, np.nan), np.where(there, each.std, np.nan)) for each in (own, without)
    ]
    by_bar = {
        "rank_ic": [rank_ic(mean, cells) for mean, _ in pairs],
        "log_likelihood": [row_means(log_density(mean, std, cells)) for mean, std in pairs],
        "qlike": [row_means(qlike(std**2, cells**2)) for _, std in pairs],
    }
    added = {
        name: _added(one, other, horizon, -1.0 if name == "qlike" else 1.0)
        for name, (one, other) in by_bar.items()
    }
    after = np.vstack([tone[1:], np.full((1, tone.shape[1]), np.nan)])
    known, by_day = (mean_test(rank_ic(values[-len(actual) :], actual), horizon) for values in (tone, after))
    account = None if accounts is None else _added(*accounts, 1, 1.0)
    return TextMetrics(**added, tone_known=known, tone_by_day=by_day, account=account)


def log_density(mean: FloatArray, std: FloatArray, actual: FloatArray) -> FloatArray:
    """Return the log density of outcomes under normal forecasts, elementwise; NaN passes through."""
    return np.asarray(-0.5 * np.log(2 * np.pi * std**2) - 0.5 * ((actual - mean) / std) ** 2)


def _added(one: FloatArray, other: FloatArray, horizon_bars: int, sign: float) -> Added:
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    test = robust_mean_test(sign * (one - other), horizon_bars)
    with_texts, without = (float(values.mean()) if len(values) else None for values in (one, other))
    return Added(with_texts, without, test.mean, test.t, test.p_greater, len(one))
