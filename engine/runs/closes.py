"""When the bar that a forecast is about will close, and for which session that is."""

from __future__ import annotations

import pandas as pd

from forewalk.sessions import (
    exchange_zone,
    is_intraday,
    period_closes,
    session_grid,
    sessions_between,
)

_DAYS_AHEAD = {"1mo": 70, "1wk": 20}  # calendar days in which the next bar surely closes


def next_closes(calendar: str, interval: str, asof: pd.Timestamp, count: int) -> pd.DatetimeIndex:
    """Return the UTC closes of the next `count` bars after the one that closed at `asof`.

    Half days, holidays and clock changes are those of the exchange's calendar. Bars of hours and minutes begin anew
    with each session.

    Args:
        calendar: exchange_calendars name, "FX" or "24/7".
        interval: of the bars.
        asof: UTC close of a bar.
        count: at least 1.
    """
    days = _DAYS_AHEAD.get(interval, 15)
    first = asof.tz_convert(exchange_zone(calendar)).tz_localize(None).normalize() - pd.Timedelta(days=1)
    while True:
        sessions = sessions_between(calendar, first, first + pd.Timedelta(days=days))
        closes = _closes(calendar, interval, sessions)
        later = closes[closes > asof]
        if len(later) > count:  # the last period may reach beyond the sessions looked at
            return later[:count]
        days *= 2


def session_of(calendar: str, close: pd.Timestamp) -> str:
    """Return the exchange's date on which a bar closes, YYYY-MM-DD."""
    return f"{close.tz_convert(exchange_zone(calendar)):%Y-%m-%d}"


def _closes(calendar: str, interval: str, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    if is_intraday(interval):
        grids = [session_grid(calendar, session, interval) for session in sessions]
        joined = grids[0].append(grids[1:]) if grids else pd.DatetimeIndex([], tz="UTC")
        return pd.DatetimeIndex(joined.unique())
    return pd.DatetimeIndex(period_closes(calendar, sessions, interval).unique())
