"""The news API: articles as they were given, newest first, fifty a page at most, none from the future."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from broker.simulator.calls import Call, Reply, Route
from broker.simulator.values import Refusal, parse_instant
from broker.simulator.world.state import World

MAX_NEWS, DEFAULT_NEWS = 50, 10


def article(number: int, created: str, **given: Any) -> dict[str, Any]:
    """Return an article in full from what a scenario gives of it."""
    headline = str(given.get("headline", f"Article {number}"))
    return {
        "id": number,
        "headline": headline,
        "author": "The simulator",
        "created_at": created,
        "updated_at": created,
        "summary": headline,
        "content": f"<p>{headline}</p>",
        "images": [],
        "symbols": [],
        "source": "simulator",
        "url": f"http://127.0.0.1/news/{number}",
        **given,
    }


def get_news(world: World, call: Call) -> Reply:
    """Return a page of articles; without `include_content` their content is empty text."""
    limit = call.whole("limit", DEFAULT_NEWS, MAX_NEWS)
    found = _matching(world, call)
    token = call.query.get("page_token")
    if token:
        found = found[_position(found, token) + 1 :]
    page = found[:limit]
    following = _token(page[-1]) if len(found) > limit else None
    if not call.flag("include_content"):
        page = [{**item, "content": ""} for item in page]
    return Reply(200, {"news": page, "next_page_token": following})


def _matching(world: World, call: Call) -> list[dict[str, Any]]:
    """Return the articles that the query asks for and that exist by now, in its order."""
    first, last = call.instant("start"), call.instant("end")
    last = world.now if last is None else min(last, world.now)
    wanted = set(filter(None, call.query.get("symbols", "").split(",")))
    dated = [(parse_instant(item["created_at"]), item["id"], item) for item in world.news]
    chosen = [
        (at, number, item)
        for at, number, item in dated
        if (first is None or at >= first)
        and at <= last
        and (not wanted or wanted & set(item["symbols"]))
        and not (call.flag("exclude_contentless") and not item["content"])
    ]
    chosen.sort(key=lambda row: row[:2], reverse=call.query.get("sort", "desc") == "desc")
    return [item for _, _, item in chosen]


def _token(item: dict[str, Any]) -> str:
    return base64.b64encode(f"{item['created_at']}|{item['id']}".encode()).decode()


def _position(found: list[dict[str, Any]], token: str) -> int:
    try:
        number = int(base64.b64decode(token, validate=True).decode().rpartition("|")[2])
        return next(position for position, item in enumerate(found) if item["id"] == number)
    except (binascii.Error, ValueError, StopIteration):
        raise Refusal(400, 40010001, "invalid page_token") from None


ROUTES: tuple[tuple[str, str, Route], ...] = (("GET", "/v1beta1/news", get_news),)
