"""Alpaca's recorded bodies, and damaged ones, through our own parser."""

import contextlib
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.alpaca import answers
from broker.alpaca.answers import BadAnswer
from broker.values import OrderRequest, RawPrice

ROOT = Path(__file__).parents[3]
PAYLOADS = (
    Path(os.environ.get("FOREWALK_SHARED_DATA", ROOT / ".." / "shared" / "data")) / "payloads" / "alpaca"
)
ACCOUNT = {"id": "a", "status": "ACTIVE", "equity": "100.5", "cash": "-3", "account_blocked": False}
CLOCK = {
    "timestamp": "2026-11-20T09:30:00.123456789-05:00",
    "is_open": True,
    "next_open": "2026-11-23T09:30:00-05:00",
    "next_close": "2026-11-20T16:00:00-05:00",
}
ORDER = {
    "id": "1",
    "client_order_id": "c",
    "symbol": "AAPL",
    "status": "new",
    "qty": "1.5",
    "filled_qty": "0",
}


def recorded(pattern):
    files = sorted(PAYLOADS.glob(pattern)) if PAYLOADS.is_dir() else []
    return files or [pytest.param(None, marks=pytest.mark.skip(reason=f"no recorded bodies at {PAYLOADS}"))]


@pytest.mark.parametrize(
    "file", recorded("trading__*order_routes__*_order*__0.json"), ids=lambda p: p and p.stem[-30:]
)
def test_every_recorded_order_is_read(file):
    body = json.loads(file.read_text())
    for one in body if isinstance(body, list) else [body]:
        if "client_order_id" in one:
            assert answers.order(one).status == one["status"]


@pytest.mark.parametrize(
    "file", recorded("mcp_trading__*_v2_orders*200__IPO.json"), ids=lambda p: p and p.stem[-30:]
)
def test_an_order_of_a_class_the_sdk_does_not_know_is_read(file):
    body = json.loads(file.read_text())
    assert [answers.order(one).id for one in (body if isinstance(body, list) else [body])]


@pytest.mark.parametrize("file", recorded("*account__*.json"), ids=lambda p: p and p.stem[-30:])
def test_every_recorded_account_is_read(file):
    assert answers.account(json.loads(file.read_text())).cash.is_finite()


def test_a_status_of_next_year_passes_through():
    assert answers.account(ACCOUNT | {"status": "ACCOUNT_CLOSED_PENDING"}).status == "ACCOUNT_CLOSED_PENDING"
    assert answers.order(ORDER | {"status": "quantum"}).status == "quantum"


def test_a_missing_flag_of_the_account_counts_as_blocked():
    assert answers.account(ACCOUNT).trading_blocked
    assert "trading_blocked" in answers.account(ACCOUNT).problem()


def test_an_asset_without_easy_to_borrow_is_read_by_its_borrow_status():
    body = {"symbol": "GME", "status": "active", "tradable": True, "borrow_status": "hard_to_borrow"}
    assert not answers.asset(body).easy_to_borrow
    assert answers.asset(body | {"borrow_status": "easy_to_borrow"}).easy_to_borrow


def test_nanoseconds_are_cut_and_offsets_become_utc():
    assert answers.market_clock(CLOCK).now == datetime(2026, 11, 20, 14, 30, 0, 123456, tzinfo=UTC)


def test_a_short_position_is_negative_whatever_the_sign_of_its_quantity():
    for quantity in ("5", "-5"):
        assert answers.position({"symbol": "IBM", "qty": quantity, "side": "short"}).quantity == -5


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (answers.account, None),
        (answers.account, []),
        (answers.account, ACCOUNT | {"equity": "NaN"}),
        (answers.account, ACCOUNT | {"equity": "Infinity"}),
        (answers.account, ACCOUNT | {"cash": "lots"}),
        (answers.account, ACCOUNT | {"id": ""}),
        (answers.market_clock, CLOCK | {"timestamp": "2026-11-20T09:30:00"}),
        (answers.market_clock, CLOCK | {"timestamp": "yesterday"}),
        (answers.market_clock, CLOCK | {"is_open": "yes"}),
        (answers.order, ORDER | {"filled_qty": True}),
        (answers.order, {"message": "internal server error"}),
        (answers.calendar_day, {"date": "2026-02-31", "open": "09:30", "close": "16:00"}),
    ],
)
def test_an_answer_without_its_meaning_is_not_guessed_at(reader, body):
    with pytest.raises(BadAnswer):
        reader(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ORDER, *ACCOUNT]), inner, max_size=6)
    ),
    max_leaves=8,
)


@given(json_values)
def test_no_json_at_all_ends_in_anything_but_a_value_or_a_bad_answer(body):
    for reader in (
        answers.order,
        answers.account,
        answers.position,
        answers.fill,
        answers.asset,
        answers.market_clock,
    ):
        with contextlib.suppress(BadAnswer):
            reader(body)


@given(st.decimals(min_value="0.000001", max_value=100_000, places=6))
def test_quantities_go_out_as_plain_digits(quantity):
    body = OrderRequest("c", "AAPL", "buy", quantity).body()
    assert Decimal(body["qty"]) == quantity
    assert "E" not in body["qty"].upper()


@pytest.mark.parametrize(("price", "sent"), [("290.123", "290.12"), ("0.99987", "0.9999"), ("100", "100")])
def test_prices_are_sent_on_the_grid_of_the_exchange(price, sent):
    request = OrderRequest("c", "AAPL", "buy", Decimal(1), "limit", limit_price=RawPrice(Decimal(price)))
    assert request.body()["limit_price"] == sent


@pytest.mark.row(39)
def test_an_order_takes_no_price_but_a_raw_one():
    with pytest.raises(TypeError, match="RawPrice"):
        OrderRequest("c", "AAPL", "buy", Decimal(1), "limit", limit_price=Decimal(100))


@pytest.mark.parametrize("quantity", ["0", "-5", "NaN", "Infinity"])
def test_an_order_over_nothing_cannot_be_made(quantity):
    with pytest.raises(ValueError, match="quantity"):
        OrderRequest("c", "AAPL", "buy", Decimal(quantity))


def test_a_bracket_carries_both_its_legs():
    request = OrderRequest(
        "c", "AAPL", "buy", Decimal(1), take_profit=RawPrice(Decimal(110)), stop_loss=RawPrice(Decimal(95))
    )
    assert request.body()["order_class"] == "bracket"
    assert request.body()["stop_loss"] == {"stop_price": "95"}
