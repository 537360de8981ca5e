"""Measure other libraries, in their own environment: `python peer_engines.py PEER PANEL.npz` prints JSON.

The panel holds dates [T], open, high, low, close, volume [T, S] and signal [T, S]. The rule is the same
everywhere: hold a symbol while its signal is positive, an equal share of the account each.
"""

import json
import logging
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

FIELDS = ("open", "high", "low", "close", "volume")
CASH = 10_000_000.0
NN_STEPS, NN_BATCH, NN_INPUT = 40, 256, 60


def long_table(panel):
    """Return the panel as rows of (date, symbol, fields, signal)."""
    rows, columns = panel["close"].shape
    table = {name: panel[name].ravel() for name in (*FIELDS, "signal")}
    table["date"] = np.repeat(panel["dates"], columns)
    table["symbol"] = np.tile([f"S{column:03d}" for column in range(columns)], rows)
    return pd.DataFrame(table)


def run_backtesting(panel):
    """One symbol: backtesting.py has no portfolio."""
    from backtesting import Backtest, Strategy

    class Hold(Strategy):
        def init(self):
            pass

        def next(self):
            if self.data.Signal[-1] > 0 and not self.position:
                self.buy(size=0.95)
            elif self.data.Signal[-1] <= 0 and self.position:
                self.position.close()

    frame = pd.DataFrame(
        {name.capitalize(): panel[name][:, 0] for name in (*FIELDS, "signal")},
        index=pd.DatetimeIndex(panel["dates"]),
    )
    begun = time.process_time()
    stats = Backtest(frame, Hold, cash=CASH, commission=1e-4).run()
    return time.process_time() - begun, len(frame), int(2 * stats["# Trades"])


def run_pybroker(panel):
    """All symbols, one position each."""
    import pybroker
    from pybroker import Strategy, StrategyConfig

    pybroker.disable_logging()
    pybroker.disable_progress_bar()
    pybroker.register_columns("signal")
    table = long_table(panel)
    share = 0.95 / panel["close"].shape[1]

    def hold(context):
        if context.signal[-1] > 0 and not context.long_pos():
            context.buy_shares = context.calc_target_shares(share)
        elif context.signal[-1] <= 0 and context.long_pos():
            context.sell_all_shares()

    config = StrategyConfig(initial_cash=CASH)
    begun = time.process_time()
    strategy = Strategy(table, table["date"].min(), table["date"].max(), config)
    strategy.add_execution(hold, sorted(table["symbol"].unique()))
    result = strategy.backtest(calc_bootstrap=False)
    return time.process_time() - begun, len(table), len(result.orders)


def run_ml4t(panel):
    """All symbols, one position each."""
    import polars as pl
    from ml4t.backtest import BacktestConfig, DataFeed, Engine, Strategy

    share = 0.95 / panel["close"].shape[1]

    class Hold(Strategy):
        def on_data(self, timestamp, data, context, broker):
            for asset, bar in data.items():
                signal, position = bar["signals"]["signal"], broker.get_position(asset)
                if position is None and signal > 0:
                    broker.submit_order(asset, int(share * broker.get_account_value() / bar["close"]))
                elif position is not None and signal <= 0:
                    broker.close_position(asset)

    table = long_table(panel).rename(columns={"date": "timestamp", "symbol": "asset"})
    prices = pl.DataFrame({name: table[name].to_numpy() for name in ("timestamp", *FIELDS)}).with_columns(
        pl.Series("asset", table["asset"].tolist())
    )
    signals = prices.select("timestamp", "asset").with_columns(
        pl.Series("signal", table["signal"].to_numpy())
    )
    config = BacktestConfig.from_preset("backtrader")
    config.initial_cash = CASH
    begun = time.process_time()
    result = Engine(DataFeed(prices_df=prices, signals_df=signals), Hold(), config).run()
    return time.process_time() - begun, len(table), len(result.fills)


def run_neuralforecast(panel):
    """Train its LSTM on windows of 60; what is counted is targets, one per window."""
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    torch.set_num_threads(1)
    table = long_table(panel).rename(columns={"date": "ds", "symbol": "unique_id"})
    table["y"] = np.log(panel["close"] / panel["close"][0]).ravel()
    model = LSTM(
        h=1,
        input_size=NN_INPUT,
        encoder_n_layers=1,
        encoder_hidden_size=32,
        decoder_layers=1,
        decoder_hidden_size=32,
        max_steps=NN_STEPS,
        batch_size=32,
        windows_batch_size=NN_BATCH,
        scaler_type="identity",
        accelerator="cpu",
        enable_progress_bar=False,
        logger=False,
        enable_checkpointing=False,
    )
    learner = NeuralForecast([model], freq="B")
    begun = time.process_time()
    learner.fit(table[["unique_id", "ds", "y"]])
    return time.process_time() - begun, NN_STEPS * NN_BATCH, 0


PEERS = {
    "backtesting": run_backtesting,
    "pybroker": run_pybroker,
    "ml4t": run_ml4t,
    "neuralforecast": run_neuralforecast,
}


if __name__ == "__main__":
    peer, file = sys.argv[1:]
    arrays = dict(np.load(file))
    runs = [PEERS[peer](arrays) for _ in range(1 if peer == "neuralforecast" else 4)]
    seconds, units, orders = sorted(runs[1:] or runs)[len(runs) // 2 - 1]  # the median, but for the first
    print(json.dumps({"seconds": seconds, "units": units, "orders": orders}))
