"""Which exchange a symbol trades on: told from its name as vendors write it, else from its days."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pandas as pd

from forewalk.calendars import FOREX
from forewalk.errors import ConfigError, DataError
from forewalk.sessions import microseconds, sessions_between
from forewalk.types import BoolArray, IntArray

NEW_YORK, ALWAYS = "XNYS", "24/7"
_DAY = 24 * 3600 * 10**6
_SUFFIXES = {
    "XLON": "L IL LN", "XTKS": "T JP TYO", "XHKG": "HK", "XSHG": "SS SZ SH CH", "XBOM": "NS BO IN", "XASX": "AX AU",
    "XTSE": "TO V CN NE TSX", "XETR": "DE GR XETRA", "XFRA": "F", "XPAR": "PA FP", "XAMS": "AS NA", "XBRU": "BR "
    "BB", "XMAD": "MC SM",
    "XMIL": "MI IM", "XSWX": "SW SE VX", "XSTO": "ST SS_EQUITY", "XCSE": "CO DC", "XHEL": "HE FH", "XOSL": "OL NO",
    "XWBO": "VI", "XLIS": "LS PL", "XDUB": "IR ID", "XWAR": "WA PW", "XPRA": "PR", "XBUD": "BD", "ASEX": "AT GA",
    "XIST": "IS TI", "BVMF": "SA BZ", "XMEX": "MX MM", "XBUE": "BA", "XSGO": "SN", "XKRX": "KS KQ KP KR", "XTAI":
        "TW TWO TT",
    "XSES": "SI SP", "XKLS": "KL MK", "XIDX": "JK IJ", "XBKK": "BK TB", "XNZE": "NZ", "XJSE": "JO SJ", "XTAE":
        "TA IT",
    "XSAU": "SR AB", "XNYS": "US UN UQ UW UA O N K",
}  # fmt: skip
_BY_SUFFIX = {suffix: calendar for calendar, text in _SUFFIXES.items() for suffix in text.split()}
_BY_PREFIX = {
    "NASDAQ": NEW_YORK, "NYSE": NEW_YORK, "AMEX": NEW_YORK, "NYSEARCA": NEW_YORK, "ARCA": NEW_YORK, "BATS": NEW_YORK,
    "LSE": "XLON", "LON": "XLON", "TSE": "XTKS", "TYO": "XTKS", "HKEX": "XHKG", "HKG": "XHKG", "SSE": "XSHG",
        "SZSE": "XSHG",
    "NSE": "XBOM", "BSE": "XBOM", "ASX": "XASX", "TSX": "XTSE", "XETR": "XETR", "FWB": "XFRA", "EURONEXT":
        "XPAR", "EPA": "XPAR",
    "MIL": "XMIL", "BME": "XMAD", "SIX": "XSWX", "KRX": "XKRX", "TWSE": "XTAI", "SGX": "XSES", "BMFBOVESPA":
        "BVMF",
    "FX": FOREX, "OANDA": FOREX, "FX_IDC": FOREX, "FOREXCOM": FOREX, "C": FOREX,
    "BINANCE": ALWAYS, "COINBASE": ALWAYS,
    "KRAKEN": ALWAYS, "BITSTAMP": ALWAYS, "BYBIT": ALWAYS, "X": ALWAYS, "CRYPTO": ALWAYS, "BITFINEX": ALWAYS,
}  # fmt: skip
_CURRENCIES = (
    "USD EUR GBP JPY CHF CAD AUD NZD SEK NOK DKK PLN CZK HUF TRY ZAR MXN SGD HKD CNH CNY INR KRW BRL RUB ILS THB RON "
    "XAU XAG XPT XPD"
)
_COINS = (
    "BTC XBT ETH LTC XRP BCH ADA DOT DOGE SOL BNB AVAX MATIC LINK UNI ATOM XLM TRX ETC XMR EOS ALGO AAVE SHIB NEO "
    "DASH ZEC "
    "FIL VET ICP SAND MANA XTZ NEAR ARB OP SUI APT PEPE TON GRT MKR"
)
_STABLE = "USDT|USDC|BUSD|TUSD|DAI|FDUSD|UST"
_CURRENCY = _CURRENCIES.replace(" ", "|")
_PAIR = re.compile(rf"^({_CURRENCY})[/\-_. ]?({_CURRENCY})(?:=X|\.FX|m|\.r|#)?$")
_COIN = re.compile(
    rf"^t?(?:[A-Z0-9]{{2,10}}[/\-_. ]?(?:{_STABLE})|(?:{_COINS.replace(' ', '|')})"
    rf"[/\-_. ]?(?:{_CURRENCY}|{_STABLE}|BTC|ETH|BNB)"
    r")(?:[:\-_.]?(?:PERP|USDT|SWAP))?(?:=X|\.CC|-SPOT)?$"
)
OTHERS = (
    "XLON", "XTKS", "XETR", "XPAR", "XHKG", "XSHG", "XBOM", "XASX", "XTSE", "XKRX", "XTAI", "XSWX", "XAMS",
        "XMIL", "XMAD", "XSTO",
    "BVMF", "XSES", "XJSE", "XMEX", "XOSL", "XCSE", "XHEL", "XBRU", "XWAR", "XNZE", "XIDX", "XKLS", "XBKK",
        "XIST", "XTAE",
    "XFRA",
)  # fmt: skip


def calendar_of_name(symbol: str) -> str | None:
    """Return the calendar that a symbol's name tells, as vendors write it; None where it tells none."""
    name = symbol.strip().upper()
    prefix, colon, rest = name.partition(":")
    if colon:
        return calendar_of_name(rest) or _BY_PREFIX.get(prefix)
    if re.fullmatch(r".+ (?:CURNCY)", name):
        name = name.removesuffix(" CURNCY")
    if _PAIR.match(name) and name[:3] != name[-3:]:
        return FOREX
    if re.fullmatch(rf"(?:{_CURRENCY})=X", name):
        return FOREX
    if _COIN.match(name) or re.fullmatch(rf"(?:{_COINS.replace(' ', '|')})-USD", name):
        return ALWAYS
    if found := re.fullmatch(r".+ ([A-Z]{2}) (?:EQUITY|INDEX)", name):
        return "XSTO" if found[1] == "SS" else _BY_SUFFIX.get(found[1])
    if found := re.fullmatch(r"[\w&\-]+\.([A-Z]{1,5})", name):
        return None if len(found[1]) == 1 and found[1] not in "LTFVONK" else _by_suffix(found[1], name)
    return None


def _by_suffix(suffix: str, name: str) -> str | None:
    digits = name.partition(".")[0].isdigit()
    if (
        suffix in ("T", "V", "F", "K", "N", "O")
        and not digits
        and len(name.partition(".")[0]) <= 3
        and suffix in "VKF"
    ):
        return None  # a share class as in BRK.V, or an exchange: not told apart
    return _BY_SUFFIX.get(suffix)


@lru_cache(maxsize=64)
def _days(calendar: str, first: int, last: int) -> IntArray:
    """Return the session days of a calendar, numbered from 1970, over whole years."""
    begin, end = pd.Timestamp(first, 1, 1), pd.Timestamp(last, 12, 31)
    try:
        return microseconds(sessions_between(calendar, begin, end)) // _DAY
    except DataError:
        return np.zeros(0, np.int64)  # the calendar does not know these years


def on_sessions(calendar: str, days: IntArray) -> BoolArray:
    """Return which days, numbered from 1970, are sessions of the calendar."""
    if not len(days):
        return np.zeros(0, bool)
    years = days.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
    first, last = int(years.min()) // 10 * 10, int(years.max()) // 10 * 10 + 9
    return np.isin(days, _days(calendar, first, last))


def calendar_of_days(days: IntArray, least: float = 0.98) -> str | None:
    """Return the calendar on whose sessions the days lie, New York's before others; None where none fits.

    Saturdays and Sundays mean a market that never closes.
    """
    if not len(days):
        return None
    weekday = (days + 3) % 7
    saturdays, sundays = (weekday == 5).mean(), (weekday == 6).mean()
    if len(days) >= 7 and saturdays > 0.05 and sundays > 0.05:
        return ALWAYS
    if on_sessions(NEW_YORK, days).mean() >= least:
        return NEW_YORK
    if saturdays > 0.02 or len(days) < 100:
        return None
    best, share = None, 0.995
    for name in (*OTHERS, FOREX):
        try:
            fit = float(on_sessions(name, days).mean())
        except ConfigError:
            continue
        if fit >= share and (best is None or fit > share):
            best, share = name, fit
    return best
