"""Companies by their names, where they are known, and the example's with their last prices. Nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from markupsafe import Markup

from engine.report.wording import words
from engine.web.screens import drawing

YEAR = 252  # bars of the small line
NAMES: Mapping[str, str] = {
    "AAPL": "Apple",
    "ABBV": "AbbVie",
    "ADBE": "Adobe",
    "AMD": "Advanced Micro Devices",
    "AMGN": "Amgen",
    "AMZN": "Amazon",
    "AVGO": "Broadcom",
    "AXP": "American Express",
    "BA": "Boeing",
    "BAC": "Bank of America",
    "BRK.B": "Berkshire Hathaway",
    "C": "Citigroup",
    "CAT": "Caterpillar",
    "COST": "Costco",
    "CRM": "Salesforce",
    "CSCO": "Cisco",
    "CVX": "Chevron",
    "DIS": "Walt Disney",
    "FB": "Facebook (until 2022)",
    "GE": "General Electric",
    "GM": "General Motors",
    "GOOG": "Alphabet (Google)",
    "GOOGL": "Alphabet (Google), class A",
    "GS": "Goldman Sachs",
    "HD": "Home Depot",
    "HON": "Honeywell",
    "IBM": "IBM",
    "INTC": "Intel",
    "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase",
    "KO": "Coca-Cola",
    "LLY": "Eli Lilly",
    "MA": "Mastercard",
    "MCD": "McDonald's",
    "META": "Meta (Facebook)",
    "MMM": "3M",
    "MRK": "Merck",
    "MSFT": "Microsoft",
    "NFLX": "Netflix",
    "NKE": "Nike",
    "NVDA": "Nvidia",
    "ORCL": "Oracle",
    "PEP": "PepsiCo",
    "PFE": "Pfizer",
    "PG": "Procter & Gamble",
    "QCOM": "Qualcomm",
    "SBUX": "Starbucks",
    "T": "AT&T",
    "TSLA": "Tesla",
    "UNH": "UnitedHealth",
    "V": "Visa",
    "VZ": "Verizon",
    "WFC": "Wells Fargo",
    "WMT": "Walmart",
    "XOM": "Exxon Mobil",
    "SPY": "S&P 500 fund (SPY)",
    "QQQ": "Nasdaq 100 fund (QQQ)",
}
ALSO = {"google": "GOOG", "alphabet": "GOOG", "meta": "META", "facebook": "META", "disney": "DIS"}


@dataclass(frozen=True)
class ExamplePrice:
    """A company of the example: its symbol, name, last price and its day as text, and its last year as a line."""

    symbol: str
    name: str
    price: str
    day: str
    line: Markup


def company(symbol: str) -> str:
    """Return the name of the company behind a symbol, "" where it is not known."""
    return NAMES.get(symbol.upper(), "")


def symbols_of(text: str) -> list[str]:
    """Return the symbols that a person has written: known names as their symbols, all else as it is, in capitals.

    Commas, semicolons and line breaks part them; where a part is no known name, spaces do, too. Each comes once.
    """
    found: list[str] = []
    for part in re.split(r"[,;\n]+", text):
        known = _known(part)
        found += [known] if known else [_known(word) or word.upper() for word in part.split()]
    return list(dict.fromkeys(found))


@lru_cache(maxsize=1)
def example_prices() -> tuple[ExamplePrice, ...]:
    """Return the companies of the example that have enough history to be run."""
    from forewalk.data.sources.sample import read_sample

    table = read_sample()
    found = []
    for code, symbol in enumerate(table.symbols):
        rows = np.flatnonzero(table.code == code)
        if len(rows) < YEAR:
            continue
        close, last = table.prices[rows, 3], table.wall[rows[-1]]
        day = words.long_day(np.datetime64(int(last), "us").astype("datetime64[D]").item())
        found.append(
            ExamplePrice(
                symbol, company(symbol), words.price(float(close[-1])), day, _line(symbol, close[-YEAR:])
            )
        )
    return tuple(found)


def _known(text: str) -> str:
    word = " ".join(text.lower().split())
    return ALSO.get(word) or _BY_NAME.get(word, "")


def _line(symbol: str, close: np.ndarray) -> Markup:
    x = drawing.Scale(0.0, float(len(close) - 1), 2.0, 118.0)
    y = drawing.Scale(float(close.min()), float(close.max()), 30.0, 2.0)
    points = drawing.line("own", [x(row) for row in range(len(close))], [y(float(value)) for value in close])
    label = f"{company(symbol) or symbol} over the last year of the example"
    return Markup('<svg class="small" viewBox="0 0 120 32" role="img" aria-label="{}">{}</svg>').format(
        label, points
    )


_BY_NAME = {name.lower(): symbol for symbol, name in NAMES.items()}
