"""Simulation: our feeds and broker against backtrader's own, with the same strategy and the same fills.

Both run through `engine.simulation.cerebro.simulate`, so that strategy, recorder and tables are the same and
the stock feeds profit from everything there. Orders are compared one by one, equity bar by bar.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from benchmarks.data import kdd17
from benchmarks.measure import Report, side_by_side
from engine.simulation.cerebro import simulate
from engine.simulation.recorder import Recorder
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts

RUNS = 2
COMPARED = ["decided_at", "symbol", "side", "quantity", "status", "filled_at", "fill_price", "fee"]
CASES = (  # how long forecasts last, the policy, the share of symbol-bars with an order aimed at, the target
    (0.95, {"min_hold_bars": 16, "entry": 0.1}, 0.03, 3.0),
    (0.5, {"min_hold_bars": 4, "entry": 0.05}, 0.16, 2.0),
)


def run() -> Report:
    """Measure both densities of orders."""
    bars, data = kdd17()
    report = Report("simulate", data)
    cells = bars.close.size
    for persistence, policy, aimed, target in CASES:
        settings = settings_from(
            {"strategy": policy, "execution": {"max_volume_share": None, "cash": 10_000_000.0}}
        )
        forecasts = made_up_forecasts(bars, persistence)
        results: dict[str, Any] = {}

        def own(settings: Settings = settings, forecasts: Forecasts = forecasts, out: Any = results) -> None:
            out["own"] = simulate(bars, forecasts, settings)

        def stock(
            settings: Settings = settings, forecasts: Forecasts = forecasts, out: Any = results
        ) -> None:
            out["stock"] = simulate(bars, forecasts, settings, cerebro_builder=stock_cerebro)

        taken = side_by_side({"own": own, "stock": stock}, RUNS)
        orders = results["own"].orders
        same = orders[COMPARED].equals(results["stock"].orders[COMPARED]) and results["own"].equity.equals(
            results["stock"].equity
        )
        share = len(orders) / cells
        report.add(f"PandasData, orders on {share:.1%} of symbol-bars", cells / taken["stock"], "bars/s")
        report.add(
            f"our feeds and broker, orders on {share:.1%} (aimed at {aimed:.0%})",
            cells / taken["own"],
            "bars/s",
            against="PandasData",
            ratio=taken["stock"] / taken["own"],
            target=f">= {target:.0f}x, same fills",
            reached=bool(same and taken["stock"] / taken["own"] >= target),
            note=f"{len(orders)} orders and equity equal" if same else "ORDERS OR EQUITY DIFFER",
        )
    return report


def made_up_forecasts(bars: Bars, persistence: float, seed: int = 0) -> Forecasts:
    """Autoregressive noise as forecasts: the lower the persistence, the more orders."""
    generator = np.random.default_rng(seed)
    mean = generator.normal(0.0, 1.0, bars.close.shape)
    for row in range(1, len(mean)):
        mean[row] = persistence * mean[row - 1] + np.sqrt(1 - persistence**2) * mean[row]
    return Forecasts(
        timestamps=bars.timestamps,
        symbols=bars.symbols,
        mean=0.002 * mean,
        std=np.full(mean.shape, 0.015),
        p_up=np.full(mean.shape, 0.5),
        horizon_bars=1,
        model_ids=("made-up",) * len(bars),
        trained_until=bars.timestamps - pd.Timedelta(days=1),
    )


def stock_cerebro(span: Bars, execution: Any, strategy: Any, params: Any, **modes: Any) -> bt.Cerebro:
    """What a user of backtrader writes: a PandasData for each symbol, the broker as it comes."""
    cerebro = bt.Cerebro(stdstats=False)
    broker = bt.brokers.BackBroker()
    broker.setcash(execution.cash)
    broker.setcommission(commission=execution.fee_bps * 1e-4)
    broker.set_slippage_perc(execution.slippage_bps * 1e-4, slip_open=True, slip_match=True, slip_out=True)
    cerebro.setbroker(broker)
    for symbol in span.symbols:
        frame = span.frame(symbol)
        frame.index = frame.index.tz_localize(None)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame, openinterest=None), name=symbol)
    cerebro.addstrategy(strategy, **params)
    cerebro.addanalyzer(Recorder, _name="recorder")
    return cerebro
