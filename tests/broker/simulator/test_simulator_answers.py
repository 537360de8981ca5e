"""What the simulator answers about orders, positions, history, news and watchlists."""

import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from asked_world import send, world_at
from hypothesis import given
from hypothesis import strategies as st

from broker.simulator.calls import Call
from broker.simulator.loading import synthetic_bars
from broker.simulator.routes import bodies, corporate, extras, history, news, prices, trading
from broker.simulator.serving import scenario
from broker.simulator.values import (
    Refusal,
    number_text,
    parse_instant,
    unique_id,
    utc_text,
)
from broker.simulator.world.clock import TradingCalendar
from broker.simulator.world.exchange import advance
from broker.simulator.world.orders import STATUSES, TERMINAL, TRANSITIONS, IllegalTransition, moved
from broker.simulator.world.state import SimulatorSettings, World


@given(number=st.decimals(-(10**12), 10**12, places=9))
def test_a_number_is_written_plainly_and_reads_back(number):
    text = number_text(number)
    assert Decimal(text) == number
    assert "E" not in text
    assert not (("." in text) and text.endswith("0"))


@given(parts=st.lists(st.tuples(st.integers(), st.text(max_size=5)), min_size=2, max_size=2, unique=True))
def test_different_parts_make_different_ids(parts):
    assert unique_id(*parts[0]) != unique_id(*parts[1])


def test_a_terminal_state_is_the_end():
    order = send(world_at("2026-03-02T10:00:00-05:00"))
    for status in STATUSES:
        for following in STATUSES:
            begun = type(order)(**{**order.__dict__, "status": status})
            if following in TRANSITIONS[status] or following == status:
                assert moved(begun, following, 1).status == following
            else:
                with pytest.raises(IllegalTransition):
                    moved(begun, following, 1)
    assert all(not TRANSITIONS[status] for status in TERMINAL)


def test_fills_are_listed_newest_first_with_new_york_ids_and_pages():
    world = world_at("2026-03-02T10:00:00-05:00")
    for _ in range(5):
        send(world)
    whole = trading.get_activities(world, Call()).body
    assert len({item["id"] for item in whole}) == 5
    assert whole[0]["transaction_time"] > whole[-1]["transaction_time"]
    assert whole[0]["id"].startswith("20260302100000")
    assert whole[0]["transaction_time"].startswith("2026-03-02T15:00:00")
    pages, query = [], {"page_size": "2"}
    for _ in range(3):
        pages.append(trading.get_activities(world, Call(query=query)).body)
        query["page_token"] = pages[-1][-1]["id"]
    assert trading.get_activities(world, Call(query=query)).body == []
    assert [item for page in pages for item in page] == whole


def test_a_partial_fill_tells_what_is_left():
    world = world_at("2026-03-02T10:00:00-05:00")
    scenario.auto_fill(world, False)
    order = send(world, qty="10")
    scenario.fill(world, order.id, qty="4")
    scenario.fill(world, order.id, qty="6")
    later, first = trading.get_activities(world, Call(params={"kind": "FILL"})).body
    assert (first["type"], first["qty"], first["cum_qty"], first["leaves_qty"]) == (
        "partial_fill",
        "4",
        "4",
        "6",
    )
    assert (later["type"], later["cum_qty"], later["leaves_qty"]) == ("fill", "10", "0")


ACTIVITY_QUERIES = [
    ({"date": "2026-03-02"}, 1),
    ({"date": "2026-03-03"}, 1),
    ({"after": "2026-03-03"}, 1),
    ({"until": "2026-03-03"}, 1),
    ({"activity_types": "DIV"}, 0),
    ({"direction": "asc"}, 2),
]


@pytest.mark.parametrize(("query", "count"), ACTIVITY_QUERIES)
def test_fills_are_found_by_date(query, count):
    world = world_at("2026-03-02T10:00:00-05:00")
    send(world)
    advance(world, parse_instant("2026-03-03T10:00:00-05:00"))
    send(world)
    assert len(trading.get_activities(world, Call(query=query)).body) == count


ORDER_QUERIES = [
    ({}, ["resting"]),
    ({"status": "closed"}, ["third", "second", "first"]),
    ({"status": "all", "direction": "asc"}, ["first", "second", "third", "resting"]),
    ({"status": "all", "limit": "2"}, ["resting", "third"]),
    ({"status": "all", "symbols": "MSFT"}, ["second"]),
    ({"status": "all", "side": "sell"}, ["third"]),
    ({"status": "all", "after": "FIRST"}, ["resting", "third", "second"]),
    ({"status": "all", "until": "FIRST"}, []),
    ({"status": "all", "after_order_id": "ID"}, ["resting", "third", "second"]),
    ({"status": "all", "before_order_id": "ID"}, []),
]


@pytest.mark.parametrize(("query", "expected"), ORDER_QUERIES)
def test_orders_are_listed_as_asked(query, expected):
    world = world_at("2026-03-02T10:00:00-05:00")
    first = send(world, client_order_id="first")
    send(world, client_order_id="second", symbol="MSFT")
    send(world, client_order_id="third", side="sell")
    send(world, client_order_id="resting", type="limit", limit_price="50")
    stand_ins = {"FIRST": utc_text(first.submitted), "ID": first.id}
    asked = {name: stand_ins.get(value, value) for name, value in query.items()}
    shown = trading.get_orders(world, Call(query=asked)).body
    assert [order["client_order_id"] for order in shown] == expected


def test_nested_orders_hold_their_legs():
    world = world_at("2026-03-02T10:00:00-05:00")
    fields = {
        "order_class": "bracket",
        "take_profit": {"limit_price": "150"},
        "stop_loss": {"stop_price": "50"},
    }
    send(world, **fields)
    flat = trading.get_orders(world, Call(query={"status": "all"})).body
    nested = trading.get_orders(world, Call(query={"status": "all", "nested": "true"})).body
    assert (len(flat), len(nested), len(nested[0]["legs"])) == (3, 1, 2)
    assert flat[-1]["legs"] is None


def test_a_position_is_marked_and_compared_with_yesterday():
    world = world_at("2026-03-03T09:30:00-05:00")
    send(world, qty="10")
    advance(world, parse_instant("2026-03-03T16:00:00-05:00"))
    shown = bodies.position_body(world, "AAPL")
    assert (shown["avg_entry_price"], shown["current_price"], shown["lastday_price"]) == ("101", "103", "102")
    assert (shown["unrealized_pl"], shown["unrealized_intraday_pl"]) == ("20", "10")
    assert (shown["market_value"], shown["cost_basis"], shown["side"]) == ("1030", "1010", "long")


def test_a_short_position_has_negative_numbers_and_what_is_free_of_it():
    world = world_at("2026-03-03T09:30:00-05:00")
    send(world, qty="10", side="sell")
    send(world, qty="4", type="limit", limit_price="50")
    shown = bodies.position_body(world, "AAPL")
    assert (shown["qty"], shown["side"], shown["qty_available"]) == ("-10", "short", "-6")
    assert (shown["market_value"], shown["cost_basis"]) == ("-1010", "-1010")


HISTORIES = [
    ({"period": "1W", "timeframe": "1D"}, "1D", 3),
    ({"period": "1W"}, "15Min", 78),
    ({"period": "1D", "timeframe": "1H"}, "1H", 7),
    ({}, "1D", 3),
    ({"start": "2026-03-03", "timeframe": "1D"}, "1D", 2),
]


@pytest.mark.parametrize(("query", "timeframe", "count"), HISTORIES)
def test_portfolio_history_has_a_value_for_each_window(query, timeframe, count):
    world = world_at("2026-03-02T09:30:00-05:00")
    send(world, qty="10")
    advance(world, parse_instant("2026-03-04T16:00:00-05:00"))
    shown = history.get_history(world, Call(query=query)).body
    assert (shown["timeframe"], len(shown["equity"])) == (timeframe, count)
    assert shown["equity"][-1] == float(world.worth().equity) == 100_040
    assert len(shown["timestamp"]) == len(shown["profit_loss"]) == len(shown["profit_loss_pct"]) == count


@pytest.mark.parametrize(
    "query",
    [{"period": "soon"}, {"timeframe": "2D"}, {"period": "1M", "start": "2026-03-02", "end": "2026-03-03"}],
)
def test_a_wrong_history_is_refused(query):
    with pytest.raises(Refusal):
        history.get_history(world_at("2026-03-04"), Call(query=query))


def test_intraday_history_is_for_thirty_days():
    world = world_at("2026-03-02T09:30:00-05:00")
    advance(world, parse_instant("2026-06-01"))
    with pytest.raises(Refusal, match="1D"):
        history.get_history(world, Call(query={"period": "3M", "timeframe": "15Min"}))


def test_news_is_never_from_the_future():
    world = world_at("2026-03-04T12:00:00-05:00")
    scenario.news(
        world, [{"created_at": f"2026-03-0{day}T10:00:00-05:00", "symbols": ["AAPL"]} for day in (3, 4, 5)]
    )
    shown = news.get_news(world, Call()).body["news"]
    assert [item["created_at"][:10] for item in shown] == ["2026-03-04", "2026-03-03"]
    assert {item["content"] for item in shown} == {""}


NEWS_QUERIES = [
    ({"symbols": "MSFT"}, 1),
    ({"symbols": "AAPL,MSFT"}, 3),
    ({"start": "2026-03-03T00:00:00Z"}, 3),
    ({"end": "2026-03-02T12:00:00Z"}, 1),
    ({"sort": "asc"}, 4),
    ({"limit": "1"}, 1),
    ({"exclude_contentless": "true"}, 3),
]


@pytest.mark.parametrize(("query", "count"), NEWS_QUERIES)
def test_news_is_found_by_symbol_and_time(query, count):
    world = world_at("2026-03-04T12:00:00-05:00")
    given_news = [
        ("2026-03-02", ["AAPL"]),
        ("2026-03-03", ["MSFT"]),
        ("2026-03-04", ["AAPL"]),
        ("2026-03-04", []),
    ]
    scenario.news(world, [{"created_at": f"{day}T10:00:00Z", "symbols": names} for day, names in given_news])
    world.news[-1]["content"] = ""
    assert len(news.get_news(world, Call(query=query)).body["news"]) == count


def test_an_announcement_tells_of_a_split():
    world = world_at("2026-03-02T12:00:00-05:00")
    scenario.split(world, "AAPL", new=1, old=10)
    (shown,) = corporate.get_announcements(world, Call()).body
    assert (shown["ca_sub_type"], shown["old_rate"], shown["new_rate"]) == ("reverse_split", "10", "1")
    assert corporate.get_announcement(world, Call(params={"id": shown["id"]})).body == shown


WATCHLISTS = [
    ({"symbols": ["AAPL"]}, 422, "name is required"),
    ({"name": "x" * 65}, 422, "at most 64"),
    ({"name": "mine", "symbols": ["NONE"]}, 404, "asset not found"),
    ({"name": "taken"}, 422, "must be unique"),
]


@pytest.mark.parametrize(("body", "status", "text"), WATCHLISTS)
def test_a_wrong_watchlist_is_refused(body, status, text):
    world = world_at("2026-03-02")
    extras.post_watchlist(world, Call(body={"name": "taken"}))
    with pytest.raises(Refusal, match=text) as refusal:
        extras.post_watchlist(world, Call(body=body))
    assert refusal.value.status == status


def test_a_watchlist_is_found_by_its_name_as_by_its_id():
    world = world_at("2026-03-02")
    made = extras.post_watchlist(world, Call(body={"name": "mine", "symbols": ["AAPL"]})).body
    named = {"name": "mine"}
    assert extras.get_watchlist(world, Call(query=named)).body == made
    extras.post_symbol(world, Call(query=named, body={"symbol": "MSFT"}))
    renamed = extras.put_watchlist(world, Call(query=named, body={"name": "ours"})).body
    assert [asset["symbol"] for asset in renamed["assets"]] == ["AAPL", "MSFT"]
    with pytest.raises(Refusal, match="watchlist not found"):
        extras.delete_watchlist(world, Call(query=named))
    assert extras.delete_watchlist(world, Call(query={"name": "ours"})).status == 204


def test_hourly_bars_trade_at_each_open_and_are_named_by_their_start():
    from forewalk.sessions import session_grid

    daily = synthetic_bars(("AAPL",), "2026-03-02", 1)
    import numpy as np
    import pandas as pd

    stamps = session_grid("XNYS", pd.Timestamp("2026-03-02"), "1h")
    level = np.arange(100.0, 100.0 + len(stamps))[:, None]
    bars = type(daily)(stamps, ("AAPL",), level, level + 2, level - 1, level + 1, level * 10, "XNYS", "1h")
    world = World(bars, parse_instant("2026-03-02T11:30:05-05:00"), SimulatorSettings(market_fill="open"))
    order = send(world)
    assert world.book.orders[order.id].average_price == 102
    call = Call(query={"symbols": "AAPL", "timeframe": "1Hour", "start": "2026-03-02"})
    shown = prices.paged("bars", prices.bars_of)(world, call).body["bars"]["AAPL"]
    assert [bar["t"][11:16] for bar in shown] == ["14:30", "15:30"]


def test_recorded_bodies_and_ours_have_the_same_shape():
    folder = Path(
        os.environ.get("FOREWALK_SHARED_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
    )
    recorded = folder / "payloads" / "alpaca"
    if not recorded.is_dir():
        pytest.skip(f"no recorded bodies at {recorded}")
    world = world_at("2026-03-04T12:00:00-05:00")
    call = Call(query={"symbols": "AAPL"})
    for name, route in (
        (
            "docs_data__get_v2_stocks_bars_latest__200__example_1.json",
            prices.latest("bars", prices.latest_bar),
        ),
        (
            "docs_data__get_v2_stocks_quotes_latest__200__example_1.json",
            prices.latest("quotes", prices.latest_quote),
        ),
        (
            "docs_data__get_v2_stocks_trades_latest__200__example_1.json",
            prices.latest("trades", prices.latest_trade),
        ),
    ):
        theirs = json.loads((recorded / name).read_text())
        ours = route(world, call).body
        (kind,) = ours
        assert set(ours[kind]["AAPL"]) == set(next(iter(theirs[kind].values())))


def test_dates_of_a_session_are_dates():
    assert TradingCalendar(years=(2020, 2029)).session_on(date(2026, 11, 26)) is None
