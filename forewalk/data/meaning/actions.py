"""Splits and dividends that a source tells beside raw prices, applied forwards: the series keeps its first level.

A later bar is rescaled, never an earlier one, so what was known at a bar does not change when more is known. A file
whose prices have been adjusted already is told by the price itself: at a 4:1 split a raw price falls to a quarter.
A dividend D on a close C before it scales all later prices by 1 / (1 - D / C), as the adjusted closes of Yahoo do,
so that a raw and an adjusted file of the same stock give the same returns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forewalk.data.sources.schema import adjust
from forewalk.data.table import CLOSE, OPEN
from forewalk.errors import DataError
from forewalk.types import FloatArray

CLEAR_SPLIT = np.log(1.15)  # smaller ones do not show against a day's move


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Prices [N, 4] and volume [N] after splits and dividends; whether they are adjusted now (None: nobody says).

    `dividend` is what is paid in cash, as a fraction of the open [N]; None where dividends are in the prices.
    """

    prices: FloatArray
    volume: FloatArray
    adjusted: bool | None
    note: str = ""
    dividend: FloatArray | None = None


def adjust_series(
    prices: FloatArray,
    volume: FloatArray,
    extras: dict[str, FloatArray],
    said: bool | None,
    known: bool | None,
    yfinance: bool,
    who: str,
    cash: bool = False,
) -> Adjusted:
    """Apply what stands beside the prices of one symbol; rows in time order.

    Args:
        prices: open, high, low, close [N, 4]. volume: [N].
        extras: adj_close, dividend, split (new shares for one old, 0 or 1: none), cfacpr, total_return, factor
            (cumulated scale of a factor file).
        said: `data.adjusted`.
        known: whether the format's prices are adjusted.
        yfinance: its dividend and split columns stand beside prices that are adjusted for splits, and for dividends
            too where there is no adjusted close.
        who: symbol and file, for messages.
        cash: `data.dividends` is "cash": prices keep their dividends.

    Raises:
        DataError: it cannot be told whether the prices are raw, or dividends are wanted in cash and not told.
    """
    if cash:
        return _with_cash(prices, volume, extras, said, known, yfinance, who)
    if said is True:
        return Adjusted(prices, volume, True)
    if "adj_close" in extras and np.isfinite(extras["adj_close"]).any():
        return Adjusted(
            adjust(prices, extras["adj_close"]), volume, True, "prices rescaled by adj_close / close"
        )
    if "factor" in extras:
        factor = extras["factor"] / extras["factor"][0]
        return Adjusted(prices * factor[:, None], volume, True, "adjusted by the factor file")
    if "cfacpr" in extras or "total_return" in extras:
        return _by_index(prices, volume, extras)
    splits = _events(extras.get("split"), 1.0)
    dividends = _events(extras.get("dividend"), 0.0)
    if splits is None and dividends is None:
        return Adjusted(prices, volume, False if said is False else known)
    raw = _is_raw(prices[:, CLOSE], splits, who) if said is None else True
    if raw is None:
        if not (dividends is not None and (dividends > 0).any()):
            return Adjusted(prices, volume, known, "the split and dividend columns tell no event")
        if yfinance:
            return Adjusted(prices, volume, True, "dividends are in the prices already")
        if known is not False:
            raise DataError(
                f"{who}: there are dividends beside the prices, and nothing tells whether the prices are adjusted "
                f"for them; say it: "
                f"data.adjusted = true or false"
            )
        raw = True
    if not raw:
        if dividends is not None and (dividends > 0).any() and not yfinance:
            raise DataError(
                f"{who}: the prices are adjusted for splits; whether for dividends too is not told; say it: "
                f"data.adjusted = "
                f"true, or leave the dividend column out"
            )
        return Adjusted(prices, volume, True, "prices are adjusted for the splits told beside them")
    return _forwards(prices, volume, splits, dividends)


def _with_cash(
    prices: FloatArray,
    volume: FloatArray,
    extras: dict[str, FloatArray],
    said: bool | None,
    known: bool | None,
    yfinance: bool,
    who: str,
) -> Adjusted:
    """Leave dividends to the account, and apply only the splits that the prices do not have yet."""
    if "dividend" not in extras:
        raise DataError(
            f"{who}: data.dividends = 'cash' needs each dividend by itself, in a column or in data.events; there is "
            f"none: leave data.dividends out"
        )
    yfinance_adjusted = yfinance and "adj_close" not in extras
    if said is True or known is True or yfinance_adjusted:
        raise DataError(
            f"{who}: data.dividends = 'cash', but the prices are adjusted for dividends already: they would count "
            f"twice; give raw prices, or leave data.dividends out"
        )
    splits, dividends = _events(extras.get("split"), 1.0), _events(extras["dividend"], 0.0)
    assert dividends is not None
    raw = said is False or _is_raw(prices[:, CLOSE], splits, who) is not False
    with np.errstate(invalid="ignore", divide="ignore"):
        paid = np.where(dividends > 0, dividends / prices[:, OPEN], 0.0)
    told = _forwards(prices, volume, splits if raw else None, None)
    note = f"{int((paid > 0).sum())} dividends are paid in cash; {told.note}"
    return Adjusted(told.prices, told.volume, told.adjusted, note, np.where(np.isfinite(paid), paid, 0.0))


def _events(values: FloatArray | None, nothing: float) -> FloatArray | None:
    if values is None:
        return None
    return np.where(np.isfinite(values) & (values > 0), values, nothing)


def _is_raw(close: FloatArray, splits: FloatArray | None, who: str) -> bool | None:
    """Tell from the price whether splits are in it; None where there is no split that would show."""
    if splits is None:
        return None
    votes: list[bool] = []
    for row in np.flatnonzero(np.abs(np.log(splits)) >= CLEAR_SPLIT).tolist():
        if row and close[row] > 0 and close[row - 1] > 0:
            move = float(np.log(close[row] / close[row - 1]))
            votes.append(bool(abs(move + np.log(splits[row])) < abs(move)))
    if not votes:
        return None
    if all(votes) or not any(votes):
        return votes[0]
    raise DataError(
        f"{who}: {sum(votes)} of {len(votes)} splits show in the price, the others do not: the prices are "
        f"adjusted in part; "
        f"mend the file, or say data.adjusted = true to take the prices as they are"
    )


def _forwards(
    prices: FloatArray, volume: FloatArray, splits: FloatArray | None, dividends: FloatArray | None
) -> Adjusted:
    count = len(prices)
    splits = np.ones(count) if splits is None else splits.copy()
    dividends = np.zeros(count) if dividends is None else dividends
    splits[0] = 1.0
    before = np.concatenate([[np.nan], prices[:-1, CLOSE]]) / splits
    with np.errstate(invalid="ignore", divide="ignore"):
        paid = np.where((dividends > 0) & (before > dividends), 1.0 / (1.0 - dividends / before), 1.0)
    paid[0] = 1.0
    shares = np.cumprod(splits)
    scale = shares * np.cumprod(np.where(np.isfinite(paid), paid, 1.0))
    told = f"{int((splits != 1).sum())} splits and {int((paid != 1).sum())} dividends applied to raw prices, forwards"
    return Adjusted(prices * scale[:, None], volume / shares, True, told)


def _by_index(prices: FloatArray, volume: FloatArray, extras: dict[str, FloatArray]) -> Adjusted:
    """CRSP: the total return where it is known, else the cumulated factor."""
    close = prices[:, CLOSE]
    factor = extras.get("cfacpr", np.ones(len(close)))
    factor = np.where(np.isfinite(factor) & (factor > 0), factor, 1.0)
    split = np.concatenate([[1.0], factor[:-1] / factor[1:]])
    with np.errstate(invalid="ignore", divide="ignore"):
        step = split * np.concatenate([[1.0], close[1:] / close[:-1]])
    told = extras.get("total_return", np.full(len(close), np.nan))
    growth = np.where(np.isfinite(told), 1.0 + told, step)
    growth[0] = 1.0
    growth = np.where(np.isfinite(growth) & (growth > 0), growth, 1.0)
    level = close[0] * np.cumprod(growth)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(close > 0, level / close, 1.0)
    return Adjusted(
        prices * scale[:, None],
        volume / np.cumprod(split),
        True,
        "rebuilt from the returns and factors of CRSP",
    )
