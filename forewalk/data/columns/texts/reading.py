"""Read files of texts: CSV, Parquet, JSON, JSON lines, a folder of them.

A row is a text with the moment of its publication, or the one at which it was first seen, or both; see `cells` for
what is believed of a stamp. A text without any moment is refused with the setting that decides.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.columns.rows import NO_TIME
from forewalk.data.columns.texts.cells import cleaned, moments_of, symbols_in
from forewalk.data.columns.texts.polling import spans_of
from forewalk.data.columns.texts.texts import NEWS, SOCIAL, TextArray, Texts, body_hash, known_moments
from forewalk.data.columns.texts.wordings import first_wordings, numbered
from forewalk.errors import ConfigError, DataError
from forewalk.settings.news import NewsSettings
from forewalk.types import BoolArray, IntArray

NAMES = {
    "headline": (
        "headline",
        "title",
        "text",
        "tweet",
        "article_headline",
        "sentence",
        "body",
        "message",
        "content",
    ),
    "published": (
        *(
            "published",
            "published_at",
            "created_at",
            "publishedat",
            "pubdate",
            "published_utc",
            "time",
            "datetime",
        ),
        *("timestamp", "date", "acceptance_time", "acceptancedatetime", "created"),
    ),
    "first_seen": ("first_seen", "first_seen_at", "seen", "seen_at", "ingested_at", "fetched_at", "seendate"),
    "updated": ("updated_at", "updated", "modified", "last_updated"),
    "symbols": ("symbols", "symbol", "tickers", "ticker", "stock", "stocks", "cashtags", "related"),
    "id": ("id", "uuid", "url", "link", "guid", "tweet_id"),
    "body": ("body", "content", "summary", "description", "selftext"),
    "body_hash": ("body_hash",),
    "source": ("source", "publisher", "author", "provider", "site"),
    "kind": ("kind", "type"),
}
ENDINGS = (".csv", ".txt", ".parquet", ".pq", ".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class TextReport:
    """What was found in files of texts.

    Attributes:
        rows: read. dropped: without any moment, where that is allowed. amended: later versions, left out.
        joined: rows that say what another one said at the same moment, of another symbol or again.
        zone: in which stamps without one were read, "" where all had one.
        polls: spans in which each source of fetched files was asked; see `polling`.
    """

    rows: int
    dropped: int
    amended: int
    zone: str
    polls: tuple[IntArray, ...] = ()
    joined: int = 0


def read_texts(settings: NewsSettings) -> tuple[Texts, TextReport]:
    """Return the texts of `news.path`, by the moment at which they were known, and what was found.

    Of several texts under one id the one known first counts: what was corrected later was not known then.

    Raises:
        ConfigError, DataError: see `read_wordings`.
    """
    wordings, report = read_wordings(settings)
    texts, amended = first_wordings(wordings)
    return texts, replace(report, amended=amended)


def read_wordings(settings: NewsSettings) -> tuple[Texts, TextReport]:
    """Return every wording of the texts of `news.path`, numbered under its id, in the order of `known_at`.

    Raises:
        ConfigError: there is no such file.
        DataError: a column is missing, or a moment cannot be believed; the message says which row and what to do.
    """
    if settings.path is None:
        raise ConfigError("news.path names no file")
    frames = [(path, _table(path)) for path in _files(settings.path.expanduser())]
    parts = [_read(frame, path, settings) for path, frame in frames]
    texts = numbered(_joined([part for part, _, _ in parts]))
    zoned = any(zone for _, _, zone in parts)
    report = TextReport(
        rows=sum(len(frame) for _, frame in frames),
        dropped=sum(dropped for _, dropped, _ in parts),
        amended=0,
        zone=(settings.zone or "") if zoned else "",
        polls=tuple(spans for path, _ in frames for spans in spans_of(path)),
        joined=sum(len(part) for part, _, _ in parts) - len(texts),
    )
    return texts, report


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS)
        if not found:
            raise DataError(f"{path}: no file of texts in this folder ({', '.join(ENDINGS)})")
        return found
    if not path.exists():
        raise ConfigError(f"{path}: no such file (news.path)")
    return [path]


def _table(path: Path) -> pd.DataFrame:
    ending = path.suffix.lower()
    try:
        if ending in (".parquet", ".pq"):
            return pd.read_parquet(path)
        if ending in (".json", ".jsonl", ".ndjson"):
            return pd.DataFrame(_records(path.read_text(encoding="utf-8-sig")))
        return pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8-sig", sep=None, engine="python"
        )
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: cannot be read as texts: {str(error)[:200]}") from None


def _records(content: str) -> list[Any]:
    """Read a list of objects, an object that holds one under "news" or "data", or an object a line."""
    try:
        whole = json.loads(content)
    except json.JSONDecodeError:
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    if isinstance(whole, Mapping):
        whole = next(
            (whole[name] for name in ("news", "data", "articles", "items") if name in whole), [whole]
        )
    if not isinstance(whole, list) or not all(isinstance(item, Mapping) for item in whole):
        raise ValueError("it holds no list of objects")
    return whole


def _read(frame: pd.DataFrame, path: Path, settings: NewsSettings) -> tuple[Texts, int, bool]:
    """Return the texts of one table by when they were known, how many were dropped, and whether a zone was lent."""
    places = _places([str(name) for name in frame.columns], path, settings)
    count = len(frame)
    moments, lent = {}, False
    for name in ("published", "first_seen", "updated"):
        if name in places:
            moments[name], borrowed = moments_of(frame[places[name]], f"{path} row", name, settings)
            lent |= borrowed
        else:
            moments[name] = np.full(count, NO_TIME)
    lag = round(settings.lag_minutes * 60e6)
    known, backfilled = known_moments(moments["published"], moments["first_seen"], moments["updated"], lag)
    bare = known == NO_TIME
    if bare.any() and settings.undated == "refuse":
        raise DataError(
            f"{path} row {int(np.argmax(bare)) + 1}: nothing says when this text was known ({bare.sum():,} of "
            f"{count:,} rows are so): give published or first_seen, or set news.undated = 'drop'"
        )
    symbols = symbols_in(frame[places["symbols"]]) if "symbols" in places else np.full(count, None, object)
    if "symbols" not in places:
        symbols[:] = [()] * count
    headline = cleaned(frame[places["headline"]])
    texts = Texts(
        id=_ids(frame, places, headline, moments["published"]),
        version=np.zeros(count, np.int64),
        symbols=symbols,
        weight=np.ones(count),  # until it is known how many symbols each names
        published=moments["published"],
        first_seen=moments["first_seen"],
        known_at=known,
        headline=headline,
        body_hash=_bodies(frame, places),
        kind=_kinds(frame, places, settings),
        source=cleaned(frame[places["source"]]) if "source" in places else np.full(count, "", object),
        backfilled=backfilled,
    )
    texts = texts.keep(~bare)
    return texts.keep(np.argsort(texts.known_at, kind="stable")), int(bare.sum()), lent


def _places(header: Sequence[str], path: Path, settings: NewsSettings) -> dict[str, str]:
    """Return the column of each thing that is known of a text, by the settings or by its name."""
    plain = {re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_"): name for name in header}
    found = {}
    for what, names in NAMES.items():
        asked = settings.columns.get(what)
        if asked is not None:
            if asked not in header:
                raise DataError(
                    f"{path} has no column {asked!r}, but {', '.join(header[:12])}: name one of them in "
                    f"news.columns.{what}"
                )
            found[what] = asked
            continue
        name = next((plain[name] for name in names if name in plain), None)
        if name is not None:
            found[what] = name
    if found.get("body") == found.get("headline"):
        found.pop("body", None)  # it is what is scored
    unknown = set(settings.columns) - set(NAMES)
    if unknown:
        raise ConfigError(f"news.columns: {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    for what, needed in (
        ("headline", ("headline",)),
        ("published or first_seen", ("published", "first_seen")),
    ):
        if not any(name in found for name in needed):
            raise DataError(
                f"{path}: no column for the {what} among {', '.join(header[:12])}: name it in news.columns"
            )
    return found


def _ids(
    frame: pd.DataFrame, places: Mapping[str, str], headline: TextArray, published: IntArray
) -> TextArray:
    """Return what the source calls each text; what has no name is named by its content and its moment."""
    named = frame[places["id"]] if "id" in places else pd.Series([""] * len(frame))
    found = np.full(len(frame), "", object)
    for row, value in enumerate(named):
        own = "" if value is None or value != value else str(value).strip()
        content = f"{published[row]}\x1f{headline[row]}".encode("utf-8", "surrogatepass")
        found[row] = own or hashlib.sha256(content).hexdigest()[:16]
    return found


def _bodies(frame: pd.DataFrame, places: Mapping[str, str]) -> TextArray:
    """Return the hash of what stands below each headline, as told or as made of the body."""
    found = np.full(len(frame), "", object)
    if "body_hash" in places:
        found[:] = [value[:64] if isinstance(value, str) else "" for value in frame[places["body_hash"]]]
    elif "body" in places:
        found[:] = [body_hash(value) if isinstance(value, str) else "" for value in frame[places["body"]]]
    return found


def _kinds(frame: pd.DataFrame, places: Mapping[str, str], settings: NewsSettings) -> TextArray:
    if "kind" not in places:
        return np.full(len(frame), settings.kind, object)
    told = frame[places["kind"]].astype(str).str.strip().str.lower()
    return np.where(told.isin([NEWS, SOCIAL]), told, settings.kind).astype(object)


def _joined(parts: Sequence[Texts]) -> Texts:
    whole = Texts(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Texts.__dataclass_fields__
        }
    )
    return whole.keep(np.argsort(whole.known_at, kind="stable"))


def unknown_rows(texts: Texts, symbols: Sequence[str]) -> BoolArray:
    """Tell which texts name none of the symbols, [N]."""
    wanted = set(symbols)
    return np.array([not wanted.intersection(names) for names in texts.symbols], dtype=bool)
