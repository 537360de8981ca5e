"""The settings of orders and of the simulated account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from forewalk.settings.base import Mapped, Section

Style = Literal["market", "open_auction", "close_auction", "limit"]
AUCTIONS = ("open_auction", "close_auction")


class ExecutionSettings(Section):
    """How orders are sent, live and in the backtest, and what the simulated account pays for them."""

    engine: Literal["compiled", "cerebro"] = "compiled"
    """What simulates beside the reported account, which is Cerebro's: `compiled` code, which each run proves equal to
    Cerebro, or Cerebro again, much slower. Never changes a result. A strategy of your own, several currencies,
    weights of least variance and markets that close apart always run in Cerebro."""
    entry_style: Style = "market"
    """Orders that open or add. `market`: at the next open. `open_auction`, `close_auction`: in the next auction of
    the open or the close (opg, cls; daily bars). `limit`: at `limit_bps` from the last close, for one bar."""
    exit_style: Style = "market"
    """Orders that reduce, in the same words; a stop loss that is decided at a close always goes to the market."""
    limit_bps: float = Field(25.0, gt=-10_000.0, lt=10_000.0)
    """`limit`: by how much worse than the last close a fill may be; below 0 it must be better by as much."""
    cash: float = Field(100_000.0, gt=0.0)
    """Starting cash."""
    fee_bps: float = Field(1.0, ge=0.0, lt=10_000.0)
    """Commission per fill in basis points of its value."""
    spread_pips: float = Field(0.0, ge=0.0)
    """Currency pairs: spread in pips where the data have none; half of it is paid on each fill."""
    rollover: Mapped[float] = Field({})
    """Currency pairs: yearly rate that a long position earns and a short one pays: `{AUDJPY = 0.035}`."""
    leverage: float = Field(1.0, gt=0.0)
    """Currency pairs: largest sum of |positions| over the account's value; an order beyond it is refused."""
    fee_per_share: float = Field(0.0, ge=0.0)
    """Commission per share on top of `fee_bps`, in money."""
    fee_min: float = Field(0.0, ge=0.0)
    """Least commission of a fill, in money."""
    cash_yield: float = Field(0.0, gt=-1.0, lt=1.0)
    """Yearly rate that cash earns (0.03 is 3 %); the proceeds of short sales earn nothing."""
    borrow_bps_per_year: float = Field(50.0, ge=0.0)
    """What borrowed shares cost in basis points of their value a year; 50 is usual for large companies, shares that
    are hard to borrow cost hundreds to thousands."""
    margin_bps_per_year: float = Field(150.0, ge=0.0)
    """What borrowed money costs a year in basis points: cash below the value of the shares owed. 150 is a usual
    markup of brokers over the rate that `cash_yield` stands for; add that rate where it is not 0."""
    slippage_bps: float = Field(4.0, ge=0.0, lt=10_000.0)
    """Basis points by which every fill is worse than the open; never capped at the bar's range."""
    impact: float = Field(0.0, ge=0.0, le=10.0)
    """How much large orders move the price against themselves: orders at the open or for the close are worse by this
    times a bar's volatility times the root of its size over a bar's usual volume. About 1 in stocks; 0: none."""
    spread: Literal["given", "estimated"] = "given"
    """Half the spread is paid on each fill where the data have one (`given`); `estimated` tells the others' from
    their highs and lows (Corwin & Schultz 2012), each symbol's own. Lower `slippage_bps` then: it comes on top."""
    fractional: bool = False
    """Allow fractions of a share; otherwise orders are cut to whole shares."""
    max_volume_share: float | None = Field(0.1, gt=0.0, le=1.0)
    """Largest share of a bar's volume one fill may take; the rest is cancelled. None means no cap."""
    volume_known: Literal["before", "bar"] = "before"
    """Of which volume `max_volume_share` is a share. `before`: the mean of the 21 bars before the fill, which was
    known when it was made. `bar`: of the very bar, whose volume nobody knows at its open."""
    stale_exit_bars: int = Field(10, ge=1)
    """Bars without a price after which a position is closed at the last price known (delisting)."""
    delisting_return: float = Field(0.0, gt=-1.0, le=1.0)
    """What such a position still gains or loses on the last price: -0.3 is what delisted failures lost on average
    (Shumway 1997); takeovers lose nothing. Buying and holding loses it, too."""

    @property
    def styles(self) -> tuple[Style, Style]:
        """How entries and exits are sent."""
        return self.entry_style, self.exit_style
