"""Filings at the SEC by the moment of their acceptance, the cleanest stamp that there is.

One trap: some filers' `acceptanceDateTime` is UTC, others' is New York's clock with a `Z` behind it, and nothing
tells which. The later of the two readings counts, unless it lies in the future: no filing is known too early, some
are known four or five hours late.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from forewalk.data.columns.texts.fetching.store import Row, TextStore, row_of
from forewalk.data.columns.texts.fetching.wanted import Wanted, asked_again
from forewalk.data.columns.texts.fetching.web import Answer
from forewalk.errors import ConfigError, DataError

VIA = "sec"
PER_MINUTE = 300.0  # ten a second are allowed
COMPANIES = "https://www.sec.gov/files/company_tickers.json"
FILINGS = "https://data.sec.gov/submissions/"
NEW_YORK = ZoneInfo("America/New_York")
ITEMS = {
    "1.01": "material agreement entered",
    "1.02": "material agreement terminated",
    "1.03": "bankruptcy or receivership",
    "1.05": "material cybersecurity incident",
    "2.01": "acquisition or disposition completed",
    "2.02": "results of operations",
    "2.03": "financial obligation created",
    "2.04": "obligation accelerated",
    "2.05": "exit or disposal costs",
    "2.06": "material impairment",
    "3.01": "notice of delisting",
    "3.02": "unregistered sale of shares",
    "4.01": "change of auditor",
    "4.02": "earlier statements not to be relied on",
    "5.01": "change of control",
    "5.02": "directors or officers change",
    "5.03": "articles or bylaws amended",
    "5.07": "votes of shareholders",
    "7.01": "disclosure under Regulation FD",
    "8.01": "other events",
    "9.01": "financial statements and exhibits",
}


def fetch_filings(store: TextStore, wanted: Wanted) -> int:
    """Append the filings of the symbols' companies; return how many were new.

    Raises:
        ConfigError: `news.contact` is missing; the SEC answers nobody without. ConnectionFailed: no answer.
        DataError: an unknown symbol, or answers that cannot be read.
    """
    if not wanted.settings.contact:
        raise ConfigError(
            "sec: the SEC wants to know who asks: set news.contact = 'Your Name you@example.org'"
        )
    numbers = _known_numbers(store, wanted)
    added, seen = 0, store.reached(VIA)
    for symbol in wanted.symbols:
        added += _fetch(symbol, numbers[_plain(symbol)], store, wanted, seen)
    store.mark(VIA, wanted.now if wanted.last >= wanted.now else None)
    return added


def _fetch(symbol: str, number: int, store: TextStore, wanted: Wanted, seen: bool) -> int:
    """Append the filings of one company: the newest ones, then the older pages that reach into the span."""
    reach = store.kept(f"{VIA} {symbol} from").get("first", "9999")
    key = f"{VIA} {symbol}" if reach <= f"{wanted.first:%Y-%m-%d}" else ""  # else all of it is wanted again
    url = f"{FILINGS}CIK{number:010}.json"
    answer, keep = asked_again(url, key, store, wanted)
    if answer.status == 304:
        return 0
    filings = _object(answer, url).get("filings")
    if not isinstance(filings, dict) or not isinstance(filings.get("recent"), dict):
        raise DataError(f"sec: the filings of company {number} cannot be read")
    added = store.add(_rows(filings["recent"], symbol, wanted), VIA, wanted.present(), seen)
    for page in _older(filings, number, wanted):
        added += store.add(_rows(page, symbol, wanted), VIA, wanted.present(), seen)
    if not key:
        store.keep(f"{VIA} {symbol} from", {"first": f"{wanted.first:%Y-%m-%d}"})
    else:
        keep()
    return added


def _known_numbers(store: TextStore, wanted: Wanted) -> dict[str, int]:
    """Return the SEC's number of each symbol's company; the whole list is asked for where one is not known yet."""
    known = {name: int(number) for name, number in store.kept(f"{VIA} numbers").items()}
    asked = [_plain(symbol) for symbol in wanted.symbols]
    if set(asked) <= set(known):
        return known
    answer = wanted.pace(lambda: wanted.web.get(COMPANIES))
    numbers = _numbers(_object(answer, COMPANIES))
    unknown = [name for name in asked if name not in numbers]
    if unknown:
        raise DataError(f"sec: no company files as {', '.join(unknown[:6])}; leave it out with --symbols")
    store.keep(f"{VIA} numbers", {**known, **{name: numbers[name] for name in asked}})
    return numbers


def accepted_at(stamp: str, now: datetime) -> datetime | None:
    """Return the later moment that an `acceptanceDateTime` can mean, but none after `now`; None where it is none."""
    try:
        clock = datetime.fromisoformat(stamp.replace("Z", "")).replace(tzinfo=None)
    except ValueError:
        return None
    later = clock.replace(tzinfo=NEW_YORK).astimezone(UTC)
    return later if later <= now else clock.replace(tzinfo=UTC)


def _older(filings: Mapping[str, Any], number: int, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
    """Yield the older pages of a company that reach into the span."""
    pages = filings.get("files") or []
    if not isinstance(pages, list) or not all(isinstance(page, dict) for page in pages):
        raise DataError(f"sec: the older pages of company {number} cannot be read")
    for page in pages:
        if str(page.get("filingTo", "9999")) >= f"{wanted.first:%Y-%m-%d}":
            name = str(page.get("name", ""))
            if "/" in name or not name.endswith(".json"):
                raise DataError(f"sec: a page of company {number} is called {name[:80]!r}")
            url = FILINGS + name
            yield _object(wanted.pace(partial(wanted.web.get, url)), url)


def _rows(page: Mapping[str, Any], symbol: str, wanted: Wanted) -> list[Row]:
    names = ("accessionNumber", "acceptanceDateTime", "form")
    columns = [page.get(name) for name in names]
    if (
        not all(isinstance(column, list) for column in columns)
        or len({len(column or ()) for column in columns}) != 1
    ):
        raise DataError(f"sec: the filings of {symbol} have no {', '.join(names)}")
    rows = []
    more = [_column(page, name, len(columns[0] or ())) for name in ("primaryDocDescription", "items")]
    for accession, stamp, form, description, items in zip(*columns, *more, strict=True):
        moment = accepted_at(str(stamp), wanted.now)
        if moment is None or not wanted.holds(moment):
            continue
        said = [
            ITEMS.get(item.strip(), f"item {item.strip()}")
            for item in str(items or "").split(",")
            if item.strip()
        ]
        words = "; ".join(said) or str(description or "")
        headline = f"{symbol} files {form}" + (f": {words}" if words and words != form else "")
        rows.append(row_of(f"sec:{accession}:{symbol}", headline, moment, (symbol,), "SEC"))
    return rows


def _column(page: Mapping[str, Any], name: str, count: int) -> list[Any]:
    found = page.get(name)
    return found if isinstance(found, list) and len(found) == count else [""] * count


def _numbers(companies: Mapping[str, Any]) -> dict[str, int]:
    try:
        return {_plain(str(each["ticker"])): int(each["cik_str"]) for each in companies.values()}
    except (KeyError, TypeError, ValueError):
        raise DataError("sec: the list of companies cannot be read") from None


def _plain(symbol: str) -> str:
    return symbol.upper().replace(".", "-").replace("/", "-")


def _object(answer: Answer, url: str) -> dict[str, Any]:
    try:
        found = json.loads(answer.content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DataError(f"{url}: no JSON object")
    return found
