"""What a symbol is: a share, a currency pair, a coin; in which currency its price is, and what that is worth.

A pair such as EURUSD is a price of its base (EUR) in its quote currency (USD). Profit in the quote currency becomes
money of the account at the rate of the same bar, which comes from the panel's own pairs: directly, the other way
round, or over one third currency.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forewalk.errors import ConfigError
from forewalk.types import Bars, FloatArray, Forecasts, IntArray

CURRENCIES = frozenset({
    "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "NZD", "CAD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "TRY",
    "ZAR", "MXN", "BRL", "SGD", "HKD", "CNH", "CNY", "INR", "KRW", "THB", "ILS", "RUB", "XAU", "XAG", "XPT", "XPD",
})  # fmt: skip
CENTS = (
    "JPY",
    "HUF",
    "KRW",
    "THB",
    "INR",
    "RUB",
    "XAU",
    "XAG",
    "XPT",
    "XPD",
)  # a pip is 0.01 where one takes part
DOLLARS = ("USDT", "USDC", "BUSD", "TUSD", "DAI", "FDUSD")  # coins that stand for a dollar, taken as one
PENCE = {"GBX": ("GBP", 0.01), "GBp": ("GBP", 0.01), "ZAc": ("ZAR", 0.01), "ILA": ("ILS", 0.01)}
_PAIR = re.compile(r"([A-Z]{3})[/_\-. ]?([A-Z]{3})(?:=X)?")
_COIN = re.compile(r"([A-Z0-9]{2,10}?)[/_\-]?(USDT|USDC|BUSD|TUSD|FDUSD|DAI|USD|EUR|GBP|JPY|BTC|ETH)(?:=X)?")


@dataclass(frozen=True)
class Pair:
    """A currency pair: the price of one `base` in `quote`; `pip` is the unit in which its costs are told."""

    base: str
    quote: str
    pip: float


def is_index(symbol: str) -> bool:
    """Return whether a symbol names an index as vendors write it: ^GSPC, $SPX.

    >>> is_index("^RUI"), is_index("IWB")
    (True, False)
    """
    return symbol.startswith(("^", "$"))


def refuse_proxies(
    symbols: Sequence[str], trade_as: Mapping[str, str], calendars: Sequence[str] = ()
) -> None:
    """Raise ConfigError where `data.trade_as` cannot be traded by.

    Both must have bars, a fund stands for one symbol alone and is itself for sale, and both close together: the
    forecast of a later close would otherwise be traded at an earlier one.

    Args:
        symbols: that have bars. trade_as: symbol that is forecast -> fund that is traded.
        calendars: exchange of each symbol, where they differ.
    """
    taken: dict[str, str] = {}
    for forecast, fund in trade_as.items():
        for symbol in (forecast, fund):
            if symbol not in symbols:
                raise ConfigError(
                    f"data.trade_as = {{{forecast!r} = {fund!r}}}: {symbol} has no bars here; there are "
                    f"{', '.join(symbols[:6])}{' ...' if len(symbols) > 6 else ''}: add it to data.symbols"
                )
        if fund == forecast or is_index(fund):
            what = "itself" if fund == forecast else "an index, which cannot be bought"
            raise ConfigError(
                f"data.trade_as trades {forecast} as {what}: name its fund, such as IWB for ^RUI"
            )
        if fund in trade_as:
            raise ConfigError(
                f"data.trade_as trades {forecast} as {fund}, and {fund} as {trade_as[fund]}: one step"
            )
        if fund in taken:
            raise ConfigError(
                f"data.trade_as trades {taken[fund]} and {forecast} both as {fund}: a fund follows one forecast; "
                f"leave one of them out"
            )
        taken[fund] = forecast
        where = (
            {calendars[list(symbols).index(symbol)] for symbol in (forecast, fund)} if calendars else set()
        )
        if len(where) > 1:
            raise ConfigError(
                f"data.trade_as trades {forecast} as {fund}, and they close at different hours "
                f"({', '.join(sorted(where))}): name a fund of the same exchange"
            )


def traded(bars: Bars, forecasts: Forecasts, trade_as: Mapping[str, str]) -> tuple[Bars, Forecasts]:
    """Return the bars and forecasts of what an account may hold, see `traded_bars` and `traded_forecasts`."""
    return traded_bars(bars, trade_as), traded_forecasts(forecasts, trade_as)


def traded_bars(bars: Bars, trade_as: Mapping[str, str]) -> Bars:
    """Return the bars of what an account may hold: without the symbols that `data.trade_as` only forecasts."""
    left = [symbol for symbol in bars.symbols if symbol not in trade_as]
    return bars if len(left) == len(bars.symbols) else bars.select(left)


def traded_forecasts(forecasts: Forecasts, trade_as: Mapping[str, str]) -> Forecasts:
    """Return the forecasts that orders are made of: a fund's are those of the symbol it is traded for.

    A bar at which that symbol has no forecast is one without a forecast of the fund, whatever the fund's own says.
    Both this and `traded_bars` leave alone what has been through them before.
    """
    if not set(trade_as) & set(forecasts.symbols):
        return forecasts
    source = {fund: forecast for forecast, fund in trade_as.items()}
    left = tuple(symbol for symbol in forecasts.symbols if symbol not in trade_as)
    columns = [forecasts.symbols.index(source.get(symbol, symbol)) for symbol in left]
    values = {name: getattr(forecasts, name)[:, columns] for name in ("mean", "std", "p_up")}
    return replace(forecasts, symbols=left, **values)


def pair_of(symbol: str, pips: Mapping[str, float] | None = None) -> Pair | None:
    """Return the currency pair that a symbol names (EURUSD, EUR/USD, EUR_USD, EURUSD=X), None for anything else.

    >>> pair_of("USDJPY")
    Pair(base='USD', quote='JPY', pip=0.01)
    """
    found = _PAIR.fullmatch(symbol.upper())
    if not found or not {found[1], found[2]} <= CURRENCIES or found[1] == found[2]:
        return None
    pip = (pips or {}).get(symbol, 0.01 if {found[1], found[2]} & set(CENTS) else 0.0001)
    return Pair(found[1], found[2], pip)


def coin_of(symbol: str) -> tuple[str, str] | None:
    """Return (coin, quote currency) of BTC/USDT, BTC-USD, BTCUSDT; a coin that stands for a dollar is one."""
    found = _COIN.fullmatch(symbol.upper())
    if not found or found[1] in CURRENCIES:
        return None
    return found[1], "USD" if found[2] in DOLLARS else found[2]


def quote_of(symbol: str, market: str | None, currencies: Mapping[str, str], account: str) -> str:
    """Return the currency of a symbol's price: as the settings say, as its name says, else the account's."""
    if symbol in currencies:
        return currencies[symbol]
    pair = pair_of(symbol)
    if pair is not None:
        return pair.quote
    coin = coin_of(symbol) if market == "crypto" or "/" in symbol or "-" in symbol else None
    return coin[1] if coin is not None else account


def with_currencies(
    bars: Bars,
    account: str = "USD",
    market: str | None = None,
    currencies: Mapping[str, str] | None = None,
    pips: Mapping[str, float] | None = None,
) -> Bars:
    """Return the bars with what the account must know of currencies; unchanged where it is nothing.

    Extras, [T, S] each: `rate_open` and `rate_close`, money of the account for one unit of the price at the open and
    at the close; `pair`, 1 for currency pairs, whose positions are not paid for but settled in their profit; `pip`.

    Raises:
        ConfigError: a price is in a currency for which the panel has no rate; the message says which pair to add.
    """
    pairs = [pair_of(symbol, pips) for symbol in bars.symbols]
    quotes = [quote_of(symbol, market, currencies or {}, account) for symbol in bars.symbols]
    if not any(pairs) and set(quotes) <= {account}:
        return bars
    opens, closes = np.ones(bars.close.shape), np.ones(bars.close.shape)
    for quote in dict.fromkeys(quotes):
        columns = [column for column, name in enumerate(quotes) if name == quote]
        rate_open, rate_close = rates(bars, quote, account, bars.symbols[columns[0]])
        opens[:, columns], closes[:, columns] = rate_open[:, None], rate_close[:, None]
    is_pair = np.array([pair is not None for pair in pairs], dtype=np.float64)
    pip = np.array([pair.pip if pair is not None else np.nan for pair in pairs])
    shape = bars.close.shape
    return bars.with_extras(
        rate_open=opens,
        rate_close=closes,
        pair=np.broadcast_to(is_pair, shape),
        pip=np.broadcast_to(pip, shape),
    )


def spread_of(bars: Bars, spread_pips: float = 0.0) -> FloatArray | None:
    """Return ask less bid at each open in units of the price, [T, S]; of currency pairs `spread_pips` where the data
    have none. NaN where nothing is known; None where nothing is known of anything."""
    known, pip = bars.extras.get("spread"), bars.extras.get("pip")
    if pip is None or not spread_pips:
        return known
    assumed = spread_pips * pip
    return assumed if known is None else np.where(np.isnan(known), assumed, known)


def account_bars(bars: Bars, spread_pips: float = 0.0) -> Bars:
    """Return the bars with all prices in the account's currency, for accounts in fractions of shares without orders.

    Shares and coins: the price times the rate. Pairs: what one unit of money put into the pair and settled at each
    close has become: its return is that of the price times the change of the rate. Spreads and dividends are
    converted, too; of the extras about currencies none is left.
    """
    if "rate_close" not in bars.extras:
        return bars
    rate_open, rate_close = bars.extras["rate_open"], bars.extras["rate_close"]
    worth: dict[str, Any] = {
        name: np.array(getattr(bars, name) * rate_close) for name in ("high", "low", "close")
    }
    worth["open"] = np.array(bars.open * rate_open)
    for column in np.flatnonzero(bars.extras["pair"][0] > 0).tolist():
        rows = np.flatnonzero(bars.present[:, column] & np.isfinite(rate_close[:, column]))
        for name, values in _settled(bars, column, rows, rate_open[:, column], rate_close[:, column]).items():
            worth[name][:, column] = np.nan
            worth[name][rows, column] = values
    extras = {name: values for name, values in bars.extras.items() if name not in _OF_CURRENCIES}
    with np.errstate(invalid="ignore"):
        scale = worth["close"] / bars.close
    spread = spread_of(bars, spread_pips)
    for name, known in (("spread", spread), ("dividend", bars.extras.get("dividend"))):
        if known is not None:
            extras[name] = known * scale
    return replace(bars, extras=extras, **worth)


_OF_CURRENCIES = ("rate_open", "rate_close", "pair", "pip")


def _settled(
    bars: Bars, column: int, rows: IntArray, rate_open: FloatArray, rate_close: FloatArray
) -> dict[str, FloatArray]:
    """Return the index of a pair that is settled at each close, from its first price on; [rows] each."""
    if not len(rows):
        return {}
    close = bars.close[rows, column]
    before, change = np.concatenate([close[:1], close[:-1]]), np.ones(len(rows))
    change[1:] = rate_close[rows][1:] / rate_close[rows][:-1]
    growth = 1.0 + (close / before - 1.0) * change
    level = close[0] * np.cumprod(growth)
    start = np.concatenate([level[:1], level[:-1]])
    opened = np.ones(len(rows))
    opened[1:] = rate_open[rows][1:] / rate_close[rows][:-1]
    index = {"close": level, "open": start * (1.0 + (bars.open[rows, column] / before - 1.0) * opened)}
    for name in ("high", "low"):
        index[name] = level * getattr(bars, name)[rows, column] / close
    return index


def rates(bars: Bars, currency: str, account: str, asked_by: str) -> tuple[FloatArray, FloatArray]:
    """Return money of the account for one unit of `currency` at each open and close, [T] each.

    The rate of a bar without one is the last close before it; NaN before the first. At the open of a bar on which its
    pair has none, that is the last close, too.

    Raises:
        ConfigError: no pair or two pairs of the panel lead from one to the other.
    """
    plain, factor = PENCE.get(currency, (currency, 1.0))
    ones = np.ones(len(bars))
    if plain == account:
        return factor * ones, factor * ones
    for path in _paths(bars.symbols, plain, account):
        opened, closed = factor * ones, factor * ones
        for column, inverse in path:
            one_open, one_close = _of_pair(bars, column)
            opened = opened / one_open if inverse else opened * one_open
            closed = closed / one_close if inverse else closed * one_close
        return opened, closed
    raise ConfigError(
        f"the price of {asked_by} is in {plain} and the account in {account} (data.currency), and no pair of the "
        f"panel leads from one to the other: add {plain}{account} or {account}{plain} to data.symbols"
    )


def _paths(symbols: Sequence[str], start: str, end: str) -> Iterator[list[tuple[int, bool]]]:
    """Yield ways from one currency to another over one pair, then over two: columns, and whether to divide."""
    steps: list[tuple[str, str, int, bool]] = []
    for column, symbol in enumerate(symbols):
        pair = pair_of(symbol)
        if pair is not None:
            steps += [(pair.base, pair.quote, column, False), (pair.quote, pair.base, column, True)]
    yield from ([(column, inverse)] for a, b, column, inverse in steps if (a, b) == (start, end))
    for first, middle, column, inverse in steps:
        if first == start:
            for a, b, other, turned in steps:
                if (a, b) == (middle, end):
                    yield [(column, inverse), (other, turned)]


def _of_pair(bars: Bars, column: int) -> tuple[FloatArray, FloatArray]:
    present = bars.present[:, column]
    last = np.maximum.accumulate(np.where(present, np.arange(len(bars)), -1))
    close = np.where(last >= 0, bars.close[np.maximum(last, 0), column], np.nan)
    before = np.concatenate([[np.nan], close[:-1]])
    return np.where(present, bars.open[:, column], before), close
