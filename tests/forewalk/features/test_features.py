import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from forewalk.features.panel import build_features, build_labels, one_bar_returns
from forewalk.features.technical import log_returns, realised_volatility, technical_features
from forewalk.settings.sections import FeatureSettings, LabelSettings
from forewalk.types import Bars
from helpers.making import make_bars

EVERYTHING = FeatureSettings(return_spans=(1, 3, 21), ema_spans=(5, 30), sma_spans=(10, 40))
GAPS = [(slice(0, 70), 1), (slice(150, 155), 0), (slice(260, None), 2)]


def altered(bars, row, seed):
    """The same bars with everything after `row` replaced by noise."""
    generator = np.random.default_rng(seed)
    fields = {}
    for name in ("open", "high", "low", "close", "volume"):
        values = getattr(bars, name).copy()
        values[row + 1 :] *= generator.uniform(0.5, 2.0, values[row + 1 :].shape)
        fields[name] = values
    return Bars(bars.timestamps, bars.symbols, **fields)


@hypothesis_settings(max_examples=30)
@given(st.integers(30, 298), st.integers(0, 1000))
def test_every_feature_depends_on_its_bar_and_earlier_ones_only(row, seed):
    bars = make_bars(rows=300, seed=seed % 7, missing=GAPS)
    whole = build_features(bars, EVERYTHING, 5, 40)
    for other in (altered(bars, row, seed), bars.until(bars.timestamps[row])):
        panel = build_features(other, EVERYTHING, 5, 40)
        np.testing.assert_array_equal(panel.values[: row + 1], whole.values[: row + 1])
        np.testing.assert_array_equal(panel.scale[: row + 1], whole.scale[: row + 1])
        np.testing.assert_array_equal(panel.eligible[: row + 1], whole.eligible[: row + 1])


@given(st.floats(0.01, 1000.0))
def test_features_do_not_depend_on_the_price_level(factor):
    bars = make_bars(rows=120, symbols=1)
    fields = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    scaled = Bars(bars.timestamps, bars.symbols, volume=bars.volume, **fields)
    one, two = (build_features(b, EVERYTHING).values for b in (bars, scaled))
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)


def test_a_symbol_that_joins_later_changes_nothing_before():
    bars = make_bars(rows=200, symbols=12, missing=[(slice(0, 120), 5)])
    without = bars.select([s for s in bars.symbols if s != "S05"])
    others = [c for c in range(12) if c != 5]
    one, two = build_features(bars, EVERYTHING), build_features(without, EVERYTHING)
    np.testing.assert_array_equal(one.values[:120][:, others], two.values[:120])


def test_the_names_follow_the_settings():
    bars = make_bars(rows=80)
    few = FeatureSettings(return_spans=(1,), ema_spans=(), sma_spans=(), gap=False, range=False, rsi_bars=0,
                          macd=False, bollinger_bars=0, atr_bars=0, volume_bars=0, market_return=False)  # fmt: skip
    assert build_features(bars, few).names == ("return_1", "volatility")
    assert build_features(bars, FeatureSettings()).names == (
        "return_1", "return_2", "return_5", "return_10", "return_21", "ema_distance_10", "ema_distance_50",
        "sma_distance_20", "gap", "range", "rsi", "macd", "bollinger", "atr", "volatility", "volume",
        "market_return",
    )  # fmt: skip


def test_indicators_are_ta_libs():
    bars = make_bars(rows=150, symbols=1)
    close, high, low = (np.ascontiguousarray(getattr(bars, n)[:, 0]) for n in ("close", "high", "low"))
    own = technical_features(*(np.ascontiguousarray(getattr(bars, n)[:, 0]) for n in
                               ("open", "high", "low", "close", "volume")), FeatureSettings())  # fmt: skip
    volatility = realised_volatility(close, 21)
    np.testing.assert_allclose(own["rsi"], (talib.RSI(close, 14) - 50) / 50)
    np.testing.assert_allclose(own["atr"], talib.ATR(high, low, close, 14) / (close * volatility))


def test_realised_volatility_is_the_root_mean_square_of_returns():
    close = make_bars(rows=60, symbols=1).close[:, 0]
    expected = np.sqrt(np.mean(np.diff(np.log(close))[-21:] ** 2))
    assert realised_volatility(np.ascontiguousarray(close), 21)[-1] == pytest.approx(expected, rel=1e-9)


def test_a_flat_price_has_no_features_instead_of_infinite_ones():
    bars = make_bars(rows=100, symbols=1)
    flat = Bars(bars.timestamps, bars.symbols, *(np.full((100, 1), 10.0) for _ in range(4)), bars.volume)
    panel = build_features(flat, FeatureSettings())
    assert np.isnan(panel.values).all()


def test_an_instrument_without_volume_still_has_features():
    bars = make_bars(rows=100, symbols=1)
    fields = {name: getattr(bars, name) for name in ("open", "high", "low", "close")}
    panel = build_features(
        Bars(bars.timestamps, bars.symbols, volume=np.zeros((100, 1)), **fields), EVERYTHING
    )
    assert np.isfinite(panel.values[-1]).all()


def test_a_symbol_is_eligible_from_its_minimum_history_on():
    panel = build_features(make_bars(rows=100, missing=GAPS[:1]), FeatureSettings(), 1, min_history_bars=20)
    assert panel.eligible[:, 1].tolist() == [False] * 89 + [True] * 11


@given(st.integers(1, 8))
def test_a_label_is_the_log_return_to_the_bar_at_the_horizon(horizon):
    bars = make_bars(rows=90)
    panel = build_features(bars, FeatureSettings(), horizon)
    labels = build_labels(bars, panel, LabelSettings(horizon_bars=horizon))
    expected = np.log(bars.close[50 + horizon] / bars.close[50])
    np.testing.assert_allclose(labels.returns[50], expected)
    np.testing.assert_allclose(labels.scaled[50] * panel.scale[50], expected)
    assert labels.end[50] == bars.timestamps[50 + horizon]
    assert labels.end[-horizon:].isna().all()
    assert np.isnan(labels.returns[-horizon:]).all()


def test_market_relative_labels_have_mean_zero_on_every_bar():
    bars = make_bars(rows=120, symbols=6, missing=[(slice(0, 50), 2)])
    labels = build_labels(
        bars, build_features(bars, FeatureSettings()), LabelSettings(kind="market_relative")
    )
    np.testing.assert_allclose(np.nanmean(labels.returns[:-1], axis=1), 0.0, atol=1e-15)
    assert set(np.unique(labels.sign[:-1][~np.isnan(labels.sign[:-1])])) <= {-1.0, 0.0, 1.0}


def test_one_bar_returns_skip_over_missing_bars():
    bars = make_bars(rows=60, missing=[(slice(20, 25), 0)])
    returns = one_bar_returns(bars)[:, 0]
    assert np.isnan(returns[20:25]).all()
    assert returns[25] == pytest.approx(np.log(bars.close[25, 0] / bars.close[19, 0]))


def test_log_returns_of_a_short_series_are_all_unknown():
    assert np.isnan(log_returns(np.array([1.0, 2.0]), 5)).all()


def test_a_negative_volume_that_was_only_flagged_counts_as_none():
    bars = make_bars(rows=100, symbols=1)
    volume = np.where(np.arange(100) == 60, -5.0, bars.volume[:, 0])[:, None]
    fields = {name: getattr(bars, name) for name in ("open", "high", "low", "close")}
    flagged = build_features(Bars(bars.timestamps, bars.symbols, volume=volume, **fields), EVERYTHING)
    silent = build_features(
        Bars(bars.timestamps, bars.symbols, volume=np.maximum(volume, 0.0), **fields), EVERYTHING
    )
    np.testing.assert_array_equal(flagged.values, silent.values)
