"""Currency panels whose rates move together as they must: one dollar price per currency."""

from __future__ import annotations

import numpy as np

from forewalk.instruments import pair_of, with_currencies
from forewalk.sessions import session_closes, sessions_between
from forewalk.types import Bars


def make_pairs(*symbols, rows=40, seed=1, account="USD", calendar="FX", move=0.02, **known):
    """Bars of pairs (and of shares, priced in dollars), with what the account must know of currencies."""
    random = np.random.default_rng(seed)
    stamps = session_closes(calendar, sessions_between(calendar, "2020-01-06", "2024-01-06")[:rows])
    level = {"USD": (np.ones(rows), np.ones(rows))}
    opens, closes = np.empty((rows, len(symbols))), np.empty((rows, len(symbols)))
    for column, symbol in enumerate(symbols):
        pair = pair_of(symbol)
        names = (symbol, "USD") if pair is None else (pair.base, pair.quote)
        for name in names:
            if name not in level:
                start = {"JPY": 0.009, "XAU": 1500.0}.get(name, 1.2)
                close = start * np.exp(np.cumsum(random.normal(0, move, rows)))
                level[name] = (close * np.exp(random.normal(0, move / 4, rows)), close)
        (base_open, base_close), (quote_open, quote_close) = level[names[0]], level[names[1]]
        opens[:, column], closes[:, column] = base_open / quote_open, base_close / quote_close
    high, low = np.maximum(opens, closes) * 1.001, np.minimum(opens, closes) * 0.999
    bars = Bars(stamps, symbols, opens, high, low, closes, np.zeros(closes.shape), calendar=calendar)
    return with_currencies(bars, account, **known)
