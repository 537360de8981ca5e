"""Coins in the simulator: at all hours, gtc and ioc only, never short, without margin, fees in what is received."""

from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd
import pytest
import requests
from alpaca.data import requests as asked
from alpaca.data.historical import CryptoHistoricalDataClient
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import ClosePositionRequest, GetAssetsRequest, MarketOrderRequest
from hypothesis import given
from hypothesis import strategies as st
from test_simulator_client_calls import close

from broker.simulator.calls import Call
from broker.simulator.harness import Simulator
from broker.simulator.routes import trading
from broker.simulator.values import Refusal, parse_instant
from broker.simulator.world import desk
from broker.simulator.world.exchange import advance
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import SimulatorSettings, World
from forewalk.types import Bars
from helpers.waiting import PATIENCE_S

SATURDAY_NIGHT = "2026-03-07T03:00:00Z"
COIN, SHARE = "BTC/USD", "AAPL"


def bars_of_coins(symbols=(COIN, SHARE), days=40):
    """Days from midnight to midnight UTC; the k-th goes from 100 + k to 98 + k, 104 + k and 102 + k."""
    closes = pd.date_range("2026-02-20", periods=days, tz="UTC").as_unit("us")
    level = (
        pd.Series(range(days), dtype=float).to_numpy()[:, None] + pd.Series([0.0] * len(symbols)).to_numpy()
    )
    volume = level * 0 + 1e6
    return Bars(closes, symbols, level + 100, level + 104, level + 98, level + 102, volume, "24/7", "1d")


BARS = bars_of_coins()


def world_at(instant=SATURDAY_NIGHT, **changes):
    return World(BARS, parse_instant(instant), SimulatorSettings(**changes))


def send(world, **fields):
    plain = {"symbol": COIN, "side": "buy", "type": "market", "time_in_force": "gtc", "qty": "2"}
    body = {name: value for name, value in {**plain, **fields}.items() if value is not None}
    return world.book.orders[desk.submit(world, parse_order(body)).id]


amounts = st.decimals("0.0001", "5", places=9)


@given(st.lists(st.tuples(st.sampled_from(["buy", "sell"]), amounts), max_size=8), st.integers(0, 100))
def test_what_is_held_is_what_was_bought_less_fees_and_never_below_zero(trades, fee_bps):
    world = world_at(coin_fee_bps=Decimal(fee_bps))
    fee = Decimal(fee_bps) / 10_000
    held, cash = Decimal(0), world.settings.cash
    for side, qty in trades:
        price = world.price(COIN)
        if side == "sell" and qty > held:
            with pytest.raises(Refusal, match="insufficient"):
                send(world, side=side, qty=str(qty))
            continue
        assert send(world, side=side, qty=str(qty)).status == "filled"
        if side == "buy":
            held += qty - (qty * fee).quantize(Decimal("1e-9"))
            cash -= qty * price
        else:
            held -= qty
            cash += qty * price - round(qty * price * fee, 6)
        advance(world, world.now + 3_600 * 10**9)
    assert (world.book.quantity(COIN), world.book.cash) == (held, cash)
    assert world.book.quantity(COIN) >= 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"time_in_force": "day"}, "invalid crypto time_in_force"),
        ({"time_in_force": "opg"}, "invalid crypto time_in_force"),
        ({"time_in_force": "fok"}, "invalid crypto time_in_force"),
        ({"type": "stop", "stop_price": "90"}, "invalid order type for crypto"),
        ({"type": "trailing_stop", "trail_percent": "2"}, "invalid order type for crypto"),
        ({"order_class": "oto", "stop_loss": {"stop_price": "90"}}, "advanced order_class"),
        ({"type": "limit", "limit_price": "90", "extended_hours": True}, "no extended hours"),
        ({"side": "sell"}, r"insufficient balance for BTC \(requested: 2, available: 0\)"),
        ({"qty": "0.00001"}, "at least 0.0001 of BTC/USD"),
        ({"qty": "1.0000000001"}, "at most 9 decimal"),
        ({"qty": "1000"}, "insufficient buying power"),  # of cash: no margin
        ({"type": "limit", "limit_price": "90.1234567891"}, "at most 9 decimal"),
    ],
)
def test_what_coins_do_not_have_is_refused(fields, says):
    world = world_at()
    with pytest.raises(Refusal, match=says):
        send(world, **fields)
    assert [entry.kind for entry in world.book.ledger] == ["cash"]


def test_a_coin_is_filled_in_a_weekend_night_and_a_share_waits_for_its_open():
    world = world_at()
    assert send(world).status == "filled"
    assert send(world, symbol=SHARE, time_in_force="day").status == "accepted"
    advance(world, parse_instant("2026-03-09T20:00:00Z"))
    assert {world.book.orders[order].symbol for order in world.book.orders if world.book.orders[order].filled_at} == {
        COIN, SHARE,
    }  # fmt: skip


def test_a_limit_rests_over_the_weekend_and_an_ioc_that_is_not_met_ends_at_once():
    world = world_at()
    price = world.price(COIN)
    resting = send(world, type="limit", limit_price=str(price - 2), side="buy")
    assert send(world, type="limit", limit_price=str(price - 2), time_in_force="ioc").status == "canceled"
    assert resting.status == "new"
    advance(world, parse_instant("2026-03-12T00:00:00Z"))
    assert world.book.orders[resting.id].status == "new"  # no session's close ends it


def test_the_fee_is_an_activity_in_coin_or_in_dollars():
    world = world_at(coin_fee_bps=Decimal(25))
    send(world, qty="2")
    price = world.price(COIN)
    send(world, side="sell", qty="1")
    found = trading.get_activities(world, Call(params={"kind": "CFEE"}, query={})).body
    bought = next(item for item in found if item.get("symbol"))
    assert (bought["activity_type"], bought["qty"], bought["net_amount"]) == ("CFEE", "-0.005", "0")
    sold = next(item for item in found if not item.get("symbol"))
    assert Decimal(sold["net_amount"]) == -round(price * Decimal("0.0025"), 6)


SINCE = {"start": datetime(2026, 3, 1, tzinfo=UTC)}
CALLS = {
    "get_crypto_bars": (
        asked.CryptoBarsRequest(symbol_or_symbols=COIN, timeframe=TimeFrame.Day, **SINCE),
        lambda found: [(bar.timestamp.day, bar.open) for bar in found.data[COIN]][:2] == [(1, 110), (2, 111)],
    ),
    "get_crypto_trades": (
        asked.CryptoTradesRequest(symbol_or_symbols=COIN, **SINCE),
        lambda found: [trade.price for trade in found.data[COIN]][:5] == [111, 110, 108, 114, 112],
    ),
    "get_crypto_quotes": (
        asked.CryptoQuoteRequest(symbol_or_symbols=COIN, **SINCE),
        lambda found: all(quote.ask_price > quote.bid_price for quote in found.data[COIN]),
    ),
    "get_crypto_latest_bar": (
        asked.CryptoLatestBarRequest(symbol_or_symbols=COIN), lambda found: found[COIN].timestamp.hour == 2
    ),
    "get_crypto_latest_trade": (
        asked.CryptoLatestTradeRequest(symbol_or_symbols=COIN), lambda found: found[COIN].price > 98
    ),
    "get_crypto_latest_quote": (
        asked.CryptoLatestQuoteRequest(symbol_or_symbols=COIN), lambda found: found[COIN].bid_price > 98
    ),
    "get_crypto_snapshot": (
        asked.CryptoSnapshotRequest(symbol_or_symbols=COIN), lambda found: found[COIN].latest_trade.price > 98
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def of_coins():
    with Simulator(BARS, start=SATURDAY_NIGHT) as simulator:
        yield simulator


@pytest.mark.enable_socket
@pytest.mark.parametrize("call", CALLS)
def test_crypto_data_client(call, of_coins):
    request, expected = CALLS[call]
    client = CryptoHistoricalDataClient("key", "secret", url_override=of_coins.url)
    try:
        answer = getattr(client, call)(request)
        assert expected(answer), answer
    finally:
        close(client)


@pytest.mark.enable_socket
def test_the_data_of_coins_need_no_key_and_a_wrong_one_is_refused_all_the_same(of_coins):
    data, account = (
        f"{of_coins.url}/v1beta3/crypto/us/latest/bars?symbols={COIN}",
        f"{of_coins.url}/v2/account",
    )
    wrong = {"APCA-API-KEY-ID": "key"}
    asked_so = [(data, {}), (data, wrong), (account, {})]
    answers = [
        requests.get(url, headers=headers, timeout=PATIENCE_S).status_code for url, headers in asked_so
    ]
    assert answers == [200, 401, 401]


@pytest.mark.enable_socket
def test_alpaca_py_buys_and_closes_a_coin(of_coins):
    client = TradingClient("key", "secret", url_override=of_coins.url)
    try:
        (coin,) = client.get_all_assets(GetAssetsRequest(asset_class="crypto"))
        assert (coin.symbol, coin.shortable, coin.min_order_size) == (COIN, False, 0.0001)
        client.submit_order(MarketOrderRequest(symbol=COIN, qty=2, side="buy", time_in_force="gtc"))
        (held,) = client.get_all_positions()
        assert (held.symbol, held.asset_class, held.qty) == ("BTCUSD", "crypto", "1.995")
        sold = client.close_position("BTCUSD", ClosePositionRequest(percentage="100"))
        assert (sold.symbol, sold.qty) == (COIN, "1.995")
        assert client.get_all_positions() == []
    finally:
        close(client)
