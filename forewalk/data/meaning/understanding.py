"""From readings to one table whose rows have a stated meaning; a symbol that cannot be believed is turned away."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from forewalk.calendars import FOREX
from forewalk.data.formats.lengths import Length, tell_length
from forewalk.data.formats.readings import Reading
from forewalk.data.meaning.actions import adjust_series
from forewalk.data.meaning.days import FITS, Dated, date_bars, forex_calendar
from forewalk.data.meaning.doubts import refuse_filled_weekends, refuse_stamps
from forewalk.data.meaning.events import Events, as_columns, read_events
from forewalk.data.meaning.hours import start_bars
from forewalk.data.meaning.markets import ALWAYS, NEW_YORK, OTHERS, calendar_of_days, calendar_of_name
from forewalk.data.quality import Finding, Understanding
from forewalk.data.table import CLOSE, EXTRAS, NO_TIME, OWN, Table, joined
from forewalk.errors import DataError
from forewalk.sessions import exchange_zone, is_intraday
from forewalk.settings.sections import DataSettings
from forewalk.types import FloatArray, IntArray

_DAY = 24 * 3600 * 10**6
_START_OF_WEEK = ("investing.com", "metatrader 4", "metatrader 5")


@dataclass(frozen=True, eq=False)
class Series:
    """The rows of one symbol, from one or more files, in the order of the source (newest first is turned)."""

    symbol: str
    readings: tuple[Reading, ...]
    note: str = ""

    @property
    def origin(self) -> str:
        """File or files, for messages."""
        return self.readings[0].where if len(self.readings) == 1 else f"{len(self.readings)} files"

    @property
    def who(self) -> str:
        """Symbol and file, for messages."""
        return f"{self.origin}: {self.symbol}"


@dataclass
class _Found:
    """What is put together, symbol by symbol."""

    symbols: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    calendars: list[str] = field(default_factory=list)
    parts: list[dict[str, FloatArray | IntArray]] = field(default_factory=list)
    extras: list[tuple[dict[str, FloatArray], int]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    adjusted: list[bool | None] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    turned_away: dict[str, str] = field(default_factory=dict)


def understand(series: Sequence[Series], settings: DataSettings, turned_away: Mapping[str, str]) -> Table:
    """Return the rows of all series with session dates (daily and longer) or UTC starts (intraday).

    Raises:
        DataError: no symbol can be believed, or they have bars of several lengths; with the setting that decides.
    """
    found = _Found(turned_away=dict(turned_away))
    told = {one.symbol: _length_of(one) for one in series}
    interval, inferred = _interval(told, series, settings, found)
    events = read_events(settings.events) if settings.events is not None else {}
    for one in series:
        if one.symbol in found.turned_away:
            continue
        try:
            _add(found, one, interval, settings, events)
        except DataError as error:
            found.turned_away[one.symbol] = str(error)
    if not found.symbols:
        raise DataError("; ".join(list(found.turned_away.values())[:3]) or "no symbol can be read")
    return _table(found, series, interval, inferred, told)


def _length_of(series: Series) -> Length:
    own = {reading.facts.get("forewalk.interval") for reading in series.readings}
    if None not in own and len(own) == 1:
        return Length(own.pop(), "as written by forewalk")
    stamps = np.concatenate([reading.stamps.wall for reading in series.readings])
    zoned = all((reading.stamps.instant != NO_TIME).all() for reading in series.readings)
    if zoned and len(np.unique(stamps % _DAY)) > 2:  # offsets that change would tear the gaps
        stamps = np.concatenate([reading.stamps.instant for reading in series.readings])
    return tell_length(stamps[stamps != NO_TIME], in_order=len(series.readings) == 1)


def _interval(
    told: Mapping[str, Length], series: Sequence[Series], settings: DataSettings, found: _Found
) -> tuple[str, bool]:
    """Return the bar length of all, and whether it was told from the stamps."""
    counts = {one.symbol: sum(map(len, one.readings)) for one in series}
    for one in series:
        length = told[one.symbol]
        if length.clash or (
            length.interval is None and settings.interval is None and counts[one.symbol] >= 10
        ):
            found.turned_away[one.symbol] = f"{one.who}: {length.seen}; {_choose(length)}"
        elif settings.interval is not None and length.interval not in (None, settings.interval):
            found.turned_away[one.symbol] = (
                f"{one.who}: data.interval = {settings.interval!r}, but the stamps are {length.seen}: bars of "
                f"{length.interval}; "
                f"set data.interval = {length.interval!r} or leave it out"
            )
    if settings.interval is not None:
        return settings.interval, False
    lengths = Counter(
        length.interval
        for symbol, length in told.items()
        if length.interval and symbol not in found.turned_away
    )
    if len(lengths) > 1:
        groups = {
            name: [symbol for symbol, length in told.items() if length.interval == name][:4]
            for name in lengths
        }
        listed = "; ".join(f"{name} ({', '.join(symbols)})" for name, symbols in groups.items())
        raise DataError(f"{series[0].origin}: symbols have bars of several lengths: {listed}; say which to "
                        f"read: data.interval = "
                        f"{next(iter(lengths))!r}")  # fmt: skip
    if not lengths:
        found.notes["too few bars to tell their length: taken for days (data.interval)"] = None
        return "1d", False
    return str(next(iter(lengths))), True


def _choose(length: Length) -> str:
    if length.clash:
        return "keep one length in the file, or choose rows with data.where or data.interval"
    return "the bar length cannot be told; say it with data.interval"


def _add(found: _Found, series: Series, interval: str, settings: DataSettings, events: Events) -> None:
    """Give the rows of one symbol their meaning and add them."""
    refuse_stamps([reading.stamps.wall for reading in series.readings], interval, series.who)
    calendar, dated = _place(series, interval, settings)
    prices = np.concatenate([reading.prices for reading in series.readings])
    volumes = [reading.volume for reading in series.readings]
    volume = np.concatenate(
        [v if v is not None else np.zeros(len(r)) for v, r in zip(volumes, series.readings, strict=True)]
    )
    no_volume = all(v is None for v in volumes) or not np.isfinite(volume).any()
    volume = np.zeros(len(volume)) if no_volume else volume
    wall, instant, stamp, zone, notes = dated
    prices, close_only = _filled(prices)
    order = np.argsort(np.where(instant != NO_TIME, instant, wall), kind="stable")
    back = np.argsort(order, kind="stable")
    extras = _extras(series)
    if series.symbol in events or series.symbol.upper() in events:
        listed = events.get(series.symbol, events.get(series.symbol.upper()))
        assert listed is not None
        extras |= {name: v[back] for name, v in as_columns(listed, wall[order] // _DAY).items()}
    first = series.readings[0]
    told = adjust_series(
        prices[order], volume[order], {name: values[order] for name, values in extras.items()}, settings.adjusted,
        first.adjusted, first.format == "yfinance", series.who, settings.dividends == "cash",
    )  # fmt: skip
    own = {name: extras[f"{OWN}{name}"] for name in EXTRAS if f"{OWN}{name}" in extras}
    if told.dividend is not None:
        own["dividend"] = told.dividend[back]
    found.symbols.append(series.symbol)
    found.origins.append(first.where)
    found.calendars.append(calendar)
    found.stamps.append(stamp)
    found.zones.append(zone)
    found.adjusted.append(told.adjusted)
    found.notes.update(dict.fromkeys(note for note in (*notes, series.note) if note))
    found.parts.append({
        "wall": wall, "instant": instant, "line": np.concatenate([reading.lines for reading in series.readings]),
        "prices": told.prices[back], "volume": told.volume[back],
    })  # fmt: skip
    found.extras.append((own, len(wall)))
    count = len(wall)

    def note(kind: str, message: str) -> None:
        found.findings.append(Finding(series.symbol, kind, "", "noted", count, None, None, message))

    if told.note and told.adjusted:
        note("adjusted", told.note)
    if close_only or all(reading.close_only for reading in series.readings):
        note(
            "close_only",
            "only closes are there: open, high and low are the close, orders fill at the next close",
        )
    if no_volume:
        note("no_volume", f"{first.where.rpartition('/')[2]} has no volume; taken as 0")


def _filled(prices: FloatArray) -> tuple[FloatArray, bool]:
    """A symbol that never has an open, high or low in a table that has such columns is one of closes only."""
    finite = np.isfinite(prices)
    if finite[:, 3].any() and not finite[:, :3].any():
        return np.repeat(prices[:, 3:], 4, axis=1), True
    return prices, False


def _extras(series: Series) -> dict[str, FloatArray]:
    names = {name for reading in series.readings for name in reading.extras}
    return {
        name: np.concatenate([r.extras.get(name, np.full(len(r), np.nan)) for r in series.readings])
        for name in names
    }


Placed = tuple[IntArray, IntArray, str, str, tuple[str, ...]]  # wall, instant, stamp, zone, notes


def _place(series: Series, interval: str, settings: DataSettings) -> tuple[str, Placed]:
    """Return the calendar of a symbol and its rows' dates or starts."""
    own = json.loads(series.readings[0].facts.get("forewalk.calendars", "{}"))
    given = settings.calendars.get(series.symbol) or settings.calendar or own.get(series.symbol)
    given = given or calendar_of_name(series.symbol)
    if given == FOREX and interval == "1d":
        given = forex_calendar([reading.stamps for reading in series.readings])
    if is_intraday(interval):
        calendar = given or _intraday_calendar(series)
        return calendar, _started(series, calendar, interval, settings)
    if given is not None:
        return given, _joined(
            [_dated(reading, series, given, interval, settings) for reading in series.readings]
        )
    if interval != "1d":
        return NEW_YORK, _joined(
            [_dated(reading, series, NEW_YORK, interval, settings) for reading in series.readings]
        )
    return _searched(series, interval, settings)


def _searched(series: Series, interval: str, settings: DataSettings) -> tuple[str, Placed]:
    """Find the calendar on whose sessions the bars lie: New York's, one that never closes, or another."""
    walls = np.concatenate([reading.stamps.wall for reading in series.readings])
    natural = calendar_of_days(walls // _DAY)
    first = natural if natural is not None else NEW_YORK
    if first == ALWAYS:
        refuse_filled_weekends(walls, [reading.prices[:, CLOSE] for reading in series.readings], series.who)
    parts = [_dated(reading, series, first, interval, settings) for reading in series.readings]
    if natural is None and min(part.fit for part in parts) < FITS and len(walls) >= 100:
        for calendar in OTHERS:
            others = [_dated(reading, series, calendar, interval, settings) for reading in series.readings]
            if min(part.fit for part in others) >= 0.995:
                return calendar, _joined(
                    others, f"{series.symbol}: the calendar {calendar} is told from the days"
                )
    note = f"{series.symbol}: the calendar {first} is told from the days" if first != NEW_YORK else ""
    return first, _joined(parts, note)


def _dated(reading: Reading, series: Series, calendar: str, interval: str, settings: DataSettings) -> Dated:
    zone = settings.zone or reading.zone or None
    return date_bars(
        reading.stamps, calendar, interval, zone, settings.stamp, series.who, reading.format in _START_OF_WEEK
    )


def _joined(parts: Sequence[Dated], note: str = "") -> Placed:
    wall = np.concatenate([part.dates for part in parts])
    return wall, np.full(len(wall), NO_TIME), parts[0].stamp, parts[0].zone, (note,) if note else ()


def _started(series: Series, calendar: str, interval: str, settings: DataSettings) -> Placed:
    refuse = settings.cleaning.zoneless_timestamps == "refuse"
    started = [
        start_bars(
            reading, calendar, interval, settings.zone or reading.zone or None,
            settings.stamp or reading.facts.get("forewalk.stamp") or reading.stamp or None, refuse,
        )
        for reading in series.readings
    ]  # fmt: skip
    wall = np.concatenate([reading.stamps.wall for reading in series.readings])
    starts = np.concatenate([one.starts for one in started])
    notes = tuple(dict.fromkeys(one.note for one in started if one.note))
    return wall, starts, started[0].stamp, started[0].zone, notes


def _intraday_calendar(series: Series) -> str:
    walls = np.concatenate([reading.stamps.wall for reading in series.readings])
    weekday = (walls // _DAY + 3) % 7
    saturday, sunday = (weekday == 5).mean(), (weekday == 6).mean()
    if saturday > 0.08 and sunday > 0.08:
        return ALWAYS
    if sunday > 0.02 and saturday < 0.06:
        return FOREX
    return NEW_YORK


def _table(
    found: _Found, series: Sequence[Series], interval: str, inferred: bool, told: Mapping[str, Length]
) -> Table:
    calendar = Counter(found.calendars).most_common(1)[0][0]
    first = series[0].readings[0]
    zone = Counter(found.zones).most_common(1)[0][0]
    zone = str(exchange_zone(calendar)) if zone in ("own", "") else zone
    adjusted = found.adjusted[0] if len(set(found.adjusted)) == 1 else None
    notes = [f"bars of {interval}, told from the stamps"] if inferred and interval != "1d" else []
    notes += [note for one in series for reading in one.readings for note in reading.notes]
    notes += list(found.notes)
    if len(set(found.calendars)) > 1:
        counts = Counter(found.calendars)
        notes.append(
            "markets that close at different times: "
            + ", ".join(f"{n} on {c}" for c, n in counts.most_common())
        )
    formats = Counter(reading.format for one in series for reading in one.readings)
    understood = Understanding(
        format=formats.most_common(1)[0][0], interval=interval, interval_inferred=inferred, calendar=calendar,
        zone=zone,
        stamp=Counter(found.stamps).most_common(1)[0][0], adjusted=adjusted, notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip
    arrays: dict[str, Any] = {
        name: np.concatenate([part[name] for part in found.parts])
        for name in ("wall", "instant", "line", "prices", "volume")
    }
    code = np.repeat(np.arange(len(found.symbols)), [len(part["wall"]) for part in found.parts])
    table = Table(
        symbols=tuple(found.symbols), origins=tuple(found.origins), code=code.astype(np.int64),
        findings=tuple(found.findings),
        line_word=first.word, calendars=tuple(found.calendars), interval=interval, understood=understood,
        turned_away=found.turned_away, extras=joined(found.extras), **arrays,
    )  # fmt: skip
    return replace(table, findings=tuple(sorted(table.findings, key=lambda f: (f.symbol, f.kind))))


def newest_first(reading: Reading) -> Reading:
    """Turn rows that go back in time from the first to the last; the order is a fact of the file, not damage."""
    steps = np.diff(reading.stamps.wall)
    return reading.take(np.arange(len(reading))[::-1]) if len(steps) and (steps < 0).all() else reading


def frame_of(table: Table) -> pd.DataFrame:
    """Return the rows of a table as a frame: symbol, time (session date, or UTC start) and the five fields."""
    names = np.array(table.symbols, dtype=object)[table.code]
    known = table.instant != NO_TIME
    time = np.where(known, table.instant, table.wall).astype("datetime64[us]")
    columns = dict(zip(("open", "high", "low", "close"), table.prices.T, strict=True))
    return pd.DataFrame({"symbol": names, "time": time, **columns, "volume": table.volume})
