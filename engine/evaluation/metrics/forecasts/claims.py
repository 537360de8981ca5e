"""Which kind of skill may be claimed: a stated order of tests with one error rate for all of them together.

Squared error alone is blind where the signal lies across the symbols: with a common factor and fat tails a rank IC
of 0.05 leaves it unchanged. So four questions are asked, each against having no skill at all, one-sided, and Holm's
step-down (1979, Scandinavian Journal of Statistics 6) keeps the chance of any false "yes" at 5 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.evaluation.metrics.door import Record
from engine.evaluation.metrics.inference import (
    FEWEST_HORIZONS,
    RobustTest,
    pesaran_timmermann,
    robust_mean_test,
)
from engine.evaluation.metrics.statistics import rank_ic, row_means
from forewalk.types import FloatArray

FAMILY_ERROR = 0.05
SQUARED_ERROR, NESTED, RANK, DIRECTION = "squared_error", "nested", "rank", "direction"


@dataclass(frozen=True)
class SkillClaim(Record):
    """One question about the forecasts, and whether its answer may be called skill.

    Attributes:
        question: "squared_error" (below that of no change, and that of the span's mean outcome), "nested" (Clark &
            West 2007: below the latter without the noise of learning), "rank" (rank IC above 0) or "direction"
            (Pesaran & Timmermann 1992). The mean outcome is known with hindsight, so that a drift is no skill.
        estimate: mean difference of the squared errors (naive minus own), Clark-West mean, mean rank IC, or how much
            likelier a rise is where one was forecast.
        t: with errors that allow for overlapping labels and clusters; None where it cannot be computed, as is `p`.
        p: one-sided. p_holm: adjusted for the other questions.
        claimed: p_holm is at most 5 %, and there are enough horizons that do not overlap.
    """

    question: str
    estimate: float | None
    t: float | None
    p: float | None
    p_holm: float | None
    claimed: bool


@dataclass(frozen=True)
class SkillClaims(Record):
    """The questions in order, and whether there is enough to answer any.

    Attributes:
        questions: those that can be asked of these forecasts.
        horizons: labels that do not overlap, bars over horizon.
        enough: there are at least fifteen; below that nothing is claimed.
    """

    questions: tuple[SkillClaim, ...]
    horizons: int
    enough: bool

    def of(self, question: str) -> SkillClaim | None:
        """Return one question, None where it could not be asked."""
        return next((claim for claim in self.questions if claim.question == question), None)

    def claims(self, question: str) -> bool:
        """Return whether this kind of skill may be claimed."""
        found = self.of(question)
        return found is not None and found.claimed

    @property
    def any(self) -> bool:
        """Whether any kind of skill may be claimed."""
        return any(claim.claimed for claim in self.questions)


def skill_claims(mean: FloatArray, actual: FloatArray, horizon_bars: int = 1) -> SkillClaims:
    """Ask the four questions of forecasts `mean` and outcomes `actual`, [T, S]; NaN where there is none.

    Rank IC needs five symbols a bar; direction needs forecasts and outcomes of both signs.
    """
    both = np.isfinite(mean) & np.isfinite(actual)
    f, y = np.where(both, mean, np.nan), np.where(both, actual, np.nan)
    direction = pesaran_timmermann(f, y, horizon_bars)
    drift = float(np.nanmean(y)) if both.any() else 0.0
    beyond = 2.0 * (f - drift) * (y - drift)
    lower = [
        robust_mean_test(row_means((y - naive) ** 2 - (y - f) ** 2), horizon_bars) for naive in (0.0, drift)
    ]
    asked: list[tuple[str, float, float, float]] = [
        (SQUARED_ERROR, *_numbers(max(lower, key=lambda test: np.nan_to_num(test.p_greater, nan=1.0)))),
        (NESTED, *_numbers(robust_mean_test(row_means(beyond), horizon_bars))),
        (RANK, *_numbers(robust_mean_test(rank_ic(f, y), horizon_bars))),
        (DIRECTION, direction.slope, direction.t, direction.p_greater),
    ]
    bars = int(both.any(axis=1).sum())
    enough = bars >= FEWEST_HORIZONS * horizon_bars
    adjusted = holm([p for *_, p in asked])
    claims = tuple(
        SkillClaim(question, estimate, t, p, q, bool(enough and q <= FAMILY_ERROR))
        for (question, estimate, t, p), q in zip(asked, adjusted, strict=True)
        if np.isfinite(estimate)
    )
    return SkillClaims(claims, bars // horizon_bars, enough)


def holm(p_values: list[float]) -> list[float]:
    """Return Holm's adjusted p-values; NaN stays NaN and counts for nothing.

    Written out, since statsmodels collects garbage on every call (50 ms); a test holds it equal.
    """
    known = [i for i in np.argsort(p_values, kind="stable") if np.isfinite(p_values[i])]
    result, largest = [math.nan] * len(p_values), 0.0
    for rank, i in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p_values[i]))
        result[i] = largest
    return result


def _numbers(test: RobustTest) -> tuple[float, float, float]:
    return test.mean, test.t, test.p_greater
