"""Bars, clock and calendar as the API shows them, over half-days, daylight saving and splits."""

import pytest
from asked_world import INSTANTS, bars_at, world_at
from hypothesis import given
from hypothesis import strategies as st

from broker.simulator.calls import Call
from broker.simulator.routes import bodies, prices, trading
from broker.simulator.values import (
    Refusal,
    as_datetime,
    from_datetime,
    new_york_text,
    parse_instant,
    utc_text,
)
from broker.simulator.world.clock import TradingCalendar

DAYLIGHT = [
    ("2026-03-06", "05:00"),
    ("2026-03-09", "04:00"),
    ("2026-10-30", "04:00"),
    ("2026-11-02", "05:00"),
]


@pytest.mark.parametrize(("day", "midnight"), DAYLIGHT)
def test_a_daily_bar_is_named_by_midnight_in_new_york(day, midnight):
    shown = bars_at(f"{day}T17:00:00-05:00")[-1]
    assert shown["t"] == f"{day}T{midnight}:00Z"


@pytest.mark.parametrize(("instant", "count"), [("15:59:59", 0), ("16:00:00", 1)])
def test_a_bar_is_shown_once_it_has_closed(instant, count):
    assert len(bars_at(f"2026-03-02T{instant}-05:00")) == count


def test_the_running_bar_is_shown_where_the_setting_says_so():
    (bar,) = bars_at("2026-03-02T12:45:00-05:00", {"running_bar": True})
    assert (bar["o"], bar["h"], bar["l"], bar["c"], bar["v"]) == (100, 101, 98, 101, 500_000)


def test_bars_begin_and_end_where_the_query_says():
    opens = [bar["o"] for bar in bars_at("2026-03-31", start="2026-03-03", end="2026-03-05")]
    assert opens == [101, 102, 103]
    backwards = bars_at("2026-03-31", start="2026-03-03", end="2026-03-05", sort="desc")
    assert [bar["o"] for bar in backwards] == [103, 102, 101]


@given(
    limit=st.integers(1, 7),
    sort=st.sampled_from(["asc", "desc"]),
    symbols=st.sampled_from(["AAPL", "AAPL,MSFT"]),
)
def test_any_page_size_joins_to_the_same_history(limit, sort, symbols):
    world = world_at("2026-03-10")
    route = prices.paged("bars", prices.bars_of)
    query = {"symbols": symbols, "timeframe": "1Day", "start": "2026-03-01", "sort": sort}
    whole = route(world, Call(query=query)).body["bars"]
    joined, token = {}, ""
    for _ in range(sum(map(len, whole.values())) + 1):
        page = route(world, Call(query={**query, "limit": str(limit), "page_token": token})).body
        assert sum(map(len, page["bars"].values())) <= limit
        for symbol, found in page["bars"].items():
            joined[symbol] = joined.get(symbol, []) + found
        token = page["next_page_token"]
        if token is None:
            break
    assert joined == whole


def test_recent_sip_data_needs_the_plan():
    now = "2026-03-02T16:05:00-05:00"
    assert len(bars_at(now, {"sip_plan": False}, feed="iex")) == 1
    assert len(bars_at(now, {"sip_plan": False}, feed="sip")) == 1  # its end is 15 minutes ago by default
    with pytest.raises(Refusal, match="does not permit querying recent SIP data") as refusal:
        bars_at(now, {"sip_plan": False}, feed="sip", end="2026-03-02T16:00:00-05:00")
    assert refusal.value.status == 403


QUERIES = [
    ({"timeframe": "60Min"}, "invalid timeframe"),
    ({"timeframe": "5Month"}, "invalid timeframe"),
    ({"timeframe": "soon"}, "invalid timeframe"),
    ({"symbols": ""}, "symbols is required"),
    ({"limit": "0"}, "invalid limit"),
    ({"limit": "-1"}, "invalid limit"),
    ({"start": "yesterday"}, "invalid start"),
    ({"page_token": "%%%"}, "invalid page_token"),
    ({"page_token": "QUFQTA=="}, "invalid page_token"),
]


@pytest.mark.parametrize(("query", "text"), QUERIES)
def test_a_wrong_query_is_refused(query, text):
    with pytest.raises(Refusal, match=text):
        bars_at("2026-03-10", **query)


def test_an_unknown_symbol_has_no_bars():
    assert bars_at("2026-03-10", symbols="NONE") == []


CLOCK = [
    ("2026-03-02T09:29:59-05:00", False, "2026-03-02T09:30:00-05:00", "2026-03-02T16:00:00-05:00"),
    ("2026-03-02T09:30:00-05:00", True, "2026-03-03T09:30:00-05:00", "2026-03-02T16:00:00-05:00"),
    ("2026-03-02T16:00:00-05:00", False, "2026-03-03T09:30:00-05:00", "2026-03-03T16:00:00-05:00"),
    ("2026-03-06T17:00:00-05:00", False, "2026-03-09T09:30:00-04:00", "2026-03-09T16:00:00-04:00"),
    ("2026-11-27T12:59:59-05:00", True, "2026-11-30T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),
    ("2026-11-27T13:00:00-05:00", False, "2026-11-30T09:30:00-05:00", "2026-11-30T16:00:00-05:00"),
    ("2026-12-25T12:00:00-05:00", False, "2026-12-28T09:30:00-05:00", "2026-12-28T16:00:00-05:00"),
]


@pytest.mark.parametrize(("now", "is_open", "opens", "closes"), CLOCK)
def test_the_clock_knows_weekends_half_days_and_daylight_saving(now, is_open, opens, closes):
    shown = bodies.clock_body(world_at(now))
    assert (shown["is_open"], shown["next_open"], shown["next_close"]) == (is_open, opens, closes)
    assert abs(parse_instant(shown["timestamp"]) - parse_instant(now)) < 1_000_000


def test_the_calendar_is_in_new_york_time_and_settles_on_the_next_session():
    call = Call(query={"start": "2026-11-25", "end": "2026-11-30"})
    days = trading.get_calendar(world_at("2026-03-02"), call).body
    assert [(day["date"], day["open"], day["close"]) for day in days] == [
        ("2026-11-25", "09:30", "16:00"),
        ("2026-11-27", "09:30", "13:00"),
        ("2026-11-30", "09:30", "16:00"),
    ]
    assert (days[1]["settlement_date"], days[1]["session_open"]) == ("2026-11-30", "0400")


def test_the_whole_calendar_reaches_from_1970_to_2029():
    days = trading.get_calendar(world_at("2026-03-02"), Call()).body
    assert (days[0]["date"], days[-1]["date"]) == ("1970-01-02", "2029-12-31")


@given(instant=st.integers(parse_instant("1985-01-02"), parse_instant("2029-01-01")))
def test_a_narrow_calendar_answers_as_the_whole_one(instant):
    narrow, whole = TradingCalendar(years=(2010, 2014)), TradingCalendar()
    for name in ("session_at", "session_from", "next_open", "next_close", "previous", "next_boundary"):
        assert getattr(narrow, name)(instant) == getattr(whole, name)(instant)


@given(instant=st.integers(parse_instant("2020-01-02"), parse_instant("2028-12-01")))
def test_open_and_close_take_turns(instant):
    calendar = TradingCalendar(years=(2018, 2029))
    session = calendar.session_at(instant)
    opens, closes = calendar.next_open(instant), calendar.next_close(instant)
    assert instant < min(opens, closes)
    assert (closes < opens) == (session is not None)
    assert instant < calendar.next_boundary(instant) <= min(opens, closes)


@given(instant=INSTANTS)
def test_an_instant_reads_back_to_the_nanosecond(instant):
    assert parse_instant(utc_text(instant)) == parse_instant(new_york_text(instant)) == instant
    assert from_datetime(as_datetime(instant)) == instant // 1000 * 1000
