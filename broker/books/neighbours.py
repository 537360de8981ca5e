"""The journals of the other books on an account: what they say is held, read and never written."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from broker.errors import Unreachable
from broker.journal.file import book_of
from broker.journal.journal import Journal
from broker.values import SHARES
from forewalk.errors import DataError

ZERO = Decimal(0)


class Neighbour:
    """The journal of a book beside this one, read and never written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, Journal] | None = None

    def journal(self) -> Journal | None:
        """Return it as it is now, None where that book has not begun.

        Raises:
            Unreachable: it cannot be read; nothing can be said of this book's part then.
        """
        try:
            if not self._path.exists():
                return None
            number = self._path.stat().st_ino
            if self._opened is None or self._opened[0] != number or self._opened[1].file.copied:
                self.close()
                book = book_of(self._path)
                if book is None:
                    return None
                self._opened = (number, Journal(self._path, book, readonly=True))
        except (DataError, OSError) as problem:
            raise Unreachable(f"the book beside this one cannot be read: {problem}") from None
        return self._opened[1]

    def close(self) -> None:
        """Let go of the file."""
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None


def filled(journal: Journal) -> dict[str, Decimal]:
    """Return what a book holds by what the broker has said of its orders, booked or not."""
    return {s: q for s, q in together(journal.ledger.quantities(), journal.ledger.unbooked()).items() if q}


def together(*many: dict[str, Decimal]) -> dict[str, Decimal]:
    """Return the sum of quantities by symbol."""
    total: dict[str, Decimal] = {}
    for quantities in many:
        for symbol, quantity in quantities.items():
            total[symbol] = total.get(symbol, ZERO) + quantity
    return total


def same(first: dict[str, Decimal], second: dict[str, Decimal]) -> bool:
    """Whether two books hold the same."""
    symbols: Iterable[str] = first.keys() | second.keys()
    return all(abs(first.get(s, ZERO) - second.get(s, ZERO)) <= SHARES for s in symbols)
