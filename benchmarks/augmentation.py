"""Does changing the training rows at random lower the loss on bars that no model saw?

`python -m benchmarks.augmentation [FILE ...]` trains one network a seed walk-forward, plainly and with each change
of `model.augment` alone, and compares the loss out of sample bar by bar, averaged over the seeds: Diebold-Mariano,
one-sided. A change is worth switching on where p < 0.05 on every file. The values are written here, not chosen
by what came out. Without a file: the 50 stocks of KDD17 and 9 ETFs, where the shared data are at hand. All else
is as by default, but one network instead of three.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per process, as the engine runs

import numpy as np

from benchmarks.data import KDD17, SHARED
from engine.evaluation.metrics.statistics import SIGNIFICANCE, DieboldMariano, diebold_mariano
from engine.training.walkforward import walk_forward
from engine.tune.inner import bar_losses
from forewalk.compute.workers import workers_of
from forewalk.data.loading import load_bars
from forewalk.features.own import panel_of
from forewalk.features.panel import build_labels
from forewalk.folds import walk_forward_folds
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray
from models.kinds import forecaster_of

ETFS = SHARED / "market" / "etf_daily_1999_2017_totalreturn.parquet"
CHANGES: Mapping[str, float] = {
    "jitter": 0.1,
    "feature_dropout": 0.1,
    "magnitude": 0.1,
    "time_mask_bars": 10,
    "burn_in": 0.5,
    "mixup": 0.2,
}
WITH_RANKS = tuple(name for name in CHANGES if name not in ("burn_in", "mixup"))


@dataclass(frozen=True)
class Measured:
    """One change on one file.

    Attributes:
        name: of the change.
        plain, changed: mean loss of a bar over all seeds, lower is better.
        test: Diebold-Mariano of changed against plain, on the mean over the seeds of each bar's loss.
        lower: seeds whose mean loss is lower with the change.
        seeds: all of them.
    """

    name: str
    plain: float
    changed: float
    test: DieboldMariano
    lower: int
    seeds: int

    @property
    def helps(self) -> bool:
        """Whether the loss is lower by more than luck, on this file."""
        return self.test.a_is_better


def settings_of(path: Path, ranks: bool = False, jobs: int = 1) -> Settings:
    """Return the settings of a file: the default ones with one network, or the recipe of docs/skill.md with one."""
    recipe = {
        "features": {"cross_section": True},
        "label": {"kind": "rank"},
        "model": {
            "loss": "rank_correlation", "seeds": 1, "input_dropout": 0.1, "learning_rate": 2e-3,
            "sequence_targets": 20, "max_epochs": 8, "patience": 3,
        },
    }  # fmt: skip
    tree = recipe if ranks else {"model": {"seeds": 1}}
    return settings_from({**tree, "jobs": jobs, "data": {"source": "files", "path": str(path)}})


def compare(
    bars: Bars, settings: Settings, seeds: Sequence[int], changes: Mapping[str, float]
) -> list[Measured]:
    """Train and judge plainly and with each change; every kind has the same seeds and sequences."""
    plain = losses_of(bars, settings, seeds)
    found = []
    for name, value in changes.items():
        augment = settings.model.augment.model_copy(update={name: value})
        model = settings.model.model_copy(update={"augment": augment})
        changed = losses_of(bars, settings.model_copy(update={"model": model}), seeds)
        found.append(judged(name, plain, changed))
    return found


def judged(name: str, plain: FloatArray, changed: FloatArray) -> Measured:
    """Compare losses [seeds, T] that both may have NaN in, on the bars where neither has."""
    both = np.isfinite(plain).all(axis=0) & np.isfinite(changed).all(axis=0)
    a, b = changed[:, both], plain[:, both]
    test = diebold_mariano(a.mean(axis=0), b.mean(axis=0))
    lower = int((a.mean(axis=1) < b.mean(axis=1)).sum())
    return Measured(name, float(b.mean()), float(a.mean()), test, lower, len(plain))


def losses_of(bars: Bars, settings: Settings, seeds: Sequence[int]) -> FloatArray:
    """Return the loss of each bar out of sample, [seeds, T]; NaN where it has none."""
    panel = panel_of(bars, settings)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    rows = []
    for seed in seeds:
        forecaster = forecaster_of(settings.model_copy(update={"seed": seed}))
        timeline, _ = walk_forward(
            panel, labels, folds, forecaster, settings.model.max_age_bars, workers_of(settings)
        )
        forecasts = timeline.forecasts(panel, labels.horizon_bars)
        first = len(panel) - len(forecasts)
        rows.append(bar_losses(forecasts, labels.returns[first:], panel.scale[first:], settings))
    return np.stack(rows)


def lines_of(found: Sequence[Measured]) -> list[str]:
    """Return the table of one file as text."""
    lines = ["| change | loss plain | changed | difference x 1e-4 | t | p | lower in seeds |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|")
    for one in found:
        p = math.nan if one.test.p_less is None else one.test.p_less
        t = math.nan if one.test.statistic is None else one.test.statistic
        gap = 1e4 * (one.changed - one.plain)
        lines.append(
            f"| `{one.name} = {CHANGES[one.name]:g}` | {one.plain:.5f} | {one.changed:.5f} | {gap:+.1f} | {t:+.2f} | "
            f"{p:.3f} | {one.lower} of {one.seeds} |"
        )
    return lines


def verdict(files: Sequence[Sequence[Measured]]) -> str:
    """Say in a sentence which changes lower the loss on every file."""
    helps = [{one.name for one in found if one.helps} for found in files]
    good = [name for name in CHANGES if all(name in each for each in helps)]
    where = f"on {len(files)} of {len(files)} files (one-sided p < {SIGNIFICANCE:g})"
    return f"Lower loss {where}: {', '.join(good)}." if good else f"No change lowers the loss {where}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of every file, and what holds on all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmentation", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--symbols", type=int, default=0, help="the first so many of a file; 0 means all")
    parser.add_argument("--ranks", action="store_true", help="the ranking network instead of the default one")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args(arguments)
    files = given.files or [path for path in (KDD17, ETFS) if path.exists()]
    if not files:
        parser.error("no file is named, and the shared data are not at hand; name files of bars")
    changes = {name: CHANGES[name] for name in WITH_RANKS} if given.ranks else CHANGES
    everywhere = []
    for path in files:
        begun = time.perf_counter()
        settings = settings_of(path, given.ranks, given.jobs)
        bars, _ = load_bars(settings.data)
        bars = bars.select(bars.symbols[: given.symbols or None])
        first, last = bars.timestamps[0], bars.timestamps[-1]
        print(
            f"\n## {path.stem}: {len(bars.symbols)} symbols, {first:%Y-%m-%d} to {last:%Y-%m-%d}\n",
            flush=True,
        )
        found = compare(bars, settings, range(1, given.seeds + 1), changes)
        everywhere.append(found)
        print("\n".join(lines_of(found)))
        print(
            f"\n{found[0].test.observations} bars out of sample, {time.perf_counter() - begun:.0f} s",
            flush=True,
        )
    print(f"\n{verdict(everywhere)}")


if __name__ == "__main__":
    main()
