"""The websockets: what alpaca-py hears, what each stream fault does, and that nothing is replayed."""

import base64
import contextlib
import json
import threading

import msgpack
import pytest
import requests
from alpaca.data.live import NewsDataStream, StockDataStream
from alpaca.trading.stream import TradingStream
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from broker.simulator.serving.faults import Frame, FrameFault, FrameFilter
from helpers.waiting import PATIENCE_S, until

pytestmark = pytest.mark.enable_socket
HEADERS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
ORDER = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}


@pytest.fixture
def fresh(simulator):
    simulator.control.restore()
    simulator.control.keys()
    simulator.control.clear_log()
    return simulator


@contextlib.contextmanager
def listener(simulator, secret="secret"):
    with connect(simulator.ws_url) as socket:
        socket.send(json.dumps({"action": "authenticate", "data": {"key_id": "key", "secret_key": secret}}))
        socket.status = hear(socket)["data"]["status"]
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        socket.streams = hear(socket)["data"]["streams"]
        yield socket


def hear(socket):
    return json.loads(socket.recv(timeout=PATIENCE_S))


def events(socket, count):
    return [hear(socket)["data"]["event"] for _ in range(count)]


def silent(simulator, socket):
    """Tell whether nothing was said before a mark that is sent now."""
    simulator.control.stream_send(text="mark")
    return socket.recv(timeout=PATIENCE_S) == "mark"


def send(simulator, **fields):
    answer = requests.post(
        f"{simulator.url}/v2/orders", json={**ORDER, **fields}, headers=HEADERS, timeout=PATIENCE_S
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_trading_stream_of_alpaca_py_hears_a_fill(fresh):
    heard = []

    async def on_update(update):
        heard.append(update)

    stream = TradingStream("key", "secret", url_override=fresh.ws_url)
    stream.subscribe_trade_updates(on_update)
    with running(stream):
        until(lambda: fresh.control.subscribed())
        send(fresh, qty="3")
        until(lambda: len(heard) == 3)
    assert [update.event for update in heard] == ["pending_new", "new", "fill"]
    fill = heard[-1]
    assert (fill.qty, fill.position_qty, fill.order.status, fill.order.filled_qty) == (3, 3, "filled", "3")


@contextlib.contextmanager
def running(stream):
    """Run a stream of alpaca-py in a thread, as a program would."""
    thread = threading.Thread(target=stream.run)
    thread.start()
    try:
        yield
    finally:
        stream.stop()
        thread.join()


@pytest.mark.parametrize("which", ["bars", "news"])
def test_the_data_streams_of_alpaca_py_hear_what_time_brings(which, fresh):
    heard, quotes = [], []

    async def on_data(item):
        heard.append(item)

    async def on_quote(quote):
        quotes.append(quote)

    if which == "bars":
        stream = StockDataStream("key", "secret", url_override=fresh.data_ws_url)
        stream.subscribe_daily_bars(on_data, "AAPL")
        stream.subscribe_trades(on_data, "AAPL")
        stream.subscribe_quotes(on_quote, "AAPL")
    else:
        url = fresh.data_ws_url.replace("/v2/iex", "/v1beta1/news")
        stream = NewsDataStream("key", "secret", url_override=url)
        stream.subscribe_news(on_data, "*")
        fresh.control.news(articles=[{"created_at": "2026-03-02T15:00:00-05:00", "symbols": ["AAPL"]}])
    with running(stream):
        until(lambda: fresh.control.subscribed(stream="data"))
        fresh.control.advance(to="close")
        until(lambda: (len(heard), len(quotes)) == ((4, 3) if which == "bars" else (1, 0)))
    if which == "news":
        assert heard[0].symbols == ["AAPL"]
        return
    assert [trade.price for trade in heard[:3]] == [98, 104, 102]
    assert all(
        quote.bid_price <= trade.price <= quote.ask_price for quote, trade in zip(quotes, heard, strict=False)
    )
    bar = heard[3]
    assert (bar.symbol, bar.open, bar.close, bar.timestamp.isoformat()) == (
        "AAPL", 100, 102, "2026-03-02T05:00:00+00:00"
    )  # fmt: skip


def test_the_frames_are_binary_json(fresh):
    with listener(fresh) as socket:
        send(fresh)
        frame = socket.recv(timeout=PATIENCE_S)
    assert isinstance(frame, bytes)
    assert json.loads(frame)["stream"] == "trade_updates"


def test_nothing_is_replayed(fresh):
    send(fresh)
    with listener(fresh) as socket:
        send(fresh, symbol="MSFT")
        assert {hear(socket)["data"]["order"]["symbol"] for _ in range(3)} == {"MSFT"}


def test_without_a_key_nothing_is_granted(fresh):
    fresh.control.keys(key="key", secret="another")
    with listener(fresh) as socket:
        assert (socket.status, socket.streams) == ("unauthorized", [])


def test_listening_can_be_granted_without_the_stream(fresh):
    fresh.control.stream_listening(streams=[])
    with listener(fresh) as socket:
        send(fresh)
        assert (socket.status, socket.streams) == ("authorized", [])
        assert silent(fresh, socket)


FRAME_FAULTS = [
    ({"action": "drop", "event": "fill"}, ["pending_new", "new"]),
    ({"action": "drop", "skip": 1}, ["pending_new", "fill"]),
    ({"action": "duplicate", "event": "fill"}, ["pending_new", "new", "fill", "fill"]),
    ({"action": "reorder", "count": 3}, ["fill", "new", "pending_new"]),
    ({"action": "delay", "event": "pending_new", "seconds": 0.05}, ["new", "fill", "pending_new"]),
]


@pytest.mark.parametrize(("fault", "expected"), FRAME_FAULTS)
def test_frames_are_dropped_doubled_mixed_and_late(fault, expected, fresh):
    fresh.control.stream_fault(**fault)
    with listener(fresh) as socket:
        send(fresh)
        assert events(socket, len(expected)) == expected


def test_held_frames_come_when_they_are_released(fresh):
    fresh.control.stream_fault(action="hold", count=3)
    with listener(fresh) as socket:
        send(fresh)
        assert silent(fresh, socket)
        assert fresh.control.stream_release(order="reverse") == {"frames": 3}
        assert events(socket, 3) == ["fill", "new", "pending_new"]


def test_a_mute_stream_stays_connected_and_says_nothing(fresh):
    with listener(fresh) as socket:
        fresh.control.stream_mute()
        send(fresh)
        assert silent(fresh, socket)
        fresh.control.stream_mute(muted=False)
        send(fresh, symbol="MSFT")
        assert hear(socket)["data"]["order"]["symbol"] == "MSFT"


def test_raw_frames_go_out_as_they_are(fresh):
    with listener(fresh) as socket:
        fresh.control.stream_send(text="{not json")
        fresh.control.stream_send(data=base64.b64encode(b"\x82\xa1").decode())
        assert [socket.recv(timeout=PATIENCE_S), socket.recv(timeout=PATIENCE_S)] == [
            "{not json",
            b"\x82\xa1",
        ]


@pytest.mark.parametrize("code", [1000, 1011, 4000])
def test_a_stream_is_closed_with_a_code(code, fresh):
    with listener(fresh) as socket:
        fresh.control.stream_close(code=code)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=PATIENCE_S)
    assert closed.value.rcvd.code == code


def test_a_stream_is_reset_without_a_close_frame(fresh):
    with listener(fresh) as socket:
        fresh.control.stream_reset()
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=PATIENCE_S)
    assert closed.value.rcvd is None


def test_a_handshake_is_refused_as_often_as_told(fresh):
    fresh.control.stream_refuse(status=429, count=2)
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused, connect(fresh.ws_url):
            pass
        assert refused.value.response.status_code == 429
    with listener(fresh) as socket:
        assert socket.status == "authorized"
    assert [item["status"] for item in fresh.control.log()] == [429, 429, 101]


def test_a_second_connection_can_be_forbidden(fresh):
    fresh.control.connections(single=True)
    with listener(fresh), pytest.raises(InvalidStatus), connect(fresh.ws_url):
        pass


def test_an_event_may_overtake_the_answer(fresh):
    fresh.control.http_fault(route="POST /v2/orders", action="stall", when="after", seconds=0.2)
    with listener(fresh) as socket:
        body = json.dumps(ORDER)
        with contextlib.suppress(requests.Timeout):
            requests.post(f"{fresh.url}/v2/orders", data=body, headers=HEADERS, timeout=(PATIENCE_S, 0.05))
        assert events(socket, 3) == ["pending_new", "new", "fill"]


ERRORS = [
    ([{"action": "subscribe", "bars": ["AAPL"]}], 401),
    ([{"action": "auth", "key": "PKABCDEFGHIJKLMNOPQR", "secret": "x"}], 402),
    ([{"action": "auth", "key": "key", "secret": "x"}, {"action": "auth", "key": "key", "secret": "x"}], 403),
    ([{"action": "auth", "key": "key", "secret": "x"}, {"action": "sing"}], 400),
]


@pytest.mark.parametrize(("messages", "code"), ERRORS)
def test_the_data_stream_has_error_codes(messages, code, fresh):
    with connect(fresh.data_ws_url, additional_headers={"Content-Type": "application/msgpack"}) as socket:
        assert msgpack.unpackb(socket.recv(timeout=PATIENCE_S))[0]["msg"] == "connected"
        for message in messages:
            socket.send(msgpack.packb(message))
            answer = msgpack.unpackb(socket.recv(timeout=PATIENCE_S))[0]
    assert (answer["T"], answer["code"]) == ("error", code)


FAULTS = st.builds(
    FrameFault,
    st.sampled_from(["drop", "duplicate", "delay", "hold", "reorder"]),
    event=st.sampled_from([None, "fill"]),
    count=st.integers(0, 4),
    skip=st.integers(0, 3),
    order=st.sampled_from(["reverse", "shuffle"]),
)


@given(rules=st.lists(FAULTS, max_size=3), names=st.lists(st.sampled_from(["new", "fill"]), max_size=12))
def test_the_filter_neither_makes_nor_loses_frames_but_as_told(rules, names):
    wire = FrameFilter(7)
    wire.rules = rules
    frames = [Frame("trading", name, number) for number, name in enumerate(names)]
    out = [sent for frame in frames for sent in wire.pass_on(frame)] + wire.release()
    sent = [frame.body for frame in out]
    assert set(sent) <= set(range(len(names)))
    if not any(rule.action in ("drop", "duplicate") for rule in rules):
        assert sorted(sent) == list(range(len(names)))
    if not any(rule.action in ("duplicate",) for rule in rules):
        assert len(set(sent)) == len(sent)
