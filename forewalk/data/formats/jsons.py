"""Tables in JSON: brokers' answers, pandas' orients, lists of records and lists of lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from forewalk.data.formats.grids import _DATE
from forewalk.data.formats.words import PRICE_WORDS, normalise
from forewalk.errors import DataError

if TYPE_CHECKING:
    from forewalk.data.formats.containers import Sheet

_FACTS = {
    "symbol": "symbol", "ticker": "symbol", "instrument": "symbol", "2 symbol": "symbol", "pair": "symbol",
    "exchangetimezonename": "zone", "exchange timezone name": "zone", "exchange timezone": "zone", "time zone":
        "zone",
    "timezone": "zone", "interval": "interval", "granularity": "interval", "data granularity":
        "interval",
}  # fmt: skip
MAX_DEPTH = 6


def json_sheets(content: bytes, name: str, where: str) -> Iterator[Sheet]:
    """Yield every table in a JSON text, with the symbol and zone said beside it.

    Raises:
        DataError: it is no JSON, or holds no table of prices.
    """
    from forewalk.data.formats.containers import frame_sheet

    found = 0
    for frame, facts, headed in _tables(_parse(content, where), {}, 0):
        found += 1
        frame, left_out = _finished(frame)
        sheet = frame_sheet(frame, name, where, facts)
        sheet = replace(sheet, notes=(*sheet.notes, *left_out))
        yield sheet if headed else type(sheet)(**{**vars(sheet), "head": []})
    if not found:
        raise DataError(f"{where}: no table of prices in this JSON")


def _finished(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out what the file itself calls unfinished (OANDA's `complete`): a bar that is still being made."""
    if "complete" not in frame.columns or not frame["complete"].isin([True, False]).all():
        return frame, []
    unfinished = ~frame["complete"].astype(bool)
    if not unfinished.any():
        return frame, []
    return frame[~unfinished].reset_index(drop=True), [
        f"{int(unfinished.sum())} unfinished bars are left out"
    ]


def _parse(content: bytes, where: str) -> Any:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{where}: no UTF-8 text; save the JSON as UTF-8") from None
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except (json.JSONDecodeError, RecursionError):
            place = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise DataError(f"{where}{place}: no readable JSON: {error}") from None


def _tables(
    value: Any, facts: dict[str, str], depth: int
) -> Iterator[tuple[pd.DataFrame, dict[str, str], bool]]:
    """Yield (frame, facts, has names) for every table below `value`."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        yield from _list(value, facts, depth)
    elif isinstance(value, dict):
        yield from _dict(value, facts, depth)


def _list(
    value: list[Any], facts: dict[str, str], depth: int
) -> Iterator[tuple[pd.DataFrame, dict[str, str], bool]]:
    records = [_flat(item) for item in value if isinstance(item, dict)]
    if records and len(records) == len(value):
        if any(len({normalise(key) for key in item} & PRICE_WORDS) >= 1 for item in records[:3]):
            yield pd.DataFrame(records), facts, True
            return
        for item in value:
            yield from _tables(item, facts, depth + 1)
    elif value and all(isinstance(item, list) and len(item) >= 2 for item in value):
        width = max(len(item) for item in value)
        yield (
            pd.DataFrame([item + [None] * (width - len(item)) for item in value]).astype(object),
            facts,
            False,
        )


def _dict(
    value: dict[str, Any], facts: dict[str, str], depth: int
) -> Iterator[tuple[pd.DataFrame, dict[str, str], bool]]:
    facts = {**facts, **_said(value)}
    if "indicators" in value and "timestamp" in value:
        yield _yahoo(value), facts, True
        return
    if set(value) >= {"columns", "index", "data"} and isinstance(value["data"], list):
        columns = [tuple(c) if isinstance(c, list) else c for c in value["columns"]]
        yield pd.DataFrame(value["data"], index=value["index"], columns=columns), facts, True
        return
    lists = {key: item for key, item in value.items() if isinstance(item, list)}
    sizes = {len(item) for item in lists.values()}
    plain = all(not isinstance(x, dict | list) for item in lists.values() for x in item[:3])
    if len(lists) >= 2 and len(sizes) == 1 and plain and {normalise(key) for key in lists} & PRICE_WORDS:
        yield pd.DataFrame(lists), facts, True
        return
    tables = {key: item for key, item in value.items() if isinstance(item, dict)}
    if tables and all(_DATE.match(str(key)) for key in tables):
        records = [{"date": key, **_flat(item)} for key, item in tables.items()]
        yield pd.DataFrame(records), facts, True
        return
    if tables and len({normalise(key) for key in tables} & PRICE_WORDS) >= 1:
        frame = pd.DataFrame(tables)
        numbered = all(str(key).isdigit() and int(key) < 10**7 for key in frame.index)
        yield (
            (frame.reset_index(drop=True) if numbered else frame.rename_axis("date").reset_index()),
            facts,
            True,
        )
        return
    bars = {key for key, item in value.items() if _is_bars(item)}
    for key, item in value.items():
        own = key in bars and (depth > 0 or len(bars) > 1)
        named = own and "symbol" not in facts and normalise(key) not in _CONTAINERS
        yield from _tables(item, {**facts, "symbol": key} if named else facts, depth + 1)


def _is_bars(item: Any) -> bool:
    """Whether a value can be the bars of the symbol that its key names: a list of rows, or rows by date."""
    if isinstance(item, dict):
        return bool(item) and all(_DATE.match(str(key)) for key in item)
    return isinstance(item, list) and bool(item) and isinstance(item[0], dict | list)


_CONTAINERS = {
    "bars",
    "results",
    "data",
    "values",
    "candles",
    "historical",
    "prices",
    "ohlcv",
    "quotes",
    "items",
    "result",
}


def _said(value: dict[str, Any]) -> dict[str, str]:
    """Return symbol, zone and interval that a dict, or the block about it, names."""
    found: dict[str, str] = {}
    for block in (value, *(value[key] for key in ("meta", "Meta Data") if isinstance(value.get(key), dict))):
        for key, item in block.items():
            name = _FACTS.get(normalise(key))
            if name and isinstance(item, str) and item:
                found.setdefault(name, item)
    return found


def _flat(item: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, inner in item.items():
        if isinstance(inner, dict):
            flat.update({(key if key not in ("mid",) else "") + f" {name}": x for name, x in inner.items()})
        else:
            flat[key] = inner
    return {key.strip(): x for key, x in flat.items()}


def _yahoo(value: dict[str, Any]) -> pd.DataFrame:
    quote = value["indicators"]["quote"][0] if value["indicators"].get("quote") else {}
    columns = {
        "date": value["timestamp"],
        **{key: quote.get(key) for key in ("open", "high", "low", "close", "volume")},
    }
    adjusted = value["indicators"].get("adjclose")
    if adjusted:
        columns["adj close"] = adjusted[0].get("adjclose")
    return pd.DataFrame({key: column for key, column in columns.items() if column is not None})
