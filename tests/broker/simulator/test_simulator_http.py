"""What can go wrong between a client and the API, and that each fault does exactly that: by raw HTTP."""

import json
import socket
from threading import Thread

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from broker.simulator.harness import ControlError
from broker.simulator.serving.core import Keys, looks_real
from broker.simulator.serving.faults import Faults, HttpFault, RateLimit, edited
from helpers.waiting import PATIENCE_S, until

pytestmark = pytest.mark.enable_socket
HEADERS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
ORDER = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}


@pytest.fixture
def api(simulator):
    simulator.control.restore()
    simulator.control.keys()
    simulator.control.rate_limit(per_minute=0)
    simulator.control.clear_log()
    with requests.Session() as session:
        session.headers.update(HEADERS)
        yield lambda method, path, **how: session.request(
            method, simulator.url + path, timeout=PATIENCE_S, allow_redirects=False, **how
        )


def orders(simulator):
    return [order["client_order_id"] for order in simulator.control.state()["orders"]]


ANSWERS = {
    "status": lambda answer: answer.status_code == 503 and answer.json()["message"] == "injected fault",
    "empty": lambda answer: answer.status_code == 200 and answer.content == b"",
    "html": lambda answer: answer.status_code == 503 and "<html>" in answer.text,
    "redirect": lambda answer: answer.status_code == 301 and "127.0.0.1" in answer.headers["Location"],
    "body": lambda answer: answer.status_code == 503 and answer.text == "{",
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", ANSWERS)
def test_a_wrong_answer_comes_before_or_after_acceptance(action, when, api, simulator):
    body = "{" if action == "body" else None
    simulator.control.http_fault(route="POST /v2/orders", action=action, when=when, status=503, body=body)
    answer = api("POST", "/v2/orders", json={**ORDER, "client_order_id": "a"})
    assert ANSWERS[action](answer), (answer.status_code, answer.text)
    assert orders(simulator) == (["a"] if when == "after" else [])
    assert api("POST", "/v2/orders", json={**ORDER, "client_order_id": "b"}).status_code == 200


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", ["reset", "truncate"])
def test_a_broken_connection_comes_before_or_after_acceptance(action, when, api, simulator):
    simulator.control.http_fault(route="POST /v2/orders", action=action, when=when)
    with pytest.raises(requests.RequestException):
        api("POST", "/v2/orders", json={**ORDER, "client_order_id": "a"})
    assert orders(simulator) == (["a"] if when == "after" else [])


def test_a_stalled_answer_is_not_in_the_log_that_begins_before_it_ends(api, simulator):
    simulator.control.http_fault(route="POST /v2/orders", action="stall", when="after", seconds=0.5)
    caller = Thread(
        target=api, args=("POST", "/v2/orders"), kwargs={"json": {**ORDER, "client_order_id": "a"}}
    )
    caller.start()
    until(lambda: orders(simulator))
    simulator.control.clear_log()
    caller.join()
    assert [line for line in simulator.control.log() if line["method"] == "POST"] == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stalled_request_is_answered_in_the_end(when, api, simulator):
    simulator.control.http_fault(route="POST /v2/orders", action="stall", when=when, seconds=0.01)
    assert api("POST", "/v2/orders", json={**ORDER, "client_order_id": "a"}).status_code == 200
    assert orders(simulator) == ["a"]


def test_a_client_that_gave_up_finds_its_order_after_all(api, simulator):
    simulator.control.http_fault(route="POST /v2/orders", action="stall", when="after", seconds=0.5)
    url, body = f"{simulator.url}/v2/orders", {**ORDER, "client_order_id": "a"}
    with pytest.raises(requests.Timeout):
        requests.post(url, json=body, headers=HEADERS, timeout=(PATIENCE_S, 0.05))
    assert until(lambda: orders(simulator)) == ["a"]


def test_a_dripping_answer_is_whole_for_the_patient(api, simulator):
    simulator.control.http_fault(route="GET /v2/clock", action="drip", when="after", seconds=0.0)
    assert api("GET", "/v2/clock").json()["is_open"] is True


def test_an_edited_answer_shows_other_values(api, simulator):
    simulator.control.http_fault(
        route="GET /v2/orders*", action="edit", body={"status": "pending_review"}, count=2
    )
    api("POST", "/v2/orders", json={**ORDER, "client_order_id": "a"})
    found = api("GET", "/v2/orders:by_client_order_id", params={"client_order_id": "a"}).json()
    assert (found["status"], found["filled_qty"]) == ("pending_review", "1")
    assert api("GET", "/v2/orders", params={"status": "all"}).json()[0]["status"] == "pending_review"


def test_a_pager_can_be_made_to_go_in_circles(api, simulator):
    simulator.control.advance(to="2026-03-06T17:00:00-05:00")
    query = {"symbols": "AAPL", "timeframe": "1Day", "start": "2026-03-01", "limit": 1}
    token = api("GET", "/v2/stocks/bars", params=query).json()["next_page_token"]
    rule = {"route": "GET /v2/stocks/bars", "action": "edit", "body": {"next_page_token": "$page_token"}}
    simulator.control.http_fault(**rule, count=None)
    again = api("GET", "/v2/stocks/bars", params={**query, "page_token": token}).json()
    assert again["next_page_token"] == token


def test_bars_can_be_null(api, simulator):
    simulator.control.http_fault(route="GET /v2/stocks/bars", action="edit", body={"bars": None})
    answer = api("GET", "/v2/stocks/bars", params={"symbols": "AAPL", "timeframe": "1Day"})
    assert answer.json()["bars"] is None


DOCTORED = [
    ("drop", [100.0, 102.0]),
    ("duplicate", [100.0, 101.0, 101.0, 102.0]),
    ({"o": "-1"}, [100.0, -1.0, 102.0]),
    ({"o": "Infinity"}, [100.0, float("inf"), 102.0]),
]


@pytest.mark.parametrize(("change", "opens"), DOCTORED)
def test_bars_can_be_spoilt(change, opens, api, simulator):
    simulator.control.advance(to="2026-03-04T17:00:00-05:00")
    simulator.control.doctor_bars(symbol="AAPL", day="2026-03-03", change=change)
    query = {"symbols": "AAPL", "timeframe": "1Day", "start": "2026-03-01"}
    shown = api("GET", "/v2/stocks/bars", params=query).json()["bars"]["AAPL"]
    assert [bar["o"] for bar in shown] == opens
    simulator.control.doctor_bars(symbol="AAPL", day="2026-03-03", change=None)
    assert len(api("GET", "/v2/stocks/bars", params=query).json()["bars"]["AAPL"]) == 3


def test_a_lagging_index_hides_an_order_at_first(api, simulator):
    simulator.control.index_delay(lookups=2, lists=True)
    api("POST", "/v2/orders", json={**ORDER, "client_order_id": "a"})
    query = {"params": {"client_order_id": "a"}}
    assert api("GET", "/v2/orders", params={"status": "all"}).json() == []
    found = [api("GET", "/v2/orders:by_client_order_id", **query).status_code for _ in range(3)]
    assert found == [404, 404, 200]
    assert len(api("GET", "/v2/orders", params={"status": "all"}).json()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"APCA-API-KEY-ID": "key"},
        {"APCA-API-KEY-ID": "PKABCDEFGHIJKLMNOPQR", "APCA-API-SECRET-KEY": "x"},
        {"APCA-API-KEY-ID": "AK1234567890ABCDEFGH", "APCA-API-SECRET-KEY": "x"},
    ],
)
def test_without_a_made_up_key_the_answer_is_401(headers, api, simulator):
    answer = requests.get(f"{simulator.url}/v2/account", headers=headers, timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})


def test_one_key_pair_can_be_required_and_revoked(api, simulator):
    simulator.control.keys(key="key", secret="other")
    assert api("GET", "/v2/account").status_code == 401
    simulator.control.keys(key="key", secret="secret")
    assert api("GET", "/v2/account").status_code == 200
    simulator.control.keys(key="key", secret="secret", revoked=True)
    assert api("GET", "/v2/account").status_code == 401


def test_one_request_too_many_is_429_with_headers(api, simulator):
    simulator.control.rate_limit(per_minute=2)
    answers = [api("GET", "/v2/clock") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert int(answers[2].headers["X-RateLimit-Reset"]) > 1_700_000_000


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:80"])
def test_another_host_name_is_misdirected(host, api, simulator):
    assert api("GET", "/v2/clock", headers={"Host": host}).status_code == 421
    assert (
        requests.get(f"{simulator.control_url}/state", headers={"Host": host}, timeout=PATIENCE_S).status_code
        == 421
    )


def test_the_control_port_takes_json_only(simulator):
    answer = requests.post(f"{simulator.control_url}/advance", data='{"to": "open"}', timeout=PATIENCE_S)
    assert answer.status_code == 415


def test_the_control_api_is_not_on_the_api_port(api):
    assert api("POST", "/advance", json={"to": "open"}).status_code == 404
    assert api("GET", "/state").status_code == 404


WRONG_COMMANDS = [
    ("fly", {}, "no command"),
    ("advance", {}, "one of `to` and `seconds`"),
    ("advance", {"to": "2020-01-01"}, "set_clock"),
    ("advance", {"wings": 2}, "wings"),
    ("http_fault", {"route": "GET /v2/clock", "action": "sing"}, "sing"),
    ("http_fault", {"route": "GET /v2/clock", "when": "during"}, "during"),
    ("stream_fault", {"action": "sing"}, "sing"),
    ("restore", {"name": "never"}, "never"),
    ("order_status", {"order": "x", "status": "new"}, "not found"),
    ("cancel_race", {"kind": "draw"}, "draw"),
    ("calendar", {"day": "2026-03-09", "open": "16:00", "close": "09:30"}, "opens at"),
    ("doctor_bars", {"symbol": "AAPL", "day": "2026-03-02", "change": "sing"}, "change must be"),
    ("split", {"symbol": "AAPL", "new": 0}, "at least 1"),
    ("keys", {"key": "PKABCDEFGHIJKLMNOPQR", "secret": "x"}, "real Alpaca account"),
]


@pytest.mark.parametrize(("name", "body", "text"), WRONG_COMMANDS)
def test_a_wrong_command_says_what_is_wrong(name, body, text, simulator):
    with pytest.raises(ControlError, match=text):
        simulator.control.command(name, **body)


def test_the_log_tells_what_was_accepted_and_what_was_spoilt(api, simulator):
    simulator.control.http_fault(route="POST /v2/orders", action="reset", when="after")
    with pytest.raises(requests.RequestException):
        api("POST", "/v2/orders", json=ORDER)
    api("POST", "/v2/orders", json={**ORDER, "qty": "-1"})
    first, second = simulator.control.log()
    assert (first["accepted"], first["fault"], first["body"]) == (True, "after: reset", ORDER)
    assert (second["accepted"], second["fault"], second["status"]) == (False, None, 422)
    assert first["order_id"] == simulator.control.state()["orders"][0]["id"]


@pytest.mark.parametrize("body", ["{", "[]", '{"symbol": NaN}', "[" * 5000, '"' + "x" * 2000])
def test_a_body_that_is_no_order_is_refused(body, api):
    assert api("POST", "/v2/orders", data=body, headers={"Content-Type": "application/json"}).status_code in (
        400,
        422,
    )


def test_a_number_keeps_every_digit(api):
    body = json.dumps({**ORDER, "type": "limit", "limit_price": 0}).replace(": 0}", ": 50.10}")
    shown = api("POST", "/v2/orders", data=body, headers={"Content-Type": "application/json"}).json()
    assert (shown["limit_price"], shown["qty"]) == ("50.1", "1")


def test_only_loopback_is_listening(simulator):
    port = int(simulator.url.rpartition(":")[2])
    for address in {item[4][0] for item in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}:
        if not address.startswith("127."):
            with socket.socket() as probe:
                probe.settimeout(1)
                assert probe.connect_ex((address, port)) != 0


@given(skip=st.integers(0, 5), count=st.integers(0, 5), tries=st.integers(0, 15))
def test_a_fault_hits_as_often_as_it_says(skip, count, tries):
    faults = Faults()
    faults.rules.append(HttpFault("GET /v2/clock", skip=skip, count=count))
    hits = [faults.take("GET", "/v2/clock") is not None for _ in range(tries)]
    assert hits == ([False] * skip + [True] * count + [False] * tries)[:tries]


def test_a_fault_by_chance_is_the_same_for_the_same_seed():
    def hits(seed):
        faults = Faults(seed)
        faults.rules.append(HttpFault("* /v2/*", probability=0.5, count=None))
        return [faults.take("GET", "/v2/clock") is not None for _ in range(50)]

    assert hits(1) == hits(1) != hits(2)
    assert 10 < sum(hits(1)) < 40


@pytest.mark.parametrize(
    ("route", "method", "path", "hit"),
    [
        ("POST /v2/orders", "POST", "/v2/orders", True),
        ("POST /v2/orders", "GET", "/v2/orders", False),
        ("* /v2/orders*", "GET", "/v2/orders:by_client_order_id", True),
        ("GET /v2/*", "GET", "/v1beta1/news", False),
    ],
)
def test_a_route_is_matched_by_wildcards(route, method, path, hit):
    assert HttpFault(route).hits(0, method, path) is hit


@given(limit=st.integers(1, 20), times=st.lists(st.floats(0, 300), max_size=60).map(sorted))
def test_no_minute_has_more_requests_than_the_limit(limit, times):
    rate = RateLimit(limit)
    rate.began = -60.0
    windows = {}
    for now in times:
        if rate.take(now):
            windows[rate.began] = windows.get(rate.began, 0) + 1
    assert all(used <= limit for used in windows.values())
    assert all(
        later - earlier >= 60 for earlier, later in zip(sorted(windows), sorted(windows)[1:], strict=False)
    )


def test_an_edit_leaves_the_token_alone_where_the_request_had_none():
    assert edited({"next_page_token": "x"}, {"next_page_token": "$page_token"}, None) == {
        "next_page_token": "x"
    }


@pytest.mark.parametrize("key", ["PKABCDEFGHIJKLMNOPQR", "pkabcdefghijklmnopqr", "AKABCDEFGHIJ123456"])
def test_a_key_that_looks_real_cannot_even_be_configured(key):
    assert looks_real(key)
    with pytest.raises(ValueError, match="made-up keys") as error:
        Keys(key, "secret")
    assert key not in str(error.value)


@pytest.mark.parametrize("key", ["key", "PK", "simulator", "PK-not-a-real-one-at-all"])
def test_a_made_up_key_is_let_in(key):
    assert Keys().accept(key, "secret")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1beta1/options/bars", 501),
        ("/v1beta3/crypto/us/latest/orderbooks", 501),
        ("/v1beta1/screener/stocks/movers", 501),
        ("/v2/nothing", 404),
        ("/v1beta3/cryptozoology", 404),
    ],
)
def test_what_alpaca_has_and_is_not_modelled_is_not_taken_for_alpacas_own_answer(simulator, path, status):
    answer = requests.get(simulator.url + path, headers=HEADERS, timeout=PATIENCE_S)
    assert answer.status_code == status
    if status == 501:
        assert "does not model" in answer.json()["message"]
        assert "GET /v2/stocks/bars" in answer.json()["modelled"]
