import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.simulation.benchmark import equal_weight_benchmark
from engine.simulation.cerebro import build_cerebro, simulate
from engine.simulation.feeds import STALE, feed_columns, fill_capacity
from engine.simulation.money import volume_before
from forewalk.sessions import bar_open_times
from forewalk.types import Bars, Forecasts
from helpers.making import make_bars, make_settings

GAPS = [(slice(20, 24), 0), (slice(0, 40), 1), (slice(90, None), 2)]


def random_forecasts(bars, seed=0, bias=0.0005):
    generator = np.random.default_rng(seed)
    mean = np.where(bars.present, generator.normal(bias, 0.002, bars.close.shape), np.nan)
    return Forecasts(
        timestamps=bars.timestamps,
        symbols=bars.symbols,
        mean=mean,
        std=np.where(bars.present, 0.015, np.nan),
        p_up=np.where(bars.present, 0.5, np.nan),
        horizon_bars=1,
        model_ids=("m",) * len(bars),
        trained_until=bars.timestamps - pd.Timedelta(days=1),
    )


executions = st.fixed_dictionaries(
    {
        "fee_bps": st.sampled_from([0.0, 1.0, 30.0]),
        "slippage_bps": st.sampled_from([0.0, 4.0, 50.0]),
        "fractional": st.booleans(),
        "max_volume_share": st.sampled_from([None, 0.1, 0.0005]),
        "cash": st.sampled_from([5_000.0, 100_000.0]),
    }
)
strategies = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["per_symbol", "cross_section"]),
        "direction": st.sampled_from(["long_flat", "long_short"]),
        "sizing": st.sampled_from(["fixed_fraction", "volatility_target", "constant_risk"]),
        "top": st.integers(1, 2),
        "hysteresis": st.integers(0, 1),
        "min_hold_bars": st.integers(0, 6),
        "stop_loss": st.sampled_from([None, 0.03]),
        "max_weight": st.sampled_from([0.3, 0.6]),
        "max_gross": st.sampled_from([0.95, 1.5]),
    }
)


def settings_with(execution, strategy):
    nothing_borne = {"borrow_bps_per_year": 0.0, "margin_bps_per_year": 0.0}  # orders alone explain the cash
    changes = {f"execution__{k}": v for k, v in {**nothing_borne, **execution}.items()}
    return make_settings(**changes, **{f"strategy__{k}": v for k, v in strategy.items()})


def rebuilt_account(result, bars, settings):
    """Cash and quantities at each close, from the orders table alone."""
    row_of = {moment: row for row, moment in enumerate(bar_open_times(bars))}
    cash = np.zeros((len(bars), 1))
    held = np.zeros(bars.close.shape)
    for order in result.orders[result.orders["filled_quantity"] > 0].itertuples():
        row, column = row_of[order.filled_at], bars.symbols.index(order.symbol)
        signed = order.filled_quantity * (1 if order.side == "buy" else -1)
        held[row, column] += signed
        cash[row] -= signed * order.fill_price + order.fee
    return settings.execution.cash + cash.cumsum(axis=0)[:, 0], held.cumsum(axis=0)


@hypothesis_settings(max_examples=25)
@given(executions, strategies, st.integers(0, 10_000))
def test_cash_plus_positions_times_price_is_equity_at_every_bar(execution, strategy, seed):
    bars = make_bars(rows=110, seed=seed % 5, missing=GAPS)
    settings = settings_with(execution, strategy)
    result = simulate(bars, random_forecasts(bars, seed), settings)
    cash, held = rebuilt_account(result, bars, settings)
    price = np.column_stack([columns["close"] for columns in feed_columns(bars, settings.execution)])
    np.testing.assert_allclose(result.equity["cash"], cash, rtol=0, atol=1e-6)
    np.testing.assert_allclose(result.equity["equity"], cash + (held * price).sum(axis=1), rtol=0, atol=1e-6)
    gross = np.abs(held * price).sum(axis=1) / result.equity["equity"]
    np.testing.assert_allclose(result.equity["gross_exposure"], gross, atol=1e-9)


@hypothesis_settings(max_examples=25)
@given(executions, strategies, st.integers(0, 10_000))
def test_orders_fill_at_the_next_open_with_slippage_against_them_and_the_fee_to_the_cent(
    execution, strategy, seed
):
    bars = make_bars(rows=110, seed=seed % 5, missing=GAPS)
    settings = settings_with(execution, strategy)
    result = simulate(bars, random_forecasts(bars, seed), settings)
    opens, closes = bar_open_times(bars), bars.timestamps
    slip, fee = execution["slippage_bps"] * 1e-4, execution["fee_bps"] * 1e-4
    prices = feed_columns(bars, settings.execution)
    for order in result.orders[result.orders["filled_quantity"] > 0].itertuples():
        decided = closes.get_loc(order.decided_at)
        row, column = opens.get_loc(order.filled_at), bars.symbols.index(order.symbol)
        assert row == decided + 1
        worse = 1 + slip if order.side == "buy" else 1 - slip
        assert order.fill_price == pytest.approx(prices[column]["open"][row] * worse, rel=1e-12)
        assert order.fee == pytest.approx(fee * order.filled_quantity * order.fill_price, abs=1e-9)
    assert result.counts["fees_paid"] == pytest.approx(result.orders["fee"].sum(), abs=0.005)


@pytest.mark.parametrize("kind", ["per_symbol", "cross_section"])
def test_runonce_and_preload_change_nothing(kind):
    bars = make_bars(rows=110, missing=GAPS)
    settings = make_settings(strategy__kind=kind, strategy__top=1, strategy__direction="long_short")
    tables = [
        simulate(bars, random_forecasts(bars), settings, runonce=runonce, preload=preload)
        for runonce, preload in ((True, True), (False, True), (False, False))
    ]
    for other in tables[1:]:
        for name in ("equity", "orders", "trades", "decisions", "open_positions"):
            pd.testing.assert_frame_equal(getattr(other, name), getattr(tables[0], name), check_exact=True)


def test_bulk_loaded_feeds_trade_as_pandas_data_does():
    bars = make_bars(rows=110)
    forecasts = random_forecasts(bars)
    settings = make_settings(execution__max_volume_share=None, strategy__kind="per_symbol")
    own = simulate(bars, forecasts, settings)
    pandas = _through_pandas_data(bars, forecasts, settings)
    columns = ["decided_at", "symbol", "side", "quantity", "status", "filled_at", "fill_price", "fee"]
    pd.testing.assert_frame_equal(own.orders[columns], pandas.orders[columns], check_exact=True)
    pd.testing.assert_frame_equal(own.equity, pandas.equity, check_exact=True)


def _through_pandas_data(bars, forecasts, settings):
    """The same run on stock feeds: every bar copied cell by cell, no capacity line."""
    from engine.simulation import cerebro as module

    def stock(span, execution, strategy, params, **modes):
        cerebro = bt.Cerebro(stdstats=False)
        broker = bt.brokers.BackBroker()
        broker.setcash(execution.cash)
        broker.setcommission(commission=execution.fee_bps * 1e-4)
        broker.set_slippage_perc(
            execution.slippage_bps * 1e-4, slip_open=True, slip_match=True, slip_out=True
        )
        cerebro.setbroker(broker)
        for symbol in span.symbols:
            frame = span.frame(symbol)
            frame.index = frame.index.tz_localize(None)
            cerebro.adddata(bt.feeds.PandasData(dataname=frame, openinterest=None), name=symbol)
        cerebro.addstrategy(strategy, **params)
        cerebro.addanalyzer(module.Recorder, _name="recorder")
        return cerebro

    return simulate(bars, forecasts, settings, cerebro_builder=stock)


def test_orders_of_the_last_bar_stay_pending_and_are_counted():
    bars = make_bars(rows=60)
    forecasts = random_forecasts(bars, seed=3, bias=0.0)
    result = simulate(bars, forecasts, make_settings(strategy__min_hold_bars=0))
    last = result.orders[result.orders["decided_at"] == bars.timestamps[-1]]
    assert len(last) == result.counts["pending"] > 0
    assert (last["status"] == "pending").all()


def test_a_strategy_without_forecasts_never_trades():
    bars = make_bars(rows=60)
    silent = random_forecasts(bars)
    nothing = np.full(silent.mean.shape, np.nan)
    silent = Forecasts(**{**{f: getattr(silent, f) for f in silent.__dataclass_fields__}, "mean": nothing})
    result = simulate(bars, silent, make_settings())
    assert len(result.orders) == len(result.trades) == 0
    assert (result.equity["equity"] == 100_000.0).all()


def test_orders_the_cash_cannot_pay_are_refused_and_counted():
    bars = make_bars(rows=110)
    settings = make_settings(strategy__max_gross=3.0, strategy__max_weight=2.0, strategy__fraction=1.5)
    result = simulate(bars, random_forecasts(bars, bias=0.003), settings)
    assert result.counts["margin"] == (result.orders["status"] == "margin").sum() > 0
    assert (result.equity["cash"] >= 0).all()


@pytest.mark.parametrize("known", ["before", "bar"])
def test_a_fill_never_takes_more_than_its_share_of_the_volume(known):
    bars = make_bars(rows=110)
    settings = make_settings(execution__max_volume_share=0.0005, execution__volume_known=known)
    result = simulate(bars, random_forecasts(bars), settings)
    volume = volume_before(bars) if known == "before" else bars.volume
    opens = bar_open_times(bars)
    filled = result.orders[result.orders["filled_quantity"] > 0]
    for order in filled.itertuples():
        most = volume[opens.get_loc(order.filled_at), bars.symbols.index(order.symbol)]
        assert order.filled_quantity <= np.floor(0.0005 * most)
    assert result.counts["partial"] > 0
    partial = filled[filled["status"] == "partial"]
    assert (partial["filled_quantity"] < partial["quantity"]).all()


def test_whole_shares_unless_fractions_are_allowed():
    bars = make_bars(rows=80)
    whole, parts = (
        simulate(bars, random_forecasts(bars), make_settings(execution__fractional=f)) for f in (False, True)
    )
    assert (whole.orders["quantity"] % 1 == 0).all()
    assert (parts.orders["quantity"] % 1 != 0).any()


def test_open_positions_are_marked_at_the_last_close():
    bars = make_bars(rows=80)
    result = simulate(bars, random_forecasts(bars, bias=0.003), make_settings())
    table, last = result.open_positions, result.equity.iloc[-1]
    assert last["equity"] == pytest.approx(last["cash"] + table["value"].sum())
    np.testing.assert_allclose(table["last_price"], bars.close[-1])


def test_trades_add_up_to_the_change_of_equity_when_nothing_stays_open():
    bars = make_bars(rows=110, missing=[(slice(95, None), column) for column in range(3)])
    result = simulate(bars, random_forecasts(bars), make_settings())
    assert result.open_positions.empty
    gained = result.equity["equity"].iloc[-1] - 100_000.0
    assert result.trades["pnl"].sum() == pytest.approx(gained, abs=1e-6)
    assert result.trades["fees"].sum() == pytest.approx(result.counts["fees_paid"], abs=1e-6)


def test_nothing_fills_on_a_bar_the_symbol_does_not_have():
    bars = make_bars(rows=110, missing=[(slice(30, 36), 0)])
    result = simulate(bars, random_forecasts(bars, bias=0.003), make_settings(strategy__min_hold_bars=0))
    missing = set(bar_open_times(bars)[30:36])
    own = result.orders[(result.orders["symbol"] == "S00") & result.orders["filled_at"].isin(missing)]
    assert own.empty


def test_a_position_in_a_series_that_ended_is_closed_at_its_last_price():
    bars = make_bars(rows=110, missing=[(slice(60, None), 0)])
    settings = make_settings(execution__stale_exit_bars=5, strategy__kind="per_symbol")
    result = simulate(bars, random_forecasts(bars, bias=0.003), settings)
    close = result.orders[(result.orders["symbol"] == "S00")].iloc[-1]
    assert (close["side"], close["status"], close["reason"]) == ("sell", "filled", "no_forecast")
    assert close["filled_at"] == bar_open_times(bars)[65]
    assert close["fill_price"] == pytest.approx(bars.close[59, 0] * (1 - 4e-4))
    assert "S00" not in set(result.open_positions["symbol"])


def test_capacity_is_zero_without_a_bar_and_uncapped_without_volume():
    bars = make_bars(rows=40, missing=[(slice(10, 30), 0)])
    fields = {name: getattr(bars, name) for name in ("open", "high", "low", "close")}
    silent = Bars(bars.timestamps, bars.symbols, volume=np.where(bars.present, 0.0, np.nan), **fields)
    execution = make_settings().execution
    assert (fill_capacity(bars, execution)[10:20, 0] == 0).all()
    assert (fill_capacity(bars, execution)[20:30, 0] == STALE).all()
    assert np.isinf(fill_capacity(silent, execution)[:10]).all()


def test_the_future_cannot_be_read_where_feeds_are_not_preloaded():
    class Peeker(bt.Strategy):
        params = (("table", None),)

        def next(self):
            self.data.close[1]

    bars = make_bars(rows=20)
    cerebro = build_cerebro(bars, make_settings().execution, Peeker, {}, runonce=False, preload=False)
    with pytest.raises(IndexError):
        cerebro.run()


def test_the_benchmark_is_equal_weight_bought_once_and_held():
    bars = make_bars(rows=50)
    execution = make_settings(execution__fee_bps=0.0, execution__slippage_bps=0.0).execution
    value = equal_weight_benchmark(bars, np.ones(bars.close.shape, dtype=bool), execution)
    grown = (bars.close[-1] / bars.open[1]).mean()
    assert value[0] == 100_000.0
    assert value[-1] == pytest.approx(100_000.0 * grown)


def test_the_benchmark_pays_the_same_costs():
    bars = make_bars(rows=50)
    members = np.ones(bars.close.shape, dtype=bool)
    free = make_settings(execution__fee_bps=0.0, execution__slippage_bps=0.0).execution
    paid = make_settings(execution__fee_bps=10.0, execution__slippage_bps=40.0).execution
    ratio = equal_weight_benchmark(bars, members, paid)[-1] / equal_weight_benchmark(bars, members, free)[-1]
    assert ratio == pytest.approx(1 / 1.005, rel=1e-6)


def test_a_symbol_that_joins_the_benchmark_changes_nothing_before():
    bars = make_bars(rows=60, missing=[(slice(0, 30), 1)])
    execution = make_settings().execution
    members = np.logical_or.accumulate(bars.present, axis=0)
    with_it = equal_weight_benchmark(bars, members, execution)
    without = equal_weight_benchmark(bars.select(["S00", "S02"]), members[:, [0, 2]], execution)
    np.testing.assert_array_equal(with_it[:31], without[:31])
    assert with_it[-1] != without[-1]
