"""What a symbol is, and what its currency is worth to the account."""

from __future__ import annotations

import numpy as np
import pytest

from forewalk.errors import ConfigError
from forewalk.instruments import coin_of, pair_of, quote_of, rates, with_currencies
from helpers.currency_panels import make_pairs
from helpers.making import make_bars


@pytest.mark.parametrize("name", ["EURUSD", "EUR/USD", "EUR_USD", "EUR-USD", "EURUSD=X", "eurusd"])
def test_a_pair_is_one_however_it_is_written(name):
    pair = pair_of(name)
    assert (pair.base, pair.quote, pair.pip) == ("EUR", "USD", 0.0001)


@pytest.mark.parametrize(
    ("name", "pip"), [("USDJPY", 0.01), ("XAUUSD", 0.01), ("EURHUF", 0.01), ("GBPCHF", 0.0001)]
)
def test_a_pip_is_a_hundredth_where_yen_or_metals_take_part(name, pip):
    assert pair_of(name).pip == pip


def test_a_pip_may_be_set():
    assert pair_of("XAUUSD", {"XAUUSD": 0.1}).pip == 0.1


@pytest.mark.parametrize("name", ["AAPL", "GOOGLE", "USDUSD", "EURUS", "^GSPC", "BTCUSD", "EUR USD X"])
def test_other_names_are_no_pair(name):
    assert pair_of(name) is None


@pytest.mark.parametrize(
    ("name", "coin"),
    [
        ("BTC/USDT", ("BTC", "USD")),
        ("BTC-EUR", ("BTC", "EUR")),
        ("ETHBTC", ("ETH", "BTC")),
        ("EURUSD", None),
        ("AAPL", None),
    ],
)
def test_a_coin_tells_its_quote_and_a_dollar_coin_is_a_dollar(name, coin):
    assert coin_of(name) == coin


def test_a_price_is_in_the_currency_that_the_settings_or_the_name_say_else_in_the_accounts():
    known = {"7203.T": "JPY"}
    assert quote_of("7203.T", None, known, "USD") == "JPY"
    assert quote_of("EURGBP", None, known, "USD") == "GBP"
    assert quote_of("BTCUSDT", "crypto", known, "EUR") == "USD"
    assert quote_of("AAPL", None, known, "USD") == "USD"


def test_shares_in_the_accounts_own_currency_need_nothing():
    bars = make_bars(rows=5, symbols=2)
    assert with_currencies(bars) is bars


def test_the_rate_of_a_quote_currency_is_that_of_the_same_bar():
    bars = make_pairs("USDJPY", "EURUSD", "EURGBP", "GBPUSD")
    rate = bars.extras["rate_close"]
    np.testing.assert_allclose(rate[:, 0], 1 / bars.close[:, 0])
    np.testing.assert_allclose(rate[:, 1], 1.0)
    np.testing.assert_allclose(rate[:, 2], bars.close[:, 3])
    np.testing.assert_allclose(bars.extras["rate_open"][:, 0], 1 / bars.open[:, 0])


def test_a_rate_may_lead_over_a_third_currency():
    bars = make_pairs("EURGBP", "EURUSD")
    np.testing.assert_allclose(bars.extras["rate_close"][:, 0], bars.close[:, 1] / bars.close[:, 0])


def test_a_missing_rate_is_refused_with_the_pair_that_is_wanted():
    with pytest.raises(ConfigError, match=r"EURGBP is in GBP and the account in USD.*add GBPUSD or USDGBP"):
        make_pairs("EURGBP", "AUDUSD")


def test_pence_are_a_hundredth_of_a_pound():
    bars = make_pairs("SHARE", "GBPUSD", currencies={"SHARE": "GBX"})
    np.testing.assert_allclose(bars.extras["rate_close"][:, 0], 0.01 * bars.close[:, 1])


def test_the_rate_of_a_bar_without_one_is_the_last_close_known():
    bars = make_pairs("USDJPY", "GBPUSD", "GBPJPY")
    values = {name: np.array(getattr(bars, name)) for name in ("open", "high", "low", "close")}
    for prices in values.values():
        prices[5:8, 0] = prices[:2, 0] = np.nan
    holey = type(bars)(bars.timestamps, bars.symbols, **values, volume=bars.volume, calendar="FX")
    opened, closed = rates(holey, "JPY", "USD", "GBPJPY")
    assert np.isnan(closed[:2]).all()
    assert np.isfinite(closed[2:]).all()
    np.testing.assert_array_equal(closed[5:8], 1 / bars.close[4, 0])
    np.testing.assert_array_equal(opened[5:8], 1 / bars.close[4, 0])
