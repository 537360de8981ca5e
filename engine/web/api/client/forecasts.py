"""Forecasts and symbols.

Written by `make docs` from the OpenAPI document of the server; do not edit.
"""

from __future__ import annotations

from typing import Any, cast

from . import answers
from .transport import Group


class Forecasts(Group):
    """Forecasts and symbols."""

    def latest(self, *, symbol: str | None = None, horizon_bars: int | None = None) -> list[answers.Forecast]:
        """Return the newest forecast of each symbol and horizon."""
        return cast(
            "list[answers.Forecast]",
            self._transport.json(
                "GET", "/api/v1/forecasts/latest", query={"symbol": symbol, "horizon_bars": horizon_bars}
            ),
        )

    def history(
        self, *, symbol: str | None = None, horizon_bars: int | None = None, limit: int = 100, offset: int = 0
    ) -> answers.PageOfForecast:
        """Return every forecast ever given, the newest first, with what came where it is known."""
        return cast(
            "answers.PageOfForecast",
            self._transport.json(
                "GET",
                "/api/v1/forecasts",
                query={"symbol": symbol, "horizon_bars": horizon_bars, "limit": limit, "offset": offset},
            ),
        )

    def track_record(self) -> dict[str, Any]:
        """Return how good the forecasts have been, in all, by horizon and by symbol, and whether the log is
        untouched.
        """
        return cast("dict[str, Any]", self._transport.json("GET", "/api/v1/forecasts/track-record"))

    def symbols(self) -> list[answers.SymbolEntry]:
        """Return the symbols that are bundled or have been forecast."""
        return cast("list[answers.SymbolEntry]", self._transport.json("GET", "/api/v1/symbols"))
