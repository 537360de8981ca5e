"""Reddit through its official API: the newest posts of some forums. It has no history, so texts count from now.

An application's id and secret come from the environment (REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET), never from a file.
Its terms allow this for non-commercial use, at a hundred requests a minute.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from forewalk.data.columns.texts.fetching.store import Row, TextStore, row_of
from forewalk.data.columns.texts.fetching.wanted import Wanted
from forewalk.errors import ConfigError, ConnectionFailed, DataError, RateLimited

VIA = "reddit"
PER_MINUTE = 60.0
TOKEN = "https://www.reddit.com/api/v1/access_token"
POSTS = "https://oauth.reddit.com/r/{forum}/new"
PAGES = 10  # of a hundred posts: no more are told
KEYS = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET")


def fetch_reddit(store: TextStore, wanted: Wanted, environment: Mapping[str, str] = os.environ) -> int:
    """Append the posts of `news.subreddits` that name a symbol; return how many were new.

    Raises:
        ConfigError: the keys, `news.subreddits` or `news.contact` are missing, or Reddit refuses them.
        ConnectionFailed: no answer. DataError: an answer that cannot be read.
    """
    if not wanted.settings.subreddits:
        raise ConfigError("reddit: news.subreddits names no forum, e.g. ['stocks']")
    if not wanted.settings.contact:
        raise ConfigError("reddit: it wants to know who asks: set news.contact = 'your-app/1.0 by u/you'")
    header = {"Authorization": f"Bearer {_token(wanted, environment)}"}
    added = 0
    for forum in wanted.settings.subreddits:
        if not re.fullmatch(r"\w{2,50}", forum):
            raise ConfigError(f"news.subreddits: {forum[:60]!r} is no name of a forum")
        added += _forum(forum, header, store, wanted)
    store.mark(VIA, wanted.now)
    return added


def _forum(forum: str, header: Mapping[str, str], store: TextStore, wanted: Wanted) -> int:
    added, after, known = 0, "", False
    newest = store.kept(f"{VIA} {forum}").get("newest", "")
    first = ""
    for _ in range(PAGES):
        query = "?limit=100&raw_json=1" + (f"&after={after}" if after else "")
        answer = wanted.pace(partial(_listing, wanted, forum, query, header))
        posts = [each.get("data") for each in answer["children"] if isinstance(each, dict)]
        rows = []
        for post in posts:
            if not isinstance(post, dict):
                continue
            first = first or str(post.get("name", ""))
            known = known or (bool(newest) and post.get("name") == newest)
            rows += _rows(post, forum, wanted)
        added += store.add(rows, VIA, wanted.present(), seen=True)
        following = str(answer.get("after") or "")
        if known or not following or following == after or not re.fullmatch(r"\w{1,40}", following):
            break
        after = following
    if first:
        store.keep(f"{VIA} {forum}", {"newest": first})
    return added


def _listing(wanted: Wanted, forum: str, query: str, header: Mapping[str, str]) -> dict[str, Any]:
    answer = wanted.web.get(POSTS.format(forum=forum) + query, header)
    found = _object(answer.content).get("data")
    if not isinstance(found, dict) or not isinstance(found.get("children"), list):
        raise DataError(f"reddit: the posts of {forum} cannot be read")
    left = answer.headers.get("x-ratelimit-remaining", "")
    if left.replace(".", "", 1).isdigit() and float(left) < 1 and not found["children"]:
        raise RateLimited("reddit: the requests of this span are used up", 60.0)
    return found


def _rows(post: Mapping[str, Any], forum: str, wanted: Wanted) -> list[Row]:
    headline = f"{post.get('title') or ''} {post.get('selftext') or ''}".strip()
    symbols = wanted.names.found(headline)
    try:
        published = datetime.fromtimestamp(float(post["created_utc"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        published = None
    if not symbols or not wanted.holds(published):
        return []
    told = (f"reddit:{post.get('name')}", headline, published, symbols, f"r/{forum}", "social")
    return [row_of(*told, body=str(post.get("selftext") or ""))]


def _token(wanted: Wanted, environment: Mapping[str, str]) -> str:
    name, secret = (environment.get(key, "") for key in KEYS)
    if not (name and secret):
        raise ConfigError(f"reddit: set {' and '.join(KEYS)} in the environment")
    form = {"grant_type": "client_credentials"}
    answer = wanted.pace(lambda: wanted.web.ask("POST", TOKEN, form=form, auth=(name, secret)))
    token = str(_object(answer.content).get("access_token") or "")
    if not re.fullmatch(r"[\w.\-]{8,4096}", token):
        raise ConnectionFailed("reddit: it gave no key for this session")
    return token


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DataError("reddit: the answer is no JSON object")
    return found
