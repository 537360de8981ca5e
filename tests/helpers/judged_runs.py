"""A judged run made in a moment: two regimes of volatility, a little skill, a few gaps, one nasty symbol name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.evaluation.comparison import compare_forecasters
from engine.evaluation.costs import AccountAtCosts, BreakEven, Capacity, RealityMetrics
from engine.evaluation.evidence import universe_metrics
from engine.evaluation.metrics.accounts.account import OrderMetrics, return_metrics, strategy_metrics
from engine.evaluation.metrics.accounts.bootstrap import bootstrap_account
from engine.evaluation.metrics.accounts.luck import luck_metrics
from engine.evaluation.metrics.forecasts.skill import forecast_metrics
from engine.evaluation.metrics.over_time import time_metrics
from engine.evaluation.seeds import SeedMetrics, spread_over_seeds
from engine.evaluation.subject import Evidence, Metrics, Subject
from engine.evaluation.verdict import verdict_sentence
from forewalk.data.quality import Finding, QualityReport
from forewalk.features.panel import FeaturePanel, Labels
from forewalk.folds import walk_forward_folds
from forewalk.returns import simple_returns
from forewalk.settings.loading import settings_from
from forewalk.types import Bars, Forecasts, SimulationResult, TrainingCurve
from models.timeline import Timeline

NASTY = "<b>X</b>"
FEATURES = ("return_1", "return_5", "ema_10", "rsi_14", "macd", "atr_14", "volume_z", NASTY)
QUALITY = QualityReport(
    "made up",
    1000,
    900,
    findings=(
        Finding(
            NASTY,
            "zero_volume_runs",
            "flag",
            "kept",
            12,
            pd.Timestamp("2019-03-04T21:00Z"),
            pd.Timestamp("2019-03-20T21:00Z"),
            "twelve bars in a row without volume",
        ),
    ),
    refused={f"{NASTY}2": "only 10 bars, 252 needed"},
)


AT_COSTS = AccountAtCosts(1.0, 4.0, 0, 0.0, 0.1, 0.05, 0.7, -0.1, 3.0)
REALITY = RealityMetrics(
    (AT_COSTS,), AT_COSTS, (AT_COSTS,), BreakEven(9.5, 9.0, 5), (Capacity(0.01, 1e6, 2e6, 4),)
)


@dataclass(frozen=True, eq=False)
class Judged:
    """What the pages show of a run."""

    subject: Subject
    evidence: Evidence
    quality: QualityReport
    curves: tuple[TrainingCurve, ...]
    verdict: str


def make_account(returns, held, times):
    """An account that earned `returns` (log, [T], the first ignored) and its simulation tables."""
    equity = 1e5 * np.exp(np.concatenate([[0.0], np.cumsum(returns[1:])]))
    benchmark = 1e5 * np.exp(np.concatenate([[0.0], np.cumsum(held[1:])]))
    active = (returns != 0).astype(float)
    frame = pd.DataFrame(
        {"time": times, "equity": equity, "cash": equity, "gross_exposure": active, "benchmark": benchmark}
    )
    traded = bool(active.any())
    rows = slice(0, 4 if traded else 0)
    orders = pd.DataFrame(
        {"fill_price": [10.0, 11.0, 12.0, np.nan], "filled_quantity": [100.0, -100.0, 50.0, 0.0]}
    )[rows]
    trades = pd.DataFrame({"pnl": [100.0, -20.0, 5.0, 0.0], "return": [0.1, -0.02, 0.005, 0.0]})[rows]
    empty = pd.DataFrame()
    counts = {
        "orders": 4 * traded,
        "filled": 3 * traded,
        "fees_paid": 2.0 * traded,
        "slippage_paid": 8.0 * traded,
    }
    return SimulationResult(frame, orders, trades, empty, empty, counts)


def make_judged(
    symbols=("AAPL", "MSFT", NASTY, "GE", "KO", "XOM", "JPM"),
    bars=900,
    train_bars=400,
    refit=125,
    horizon=1,
    seeds=3,
    exposed=1.0,
    seed=3,
    **label,
) -> Judged:
    """Build a run of realistic looks; `exposed` 0 gives a strategy that never trades."""
    random = np.random.default_rng(seed)
    count = len(symbols)
    times = pd.bdate_range("2019-01-02", periods=bars, tz="UTC") + pd.Timedelta(hours=21)
    volatility = 0.008 + 0.012 * (np.sin(np.arange(bars) / 90) > 0.6)
    market = volatility * random.standard_t(5, bars) * 0.6
    returns = market[:, None] + volatility[:, None] * random.standard_t(5, (bars, count)) * 0.8 + 0.0003
    close = np.exp(np.log(random.uniform(20, 400, count)) + np.cumsum(returns, axis=0))
    actual = np.full((bars, count), np.nan)
    actual[:-horizon] = np.log(close[horizon:] / close[:-horizon])
    settings = settings_from(
        {
            "name": "demo",
            "folds": {"train_bars": train_bars, "refit_every_bars": refit},
            "label": {"horizon_bars": horizon, **label},
        }
    )
    ends = pd.DatetimeIndex([*times[horizon:], *([pd.NaT] * horizon)])
    folds = walk_forward_folds(times, ends, settings.folds)
    rows = np.arange(train_bars, bars)
    scale = np.sqrt(horizon) * volatility[rows, None] * np.ones(count)
    noise = random.normal(0, 0.12, (len(rows), count))
    mean = 0.05 * np.nan_to_num(actual[rows]) + scale * noise
    ids = tuple(f"fold-{i // refit:02d}" for i in range(len(rows)))
    until = pd.DatetimeIndex([folds[i // refit].trained_until for i in range(len(rows))])
    p_up = np.clip(0.5 + 0.4 * mean / scale, 0.01, 0.99)
    forecasts = Forecasts(times[rows], tuple(symbols), mean, scale * 1.05, p_up, horizon, ids, until)
    held = returns[rows].mean(axis=1)
    panel = FeaturePanel(
        times,
        tuple(symbols),
        FEATURES,
        np.zeros((bars, count, len(FEATURES)), np.float32),
        np.ones((bars, count)),
        np.ones((bars, count), bool),
    )
    subject = Subject(
        settings=settings,
        bars=Bars(times, tuple(symbols), close, close, close, close, np.full_like(close, 1e6)),
        panel=panel,
        labels=Labels(actual, actual, ends, horizon),
        folds=folds,
        timeline=Timeline((), settings.model.max_age_bars),
        forecasts=forecasts,
        actual=actual[rows],
        simulation=make_account(exposed * (0.6 * held + 0.0001), held, times[rows]),
    )
    evidence = judge(subject)
    curves = tuple(_curve(fold.model_id, number, random) for fold in folds for number in range(seeds))
    return Judged(subject, evidence, QUALITY, curves, verdict_sentence(evidence.metrics, settings))


def judge(subject: Subject) -> Evidence:
    """Judge without training or simulating: one other forecaster, one other policy, seeds that agree."""
    bars, forecasts, simulation = subject.bars, subject.forecasts, subject.simulation
    close = bars.close[len(bars) - len(forecasts) :]
    zero = Forecasts(**{**vars(forecasts), "mean": np.zeros_like(forecasts.mean)})
    tables = (simulation.equity, simulation.trades, simulation.orders, simulation.counts)
    account = strategy_metrics(*tables, 252)
    forecast = forecast_metrics(forecasts, subject.actual, close, subject.returns)
    bootstrap = bootstrap_account(subject.account, 252, seed=1, repetitions=20)
    held = simulation.equity["benchmark"].to_numpy()
    times = pd.DatetimeIndex(simulation.equity["time"])
    metrics = Metrics(
        forecast=forecast,
        strategy=account.strategy,
        benchmark=account.benchmark,
        costs=account.costs,
        orders=OrderMetrics.of(simulation.counts),
        universe=universe_metrics(bars, forecasts, subject.settings),
        baselines=compare_forecasters(forecasts, {"zero": zero}, subject.actual),
        seeds=spread_over_seeds([SeedMetrics(forecast.overall, account.strategy)] * 2),
        policies={"buy_and_hold": return_metrics(held, times, 252)},
        reality=REALITY,
        luck=luck_metrics(subject.account, simple_returns(held), bootstrap, 252, seed=1, repetitions=20),
        time=time_metrics(forecasts, subject.actual, bars, simulation.equity),
    )
    return Evidence(metrics, {"buy_and_hold": held}, bootstrap, np.array([0.3, 0.5]))


def _curve(model_id, number, random):
    epochs = np.arange(12)
    train = 1.0 + 0.4 * np.exp(-epochs / 3) - 0.01 * epochs + random.normal(0, 0.01, 12)
    valid = 1.05 + 0.35 * np.exp(-epochs / 3) + 0.004 * epochs + random.normal(0, 0.015, 12)
    return TrainingCurve(model_id, f"seed-{number}", tuple(train), tuple(valid), int(valid.argmin()))
