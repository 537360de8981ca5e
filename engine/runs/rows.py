"""A trial as a row of the ledger: the tables, the row and back, and the hash that ties it to all rows before."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from engine.runs.trial import Trial
from forewalk.errors import ForewalkError
from forewalk.types import IntArray

VERSION = 2
GENESIS = "0" * 64  # what the first row's hash builds on


COLUMNS = (
    "number",
    "kind",
    "created",
    "name",
    "data_fingerprint",
    "data",
    "settings_hash",
    "settings",
    "first_row",
    "bars",
    "sharpe_per_bar",
    "skew",
    "kurtosis",
    "returns",
)
YOUNGER_COLUMNS = (
    "symbols",
    "interval",
    "span",
)  # of format 2; a row that has none of them is sealed as in format 1
ALL_COLUMNS = (*COLUMNS, *YOUNGER_COLUMNS)
GUARDS = ("trials_no_update", "trials_no_delete", "spans_no_update", "spans_no_delete")

SCHEMA = """
CREATE TABLE trials (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL, created TEXT NOT NULL, name TEXT NOT NULL,
  data_fingerprint TEXT NOT NULL, data TEXT NOT NULL,
  settings_hash TEXT NOT NULL, settings TEXT NOT NULL,
  first_row INTEGER NOT NULL, bars INTEGER NOT NULL,
  sharpe_per_bar REAL, skew REAL, kurtosis REAL,
  returns BLOB NOT NULL, hash TEXT NOT NULL UNIQUE
) STRICT;
CREATE INDEX trials_of_data ON trials (data_fingerprint);
CREATE TRIGGER trials_no_update BEFORE UPDATE ON trials
  BEGIN SELECT RAISE(ABORT, 'the ledger of trials is append-only'); END;
CREATE TRIGGER trials_no_delete BEFORE DELETE ON trials
  BEGIN SELECT RAISE(ABORT, 'the ledger of trials is append-only'); END;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
# Format 2 knows on which symbols and bars a try was made, so that tries on overlapping data count together.
MIGRATION = (
    "ALTER TABLE trials ADD COLUMN symbols TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE trials ADD COLUMN interval TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE trials ADD COLUMN span TEXT NOT NULL DEFAULT ''",
    "CREATE TABLE spans (span TEXT PRIMARY KEY, times BLOB NOT NULL) STRICT",
    "CREATE TRIGGER spans_no_update BEFORE UPDATE ON spans "
    "BEGIN SELECT RAISE(ABORT, 'the ledger of trials is append-only'); END",
    "CREATE TRIGGER spans_no_delete BEFORE DELETE ON spans "
    "BEGIN SELECT RAISE(ABORT, 'the ledger of trials is append-only'); END",
    f"PRAGMA user_version = {VERSION}",
)
INSERT = (
    f"INSERT INTO trials ({', '.join(ALL_COLUMNS)}, hash) VALUES ({', '.join('?' * (len(ALL_COLUMNS) + 1))})"
)
SELECT = f"SELECT {', '.join(ALL_COLUMNS)}, hash FROM trials"


def row_of(trial: Trial) -> tuple[Any, ...]:
    """Return the columns of a trial's row, without its hash."""
    values = np.ascontiguousarray(trial.returns, dtype="<f4")
    return (
        trial.number,
        trial.kind,
        trial.created.isoformat(),
        trial.name,
        trial.data_fingerprint,
        trial.data,
        trial.settings_hash,
        trial.settings,
        int(trial.first_row),
        trial.bars,
        *(None if np.isnan(x) else float(x) for x in (trial.sharpe_per_bar, trial.skew, trial.kurtosis)),
        zlib.compress(values.tobytes(), 6),
        json.dumps(trial.symbols) if trial.symbols else "",
        trial.interval,
        span_of(trial)[0],
    )


def span_of(trial: Trial) -> tuple[str, bytes]:
    """Return the hash of a trial's bars, and the bars; tries on the same bars share one row."""
    steps = np.diff(np.asarray(trial.times, dtype="<i8"), prepend=0)
    blob = zlib.compress(steps.astype("<i8").tobytes(), 6) if len(steps) else b""
    return (hashlib.sha256(steps.tobytes()).hexdigest() if len(steps) else "", blob)


def times_of(span: str, blob: bytes) -> IntArray:
    """Return the bars of a span; ForewalkError where they are not what its name says."""
    try:
        steps = np.frombuffer(zlib.decompress(blob), dtype="<i8") if blob else np.zeros(0, dtype="<i8")
    except zlib.error as problem:
        raise ForewalkError(f"the bars of span {span[:12]} in the ledger are damaged: {problem}") from None
    if len(steps) and hashlib.sha256(steps.tobytes()).hexdigest() != span:
        raise ForewalkError(f"the bars of span {span[:12]} in the ledger were edited")
    return np.cumsum(steps, dtype=np.int64)


def trial_of(row: Sequence[Any], spans: Mapping[str, IntArray]) -> Trial:
    """Return the trial of a row, its times out of `spans`; ForewalkError where the row is damaged."""
    named = dict(zip((*ALL_COLUMNS, "hash"), row, strict=True))
    moments = {
        key: np.nan if named[key] is None else named[key] for key in ("sharpe_per_bar", "skew", "kurtosis")
    }
    try:
        returns = np.frombuffer(zlib.decompress(named["returns"]), dtype="<f4")
        created = datetime.fromisoformat(named["created"])
    except (zlib.error, ValueError, TypeError) as problem:
        raise ForewalkError(f"trial {named['number']} of the ledger is damaged: {problem}") from None
    named.pop("bars")
    named["symbols"] = tuple(json.loads(named["symbols"] or "[]"))
    named["times"] = spans.get(named.pop("span"), np.zeros(0, np.int64))
    return Trial(**{**named, **moments, "returns": returns, "created": created})


def seal_of(previous: str, row: Sequence[Any]) -> str:
    """Return the hash that ties a row to all rows before it."""
    digest = hashlib.sha256(previous.encode())
    for value in row if any(row[len(COLUMNS) :]) else row[: len(COLUMNS)]:
        data = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
