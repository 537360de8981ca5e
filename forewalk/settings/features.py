"""Settings of what a model sees and of what it is asked."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from forewalk.settings.base import Names, Section, Spans, split_commas

FEWEST_SYMBOLS = 20  # that are compared on a bar: ranks of fewer say little
Group = Literal[
    "reversal", "momentum", "extremes", "residual", "risk", "overnight", "volume", "location", "seasonal"
]
GROUPS: tuple[Group, ...] = get_args(Group)


class FeatureSettings(Section):
    """Which features a model sees. All are causal: a value depends on its bar and earlier ones only."""

    return_spans: Spans = (1, 2, 5, 10, 21)
    """Log returns over these many bars, divided by volatility."""
    ema_spans: Spans = (10, 50)
    """Distances of the close from these exponential moving averages, in units of volatility."""
    sma_spans: Spans = (20,)
    """Distances of the close from these simple moving averages, in units of volatility."""
    gap: bool = True
    """Overnight return: previous close to open."""
    range: bool = True
    """Log of high over low against its trailing mean."""
    rsi_bars: int = Field(14, ge=0)
    """Relative strength index; 0 leaves it out."""
    macd: bool = True
    """MACD histogram 12-26-9 over close."""
    bollinger_bars: int = Field(20, ge=0)
    """Position within Bollinger bands; 0 leaves it out."""
    atr_bars: int = Field(14, ge=0)
    """Average true range over close; 0 leaves it out."""
    volatility_bars: int = Field(21, ge=5)
    """Span of the realised volatility that scales returns and labels and is a feature itself."""
    volume_bars: int = Field(21, ge=0)
    """Span of the volume z-score; 0 leaves it out."""
    market_return: bool = True
    """Mean return of all loaded symbols on the same bar."""
    cross_section: bool = False
    """Rank each feature over the symbols of its bar, at least 20, and add `cross_section_groups`, ranked too.
    The market's volatility joins `market_return`. A symbol too young for a characteristic stands in its middle."""
    cross_section_groups: Annotated[tuple[Group, ...], BeforeValidator(split_commas)] = GROUPS
    """Groups of characteristics with `cross_section`; see `forewalk.features.characteristics` for each one."""
    characteristics: bool = False
    """For few symbols: add `cross_section_groups` unranked, each against the symbol's own past year of bars."""
    extra: Names = ()
    """Features of your own, `module:function` each: from the bars to an array [T, S]; see docs/plugins.md."""
    columns: Names = ()
    """Columns of your own file that are features as they stand, e.g. `vix, score`; `vix_known_at` dates values."""

    @model_validator(mode="after")
    def _ranked_or_not(self) -> FeatureSettings:
        if self.cross_section and self.characteristics:
            raise ValueError(
                "cross_section ranks the characteristics, characteristics leaves them unranked: set one of them to "
                "false"
            )
        return self


class LabelSettings(Section):
    """What a model is asked to predict."""

    kind: Literal["absolute", "market_relative", "rank"] = "absolute"
    """The symbol's own return, its return minus the mean of all symbols with a label on that bar, or the rank of this
    one in units of volatility, as a normal score: for `model.loss = "rank_correlation"` alone."""
    execution: Literal["close", "next_open"] = "close"
    """From what to what: from close to close, or from the next open, when orders fill, to the open h bars later."""
    horizon_bars: int = Field(1, ge=1, le=252)
    """Bars from the decision to the end of the label."""

    @property
    def relative(self) -> bool:
        """Whether the return is the one beside the mean of all symbols."""
        return self.kind != "absolute"

    @property
    def reach_bars(self) -> int:
        """Bars from the decision to the bar at which the label is known."""
        return self.horizon_bars + (self.execution == "next_open")
