"""How much of a number is the seed: every seed's network forecasting and trading alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

import numpy as np

from engine.evaluation.metrics.accounts.account import StrategyMetrics
from engine.evaluation.metrics.door import Record, leaves, named, path_in_file, to_json
from engine.evaluation.metrics.forecasts.skill import ForecastSkill
from models.base import SeedMixture
from models.timeline import Timeline


@dataclass(frozen=True)
class SeedMetrics(Record):
    """What one seed's network would have forecast and earned alone."""

    forecast: ForecastSkill
    strategy: StrategyMetrics


@dataclass(frozen=True)
class Spread(Record):
    """A number over the seeds: mean, standard deviation (ddof 1; None for a single seed), and how many had it."""

    mean: float
    std: float | None
    seeds: int = field(metadata=named("n"))


@dataclass(frozen=True)
class SeedSpread(Record):
    """Every number of `SeedMetrics` over the seeds; ask for one with `of`.

    Attributes:
        spreads: by the dotted keys of the file. Text, truth values and blocks that the first seed lacks are left out.
    """

    spreads: Mapping[str, Spread]

    def of(self, number: Callable[[SeedMetrics], object]) -> Spread | None:
        """Return the spread of one number, None where no seed has it.

        `spread.of(lambda seed: seed.strategy.sharpe_annual)`; a number of a block that may be missing is asked for
        with `and`: `lambda seed: seed.forecast.rank_ic and seed.forecast.rank_ic.mean`.
        """
        asked = cast("_Asked", number(cast("SeedMetrics", _Asked())))
        return self.spreads.get(path_in_file(SeedMetrics, asked.path_))

    def to_json(self) -> dict[str, Any]:
        """Return the spreads nested like the metrics they are of."""
        result: dict[str, Any] = {}
        for path, spread in self.spreads.items():
            *blocks, name = path.split(".")
            inner = result
            for block in blocks:
                inner = inner.setdefault(block, {})
            inner[name] = spread.to_json()
        return result

    @classmethod
    def from_json(cls, tree: Any) -> Self:
        """Return what `to_json` gave."""
        found = leaves(tree, until=lambda block: set(block) == {"mean", "std", "n"})
        return cls({path: Spread.from_json(spread) for path, spread in found})


class _Asked:
    """Stands for a `SeedMetrics` whose attributes are named, not read: it remembers the way to a number."""

    def __init__(self, path: tuple[str, ...] = ()) -> None:
        self.path_ = path

    def __getattr__(self, name: str) -> _Asked:
        return _Asked((*self.path_, name))


def seed_timelines(timeline: Timeline) -> tuple[Timeline, ...]:
    """Return one timeline per seed of a network's timeline; empty where the models have no seeds.

    The forecasts of the whole timeline are the mixture of these.
    """
    parts = [model.by_seed() for model in timeline.models if isinstance(model, SeedMixture)]
    if not parts or len(parts) < len(timeline.models):
        return ()
    return tuple(Timeline(models, timeline.max_age_bars) for models in zip(*parts, strict=True))


def spread_over_seeds(alone: Sequence[SeedMetrics]) -> SeedSpread:
    """Return mean and standard deviation over seeds of every number; seeds that lack one do not count."""
    trees = [dict(leaves(to_json(one))) for one in alone]
    spreads = {}
    for path in trees[0]:
        numbers = np.array([tree[path] for tree in trees if _is_number(tree.get(path))], dtype=np.float64)
        if len(numbers):
            std = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
            spreads[path] = Spread(float(numbers.mean()), std, len(numbers))
    return SeedSpread(spreads)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
