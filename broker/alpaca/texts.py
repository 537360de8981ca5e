"""Alpaca's news into a file of texts: paced, resumed where it stopped, each article once.

The file is JSON lines that `forewalk.data.columns.texts` reads. Once a fetch has reached the present, what a later
one finds is first seen then; what was there before was seen by nobody of us at the time, and gets no `first_seen`.
An article that was corrected since stands there in both wordings, the later one first seen when it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from broker.alpaca.client import AlpacaPaper
from broker.alpaca.source import REQUESTS_PER_MINUTE, TIMEOUT_S, translated
from broker.hosts import DATA_HOST, PAPER_HOST
from broker.keys import read_keys
from forewalk.data.columns.texts.fetching.store import Row, TextStore, row_of
from forewalk.data.sources.pacing import Pace
from forewalk.settings.sections import DataSettings

VIA = "alpaca"
ASKED = f"{VIA} symbols"  # under which is kept which ones were asked for
OVERLAP = timedelta(minutes=15)  # asked for again: articles are entered with a delay
Ask = Callable[[Sequence[str], datetime, datetime], Iterator[list[dict[str, Any]]]]


def fetch_into(
    store: TextStore,
    symbols: Sequence[str],
    first: datetime,
    last: datetime,
    settings: DataSettings,
    now: datetime | None = None,
    ask: Ask | None = None,
    clock: Callable[[], datetime] | None = None,
) -> int:
    """Append the articles about the symbols, from `first` or from where the file ends; return how many.

    Each page is written before the next is asked for: what was fetched before a failure stays, and the next call goes
    on behind it. A symbol that was not asked for before gets its history too, which nobody saw at the time.

    Args:
        settings: `url` and `requests_per_minute`, `patience_s`. now: the present; none means the clock.
        ask: answers instead of Alpaca, as `AlpacaPaper.news` does.
        clock: tells when a page has come; None for `now`.

    Raises:
        ConfigError: the keys, or the URL.
        ConnectionFailed: Alpaca did not answer, or is busy for longer than `data.patience_s`.
        DataError: the file is damaged, or the pages do not end.
    """
    present = now or datetime.now(UTC)
    newest, seen = store.newest(VIA), store.reached(VIA)
    begin = first if newest is None else max(first, newest - OVERLAP)
    told = store.kept(ASKED).get("symbols", list(symbols))
    new = [symbol for symbol in symbols if symbol not in told]
    asks = ask or _connect(settings)
    parts = [(new, first, min(begin, last), False)] if new and first < begin else []
    added = 0
    for names, start, end, is_seen in [*parts, (list(symbols), begin, min(last, present), seen)]:
        for page in asks(names, start, end):
            rows = [row for row in map(_row, page) if row is not None]
            added += store.add(rows, VIA, present if clock is None else clock(), is_seen)
    store.keep(ASKED, {"symbols": sorted({*told, *symbols})})
    store.mark(VIA, present if last >= present else None)
    return added


def _connect(settings: DataSettings) -> Ask:
    url = settings.url
    trading, data = (url, url) if url else (f"https://{PAPER_HOST}", f"https://{DATA_HOST}")
    client = AlpacaPaper(read_keys(os.environ), trading, data, TIMEOUT_S, settings.feed)
    pace = Pace(settings.requests_per_minute or REQUESTS_PER_MINUTE, settings.patience_s)
    return partial(client.news, each=lambda page: pace(lambda: translated(page)))


def _row(article: dict[str, Any]) -> Row | None:
    """Return an article as a text; None where it has no id, no moment or no headline."""
    try:
        published = datetime.fromisoformat(str(article["created_at"]).replace("Z", "+00:00"))
        updated = datetime.fromisoformat(
            str(article.get("updated_at") or article["created_at"]).replace("Z", "+00:00")
        )
    except (KeyError, ValueError):
        return None
    headline = str(article.get("headline") or "")
    if "id" not in article or not headline or published.tzinfo is None or updated.tzinfo is None:
        return None
    symbols = [str(symbol) for symbol in article.get("symbols") or ()]
    source = str(article.get("source") or "alpaca")
    body = str(article.get("content") or article.get("summary") or "")
    return row_of(str(article["id"]), headline, published, symbols, source, updated=updated, body=body)
