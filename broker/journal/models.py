"""Which model file had which role since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from broker.journal.file import JournalFile
from broker.journal.records import stamp


class ModelList:
    """The models of a book: champions, challengers, rejected ones."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def record(
        self, model_id: str, file: str, sha256: str, valid_from: datetime, role: str, note: str, now: datetime
    ) -> None:
        """Keep which model file has which role: champion, challenger or rejected."""
        self.record_all([(model_id, file, sha256, valid_from, role, note, now)])

    def record_all(self, rows: Sequence[tuple[str, str, str, datetime, str, str, datetime]]) -> None:
        """Keep several models at once, all or none; a row is what `record` takes."""
        with self._file.transaction() as write:
            write.executemany(
                "INSERT OR REPLACE INTO models (model_id, file, sha256, valid_from, role, note, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*row[:3], stamp(row[3]), *row[4:6], stamp(row[6])) for row in rows],
            )

    def end(self, model_ids: Sequence[str], until: datetime, note: str) -> None:
        """Let models be asked about no bar from `until` on; all at once, and for those that have not ended yet."""
        with self._file.transaction() as write:
            write.executemany(
                "UPDATE models SET until = ?, note = note || ? WHERE model_id = ? AND until IS NULL",
                [(stamp(until), f"; {note}", model_id) for model_id in model_ids],
            )

    def all(self) -> list[dict[str, Any]]:
        """Return every model with file, hash, role, note and its end, oldest first."""
        return [dict(row) for row in self._file.all("SELECT * FROM models ORDER BY at, model_id")]
