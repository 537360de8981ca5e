"""A book's share of an account that several books trade: what it was given, and what has become of the cash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from broker.journal.file import JournalFile
from broker.journal.records import stamp
from broker.values import plain

NAME = "allocation"
MILLION = Decimal(1_000_000)
SPENT = (  # in millionths of a dollar, each execution rounded; the file adds them up
    "SELECT SUM(CAST(ROUND(quantity * price * 1e6) AS INTEGER) * IIF(side = 'buy', 1, -1)) AS spent FROM fills "
    "WHERE rowid > ? AND client_order_id IS NOT NULL"
)
ADOPTED = (
    "SELECT SUM(CAST(ROUND(quantity * price * 1e6) AS INTEGER)) AS spent FROM adjustments "
    "WHERE id > ? AND kind = 'adopted'"
)


@dataclass(frozen=True)
class Allocation:
    """What a book was given, once.

    Attributes:
        share: of the account's equity. cash: dollars, beside the positions that it held already. at: when.
        fills, adjustments, flows: last rows of the journal that were there by then and are not counted again.
        seen: ids of the cash flows that the account had had by then.
    """

    share: str
    cash: str
    at: str
    fills: int
    adjustments: int
    flows: int
    seen: tuple[str, ...]


class Allocations:
    """The one allocation of a journal."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def get(self) -> Allocation | None:
        """Return what the book was given; None before its first look, or where it has the whole account."""
        text = self._file.value(NAME)
        if not text:
            return None
        kept = json.loads(text)
        return Allocation(**(kept | {"seen": tuple(kept["seen"])}))

    def begin(self, share: Decimal, cash: Decimal, now: datetime, seen: Sequence[str]) -> None:
        """Give the book its share: this much cash beside what it holds now."""
        fills, adjustments = self._last("fills", "rowid"), self._last("adjustments", "id")
        flows = self._last("cash_flows", "rowid")
        given = Allocation(
            plain(share), plain(cash), stamp(now), fills, adjustments, flows, tuple(sorted(seen))
        )
        self._file.set_value(NAME, json.dumps(asdict(given)))

    def forget(self) -> None:
        """Let the next look give the book its share anew: its journal has been made from the broker's records."""
        self._file.set_value(NAME, "")

    def cash(self) -> Decimal:
        """Return the book's cash in dollars, to the millionth: what it was given, less what its executions and the
        positions it took over cost since, and its part of deposits and the like."""
        given = self.get()
        if given is None:
            return Decimal(0)
        spent = self._sum(SPENT, given.fills) + self._sum(ADOPTED, given.adjustments)
        flows = self._file.all("SELECT amount FROM cash_flows WHERE rowid > ?", given.flows)
        return Decimal(given.cash) - spent + sum((Decimal(row["amount"]) for row in flows), Decimal(0))

    def _sum(self, sql: str, after: int) -> Decimal:
        row = self._file.one(sql, after)
        return Decimal(0 if row is None or row["spent"] is None else int(row["spent"])) / MILLION

    def _last(self, table: str, column: str) -> int:
        row = self._file.one(f"SELECT MAX({column}) AS last FROM {table}")
        return 0 if row is None or row["last"] is None else int(row["last"])
