"""Factor returns on the bars of a run; files that are dated by another bar than they belong to are refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forewalk.data.factors.reading import SETTING, Factors, read_factors
from forewalk.errors import ConfigError, DataError
from forewalk.sessions import exchange_zone, is_intraday
from forewalk.settings.sections import Settings
from forewalk.types import Bars, BoolArray, FloatArray, IntArray

LEAST_COVER = 0.95  # share of the bars that must have a value in every column
SUSPECT = 0.3  # correlation with another bar's return from which a column is dated wrong
CLEAR = 4.5  # standard errors beyond which a correlation is no chance
FEWEST = 30  # bars below which nothing is said about correlations


@dataclass(frozen=True, eq=False)
class FactorReturns:
    """Factor returns on bars.

    Attributes:
        source: what was read.
        values: simple returns from the bar before to each bar, float64 [T, K], names as in `source`; NaN where a day
            between is unknown, and at the first bar.
        risk_free: the same of cash, [T]; None without it.
    """

    source: Factors
    values: FloatArray
    risk_free: FloatArray | None


def factor_returns(settings: Settings, bars: Bars, first: int) -> FactorReturns | None:
    """Return the factors of `evaluation.factors` on `bars` from row `first` on, [T - first, K]; None without a file.

    Daily returns are compounded over longer bars.

    Raises:
        ConfigError: the bars are shorter than a day, or of more than one exchange.
        DataError: the file cannot be read (see `read_factors`), does not cover these bars, or its values go with the
            returns of the bar after (it knows the future) or before its date.
    """
    path = settings.evaluation.factors
    if path is None:
        return None
    if is_intraday(bars.interval):
        raise ConfigError(f"{SETTING} is of days, and the bars are of {bars.interval}; leave it out")
    if len(set(bars.calendars)) > 1:
        raise ConfigError(
            f"{SETTING} needs bars of one exchange; these are of {', '.join(set(bars.calendars))}"
        )
    source = read_factors(path.expanduser(), settings.evaluation.factors_unit)
    days = session_days(bars)
    values = _compounded(source, days, source.values)
    _refuse_gaps(path.name, bars, first, days, values)
    _refuse_other_dates(path.name, bars, source, values)
    rates = None
    if source.risk_free is not None:
        rates = _compounded(source, days, source.risk_free[:, None])[first:, 0]
    return FactorReturns(source, values[first:], rates)


def session_days(bars: Bars) -> IntArray:
    """Return the session date of each bar of a day or longer, days since 1970, [T]."""
    local = bars.timestamps.tz_convert(exchange_zone(bars.calendar)).tz_localize(None)
    if bars.calendar == "24/7":
        local = local - np.timedelta64(1, "us")  # its day ends at midnight
    return np.asarray(local.to_numpy().astype("datetime64[D]").astype(np.int64))


def _compounded(source: Factors, days: IntArray, values: FloatArray) -> FloatArray:
    """Return the growth of days in (bar before, bar], [T, K]; NaN where the bar's own day is not in the file."""
    last = np.searchsorted(source.days, days)
    there = (last < len(source.days)) & (source.days[np.minimum(last, len(source.days) - 1)] == days)
    result = np.full((len(days), values.shape[1]), np.nan)
    for row in range(1, len(days)):
        if there[row]:
            begin = int(np.searchsorted(source.days, days[row - 1], side="right"))
            result[row] = np.prod(1.0 + values[begin : int(last[row]) + 1], axis=0) - 1.0
    return result


def _refuse_gaps(name: str, bars: Bars, first: int, days: IntArray, values: FloatArray) -> None:
    known: BoolArray = np.asarray(np.isfinite(values[max(first, 1) :]).all(axis=1))
    if len(known) and known.mean() >= LEAST_COVER:
        return
    span = f"{bars.timestamps[first]:%Y-%m-%d} to {bars.timestamps[-1]:%Y-%m-%d}"
    raise DataError(
        f"{SETTING} = {name!r} has all its values at {int(known.sum()):,} of {len(known):,} out-of-sample bars "
        f"({span}); it must have {LEAST_COVER:.0%} of them. Is it of other dates, or of another exchange?"
    )


def _refuse_other_dates(name: str, bars: Bars, source: Factors, values: FloatArray) -> None:
    """Raise DataError where a column goes with the market's return of the bar after or before its date.

    The market is every symbol in equal parts. A factor may have nothing to do with it on its own date (size, value);
    with another date's return it has nothing to do either.
    """
    market = _market(bars)
    for column, factor in zip(values.T, source.names, strict=True):
        now, after, before = (_correlation(column, market, lag) for lag in (0, 1, -1))
        for other, word in ((after, "after"), (before, "before")):
            if abs(other) > max(SUSPECT, abs(now)):
                foresight = " It would know the future." if word == "after" else ""
                raise DataError(
                    f"{SETTING} = {name!r}: {factor} goes with the returns of the bar {word} its date (correlation "
                    f"{other:.2f}, with its own {now:.2f}).{foresight} Date each value by the close at which its "
                    "return ends"
                )


def _market(bars: Bars) -> FloatArray:
    """Return the mean simple return of the symbols with two bars in a row, [T]; NaN where there is none."""
    change = np.full(bars.close.shape, np.nan)
    change[1:] = bars.close[1:] / bars.close[:-1] - 1.0
    known = np.isfinite(change)
    total = np.where(known, change, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _correlation(column: FloatArray, market: FloatArray, lag: int) -> float:
    """Return the correlation with the market's return `lag` bars later; 0 where chance would explain it."""
    later = np.full(len(market), np.nan)
    rows = np.arange(max(0, -lag), len(market) - max(0, lag))
    later[rows] = market[rows + lag]
    known = np.isfinite(column) & np.isfinite(later)
    if known.sum() < FEWEST or np.ptp(column[known]) == 0 or np.ptp(later[known]) == 0:
        return 0.0
    found = float(np.corrcoef(column[known], later[known])[0, 1])
    return found if abs(found) > CLEAR / math.sqrt(known.sum()) else 0.0
