"""Journals of older and of later versions of the program."""

import sqlite3

from broker.journal import schema


def newer(count):
    """Return the journal's migrations and `count` more, as a later version of the program would have them."""
    more = tuple(
        (
            f"CREATE TABLE later_{number} (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
            f"ALTER TABLE orders ADD COLUMN later_{number} TEXT NOT NULL DEFAULT 'none'",
            f"CREATE INDEX later_{number}_by_text ON later_{number} (text)",
            f"INSERT INTO later_{number} (text) SELECT client_order_id FROM orders",
            f"UPDATE orders SET later_{number} = symbol",
        )
        for number in range(count)
    )
    return (*schema.MIGRATIONS, *more)


def make_older(path, version):
    """Turn a journal into one of an older version, with the rows that it had then."""
    old = path.with_name("older.db")
    journal = sqlite3.connect(old)
    for statements in schema.MIGRATIONS[:version]:
        for statement in statements:
            journal.execute(statement)
    journal.execute("ATTACH ? AS newer", (str(path),))
    names = [name for (name,) in journal.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
    for name in names:
        columns = ", ".join(row[1] for row in journal.execute(f"PRAGMA main.table_info({name})"))
        journal.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM newer.{name}")
    journal.commit()
    journal.execute(f"PRAGMA main.user_version = {version}")
    journal.close()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    old.rename(path)


def tables(path):
    """Return version and schema of a journal, after asserting that the file is sound."""
    with sqlite3.connect(path) as journal:
        assert journal.execute("PRAGMA quick_check").fetchone() == ("ok",)
        version = journal.execute("PRAGMA user_version").fetchone()[0]
        found = set(journal.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    journal.close()
    return version, found


def expected_tables(migrations):
    journal = sqlite3.connect(":memory:")
    for statements in migrations:
        for statement in statements:
            journal.execute(statement)
    found = set(journal.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    journal.close()
    return found


def rows(scene):
    """Return the rows of a journal by table, columns of later versions left out."""
    with sqlite3.connect(scene.state / "journal.db") as journal:
        columns = {
            "decisions": "decision_id, asof, equity, kind",
            "orders": "client_order_id, state, quantity, filled, broker_id",
            "fills": "execution_id, broker_id, quantity, price",
        }
        found = {
            name: sorted(journal.execute(f"SELECT {what} FROM {name}")) for name, what in columns.items()
        }
    journal.close()
    return found
