"""The halts in force: what may not trade, why, and what the broker is to be told."""

from __future__ import annotations

from datetime import datetime

from broker.failpoints import reach
from broker.journal.diary import add_line
from broker.journal.file import JournalFile
from broker.journal.records import Halt, read, stamp

EVERYTHING = "*"  # scope of a halt that stops all symbols


class Halts:
    """Stops of one symbol or of everything; each lasts until a person lifts it."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def begin(
        self,
        scope: str,
        reason: str,
        now: datetime,
        cancel: bool = False,
        flatten: bool = False,
        suspend: bool = False,
    ) -> bool:
        """Stop a symbol or everything; False where the same halt is in force already."""
        with self._file.transaction() as write:
            row = write.execute(
                "SELECT 1 FROM halts WHERE scope = ? AND reason = ? AND cleared_at IS NULL AND cancel >= ? "
                "AND flatten >= ? AND suspend >= ?",
                (scope, reason, cancel, flatten, suspend),
            ).fetchone()
            if row is not None:
                return False
            write.execute(
                "INSERT INTO halts (scope, reason, at, cancel, flatten, suspend) VALUES (?, ?, ?, ?, ?, ?)",
                (scope, reason, stamp(now), cancel, flatten, suspend),
            )
            add_line(write, now, "halt", "" if scope == EVERYTHING else scope, "", reason)
        reach("after_halt_commit")
        return True

    def in_force(self) -> list[Halt]:
        """Return the halts in force, oldest first."""
        rows = self._file.all("SELECT * FROM halts WHERE cleared_at IS NULL ORDER BY id")
        return [read(Halt, row) for row in rows]

    def reason(self, symbol: str) -> str | None:
        """Return why `symbol` may not trade, or None."""
        return next((halt.reason for halt in self.in_force() if halt.scope in (EVERYTHING, symbol)), None)

    def confirm(self, halt_id: int, now: datetime) -> None:
        """Note that the broker has done all that the halt asks for."""
        with self._file.transaction() as write:
            write.execute("UPDATE halts SET confirmed_at = ? WHERE id = ?", (stamp(now), halt_id))

    def lift(self, scope: str, now: datetime) -> int:
        """Lift every halt of `scope` and return how many there were."""
        with self._file.transaction() as write:
            done = write.execute(
                "UPDATE halts SET cleared_at = ? WHERE scope = ? AND cleared_at IS NULL", (stamp(now), scope)
            )
            if done.rowcount:
                add_line(write, now, "resume", "" if scope == EVERYTHING else scope, "", "lifted by a person")
            return done.rowcount
