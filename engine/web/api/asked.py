"""Bodies that several routes take."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from engine.web.api.common import Asked
from engine.web.places import NAME


class Settings(Asked):
    """Settings by key, dotted or nested, as in a settings file; what is not given is the default."""

    settings: dict[str, Any] = Field(
        default={}, examples=[{"data.symbols": "AAPL,MSFT", "strategy.entry": 0.1}]
    )


class OfRun(Asked):
    """A finished run whose newest model is asked."""

    run: str = Field(pattern=NAME.pattern)
