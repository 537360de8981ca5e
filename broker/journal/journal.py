"""The journal: what was decided, meant, sent, answered and filled, in one SQLite file that survives a power cut.

Every method that writes is one transaction with `synchronous=FULL`: when it returns, it is on the disk. An order
is in the journal before it is anywhere else.
"""

from __future__ import annotations

from pathlib import Path

from broker.journal.allocation import Allocations
from broker.journal.corporate import CorporateLog
from broker.journal.decisions import Decisions
from broker.journal.diary import Diary
from broker.journal.file import JournalFile
from broker.journal.halts import Halts
from broker.journal.ledger import Ledger
from broker.journal.models import ModelList
from broker.journal.money import Money
from broker.journal.orders import Orders
from broker.journal.outbox import Outbox


class Journal:
    """The journal of one book.

    Attributes:
        file: who owns it, and flags; see there for what opening it raises.
        decisions, orders, ledger, halts: what decides and acts.
        corporate, money, models, diary, outbox: what is remembered beside. allocation: its share of a shared account.
    """

    def __init__(self, path: Path, book: str, readonly: bool = False) -> None:
        self.file = JournalFile(path, book, readonly)
        self.decisions = Decisions(self.file)
        self.orders = Orders(self.file)
        self.ledger = Ledger(self.file)
        self.halts = Halts(self.file)
        self.corporate = CorporateLog(self.file)
        self.money = Money(self.file)
        self.allocation = Allocations(self.file)
        self.models = ModelList(self.file)
        self.diary = Diary(self.file)
        self.outbox = Outbox(self.file)

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    @property
    def book(self) -> str:
        """Name of the book."""
        return self.file.book

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()
