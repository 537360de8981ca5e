"""The `yahoo` source: total-return adjusted bars through yfinance, cached in Parquet.

A symbol that fails is an error, never an empty or all-NaN column. The bar of a session (or interval)
that had not closed when it was fetched is dropped and reported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.cleaning.placing import session_date
from forewalk.data.quality import Finding
from forewalk.data.sources.cache import CachedBars, compare_vintages, read_cached, write_cached
from forewalk.data.table import NO_TIME, Table, check_symbol, concatenate
from forewalk.errors import ConnectionFailed, DataError, ForewalkError
from forewalk.sessions import (
    DAILY,
    intraday_closes,
    microseconds,
    regular_closes,
    session_closes,
    sessions_between,
)
from forewalk.settings.sections import DataSettings
from forewalk.types import BAR_FIELDS

_INTERVALS = {"1d": "1d", "1h": "1h", "30min": "30m", "15min": "15m", "5min": "5m", "1min": "1m"}
_REACH_DAYS = {"1h": 729, "30min": 59, "15min": 59, "5min": 59, "1min": 7}  # how far back Yahoo answers
_FIRST_DATE = "1927-01-01"
_TIMEOUT_SECONDS = 30
_THREADS = 4  # Yahoo answers heavy use with 429


@dataclass(frozen=True)
class _Span:
    """What is needed: from `start` (YYYY-MM-DD) to `until`, the last close by now and by `end`."""

    start: str
    end: str | None
    until: pd.Timestamp


def read_yahoo(settings: DataSettings, session: Any = None, now: pd.Timestamp | None = None) -> Table:
    """Return the rows of `settings.symbols`, from the cache where it reaches, else by one batched download.

    Args:
        settings: symbols, span (both ends included), interval, calendar, cache folder, `offline`.
        session: a requests or curl_cffi session; none means yfinance makes its own.
        now: UTC instant taken as the present; none means the clock.

    Raises:
        ConnectionFailed: Yahoo could not be reached or refuses for now (rate limit).
        DataError: Yahoo has no bars for a symbol; or offline and the cache does not reach.
    """
    now = pd.Timestamp.now("UTC") if now is None else now.tz_convert("UTC")
    for symbol in settings.symbols:
        check_symbol(symbol, "data.symbols")
    folder, span = settings.cache.expanduser(), _span(settings, now)
    cached = {symbol: read_cached(folder, symbol, settings.interval) for symbol in settings.symbols}
    found: dict[str, list[Finding]] = {symbol: [] for symbol in settings.symbols}
    lacking = [symbol for symbol, bars in cached.items() if not _reaches(bars, span, settings.offline)]
    if lacking and settings.offline:
        raise DataError(_offline_message(lacking, cached, span, settings))
    if lacking:
        starts = [span.start, *(bars.start for symbol in lacking if (bars := cached[symbol]) is not None)]
        span = _Span(min(starts), span.end, span.until)
        fresh = _download(lacking, span, settings, session)
        for symbol in lacking:
            frame, partial = _without_open_bar(fresh[symbol], symbol, settings, now)
            found[symbol] += partial
            if (previous := cached[symbol]) is not None:
                found[symbol] += compare_vintages(previous.frame, frame).findings(symbol)
            bars = CachedBars(frame=frame, fetched_at=now, start=span.start, until=span.until)
            write_cached(folder, symbol, settings.interval, bars)
            cached[symbol] = bars
    for symbol, bars in cached.items():
        if bars is not None and symbol not in lacking:
            message = f"taken from the cache, fetched {bars.fetched_at:%Y-%m-%d %H:%M} UTC"
            found[symbol].append(
                Finding(symbol, "from_cache", "", "noted", len(bars.frame), None, None, message)
            )
    frames = {symbol: bars.frame for symbol, bars in cached.items() if bars is not None}
    return concatenate([_table(symbol, frame, found[symbol]) for symbol, frame in frames.items()])


def _span(settings: DataSettings, now: pd.Timestamp) -> _Span:
    start, end = session_date(settings.start, "data.start"), session_date(settings.end, "data.end")
    limit = now
    if end is not None:
        limit = min(now, regular_closes(settings.calendar, pd.DatetimeIndex([end]))[0])
    recent = sessions_between(settings.calendar, limit - pd.Timedelta(days=15), limit + pd.Timedelta(days=1))
    closes = session_closes(settings.calendar, recent)
    closed = closes[closes <= limit]
    first = _FIRST_DATE
    if settings.interval in _REACH_DAYS:
        first = f"{now - pd.Timedelta(days=_REACH_DAYS[settings.interval]):%Y-%m-%d}"
    return _Span(
        start=first if start is None else f"{start:%Y-%m-%d}",
        end=None if end is None else f"{end:%Y-%m-%d}",
        until=closed[-1] if len(closed) else limit,
    )


def _reaches(cached: CachedBars | None, span: _Span, offline: bool) -> bool:
    if cached is None or cached.start > span.start:
        return False
    return cached.until >= span.until or (offline and span.end is None)


def _offline_message(
    lacking: Sequence[str], cached: dict[str, CachedBars | None], span: _Span, settings: DataSettings
) -> str:
    bars = cached[lacking[0]]
    if bars is None:
        what = "nothing is cached"
    else:
        what = f"the cache goes from {bars.start} to {bars.until:%Y-%m-%d} only"
    return (
        f"offline, and for {', '.join(lacking[:10])} {what} in {settings.cache}; "
        f"load once without --offline, or choose other dates (needed: {span.start} to {span.until:%Y-%m-%d})"
    )


def _download(
    symbols: Sequence[str], span: _Span, settings: DataSettings, session: Any
) -> dict[str, pd.DataFrame]:
    """Fetch all symbols in one call; each must come back with at least one bar."""
    import yfinance

    request = _request(span, settings.interval)
    threads = min(_THREADS, len(symbols)) if len(symbols) > 1 else False
    with _quiet():  # what it would print is raised below
        answer = yfinance.download(
            list(symbols), progress=False, threads=threads, multi_level_index=True, session=session, **request
        )
    frames = {symbol: _columns_of(answer, symbol.upper(), settings.interval) for symbol in symbols}
    for symbol, frame in frames.items():
        if not len(frame):
            raise _failure(symbol, request, session)
    return frames


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("yfinance")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _request(span: _Span, interval: str) -> dict[str, Any]:
    # yfinance leaves out the day given as `end`.
    end = None if span.end is None else f"{pd.Timestamp(span.end) + pd.Timedelta(days=1):%Y-%m-%d}"
    return {
        "start": span.start,
        "end": end,
        "interval": _INTERVALS[interval],
        "auto_adjust": True,
        "actions": False,
        "timeout": _TIMEOUT_SECONDS,
    }


def _columns_of(answer: pd.DataFrame | None, symbol: str, interval: str) -> pd.DataFrame:
    """Return one symbol's bars in the form of `CachedBars.frame`; empty where there is none."""
    names = {field: (field.capitalize(), symbol) for field in BAR_FIELDS}
    if answer is None or not all(name in answer.columns for name in names.values()):
        return pd.DataFrame(columns=list(BAR_FIELDS), dtype=np.float64)
    frame = pd.DataFrame({field: answer[name].astype(np.float64) for field, name in names.items()})
    frame = frame[frame[["open", "high", "low", "close"]].notna().any(axis=1)]
    index = pd.DatetimeIndex(frame.index)
    index = index.tz_localize(None).normalize() if interval == DAILY else index.tz_convert("UTC")
    frame.index = index.as_unit("us").rename("time")
    return frame[~frame.index.duplicated()].sort_index()


def _failure(symbol: str, request: dict[str, Any], session: Any) -> ForewalkError:
    """Ask once more for one symbol, this time with exceptions, to learn why it failed."""
    import yfinance
    from yfinance.exceptions import YFException, YFRateLimitError, YFTickerMissingError

    debug = yfinance.config.debug
    hidden = debug.hide_exceptions
    debug.hide_exceptions = False
    try:
        with _quiet():
            again = yfinance.Ticker(symbol, session=session).history(**request)
    except YFRateLimitError:
        return ConnectionFailed(
            f"Yahoo refuses more requests for now ({symbol}); try again later or go offline"
        )
    except YFTickerMissingError as error:
        return DataError(f"Yahoo has no bars for {symbol} from {request['start']}: {error.rationale}")
    except (OSError, YFException, ValueError) as error:
        if getattr(getattr(error, "response", None), "status_code", None) == 404:
            return DataError(f"Yahoo does not know {symbol}; check its name")
        return ConnectionFailed(
            f"Yahoo could not be read for {symbol}; check the network and try again, or use --offline with "
            f"bars loaded before ({type(error).__name__}: {error})"
        )
    except (LookupError, TypeError, AttributeError) as error:  # yfinance stumbles over a body without bars
        return DataError(
            f"Yahoo's answer for {symbol} has no readable bars ({type(error).__name__}: {error})"
        )
    finally:
        debug.hide_exceptions = hidden
    if len(again):
        return ConnectionFailed(f"Yahoo answered for {symbol} only at the second request; try again")
    return DataError(f"Yahoo has no bars for {symbol} from {request['start']}; check the name and the dates")


def _without_open_bar(
    frame: pd.DataFrame, symbol: str, settings: DataSettings, now: pd.Timestamp
) -> tuple[pd.DataFrame, list[Finding]]:
    """Drop the bars that had not closed at `now`."""
    index = pd.DatetimeIndex(frame.index)
    if settings.interval == DAILY:
        closes = session_closes(settings.calendar, index)
        closes = closes.where(closes.notna(), regular_closes(settings.calendar, index))
    else:
        closes, _ = intraday_closes(settings.calendar, index, settings.interval)
    unfinished = np.asarray(closes > now)
    if not unfinished.any():
        return frame, []
    times = closes[unfinished]
    message = f"the bar had not closed when it was fetched at {now:%Y-%m-%d %H:%M} UTC"
    count = int(unfinished.sum())
    finding = Finding(symbol, "partial_last_bar", "", "dropped", count, times[0], times[-1], message)
    if unfinished.all():
        raise DataError(f"Yahoo has no finished bar for {symbol}; choose an earlier start")
    return frame[~unfinished], [finding]


def _table(symbol: str, frame: pd.DataFrame, findings: list[Finding]) -> Table:
    index = pd.DatetimeIndex(frame.index)
    stamps = microseconds(index)
    values = frame[list(BAR_FIELDS)].to_numpy(np.float64)
    note = Finding(
        symbol, "adjusted", "", "noted", len(frame), None, None, "adjusted by Yahoo for splits and dividends"
    )
    return Table(
        symbols=(symbol,),
        origins=("yahoo",),
        code=np.zeros(len(frame), np.int64),
        wall=stamps,
        instant=np.full(len(frame), NO_TIME) if index.tz is None else stamps,
        line=np.zeros(len(frame), np.int64),
        prices=values[:, :4].copy(),
        volume=values[:, 4].copy(),
        findings=(note, *findings),
    )
