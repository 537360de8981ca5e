"""The `yahoo` source: total-return adjusted bars through yfinance, cached in Parquet; see `download`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from forewalk.data.sources.download import Answer, BarRequest, Service, read_service
from forewalk.data.sources.pacing import Pace
from forewalk.data.table import Table
from forewalk.errors import ConnectionFailed, DataError, ForewalkError, RateLimited
from forewalk.sessions import DAILY
from forewalk.settings.sections import DataSettings
from forewalk.types import BAR_FIELDS

_INTERVALS = {"1d": "1d", "1h": "1h", "30min": "30m", "15min": "15m", "5min": "5m", "1min": "1m"}
_REACH_DAYS = {"1h": 729, "30min": 59, "15min": 59, "5min": 59, "1min": 7}  # how far back Yahoo answers
_TIMEOUT_SECONDS = 30
_THREADS = 4  # Yahoo answers heavy use with 429
_BATCH = 50
_REQUESTS_PER_MINUTE = 30.0  # of a batch each
_WAIT_S = 30.0


def read_yahoo(
    settings: DataSettings, session: Any = None, now: pd.Timestamp | None = None, pace: Pace | None = None
) -> Table:
    """Return the rows of `settings.symbols`, from the cache where it reaches, else by batched downloads.

    Args:
        settings: symbols, span (both ends included), interval, calendar, cache folder, `offline`.
        session: a requests or curl_cffi session; none means yfinance makes its own.
        now: UTC instant taken as the present; none means the clock.
        pace: makes the requests; none means one by the settings.

    Raises:
        ConnectionFailed: Yahoo could not be reached or refuses for now (rate limit).
        DataError: Yahoo has no bars for a symbol; or offline and the cache does not reach.
    """
    service = Service(
        name="Yahoo",
        fetch=lambda request: _download(request, session),
        calendar_of=lambda symbol: settings.exchange,
        adjusted="adjusted by Yahoo for splits and dividends",
        batch=_BATCH,
        per_minute=_REQUESTS_PER_MINUTE,
        reach_days=_REACH_DAYS,
    )
    return read_service(service, settings, now, pace)


def _download(asked: BarRequest, session: Any) -> Answer:
    """Fetch all symbols in one call."""
    import yfinance

    symbols = asked.symbols
    request = _request(asked)
    threads = min(_THREADS, len(symbols)) if len(symbols) > 1 else False
    with _quiet():  # what it would print is raised below
        answer = yfinance.download(
            list(symbols), progress=False, threads=threads, multi_level_index=True, session=session, **request
        )
    frames = {symbol: _columns_of(answer, symbol.upper(), asked.interval) for symbol in symbols}
    failures: dict[str, ForewalkError] = {}
    for symbol in [symbol for symbol, frame in frames.items() if not len(frame)]:
        failures[symbol] = _failure(symbol, request, session)
        if isinstance(failures[symbol], RateLimited):  # the others would be refused, too
            raise failures[symbol]
    return Answer({symbol: frame for symbol, frame in frames.items() if len(frame)}, failures)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("yfinance")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _request(asked: BarRequest) -> dict[str, Any]:
    # yfinance leaves out the day given as `end`.
    end = None if asked.end is None else f"{pd.Timestamp(asked.end) + pd.Timedelta(days=1):%Y-%m-%d}"
    return {
        "start": asked.start,
        "end": end,
        "interval": _INTERVALS[asked.interval],
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
        return RateLimited(f"Yahoo refuses more requests for now ({symbol})", _WAIT_S)
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
