"""Sizes and coverage of the tests by themselves: how short may a history be, how far may labels overlap?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.noise.worlds import TAILS, garch
from engine.evaluation.metrics.accounts.sharpe_interval import sharpe_interval
from engine.evaluation.metrics.inference import pesaran_timmermann, robust_mean_test
from engine.evaluation.metrics.statistics import rank_ic

HORIZONS = (1, 5, 20)
BARS = (60, 120, 250, 500, 1000, 2000)
SYMBOLS = 10
REPETITIONS = 2000
SHARPE = 0.05  # per bar


@dataclass(frozen=True)
class Task:
    """So many made-up histories of so many bars, with labels of a horizon."""

    bars: int
    horizon: int
    repetitions: int = REPETITIONS


def tasks() -> list[Task]:
    """Return every pair of length and horizon."""
    return [Task(bars, horizon) for horizon in HORIZONS for bars in BARS]


def study(task: Task) -> dict[str, float]:
    """Return how often each test rejects at 5 %, and how often the Sharpe ratio's interval holds the true one.

    Forecasts are sluggish (autocorrelation 0.9) and know nothing; returns have a common factor, fat tails and GARCH,
    and labels are their sums over the horizon.
    """
    random = np.random.default_rng([task.bars, task.horizon])
    ranks, directions, means, held = [], [], [], []
    for number in range(task.repetitions):
        returns = panel(random, task.bars + task.horizon)
        sums = np.vstack([np.zeros((1, SYMBOLS)), np.cumsum(returns, axis=0)])
        label = sums[task.horizon :][: task.bars] - sums[: task.bars]
        forecast = sluggish(random, task.bars)
        ranks.append(robust_mean_test(rank_ic(forecast, label), task.horizon).p_greater < 0.05)
        directions.append(pesaran_timmermann(forecast, label, task.horizon).p_greater < 0.05)
        means.append(robust_mean_test((2 * forecast * label).mean(axis=1), task.horizon).p_greater < 0.05)
        if task.horizon == 1 and number < task.repetitions // 4:
            _, low, high = sharpe_interval(returns[: task.bars].mean(axis=1) + drift(), 1, number, 500)
            held.append(low <= SHARPE <= high)
    return {
        "rank IC": float(np.mean(ranks)),
        "direction": float(np.mean(directions)),
        "Clark-West": float(np.mean(means)),
        "Sharpe interval covers": float(np.mean(held)) if held else math.nan,
    }


def panel(random: np.random.Generator, bars: int) -> np.ndarray:
    """Returns of symbols with a common factor, [bars, SYMBOLS], variance one on average."""
    unit = math.sqrt(1 - 2 / TAILS)
    common = unit * random.standard_t(TAILS, bars)
    own = unit * random.standard_t(TAILS, (bars, SYMBOLS))
    spread = np.sqrt(garch(common))[:, None]
    return spread * (math.sqrt(0.4) * common[:, None] + math.sqrt(0.6) * own)


def drift() -> float:
    """The mean that gives the mean of the symbols the Sharpe ratio `SHARPE` per bar."""
    return SHARPE * math.sqrt(0.4 + 0.6 / SYMBOLS)


def sluggish(random: np.random.Generator, bars: int, memory: float = 0.9) -> np.ndarray:
    """Autoregressive forecasts, [bars, SYMBOLS]."""
    from scipy.signal import lfilter

    return np.asarray(lfilter([1.0], [1.0, -memory], random.normal(size=(bars, SYMBOLS)), axis=0))
