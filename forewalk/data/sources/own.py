"""A source of bars of the user's own: `data.source = "module:Class"`.

The class is made with `data.options` as keyword arguments and asked with one method, `bars`; see `BarSource`. What it
answers is read by the rules of price files and cleaned like any other source's rows. With `remote = True` it is asked
as Yahoo is: in batches, at a pace, again after a 429, through the cache, and never with `--offline`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from forewalk.data.quality import Finding
from forewalk.data.sources.download import Answer, BarRequest, Service, read_service
from forewalk.data.sources.frames import read_frame
from forewalk.data.table import NO_TIME, Table
from forewalk.errors import ConfigError, DataError, ForewalkError
from forewalk.plugins.failures import own_code
from forewalk.plugins.holding import held_plugin
from forewalk.plugins.loading import Plugin
from forewalk.settings.sections import DataSettings
from forewalk.types import BAR_FIELDS

SETTING = "data.source"


class BarSource(Protocol):
    """What a source of one's own offers: a class with this method. The attributes are optional.

    Attributes:
        remote: the bars come over a network: keep them in the cache.
        adjusted: how prices are adjusted, a sentence for the report, e.g. "adjusted for splits and dividends".
        batch: symbols that a request may name (remote; default 50).
        requests_per_minute: that it bears (remote; default 60). `data.requests_per_minute` goes before.
    """

    def bars(self, request: BarRequest) -> pd.DataFrame:
        """Return one row per bar, as `Bars.from_frame` reads them.

        Columns `symbol` (not needed for one symbol), `date` or `timestamp`, open, high, low, close, volume; with
        `adj_close` all prices are rescaled to it. Daily: dates of the exchange. Intraday: the start of each bar, with
        a zone. More than was asked for does no harm. Without symbols in the request all are wanted.

        Raises:
            forewalk.errors.RateLimited: too busy; asked again after `after_s`.
            forewalk.errors.DataError: it has no such bars.
        """
        ...


def read_own(settings: DataSettings) -> Table:
    """Return the rows of the source that `data.source` names.

    Raises:
        ConfigError: there is no such class, or it is no source.
        PluginError: it raised; the message names its file and line.
        DataError: the answer cannot be read, or lacks a symbol.
    """
    plugin = held_plugin(SETTING, settings.source)
    source = _made(plugin, settings)
    if getattr(source, "remote", False):
        return _read_remote(plugin, source, settings)
    symbols = settings.symbols
    request = BarRequest(symbols, settings.bar_length, settings.exchange, settings.start, settings.end)
    table = _asked(plugin, source, request)
    return table.select(symbols or table.symbols)


def _made(plugin: Plugin, settings: DataSettings) -> Any:
    name = plugin.source
    if not isinstance(plugin.value, type) or not callable(getattr(plugin.value, "bars", None)):
        raise ConfigError(
            f"{name} is no source of bars: write a class with a method bars(request), see docs/sources.md"
        )
    with own_code(name):
        return plugin.value(**settings.options)


def _asked(plugin: Plugin, source: Any, request: BarRequest) -> Table:
    with own_code(plugin.source):
        frame = source.bars(request)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{plugin.source}: bars() returned {type(frame).__name__}; return a pandas DataFrame")
    named = "symbol" in [*map(str, frame.columns), *map(str, frame.index.names)] or frame.columns.nlevels > 1
    only = request.symbols[0] if len(request.symbols) == 1 and not named else None
    try:
        table = read_frame(frame, only)
    except DataError as problem:
        raise DataError(f"{plugin.source}: {problem}") from None
    adjusted = str(getattr(source, "adjusted", ""))
    findings = table.findings if not adjusted else (*table.findings, *_notes(table, adjusted))
    return replace(table, origins=(plugin.source.name,) * len(table.symbols), findings=findings)


def _notes(table: Table, adjusted: str) -> Iterator[Finding]:
    counts = np.bincount(table.code, minlength=len(table.symbols))
    for symbol, count in zip(table.symbols, counts, strict=True):
        yield Finding(symbol, "adjusted", "", "noted", int(count), None, None, adjusted)


def _read_remote(plugin: Plugin, source: Any, settings: DataSettings) -> Table:
    if not settings.symbols:
        raise ConfigError(f"{plugin.source} is remote and needs symbols: --symbols AAPL,MSFT")

    def fetch(request: BarRequest) -> Answer:
        table = _asked(plugin, source, request)
        frames = {symbol: _frame(table, symbol) for symbol in request.symbols if symbol in table.symbols}
        failures: dict[str, ForewalkError] = {
            symbol: DataError(f"{plugin.source} returned no bar of {symbol}; check its name")
            for symbol in request.symbols
            if symbol not in frames
        }
        return Answer(frames, failures)

    service = Service(
        name=plugin.source.name,
        fetch=fetch,
        calendar_of=lambda symbol: settings.exchange,
        folder=f"own-{plugin.source.name.replace(':', '.')}",
        adjusted=str(getattr(source, "adjusted", "")),
        batch=int(getattr(source, "batch", 50)),
        per_minute=float(getattr(source, "requests_per_minute", 60.0)),
    )
    return read_service(service, settings)


def _frame(table: Table, symbol: str) -> pd.DataFrame:
    """Return one symbol's rows in the form of `CachedBars.frame`."""
    mine = table.code == table.symbols.index(symbol)
    values = np.column_stack([table.prices[mine], table.volume[mine]])
    daily = bool((table.instant[mine] == NO_TIME).all())
    stamps = (table.wall if daily else table.instant)[mine].astype("datetime64[us]")
    index = pd.DatetimeIndex(stamps, tz=None if daily else "UTC", name="time")
    frame = pd.DataFrame(values, index=index, columns=list(BAR_FIELDS))
    return frame[~frame.index.duplicated()].sort_index()
