"""What is judged, and the evidence about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from engine.evaluation.comparison import BaselineMetrics
from engine.evaluation.costs import RealityMetrics
from engine.evaluation.factors import FactorMetrics
from engine.evaluation.foresight import ForesightCheck
from engine.evaluation.metrics.accounts.account import (
    CostMetrics,
    OrderMetrics,
    ReturnMetrics,
    StrategyMetrics,
)
from engine.evaluation.metrics.accounts.bootstrap import AccountBootstrap
from engine.evaluation.metrics.accounts.luck import LuckMetrics
from engine.evaluation.metrics.alarms import Alarm
from engine.evaluation.metrics.door import LEFT_OUT, Record
from engine.evaluation.metrics.forecasts.skill import ForecastMetrics
from engine.evaluation.metrics.over_time import TimeMetrics
from engine.evaluation.metrics.texts import TextMetrics
from engine.evaluation.seeds import SeedSpread
from forewalk.data.factors.laying import FactorReturns
from forewalk.features.panel import FeaturePanel, Labels, one_bar_returns
from forewalk.folds import Fold
from forewalk.instruments import traded
from forewalk.plugins.sources import Source
from forewalk.returns import bars_per_year_covered, simple_returns
from forewalk.sessions import bars_per_year
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray, Forecasts, SimulationResult
from models.timeline import Timeline


@dataclass(frozen=True, eq=False)
class Subject:
    """What is judged: a finished walk-forward and its account. Forecasts and `actual` share their rows.

    `plugins` are the sources of the user's own code that took part, `benchmark` the bars of `evaluation.benchmark`,
    `factors` the returns of `evaluation.factors`.
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
    benchmark: Bars | None = None
    factors: FactorReturns | None = None

    @property
    def traded(self) -> tuple[Bars, Forecasts]:
        """Bars and forecasts of what the account may hold; see `data.trade_as`."""
        return traded(self.bars, self.forecasts, self.settings.data.trade_as)

    @property
    def returns(self) -> FloatArray:
        """One-bar log return ending at each bar, [T, S], in the label's units."""
        return one_bar_returns(self.bars, relative=self.settings.label.relative)

    @property
    def account(self) -> FloatArray:
        """Simple return of the account per bar, length of the simulation."""
        return simple_returns(self.simulation.equity["equity"].to_numpy(dtype=np.float64))

    @property
    def year(self) -> float:
        """Bars per year, by the calendar time that the account really covers."""
        times = pd.DatetimeIndex(self.simulation.equity["time"])
        return bars_per_year_covered(times, bars_per_year(self.bars.calendar, self.bars.interval))


@dataclass(frozen=True)
class MembershipMetrics(Record):
    """The universe that was given.

    Attributes:
        file: its name. sha256: of what it holds.
        members: symbols that belong at some time. members_without_bars: of those, in this source.
        members_per_bar: mean number of members.
    """

    file: str
    sha256: str
    members: int
    members_without_bars: int
    members_per_bar: float


@dataclass(frozen=True)
class UniverseMetrics(Record):
    """How many symbols there were, over which span, and how many lasted to the end.

    Attributes:
        symbols: loaded. forecast_symbols: with at least one forecast. still_there_at_the_end: of those, with a bar
            in the last thirty days.
        first_bar, first_test_bar, last_bar: closes, ISO 8601, UTC.
        source: of the bars.
        survivorship_bias: whether fewer than one in a hundred symbols with a forecast ended in a year, and no
            universe says who belonged.
        membership: the universe, None without one.
        currency_pairs: symbols with forecasts that are currency pairs, None where none is.
    """

    symbols: int
    forecast_symbols: int
    still_there_at_the_end: int
    first_bar: str
    first_test_bar: str
    last_bar: str
    source: str
    survivorship_bias: bool
    membership: MembershipMetrics | None = field(default=None, metadata=LEFT_OUT)
    currency_pairs: int | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Metrics(Record):
    """Every number of a run; `metrics.json` is its `to_json`, and `Metrics.from_json` reads that again.

    Attributes:
        forecast: skill of the forecasts, beside naive ones.
        strategy, benchmark: the account, and buying and holding what `evaluation.benchmark` names.
        costs, orders, universe: what trading cost, what became of the orders, which symbols there were.
        baselines: the network beside other forecasters.
        seeds: the numbers over the seeds; None for one seed or a model without seeds.
        policies: accounts of policies that need no model, by name.
        reality: what other costs would change; None where that was switched off.
        luck: how much may be luck. Only this depends on what was tried before.
        alarms: numbers too good to be believed, said before anything else.
        cautions: what is odd about the settings on these bars, a sentence each; None where nothing is.
        time: by year, by lateness of the forecast, and whether the stated spread was right; absent from older files.
        own_strategy: whether a strategy of the user's own decides by what it cannot know; absent for the project's.
        factors: what the factors of `evaluation.factors` do not explain; absent without them.
        texts: what news and social texts added; absent without them.
    """

    forecast: ForecastMetrics
    strategy: StrategyMetrics
    benchmark: ReturnMetrics
    costs: CostMetrics
    orders: OrderMetrics
    universe: UniverseMetrics
    baselines: BaselineMetrics
    seeds: SeedSpread | None
    policies: Mapping[str, ReturnMetrics]
    reality: RealityMetrics | None
    luck: LuckMetrics
    alarms: tuple[Alarm, ...] = ()
    cautions: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)
    time: TimeMetrics | None = field(default=None, metadata=LEFT_OUT)
    own_strategy: ForesightCheck | None = field(default=None, metadata=LEFT_OUT)
    factors: FactorMetrics | None = field(default=None, metadata=LEFT_OUT)
    texts: TextMetrics | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The judgement.

    Attributes:
        metrics: every number.
        policies: account value of each policy that needs no model, [T] by name.
        bootstrap: what the account might as well have done.
        trial_sharpes: annual Sharpe ratio beyond buying and holding (or cash) of every distinct try, this one last.
    """

    metrics: Metrics
    policies: Mapping[str, FloatArray]
    bootstrap: AccountBootstrap
    trial_sharpes: FloatArray
