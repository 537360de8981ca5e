"""What is judged, and the evidence about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.evaluation.metrics.bootstrap import AccountBootstrap
from forewalk.features.panel import FeaturePanel, Labels, one_bar_returns
from forewalk.folds import Fold
from forewalk.plugins.sources import Source
from forewalk.returns import simple_returns
from forewalk.sessions import bars_per_year
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray, Forecasts, SimulationResult
from models.timeline import Timeline

Metrics = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Subject:
    """What is judged: a finished walk-forward and its account. Forecasts and `actual` share their rows.

    `plugins` are the sources of the user's own code that took part.
    """

    settings: Settings
    bars: Bars
    panel: FeaturePanel
    labels: Labels
    folds: tuple[Fold, ...]
    timeline: Timeline
    forecasts: Forecasts
    actual: FloatArray
    simulation: SimulationResult
    plugins: tuple[Source, ...] = ()

    @property
    def returns(self) -> FloatArray:
        """One-bar log return ending at each bar, [T, S], in the label's units."""
        return one_bar_returns(self.bars, relative=self.settings.label.kind == "market_relative")

    @property
    def account(self) -> FloatArray:
        """Simple return of the account per bar, length of the simulation."""
        return simple_returns(self.simulation.equity["equity"].to_numpy(dtype=np.float64))

    @property
    def year(self) -> float:
        """Bars per year."""
        return bars_per_year(self.bars.calendar, self.bars.interval)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The judgement.

    Attributes:
        metrics: JSON-able; keys forecast, strategy, benchmark, costs, orders, universe, baselines, policies,
            reality, seeds, luck. Only `luck` depends on what was tried before.
        policies: account value of each policy that needs no model, [T] by name.
        bootstrap: what the account might as well have done.
        trial_sharpes: annual Sharpe ratio of every distinct try on these data, this one last.
    """

    metrics: Metrics
    policies: Mapping[str, FloatArray]
    bootstrap: AccountBootstrap
    trial_sharpes: FloatArray
