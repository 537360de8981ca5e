"""The characteristics for few symbols: each against the symbol's own past year."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.audit.job import audit
from forewalk.errors import ConfigError
from forewalk.features.panel import build_features
from forewalk.settings.features import GROUPS, FeatureSettings
from helpers.audit_tables import pipeline_on, small_settings, small_table
from helpers.making import make_bars, make_settings

OVER_TIME = FeatureSettings(characteristics=True)
BARS = make_bars(rows=700, symbols=2, missing=[(slice(300, 305), 0)])
FIELDS = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def whole():
    return build_features(BARS, OVER_TIME)


def own(panel):
    return [number for number, name in enumerate(panel.names) if name.startswith("own_")]


def test_there_are_thirty_two_and_what_was_there_before_stays(whole):
    plain = build_features(BARS, FeatureSettings())
    assert len(own(whole)) == 32
    kept = [whole.names.index(name) for name in plain.names]
    np.testing.assert_array_equal(whole.values[:, :, kept], plain.values)


@hypothesis_settings(max_examples=5)
@given(row=st.integers(400, 698), seed=st.integers(0, 1000))
def test_replacing_the_future_changes_no_bit_of_the_past(row, seed, whole):
    noise = np.random.default_rng(seed)
    fields = {name: getattr(BARS, name).copy() for name in FIELDS}
    for values in fields.values():
        values[row + 1 :] *= noise.uniform(0.5, 2.0, values[row + 1 :].shape)
    for other in (replace(BARS, **fields), BARS.until(BARS.timestamps[row])):
        panel = build_features(other, OVER_TIME)
        np.testing.assert_array_equal(panel.values[: row + 1], whole.values[: row + 1])


def test_a_later_split_or_dividend_changes_none(whole):
    fields = {name: getattr(BARS, name).copy() for name in FIELDS}
    for name, values in fields.items():
        values[:, 0] *= 3.0 if name == "volume" else 0.25
    panel = build_features(replace(BARS, **fields), OVER_TIME)
    np.testing.assert_allclose(panel.values[:, :, own(panel)], whole.values[:, :, own(whole)], atol=1e-4)


def test_one_agrees_with_pandas(whole):
    returns = np.log(BARS.close[:, 1] / np.roll(BARS.close[:, 1], 1))
    returns[0] = np.nan
    largest = pd.Series(returns).rolling(21).max()
    year = largest.rolling(252)
    expected = ((largest - year.mean()) / year.std(ddof=0)).clip(-10, 10).to_numpy()
    found = whole.values[:, 1, whole.names.index("own_largest_return")]
    there = np.isfinite(expected)
    np.testing.assert_allclose(found[there], expected[there], rtol=1e-3, atol=1e-3)


def test_a_young_symbol_has_zeros_where_its_year_is_not_over(whole):
    early = whole.values[100, 1, own(whole)]
    np.testing.assert_array_equal(early, 0.0)
    assert np.abs(whole.values[-1, 1, own(whole)]).min() > 0.0


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_can_stand_alone(group):
    panel = build_features(BARS, FeatureSettings(characteristics=True, cross_section_groups=(group,)))
    assert 1 <= len(own(panel)) <= 6


def test_one_symbol_alone_has_them_too():
    panel = build_features(BARS.select(BARS.symbols[:1]), OVER_TIME)
    assert np.isfinite(panel.values[-1]).all()


def test_ranked_and_unranked_at_once_is_refused():
    with pytest.raises(ConfigError, match="set one of them to false"):
        make_settings(features__cross_section=True, features__characteristics=True)


def test_a_pipeline_with_them_is_certified():
    certificate = audit(small_settings(features__characteristics=True), pipeline_on(small_table()))
    assert [check.line() for check in certificate.leaks] == []
