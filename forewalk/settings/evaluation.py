"""The settings of judgement: what a run is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from forewalk.settings.base import Section


class EvaluationSettings(Section):
    """What a run is judged against."""

    baselines: bool = True
    """Train drift, ridge, boosted trees, ARIMA, reversal over 1 and 5 bars, 12-1 momentum and the other recurrent
    cell on the same folds and rows."""
    garch: bool = True
    """Fit GARCH(1,1) per fold beside the volatility forecasts (on the first 20 symbols)."""
    costs: bool = True
    """Repeat the simulation over a grid of fees, slippage, delay and borrow cost."""
    bootstrap_repetitions: int = Field(1000, ge=100, le=100_000)
    """Resampled accounts behind each interval."""
    conformal: bool = False
    """Show on the forecast page how often intervals would have held that were widened, causally, by what the outcomes
    known before them say (split-conformal). Forecasts, orders and the certificate stay as they are."""
    benchmark: str | None = Field(None, min_length=1)
    """What the account stands beside: a symbol of the data, or a csv or Parquet file of one. None means the same
    symbols in equal parts; against these the account is discounted for luck in any case."""

    factors: Path | None = None
    """File of daily factor returns that the account's alpha is measured against: one of Kenneth R. French's
    library as it is, or a table of a date and a column each; in a settings file it is relative to that file."""
    factors_unit: Literal["percent", "fraction"] | None = None
    """Unit of these returns; none means that their size decides."""

    @property
    def held(self) -> str:
        """What is bought and held for comparison, in words."""
        return "the same symbols" if self.benchmark is None else Path(self.benchmark).stem
