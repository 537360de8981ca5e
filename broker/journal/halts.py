"""The halts in force: what may not trade, why, and what the broker is to be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from broker.failpoints import reach
from broker.halts import EVERYTHING, HaltCause
from broker.journal.diary import add_line
from broker.journal.file import JournalFile
from broker.journal.records import Halt, Remainder, read, stamp


class Halts:
    """Stops of one symbol or of everything; each lasts until a person lifts it."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def begin(
        self,
        scope: str,
        cause: HaltCause,
        reason: str,
        now: datetime,
        cancel: bool = False,
        flatten: bool = False,
        suspend: bool = False,
        allow_exits: bool = False,
        keep_exits: bool = False,
        foreign_too: bool = False,
        again: bool = False,
    ) -> bool:
        """Stop a symbol or everything; False where that cause has stopped it already.

        A halt in force that is asked for more (to flatten too) takes it on, and is unconfirmed again; it never
        takes anything back. With `again` it is unconfirmed also where it is asked for nothing more: a person who
        says it once more wants it done once more.
        """
        asked = {"cancel": cancel, "flatten": flatten, "suspend": suspend, "foreign_too": foreign_too}
        spared = {"allow_exits": allow_exits, "keep_exits": keep_exits}
        with self._file.transaction() as write:
            row = write.execute(
                "SELECT * FROM halts WHERE scope = ? AND cause = ? AND cleared_at IS NULL", (scope, cause)
            ).fetchone()
            if row is None:
                columns = {"scope": scope, "cause": str(cause), "reason": reason, "at": stamp(now)}
                values = columns | asked | spared
                names = ", ".join(values)
                write.execute(
                    f"INSERT INTO halts ({names}) VALUES ({', '.join('?' * len(values))})",
                    tuple(values.values()),
                )
            else:
                merged = {name: bool(row[name] or value) for name, value in asked.items()}
                merged |= {name: bool(row[name] and value) for name, value in spared.items()}
                if not again and all(bool(row[name]) == value for name, value in merged.items()):
                    return False
                changes = ", ".join(f"{name} = ?" for name in merged)
                write.execute(
                    f"UPDATE halts SET {changes}, confirmed_at = NULL WHERE id = ?",
                    (*merged.values(), row["id"]),
                )
            add_line(write, now, "halt", "" if scope == EVERYTHING else scope, "", reason)
        reach("after_halt_commit")
        return True

    def in_force(self) -> list[Halt]:
        """Return the halts in force, oldest first."""
        rows = self._file.all("SELECT * FROM halts WHERE cleared_at IS NULL ORDER BY id")
        return [read(Halt, row) for row in rows]

    def over(self, symbol: str) -> list[Halt]:
        """Return the halts that stop a symbol, oldest first."""
        return [halt for halt in self.in_force() if halt.covers(symbol)]

    def reason(self, symbol: str) -> str | None:
        """Return why `symbol` may not trade, or None."""
        return next((halt.reason for halt in self.over(symbol)), None)

    def confirm(self, halt_id: int, now: datetime) -> None:
        """Note that the broker has done all that the halt asks for."""
        with self._file.transaction() as write:
            write.execute("UPDATE halts SET confirmed_at = ? WHERE id = ?", (stamp(now), halt_id))

    def lift(self, scope: str, now: datetime) -> list[Halt]:
        """Lift every halt of `scope` and return them."""
        lifted = [halt for halt in self.in_force() if halt.scope == scope]
        reach("before_resume_commit")
        if lifted:
            with self._file.transaction() as write:
                for halt in lifted:
                    write.execute("UPDATE halts SET cleared_at = ? WHERE id = ?", (stamp(now), halt.id))
                symbol = "" if scope == EVERYTHING else scope
                add_line(write, now, "resume", symbol, "", "lifted by a person")
                write.execute("DELETE FROM remains WHERE symbol = ? OR ? = ''", (symbol, symbol))
        reach("after_resume_commit")
        return lifted

    # what a kill switch has not closed

    def remains(self) -> list[Remainder]:
        """Return what is not closed, by symbol."""
        rows = self._file.all("SELECT * FROM remains ORDER BY symbol, kind, text")
        return [read(Remainder, row) for row in rows]

    def keep_remains(self, rows: Sequence[tuple[str, str, str]], now: datetime) -> list[tuple[str, str, str]]:
        """Keep (symbol, kind, text) of what is not closed in place of what was kept, and return what is new."""
        known = {(row.symbol, row.kind, row.text) for row in self.remains()}
        wanted = dict.fromkeys(rows)
        if known == set(wanted):
            return []
        with self._file.transaction() as write:
            write.execute("DELETE FROM remains")
            write.executemany(
                "INSERT INTO remains VALUES (?, ?, ?, ?)", [(*row, stamp(now)) for row in wanted]
            )
        return [row for row in wanted if row not in known]
