"""Whose format it is, and what is known about its prices and stamps: signatures, no guesses from values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Names = frozenset[str]


@dataclass(frozen=True)
class Vendor:
    """A maker of files.

    Attributes:
        name: as it is reported.
        knows: tells from the normalised names of the columns and their raw text whether a file is theirs.
        adjusted: whether the prices as delivered are adjusted for splits and dividends; None: not said.
        zone: of stamps without one, "" where it is not said.
        stamp: "start" or "end" of an intraday bar where the maker says so, "" else.
    """

    name: str
    knows: Callable[[Names, str], bool]
    adjusted: bool | None = None
    zone: str = ""
    stamp: str = ""


def _has(*wanted: str) -> Callable[[Names, str], bool]:
    return lambda names, raw: names >= set(wanted)


VENDORS = (
    Vendor("nasdaq.com", _has("date", "close last"), adjusted=True),
    Vendor("investing.com", lambda n, raw: bool(n & {"change", "изм"})
           and bool(n & {"price", "цена", "last", "zuletzt", "ultimo", "dernier"})),
    Vendor("yfinance", _has("dividends", "stock splits")),
    Vendor("tiingo", _has("adj close", "div cash", "split factor")),
    Vendor("tiingo", _has("adjclose", "divcash", "splitfactor")),
    Vendor("quandl", _has("ex dividend", "split ratio", "adj close"), adjusted=False),
    Vendor("crsp", lambda n, raw: "permno" in n and bool(n & {"prc", "dlyprc"}), adjusted=False),
    Vendor("alpha vantage",
           lambda n, raw: "1. open" in raw or n >= {"adjusted close", "dividend amount", "split coefficient"},
           zone="America/New_York", stamp="start"),
    Vendor("databento", _has("rtype", "publisher id"), adjusted=False, zone="UTC", stamp="start"),
    Vendor("polygon", _has("window start", "ticker"), adjusted=False, zone="UTC", stamp="start"),
    Vendor("polygon", _has("o", "c", "h", "l", "t", "vw", "n", "v"), stamp="start"),
    Vendor("alpaca", _has("trade count", "vwap", "timestamp"), zone="UTC", stamp="start"),
    Vendor("alpaca", _has("t", "o", "h", "l", "c", "v"), zone="UTC", stamp="start"),
    Vendor("binance", _has("open time", "close time", "quote asset volume"), zone="UTC", stamp="start"),
    Vendor("cryptodatadownload", lambda n, raw: "unix" in n and "symbol" in n and "volume" in raw.casefold(),
           zone="UTC", stamp="start"),
    Vendor("ibkr", _has("date", "average", "barcount"), zone="America/New_York", stamp="start"),
    Vendor("ibkr", _has("date", "average", "bar count"), zone="America/New_York", stamp="start"),
    Vendor("dukascopy", lambda n, raw: "gmt time" in n, zone="UTC", stamp="start"),
    Vendor("dukascopy", lambda n, raw: "local time" in n, stamp="start"),
    Vendor("eodhd intraday", _has("gmtoffset", "datetime", "timestamp"), zone="UTC", stamp="start"),
    Vendor("metatrader 5", lambda n, raw: "<DATE>" in raw and "<TICKVOL>" in raw, stamp="start"),
    Vendor("stooq", lambda n, raw: "<TICKER>" in raw and "<PER>" in raw),
    Vendor("refinitiv", lambda n, raw: bool(n & {"trdprc 1", "hst close", "acvol uns", "universal close price"})),
    Vendor("bloomberg", lambda n, raw: "px last" in n or " equity" in raw.casefold() or " curncy" in raw.casefold()),
    Vendor("stooq", lambda n, raw: "zamkniecie" in n),
    Vendor("tradingview", lambda n, raw: raw.startswith("time,open,high,low,close"), stamp="start"),
    Vendor("yahoo", _has("date", "open", "high", "low", "close", "adj close", "volume"), adjusted=True),
    Vendor("eodhd", _has("date", "open", "high", "low", "close", "adjusted close", "volume")),
)  # fmt: skip
MULTI_INDEX = Vendor("yfinance", lambda n, raw: False)
BINANCE = Vendor("binance", lambda n, raw: False, zone="UTC", stamp="start")
CCXT = Vendor("ccxt", lambda n, raw: False, zone="UTC", stamp="start")
LEAN = Vendor("lean", lambda n, raw: False, stamp="start")
HISTDATA = Vendor("histdata", lambda n, raw: False, zone="Etc/GMT+5", stamp="start")
METATRADER4 = Vendor("metatrader 4", lambda n, raw: False, stamp="start")
ALPACA = Vendor("alpaca", lambda n, raw: False, zone="UTC", stamp="start")
STOOQ = Vendor("stooq", lambda n, raw: False)
FRED = Vendor("fred", lambda n, raw: False)


def vendor_of(names: list[str], raw: list[str]) -> Vendor | None:
    """Return whose header this is, None where it is nobody's that is known."""
    known, text = frozenset(names), ",".join(raw)
    return next((vendor for vendor in VENDORS if vendor.knows(known, text)), None)
