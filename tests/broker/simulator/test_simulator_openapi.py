"""Every body that the simulator answers with is valid against Alpaca's OpenAPI files and as full as recorded ones."""

import json
import os
from pathlib import Path
from uuid import UUID

import pytest
import requests
from jsonschema import Draft4Validator, FormatChecker

from broker.simulator.values import parse_instant

pytestmark = pytest.mark.enable_socket
DATA = Path(os.environ.get("FOREWALK_SHARED_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
FILES = {
    "trading": DATA.parent / "alpaca" / "trading-api.mcp-server.json",
    "data": DATA.parent / "alpaca" / "market-data-api.mcp-server.json",
}
RECORDED = DATA / "payloads" / "alpaca"
HEADERS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
SINCE = {"start": "2026-03-01"}
BARS = {"symbols": "AAPL,MSFT", "timeframe": "1Day", **SINCE}

FORMATS = FormatChecker(formats=())
FORMATS.checks("date-time", raises=Exception)(lambda text: text is None or bool(parse_instant(text)))
FORMATS.checks("uuid", raises=ValueError)(lambda text: text is None or bool(UUID(text)))


def nullable(schema):
    """Return the schema with OpenAPI 3.0's `nullable` said in the words of JSON Schema.

    `oneOf` becomes `anyOf`: nothing is required of either kind of activity, so the file's own examples are both.
    """
    if isinstance(schema, list):
        return [nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        {"oneOf": "anyOf"}.get(key, key): nullable(value)
        for key, value in schema.items()
        if key not in ("example", "nullable")
    }
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


@pytest.fixture(scope="session")
def specifications():
    missing = [str(path) for path in FILES.values() if not path.is_file()]
    if missing:
        pytest.skip(f"no OpenAPI files at {', '.join(missing)}")
    return {name: nullable(json.loads(path.read_text())) for name, path in FILES.items()}


@pytest.fixture(scope="module")
def session(simulator):
    """An account with positions, fills, open and closed orders, a watchlist, a split and news."""
    control = simulator.control
    control.advance(to="2026-03-04T10:00:00-05:00")
    with requests.Session() as session:
        session.headers.update(HEADERS)
        for fields in ORDERS:
            body = {
                "symbol": "AAPL",
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
                "qty": "4",
                **fields,
            }
            assert session.post(f"{simulator.url}/v2/orders", json=body).status_code == 200
        session.post(f"{simulator.url}/v2/watchlists", json={"name": "mine", "symbols": ["AAPL"]})
        control.split(symbol="AAPL", new=2)
        control.split(symbol="MSFT", new=1, old=3)
        control.dividend(symbol="AAPL", rate="0.25", day="2026-03-04", paid=True)
        control.dividend(symbol="MSFT", rate="0.5")
        control.news(articles=[{"symbols": ["AAPL"]}, {"symbols": []}])
        yield session


ORDERS = (
    {},
    {"symbol": "MSFT", "side": "sell", "client_order_id": "short"},
    {"qty": None, "notional": "100.5"},
    {"type": "limit", "limit_price": "50.25", "time_in_force": "gtc", "client_order_id": "resting"},
    {"type": "trailing_stop", "trail_price": "70", "time_in_force": "gtc"},
    {
        "order_class": "bracket",
        "take_profit": {"limit_price": "150"},
        "stop_loss": {"stop_price": "50", "limit_price": "49"},
        "client_order_id": "bracket",
    },
)
ORDER_ID = "{order_id}"
CALLS = [
    ("trading", "get", "/v2/account", {}),
    ("trading", "get", "/v2/account/configurations", {}),
    ("trading", "patch", "/v2/account/configurations", {"json": {"no_shorting": False}}),
    ("trading", "get", "/v2/account/portfolio/history", {"params": {"period": "1D", "timeframe": "15Min"}}),
    ("trading", "get", "/v2/account/activities/{activity_type}", {"path": {"activity_type": "FILL"}}),
    ("trading", "get", "/v2/account/activities", {}),
    ("trading", "get", "/v2/clock", {}),
    ("trading", "get", "/v2/calendar", {"params": {"start": "2026-11-01", "end": "2026-12-31"}}),
    ("trading", "get", "/v2/assets", {}),
    ("trading", "get", "/v2/assets/{symbol_or_asset_id}", {"path": {"symbol_or_asset_id": "AAPL"}}),
    (
        "trading",
        "post",
        "/v2/orders",
        {
            "json": {
                "symbol": "MSFT",
                "side": "buy",
                "type": "limit",
                "qty": "1",
                "limit_price": "60",
                "time_in_force": "gtc",
            }
        },
    ),
    ("trading", "get", "/v2/orders", {"params": {"status": "all", "nested": "true"}}),
    ("trading", "get", "/v2/orders:by_client_order_id", {"params": {"client_order_id": "short"}}),
    ("trading", "get", "/v2/orders/{order_id}", {"order": "bracket", "params": {"nested": "true"}}),
    ("trading", "patch", "/v2/orders/{order_id}", {"order": "resting", "json": {"limit_price": "51"}}),
    ("trading", "get", "/v2/positions", {}),
    ("trading", "get", "/v2/positions/{symbol_or_asset_id}", {"path": {"symbol_or_asset_id": "MSFT"}}),
    ("trading", "get", "/v2/watchlists", {}),
    ("trading", "get", "/v2/corporate_actions/announcements", {}),
    ("trading", "get", "/v2/options/contracts", {}),
    ("data", "get", "/v2/stocks/bars", {"params": BARS}),
    ("data", "get", "/v2/stocks/bars", {"params": {**BARS, "limit": "1"}}),
    ("data", "get", "/v2/stocks/trades", {"params": {"symbols": "AAPL", **SINCE}}),
    ("data", "get", "/v2/stocks/quotes", {"params": {"symbols": "AAPL", **SINCE}}),
    ("data", "get", "/v2/stocks/snapshots", {"params": {"symbols": "AAPL,MSFT"}}),
    ("data", "get", "/v2/stocks/bars/latest", {"params": {"symbols": "AAPL"}}),
    ("data", "get", "/v2/stocks/trades/latest", {"params": {"symbols": "AAPL"}}),
    ("data", "get", "/v2/stocks/quotes/latest", {"params": {"symbols": "AAPL"}}),
    ("data", "get", "/v2/stocks/{symbol}/bars", {"path": {"symbol": "AAPL"}, "params": BARS}),
    ("data", "get", "/v2/stocks/{symbol}/trades", {"path": {"symbol": "AAPL"}, "params": SINCE}),
    ("data", "get", "/v2/stocks/{symbol}/quotes", {"path": {"symbol": "AAPL"}, "params": SINCE}),
    ("data", "get", "/v2/stocks/{symbol}/snapshot", {"path": {"symbol": "AAPL"}}),
    ("data", "get", "/v2/stocks/{symbol}/bars/latest", {"path": {"symbol": "AAPL"}}),
    ("data", "get", "/v2/stocks/{symbol}/trades/latest", {"path": {"symbol": "AAPL"}}),
    ("data", "get", "/v2/stocks/{symbol}/quotes/latest", {"path": {"symbol": "AAPL"}}),
    (
        "data",
        "get",
        "/v1/corporate-actions",
        {"params": {"symbols": "AAPL,MSFT", "end": "2026-12-31", **SINCE}},
    ),
    ("data", "get", "/v1/corporate-actions", {"params": {"end": "2026-12-31", "limit": "1", **SINCE}}),
    ("data", "get", "/v1beta1/news", {"params": {"include_content": "true"}}),
    (
        "trading",
        "delete",
        "/v2/positions/{symbol_or_asset_id}",
        {"path": {"symbol_or_asset_id": "MSFT"}, "params": {"qty": "3"}},
    ),
    ("trading", "delete", "/v2/orders", {}),
    ("trading", "delete", "/v2/positions", {}),
]


@pytest.mark.parametrize(("api", "method", "path", "how"), CALLS, ids=[f"{m} {p}" for _, m, p, _ in CALLS])
def test_a_body_is_valid_and_not_empty(api, method, path, how, specifications, session, simulator):
    answer = ask(session, simulator.url, method, path, how)
    specification = specifications[api]
    responses = specification["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    checker = Draft4Validator({**schema, "components": specification["components"]}, format_checker=FORMATS)
    assert [error.message for error in checker.iter_errors(answer.json())] == []
    assert answer.json() or path == "/v2/options/contracts"


def ask(session, url, method, path, how):
    names = dict(how.get("path", {}))
    if "order" in how:
        found = session.get(f"{url}/v2/orders:by_client_order_id", params={"client_order_id": how["order"]})
        names["order_id"] = found.json()["id"]
    return session.request(method, url + path.format(**names), params=how.get("params"), json=how.get("json"))


def test_an_order_has_every_field_that_the_real_one_has(session, simulator):
    recorded = read_recorded("mcp_trading__get_v2_orders__200__Equity.json")
    shown = session.get(f"{simulator.url}/v2/orders", params={"status": "all"}).json()[0]
    assert set(recorded) - set(shown) == set()
    assert shown["order_class"] == recorded["order_class"] == ""
    for name in set(recorded) & set(shown):
        if recorded[name] is not None and shown[name] is not None:
            assert type(shown[name]) is type(recorded[name]), name


def test_an_account_has_every_field_that_the_real_one_has(session, simulator):
    gone = {"daytrade_count", "daytrading_buying_power", "pattern_day_trader", "bod_dtbp"}
    recorded = read_recorded("mcp_trading__get_v2_account__200__example.json")
    shown = session.get(f"{simulator.url}/v2/account").json()
    assert set(recorded) - set(shown) == gone
    assert {name for name in gone if name in shown} == set()


def read_recorded(name):
    if not (RECORDED / name).is_file():
        pytest.skip(f"no recorded body at {RECORDED / name}")
    return json.loads((RECORDED / name).read_text())
