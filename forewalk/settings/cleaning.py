"""The settings of cleaning: what to do with each kind of damage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from forewalk.settings.base import Mapped, Section

Policy = Literal["refuse", "drop", "repair", "flag"]


class CleaningSettings(Section):
    """What to do with each kind of damage. Every rule looks only backwards in time.

    `refuse` ends the symbol at its first damaged bar (or refuses the file where the damage is in the
    file itself), `drop` removes the damaged bars, `repair` mends them, `flag` keeps and reports them.
    """

    duplicate_timestamps: Policy = "drop"
    """Rows that repeat a timestamp: `drop` and `repair` keep the first one."""
    unordered_timestamps: Policy = "repair"
    """Rows out of time order: `repair` sorts them."""
    zoneless_timestamps: Policy = "refuse"
    """Intraday timestamps without a zone; `repair` reads them in the exchange's own zone. Dates are not affected."""
    off_session: Policy = "drop"
    """Bars on days or at times when the exchange was closed."""
    non_finite: Policy = "drop"
    """NaN or infinite prices."""
    impossible_range: Policy = "repair"
    """High below low, or open or close outside them; `repair` widens high and low."""
    non_positive_price: Policy = "drop"
    """Prices at or below zero."""
    negative_volume: Policy = "repair"
    """Volume below zero or not finite: `repair` sets it to zero."""
    missing_sessions: Policy = "flag"
    """Exchange sessions without a bar inside a series; `repair` carries the last close with zero volume."""
    zero_volume_runs: Policy = "flag"
    """Five or more bars in a row without volume (instruments that never report volume are exempt)."""
    split_like_jumps: Policy = "refuse"
    """Unexplained jumps close to a split ratio n:m up to 1:100; `repair` rescales the later bars, not the earlier."""
    unit_switches: Policy = "refuse"
    """A level 10 or 100 times off that lasts (pence to pounds); `repair` rescales the later bars."""
    outliers: Policy = "drop"
    """Closes off by a factor of 10 or 100 against the trailing median; kept again once the level has lasted."""
    late_values: Literal["refuse", "drop", "repair"] = "refuse"
    """Values of `features.columns` known after their bar's close; `repair` uses them from the first bar that knew."""
    limit: float = Field(0.02, ge=0.0, le=1.0)
    """Share of a symbol's rows that one rule may drop or alter; beyond it (and one row) the symbol is refused."""
    limits: Mapped[float] = Field({})
    """The same share for one rule, by its name here: `limits = {off_session = 0.5}`."""
