"""The chance of a rise as it was stated, corrected by how often prices rose after statements like it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from forewalk.types import BoolArray, FloatArray

FEWEST = 200  # outcomes, below which nothing is corrected
EDGE = 1e-6  # a probability nearer to 0 or 1 is taken for this near
STEPS = 50


@dataclass(frozen=True)
class Correction:
    """A chance p becomes 1 / (1 + exp(-(slope logit(p) + shift))).

    Attributes:
        slope: 1 leaves the odds as they are, 0 says that they tell nothing; never negative.
        shift: of the log odds. outcomes: that it was told from; 0 where there were too few, and nothing is corrected.
    """

    slope: float = 1.0
    shift: float = 0.0
    outcomes: int = 0

    def of(self, p_up: float) -> float:
        """Return the corrected chance."""
        if not self.outcomes:
            return p_up
        return float(expit(self.slope * logit(np.clip(p_up, EDGE, 1 - EDGE)) + self.shift))


def correction(p_up: FloatArray, actual: FloatArray) -> Correction:
    """Return the correction told from past statements and what came, arrays of one shape.

    Platt scaling (Platt 1999, Advances in Large Margin Classifiers) of the log odds, with its smoothed targets, by
    Newton's method. Pairs that are not finite and outcomes of zero are left out. Where rises came less often after
    higher chances, the slope is 0: a correction tones down, it does not turn round.
    """
    used = np.isfinite(p_up) & np.isfinite(actual) & (actual != 0)
    up = actual[used] > 0
    if len(up) < FEWEST or up.all() or not up.any():
        return Correction()
    odds = logit(np.clip(np.asarray(p_up, dtype=np.float64)[used], EDGE, 1 - EDGE))
    slope, shift = _fitted(odds, up)
    if not slope > 0:
        slope, shift = 0.0, float(logit(_targets(up).mean()))
    return Correction(slope, shift, len(up))


def _targets(up: BoolArray) -> FloatArray:
    """Return Platt's targets: not quite 0 and 1, by as much as that many outcomes leave open."""
    rises = int(up.sum())
    falls = len(up) - rises
    return np.where(up, (rises + 1.0) / (rises + 2.0), 1.0 / (falls + 2.0))


def _fitted(odds: FloatArray, up: BoolArray) -> tuple[float, float]:
    """Return slope and shift of the greatest likelihood; slope 0 where all odds are the same."""
    targets = _targets(up)
    if np.ptp(odds) == 0:
        return 0.0, 0.0
    centre, scale = odds.mean(), odds.std()
    rows = np.column_stack([(odds - centre) / scale, np.ones(len(odds))])
    found = np.array([0.0, logit(targets.mean())])
    for _ in range(STEPS):
        chance = expit(rows @ found)
        weight = chance * (1.0 - chance)
        step = np.linalg.solve((rows * weight[:, None]).T @ rows, rows.T @ (targets - chance))
        found = found + step
        if np.abs(step).max() < 1e-12:
            break
    return float(found[0] / scale), float(found[1] - found[0] * centre / scale)
