"""What cannot be traded at Alpaca is refused before a socket is opened, with the reason."""

import pytest

from engine.live.job import opened
from engine.live.tradable import refuse_untradable
from forewalk.errors import ConfigError
from forewalk.settings.loading import settings_from


def of(*symbols, **data):
    return settings_from({"data": {"symbols": symbols, **data}})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            of("AAPL").model_copy(update={"data": of("AAPL").data.model_copy(update={"interval": "4h"})}),
            "'4h': the daemon",
        ),
        (of("AAPL", "EURUSD"), "EURUSD: Alpaca has no spot forex"),
        (of("NAME", market="forex"), "no spot forex"),
        (of("BTC/USD"), "BTC/USD on the calendar XNYS: .*data.market = 'crypto'"),
        (of("X", market="crypto"), "X in a book of coins.*such as BTC/USD"),
        (of("BTC-USD", market="crypto"), "BTC-USD in a book of coins.*such as BTC/USD"),
        (of("BTC/USDT", market="crypto"), "BTC/USDT in a book of coins: .*pairs with the dollar"),
        (of("AAPL", "BTC/USD"), "AAPL in a book of coins.*an account of their own"),
        (of("^RUI"), "an index cannot be bought"),
        (of("^RUI", trade_as={"^RUI": "IWB"}), "IWB has no bars here"),
        (of("^RUI", "IWB", trade_as={"^RUI": "IWB"}), "this source does not go on day by day"),
    ],
)
def test_what_alpaca_does_not_have_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        refuse_untradable(settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"live": {"share": 0.5, "broker_stops": 0.2}},
        {"live": {"beside": ["b"]}, "execution": {"fractional": True}},
    ],
)
def test_what_books_cannot_share_is_refused(changes):
    with pytest.raises(ConfigError, match="an account of its own"):
        refuse_untradable(settings_from({"data": {"symbols": ("AAPL",)}, **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"live": {"broker_stops": 0.2}}, "live.broker_stops with BTC/USD: Alpaca keeps no stop for coins"),
        ({"live": {"share": 0.5}}, "live.share, live.beside with BTC/USD: .*one account, one book"),
        ({"live": {"extended_hours": True}}, "live.extended_hours with BTC/USD"),
        ({"strategy": {"stop_loss": 0.1, "stop_orders": True}}, "strategy.stop_orders with BTC/USD"),
        ({"strategy": {"direction": "long_short"}}, "no coin can be sold short"),
        ({"execution": {"entry_style": "limit", "limit_bps": 10}}, "entry_style.*with BTC/USD"),
    ],
)
def test_what_coins_do_not_have_is_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        refuse_untradable(settings_from({"data": {"symbols": ("BTC/USD",), "market": "crypto"}, **changes}))


def test_coins_alone_are_traded():
    settings = {"data": {"symbols": ("BTC/USD", "ETH/USD"), "market": "crypto"}, "risk": {"max_weight": 0.6}}
    assert refuse_untradable(settings_from(settings)) is None  # and raises nothing


def test_shares_are_not():
    assert refuse_untradable(of("AAPL", "BRK.B", "IBM")) is None  # and raises nothing


def test_an_index_is_forecast_where_its_bars_go_on_and_its_fund_traded():
    data = {"symbols": ("^RUI", "IWB"), "trade_as": {"^RUI": "IWB"}, "source": "yahoo"}
    settings = settings_from({"data": data, "strategy": {"max_weight": 0.2}})
    assert refuse_untradable(settings) is None  # and raises nothing


def test_the_daemon_refuses_before_it_looks_for_keys(monkeypatch):
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="no spot forex"), opened(of("EURUSD"), console=False):
        pass
