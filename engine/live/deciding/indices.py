"""Bars of what is only forecast, beside the broker's: an index is in no broker's list of shares."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from broker.hosts import is_local
from engine.live.bars import KEYS, BarFeed
from forewalk.data.loading import load_bars
from forewalk.errors import ForewalkError
from forewalk.sessions import bar_open_times, exchange_zone, is_intraday
from forewalk.settings.sections import DataSettings, Settings
from forewalk.types import Bars

log = logging.getLogger(__name__)
Raw = dict[str, list[dict[str, Any]]]
AGAIN_S = 60.0  # between two questions about bars that are not there yet


def feed_of(broker: BarFeed, settings: Settings) -> BarFeed:
    """Return where bars come from: the broker; for what `data.trade_as` only forecasts, `data.source`.

    A simulator on this machine has all of them.
    """
    if not settings.data.trade_as or is_local(settings.live.data_url):
        return broker
    return BesideBroker(broker, settings.data)


class BesideBroker:
    """The broker's bars, and those of some symbols from the source of the backtest.

    Where the source does not answer, its symbols have no bars: their funds are not traded on this bar; the others
    are.

    Args:
        broker: asked for what is traded.
        data: names the source and what is only forecast.
        load: reads bars by their settings.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        broker: BarFeed,
        data: DataSettings,
        load: Callable[[DataSettings], Bars] = lambda data: load_bars(data)[0],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._data = data
        self._load = load
        self._monotonic = monotonic
        self._asked: tuple[float, Bars | None] = (float("-inf"), None)

    def bars(
        self, symbols: Sequence[str], interval: str, first: datetime, last: datetime, adjustment: str
    ) -> Raw:
        """Return raw bar objects by symbol, as the broker words them; see `BarFeed`."""
        own = [symbol for symbol in symbols if symbol in self._data.trade_as]
        others = [symbol for symbol in symbols if symbol not in own]
        found = self._broker.bars(others, interval, first, last, adjustment)
        known = self._known(pd.Timestamp(last)) if own else None
        rows = {} if known is None else raw_bars(known, pd.Timestamp(first), pd.Timestamp(last))
        return {**found, **{symbol: rows.get(symbol, []) for symbol in own}}

    def _known(self, last: pd.Timestamp) -> Bars | None:
        """Return the source's bars; asked again where the newest is not there, at most once a minute."""
        at, known = self._asked
        reaches = known is not None and known.timestamps[-1] >= last
        if reaches or self._monotonic() - at < AGAIN_S:
            return known
        wanted: dict[str, Any] = {"symbols": tuple(self._data.trade_as), "trade_as": {}, "end": None, "refresh": True,
                  "universe": None, "min_history_bars": 1, "offline": False}  # fmt: skip
        try:
            known = self._load(self._data.model_copy(update=wanted))
        except ForewalkError as problem:
            log.warning("no bars of %s: %s", ", ".join(self._data.trade_as), problem)
        self._asked = (self._monotonic(), known)
        return known


def raw_bars(bars: Bars, first: pd.Timestamp, last: pd.Timestamp) -> Mapping[str, list[dict[str, Any]]]:
    """Return bars that are stamped from `first` on and close by `last` as raw objects by symbol.

    Intraday bars are stamped with their begin, others with midnight of their session in the exchange's zone.
    """
    if is_intraday(bars.interval):
        stamps = bar_open_times(bars)
    else:
        zone = exchange_zone(bars.calendar)
        stamps = bars.timestamps.tz_convert(zone).normalize().tz_convert("UTC")
    found: dict[str, list[dict[str, Any]]] = {}
    inside = (stamps >= first) & (bars.timestamps <= last)
    for column, symbol in enumerate(bars.symbols):
        rows = [row for row in range(len(bars)) if inside[row] and bars.present[row, column]]
        found[symbol] = [
            {
                "t": stamps[row].isoformat(),
                **{key: float(getattr(bars, name)[row, column]) for name, key in KEYS.items()},
            }
            for row in rows
        ]
    return found
