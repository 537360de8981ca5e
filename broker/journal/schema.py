"""The journal's tables, version by version, and the checks at opening.

Every migration runs in one transaction together with its version number: the file has the old schema or the
new one, never half of it.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from broker.failpoints import reach
from forewalk.errors import DataError

# Quantities, prices and money are TEXT: decimal digits as the broker sent them. Times are ISO 8601 UTC.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE decisions (
            decision_id TEXT PRIMARY KEY, asof TEXT NOT NULL, session TEXT NOT NULL, made_at TEXT NOT NULL,
            send_from TEXT NOT NULL, valid_until TEXT NOT NULL, equity TEXT NOT NULL, cash TEXT NOT NULL,
            model_id TEXT NOT NULL, fingerprint TEXT NOT NULL, kind TEXT NOT NULL DEFAULT 'bar',
            note TEXT NOT NULL DEFAULT '')""",
        """CREATE TABLE targets (
            decision_id TEXT NOT NULL REFERENCES decisions, symbol TEXT NOT NULL, close REAL, mean REAL, std REAL,
            target_weight REAL, reason TEXT NOT NULL, held TEXT NOT NULL, bar_problem TEXT, model_problem TEXT,
            PRIMARY KEY (decision_id, symbol))""",
        """CREATE TABLE orders (
            client_order_id TEXT PRIMARY KEY, decision_id TEXT NOT NULL REFERENCES decisions, symbol TEXT NOT NULL,
            side TEXT NOT NULL, quantity TEXT NOT NULL, kind TEXT NOT NULL, time_in_force TEXT NOT NULL,
            limit_price TEXT, stop_price TEXT, take_profit TEXT, stop_loss TEXT, decided_price TEXT NOT NULL,
            reduces INTEGER NOT NULL, reason TEXT NOT NULL DEFAULT '', send_from TEXT NOT NULL,
            valid_until TEXT NOT NULL, state TEXT NOT NULL, nonce TEXT NOT NULL DEFAULT '',
            posts INTEGER NOT NULL DEFAULT 0, posted_at TEXT, broker_id TEXT UNIQUE,
            status TEXT NOT NULL DEFAULT '', filled TEXT NOT NULL DEFAULT '0',
            average_price TEXT, cancel_wanted INTEGER NOT NULL DEFAULT 0, position INTEGER NOT NULL,
            updated_at TEXT NOT NULL)""",
        "CREATE INDEX orders_by_state ON orders (state)",
        "CREATE INDEX orders_by_decision ON orders (decision_id)",
        """CREATE TABLE fills (
            execution_id TEXT PRIMARY KEY, client_order_id TEXT REFERENCES orders, broker_id TEXT NOT NULL,
            symbol TEXT NOT NULL, side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL,
            at TEXT NOT NULL)""",
        "CREATE INDEX fills_by_symbol ON fills (symbol)",
        "CREATE INDEX fills_by_order ON fills (broker_id)",
        """CREATE TABLE adjustments (
            id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL,
            at TEXT NOT NULL, reason TEXT NOT NULL)""",
        """CREATE TABLE halts (
            id INTEGER PRIMARY KEY, scope TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL,
            cancel INTEGER NOT NULL DEFAULT 0, flatten INTEGER NOT NULL DEFAULT 0, suspend INTEGER NOT NULL DEFAULT 0,
            confirmed_at TEXT, cleared_at TEXT)""",
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, symbol TEXT NOT NULL,
            client_order_id TEXT NOT NULL, text TEXT NOT NULL)""",
        """CREATE TABLE equity (
            session TEXT NOT NULL, at TEXT NOT NULL, equity TEXT NOT NULL, cash TEXT NOT NULL,
            PRIMARY KEY (session, at))""",
        """CREATE TABLE models (
            model_id TEXT PRIMARY KEY, file TEXT NOT NULL, sha256 TEXT NOT NULL, valid_from TEXT NOT NULL,
            role TEXT NOT NULL, note TEXT NOT NULL, at TEXT NOT NULL)""",
        "CREATE TABLE bars_seen (symbol TEXT PRIMARY KEY, asof TEXT NOT NULL, close REAL NOT NULL)",
    ),
    (
        "ALTER TABLE adjustments ADD COLUMN kind TEXT NOT NULL DEFAULT 'adopted'",
        """CREATE TABLE corporate_actions (
            action_id TEXT PRIMARY KEY, kind TEXT NOT NULL, symbol TEXT NOT NULL, ex_date TEXT NOT NULL, ratio TEXT,
            cash TEXT, text TEXT NOT NULL, state TEXT NOT NULL)""",
        """CREATE TABLE cash_flows (
            flow_id TEXT PRIMARY KEY, kind TEXT NOT NULL, symbol TEXT NOT NULL, amount TEXT NOT NULL,
            on_date TEXT NOT NULL, at TEXT NOT NULL)""",
    ),
    (
        "ALTER TABLE halts ADD COLUMN cause TEXT NOT NULL DEFAULT 'unknown'",
        "ALTER TABLE halts ADD COLUMN allow_exits INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE halts ADD COLUMN keep_exits INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE halts ADD COLUMN foreign_too INTEGER NOT NULL DEFAULT 0",
        "UPDATE halts SET cause = 'drawdown' WHERE reason LIKE 'drawdown:%'",
        "UPDATE halts SET cause = 'daily_loss' WHERE reason LIKE 'daily_loss:%'",
        "UPDATE halts SET cause = 'account' WHERE reason LIKE 'account:%'",
        "UPDATE meta SET name = 'suspension', value = 'in force' WHERE name = 'flag suspended' AND value = '1'",
        "CREATE TABLE remains (symbol TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL)",
        "ALTER TABLE orders ADD COLUMN parent TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE cash_flows ADD COLUMN moved_at TEXT",
    ),
    ("ALTER TABLE models ADD COLUMN until TEXT",),
    (
        """CREATE TABLE outbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT, alarm_id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(8)))),
            at TEXT NOT NULL, kind TEXT NOT NULL, symbol TEXT NOT NULL, text TEXT NOT NULL)""",
        """CREATE TABLE outbox_channels (
            channel TEXT PRIMARY KEY, urgent INTEGER NOT NULL, quiet INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '', tried_at TEXT, sent_at TEXT)""",
        # In the very transaction of what it is about: no end of this process lies between a halt and its alarm.
        """CREATE TRIGGER alarms_of_the_diary AFTER INSERT ON events
            WHEN NEW.kind IN ('halt', 'refuse', 'rejected', 'give_up', 'flattened', 'drift', 'summary_failed')
            BEGIN
                INSERT INTO outbox (at, kind, symbol, text) VALUES (
                    NEW.at,
                    CASE
                        WHEN NEW.kind = 'halt' AND (NEW.text LIKE 'drawdown:%' OR NEW.text LIKE 'daily_loss:%')
                            THEN 'breach'
                        WHEN NEW.kind IN ('refuse', 'rejected') THEN 'refused'
                        WHEN NEW.kind = 'give_up' THEN 'needs_human'
                        ELSE NEW.kind END,
                    NEW.symbol,
                    CASE WHEN NEW.client_order_id = '' THEN NEW.text
                        ELSE NEW.client_order_id || ': ' || NEW.text END);
            END""",
    ),
)


def connect(path: Path, readonly: bool = False) -> sqlite3.Connection:
    """Open a journal file; autocommit off is done by hand with BEGIN IMMEDIATE.

    Raises:
        DataError: the file is damaged, not a journal, or cannot be written; the message says how to go on.
    """
    target = f"{path.resolve().as_uri()}?mode={'ro' if readonly else 'rwc'}"
    connection = None
    if not readonly:
        _keep_private(path)
    try:
        connection = sqlite3.connect(
            target, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        if not readonly:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise DataError(
                    f"{path}: the file system allows no write-ahead log ({mode}); use a local disk"
                )
            connection.execute("PRAGMA synchronous = FULL")
        verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise _unusable(path, str(error)) from None
    if verdict != "ok":
        connection.close()
        raise _unusable(path, verdict)
    return connection


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date, one transaction per version.

    Raises:
        DataError: the file was written by a newer version, or cannot be written.
    """
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise DataError(
                f"{path}: journal version {version}, this program knows {len(MIGRATIONS)}; update it"
            )
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            connection.execute("BEGIN IMMEDIATE")
            for place, statement in enumerate(statements):
                connection.execute(statement)
                if place == len(statements) // 2:
                    reach("during_migration")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise _unusable(path, str(error)) from None


def as_now(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Return a journal that may only be read with the tables of today.

    One that an earlier version wrote stays as it is: it is copied into memory and brought up to date there, and
    `connection` is closed. The copy is of this moment.

    Raises:
        DataError: the file was written by a newer version, or cannot be read.
    """
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0 or version == len(MIGRATIONS):  # 0: it is being made
            return connection
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        copy.row_factory = sqlite3.Row
        connection.backup(copy)
    except sqlite3.Error as error:
        raise _unusable(path, str(error)) from None
    try:
        migrate(copy, path)
    except BaseException:
        copy.close()
        raise
    connection.close()
    return copy


def _keep_private(path: Path) -> None:
    """Let only this user read the file and what SQLite puts beside it; where that cannot be, SQLite says why."""
    with suppress(OSError):
        path.touch(mode=0o600)
        for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if file.exists() and file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _unusable(path: Path, problem: str) -> DataError:
    if "readonly" in problem or "unable to open" in problem:
        return DataError(f"{path}: cannot be written: {problem}; give this user write access to the folder")
    if "full" in problem or "disk I/O" in problem:
        return DataError(
            f"{path}: {problem}: make room on the disk and start again; the journal itself is not damaged by that"
        )
    if "locked" in problem:
        return DataError(f"{path}: {problem}: another program holds it; stop that one first")
    return DataError(
        f"{path}: the journal is damaged ({problem}). Put back a copy made with `sqlite3 journal.db .backup`, "
        "or move the file away and run `forewalk live --rebuild` to start a new one from the broker's positions"
    )
