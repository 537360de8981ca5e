"""A synthetic run to draw: two regimes of volatility, a little skill, a few gaps, one nasty symbol name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.metrics.account import strategy_metrics
from engine.evaluation.metrics.forecast import forecast_metrics
from engine.evaluation.verdict import verdict_sentence
from engine.report.pages import ReportInput
from forewalk.folds import walk_forward_folds
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts, SimulationResult, TrainingCurve

NASTY = "<b>X</b>"


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
    fees = {
        "orders": 4.0 * traded,
        "filled": 3.0 * traded,
        "fees_paid": 2.0 * traded,
        "slippage_paid": 8.0 * traded,
    }
    return SimulationResult(frame, orders, trades, empty, empty, fees)


def make_report(
    symbols=("AAPL", "MSFT", NASTY, "GE", "KO", "XOM", "JPM"),
    bars=900,
    train_bars=400,
    refit=125,
    horizon=1,
    seeds=3,
    exposed=1.0,
    seed=3,
    **label,
):
    """Build a ReportInput of realistic looks; `exposed` 0 gives a strategy that never trades."""
    random = np.random.default_rng(seed)
    count = len(symbols)
    times = pd.bdate_range("2019-01-02", periods=bars, tz="UTC") + pd.Timedelta(hours=21)
    volatility = 0.008 + 0.012 * (np.sin(np.arange(bars) / 90) > 0.6)
    market = volatility * random.standard_t(5, bars) * 0.6
    returns = market[:, None] + volatility[:, None] * random.standard_t(5, (bars, count)) * 0.8 + 0.0003
    close = np.exp(np.log(random.uniform(20, 400, count)) + np.cumsum(returns, axis=0))
    actual = np.full((bars, count), np.nan)
    actual[:-horizon] = np.log(close[horizon:] / close[:-horizon])
    settings: Settings = settings_from(
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
    account = make_account(exposed * (0.6 * held + 0.0001), held, times[rows])
    trailing = returns[rows]
    metrics = {
        "forecast": forecast_metrics(forecasts, actual[rows], close[rows], trailing),
        **strategy_metrics(account.equity, account.trades, account.orders, account.counts, 252),
    }
    volume = np.full_like(close, 1e6)
    return ReportInput(
        settings=settings,
        bars=Bars(times, tuple(symbols), close, close, close, close, volume),
        forecasts=forecasts,
        actual=actual[rows],
        close=close[rows],
        folds=folds,
        timestamps=times,
        curves=tuple(_curve(fold.model_id, number, random) for fold in folds for number in range(seeds)),
        feature_names=("return_1", "return_5", "ema_10", "rsi_14", "macd", "atr_14", "volume_z", NASTY),
        simulation=account,
        metrics=metrics,
        quality={"refused": {f"{NASTY}2": "only 10 bars, 252 needed"}, "findings": [_finding(NASTY)]},
        verdict=verdict_sentence(metrics, settings),
    )


def _curve(model_id, number, random):
    epochs = np.arange(12)
    train = 1.0 + 0.4 * np.exp(-epochs / 3) - 0.01 * epochs + random.normal(0, 0.01, 12)
    valid = 1.05 + 0.35 * np.exp(-epochs / 3) + 0.004 * epochs + random.normal(0, 0.015, 12)
    return TrainingCurve(model_id, f"seed-{number}", tuple(train), tuple(valid), int(valid.argmin()))


def _finding(symbol):
    return {
        "symbol": symbol,
        "kind": "zero_volume_runs",
        "policy": "flag",
        "action": "kept",
        "count": 12,
        "first": "2019-03-04T21:00:00+00:00",
        "last": "2019-03-20T21:00:00+00:00",
        "message": "twelve bars in a row without volume",
    }


@pytest.fixture(scope="session")
def report_input():
    return make_report()


@pytest.fixture(scope="session")
def report_maker():
    return make_report
