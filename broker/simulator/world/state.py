"""Everything the simulated broker knows at one instant, and the questions that the rest asks it. No IO."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd

from broker.simulator.values import Refusal
from broker.simulator.world.account import Account, Asset, Worth, new_account, new_asset, worth
from broker.simulator.world.book import Book
from broker.simulator.world.clock import FIRST_YEAR, LAST_YEAR, TradingCalendar
from broker.simulator.world.market import Market, PricedMarket, Split
from broker.simulator.world.orders import entry_from, order_from, to_document
from forewalk.types import Bars

SECTIONS = ("meta", "account", "assets", "calendar", "market", "marks", "watchlists", "news")


@dataclass(frozen=True)
class SimulatorSettings:
    """How the simulated market and broker behave.

    Attributes:
        seed: of identifiers and partial fills.
        cash: dollars of a new account.
        market_fill: "path" fills market orders at the price of their instant; "open" at the open of the bar that
            runs, whenever in the bar they come, as a backtest does: a price from before the order.
        slippage_bps: by how many hundredths of a percent market and stop orders fill worse than the price;
            0 fills them exactly at it. Negative is better than the price.
        partial_probability: chance that a fill is a part only; Alpaca's paper account says 0.1.
        resume_seconds: how long after a partial fill the rest is tried again.
        spread_bps: between bid and ask of quotes.
        coin_fee_bps: of every execution of a coin, taken of what it brings; 25 is what Alpaca asks of takers.
        running_bar: whether the bars end with the one that has not closed yet, as Alpaca's do in a session.
        sip_plan: whether the account may read the last 15 minutes of the `sip` feed.
    """

    seed: int = 0
    cash: Decimal = Decimal(100_000)
    market_fill: str = "path"
    slippage_bps: Decimal = Decimal(0)
    partial_probability: float = 0.0
    resume_seconds: int = 60
    spread_bps: Decimal = Decimal(2)
    coin_fee_bps: Decimal = Decimal(25)
    running_bar: bool = False
    sip_plan: bool = True


class World:
    """The broker's state. Change it with `exchange`, `desk` and `scenario`; ask it here.

    Args:
        bars: prices to replay; each symbol becomes an asset.
        now: the virtual clock's start, nanoseconds UTC.
    """

    def __init__(self, bars: Bars, now: int, settings: SimulatorSettings | None = None) -> None:
        self.settings = settings or SimulatorSettings()
        self.calendar = TradingCalendar(years=years_around(bars))
        self.market = Market(bars)
        self.overrides: dict[str, Decimal] = {}
        self.now = now
        self.auto_fill = True
        self.held_symbols: set[str] = set()
        self.clock_lie: dict[str, Any] = {}
        self.generation = 0
        self.marks: dict[str, str] = {}
        self.watchlists: dict[str, dict[str, Any]] = {}
        self.news: list[dict[str, Any]] = []
        self.applied_splits: list[str] = []
        self.dividends: list[dict[str, Any]] = []
        self.entitled: dict[str, str] = {}
        self.paid_dividends: list[str] = []
        self.doctored: dict[str, dict[str, Any]] = {}
        self.races: list[str] = []
        self.rejections = 0
        self.streamed_until = now
        self.assets: dict[str, Asset] = {symbol: new_asset(symbol) for symbol in bars.symbols}
        self.book = Book(self.settings.seed)
        self.account: Account
        self.touched: set[str] = set(SECTIONS)
        self.open_account()

    def open_account(self) -> None:
        """Start a fresh account with the settings' cash; the old book is gone, as after a reset."""
        self.generation += 1
        self.account = new_account(self.settings.seed, self.generation, self.now)
        self.account.last_equity = str(self.settings.cash)
        self.book = Book(hash_seed(self.settings.seed, self.generation))
        self.book.post("cash", self.book.stamp(self.now), self.settings.cash)
        self.marks = {}
        self.touched.update(SECTIONS)

    @property
    def prices(self) -> PricedMarket:
        """The market with the prices that were set by hand."""
        return PricedMarket(self.market, self.overrides)

    def price(self, symbol: str, instant: int | None = None) -> Decimal | None:
        """Return the last price of a symbol, now or at an instant."""
        return self.prices.price(symbol, self.now if instant is None else instant)

    def worth(self) -> Worth:
        """Return what the account is worth now."""
        symbols = {*self.book.positions, *(order.symbol for order in self.book.working_orders())}
        return worth(self.book, self.account, {symbol: self.price(symbol) for symbol in symbols})

    def clock_now(self) -> int:
        """Return the virtual time, never before the newest stamp."""
        return max(self.now, self.book.last_stamp)

    def asset(self, symbol_or_id: str) -> Asset:
        """Return the asset by symbol or id, or refuse with 404."""
        found = self.assets.get(symbol_or_id)
        if found is None:  # a pair of coins is BTCUSD, too, as positions name it
            names = ((asset.id, asset.symbol.replace("/", ""), asset) for asset in self.assets.values())
            found = next((asset for name, short, asset in names if symbol_or_id in (name, short)), None)
        if found is None:
            raise Refusal(404, 40410000, f"asset not found for {symbol_or_id[:40]}")
        return found

    def doctored_bars(self, symbol: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what the data API shows of a bar: itself, nothing, it twice, or it with other values."""
        change = self.doctored.get(symbol, {}).get(body["t"][:10])
        if change is None:
            return [body]
        if change == "drop":
            return []
        if change == "duplicate":
            return [body, dict(body)]
        return [{**body, **{key: float(value) for key, value in change.items()}}]

    def section(self, name: str) -> Any:
        """Return one part of the state as JSON-able data; orders and ledger are stored line by line."""
        if name == "meta":
            return {
                "now": self.now,
                "counter": self.book.counter,
                "last_stamp": self.book.last_stamp,
                "generation": self.generation,
                "auto_fill": self.auto_fill,
                "held_symbols": sorted(self.held_symbols),
                "clock_lie": self.clock_lie,
            }
        if name == "account":
            return asdict(self.account)
        if name == "assets":
            return {symbol: asdict(asset) for symbol, asset in self.assets.items()}
        if name == "calendar":
            return self.calendar.edits
        if name == "market":
            return {
                "overrides": {symbol: str(price) for symbol, price in self.overrides.items()},
                "splits": [asdict(split) for split in self.market.splits],
                "applied": self.applied_splits,
                "doctored": self.doctored,
                "dividends": self.dividends,
                "entitled": self.entitled,
                "paid_dividends": self.paid_dividends,
            }
        return getattr(self, name)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data."""
        state = {name: self.section(name) for name in SECTIONS}
        state["orders"] = [to_document(order) for order in self.book.orders.values()]
        state["ledger"] = [to_document(entry) for entry in self.book.ledger]
        copied: dict[str, Any] = json.loads(json.dumps(state))
        return copied

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the state that `snapshot` returned."""
        meta = state["meta"]
        self.now = meta["now"]
        self.generation = meta["generation"]
        self.auto_fill = meta["auto_fill"]
        self.held_symbols = set(meta["held_symbols"])
        self.clock_lie = meta["clock_lie"]
        self.account = Account(**state["account"])
        self.assets = {symbol: Asset(**asset) for symbol, asset in state["assets"].items()}
        edits = {
            day: None if hours is None else (hours[0], hours[1]) for day, hours in state["calendar"].items()
        }
        self.calendar = TradingCalendar(edits, self.calendar.years)
        market = state["market"]
        self.overrides = {symbol: Decimal(price) for symbol, price in market["overrides"].items()}
        self.market = Market(self.market.bars, [Split(**split) for split in market["splits"]])
        self.applied_splits, self.doctored = market["applied"], market["doctored"]
        self.dividends = list(market.get("dividends", []))
        self.entitled = dict(market.get("entitled", {}))
        self.paid_dividends = list(market.get("paid_dividends", []))
        self.marks, self.watchlists, self.news = state["marks"], state["watchlists"], state["news"]
        self.book = Book(hash_seed(self.settings.seed, self.generation))
        self.book.counter, self.book.last_stamp = meta["counter"], meta["last_stamp"]
        self.streamed_until = self.now
        self.races, self.rejections = [], 0
        self.book.restore(map(order_from, state["orders"]), map(entry_from, state["ledger"]))
        self.touched.update(SECTIONS)


def years_around(bars: Bars) -> tuple[int, int]:
    """Return the years of the decades that the bars touch: the calendar of these is at hand already."""
    if not len(bars):
        return FIRST_YEAR, LAST_YEAR - 1
    return (bars.timestamps[0].year - 1) // 10 * 10 + 1, (bars.timestamps[-1].year + 1) // 10 * 10 + 8


def hash_seed(seed: int, generation: int) -> int:
    """Return the seed of an account's book; each generation has its own, so that ids never come twice."""
    return seed * 1_000_003 + generation


def start_of(bars: Bars, start: str | None) -> int:
    """Return the clock's start: `start` (RFC 3339 or a date), else the first bar's open."""
    from broker.simulator.values import parse_instant

    if start is not None:
        return parse_instant(start, "start")
    first = Market(bars).first
    return first if first is not None else pd.Timestamp("2026-01-02T14:30:00Z").value


@dataclass
class Batch:
    """What one command changed, for the store."""

    sections: dict[str, Any] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)


def take_batch(world: World) -> Batch:
    """Return what changed since the last call, and forget it."""
    batch = Batch(
        sections={name: world.section(name) for name in sorted({"meta", "account", *world.touched})}
    )
    for kind, key in world.book.dirty:
        if kind == "order":
            batch.orders[key] = to_document(world.book.orders[key])
        else:
            batch.entries[key] = to_document(world.book.ledger[int(key)])
    world.book.dirty.clear()
    world.touched.clear()
    return batch
