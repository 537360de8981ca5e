"""Alpaca's news into a file of texts: paced, resumed where it stopped, each article once.

The file is JSON lines that `forewalk.data.columns.texts` reads. Once a fetch has reached the present, what a later
one finds is first seen then; what was there before was seen by nobody of us at the time, and gets no `first_seen`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from broker.alpaca.client import AlpacaPaper
from broker.alpaca.source import REQUESTS_PER_MINUTE, TIMEOUT_S, translated
from broker.hosts import DATA_HOST, PAPER_HOST
from broker.keys import read_keys
from forewalk.data.sources.pacing import Pace
from forewalk.errors import DataError
from forewalk.settings.sections import DataSettings

OVERLAP = timedelta(minutes=15)  # asked for again: articles are entered with a delay
Ask = Callable[[Sequence[str], datetime, datetime], Iterator[list[dict[str, Any]]]]


def fetch_news(
    out: Path,
    symbols: Sequence[str],
    first: datetime,
    last: datetime,
    settings: DataSettings,
    now: datetime | None = None,
    ask: Ask | None = None,
) -> int:
    """Append the articles about the symbols to `out`, from `first` or from where the file ends; return how many.

    Each page is written before the next is asked for: what was fetched before a failure stays, and the next call goes
    on behind it.

    Args:
        settings: `url` and `requests_per_minute`, `patience_s`. now: the present; none means the clock.
        ask: answers instead of Alpaca, as `AlpacaPaper.news` does.

    Raises:
        ConfigError: the keys, or the URL.
        ConnectionFailed: Alpaca did not answer, or is busy for longer than `data.patience_s`.
        DataError: the file is damaged, or the pages do not end.
    """
    known, newest = _known(out)
    present = now or datetime.now(UTC)
    polled = out.exists() and _state(out).exists()
    begin = first if newest is None else max(first, newest - OVERLAP)
    added = 0
    for page in (ask or _connect(settings))(symbols, begin, min(last, present)):
        rows = [row for row in map(_row, page) if row is not None and row["id"] not in known]
        for row in rows:
            known.add(row["id"])
            if polled:
                row["first_seen"] = present.isoformat()
        _append(out, rows)
        added += len(rows)
    if last >= present:
        _state(out).write_text(f"complete up to {present.isoformat()}\n", encoding="utf-8")
    else:
        _state(out).unlink(missing_ok=True)
    return added


def _connect(settings: DataSettings) -> Ask:
    url = settings.url
    trading, data = (url, url) if url else (f"https://{PAPER_HOST}", f"https://{DATA_HOST}")
    client = AlpacaPaper(read_keys(os.environ), trading, data, TIMEOUT_S, settings.feed)
    pace = Pace(settings.requests_per_minute or REQUESTS_PER_MINUTE, settings.patience_s)
    return partial(client.news, each=lambda page: pace(lambda: translated(page)))


def _row(article: dict[str, Any]) -> dict[str, Any] | None:
    """Return an article as a text; None where it has no id, no moment or no headline."""
    try:
        published = datetime.fromisoformat(str(article["created_at"]).replace("Z", "+00:00"))
        updated = datetime.fromisoformat(
            str(article.get("updated_at") or article["created_at"]).replace("Z", "+00:00")
        )
    except (KeyError, ValueError):
        return None
    headline = str(article.get("headline") or "")
    if "id" not in article or not headline or published.tzinfo is None:
        return None
    return {
        "id": str(article["id"]),
        "published": published.isoformat(),
        "updated_at": updated.isoformat(),
        "symbols": [str(symbol) for symbol in article.get("symbols") or ()],
        "headline": headline,
        "source": str(article.get("source") or "alpaca"),
        "kind": "news",
    }


def _known(out: Path) -> tuple[set[str], datetime | None]:
    """Return the ids of a file and its newest publication; a line that was cut off by a kill is taken away."""
    if not out.exists():
        return set(), None
    content = out.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        out.write_bytes(whole)
    try:
        rows = [json.loads(line) for line in whole.splitlines() if line.strip()]
        moments = [datetime.fromisoformat(row["published"]) for row in rows]
        return {row["id"] for row in rows}, max(moments, default=None)
    except (ValueError, KeyError, TypeError) as problem:
        raise DataError(f"{out}: no file of `forewalk news fetch`: {problem}; choose another --out") from None


def _append(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())


def _state(out: Path) -> Path:
    """Return the file that is there while a text file is complete up to some present."""
    return out.with_name(out.name + ".fetched")
