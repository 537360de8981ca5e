"""Bars from a service: asked for at its pace, kept in the cache, compared with what it said before.

A symbol that fails is an error, never an empty or all-NaN column. What came before the failure is in the cache
already. The bar of a session (or interval) that had not closed when it was fetched is dropped and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from forewalk.data.cleaning.placing import session_date
from forewalk.data.quality import Finding
from forewalk.data.sources.cache import (
    CachedBars,
    compare_vintages,
    note_restatement,
    read_cached,
    write_cached,
)
from forewalk.data.sources.longer import SHORTER, longer_bars, of_shorter
from forewalk.data.sources.pacing import Pace
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

OVERLAP_BARS = 10  # fetched again when later bars are added, to notice a history that was revised
_FIRST_DATE = "1927-01-01"


@dataclass(frozen=True)
class BarRequest:
    """What a source of bars is asked for.

    Attributes:
        symbols: names, as the user wrote them.
        interval: "1d", "1h", "30min" ...
        calendar: of the sessions that `start` and `end` are dates of.
        start: first session, YYYY-MM-DD; None for the beginning.
        end: last session, YYYY-MM-DD, included; None for the newest.
    """

    symbols: tuple[str, ...]
    interval: str
    calendar: str
    start: str | None
    end: str | None


Frames = Mapping[str, pd.DataFrame]  # by symbol, in the form of `CachedBars.frame`


@dataclass(frozen=True)
class Answer:
    """What a service said: bars by symbol, and why others have none."""

    frames: Frames
    failures: Mapping[str, ForewalkError] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """A source of bars beyond the network.

    Attributes:
        name: for messages, e.g. "Yahoo".
        fetch: asks for some symbols; each is in the answer, with at least one bar or the reason for none.
        folder: below `data.cache`, "" for the cache itself; what is adjusted in another way has another one.
        adjusted: how its prices are adjusted, for the report; "" where they are not.
        batch: symbols a request may name.
        per_minute: requests a minute that it bears.
        reach_days: interval -> days back that it answers for.
        appends: later bars are added to cached intraday ones, instead of fetching everything again.
        calendar_of: symbol -> its calendar.

    What `fetch` raises ends the whole load; RateLimited makes it wait and ask again.
    """

    name: str
    fetch: Callable[[BarRequest], Answer]
    calendar_of: Callable[[str], str]
    folder: str = ""
    adjusted: str = ""
    batch: int = 50
    per_minute: float = 60.0
    reach_days: Mapping[str, int] | None = None
    appends: bool = True


@dataclass(frozen=True)
class _Span:
    """What is needed: from `start` (YYYY-MM-DD) to `until`, the last close by now and by `end`."""

    start: str
    end: str | None
    until: pd.Timestamp


def read_service(
    service: Service, settings: DataSettings, now: pd.Timestamp | None = None, pace: Pace | None = None
) -> Table:
    """Return the rows of `settings.symbols`, from the cache where it reaches, else from the service.

    Bars of 2h and 4h are made of its hours, weeks and months of its days, see `longer_bars`.

    Args:
        service: where to ask.
        settings: symbols, span (both ends included), interval, cache folder, `offline`.
        now: UTC instant taken as the present; none means the clock.
        pace: makes the requests; none means one by the settings.

    Raises:
        ConnectionFailed: the service could not be reached, or is busy for longer than `data.patience_s`.
        DataError: it has no bars for a symbol; or offline and the cache does not reach.
    """
    now = pd.Timestamp.now("UTC") if now is None else now.tz_convert("UTC")
    if settings.bar_length in SHORTER:
        shorter = read_service(service, of_shorter(settings), now, pace)
        calendars = [service.calendar_of(symbol) for symbol in shorter.symbols]
        return longer_bars(shorter, settings.bar_length, calendars, now)
    for symbol in settings.symbols:
        check_symbol(symbol, "data.symbols")
    folder = settings.cache.expanduser() / service.folder
    loader = _Loader(service, settings, now, pace or pace_of(service, settings))
    cached = {symbol: read_cached(folder, symbol, settings.bar_length) for symbol in settings.symbols}
    lacking = [symbol for symbol, bars in cached.items() if not loader.reaches(symbol, bars)]
    if lacking and settings.offline:
        raise DataError(_offline_message(lacking, cached, loader.span(lacking[0]), settings))
    found: dict[str, list[Finding]] = {symbol: [] for symbol in settings.symbols}
    failures: dict[str, ForewalkError] = {}
    for batch in _batches(lacking, cached, loader, service.batch):
        answer = loader.load(batch, cached)
        failures.update(answer.failures)
        for symbol, fresh in answer.frames.items():
            kept, findings = loader.join(symbol, cached[symbol], fresh)
            write_cached(folder, symbol, settings.bar_length, kept)
            cached[symbol], found[symbol] = kept, findings
    if failures and (settings.universe is None or len(failures) == len(settings.symbols)):
        raise _failure(failures, service)
    for symbol in failures:  # of a universe: members that a vendor has forgotten
        del cached[symbol]
    tables = []
    for symbol, bars in cached.items():
        if bars is None:
            raise DataError(f"{service.name} said nothing about {symbol}; check its name")
        if symbol not in lacking:
            message = f"taken from the cache, fetched {bars.fetched_at:%Y-%m-%d %H:%M} UTC"
            count = len(bars.frame)
            found[symbol].append(Finding(symbol, "from_cache", "", "noted", count, None, None, message))
        tables.append(_table(symbol, bars.frame, found[symbol], service))
    return concatenate(tables)


def pace_of(service: Service, settings: DataSettings) -> Pace:
    """Return the pace of the settings, else the service's own."""
    per_minute = service.per_minute if settings.requests_per_minute is None else settings.requests_per_minute
    return Pace(per_minute, settings.patience_s)


class _Loader:
    """What is asked of one service, and what becomes of its answers."""

    def __init__(self, service: Service, settings: DataSettings, now: pd.Timestamp, pace: Pace) -> None:
        self._service = service
        self._settings = settings
        self._now = now
        self._pace = pace
        self._spans: dict[str, _Span] = {}

    def span(self, symbol: str) -> _Span:
        """Return what is needed of a symbol, by its calendar."""
        calendar = self._service.calendar_of(symbol)
        if calendar not in self._spans:
            self._spans[calendar] = self._span(calendar)
        return self._spans[calendar]

    def reaches(self, symbol: str, cached: CachedBars | None) -> bool:
        """Whether the cache has all that is needed."""
        span = self.span(symbol)
        if cached is None or (self._settings.refresh and not self._settings.offline):
            return False
        if cached.start > span.start:
            return False
        return cached.until >= span.until or (self._settings.offline and span.end is None)

    def start(self, symbol: str, cached: CachedBars | None) -> str:
        """Return the date to ask from: the cached bars' last ones, their first, or the first one needed."""
        span, reach = self.span(symbol), self._reach()
        if cached is None:
            return span.start
        if self._adds_to(cached, span) and len(cached.frame) > OVERLAP_BARS:
            return max(f"{pd.DatetimeIndex(cached.frame.index)[-OVERLAP_BARS]:%Y-%m-%d}", reach)
        return max(min(span.start, cached.start), reach)

    def load(self, symbols: Sequence[str], cached: Mapping[str, CachedBars | None]) -> Answer:
        """Ask for symbols that need the same span."""
        first = symbols[0]
        return self._ask(symbols, self.start(first, cached[first]))

    def join(
        self, symbol: str, before: CachedBars | None, fresh: pd.DataFrame
    ) -> tuple[CachedBars, list[Finding]]:
        """Put fresh bars to the cached ones; where those were revised, only what the service says now counts."""
        span = self.span(symbol)
        frame, findings = self._without_open_bar(fresh, symbol)
        asked = self.start(symbol, before)
        if before is not None:
            compared = compare_vintages(before.frame, frame)
            if compared.restated and self._adds_to(before, span):  # part of a revised history is not enough
                asked = min(span.start, before.start)
                again = self._ask([symbol], asked)
                if symbol not in again.frames:
                    raise _failure(again.failures, self._service)
                frame, findings = self._without_open_bar(again.frames[symbol], symbol)
                compared = compare_vintages(before.frame, frame)
            findings += compared.findings(symbol)
            if compared.restated:
                note_restatement(
                    self._settings.cache.expanduser() / self._service.folder,
                    symbol,
                    self._settings.bar_length,
                    compared,
                    before.fetched_at,
                    self._now,
                )
            elif compared.common and self._adds_to(before, span):
                earlier = before.frame[before.frame.index < frame.index[0]]
                frame, asked = pd.concat([earlier, frame]), before.start
        bars = CachedBars(frame=frame, fetched_at=self._now, start=min(asked, span.start), until=span.until)
        return bars, findings

    def _adds_to(self, cached: CachedBars, span: _Span) -> bool:
        fits = self._service.appends and self._settings.bar_length != DAILY and not self._settings.refresh
        return fits and cached.start <= span.start

    def _ask(self, symbols: Sequence[str], start: str) -> Answer:
        span, calendar = self.span(symbols[0]), self._service.calendar_of(symbols[0])
        request = BarRequest(tuple(symbols), self._settings.bar_length, calendar, start, span.end)
        return self._pace(lambda: self._service.fetch(request))

    def _span(self, calendar: str) -> _Span:
        settings, now = self._settings, self._now
        start, end = session_date(settings.start, "data.start"), session_date(settings.end, "data.end")
        limit = now
        if end is not None:
            limit = min(now, regular_closes(calendar, pd.DatetimeIndex([end]))[0])
        recent = sessions_between(calendar, limit - pd.Timedelta(days=15), limit + pd.Timedelta(days=1))
        closes = session_closes(calendar, recent)
        closed = closes[closes <= limit]
        return _Span(
            start=max(self._reach(), _FIRST_DATE) if start is None else f"{start:%Y-%m-%d}",
            end=None if end is None else f"{end:%Y-%m-%d}",
            until=closed[-1] if len(closed) else limit,
        )

    def _reach(self) -> str:
        """Return the first date that the service answers for, "" where it sets none."""
        days = (self._service.reach_days or {}).get(self._settings.bar_length)
        return "" if days is None else f"{self._now - pd.Timedelta(days=days):%Y-%m-%d}"

    def _without_open_bar(self, frame: pd.DataFrame, symbol: str) -> tuple[pd.DataFrame, list[Finding]]:
        """Drop the bars that had not closed at `now`."""
        index, calendar, now = pd.DatetimeIndex(frame.index), self._service.calendar_of(symbol), self._now
        if self._settings.bar_length == DAILY:
            closes = session_closes(calendar, index)
            closes = closes.where(closes.notna(), regular_closes(calendar, index))
        else:
            closes, _ = intraday_closes(calendar, index, self._settings.bar_length)
        unfinished = np.asarray(closes > now)
        if not unfinished.any():
            return frame, []
        times = closes[unfinished]
        message = f"the bar had not closed when it was fetched at {now:%Y-%m-%d %H:%M} UTC"
        count = int(unfinished.sum())
        finding = Finding(symbol, "partial_last_bar", "", "dropped", count, times[0], times[-1], message)
        if unfinished.all():
            raise DataError(f"{self._service.name} has no finished bar for {symbol}; choose an earlier start")
        return frame[~unfinished], [finding]


def _failure(failures: Mapping[str, ForewalkError], service: Service) -> ForewalkError:
    """Return the one error of all symbols without bars; a failed connection is worth another try."""
    for error in failures.values():
        if isinstance(error, ConnectionFailed):
            return error
    if len(failures) == 1:
        return next(iter(failures.values()))
    reasons = "; ".join(str(error) for error in list(failures.values())[:5])
    names = ", ".join(list(failures)[:20]) + (" ..." if len(failures) > 20 else "")
    return DataError(f"{service.name} has no bars for {len(failures)} symbols ({names}): {reasons}")


def _batches(
    symbols: Sequence[str], cached: Mapping[str, CachedBars | None], loader: _Loader, size: int
) -> list[list[str]]:
    """Group the symbols that can be asked for together: the same span and calendar, so many at a time."""
    groups: dict[tuple[str, _Span], list[str]] = {}
    for symbol in symbols:
        key = (loader.start(symbol, cached[symbol]), loader.span(symbol))
        groups.setdefault(key, []).append(symbol)
    return [group[at : at + size] for group in groups.values() for at in range(0, len(group), size)]


def _offline_message(
    lacking: Sequence[str], cached: Mapping[str, CachedBars | None], span: _Span, settings: DataSettings
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


def _table(symbol: str, frame: pd.DataFrame, findings: list[Finding], service: Service) -> Table:
    index = pd.DatetimeIndex(frame.index)
    stamps = microseconds(index)
    values = frame[list(BAR_FIELDS)].to_numpy(np.float64)
    notes = []
    if service.adjusted:
        notes.append(Finding(symbol, "adjusted", "", "noted", len(frame), None, None, service.adjusted))
    return Table(
        symbols=(symbol,),
        origins=(service.name.lower(),),
        code=np.zeros(len(frame), np.int64),
        wall=stamps,
        instant=np.full(len(frame), NO_TIME) if index.tz is None else stamps,
        line=np.zeros(len(frame), np.int64),
        prices=values[:, :4].copy(),
        volume=values[:, 4].copy(),
        findings=(*notes, *findings),
    )
