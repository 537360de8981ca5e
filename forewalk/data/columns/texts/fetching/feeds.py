"""RSS and Atom. A feed tells what is new: whatever it says of the past, a text is first seen when it is fetched.

A stamp without a zone, or with one that is not known ("16:30 ABC"), is believed by no reader: read as UTC, as feed
parsers do, a text could be known five hours early. Then only the moment at which it was first seen counts.
"""

from __future__ import annotations

import html
import io
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from forewalk.data.columns.texts.fetching.store import Row, TextStore, row_of
from forewalk.data.columns.texts.fetching.wanted import Wanted, asked_again
from forewalk.errors import ConfigError, DataError

VIA = "rss"
PER_MINUTE = 30.0
_TAG = re.compile(r"<[^>]{0,2000}>")


def fetch_feeds(store: TextStore, wanted: Wanted) -> int:
    """Append what the feeds of `news.feeds` hold now; return how many texts were new.

    `{symbol}` in an address asks for each symbol, and the texts are about it, whatever they name. A feed that has not
    changed is not sent again.

    Raises:
        ConfigError: no feeds. ConnectionFailed, DataError: the first feed that failed, after all were asked.
    """
    if not wanted.settings.feeds:
        raise ConfigError("rss: news.feeds names no address, e.g. ['https://example.org/{symbol}.rss']")
    added, failed = 0, None
    for url, about in _addresses(wanted):
        try:
            added += _fetch(url, about, store, wanted)
        except (ConfigError, DataError) as problem:  # one feed that is gone takes no other along
            failed = failed or problem
    if failed is not None:
        raise failed
    store.mark(VIA, wanted.now)
    return added


def _addresses(wanted: Wanted) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for feed in wanted.settings.feeds:
        if "{symbol}" in feed:
            found += [(feed.replace("{symbol}", symbol), (symbol,)) for symbol in wanted.symbols]
        else:
            found.append((feed, ()))
    return found


def _fetch(url: str, about: tuple[str, ...], store: TextStore, wanted: Wanted) -> int:
    answer, keep = asked_again(url, f"{VIA} {url}", store, wanted)
    if answer.status == 304:
        return 0
    added = store.add(feed_rows(answer.content, url, about, wanted), VIA, wanted.present(), seen=True)
    keep()
    return added


def feed_rows(content: bytes, url: str, about: tuple[str, ...], wanted: Wanted) -> list[Row]:
    """Return the texts of a feed; DataError where it is none."""
    try:
        import feedparser
    except ImportError:
        raise ConfigError("rss needs feedparser: pip install 'forewalk[news]'") from None
    feed = feedparser.parse(
        io.BytesIO(content), response_headers={"content-location": url}
    )  # never a name to open
    if not feed.entries and not feed.get("version"):
        raise DataError(f"{url}: neither RSS nor Atom")
    source = plain(str(feed.feed.get("title", ""))) or url
    rows: list[Row] = []
    for entry in feed.entries:
        published, updated = (
            moment_of(entry.get("published")),
            moment_of(dict.get(entry, "updated")),
        )  # its own `get` takes one for the other
        headline = plain(str(entry.get("title", "")))
        if not wanted.holds(published):
            continue
        body = plain(str(entry.get("summary", "")))
        symbols = about or _tagged(entry, wanted) or wanted.names.found(f"{headline} {body}")
        name = str(entry.get("id") or entry.get("link") or headline)
        rows.append(
            row_of(f"rss:{name}"[:500], headline, published, symbols, source, updated=updated, body=body)
        )
    return rows


def _tagged(entry: Any, wanted: Wanted) -> tuple[str, ...]:
    """Return the symbols that the feed files an entry under."""
    terms = {str(tag.get("term", "")).strip().upper() for tag in entry.get("tags", ())}
    return tuple(symbol for symbol in wanted.symbols if symbol.upper() in terms)


def plain(text: str) -> str:
    """Return a text without markup."""
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def moment_of(stamp: object) -> datetime | None:
    """Return the moment of a stamp with a zone that is known, else None."""
    text = str(stamp or "").strip()
    for read in (_iso, _mail):
        try:
            found = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return found if found.tzinfo is not None else None
    return None


def _iso(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00") if text.endswith("Z") else text)


def _mail(text: str) -> datetime:
    return parsedate_to_datetime(text)
