"""What tuning chose fold by fold, and whether it helped on the outer folds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.evaluation.metrics.statistics import SIGNIFICANCE, DieboldMariano, diebold_mariano
from engine.tune.inner import bar_losses
from engine.tune.space import Params, Space, with_values
from engine.tune.study import Tried
from forewalk.errors import DataError
from forewalk.settings.sections import Settings
from forewalk.types import FloatArray, Forecasts

if TYPE_CHECKING:
    from engine.tune.job import Effort


@dataclass(frozen=True)
class FoldChoice:
    """What one outer fold chose on its own past: values, their inner loss, and every trial."""

    fold: str
    trained_until: pd.Timestamp
    values: Params
    loss: float
    tried: tuple[Tried, ...]

    @property
    def own_loss(self) -> float:
        """Inner loss of the settings' own values, which are always the first trial, as far as they got."""
        return self.tried[0].loss

    def settings(self, base: Settings) -> Settings:
        """Return the settings with what was chosen."""
        return with_values(base, self.values)


@dataclass(frozen=True)
class Outer:
    """Tuned against default on the outer folds.

    Attributes:
        tuned, default: mean loss of a bar, lower is better.
        test: Diebold-Mariano of tuned against default; None where both forecast the same.
        folds_p: one-sided p-value of Student's t over the folds' mean differences; None with fewer than two folds.

    Two networks that differ in luck alone differ all through the bars that both forecast, which a test of bars takes
    for evidence: it says which of two forecasts was better, not whether choosing helps. So both tests must say so.
    """

    tuned: float
    default: float
    test: DieboldMariano | None
    folds_p: float | None = None

    @property
    def p(self) -> float | None:
        """The larger of both one-sided p-values; None where one of them is."""
        if self.test is None or self.test.p_less is None or self.folds_p is None:
            return None
        return max(self.test.p_less, self.folds_p)

    @property
    def better(self) -> bool:
        """Whether tuned is better than default by more than luck, at 5 %."""
        return self.p is not None and self.p < SIGNIFICANCE


@dataclass(frozen=True)
class Tuning:
    """One finished tuning: where it lies, what was tried, chosen and shown."""

    folder: Path
    effort: Effort
    space: Space
    choices: tuple[FoldChoice, ...]
    outer: Outer
    ranks: bool

    @property
    def trials(self) -> int:
        """All trials of all folds."""
        return sum(len(choice.tried) for choice in self.choices)

    @property
    def processor_s(self) -> float:
        """Processor seconds of all inner fits."""
        return sum(each.processor_s for choice in self.choices for each in choice.tried)

    def changes(self, key: str) -> int:
        """How often the chosen value changes from one fold to the next."""
        values = [choice.values[key] for choice in self.choices]
        return sum(a != b for a, b in pairwise(values))


def compared(
    default: Forecasts, tuned: Forecasts, actual: FloatArray, scale: FloatArray, settings: Settings
) -> Outer:
    """Compare both on the bars of the outer folds; the rows are [T, S].

    Raises:
        DataError: on no bar is the loss of both known.
    """
    losses = [bar_losses(each, actual, scale, settings) for each in (tuned, default)]
    both = np.isfinite(losses[0]) & np.isfinite(losses[1])
    if not both.any():
        raise DataError(
            "tuned and default cannot be compared: on no bar of the outer folds is the loss of both known"
        )
    a, b = losses[0][both], losses[1][both]
    if np.array_equal(a, b):
        return Outer(float(a.mean()), float(b.mean()), None)
    folds_p = p_over_folds(a - b, np.array(tuned.model_ids)[both])
    return Outer(float(a.mean()), float(b.mean()), diebold_mariano(a, b, tuned.horizon_bars), folds_p)


def p_over_folds(differences: FloatArray, folds: npt.NDArray[np.str_]) -> float | None:
    """Return the one-sided p-value of Student's t that the folds' mean differences are below zero.

    A fold is one observation, since its networks are the same all through it. None with fewer than two folds, or
    where all differ by the same.
    """
    from scipy.stats import ttest_1samp

    means = np.array([differences[folds == fold].mean() for fold in np.unique(folds)])
    if len(means) < 2 or not means.std() > 0:
        return None
    return float(ttest_1samp(means, 0.0, alternative="less").pvalue)


def joined(parts: Sequence[Forecasts]) -> Forecasts:
    """Return forecasts of consecutive inner tests as one."""
    if len(parts) == 1:
        return parts[0]
    times = parts[0].timestamps.append([part.timestamps for part in parts[1:]])
    trained = parts[0].trained_until.append([part.trained_until for part in parts[1:]])
    return Forecasts(
        timestamps=pd.DatetimeIndex(times),
        symbols=parts[0].symbols,
        mean=np.concatenate([part.mean for part in parts]),
        std=np.concatenate([part.std for part in parts]),
        p_up=np.concatenate([part.p_up for part in parts]),
        horizon_bars=parts[0].horizon_bars,
        model_ids=tuple(name for part in parts for name in part.model_ids),
        trained_until=pd.DatetimeIndex(trained),
    )


def verdict(found: Tuning) -> str:
    """Return in a sentence whether tuning helped, bad news first."""
    test = found.outer.test
    if test is None:
        return "Tuning changed nothing: every fold kept the settings it had."
    p = "unknown" if found.outer.p is None else f"{found.outer.p:.3f}"
    losses = f"loss {found.outer.tuned:.5f} against {found.outer.default:.5f}, one-sided p = {p}"
    if found.outer.better:
        return f"On bars it never saw, tuned forecasts better than default ({losses})."
    return f"Not shown to help: on bars it never saw, tuned is not better than default by more than luck ({losses})."


def tuning_lines(found: Tuning) -> list[str]:
    """Return the outcome as lines for a terminal."""
    pruned = sum(not each.complete for choice in found.choices for each in choice.tried)
    lines = [
        verdict(found),
        f"{found.trials} trials in {len(found.choices)} folds, {pruned} ended early, "
        f"{found.processor_s:.0f} processor seconds of {found.effort.budget_s:.0f}; each is in the ledger",
    ]
    for choice in found.choices:
        values = ", ".join(f"{key.removeprefix('model.')} {value}" for key, value in choice.values.items())
        lines.append(f"{choice.fold} (known until {choice.trained_until:%Y-%m-%d}): {values}")
    jumps = {key: found.changes(key) for key in found.space}
    if len(found.choices) > 1:
        jumping = ", ".join(f"{key.removeprefix('model.')} {count}" for key, count in jumps.items())
        lines.append(
            f"changes from fold to fold, of {len(found.choices) - 1}: {jumping}; values that jump are noise"
        )
    return lines


def summary(found: Tuning) -> dict[str, Any]:
    """Return everything as plain JSON types."""
    outer = found.outer
    return {
        "verdict": verdict(found),
        "loss": "minus rank correlation" if found.ranks else "Gaussian negative log likelihood",
        "effort": asdict(found.effort),
        "space": {key: list(values) for key, values in found.space.items()},
        "outer": {
            "tuned": _known(outer.tuned),
            "default": _known(outer.default),
            "p_less": None if outer.test is None else outer.test.p_less,
            "p_over_folds": outer.folds_p,
            "bars": None if outer.test is None else outer.test.observations,
        },
        "processor_s": found.processor_s,
        "folds": [
            {
                "fold": choice.fold,
                "trained_until": choice.trained_until.isoformat(),
                "chosen": dict(choice.values),
                "inner_loss": choice.loss,
                "trials": [
                    {**asdict(each), "losses": [_known(loss) for loss in each.losses]}
                    for each in choice.tried
                ],
            }
            for choice in found.choices
        ],
        "changes": {key: found.changes(key) for key in found.space},
    }


def _known(loss: float) -> float | None:
    """None where no outcome is known or a model has diverged, which JSON has no number for."""
    return loss if math.isfinite(loss) else None
