"""Scores that were told once, kept by the content of the text and by the scorer: a file of SQLite for each scorer."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from forewalk.errors import DataError

TOGETHER = 500  # that are looked up or written at once


def kept_scores(
    texts: Sequence[str], file: Path, score: Callable[[Sequence[str]], Sequence[float]]
) -> list[float]:
    """Return the score of each text, [N]; `score` is asked about those that the file does not know, each once.

    What was scored before a failure is kept.

    Args:
        file: of the scorer; its name must change with everything that its scores depend on.

    Raises:
        DataError: the file cannot be used.
    """
    names = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    wanted = dict(zip(names, texts, strict=True))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=60)) as store:
            store.execute(
                "CREATE TABLE IF NOT EXISTS scores (text BLOB PRIMARY KEY, tone REAL NOT NULL) WITHOUT ROWID"
            )
            known = dict(_known(store, list(wanted)))
            for some in _batches([name for name in wanted if name not in known]):
                fresh = dict(zip(some, map(float, score([wanted[name] for name in some])), strict=True))
                with store:
                    store.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?)", fresh.items())
                known |= fresh
    except (sqlite3.Error, OSError) as problem:
        raise DataError(f"{file}: {problem}; delete it, and texts are scored anew") from None
    return [known[name] for name in names]


def _batches(names: Sequence[bytes]) -> Iterator[list[bytes]]:
    rest = iter(names)
    while some := list(islice(rest, TOGETHER)):
        yield some


def _known(store: sqlite3.Connection, names: Sequence[bytes]) -> list[tuple[bytes, float]]:
    found: list[tuple[bytes, float]] = []
    for some in _batches(names):
        marks = ",".join("?" * len(some))
        found += store.execute(f"SELECT text, tone FROM scores WHERE text IN ({marks})", some).fetchall()
    return found
