"""Names that settings choose from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from forewalk.settings.base import kind_of

Market = Literal[
    "us_equity", "uk_equity", "de_equity", "fr_equity", "ch_equity", "ca_equity", "jp_equity", "hk_equity",
    "au_equity", "in_equity", "forex", "crypto", "index",
]  # fmt: skip
Interval = Literal["1min", "5min", "15min", "30min", "1h", "2h", "4h", "1d", "1wk", "1mo"]
SOURCES = ("sample", "files", "csv", "parquet", "yahoo", "alpaca")


Source = Annotated[str, AfterValidator(lambda value: kind_of(value, SOURCES, "source of bars"))]
SMALLEST_LIMIT = 0.25  # of one symbol's weight, where none is set
