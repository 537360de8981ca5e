"""Presets of markets: under everything that the user sets, and stored whole."""

from __future__ import annotations

from typing import get_args

import pytest

from engine.live.deciding.past import least_replay
from forewalk.errors import ConfigError
from forewalk.sessions import bars_per_year
from forewalk.settings.choices import Market
from forewalk.settings.loading import load_settings, settings_from
from forewalk.settings.markets import MARKETS, SESSION


def of(market, **data):
    return settings_from({"data": {"market": market, **data}})


def test_every_market_has_a_preset_with_a_calendar_that_exists():
    assert sorted(MARKETS) == sorted(get_args(Market))
    for market in MARKETS:
        assert bars_per_year(of(market).data.exchange, "1d") > 200


def test_without_a_market_the_settings_are_the_defaults():
    assert settings_from({"data": {"market": None}}) == settings_from({})


def test_currencies_have_a_spread_in_pips_and_no_volume():
    settings = of("forex")
    assert settings.data.exchange == "FX"
    assert settings.features.volume_bars == 0
    assert settings.execution.max_volume_share is None
    assert (settings.execution.fee_bps, settings.execution.slippage_bps) == (0.0, 0.0)
    assert settings.execution.spread_pips == 1.0
    assert settings.strategy.direction == "long_short"


def test_coins_trade_all_year_in_fractions():
    settings = of("crypto")
    assert settings.execution.fractional
    assert bars_per_year(settings.data.exchange, "1d") == 365.0
    assert settings.folds.refit_every_bars == 365


def test_shares_elsewhere_have_their_exchange_and_their_currency():
    assert (of("jp_equity").data.exchange, of("jp_equity").data.currency) == ("XTKS", "JPY")


def test_what_the_user_sets_goes_before_the_preset(tmp_path):
    (tmp_path / "own.toml").write_text('[data]\nmarket = "forex"\n[execution]\nspread_pips = 0.4\n')
    settings = load_settings(tmp_path / "own.toml", ["strategy.direction=long_flat"], environment={})
    assert settings.execution.spread_pips == 0.4
    assert settings.strategy.direction == "long_flat"
    assert settings.execution.fee_bps == 0.0


@pytest.mark.parametrize(
    ("market", "interval", "session"), [("us_equity", "1h", 7), ("forex", "1h", 24), ("crypto", "5min", 288)]
)
def test_intraday_presets_count_in_sessions(market, interval, session):
    settings = of(market, interval=interval)
    assert settings.folds.embargo_bars == session
    assert settings.folds.train_bars % session == 0
    assert settings.model.max_age_bars >= settings.folds.refit_every_bars
    assert settings.strategy.min_hold_bars == session
    assert settings.live.replay_bars >= max(126, least_replay(settings))


def test_a_session_is_as_long_as_its_calendar_says():
    for market in MARKETS:
        calendar = of(market).data.exchange
        assert bars_per_year(calendar, "1min") / bars_per_year(calendar, "1d") == pytest.approx(
            SESSION.get(market, 1440), rel=0.1
        )


@pytest.mark.parametrize("data", [{}, {"interval": "1d"}, {"market": "crypto"}, {"market": "jp_equity"}])
@pytest.mark.parametrize("strategy", [{}, {"tilt": 0.5}, {"target_volatility": 0.2, "max_gross": 1.0}])
def test_where_nothing_is_said_of_when_to_trade_each_asset_is_held_at_constant_risk(data, strategy):
    chosen = settings_from({"data": data, "strategy": strategy}).strategy
    assert (chosen.sizing, chosen.always_held) == ("constant_risk", True)
    assert chosen.target_volatility == strategy.get("target_volatility", 0.15)
    assert chosen.tilt == strategy.get("tilt", 0.0)


@pytest.mark.parametrize(
    ("data", "strategy"),
    [
        *(
            ({}, {name: value})
            for name, value in [("entry", 0.1), ("kind", "per_symbol"), ("stop_loss", 0.1)]
        ),
        ({}, {"direction": "long_short"}),
        ({}, {"sizing": "volatility_target"}),
        ({}, {"kind": "cross_section", "max_weight": 0.1}),
        ({"market": "forex"}, {}),
        ({"market": "us_equity", "interval": "1h"}, {}),
        ({"interval": "5min"}, {"max_weight": 0.1}),
    ],
)
def test_a_strategy_of_which_something_is_said_trades_by_its_forecasts(data, strategy):
    chosen = settings_from({"data": data, "strategy": strategy}).strategy
    assert chosen.sizing == strategy.get("sizing", "fixed_fraction")
    assert not chosen.always_held


@pytest.mark.parametrize("name", ["entry", "exit", "min_gain_bps"])
def test_a_threshold_beside_always_held_is_refused(name):
    with pytest.raises(
        ConfigError, match=f"always_held enters whatever the forecast is: {name} goes without"
    ):
        settings_from({"strategy": {"always_held": True, name: 0.5}})


def test_an_unknown_market_is_refused_with_the_list():
    with pytest.raises(ConfigError, match=r"data.market = 'fx'.*'forex'"):
        of("fx")


def test_a_stored_run_does_not_depend_on_presets(tmp_path):
    from forewalk.settings.loading import settings_to_toml

    settings = of("forex", interval="1h")
    (tmp_path / "config.toml").write_text(settings_to_toml(settings))
    assert load_settings(tmp_path / "config.toml", environment={}) == settings
