"""Live is the backtest's own Cerebro, one bar longer: bar by bar it makes the orders that the backtest makes."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import backtrader as bt
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.journal.records import NewOrder
from engine.live.deciding.decide import run_strategy
from engine.live.deciding.records import price_problem
from engine.simulation.capture import CaptureBroker, CaptureError, positions_after
from engine.simulation.cerebro import build_cerebro, simulate
from engine.simulation.orders import AccountState, PastFill, PastOrder
from forewalk.sessions import bar_open_times
from forewalk.types import PRICE_FIELDS, Bars
from helpers.live_values import live_settings, random_forecasts, some_bars
from strategies.signal import SignalStrategy


def step_by_step(bars, forecasts, configured):
    """Trade live on fills at the open: after each bar only what was captured is known of the past."""
    opens = [moment.to_pydatetime() for moment in bar_open_times(bars)]
    closes = [moment.to_pydatetime() for moment in bars.timestamps]
    cash, past, cash_at, orders = configured.execution.cash, [], {}, []
    for row in range(len(bars) - 1):
        positions = positions_after([(o.symbol, fill) for o in past for fill in o.fills])
        state = AccountState(cash, positions, past, {}, dict(cash_at))
        step = run_strategy(
            bars.until(bars.timestamps[row]), forecasts, configured, SignalStrategy, state, bars.timestamps[0]
        )
        assert step.differences == []
        cash_at[closes[row]] = cash
        for order in step.orders:
            signed = order.quantity if order.side == "buy" else -order.quantity
            column = bars.symbols.index(order.symbol)
            price = float(bars.open[row + 1, column])
            orders.append((closes[row], order.symbol, signed))
            name = f"{row}-{order.symbol}"
            if np.isnan(price):  # no bar to be filled in
                past.append(PastOrder(name, closes[row], order.symbol, signed, (), closes[row + 1]))
                continue
            fill = PastFill(signed, price, opens[row + 1] + timedelta(seconds=30))
            past.append(PastOrder(name, closes[row], order.symbol, signed, (fill,)))
            cash -= signed * price
    return orders


def backtest_orders(bars, forecasts, configured):
    table = simulate(bars, forecasts, configured).orders
    last = bars.timestamps[-1]
    return [
        (row.decided_at.to_pydatetime(), row.symbol, row.quantity if row.side == "buy" else -row.quantity)
        for row in table.itertuples()
        if row.decided_at < last
    ]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), direction=st.sampled_from(["long_flat", "long_short"]))
def test_every_bar_brings_the_orders_of_the_backtest(seed, direction):
    bars = some_bars(sessions=30, seed=seed)
    forecasts = random_forecasts(bars, seed=seed)
    strategy = {
        "direction": direction,
        "max_weight": 0.3,
        "min_hold_bars": 2,
        "stop_loss": 0.02,
        "take_profit": 0.03,
    }
    configured = live_settings(strategy=strategy)
    assert step_by_step(bars, forecasts, configured) == backtest_orders(bars, forecasts, configured)


@pytest.mark.parametrize("missing", [False, True], ids=["whole", "with holes"])
def test_positions_at_constant_risk_are_resized_as_in_the_backtest(missing):
    bars = some_bars(sessions=30, seed=4)
    forecasts = random_forecasts(bars, seed=4)
    forecasts = replace(forecasts, std=np.random.default_rng(4).uniform(0.01, 0.03, bars.close.shape))
    if missing:
        hole = np.zeros(bars.close.shape, dtype=bool)
        hole[[9, 17, 18], 0] = True
        fields = [np.where(hole, np.nan, getattr(bars, name)) for name in (*PRICE_FIELDS, "volume")]
        bars = Bars(bars.timestamps, bars.symbols, *fields, calendar=bars.calendar, interval=bars.interval)
        mean, std = (np.where(hole, np.nan, values) for values in (forecasts.mean, forecasts.std))
        forecasts = replace(forecasts, mean=mean, std=std)
    policy = {"sizing": "constant_risk", "always_held": True, "target_volatility": 0.2, "max_weight": 1.0}
    configured = live_settings(strategy=policy)
    expected = backtest_orders(bars, forecasts, configured)
    assert step_by_step(bars, forecasts, configured) == expected
    assert len(expected) > 3 * len(bars.symbols)


@pytest.mark.parametrize("row", [6, 13, 22])
def test_a_restart_that_knows_the_account_alone_resizes_alike(row):
    bars = some_bars(sessions=30, seed=4)
    forecasts = replace(
        random_forecasts(bars, seed=4), std=np.random.default_rng(4).uniform(0.01, 0.03, bars.close.shape)
    )
    configured = live_settings(strategy={"sizing": "constant_risk", "always_held": True, "max_weight": 1.0})
    result = simulate(bars, forecasts, configured)
    then = result.orders[result.orders["filled_at"] <= bars.timestamps[row]]
    held = positions_after(
        [
            (
                o.symbol,
                PastFill(o.filled_quantity * (1 if o.side == "buy" else -1), o.fill_price, o.filled_at),
            )
            for o in then.itertuples()
        ]
    )
    state = AccountState(float(result.equity["cash"].iloc[row]), held, opening=held)
    seen, moment = bars.until(bars.timestamps[row]), bars.timestamps[row]
    run = run_strategy(seen, forecasts, configured, SignalStrategy, state, moment)
    wanted = [order for order in backtest_orders(bars, forecasts, configured) if order[0] == moment]
    assert wanted
    made = [(moment, o.symbol, o.quantity if o.side == "buy" else -o.quantity) for o in run.orders]
    assert made == wanted


def test_there_are_orders_to_compare():
    bars = some_bars(sessions=60)
    assert len(backtest_orders(bars, random_forecasts(bars), live_settings())) > 20


class Scripted(bt.Strategy):
    """Do at the last bar what the test says."""

    params = (("act", None),)

    def next(self):
        if len(self) == self.data.buflen():
            self.p.act(self)


def captured(act, **account):
    bars = some_bars(sessions=5)
    broker = CaptureBroker(AccountState(100_000.0, **account), [t.to_pydatetime() for t in bars.timestamps])
    build_cerebro(bars, live_settings().execution, Scripted, {"act": act}, broker=broker).run()
    return broker


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda s: s.buy(size=5), {"kind": "market", "time_in_force": "day", "side": "buy"}),
        (lambda s: s.sell(size=5), {"side": "sell", "reduces": False}),
        (
            lambda s: s.buy(size=5, exectype=bt.Order.Limit, price=90.0),
            {"kind": "limit", "limit_price": 90.0, "time_in_force": "gtc"},
        ),
        (
            lambda s: s.sell(size=5, exectype=bt.Order.Stop, price=80.0, valid=bt.Order.DAY),
            {"kind": "stop", "stop_price": 80.0, "time_in_force": "day"},
        ),
        (
            lambda s: s.buy(size=5, exectype=bt.Order.Close),
            {"kind": "market", "time_in_force": "cls"},
        ),
        (
            lambda s: s.buy(size=5, exectype=bt.Order.StopLimit, price=110.0, plimit=111.0),
            {"kind": "stop_limit", "stop_price": 110.0, "limit_price": 111.0},
        ),
        (
            lambda s: s.buy_bracket(size=5, exectype=bt.Order.Market, limitprice=120.0, stopprice=90.0),
            {"kind": "market", "take_profit": 120.0, "stop_loss": 90.0},
        ),
    ],
)
def test_each_kind_of_order_is_captured_as_it_was_made(act, expected):
    (order,) = captured(act).captured
    assert {name: getattr(order, name) for name in expected} == expected
    assert order.quantity == 5


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.buy(size=5, exectype=bt.Order.StopTrail, trailamount=1.0),
        lambda s: s.buy(size=5, exectype=bt.Order.Limit, price=90.0, oco=s.buy(size=1)),
        lambda s: s.buy_bracket(size=5, limitprice=120.0, stopprice=90.0, limitexec=None),
        lambda s: s.buy(size=5, exectype=bt.Order.Limit, price=9.0, valid=timedelta(days=9)),
    ],
    ids=["trailing", "oco", "half a bracket", "valid until"],
)
def test_an_order_that_cannot_be_sent_refuses_the_strategy_with_the_reason(act):
    with pytest.raises(CaptureError, match=r"sent|bracket"):
        captured(act)


def test_the_strategy_sees_the_accounts_cash_and_positions():
    seen = {}

    def look(strategy):
        seen["size"] = strategy.getposition(strategy.datas[0]).size
        seen["price"] = strategy.getposition(strategy.datas[0]).price
        seen["cash"] = strategy.broker.getcash()

    captured(look, positions={"AAPL": (7.0, 99.0)}, opening={"AAPL": (7.0, 99.0)})
    assert seen == {"size": 7.0, "price": 99.0, "cash": 100_000.0}


def test_a_position_from_before_the_replay_can_be_closed_in_it():
    bars = some_bars(sessions=6)
    closes = [t.to_pydatetime() for t in bars.timestamps]
    sale = PastOrder("id", closes[1], "AAPL", -7.0, (PastFill(-7.0, 101.0, closes[2] - timedelta(hours=1)),))
    account = AccountState(1e5, {}, [sale], {"AAPL": (7.0, 99.0)})
    seen = []
    broker = CaptureBroker(account, closes)
    params = {"act": lambda strategy: seen.append(strategy.getposition(strategy.datas[0]).size)}
    build_cerebro(bars, live_settings().execution, Scripted, params, broker=broker).run()
    assert (seen, broker.captured) == ([0.0], [])


def test_what_was_adopted_at_no_price_before_the_fill_that_it_undoes_is_replayed():
    """Sold by hand and adopted in the very moment of its purchase, which a replay learns of one bar later."""
    bars = some_bars(sessions=6)
    closes = [t.to_pydatetime() for t in bars.timestamps]
    gone = PastOrder("", None, "AAPL", -7.0, (PastFill(-7.0, 0.0, closes[2]),))
    bought = PastOrder("id", closes[1], "AAPL", 7.0, (PastFill(7.0, 100.0, closes[3]),))
    account, configured = AccountState(1e5, {}, [gone, bought]), live_settings()
    run = run_strategy(bars, random_forecasts(bars), configured, SignalStrategy, account, bars.timestamps[0])
    assert {order.side for order in run.orders} <= {"buy"}  # nothing is held, so nothing is sold


def test_a_past_that_does_not_add_up_makes_no_order():
    with pytest.raises(CaptureError, match="does not add up"):
        captured(lambda s: None, positions={"AAPL": (7.0, 99.0)})


class Watcher(bt.Strategy):
    """Buy at the second bar, and write down everything that is said about the order."""

    heard = ()

    def __init__(self):
        self.said = []
        self.trades = []
        Watcher.heard = self.said

    def next(self):
        if len(self) == 2:
            self.order = self.buy(size=10)

    def notify_order(self, order):
        self.said.append((len(self), order.getstatusname(), order.executed.size))


@pytest.mark.parametrize(
    ("fills", "ended", "end"),
    [
        ([(10.0, 3)], None, [(3, "Completed", 10)]),
        ([(4.0, 3), (6.0, 4)], None, [(3, "Partial", 4), (4, "Completed", 10)]),
        ([(4.0, 3)], 4, [(3, "Partial", 4), (4, "Canceled", 4)]),
        ([], 3, [(3, "Canceled", 0)]),
    ],
)
def test_a_strategy_is_told_of_the_fills_that_its_order_really_had(fills, ended, end):
    bars = some_bars(sessions=6)
    closes = [t.to_pydatetime() for t in bars.timestamps]
    past_fills = tuple(PastFill(size, 100.0, closes[bar - 1] - timedelta(hours=1)) for size, bar in fills)
    held = sum(size for size, _ in fills)
    past = PastOrder("id", closes[1], "AAPL", 10.0, past_fills, closes[ended - 1] if ended else None)
    account = AccountState(1e5, {"AAPL": (held, 100.0)} if held else {}, [past])
    build_cerebro(bars, live_settings().execution, Watcher, {}, broker=CaptureBroker(account, closes)).run()
    said = [
        (bar, status, size) for bar, status, size in Watcher.heard if status not in ("Submitted", "Accepted")
    ]
    assert said == end


def test_an_order_that_is_asked_for_otherwise_than_then_is_reported():
    bars = some_bars(sessions=6)
    closes = [t.to_pydatetime() for t in bars.timestamps]
    past = [PastOrder("id", closes[1], "AAPL", 7.0, (), closes[2])]
    broker = CaptureBroker(AccountState(1e5, {}, past, {}, {closes[1]: 1e5}), closes)
    build_cerebro(bars, live_settings().execution, Watcher, {}, broker=broker).run()
    assert broker.differences == [(closes[1], "buy AAPL: wanted 7 then, 10 now")]


def test_a_working_order_that_the_strategy_takes_back_is_captured_as_a_cancellation():
    class TakesBack(bt.Strategy):
        def next(self):
            if len(self) == 2:
                self.order = self.buy(size=10, exectype=bt.Order.Limit, price=1.0)
            elif len(self) == 6:
                self.cancel(self.order)

    bars = some_bars(sessions=6)
    closes = [t.to_pydatetime() for t in bars.timestamps]
    broker = CaptureBroker(AccountState(1e5, {}, [PastOrder("our-id", closes[1], "AAPL", 10.0)]), closes)
    build_cerebro(bars, live_settings().execution, TakesBack, {}, broker=broker).run()
    assert (broker.cancelled, broker.captured) == (["our-id"], [])


def test_positions_follow_from_executions_by_average_price():
    fills = [("A", PastFill(10, 100.0, 1)), ("A", PastFill(10, 110.0, 2)), ("A", PastFill(-5, 150.0, 3))]
    assert positions_after(fills) == {"A": (15, 105.0)}


@pytest.mark.row(39)
@pytest.mark.parametrize(
    ("limit", "close", "trade", "refused"),
    [
        (None, 100, 50, False),
        (90, 100, 100, False),
        (90, 100, Decimal("100.4"), False),
        (90, 100, 105, True),
        (90, 100, None, True),
    ],
)
def test_a_price_made_from_adjusted_bars_is_not_sent(limit, close, trade, refused):
    order = NewOrder(
        "id", "AAPL", "buy", Decimal(1), "limit", "day", Decimal(close), False, limit_price=limit
    )
    assert (price_problem(order, None if trade is None else Decimal(trade)) is not None) == refused
