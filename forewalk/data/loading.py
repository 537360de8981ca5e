"""Bars from a source, cleaned, with a written report of everything that was wrong with them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from forewalk.data.cleaning.judging import too_damaged
from forewalk.data.cleaning.rules import clean
from forewalk.data.quality import NATURAL_STAMPS, Finding, QualityReport
from forewalk.data.table import Table
from forewalk.errors import ConfigError, DataError
from forewalk.instruments import refuse_proxies
from forewalk.settings.news import NewsSettings
from forewalk.settings.sections import DataSettings
from forewalk.types import Bars

NO_NEWS = NewsSettings()
__all__ = ["Finding", "QualityReport", "closed_by", "load_bars", "read_table", "resolved"]


def load_bars(
    settings: DataSettings,
    given: Table | None = None,
    columns: Sequence[str] = (),
    news: NewsSettings = NO_NEWS,
) -> tuple[Bars, QualityReport]:
    """Load and clean the bars that `settings` describe.

    Args:
        settings: the source, the span, the calendar and the policies.
        given: rows in memory, taken instead of the source's.
        columns: columns of the user's own to lay over the bars (`features.columns`).
        news: texts to lay over the bars, where it names some.

    Returns:
        bars: [T, S] in the order of `settings.symbols` (source order when empty); timestamps are UTC closes.
        report: what was found, what was done about it, and which symbols are refused.

    Raises:
        DataError: the data is missing or cannot be used.
        ConfigError: the calendar or a date in the settings is wrong, a symbol is named twice, or what `trade_as`
            names cannot be traded.
        ConnectionFailed: the network source did not answer.
    """
    repeated = sorted({name for name in settings.symbols if settings.symbols.count(name) > 1})
    if repeated:
        raise ConfigError(f"data.symbols names {', '.join(repeated)} more than once; name each symbol once")
    _, bars, report = _believed(_read_all(settings, columns, given, news), settings)
    refuse_proxies(bars.symbols, settings.trade_as, bars.calendars)
    return bars, report


def closed_by(moment: datetime, bars: Bars) -> Bars:
    """Return the bars that had closed at `moment`, UTC; one that is still being made is nobody's to know.

    Raises:
        DataError: none had.
    """
    closed = bars.until(pd.Timestamp(moment))
    if not len(closed):
        first = bars.timestamps[0]
        raise DataError(
            f"no bar had closed by {moment:%Y-%m-%d %H:%M} UTC; the first closes at {first:%Y-%m-%d %H:%M}"
        )
    return closed


def read_table(
    settings: DataSettings,
    columns: Sequence[str] = (),
    given: Table | None = None,
    news: NewsSettings = NO_NEWS,
) -> Table:
    """Return the rows of the source (or those given) as delivered, before any cleaning; see `load_bars`.

    With `data.universe` and no symbols named, the members are the symbols. Symbols of which cleaning would drop or
    alter too much are left out: see `forewalk.data.cleaning.judging`.
    """
    return _believed(_read_all(settings, columns, given, news), settings)[0]


def _read_all(
    settings: DataSettings, columns: Sequence[str], given: Table | None, news: NewsSettings
) -> Table:
    return _with_texts(_with_columns(_read_prices(settings, given), settings, columns), news)


def _with_texts(table: Table, news: NewsSettings) -> Table:
    if news.path is None:
        return table
    from forewalk.data.columns.texts.rows import text_rows

    rows, findings = text_rows(news, table.symbols)
    return replace(table, texts=rows, findings=(*table.findings, *findings))


def _with_columns(table: Table, settings: DataSettings, names: Sequence[str]) -> Table:
    if not names or (table.columns is not None and settings.columns_path is None):
        return table
    if table.understood.stamp not in ("", *NATURAL_STAMPS):
        raise DataError(
            f"features.columns: the stamps of the bars are read as {table.understood.stamp!r}; write session "
            f"dates, or starts of intraday bars, so that columns can be laid beside them"
        )
    from forewalk.data.columns.reading import read_columns

    return replace(table, columns=read_columns(settings, names))


def _read_prices(settings: DataSettings, given: Table | None) -> Table:
    if settings.universe is None:
        return _read(settings, given)
    from forewalk.data.universe import missing_members, read_universe, vendor_names

    universe = read_universe(settings.universe)
    asked = settings.symbols
    if not asked and settings.source in ("yahoo", "alpaca"):
        settings = settings.model_copy(update={"symbols": vendor_names(universe, settings.source)})
    table = _read(settings, given)
    notes = tuple(Finding("", "universe", "", "noted", 0, None, None, note) for note in universe.notes)
    if not asked:
        there, missing = universe.match(table.symbols)
        if not there:
            raise DataError(
                f"no symbol of the source is in {universe.source}; the source has {', '.join(table.symbols[:6])}, "
                f"the universe {', '.join(universe.symbols[:6])}"
            )
        table = table.select(there)
        notes = (*notes, missing_members(universe, missing)) if missing else notes
    return replace(table, universe=universe, findings=(*table.findings, *notes))


def resolved(settings: DataSettings, bars: Bars) -> DataSettings:
    """Return the settings with the bar length and calendars that were told from the data, so that a run repeats."""
    update: dict[str, object] = {"interval": bars.interval, "calendar": bars.calendar}
    if bars.calendars:
        own = zip(bars.symbols, bars.calendars, strict=True)
        update["calendars"] = {**settings.calendars, **{s: c for s, c in own if c != bars.calendar}}
    return settings.model_copy(update=update)


def _believed(table: Table, settings: DataSettings) -> tuple[Table, Bars, QualityReport]:
    """Return the table without the symbols that are too damaged, and what cleaning makes of it."""
    bars, report = clean(table, settings)
    away = too_damaged(table, report, settings)
    if not away:
        return table, bars, report
    left = [symbol for symbol in table.symbols if symbol not in away]
    if not left:
        raise DataError("; ".join(list(away.values())[:3]))
    table = table.select(left)
    table = replace(table, turned_away={**table.turned_away, **away})
    return table, *clean(table, settings)


def _read(settings: DataSettings, given: Table | None) -> Table:
    if given is not None:
        return given.select(settings.symbols or given.symbols)
    if settings.source == "sample":
        from forewalk.data.sources.sample import read_sample

        return read_sample(settings.symbols)
    if settings.source == "yahoo":
        from forewalk.data.sources.yahoo import read_yahoo

        return read_yahoo(settings)
    if settings.source == "alpaca":
        return _reader("broker.alpaca.source:read_alpaca")(settings)
    if ":" in settings.source:
        from forewalk.data.sources.own import read_own

        return read_own(settings)
    if settings.path is None:
        raise DataError(f"source {settings.source!r} needs data.path")
    from forewalk.data.sources.files import read_files

    return read_files(settings)


def _reader(name: str) -> Callable[[DataSettings], Table]:
    """Return a reader of another part of the house by name: the ground floor imports none of its wings."""
    module, _, function = name.partition(":")
    reader: Callable[[DataSettings], Table] = getattr(importlib.import_module(module), function)
    return reader
