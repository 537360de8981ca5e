"""GDELT 2.0: a file of what the world's press said, every fifteen minutes, with titles.

The stamp is that of the file: when GDELT had seen an article, not when it was published. A symbol is found by the
name that `news.names` gives it. A file of the past is taken as known `news.lag_minutes` after its stamp.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from forewalk.data.columns.texts.fetching.store import Row, TextStore, row_of
from forewalk.data.columns.texts.fetching.wanted import Wanted
from forewalk.data.columns.texts.fetching.web import too_large
from forewalk.errors import ConfigError, DataError

VIA = "gdelt"
PER_MINUTE = 60.0
BASE = "https://data.gdeltproject.org/gdeltv2/"
STEP = timedelta(minutes=15)
OVERLAP = 2  # files asked for again
MOST_FILES = 3_000  # of one fetch: a month; the next call goes on
DATE, SOURCE, ADDRESS, EXTRAS = 1, 3, 4, 26  # columns of a file
COLUMNS = 27
UNPACKED = 4  # times the most bytes of an answer
_TITLE = re.compile(r"<PAGE_TITLE>(.*?)</PAGE_TITLE>", re.DOTALL)


def fetch_gdelt(store: TextStore, wanted: Wanted) -> int:
    """Append the articles whose titles name a symbol, file after file; return how many were new.

    A file that GDELT has lost is passed over. One call reads a month at the most; the next goes on.

    Raises:
        ConfigError: `news.names` is empty. ConnectionFailed: no answer. DataError: a file that is damaged.
    """
    if not wanted.settings.names:
        raise ConfigError("gdelt: titles name no symbols: set news.names = {AAPL = 'Apple'}")
    added, seen = 0, store.reached(VIA)
    at = _begin(store, wanted)
    stop = min(wanted.last, wanted.now)
    for _ in range(MOST_FILES):
        if at > stop:
            break
        content = _file(wanted, at)
        if content is not None:
            added += store.add(list(_rows(content, at, wanted)), VIA, wanted.present(), seen)
        store.keep(VIA, {"next": (at + STEP).isoformat()})
        at += STEP
    store.mark(VIA, wanted.now if at > stop and wanted.last >= wanted.now else None)
    return added


def _begin(store: TextStore, wanted: Wanted) -> datetime:
    """Return the stamp of the first file to ask for: the first one wanted, or where the last fetch stopped."""
    told = store.kept(VIA).get("next")
    begin = wanted.first
    if isinstance(told, str):
        begin = max(begin, datetime.fromisoformat(told) - OVERLAP * STEP)
    past = begin - datetime(1970, 1, 1, tzinfo=UTC)
    return begin if past % STEP == timedelta(0) else begin + STEP - past % STEP


def _file(wanted: Wanted, at: datetime) -> bytes | None:
    url = f"{BASE}{at:%Y%m%d%H%M%S}.gkg.csv.zip"
    try:
        answer = wanted.pace(lambda: wanted.web.get(url))
    except DataError as problem:
        if "HTTP 404" in str(problem):
            return None
        raise
    return unzipped(answer.content, UNPACKED * wanted.web.most_bytes, url)


def unzipped(content: bytes, most_bytes: int, where: str) -> bytes:
    """Return the one file in a zip; DataError where it is damaged, or unpacks to more than is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (name,) = archive.namelist()
            with archive.open(name) as file:
                found = file.read(most_bytes + 1)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, RuntimeError, NotImplementedError):
        raise DataError(f"{where}: no zip with one file") from None
    if len(found) > most_bytes:
        raise too_large(where, most_bytes)
    return found


def _rows(content: bytes, at: datetime, wanted: Wanted) -> Iterator[Row]:
    for line in content.decode("utf-8", "replace").split("\n"):
        cells = line.split("\t")
        if len(cells) < COLUMNS:
            continue
        title = _TITLE.search(cells[EXTRAS])
        if title is None:
            continue
        headline = html.unescape(title[1])
        symbols = wanted.names.found(headline)
        if symbols:
            yield row_of(f"gdelt:{cells[ADDRESS]}"[:500], headline, at, symbols, cells[SOURCE])
