"""The `alpaca` source of bars: Alpaca's market data through the client of the daemon, cached like Yahoo's.

`forewalk.data.loading` finds it by name, as it finds a source of the user's own; the ground floor does not import us.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from broker.alpaca.client import AlpacaPaper
from broker.alpaca.coins import AlpacaCoins
from broker.errors import BrokerError, MustHalt, RateLimited, Refused
from broker.hosts import DATA_HOST, PAPER_HOST
from broker.keys import read_keys
from forewalk.data.sources.download import Answer, BarRequest, Service, read_service
from forewalk.data.sources.longer import SHORTER
from forewalk.data.sources.pacing import Pace
from forewalk.data.table import Table
from forewalk.errors import ConfigError, ConnectionFailed, DataError, ForewalkError
from forewalk.errors import RateLimited as ServiceBusy
from forewalk.sessions import AROUND_THE_CLOCK, DAILY, exchange_zone, intraday_closes
from forewalk.settings.sections import DataSettings
from forewalk.types import BAR_FIELDS

CALENDAR = "XNYS"
FIRST_YEAR = "2016-01-01"  # Alpaca has nothing before
KEYS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
SIP_DELAY = timedelta(minutes=16)  # without a plan for it the newest 15 minutes are refused
BATCH = {"1d": 100, "1min": 1}  # symbols a request may name, so that its pages end; others BATCH_INTRADAY
BATCH_INTRADAY = 10
REQUESTS_PER_MINUTE = 180.0  # 200 are allowed
TIMEOUT_S = 30.0
ADJUSTED = {
    "all": "adjusted by Alpaca for splits and dividends",
    "split": "adjusted by Alpaca for splits, not for dividends",
    "raw": "",
}

Raw = Mapping[str, Sequence[Any]]
Ask = Callable[[Sequence[str], str, datetime, datetime, str], Raw]  # `AlpacaPaper.bars`


def read_alpaca(
    settings: DataSettings, now: pd.Timestamp | None = None, pace: Pace | None = None, ask: Ask | None = None
) -> Table:
    """Return the rows of `settings.symbols`, from the cache where it reaches, else from Alpaca.

    Bars are of regular hours; hourly ones begin at the full hour, as Alpaca makes them, and those of 2h and
    4h are made of them; weeks and months are made of days. Coins (BTC/USD) have all hours, and the days of UTC. The
    keys are read from the environment when something has to be asked for.

    Args:
        settings: symbols, span, interval, `feed`, `adjustment`, `url`, cache.
        now: UTC instant taken as the present; none means the clock.
        pace: makes the requests; none means one by the settings.
        ask: answers instead of Alpaca, as `AlpacaPaper.bars` does.

    Raises:
        ConfigError: the keys, the URL or the market data plan is wrong.
        ConnectionFailed: Alpaca did not answer, or is busy for longer than `data.patience_s`.
        DataError: it has no bars for a symbol, or its pages do not end; or offline and the cache does not reach.
    """
    present = datetime.now(UTC) if now is None else now.to_pydatetime()
    each_page = pace or Pace(settings.requests_per_minute or REQUESTS_PER_MINUTE, settings.patience_s)
    service = Service(
        name="Alpaca",
        fetch=lambda request: _fetch(request, settings, ask or _connect(settings, each_page), present),
        calendar_of=_calendar_of,
        folder=f"alpaca-{settings.feed}-{settings.adjustment}",
        adjusted="" if all(map(_is_coin, settings.symbols)) else ADJUSTED[settings.adjustment],
        batch=BATCH.get(SHORTER.get(settings.bar_length, settings.bar_length), BATCH_INTRADAY),
    )
    at_once = Pace(math.inf, 0.0)  # each page waits for its own turn
    return read_service(service, settings, now, at_once)


def _connect(settings: DataSettings, each_page: Pace) -> Ask:
    url = settings.url
    trading, data = (url, url) if url else (f"https://{PAPER_HOST}", f"https://{DATA_HOST}")
    more = (read_keys(os.environ), trading, data, TIMEOUT_S, settings.feed)

    def ask(
        symbols: Sequence[str], interval: str, first: datetime, last: datetime, adjustment: str
    ) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        coins = [symbol for symbol in symbols if _is_coin(symbol)]
        shares = [symbol for symbol in symbols if symbol not in coins]
        for wanted, client in ((shares, AlpacaPaper(*more)), (coins, AlpacaCoins(coins, *more))):
            if wanted:
                paced = partial(client.bars, each=lambda page: each_page(lambda: translated(page)))
                found |= paced(wanted, interval, first, last, adjustment)
        return found

    return ask


def _is_coin(symbol: str) -> bool:
    return "/" in symbol


def _calendar_of(symbol: str) -> str:
    return AROUND_THE_CLOCK if _is_coin(symbol) else CALENDAR


def _fetch(request: BarRequest, settings: DataSettings, ask: Ask, now: datetime) -> Answer:
    zone = exchange_zone(AROUND_THE_CLOCK if any(map(_is_coin, request.symbols)) else CALENDAR)
    first = (
        pd.Timestamp(max(request.start or FIRST_YEAR, FIRST_YEAR), tz=zone).tz_convert("UTC").to_pydatetime()
    )
    last = now - SIP_DELAY if settings.feed == "sip" else now
    if request.end is not None:
        whole_day = pd.Timestamp(request.end, tz=zone) + pd.Timedelta(days=1, microseconds=-1)
        last = min(last, whole_day.tz_convert("UTC").to_pydatetime())
    if first >= last:
        raise ConfigError(f"data.start = {request.start!r}: there is no bar from then to {last:%Y-%m-%d}")
    raw = ask(request.symbols, request.interval, first, last, settings.adjustment)
    frames: dict[str, pd.DataFrame] = {}
    failures: dict[str, ForewalkError] = {}
    for symbol in request.symbols:
        try:
            frames[symbol] = frame_of(raw.get(symbol) or (), request.interval, _calendar_of(symbol))
        except (KeyError, TypeError, ValueError) as problem:
            failures[symbol] = DataError(f"Alpaca's bars of {symbol} cannot be read: {problem}")
            continue
        if not len(frames[symbol]):
            del frames[symbol]
            failures[symbol] = DataError(
                f"Alpaca has no bars for {symbol} from {first:%Y-%m-%d} on ({settings.feed}); check the name and the "
                f"dates: its history begins in {FIRST_YEAR[:4]}"
            )
    return Answer(frames, failures)


def frame_of(bars: Sequence[Mapping[str, Any]], interval: str, calendar: str = CALENDAR) -> pd.DataFrame:
    """Return raw bar objects in the form of `CachedBars.frame`; intraday bars outside of sessions are left out."""
    stamps = pd.DatetimeIndex([str(bar["t"]) for bar in bars], dtype="datetime64[us, UTC]")
    columns = {
        field: np.array([float(bar[key]) for bar in bars], dtype=np.float64) for field, key in KEYS.items()
    }
    frame = pd.DataFrame(columns, index=stamps.rename("time"), columns=list(BAR_FIELDS))
    if not len(frame):
        return frame
    if interval == DAILY:  # midnight in New York, which is another time of the day in UTC in summer
        local = stamps.tz_convert(exchange_zone(calendar)).tz_localize(None)
        if calendar == AROUND_THE_CLOCK and (local != local.normalize()).any():
            raise ValueError(f"the day of {stamps[0]} does not begin at midnight UTC")
        frame.index = local.normalize().rename("time")
    else:
        _, inside = intraday_closes(calendar, stamps, interval)
        frame = frame[inside]
    return frame[~frame.index.duplicated()].sort_index()


def translated(call: Callable[[], Any]) -> Any:
    """Return `call()`; what goes wrong with the broker becomes what goes wrong with a source."""
    problem: ForewalkError
    try:
        return call()
    except RateLimited as busy:
        problem = ServiceBusy(f"Alpaca: {busy}", busy.after_s)
    except MustHalt as refused:
        problem = ConfigError(f"Alpaca refuses the keys of the environment: {refused}")
    except Refused as no:
        hint = "; set data.feed = 'iex', or choose an earlier data.end" if "SIP" in no.message else ""
        problem = ConfigError(f"Alpaca refuses the request: {no.message}{hint}")
    except BrokerError as lost:
        problem = ConnectionFailed(
            f"Alpaca could not be reached: {lost}; check the network and try again, or use --offline with bars "
            f"loaded before"
        )
    raise problem
