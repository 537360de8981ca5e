"""Currencies, metals, a coin and an index, from their files to an account."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine.backtest.job import backtest
from forewalk.settings.loading import load_settings

FAST = [
    "model.hidden_size=4", "model.seeds=1", "model.max_epochs=1", "model.lookback_bars=10", "jobs=1",
    "data.source=files", "folds.train_bars=1000", "folds.refit_every_bars=3000", "evaluation.baselines=false",
    "evaluation.costs=false", "evaluation.garch=false", "evaluation.bootstrap_repetitions=100",
    "strategy.entry=0.0", "strategy.min_hold_bars=5",
]  # fmt: skip


SERVER = ("Europe/Berlin", "Europe/Helsinki")  # its clock was changed on 2014-11-23


def run(*more):
    return backtest(load_settings(overrides=[*FAST, *more], environment={}))


def test_currencies_and_gold_of_a_brokers_server_pay_pips_and_count_in_dollars(shared_folder):
    path = shared_folder / "market" / "forex_ejtrader_2012_2022_mt5servertime.parquet"
    if not path.exists():
        pytest.skip(f"not here: {path}")
    found = run(
        f"data.path={path}", "data.symbols=EURUSD,USDJPY,XAUUSD", "data.market=forex", "data.interval=1d",
        f"data.zone={SERVER[0]} until 2014-11-23, {SERVER[1]}", "data.where={timeframe = 'd1'}",
        "data.end=2018-06-29",
    )  # fmt: skip
    bars, orders = found.subject.bars, found.subject.simulation.orders
    source = pd.read_parquet(path).query("timeframe == 'd1' and symbol == 'USDJPY'")
    days = pd.DatetimeIndex(source["time_server"]).normalize()
    mine = bars.frame("USDJPY")
    clocks = [
        (mine.index - pd.Timedelta("1s")).tz_convert(zone).tz_localize(None).normalize() for zone in SERVER
    ]
    dated = clocks[0].where(mine.index < pd.Timestamp("2014-11-23", tz="UTC"), clocks[1])
    known = pd.Series(source["close"].to_numpy(np.float64), days).reindex(dated).to_numpy()
    np.testing.assert_array_equal(mine["close"].to_numpy(), known)
    assert dated.dayofweek.max() == 4
    filled = orders[(orders["symbol"] == "USDJPY") & (orders["filled_quantity"] > 0)]
    rows = bars.timestamps.searchsorted(pd.DatetimeIndex(filled["filled_at"]), side="right")
    column = bars.symbols.index("USDJPY")
    paid = np.abs(filled["fill_price"].to_numpy(np.float64) - bars.open[rows, column])
    assert len(filled)
    np.testing.assert_allclose(paid, 0.005, atol=1e-9)  # half of one pip
    held = found.subject.simulation.open_positions.set_index("symbol").loc["USDJPY"]
    yen = held["quantity"] * (held["last_price"] - held["entry_price"])
    assert held["unrealised"] == pytest.approx(
        yen / mine["close"].iloc[-1]
    )  # dollars, at the last bar's rate


def test_an_index_is_forecast_and_its_fund_earns_and_pays(shared_folder):
    path = shared_folder / "market" / "benchmark_index_daily.parquet"
    if not path.exists():
        pytest.skip(f"not here: {path}")
    found = run(
        f"data.path={path}", "data.symbols=^GSPC,IWB", "data.market=index", "data.trade_as={'^GSPC' = 'IWB'}",
        "data.start=2012-01-03", "data.end=2018-12-31",
    )  # fmt: skip
    assert set(found.subject.simulation.orders["symbol"]) == {"IWB"}
    assert set(found.subject.forecasts.symbols) == {"^GSPC", "IWB"}
    assert "^GSPC is forecast and IWB is traded" in found.verdict
    held = found.subject.simulation.equity["benchmark"].to_numpy(np.float64)
    close = found.subject.bars.frame("IWB")["close"].to_numpy()[-len(held) :]
    np.testing.assert_allclose(held[-1] / held[1], close[-1] / close[1], rtol=1e-3)


def test_a_coin_trades_every_day_of_the_year_in_fractions(tmp_path):
    random = np.random.default_rng(3)
    days = pd.date_range("2016-01-01", "2020-12-31")
    close = 40_000 * np.exp(np.cumsum(random.normal(0.0, 0.03, len(days))))
    opened = close * np.exp(random.normal(0, 0.005, len(days)))
    frame = pd.DataFrame({
        "unix": days.astype("datetime64[ms]").astype("int64"), "symbol": "BTC/USDT", "open": opened,
        "high": np.maximum(opened, close) * 1.01, "low": np.minimum(opened, close) * 0.99, "close": close,
        "volume": random.uniform(100, 900, len(days)),
    })  # fmt: skip
    frame.to_csv(tmp_path / "btc.csv", index=False)
    found = run(f"data.path={tmp_path / 'btc.csv'}", "data.market=crypto")
    assert [f"{close:%Y-%m-%d %H:%M}" for close in found.subject.bars.timestamps[[0, -1]]] == [
        "2016-01-02 00:00", "2021-01-01 00:00",
    ]  # fmt: skip
    assert len(found.subject.bars) == len(days)
    assert found.subject.year == pytest.approx(365.25, abs=0.5)
    filled = found.subject.simulation.orders["filled_quantity"].to_numpy(np.float64)
    assert (filled % 1 != 0).any()
