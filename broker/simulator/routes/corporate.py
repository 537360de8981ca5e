"""The two lists of corporate actions: the market-data API's, and the trading API's, which is deprecated.

A split or a dividend is in them from the moment it is ordered at the control port.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import date
from typing import Any

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.values import Refusal, unique_id
from broker.simulator.world.clock import new_york_day
from broker.simulator.world.dividends import Dividend, dividends
from broker.simulator.world.market import Split
from broker.simulator.world.state import World

CUSIP = "000000000"
DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
TYPES = (
    *("reverse_split", "forward_split", "unit_split", "cash_dividend", "stock_dividend", "spin_off"),
    *("cash_merger", "stock_merger", "stock_and_cash_merger", "redemption", "name_change"),
    *("worthless_removal", "rights_distribution", "partial_call", "reorganization"),
)


# the market-data API's list


def get_actions(world: World, call: Call) -> Reply:
    """Return what was announced with a process date from `start` to `end` (default: today), by type, in pages."""
    today = new_york_day(world.now)
    first, last = (_day(call, name, today) for name in ("start", "end"))
    symbols = set(call.query["symbols"].split(",")) if call.query.get("symbols") else None
    types = _types(call)
    found = [
        (group, body)
        for group, kind, body in _announced(world)
        if kind in types
        and first <= body["process_date"] <= last
        and (symbols is None or body["symbol"] in symbols)
    ]
    found.sort(key=lambda item: (item[1]["process_date"], item[1]["id"]))
    if call.query.get("sort", "asc") == "desc":
        found.reverse()
    limit = call.whole("limit", DEFAULT_LIMIT, MAX_LIMIT)
    start = _read_token(call.query.get("page_token", ""))
    page: dict[str, list[dict[str, Any]]] = {}
    for group, body in found[start : start + limit]:
        page.setdefault(group, []).append(body)
    rest = start + limit < len(found)
    return Reply(
        200,
        {"corporate_actions": page, "next_page_token": _write_token(start + limit) if rest else None},
    )


def _announced(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (group, type, body) of everything that was announced."""
    splits = [_split_body(split) for split in world.market.splits if split.announced]
    return splits + [
        ("cash_dividends", "cash_dividend", _dividend_body(item))
        for item in dividends(world)
        if item.announced
    ]


def _split_body(split: Split) -> tuple[str, str, dict[str, Any]]:
    dates = dict.fromkeys(("ex_date", "process_date", "record_date", "payable_date"), split.day)
    body = {
        "id": unique_id("announcement", split.symbol, split.day),
        "symbol": split.symbol,
        "new_rate": split.new,
        "old_rate": split.old,
        **dates,
    }
    if split.new >= split.old:
        return "forward_splits", "forward_split", {**body, "cusip": CUSIP}
    return "reverse_splits", "reverse_split", {**body, "old_cusip": CUSIP, "new_cusip": CUSIP}


def _dividend_body(dividend: Dividend) -> dict[str, Any]:
    return {
        "id": unique_id("dividend", dividend.symbol, dividend.day),
        "symbol": dividend.symbol,
        "cusip": CUSIP,
        "rate": float(dividend.rate),
        "special": False,
        "foreign": False,
        "ex_date": dividend.day,
        "record_date": dividend.day,
        "payable_date": dividend.payable,
        "process_date": dividend.payable,
    }


def _types(call: Call) -> set[str]:
    given = set(call.query["types"].split(",")) if call.query.get("types") else set(TYPES)
    unknown = sorted(given - set(TYPES))
    if unknown:
        raise Refusal(400, 40010000, f"invalid type: {unknown[0][:40]}")
    return given


def _day(call: Call, name: str, default: date) -> str:
    text = call.query.get(name) or default.isoformat()
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Refusal(400, 40010000, f"invalid {name}: {text[:40]}") from None


def _write_token(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode()


def _read_token(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error):
        raise Refusal(400, 40010000, "invalid page_token") from None


# the trading API's list, deprecated


def get_announcements(world: World, call: Call) -> Reply:
    """Return splits and dividends between `since` and `until` (ex dates, both included)."""
    since, until = call.query.get("since", ""), call.query.get("until", "9999")
    symbol = call.query.get("symbol")
    found = [
        body
        for body in _announcements(world)
        if since <= body["ex_date"] <= until and symbol in (None, body["target_symbol"])
    ]
    return Reply(200, found)


def get_announcement(world: World, call: Call) -> Reply:
    """Return one announcement by its id."""
    for body in _announcements(world):
        if body["id"] == call.params["id"]:
            return Reply(200, body)
    raise Refusal(404, 40410000, "announcement not found")


def _announcements(world: World) -> list[dict[str, Any]]:
    splits = [
        _announcement(
            split.symbol,
            split.day,
            "split",
            "stock_split" if split.new >= split.old else "reverse_split",
            {"old_rate": str(split.old), "new_rate": str(split.new), "payable_date": split.day},
        )
        for split in world.market.splits
        if split.announced
    ]
    return splits + [
        _announcement(
            item.symbol,
            item.day,
            "dividend",
            "cash",
            {"cash": item.rate, "payable_date": item.payable},
        )
        for item in dividends(world)
        if item.announced
    ]


def _announcement(symbol: str, day: str, kind: str, sub_kind: str, more: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": unique_id("announcement" if kind == "split" else kind, symbol, day),
        "corporate_action_id": f"{symbol}_{day}",
        "ca_type": kind,
        "ca_sub_type": sub_kind,
        "initiating_symbol": symbol,
        "initiating_original_cusip": CUSIP,
        "target_symbol": symbol,
        "target_original_cusip": CUSIP,
        "declaration_date": day,
        "ex_date": day,
        "record_date": day,
        "cash": "0",
        "old_rate": "1",
        "new_rate": "1",
        **more,
    }


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", "/v1/corporate-actions", get_actions),
    ("GET", "/v1beta1/corporate-actions", get_actions),  # the earlier name, which the npm SDK 3 asks
    ("GET", "/v2/corporate_actions/announcements", get_announcements),
    ("GET", "/v2/corporate_actions/announcements/{id}", get_announcement),
)
