"""Which symbols a text names: by `$AAPL`, by `(NASDAQ: AAPL)`, or by a name that the settings give.

A bare word is not enough: ALL, CAT and NOW are symbols, and words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

EXCHANGES = "NASDAQ|NYSE|NYSEARCA|NYSEAMERICAN|NYSE American|AMEX|CBOE|BATS|OTC|LSE|TSX|XETRA|FRA|TYO|HKG"


class Names:
    """Finds symbols in texts.

    Args:
        symbols: that may be found. names: symbol -> what it is called in a text, several between bars.
    """

    def __init__(self, symbols: Sequence[str], names: Mapping[str, str]) -> None:
        self._symbol = {symbol.upper(): symbol for symbol in symbols}
        self._called = {
            spoken.strip().casefold(): symbol
            for symbol, spellings in names.items()
            for spoken in spellings.split("|")
            if spoken.strip()
        }
        self._tagged = re.compile(
            rf"\$([A-Za-z][A-Za-z0-9.\-]{{0,9}})|\((?:{EXCHANGES})\s*:\s*([A-Za-z0-9.\-]{{1,10}})\)",
            re.IGNORECASE,
        )
        words = sorted(map(re.escape, self._called), key=len, reverse=True)
        self._words = re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", re.IGNORECASE) if words else None

    def found(self, text: str) -> tuple[str, ...]:
        """Return the symbols that a text names, each once, in its order."""
        named = [
            (match.start(), self._symbol.get((match[1] or match[2]).rstrip(".-").upper()))
            for match in self._tagged.finditer(text)
        ]
        if self._words is not None:
            named += [
                (match.start(), self._called[match[0].casefold()]) for match in self._words.finditer(text)
            ]
        return tuple(dict.fromkeys(symbol for _, symbol in sorted(named, key=_place) if symbol is not None))


def _place(named: tuple[int, str | None]) -> int:
    return named[0]
