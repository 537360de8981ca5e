"""The settings of paper trading: the limits of the account, and the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from forewalk.settings.alerts import AlertSettings
from forewalk.settings.base import Section, Text


class RiskSettings(Section):
    """Limits of the paper account, checked as the last thing before every order; each refusal is journalled."""

    max_weight: float = Field(0.35, gt=0.0, le=4.0)
    """Largest |position| of one symbol after the order, as a share of equity."""
    max_gross: float = Field(1.0, gt=0.0, le=4.0)
    """Largest sum of |positions| after the order, open orders included, as a share of equity."""
    max_order_value: float = Field(100_000.0, gt=0.0)
    """Largest value of one order in dollars."""
    max_orders_per_day: int = Field(200, ge=1)
    """Orders sent per session at the most, the refused ones included."""
    price_collar: float = Field(0.10, gt=0.0, lt=1.0)
    """Refuse an order when the last trade is further than this from the close it was decided on."""
    max_daily_loss: float = Field(0.05, gt=0.0, lt=1.0)
    """Breach when equity has fallen by this fraction since the previous session's close, cash flows apart."""
    max_drawdown: float = Field(0.25, gt=0.0, lt=1.0)
    """Breach when equity has fallen by this fraction from its highest mark in the journal, cash flows apart."""
    on_breach: Literal["halt", "exits_only", "flatten"] = "exits_only"
    """At a breach of either: no order goes out; only what makes positions smaller does; or the book is closed."""
    max_jump: float = Field(0.35, gt=0.0)
    """Refuse a symbol whose last bar moved by more than this fraction: a split, or a wrong price."""
    max_forecast: float = Field(0.25, gt=0.0)
    """Refuse a symbol whose forecast is larger than this |log return| or has a std of zero."""
    allow_short: bool = False
    """Whether orders may open or enlarge short positions."""


class LiveSettings(Section):
    """The paper-trading daemon. It reaches Alpaca's paper host or this machine, never a live account."""

    book: str = Field("paper", pattern=r"^[A-Za-z0-9]{1,12}$")
    """Name of the ledger; part of every client_order_id."""
    state: Path = Path("live")
    """Folder of the journal, the models, the log and the lock; one daemon per folder, and per account but for books
    that name each other in `beside`."""
    share: float = Field(1.0, gt=0.0, le=1.0)
    """Share of the account's equity that the book is given at its first look; what it makes of it is its own."""
    beside: tuple[Path, ...] = ()
    """State folders of the other books on the same account, each named by each; their positions are left alone."""
    run: Path | None = None
    """Folder of a finished run whose models give the first forecasts; none trains one at the start."""
    url: str = "https://paper-api.alpaca.markets"
    """Trading API: the paper host, or a simulator on this machine."""
    data_url: str = "https://data.alpaca.markets"
    """Market data API: Alpaca's, or a simulator on this machine."""
    feed: Literal["iex", "sip"] = "iex"
    """Market data plan."""
    adjustment: Literal["all", "split", "raw"] = "all"
    """How Alpaca adjusts the bars that features see; orders are always priced from raw trades."""
    send: Literal["at_open", "after_close"] = "at_open"
    """Send orders when the next bar opens, or at once after the close, queued by the broker for the open."""
    broker_stops: float | None = Field(None, gt=0.0, lt=1.0)
    """A net under each position: a stop order, good till cancelled, that rests at the broker at this loss from the
    entry, also while the daemon is dead or halted. No backtest knows it: put it where no day of yours gets."""
    broker_stops_trail: bool = False
    """Move these stops after the best price since then, a tenth of the distance at a time; they never move back."""
    extended_hours: bool = False
    """Limit orders may be filled from 04:00 to 20:00 in New York; the backtest knows the session's hours only."""
    close_delay_s: float = Field(60.0, ge=0.0)
    """Seconds after a bar's close before its bar is asked for."""
    valid_minutes: float = Field(10.0, gt=0.0)
    """Minutes after the next bar's open from which a decision is too old to act on."""
    poll_s: float = Field(30.0, gt=0.0, le=300.0)
    """Seconds between two looks at the broker; hints from its stream come in between."""
    timeout_s: float = Field(10.0, gt=0.0)
    """Seconds to wait for an answer, in total; to connect half of it."""
    once_deadline_s: float = Field(120.0, gt=0.0)
    """Seconds after which `--once` leaves what the broker has not answered to the next one."""
    requests_per_minute: int | None = Field(None, ge=0)
    """Requests to the trading API, a sixth of them kept for cancels; none: Alpaca's 200, divided among the books of
    the account, and no limit on a simulator."""
    lookup_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    """Pauses between look-ups of an order whose outcome is unknown."""
    approve: bool = False
    """Orders wait for a human: `forewalk live approve`."""
    dry_run: bool = False
    """Decide and journal, send nothing."""
    on_stop: Literal["keep", "cancel"] = "keep"
    """What to do with open orders when the daemon is stopped."""
    warn_skew_s: float = Field(2.0, gt=0.0)
    """Warn when this machine's clock is off the broker's by more."""
    halt_skew_s: float = Field(30.0, gt=0.0)
    """Halt when it is off by more."""
    retrain: Text = Field("never", pattern=r"^(never|weekly|[1-9]\d{0,4})$")
    """Train a challenger `weekly`, every so many bars, or `never`."""
    inference_timeout_s: float = Field(60.0, gt=0.0)
    """Seconds the model process may take; then it is killed and there is no order."""
    memory_mb: int = Field(8192, ge=256)
    """Private memory of the model process in MiB; beyond it, it fails and there is no order."""
    replay_bars: int = Field(126, ge=1)
    """Bars over which a strategy's memory is rebuilt from the journal's fills: at least `strategy.min_hold_bars` + 2
    and `execution.stale_exit_bars` + 3, else the daemon refuses. A backtrader strategy of your own gets all bars."""
    drift: Literal["off", "tell", "challenger"] = "challenger"
    """What to do where forecasts or features drift from the walk-forward of `live.run`: nothing, tell it, or train a
    challenger too, which always waits for a person."""
    drift_alarms_per_year: float = Field(0.05, gt=0.0, le=12.0)
    """False alarms a year to which each watch of the drift is calibrated."""
    summary: bool = True
    """Write `summary.html` into `state` after each session's close, in a child process."""
    port: int = Field(0, ge=0, le=65535)
    """Loopback port of /health and /metrics; 0 means none."""
    webhook: str | None = None
    """One more channel of `live.alerts`, for an address that holds no secret; https, or http on this machine."""
    log_mb: float = Field(10.0, gt=0.0)
    """Size at which the log file is rotated; five old ones are kept."""
    alerts: AlertSettings = AlertSettings()
    """Where alarms go, and when."""

    @property
    def is_shared(self) -> bool:
        """Whether the book has a part of an account only."""
        return self.share < 1.0 or bool(self.beside)
