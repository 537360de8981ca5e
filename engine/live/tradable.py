"""What the daemon can trade, said before anything is opened: US shares or coins at Alpaca, as the backtest does."""

from __future__ import annotations

import re

from broker.hosts import is_local
from engine.live.deciding.past import least_replay
from engine.simulation.strategies import load_strategy, needs_whole_history
from forewalk.data.columns.texts.fetching.sources import checked_names
from forewalk.data.sources.longer import SHORTER
from forewalk.errors import ConfigError
from forewalk.instruments import coin_of, is_index, pair_of, refuse_proxies
from forewalk.plugins.holding import sources_of
from forewalk.sessions import AROUND_THE_CLOCK, is_intraday
from forewalk.settings.execution import AUCTIONS
from forewalk.settings.news import NewsSettings
from forewalk.settings.sections import Settings


def checked_tradable(settings: Settings) -> Settings:
    """Return the settings if a daemon can trade by them; ConfigError where not, or own code is not there."""
    sources_of(settings)
    refuse_untradable(settings)
    _refuse_short_memory(settings)
    return settings


def without_own_code(settings: Settings) -> Settings:
    """Return the settings for carrying out halts alone: nothing of the user's own is in its way."""
    plain = type(settings)()
    data = settings.data.model_copy(update={"source": plain.data.source})
    own = {"data": data, "features": plain.features, "model": plain.model, "strategy": plain.strategy}
    return settings.model_copy(update=own)


def refuse_untradable(settings: Settings) -> None:
    """Raise ConfigError for settings whose backtest the daemon cannot repeat at the broker.

    `data.symbols` must be filled in; see `with_symbols`.
    """
    data = settings.data
    if settings.news.poll or not is_local(settings.live.url):  # a simulator replays a file that stands still
        refuse_still_texts(settings.news)
    pairs = [symbol for symbol in data.symbols if pair_of(symbol) is not None]
    if pairs or data.market == "forex":
        raise ConfigError(
            f"{', '.join(pairs[:5]) or 'data.market = forex'}: Alpaca has no spot forex, so currency pairs cannot be "
            f"traded live; they can be backtested and forecast"
        )
    _refuse_coins(settings)
    indices = [symbol for symbol in data.traded if is_index(symbol)]
    if indices:
        raise ConfigError(
            f"{', '.join(indices[:5])}: an index cannot be bought; forecast it and trade its fund, with "
            f"data.trade_as = {{{indices[0]!r} = 'IWB'}}, or name the fund in data.symbols instead"
        )
    refuse_proxies(data.symbols, data.trade_as)
    goes_on = data.source == "yahoo" or ":" in data.source or is_local(settings.live.data_url)
    if data.trade_as and not goes_on:
        raise ConfigError(
            f"data.trade_as with data.source = {data.source!r}: Alpaca has no bars of {', '.join(data.trade_as)}, "
            "and this source does not go on day by day; set data.source = 'yahoo', or a class of your own"
        )
    if data.bar_length in SHORTER:
        raise ConfigError(
            f"data.interval = {data.bar_length!r}: the daemon decides at the close of bars that Alpaca makes itself "
            f"(1min to 1h, 1d); longer ones can be backtested and forecast"
        )
    others = sorted({calendar for calendar in data.calendars.values() if calendar != data.exchange})
    if others:
        raise ConfigError(
            f"data.calendars names {', '.join(others)} beside {data.exchange}: the daemon trades one market, US "
            f"shares at Alpaca; leave the others out with data.symbols. All together can be backtested and forecast"
        )
    if settings.strategy.stop_orders and settings.execution.fractional:
        raise ConfigError(
            "strategy.stop_orders with execution.fractional: Alpaca keeps no stop order for a fraction of a share; "
            "trade whole shares, or let stops be decided at the close"
        )
    if settings.execution.fractional and set(settings.execution.styles) != {"market"}:
        raise ConfigError(
            f"execution.entry_style, exit_style = {settings.execution.styles} with execution.fractional: Alpaca "
            f"takes fractions of a share in market orders of the day only; trade whole shares, or use `market`"
        )
    if set(settings.execution.styles) & set(AUCTIONS) and is_intraday(data.bar_length):
        raise ConfigError(f"auctions are once a session, and the bars are of {data.bar_length}; use `market`")
    if settings.live.is_shared and (settings.live.broker_stops is not None or settings.execution.fractional):
        raise ConfigError(
            "live.share, live.beside with live.broker_stops or execution.fractional: a stop of one book keeps the "
            "others from the other side of its symbol, and no fraction is sold short; give it an account of its own"
        )
    _refuse_weights(settings)


def _refuse_short_memory(settings: Settings) -> None:
    """Raise ConfigError for a replay in which the strategy forgets what it remembers in the backtest."""
    least, replay = least_replay(settings), settings.live.replay_bars
    if replay < least and not needs_whole_history(load_strategy(settings)):
        raise ConfigError(
            f"live.replay_bars = {replay}: strategy.min_hold_bars = {settings.strategy.min_hold_bars} and "
            f"execution.stale_exit_bars = {settings.execution.stale_exit_bars} need more, else the daemon decides "
            f"otherwise than the backtest: set live.replay_bars = {least} or more"
        )


def _refuse_coins(settings: Settings) -> None:
    """Raise ConfigError where coins cannot be traded as the backtest did, or beside shares."""
    data, live = settings.data, settings.live
    coins = [symbol for symbol in data.symbols if "/" in symbol and coin_of(symbol) is not None]
    if not coins and data.market != "crypto" and data.exchange != AROUND_THE_CLOCK:
        return
    others = [symbol for symbol in data.symbols if not re.fullmatch(r"[A-Z0-9]{1,10}/USD", symbol)]
    if others:
        raise ConfigError(
            f"{', '.join(others[:5])} in a book of coins: the daemon trades pairs with the dollar as Alpaca names "
            f"them, such as BTC/USD; give shares a book and an account of their own, and rename other sources' coins"
        )
    if data.exchange != AROUND_THE_CLOCK:
        raise ConfigError(
            f"{', '.join(coins[:5])} on the calendar {data.exchange}: coins have no closing time; set "
            f"data.market = 'crypto'"
        )
    refused = {
        "strategy.stop_orders": settings.strategy.stop_orders,
        "live.broker_stops": live.broker_stops is not None,
        "execution.entry_style, exit_style": set(settings.execution.styles) != {"market"},
        "live.extended_hours": live.extended_hours,
        "live.share, live.beside": live.is_shared,
    }
    for name, asked in refused.items():
        if asked:
            raise ConfigError(
                f"{name} with {', '.join(coins[:5])}: Alpaca keeps no stop for coins, knows no session of theirs, "
                f"and takes their fees of what is bought: leave it out; one account, one book, market orders"
            )
    if settings.strategy.direction == "long_short":
        raise ConfigError(
            f"strategy.direction = 'long_short' with {', '.join(coins[:5])}: no coin can be sold short"
        )


def refuse_still_texts(news: NewsSettings) -> None:
    """Raise ConfigError for texts that nobody keeps up to date."""
    if news.path is None:
        if news.poll:
            raise ConfigError("news.poll without news.path: name the file that the daemon fetches into")
        return
    if not news.poll:
        raise ConfigError(
            "news.path: a file that stands still would be yesterday's news: set news.poll = ['alpaca'], so that the "
            "daemon fetches into it, or trade without texts"
        )
    if news.path.suffix.lower() != ".jsonl":
        raise ConfigError(
            f"news.path = {str(news.path)!r}: the daemon fetches into JSON lines as `forewalk news fetch` writes "
            "them, a file NAME.jsonl"
        )
    checked_names(",".join(news.poll))


def _refuse_weights(settings: Settings) -> None:
    """Raise ConfigError where the risk gate would refuse what the policy wants without having been told to."""
    strategy, risk, count = settings.strategy, settings.risk, len(settings.data.traded)
    limit = strategy.weight_limit(count)
    if strategy.max_weight is None and not strategy.is_own and limit > risk.max_weight:
        raise ConfigError(
            f"strategy.max_weight is not set: one of {count} symbols may take {limit:.0%} of the account, and "
            f"risk.max_weight = {risk.max_weight:g} refuses more than {risk.max_weight:.0%}: set strategy.max_weight "
            f"below it, or raise risk.max_weight"
        )
