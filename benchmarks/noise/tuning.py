"""How often does a tuner find "tuned is better" on a market that holds nothing?

Each panel is tuned as `forewalk tune` does it: two outer folds, each choosing on inner folds of its own past, and
tested against default on the outer rows at 5 %, over the bars and over the folds. The values of `alike` differ in
nothing but luck (where sequences are cut): more than 5 % would be outer rows that reach the choice, or too bold a
test. The values of `default` are those that the command varies: there "better" may be true, since on noise the
network that fits least of it is the best one.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.noise.worlds import World, planted
from engine.tune.job import choose, judge
from engine.tune.space import DEFAULT_SPACE, Space, with_own
from engine.tune.study import Plan
from forewalk.compute.pool import Processes
from forewalk.folds import walk_forward_folds
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings

SPACES: dict[str, Space] = {
    "alike": {"model.sequence_targets": (62, 63, 64, 65, 66)},
    "default": DEFAULT_SPACE,
}
TRIALS, INNER = 4, 2


@dataclass(frozen=True)
class Task:
    """One panel: seed of the market, values that are varied, and its size; its second half is out of sample."""

    seed: int
    space: str
    bars: int = 600
    symbols: int = 4


def tasks(panels: int) -> list[Task]:
    """Return so many panels of each kind of values."""
    return [Task(seed, space) for space in SPACES for seed in range(panels)]


def study(task: Task) -> dict[str, float | None]:
    """Tune one panel; return the p-value of "tuned is better" (None where nothing changed) and the loss gained."""
    bars, panel, labels, _ = planted(World(task.seed, task.bars, task.symbols))
    settings = small_settings(task)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    plan = Plan(with_own(SPACES[task.space], settings), TRIALS, budget_s=1e9, seed=task.seed)
    with tempfile.TemporaryDirectory(prefix="forewalk-") as folder:
        choices = choose(panel, labels, folds, settings, plan, INNER, Path(folder), "noise", Processes(1))
    outer = judge(panel, labels, folds, settings, choices, Processes(1))
    changed = sum(choice.values != choice.tried[0].params for choice in choices) / len(choices)
    bars_p = None if outer.test is None else outer.test.p_less
    gain = outer.default - outer.tuned
    return {
        "tuned is better p": outer.p,
        "by bars alone p": bars_p,
        "gain": gain,
        "folds that changed": changed,
    }


def small_settings(task: Task) -> Settings:
    """Return the settings of a panel: a network of four units that sees little, and two outer folds."""
    return settings_from(
        {
            "seed": task.seed,
            "jobs": 1,
            "model": {"hidden_size": 4, "seeds": 1, "max_epochs": 4, "lookback_bars": 10},
            "folds": {"train_bars": task.bars // 2, "refit_every_bars": task.bars // 4},
        }
    )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return by kind of values how many panels there are, and the share in which tuned is better at 5 %.

    A panel in which every fold kept its settings counts as neither.
    """
    p, by_bars = (table[name].astype(float) for name in ("tuned is better p", "by bars alone p"))
    shown = pd.DataFrame(
        {
            "space": table["space"],
            "panels": 1.0,
            "tuned is better": (p < 0.05).astype(float),
            "by bars alone": (by_bars < 0.05).astype(float),
            "worse by bars alone": (by_bars > 0.95).astype(float),
            "nothing changed": by_bars.isna().astype(float),
            "gain": table["gain"].astype(float),
        }
    )
    return shown.groupby("space").agg(
        {name: "sum" if name == "panels" else "mean" for name in shown.columns[1:]}
    )
