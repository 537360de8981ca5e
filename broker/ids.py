"""Names that are pure functions of what they name, so that a restart finds them again.

A client_order_id is at most 48 characters of `[A-Za-z0-9_-]`: within Alpaca's old limit and its new one of
128. Two different orders never share one, and no field holds the separator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from forewalk.errors import ConfigError

MAX_LENGTH = 48
_BOOK = re.compile(r"[A-Za-z0-9]{1,12}")
_SYMBOL = re.compile(r"[A-Z0-9]{1,10}(\.[A-Z]{1,3})?|[A-Z0-9]{1,10}/USD")
_LEG = re.compile(r"[a-z]{1,6}")
_ID = re.compile(r"([A-Za-z0-9]{1,12})-(\d{8})-([A-Z0-9_x]{1,14})-([a-z]{1,6})-(\d{1,5})")
MAX_SEQUENCE = 99_999
FLAT = "flat"  # leg of the kill switch's orders
SAFE = "safe"  # leg of the stops that are a net under positions
REST = "rest"  # leg of what is left of an order that could not be sent as one
ORDERS_PER_BAR = 10  # orders of one symbol and leg that one decision may make


@dataclass(frozen=True)
class OrderName:
    """What a client_order_id says: book, session, symbol, leg of the decision and running number."""

    book: str
    session: date
    symbol: str
    leg: str
    sequence: int


def client_order_id(book: str, session: date, symbol: str, leg: str, sequence: int) -> str:
    """Return the id of one order, e.g. `paper-20261120-AAPL-m-0`; equal arguments, equal id.

    Args:
        book: name of the ledger, letters and digits.
        session: exchange date of the decision.
        symbol: ticker; the dot of `BRK.B` is written as `_`, the slash of `BTC/USD` as `x`: no ticker holds these.
        leg: `m` for the main order, `tp` and `sl` of a bracket, `flat` for the kill switch,
            `safe` for a stop under a position, `rest` for what is left of an order that was cut in two.
        sequence: number of the decision within the session times ORDERS_PER_BAR, plus the order's own number.

    Raises:
        ConfigError: a part cannot be written into an id.
    """
    checked_symbol(symbol)
    if not _BOOK.fullmatch(book):
        raise ConfigError(f"live.book = {book!r}: use 1 to 12 letters and digits")
    if not _LEG.fullmatch(leg) or not 0 <= sequence <= MAX_SEQUENCE:
        raise ConfigError(f"leg {leg!r} or sequence {sequence} does not fit into a client_order_id")
    return f"{book}-{session:%Y%m%d}-{symbol.replace('.', '_').replace('/', 'x')}-{leg}-{sequence}"


def parse_client_order_id(text: str) -> OrderName | None:
    """Read an id back; None where this program did not write it."""
    match = _ID.fullmatch(text)
    if match is None or len(text) > MAX_LENGTH:
        return None
    book, session, symbol, leg, sequence = match.groups()
    try:
        day = datetime.strptime(session, "%Y%m%d").date()
    except ValueError:
        return None
    name = OrderName(book, day, symbol.replace("_", ".").replace("x", "/"), leg, int(sequence))
    if not _SYMBOL.fullmatch(name.symbol):
        return None
    return name if client_order_id(book, day, name.symbol, leg, int(sequence)) == text else None


def leg_of(client_order_id: str) -> str | None:
    """Return the leg that an id names; None where this program did not write it."""
    name = parse_client_order_id(client_order_id)
    return None if name is None else name.leg


def checked_symbol(symbol: str) -> str:
    """Return `symbol` if it looks like a ticker; ConfigError for anything else (paths, quotes, markup)."""
    if not _SYMBOL.fullmatch(symbol):
        raise ConfigError(
            f"{symbol[:40]!r} is no ticker this account can trade; expected one like AAPL, BRK.B or BTC/USD"
        )
    return symbol


def decision_id(book: str, asof: datetime) -> str:
    """Return the name of the decision made for the bar that closed at `asof` (UTC)."""
    return f"{book}-{asof:%Y%m%dT%H%M}"
