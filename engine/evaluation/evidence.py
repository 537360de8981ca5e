"""Everything a run says about its own numbers: beside which baselines, with how much luck, at which costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.evaluation.baselines import WITHOUT_TEXTS, run_baselines
from engine.evaluation.cautions import cautions
from engine.evaluation.comparison import compare_forecasters
from engine.evaluation.costs import (
    MOST_RUNS,
    RealityMetrics,
    borrow_rows,
    break_even,
    capacity,
    cost_grid,
    delay_row,
)
from engine.evaluation.factors import FactorMetrics, factor_metrics
from engine.evaluation.foresight import check_foresight
from engine.evaluation.metrics.accounts.account import (
    AccountMetrics,
    OrderMetrics,
    return_metrics,
    strategy_metrics,
)
from engine.evaluation.metrics.accounts.bootstrap import AccountBootstrap, bootstrap_account
from engine.evaluation.metrics.accounts.luck import LuckMetrics, luck_metrics
from engine.evaluation.metrics.alarms import Alarm, feature_alarms, plausibility_alarms
from engine.evaluation.metrics.forecasts.garch import garch_variance
from engine.evaluation.metrics.forecasts.skill import ForecastMetrics, forecast_metrics
from engine.evaluation.metrics.over_time import time_metrics
from engine.evaluation.metrics.texts import TextMetrics, text_metrics
from engine.evaluation.policies import policy_baselines, shuffled_forecasts
from engine.evaluation.seeds import SeedMetrics, SeedSpread, seed_timelines, spread_over_seeds
from engine.evaluation.sizes import SIZES, delistings, size_rows
from engine.evaluation.subject import Evidence, MembershipMetrics, Metrics, Subject, UniverseMetrics
from engine.runs.counts import Tried, count_tries, distinct_trials, ratios_beyond, related_trials
from engine.runs.trial import make_trial
from engine.simulation.engines import is_compiled, simulate_again, simulate_beside
from forewalk.compute.threads import one_thread
from forewalk.data.universe import read_universe
from forewalk.features.news import bar_tone
from forewalk.plugins.sources import hashes
from forewalk.returns import same_symbols, simple_returns
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray, Forecasts, SimulationResult

GARCH_SYMBOLS = 20  # a fit takes 20 ms per symbol and fold; the first symbols stand for the rest
MANY_CELLS = 50_000  # symbol-bars from which a simulation in Cerebro takes seconds
SHUFFLED_TWIN = "shuffled_twin"  # the run's own forecasts at other dates, among the forecasters
GONE_AFTER = pd.Timedelta(days=30)  # without a bar; one missing bar is no end
LEAVING_A_YEAR = 0.01  # share of symbols; more leave any exchange by failing or being bought
FEW_RUNS = 4  # of the second break-even cost there
FEW_SIZES = (1e5, 1e8)
FEW_COSTS = {"fees_bps": (0.0, 1.0), "slippages_bps": (0.0, 4.0)}

Progress = Callable[[str, int, int], None]


def gather_evidence(
    subject: Subject, tried: Tried | None = None, progress: Progress = lambda what, done, total: None
) -> Evidence:
    """Judge a run; `tried` are the earlier trials beside it, which discount its Sharpe ratio."""
    with one_thread():
        return _gather(subject, tried or Tried(), progress)


def _gather(subject: Subject, tried: Tried, progress: Progress) -> Evidence:
    settings = subject.settings
    progress("baselines", 0, 1)
    baselines = _baselines(subject, progress)
    progress("evaluation", 0, 1)
    garch = _garch(subject) if settings.evaluation.garch else None
    forecast = _forecast(subject, subject.forecasts, garch)
    account = _account(subject, subject.simulation)
    if settings.evaluation.baselines:
        baselines[SHUFFLED_TWIN] = shuffled_forecasts(subject.forecasts, settings.seed)
    compared = compare_forecasters(
        subject.forecasts, baselines, subject.actual, settings.model.called, settings.seed
    )
    seeds = _seeds(subject)
    progress("luck and costs", 0, 1)
    own_equity = None if "pair" in subject.bars.extras else subject.simulation.equity
    policies = policy_baselines(*subject.traded, settings, settings.seed, own_equity)
    times = pd.DatetimeIndex(subject.simulation.equity["time"])
    repetitions = settings.evaluation.bootstrap_repetitions
    bootstrap = bootstrap_account(subject.account, subject.year, settings.seed, repetitions)
    reality = _reality(subject) if settings.evaluation.costs else None
    luck, sharpes = _luck(subject, tried, bootstrap)
    metrics = Metrics(
        forecast=forecast,
        strategy=account.strategy,
        benchmark=account.benchmark,
        costs=account.costs,
        orders=OrderMetrics.of(subject.simulation.counts),
        universe=universe_metrics(subject.bars, subject.forecasts, settings),
        baselines=compared,
        seeds=seeds,
        policies={name: return_metrics(curve, times, subject.year) for name, curve in policies.items()},
        reality=reality,
        luck=luck,
        alarms=_alarms(subject, forecast, account),
        cautions=cautions(
            subject.bars, settings, len(subject.bars) - len(subject.forecasts), subject.simulation
        )
        or None,
        time=time_metrics(subject.forecasts, subject.actual, subject.bars, subject.simulation.equity),
        own_strategy=check_foresight(subject.bars, subject.forecasts, settings, subject.simulation),
        factors=_factors(subject),
        texts=_texts(subject, baselines.get(WITHOUT_TEXTS)),
    )
    return Evidence(metrics, policies, bootstrap, sharpes)


def _too_few_left(bars: Bars, traded: int, lasting: int) -> bool:
    """Whether fewer symbols ended on the way than must have in that time, if all that existed were here."""
    years = (bars.timestamps[-1] - bars.timestamps[0]).days / 365.25
    return traded - lasting <= LEAVING_A_YEAR * years * traded


def universe_metrics(bars: Bars, forecasts: Forecasts, settings: Settings) -> UniverseMetrics:
    """Return how many symbols were loaded and traded, over which span, and how many lasted to the end.

    With `data.universe` also how many members it has, and how many of them have no bar here.
    """
    traded = np.isfinite(forecasts.mean).any(axis=0)
    late = bars.timestamps > bars.timestamps[-1] - GONE_AFTER
    lasting = int((bars.present[late].any(axis=0) & traded).sum())
    pair = bars.extras["pair"][0] > 0 if "pair" in bars.extras else np.zeros(len(bars.symbols), bool)
    pairs = int((pair & traded).sum())
    may_fail = bool((traded & ~pair).any())  # a currency does not go out of business
    return UniverseMetrics(
        symbols=len(bars.symbols),
        forecast_symbols=int(traded.sum()),
        still_there_at_the_end=lasting,
        first_bar=bars.timestamps[0].isoformat(),
        first_test_bar=forecasts.timestamps[0].isoformat(),
        last_bar=bars.timestamps[-1].isoformat(),
        source=settings.data.source,
        survivorship_bias=bars.member is None
        and may_fail
        and _too_few_left(bars, int(traded.sum()), lasting),
        currency_pairs=pairs or None,
        membership=_membership(bars, settings),
    )


def _membership(bars: Bars, settings: Settings) -> MembershipMetrics | None:
    if bars.member is None or settings.data.universe is None:
        return None
    universe = read_universe(settings.data.universe)
    missing = [] if settings.data.symbols else universe.match(bars.symbols)[1]
    return MembershipMetrics(
        file=Path(universe.source).name,
        sha256=universe.sha256,
        members=len(universe.symbols),
        members_without_bars=len(missing),
        members_per_bar=float(bars.member.sum(axis=1).mean()),
    )


def _baselines(subject: Subject, progress: Progress) -> dict[str, Forecasts]:
    names = None if subject.settings.evaluation.baselines else ("zero",)
    found = run_baselines(
        subject.panel,
        subject.labels,
        subject.folds,
        subject.returns,
        subject.settings,
        names=names,
        data_fingerprint=subject.bars.fingerprint,
        on_done=lambda name, done, total: progress(f"baseline {name}", done, total),
    )
    return {name: baseline.forecasts for name, baseline in found.items()}


def _texts(subject: Subject, without: Forecasts | None) -> TextMetrics | None:
    """Compare the run with the same model without texts; None without texts or without baselines."""
    if without is None:
        return None
    account = simulate_beside(subject.bars, without, subject.settings).equity["equity"]
    returns = simple_returns(account.to_numpy(dtype=np.float64))
    return text_metrics(
        subject.forecasts, without, subject.actual, bar_tone(subject.bars), (subject.account, returns)
    )


def _garch(subject: Subject) -> FloatArray:
    """GARCH variance of the first `GARCH_SYMBOLS` symbols with forecasts, NaN for the others."""
    columns = np.flatnonzero(np.isfinite(subject.forecasts.mean).any(axis=0))[:GARCH_SYMBOLS]
    result = np.full(subject.forecasts.mean.shape, np.nan)
    horizon = subject.labels.horizon_bars
    result[:, columns] = garch_variance(subject.returns[:, columns], subject.folds, horizon)
    return result


def _forecast(subject: Subject, forecasts: Forecasts, garch: FloatArray | None = None) -> ForecastMetrics:
    close = subject.bars.close[len(subject.bars) - len(forecasts) :]
    return forecast_metrics(forecasts, subject.actual, close, subject.returns, garch)


def _account(subject: Subject, simulation: SimulationResult) -> AccountMetrics:
    tables = (simulation.equity, simulation.trades, simulation.orders, simulation.counts)
    return strategy_metrics(*tables, subject.year)


def _seeds(subject: Subject) -> SeedSpread | None:
    """Mean and standard deviation over the seeds of what each would have forecast and earned alone."""
    alone = []
    for timeline in seed_timelines(subject.timeline):
        forecasts = timeline.forecasts(subject.panel, subject.labels.horizon_bars)
        account = _account(subject, simulate_again(subject.bars, forecasts, subject.settings))
        alone.append(SeedMetrics(_forecast(subject, forecasts).overall, account.strategy))
    return spread_over_seeds(alone) if len(alone) > 1 else None


def _reality(subject: Subject) -> RealityMetrics:
    (bars, forecasts), settings = subject.traded, subject.settings
    slow = forecasts.mean.size > MANY_CELLS and not is_compiled(bars, settings)
    some: dict[str, Any] = FEW_COSTS if slow else {}
    return RealityMetrics(
        grid=cost_grid(bars, forecasts, settings, **some),
        delay=delay_row(bars, forecasts, settings),
        borrow=borrow_rows(bars, subject.simulation, settings),
        break_even=break_even(bars, forecasts, settings),
        capacity=capacity(bars, subject.simulation),
        break_even_excess=None
        if settings.strategy.market_neutral
        else break_even(bars, forecasts, settings, "benchmark", FEW_RUNS if slow else MOST_RUNS),
        sizes=size_rows(bars, forecasts, settings, FEW_SIZES if slow else SIZES),
        delistings=delistings(bars, forecasts, settings, subject.simulation.orders),
    )


def _luck(subject: Subject, tried: Tried, account: AccountBootstrap) -> tuple[LuckMetrics, FloatArray]:
    """This account without its market and discounted for all the tries; also their annual Sharpe ratios."""
    returns, settings = subject.account, subject.settings
    benchmark = simple_returns(same_symbols(subject.simulation.equity))
    name, plugins = settings.name, hashes(subject.plugins)
    own = make_trial("backtest", name, subject.bars, settings, returns, plugins=plugins)
    related = distinct_trials(related_trials([*tried.trials, own], own))
    neutral = settings.strategy.market_neutral
    held = None if neutral else pd.Series(benchmark, index=own.times)
    count = count_tries(related, tried.lost, held)
    alike = [trial for trial in related if np.array_equal(trial.times, own.times)]
    metrics = luck_metrics(
        returns,
        benchmark,
        account,
        subject.year,
        settings.seed,
        neutral=neutral,
        tries=np.column_stack([trial.returns.astype(np.float64) for trial in alike]),
        counted=count.counted,
        variance=count.variance,
        distinct=count.distinct,
        lost=count.lost,
        repetitions=settings.evaluation.bootstrap_repetitions,
    )
    annual = ratios_beyond(related, held) * np.sqrt(subject.year)
    return metrics, annual


def _factors(subject: Subject) -> FactorMetrics | None:
    if subject.factors is None:
        return None
    held = simple_returns(same_symbols(subject.simulation.equity))
    return factor_metrics(subject.factors, subject.account, held, subject.year)


def _alarms(subject: Subject, forecast: ForecastMetrics, account: AccountMetrics) -> tuple[Alarm, ...]:
    overall, equity = forecast.overall, subject.simulation.equity
    whole = plausibility_alarms(
        rank_ic=overall.rank_ic.mean if overall.rank_ic else None,
        rank_t=overall.rank_ic.t if overall.rank_ic else None,
        direction=overall.direction.accuracy,
        bars=overall.bars // subject.labels.horizon_bars,
        sharpe_annual=account.strategy.sharpe_annual,
        years=account.strategy.years,
        equity=equity["equity"].to_numpy(dtype=np.float64),
        times=pd.DatetimeIndex(equity["time"]),
    )
    rows = len(subject.forecasts)
    values = subject.panel.values[len(subject.panel.values) - rows :]
    return (*whole, *feature_alarms(subject.panel.names, values, subject.actual))
