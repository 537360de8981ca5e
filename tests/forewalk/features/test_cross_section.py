from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import norm

from forewalk.errors import ConfigError
from forewalk.features.cross_section import normal_scores
from forewalk.features.own import panel_of
from forewalk.features.panel import build_features
from forewalk.settings.features import GROUPS, FeatureSettings
from helpers.making import make_bars, make_settings

RANKED = FeatureSettings(cross_section=True)
ROWS, SYMBOLS = 400, 23
GAPS = [(slice(0, 9), 1), (slice(150, 155), 0), (slice(395, None), 2)]
BARS = make_bars(rows=ROWS, symbols=SYMBOLS, missing=GAPS)
PRICES = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def whole():
    return build_features(BARS, RANKED)


def scaled(bars, column, price, volume):
    """The same bars with the prices and the volumes of one symbol times a constant each."""
    fields = {name: getattr(bars, name).copy() for name in (*PRICES, "volume")}
    for name, values in fields.items():
        values[:, column] *= volume if name == "volume" else price
    return replace(bars, **fields)


def column(panel, name):
    return panel.values[:, :, panel.names.index(name)]


@hypothesis_settings(max_examples=6)
@given(row=st.integers(382, ROWS - 2), seed=st.integers(0, 1000))
def test_replacing_the_future_changes_no_bit_of_the_past(row, seed, whole):
    noise = np.random.default_rng(seed)
    fields = {name: getattr(BARS, name).copy() for name in (*PRICES, "volume")}
    for values in fields.values():
        values[row + 1 :] *= noise.uniform(0.5, 2.0, values[row + 1 :].shape)
    for other in (replace(BARS, **fields), BARS.until(BARS.timestamps[row])):
        panel = build_features(other, RANKED)
        np.testing.assert_array_equal(panel.values[: row + 1], whole.values[: row + 1])
    assert np.isfinite(whole.values[row]).all(axis=1).sum() >= 20


@hypothesis_settings(max_examples=6)
@given(number=st.integers(3, SYMBOLS - 1), price=st.floats(0.01, 100.0), volume=st.floats(0.01, 100.0))
def test_a_later_split_or_dividend_changes_no_rank(number, price, volume, whole):
    panel = build_features(scaled(BARS, number, price, volume), RANKED)
    ranks = [name.startswith("rank_") for name in panel.names]
    np.testing.assert_array_equal(panel.values[:, :, ranks], whole.values[:, :, ranks])
    np.testing.assert_allclose(panel.values, whole.values, rtol=1e-5, atol=1e-6)


def test_where_the_history_begins_changes_no_characteristic():
    long = make_bars(rows=430, symbols=20, seed=3)
    settings = RANKED.model_copy(update={"rsi_bars": 0, "atr_bars": 0, "macd": False, "ema_spans": ()})
    short = build_features(long.since(long.timestamps[30]), settings)
    cut, all_of_it = short.values[-1], build_features(long, settings).values[-1]
    assert np.isfinite(cut).all()
    ranks = [name.startswith("rank_") for name in short.names]
    np.testing.assert_array_equal(cut[:, ranks], all_of_it[:, ranks])


def test_seven_characteristics_agree_with_pandas():
    bars = make_bars(rows=ROWS, symbols=SYMBOLS, seed=5)
    panel = build_features(bars, RANKED)
    close, opens = pd.DataFrame(bars.close), pd.DataFrame(bars.open)
    returns = np.log(close).diff()
    market = returns.mean(axis=1)
    volatility = (returns**2).rolling(21).mean() ** 0.5
    beta = returns.rolling(126).cov(market).div(market.rolling(126).var(), axis=0)
    residual = returns - beta.mul(market, axis=0)
    worth, volume = close * pd.DataFrame(bars.volume), np.log(pd.DataFrame(bars.volume))
    expected = {
        "momentum_252_21": np.log(close.shift(21) / close.shift(252)) / volatility,
        "residual_5": residual.rolling(5).sum() / volatility,
        "overnight_21": np.log(opens / close.shift()).rolling(21).sum() / volatility,
        "volume_trend": worth.rolling(5).mean() / worth.rolling(63).mean(),
        "volume_score": (volume - volume.rolling(21).mean()) / volume.rolling(21).std(),
        "year_ago": (residual / volatility).rolling(3).mean().shift(250),
        "beta": beta,
    }
    for name, values in expected.items():
        share = (values.rank(axis=1) - 0.5).div(values.count(axis=1), axis=0)
        scores = pd.DataFrame(norm.ppf(share)).iloc[381:]
        np.testing.assert_allclose(column(panel, f"rank_{name}")[381:], scores, rtol=1e-6, err_msg=name)


def test_the_skewness_is_that_of_pandas_up_to_its_small_sample_factor():
    bars = make_bars(rows=ROWS, symbols=SYMBOLS, seed=6)
    ranks = column(build_features(bars, RANKED), "rank_skewness")[-1]
    expected = np.log(pd.DataFrame(bars.close)).diff().tail(63).skew()
    assert np.array_equal(np.argsort(ranks), np.argsort(expected.to_numpy()))


@given(st.integers(20, 60), st.integers(0, 1000))
def test_scores_order_as_the_values_do_and_balance(symbols, seed):
    values = np.random.default_rng(seed).normal(size=(3, symbols))
    scores = normal_scores(values)
    assert np.array_equal(np.argsort(scores, axis=1), np.argsort(values, axis=1))
    np.testing.assert_allclose(scores.sum(axis=1), 0.0, atol=1e-9)


def test_equal_values_have_equal_scores():
    assert np.all(normal_scores(np.ones((2, 25))) == 0.0)


def test_bars_with_fewer_than_twenty_symbols_have_no_scores():
    values = np.random.default_rng(0).normal(size=(2, 20))
    values[0, 4] = np.nan
    scores = normal_scores(values)
    assert np.isnan(scores[0]).all()
    assert np.isfinite(scores[1]).all()


def test_only_members_are_ranked_and_others_do_not_count():
    values = np.random.default_rng(0).normal(size=(1, 25))
    member = np.arange(25)[None] < 21
    scores = normal_scores(values, member)
    np.testing.assert_array_equal(scores[:, :21], normal_scores(values[:, :21]))
    assert np.isnan(scores[:, 21:]).all()


def test_a_symbol_that_never_trades_volume_is_ranked_all_the_same_and_in_the_middle_by_volume():
    volume = BARS.volume.copy()
    volume[:, 5] = 0.0
    panel = build_features(replace(BARS, volume=volume), RANKED)
    assert np.isfinite(panel.values[-6, 5]).all()
    assert (column(panel, "rank_volume_score")[60:-6, 5] == 0.0).all()


def test_a_young_symbol_stands_in_the_middle_of_what_it_is_too_young_for():
    young = make_bars(rows=ROWS, symbols=SYMBOLS, missing=[(slice(0, 300), 4)])
    panel = build_features(young, RANKED)
    assert np.isfinite(panel.values[-1, 4]).all()
    assert (column(panel, "rank_momentum_252")[360:, 4] == 0.0).all()
    assert np.abs(column(panel, "rank_momentum_63")[-1, 4]) > 0.0
    others = np.delete(column(panel, "rank_momentum_252")[-1], 4)
    np.testing.assert_allclose(np.sort(others), np.sort(normal_scores(others[None])[0]), atol=1e-6)


def test_each_group_can_be_switched_off(whole):
    for group in GROUPS:
        fewer = [name for name in GROUPS if name != group]
        names = build_features(
            BARS.until(BARS.timestamps[30]), FeatureSettings(cross_section=True, cross_section_groups=fewer)
        ).names
        assert set(names) < set(whole.names), group
    assert len(whole.names) == 15 + 32 + 2
    assert whole.names[-2:] == ("market_return", "market_volatility")


def test_the_market_columns_are_not_ranked(whole):
    market = np.log(pd.DataFrame(BARS.close)).diff().mean(axis=1)
    usable = np.isfinite(column(whole, "market_volatility"))
    expected = np.log((market**2).rolling(21).mean() ** 0.5).to_numpy()
    rows = np.flatnonzero(usable.any(axis=1))
    rows = rows[(rows > 180) & (rows < 395)]  # pandas has no return across a gap, which is at 150 and at 395
    np.testing.assert_allclose(column(whole, "market_volatility")[rows, 4], expected[rows], rtol=1e-5)


def test_too_few_symbols_are_refused_with_the_remedy():
    with pytest.raises(ConfigError, match=r"here are 3; load more, or set features\.cross_section = false"):
        panel_of(make_bars(rows=60), make_settings(features__cross_section=True))
