"""How often is a planted signal found: by a small network, by ridge, and by an oracle that knows all?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.noise.worlds import World, planted
from engine.evaluation.baselines import run_baselines
from engine.evaluation.metrics.forecasts.claims import skill_claims
from engine.training.walkforward import walk_forward
from forewalk.compute.pool import Processes
from forewalk.folds import walk_forward_folds
from forewalk.settings.loading import settings_from
from models.kinds import forecaster_of

SIGNALS = (0.02, 0.05)
SYMBOLS = (25, 200)
MOST = 50  # panels a point


@dataclass(frozen=True)
class Task:
    """One panel with a planted information coefficient."""

    seed: int
    ic: float
    symbols: int
    bars: int = 1500


def tasks(panels: int) -> list[Task]:
    """Return so many panels (50 at the most) of each size and signal."""
    count = min(panels, MOST)
    return [Task(seed, ic, n) for seed in range(count) for n in SYMBOLS for ic in SIGNALS]


def study(task: Task) -> dict[str, float]:
    """Return for each forecaster whether any claim of skill is made, and one of ranks or of squared error."""
    _, panel, labels, known = planted(World(5000 + task.seed, task.bars, task.symbols, ic=task.ic))
    settings = settings_from(
        {
            "seed": task.seed,
            "jobs": 1,
            "model": {"hidden_size": 4, "seeds": 1, "max_epochs": 6, "lookback_bars": 5},
            "folds": {"train_bars": task.bars // 2, "refit_every_bars": task.bars // 4},
        }
    )
    folds = walk_forward_folds(panel.timestamps, labels.end, settings.folds)
    timeline, _ = walk_forward(
        panel, labels, folds, forecaster_of(settings), settings.model.max_age_bars, workers=Processes(1)
    )
    network = timeline.forecasts(panel, 1)
    past = np.vstack([np.full((1, task.symbols), np.nan), labels.returns[:-1]])
    ridge = run_baselines(panel, labels, folds, past, settings, ["ridge"])["ridge"].forecasts
    rows = len(network)
    actual = labels.returns[-rows:]
    found = {}
    for name, mean in (("network", network.mean), ("ridge", ridge.mean), ("oracle", known[-rows:])):
        claims = skill_claims(mean, actual, 1)
        found[f"{name}: any"] = float(claims.any)
        found[f"{name}: rank"] = float(claims.claims("rank"))
        found[f"{name}: squared error"] = float(claims.claims("squared_error"))
    return found


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the share of panels in which each claim is made, by signal and number of symbols."""
    grouped = table.groupby(["ic", "symbols"])
    names = [name for name in table.columns if ": " in name]
    return pd.concat([grouped[names].mean(), grouped.size().rename("panels")], axis=1).T
