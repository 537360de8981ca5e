"""All settings: one frozen tree, read from TOML, the environment and the command line.

Later sources win: defaults, then the TOML file, then `FOREWALK_MODEL__HIDDEN_SIZE=64` from the
environment, then `--set model.hidden_size=64`. An unknown key is refused with the nearest name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from forewalk.settings.base import Chosen, Mapped, Names, Parameters, Section, SessionDate
from forewalk.settings.choices import SMALLEST_LIMIT, Interval, Market, Source
from forewalk.settings.cleaning import CleaningSettings
from forewalk.settings.evaluation import EvaluationSettings
from forewalk.settings.execution import ExecutionSettings as ExecutionSettings
from forewalk.settings.features import FeatureSettings as FeatureSettings
from forewalk.settings.features import LabelSettings as LabelSettings
from forewalk.settings.model import ModelSettings as ModelSettings
from forewalk.settings.model import label_problem
from forewalk.settings.news import NewsSettings as NewsSettings
from forewalk.settings.trading import LiveSettings, RiskSettings


class DataSettings(Section):
    """Where the bars come from and what is required of them."""

    source: Source = "sample"
    """`sample` (offline), `files` (`csv`, `parquet` are the same), `yahoo`, `alpaca` (network), or `module:Class`."""
    symbols: Names = ()
    """Symbols to load, in order; empty means every symbol of the source (not possible with `yahoo` and `alpaca`)."""
    path: Path | None = None
    """File or folder of the `files` source; in a settings file it is relative to that file."""
    universe: Path | None = None
    """Who belongs when: a table of symbol, from, to, or an index fund's holdings files; its members are loaded."""
    delisting_return: float = Field(0.0, ge=-1.0)
    """`universe`: return on the last price of a symbol that stops trading, where its table says none."""
    columns_path: Path | None = None
    """File or folder of the columns of `features.columns`; none means that of the bars."""
    columns_carry_bars: int = Field(0, ge=0)
    """Bars for which a value of such a column stays in force after its own, until the next one comes."""
    start: SessionDate | None = None
    """First session, YYYY-MM-DD; none means from the beginning."""
    end: SessionDate | None = None
    """Last session, YYYY-MM-DD, included; none means to the end."""
    market: Market | None = None
    """Kind of market: sets calendar, features, costs and fold lengths that are not set otherwise."""
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    """Currency of the account; prices in another one count by the panel's own currency pairs."""
    currencies: Mapped[str] = Field({})
    """Currencies of prices that the symbol does not tell: `{"7203.T" = "JPY", "VOD.L" = "GBX"}`."""
    pips: Mapped[float] = Field({})
    """Currency pairs whose pip is not 0.0001 (0.01 with yen and metals): `{XAUUSD = 0.1}`."""
    trade_as: Mapped[str] = Field({})
    """What is only forecast, and what is bought in its place: `{"^RUI" = "IWB"}`; both are in `symbols`."""
    calendar: str | None = None
    """Exchange calendar by its exchange_calendars name (XNYS, XLON, 24/7), or FX; none: told, else XNYS."""
    calendars: Mapped[str] = Field({})
    """Calendars of single symbols, where a panel mixes markets: `{"7203.T" = "XTKS"}`."""
    interval: Interval | None = None
    """Bar length; none means that it is told from the stamps."""
    columns: Mapped[str | int] = Field({})
    """Where the file's own names are not understood: `{close = "Price"}`, or a position, from 1, without header."""
    where: Mapped[str] = Field({})
    """Read only the rows with this text in a column: `{venue = "fxcm"}`."""
    date_format: str | None = None
    """How stamps are written, as in strptime, e.g. `%d/%m/%Y`; none means that the whole column decides."""
    decimal: Literal[".", ","] | None = None
    """Decimal mark of the file; none means that the whole file decides."""
    symbol: str | None = None
    """Name of the symbol of a file that does not say."""
    zone: str | None = None
    """Zone of stamps that name none: an IANA name, UTC, +02:00, or NY+7 for New York's clock plus 7 hours."""
    stamp: Literal["date", "start", "end"] | None = None
    """What a stamp means: session date, start or end of its bar; none means that it is told from the stamps."""
    adjusted: bool | None = None
    """Prices are adjusted for splits and dividends (true) or raw (false); none: format and columns decide."""
    dividends: Literal["reinvested", "cash"] = "reinvested"
    """Dividends of raw prices: in the prices from then on, or paid into the account in cash (`files` only)."""
    events: Path | None = None
    """Splits and dividends of raw prices: a table of symbol, date, split, dividend; or LEAN's factor files."""
    min_history_bars: int = Field(252, ge=1)
    """A symbol is used from the bar at which it has this many; one that never has is refused."""
    cache: Path = Path("~/.cache/forewalk")
    """Folder of the downloaded bars."""
    offline: bool = False
    """Never open a connection; use the cache or fail."""
    refresh: bool = False
    """Load cached bars again and report what the source says otherwise about them now."""
    requests_per_minute: float | None = Field(None, gt=0.0)
    """Requests a minute to a source on the network; none means what that source bears."""
    patience_s: float = Field(300.0, ge=0.0)
    """Seconds to wait in all for a source that is too busy to answer (429); then what was loaded stays cached."""
    feed: Literal["iex", "sip"] = "iex"
    """`alpaca`: market data plan."""
    adjustment: Literal["all", "split", "raw"] = "all"
    """`alpaca`: for splits and dividends, for splits, or not at all."""
    url: str | None = None
    """`alpaca`: a simulator on this machine instead, http://127.0.0.1:PORT."""
    options: Mapped[Any] = Field({})
    """A source of your own: keyword arguments of its class."""
    cleaning: CleaningSettings = CleaningSettings()
    """Policy for each kind of damage."""

    @model_validator(mode="after")
    def _path_where_needed(self) -> DataSettings:
        if self.source in ("files", "csv", "parquet") and self.path is None:
            raise ValueError(f"source {self.source!r} needs a path: --path FOLDER_OR_FILE")
        if self.source in ("yahoo", "alpaca") and not self.symbols and self.universe is None:
            raise ValueError(f"source {self.source!r} needs symbols: --symbols AAPL,MSFT")
        if self.dividends == "cash" and self.source not in ("files", "csv", "parquet"):
            raise ValueError(
                f"dividends = 'cash' needs raw prices from files; {self.source!r} gives adjusted ones"
            )
        return self

    @property
    def traded(self) -> tuple[str, ...]:
        """Symbols that an account may hold: without those that are only forecast."""
        return tuple(symbol for symbol in self.symbols if symbol not in self.trade_as)

    @property
    def exchange(self) -> str:
        """Calendar asked for, else the one of New York."""
        return self.calendar or "XNYS"

    @property
    def bar_length(self) -> Interval:
        """Bar length asked for, else one day."""
        return self.interval or "1d"


class FoldSettings(Section):
    """Walk-forward windows."""

    scheme: Literal["expanding", "rolling"] = "expanding"
    """Train on everything so far, or on the last `train_bars` only."""
    train_bars: int = Field(1250, ge=50)
    """Bars before the first test bar; with `rolling` the length of every training window."""
    refit_every_bars: int = Field(252, ge=1)
    """Length of each test window, after which the model is trained again."""
    embargo_bars: int = Field(1, ge=0)
    """Bars left out between the end of the last training label and the first test bar, beyond the purge."""
    validation_fraction: float = Field(0.2, gt=0.0, lt=0.9)
    """Last part of each training window, kept for early stopping and purged from the rest."""


class StrategySettings(Chosen):
    """The policy: from forecasts to target weights. Where it says nothing, or only how much (`target_volatility`,
    `trade_band`, `smooth_std_bars`, `tilt`, `max_weight`, `max_gross`), it is constant risk, but for `data.interval`
    below a day."""

    built_in = ("per_symbol", "cross_section")
    called_kind = "policy"

    kind: str = "per_symbol"
    """`per_symbol`: each symbol on its own thresholds. `cross_section`: long the best, short the worst by rank.
    Or `module:Name` of your own: a backtrader strategy, or a function like `strategies.policy.decide`."""
    params: Parameters = Field({})
    """Parameters of a strategy of your own, by name; a function finds them in its third argument's `params`."""
    direction: Literal["long_flat", "long_short"] = "long_flat"
    """Whether short positions are allowed."""
    entry: float = Field(0.02, ge=0.0)
    """per_symbol: enter when |mean| / std reaches this."""
    min_gain_bps: float = Field(0.0, ge=0.0)
    """Enter only where |mean| is at least so many basis points; see docs/constant-risk.md for what a trade costs."""
    exit: float = 0.0
    """per_symbol: leave when mean / std in the position's direction falls below this."""
    min_hold_bars: int = Field(5, ge=0)
    """Bars a position is kept before a signal may close it; stops work at once."""
    stop_loss: float | None = Field(None, gt=0.0, lt=1.0)
    """Close a position that has lost this fraction since its entry."""
    stop_orders: bool = False
    """`stop_loss` rests as a stop order from the bar after the entry on: filled there or, past a gap, at the open."""
    take_profit: float | None = Field(None, gt=0.0)
    """Close a position that has gained this fraction since its entry."""
    top: int = Field(10, ge=1)
    """cross_section: symbols held long (and short, with `long_short`)."""
    hysteresis: int = Field(10, ge=0)
    """cross_section: a held symbol stays until its rank falls below `top + hysteresis`."""
    turnover_cap: float | None = Field(None, gt=0.0)
    """cross_section: largest sum of |weight changes| per bar."""
    always_held: bool = False
    """per_symbol: every symbol with a forecast is held long, whatever its sign; its std counts, and `tilt`."""
    sizing: Literal["fixed_fraction", "volatility_target", "constant_risk", "least_variance"] = (
        "fixed_fraction"
    )
    """Equal weights, or ones inverse to the forecast std: at the entry, or all the time (`constant_risk`). With
    cross_section also `least_variance`: all the time those that vary least together."""
    covariance_bars: int = Field(252, ge=60)
    """least_variance: past returns that say how symbols move together (Ledoit-Wolf); the forecast says how much."""
    fraction: float | None = Field(None, gt=0.0)
    """Weight of one position; none means max_gross (constant_risk: 1) over the number of places."""
    target_volatility: float = Field(0.10, gt=0.0)
    """Annual volatility that one position of full weight share should have; not with fixed_fraction."""
    trade_band: float = Field(0.05, ge=0.0, lt=1.0)
    """constant_risk, least_variance: a held position is resized when it is further than this share of its wanted size
    from it."""
    smooth_std_bars: int = Field(1, ge=1, le=252)
    """The policy takes the root mean square of the stds of so many bars, this one included, for a forecast's std."""
    tilt: float = Field(0.0, ge=0.0)
    """constant_risk: a size is multiplied by 1 + tilt x mean / std in the position's direction, from 0 to 2."""
    max_weight: float | None = Field(None, gt=0.0)
    """Largest |weight| of one symbol; none means 0.25, and a share of `max_gross` where there are fewer than four."""
    max_gross: float = Field(0.95, gt=0.0)
    """Largest sum of |weights|; below 1 leaves cash for overnight gaps."""

    @model_validator(mode="after")
    def _go_together(self) -> StrategySettings:
        if self.stop_orders and self.stop_loss is None:
            raise ValueError("stop_orders needs a stop_loss: the loss at which such an order is filled")
        if self.always_held and (self.kind == "cross_section" or self.direction == "long_short"):
            raise ValueError(
                "always_held is long in every symbol: it goes with per_symbol and long_flat only"
            )
        if self.sizing == "least_variance" and self.kind == "per_symbol":
            raise ValueError(
                "sizing = 'least_variance' shares out what a cross-section has chosen: set kind = 'cross_section'"
            )
        if self.stop_orders and self.sizing in ("constant_risk", "least_variance"):
            raise ValueError(
                f"stop_orders with {self.sizing}: stops and additions are a wash trade; set it to false"
            )
        for name in ("entry", "exit", "min_gain_bps"):
            if self.always_held and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"always_held enters whatever the forecast is: {name} goes without it")
        if self.tilt and self.sizing != "constant_risk":
            raise ValueError(f"tilt changes nothing with sizing = {self.sizing!r}; it needs constant_risk")
        return self

    def weight_limit(self, symbols: int) -> float:
        """Return the largest |weight| of one of so many symbols: one symbol alone may be invested fully."""
        return (
            max(SMALLEST_LIMIT, self.max_gross / max(symbols, 1))
            if self.max_weight is None
            else self.max_weight
        )

    @property
    def market_neutral(self) -> bool:
        """Whether the account is as much short as long by construction, so that cash is what it compares with."""
        return self.kind == "cross_section" and self.direction == "long_short"


class Settings(Section):
    """Everything a run depends on."""

    name: str = Field("backtest", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """Part of the run folder's name."""
    seed: int = Field(7, ge=0, lt=2**31)
    """Seed of all randomness."""
    jobs: int = Field(0, ge=0)
    """Worker processes; 0 means one per core. Never changes a result."""
    executor: Literal["local", "ray"] = "local"
    """Where independent tasks run: processes on this machine, or a Ray cluster (extra `cluster`)."""
    address: str = Field("auto", pattern=r"^(auto|[^\s/]+:[0-9]{1,5})$")
    """Ray cluster: HOST:PORT of its head, or `auto` for the one this machine belongs to."""
    plugins: Path | None = None
    """Folder of your own modules; none means that of the settings file. The current folder is looked into next."""
    data: DataSettings = DataSettings()
    """Where the bars come from."""
    features: FeatureSettings = FeatureSettings()
    """What a model sees."""
    news: NewsSettings = NewsSettings()
    """News and social texts as features."""
    label: LabelSettings = LabelSettings()
    """What it predicts."""
    folds: FoldSettings = FoldSettings()
    """When it is trained and tested."""
    model: ModelSettings = ModelSettings()
    """The forecaster."""
    strategy: StrategySettings = StrategySettings()
    """The policy."""
    execution: ExecutionSettings = ExecutionSettings()
    """The simulated account."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """What it is judged against."""
    risk: RiskSettings = RiskSettings()
    """Limits of the paper account."""
    live: LiveSettings = LiveSettings()
    """The paper-trading daemon."""

    @model_validator(mode="after")
    def _ranks_have_their_loss(self) -> Settings:
        problem = label_problem(self.label, self.model.loss, self.data.symbols, self.features)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def own_code(self) -> tuple[tuple[str, str], ...]:
        """What of the settings is code of the user's own: (setting, `module:Name`), in a fixed order."""
        own = [("data.source", self.data.source)] if ":" in self.data.source else []
        own += [("features.extra", name) for name in self.features.extra]
        own += [("model.kind", self.model.kind)] if self.model.is_own else []
        own += [("strategy.kind", self.strategy.kind)] if self.strategy.is_own else []
        return tuple(own)
