"""alpaca-py's traps, each closed, against a scripted server on loopback."""

import json
import logging
import threading
import traceback
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from alpaca.trading.client import TradingClient

from broker.alpaca.client import AlpacaPaper
from broker.alpaca.http import Http
from broker.errors import MustHalt, OutcomeUnknown, RateLimited, Refused, Unreachable
from broker.hosts import DATA_HOST, PAPER_HOST, checked_url, stream_url
from broker.keys import Keys, RedactingFormatter, read_keys, redacted, register_secret
from broker.values import OrderRequest
from forewalk.errors import ConfigError, DataError
from helpers.scripted_server import Answer, ScriptedServer
from helpers.waiting import PATIENCE_S

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

SECRET = "canary-secret-4711"
KEYS = Keys("SIM-key-0815", SECRET)
ORDER = {
    "id": "broker-1",
    "client_order_id": "c-1",
    "symbol": "AAPL",
    "side": "buy",
    "qty": "10",
    "filled_qty": "0",
    "status": "pending_new",
    "type": "market",
}
REQUEST = OrderRequest("c-1", "AAPL", "buy", Decimal(10))
DAY = datetime(2026, 11, 20, tzinfo=UTC)
DUPLICATE = {"code": 40010001, "message": "client_order_id must be unique"}
GENERIC = {"code": 40010001, "message": "qty must be integer"}


@pytest.fixture
def server(socket_enabled):
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def alpaca(server):
    return AlpacaPaper(KEYS, server.url, server.url, timeout_s=PATIENCE_S)


@pytest.fixture
def hasty(server):
    """A client that gives up soon."""
    return AlpacaPaper(KEYS, server.url, server.url, timeout_s=1.0)


def test_an_order_is_posted_once_with_text_for_numbers(server, alpaca):
    server.say(Answer(ORDER))
    assert alpaca.submit(REQUEST).status == "pending_new"
    ((_, path, _, body),) = server.asked("POST")
    assert path == "/v2/orders"
    assert json.loads(body)["qty"] == "10"
    assert json.loads(body)["client_order_id"] == "c-1"


@pytest.mark.parametrize("status", [404, 405, 409, 500, 502, 503, 504])
def test_an_answer_that_says_neither_yes_nor_no_leaves_the_outcome_unknown(server, alpaca, status):
    server.say(Answer({"message": "?"}, status))
    with pytest.raises(OutcomeUnknown, match="c-1"):
        alpaca.submit(REQUEST)
    assert len(server.asked("POST")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b""),
        Answer(b"<html>bad gateway</html>"),
        Answer(b'{"id": "broker-1", "client_'),
        Answer(b"", 301, {"Location": "http://127.0.0.1:1/v2/orders"}),
        Answer(b"\xff\xfe\x00"),
        Answer([]),
        Answer({"id": "broker-1"}),
        Answer(ORDER, declared_length=100_000),
        "reset",
    ],
    ids=["empty", "html", "truncated", "301", "binary", "list", "no status", "cut off", "reset"],
)
def test_an_unreadable_yes_leaves_the_outcome_unknown(server, alpaca, answer):
    server.say(answer)
    with pytest.raises(OutcomeUnknown):
        alpaca.submit(REQUEST)
    assert len(server.asked()) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"code": 40310000, "message": "insufficient buying power", "buying_power": "1"}),
        (403, {"code": 40310000, "message": "new orders are rejected by user request"}),
        (422, GENERIC),
        (422, {"code": 42210000, "message": "sub-penny increment does not fulfill minimum pricing criteria"}),
        (400, {"message": "bad request"}),
    ],
)
def test_a_definite_no_is_told_as_it_is_and_not_tried_again(server, alpaca, status, body):
    server.say(Answer(body, status))
    with pytest.raises(Refused) as no:
        alpaca.submit(REQUEST)
    assert (no.value.status, no.value.message, no.value.is_duplicate_id) == (status, body["message"], False)
    assert no.value.body == body
    assert len(server.asked()) == 1


def test_only_the_message_makes_a_422_a_duplicate(server, alpaca):
    server.say(Answer(DUPLICATE, 422))
    with pytest.raises(Refused) as no:
        alpaca.submit(REQUEST)
    assert no.value.is_duplicate_id


@pytest.mark.parametrize("status", [400, 403])
def test_the_message_alone_makes_no_duplicate(server, alpaca, status):
    server.say(Answer(DUPLICATE, status))
    with pytest.raises(Refused) as no:
        alpaca.submit(REQUEST)
    assert not no.value.is_duplicate_id


def test_refused_keys_halt_and_stay_secret(server, alpaca):
    server.say(Answer({"message": f"unauthorized. {SECRET}"}, 401))
    register_secret(SECRET)
    with pytest.raises(MustHalt) as halt:
        alpaca.account()
    shown = "".join(traceback.format_exception(halt.value)) + repr(alpaca) + repr(Keys("SIM-key", SECRET))
    assert SECRET not in shown
    assert halt.value.__context__ is None


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"X-RateLimit-Reset": "1000000010", "Date": "Sun, 09 Sep 2001 01:46:40 GMT"}, 10.0),
        ({}, 1.0),
        ({"Retry-After": "tomorrow"}, 1.0),
        ({"Retry-After": "86400"}, 60.0),
    ],
)
def test_the_rate_limit_says_how_long_to_wait(server, alpaca, headers, wait):
    server.say(Answer({"message": "too many requests"}, 429, headers))
    with pytest.raises(RateLimited) as limited:
        alpaca.submit(REQUEST)
    assert limited.value.after_s == wait


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_not_repeated_behind_our_back(server, alpaca, status):
    server.say(Answer({"message": "?"}, status))
    with pytest.raises(Unreachable):
        alpaca.clock()
    assert len(server.asked()) == 1


def test_a_server_that_hangs_is_given_up(server, hasty):
    server.say(Answer(ORDER, hang=server.released))
    with pytest.raises(OutcomeUnknown):
        hasty.submit(REQUEST)


def test_a_server_that_drips_is_given_up(server, hasty):
    server.say(Answer(ORDER, drip=server.released))
    with pytest.raises(OutcomeUnknown, match="no answer within"):
        hasty.submit(REQUEST)
    server.say(Answer(ORDER))
    assert hasty.order_by_client_id("c-1").id == "broker-1"


def test_nobody_there_is_unreachable(server, alpaca):
    server.close()
    with pytest.raises(Unreachable):
        alpaca.account()


def test_proxies_and_netrc_of_the_environment_are_ignored(server, alpaca, monkeypatch, tmp_path):
    trap = ScriptedServer()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, trap.url)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password thief\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.say(Answer(ORDER))
    alpaca.submit(REQUEST)
    assert trap.asked() == []
    assert "Authorization" not in server.asked()[0][2]
    trap.close()


def test_an_unknown_order_is_none_and_an_id_survives_the_query(server, alpaca):
    server.say(Answer({"code": 40410000, "message": "order not found"}, 404))
    assert alpaca.order_by_client_id("s/1:KO?&=#x") is None
    assert server.asked()[0][1] == "/v2/orders:by_client_order_id?client_order_id=s%2F1%3AKO%3F%26%3D%23x"


@pytest.mark.parametrize(("status", "cancelled"), [(204, True), (422, False), (404, False)])
def test_a_cancellation_that_comes_too_late_is_no_error(server, alpaca, status, cancelled):
    server.say(Answer(b"" if status == 204 else {"message": "order is not cancelable"}, status))
    assert alpaca.cancel("broker-1") is cancelled


def bars_page(token, symbol="AAPL"):
    bar = {"t": "2026-11-19T05:00:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 3}
    return Answer({"bars": {symbol: [bar]}, "next_page_token": token})


def ask_bars(alpaca):
    return alpaca.bars(["AAPL", "IBM"], "1d", DAY, DAY, "all")


def test_bars_are_read_to_the_last_page(server, alpaca):
    server.say(bars_page("a"), bars_page("b"), bars_page(None, "IBM"))
    assert {symbol: len(bars) for symbol, bars in ask_bars(alpaca).items()} == {"AAPL": 2, "IBM": 1}
    assert "page_token=b" in server.asked()[-1][1]


def test_a_page_token_that_repeats_is_never_a_short_history(server, alpaca):
    server.say(*[bars_page("a") for _ in range(5)])
    with pytest.raises(DataError, match="repeat"):
        ask_bars(alpaca)


def test_a_page_that_fails_is_never_a_short_history(server, alpaca):
    server.say(bars_page("a"), Answer({"message": "?"}, 500))
    with pytest.raises(Unreachable):
        ask_bars(alpaca)


def test_no_bars_at_all_are_empty_lists(server, alpaca):
    server.say(Answer({"bars": None, "next_page_token": None}))
    assert ask_bars(alpaca) == {"AAPL": [], "IBM": []}


def test_a_last_trade_that_is_no_price_is_left_out(server, alpaca):
    trades = {"AAPL": {"p": 200.5}, "IBM": {"p": 0}, "MSFT": {"p": None}, "GOOG": {"p": -1}}
    server.say(Answer({"trades": trades}))
    assert {s: p.value for s, p in alpaca.last_prices(trades).items()} == {"AAPL": Decimal("200.5")}


def test_a_time_without_zone_is_never_sent(alpaca):
    with pytest.raises(ValueError, match="without zone"):
        alpaca.orders_since(datetime(2026, 11, 20))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets",
        "https://paper-api.alpaca.markets.evil.example",
        "https://evil.example/paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets@evil.example",
        "https://user:word@paper-api.alpaca.markets",
        "http://paper-api.alpaca.markets",
        "wss://paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets:8443",
        "https://paper-api.alpaca.markets/v2?x=y",
        "https://paper-api.alpaca.markets\\@evil.example",
        "https://p\u0430per-api.alpaca.markets",
        "http://localhost:8080",
        "http://192.168.0.1:8080",
        "http://127.0.0.1.evil.example:80",
        "http://0.0.0.0:80",
        "http://127.0.0.1",
        "file:///etc/passwd",
        "",
        "http://127.0.0.1:99999999",
    ],
)
def test_every_other_host_is_refused_before_any_socket(url):
    with pytest.raises(ConfigError, match=r"no live mode|not a URL"):
        checked_url(url, PAPER_HOST, "live.url")


@pytest.mark.parametrize(
    ("url", "host", "stream"),
    [
        (f"https://{PAPER_HOST}", PAPER_HOST, f"wss://{PAPER_HOST}/stream"),
        (f"https://{PAPER_HOST}/v2/", PAPER_HOST, f"wss://{PAPER_HOST}/stream"),
        ("http://127.0.0.1:8080", DATA_HOST, "ws://127.0.0.1:8080/stream"),
    ],
)
def test_the_paper_host_and_this_machine_are_accepted(url, host, stream):
    assert stream_url(checked_url(url, host, "live.url")) == stream


def test_a_request_never_leaves_for_another_host(server):
    elsewhere = TradingClient("SIM-key-0815", SECRET, raw_data=True, url_override="http://127.0.0.2:9")
    host = Http(lambda: elsewhere, server.url, timeout_s=0.4)
    with pytest.raises(MustHalt, match="refused to send"):
        host.call("GET", "/clock")


GOOD = {"APCA_API_KEY_ID": "PKABC123", "APCA_API_SECRET_KEY": "s3cr3t-of-paper"}


def test_keys_are_read_under_both_names():
    other = {"ALPACA_API_KEY": "PKABC123", "ALPACA_SECRET_KEY": "s3cr3t-of-paper"}
    assert read_keys(GOOD) == read_keys(other) == read_keys(GOOD | other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"APCA_API_KEY_ID": ""}, "no key id"),
        ({"APCA_API_SECRET_KEY": " "}, "no secret key"),
        ({"ALPACA_API_KEY": "PKOTHER9"}, "differ"),
        ({"ALPACA_SECRET_KEY": "another-one"}, "differ"),
        ({"APCA_API_KEY_ID": "AKLIVE99"}, "live account"),
        ({"APCA_API_KEY_ID": "PK ABC"}, "blanks"),
        ({"APCA_API_KEY_ID": "s3cr3t-of-paper", "APCA_API_SECRET_KEY": "PKABC123"}, "swapped"),
    ],
)
def test_keys_that_cannot_be_right_are_refused_without_being_shown(change, message):
    with pytest.raises(ConfigError, match=message) as problem:
        read_keys(GOOD | change)
    assert not any(value in str(problem.value) for value in (GOOD | change).values() if value.strip())


def test_a_log_with_a_traceback_hides_the_secret():
    register_secret(SECRET)
    formatter = RedactingFormatter(logging.Formatter("%(message)s"))
    try:
        raise ValueError(f"headers: {SECRET}")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "sent %s", (SECRET,), __import__("sys").exc_info()
        )
    assert SECRET not in formatter.format(record)
    assert "***" in redacted(f"a{SECRET}b")


def test_the_client_leaves_no_thread_behind_that_holds_the_process(server, hasty):
    server.say(Answer(ORDER, hang=server.released))
    with pytest.raises(OutcomeUnknown):
        hasty.submit(REQUEST)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "http")
