"""Numbers, instants and identifiers as the API writes them.

An instant is an int: nanoseconds since 1970 UTC. A quantity, price or amount is a Decimal.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 86_400 * SECOND
ZERO = Decimal(0)
LARGEST = Decimal("1e11")  # of a number in a request: a product of two still fits into 28 digits to the cent
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?)?")


def is_coin(symbol: str) -> bool:
    """Whether a symbol is a pair of coins, as `BTC/USD`: traded at all hours, in fractions, never short."""
    return "/" in symbol


class Refusal(Exception):  # noqa: N818 - an answer of the broker, not a failure of the program
    """The broker says no: an HTTP status and the body that goes with it."""

    def __init__(self, status: int, code: int, message: str, **extra: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"code": code, "message": message, **extra}


def number_text(value: Decimal) -> str:
    """Return a plain decimal without exponent or trailing zeros: "0.1", "12", "-3.5"."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def optional_text(value: Decimal | None) -> str | None:
    """Return `number_text`, or None for None."""
    return None if value is None else number_text(value)


def parse_number(value: Any, name: str) -> Decimal:
    """Return a finite Decimal from a JSON string or number; anything else is refused (422)."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise Refusal(422, 40010001, f"invalid {name}")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Refusal(422, 40010001, f"invalid {name}") from None
    if not number.is_finite() or abs(number) >= LARGEST or number.as_tuple().exponent < -30:  # type: ignore[operator]
        raise Refusal(422, 40010001, f"invalid {name}")
    return number


def from_float(value: float) -> Decimal:
    """Return the shortest decimal that reads back as `value`: prices stay exactly what the bars hold."""
    return Decimal(repr(float(value)))


def as_datetime(instant: int, zone: Any = UTC) -> datetime:
    """Return the instant as an aware datetime; digits below a microsecond are cut."""
    return (_EPOCH + timedelta(microseconds=instant // 1000)).astimezone(zone)


def from_datetime(moment: datetime) -> int:
    """Return nanoseconds since 1970 of an aware datetime."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds * 1000


def utc_text(instant: int) -> str:
    """Return RFC 3339 in UTC with up to nine decimals: "2026-11-20T14:30:00.000001Z"."""
    return f"{as_datetime(instant):%Y-%m-%dT%H:%M:%S}{_fraction(instant)}Z"


def optional_utc(instant: int | None) -> str | None:
    """Return `utc_text`, or None for None."""
    return None if instant is None else utc_text(instant)


def new_york_text(instant: int) -> str:
    """Return RFC 3339 in New York time: "2026-11-20T09:30:00-05:00"."""
    moment = as_datetime(instant, NEW_YORK)
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{_fraction(instant)}{offset[:3]}:{offset[3:]}"


def parse_instant(text: str, name: str = "time") -> int:
    """Return the instant of RFC 3339 text; a bare date is midnight in New York, a zone-less time is UTC."""
    match = _INSTANT.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError(text)
        date, clock, fraction, zone = match.groups()
        if clock is None:
            return from_datetime(datetime.fromisoformat(date).replace(tzinfo=NEW_YORK))
        moment = datetime.fromisoformat(f"{date}T{clock}{zone or '+00:00'}")
    except ValueError:
        raise Refusal(422, 42210000, f"invalid {name}: {text[:40]}") from None
    nanoseconds = int((fraction or ".0")[1:].ljust(9, "0"))
    return from_datetime(moment) + nanoseconds


def unique_id(*parts: Any) -> str:
    """Return a UUID that is a function of its parts: the same run gives the same ids."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def chance(*parts: Any) -> float:
    """Return a number in [0, 1) that is a function of its parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _fraction(instant: int) -> str:
    digits = f"{instant % SECOND:09d}".rstrip("0")
    return f".{digits}" if digits else ""
