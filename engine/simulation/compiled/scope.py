"""What the compiled account knows."""

from __future__ import annotations

from forewalk.settings.sections import Settings
from forewalk.types import Bars


def unsupported(bars: Bars, settings: Settings) -> str:
    """Return what of a run the compiled account does not know, in words; "" where it knows all."""
    if settings.strategy.is_own:
        return "a strategy of your own"
    if bars.calendars:
        return "markets that close at different times"
    if "rate_close" in bars.extras:
        return "currency pairs and prices in several currencies"
    if settings.strategy.sizing == "least_variance":
        return "weights from covariances (strategy.sizing = 'least_variance')"
    return ""
