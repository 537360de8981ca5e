from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.errors import LookaheadError
from forewalk.features.panel import build_features
from forewalk.settings.sections import FeatureSettings
from helpers.making import make_bars
from models.base import ScaledForecast
from models.timeline import Timeline

BARS = make_bars(rows=120, symbols=2)
PANEL = build_features(BARS, FeatureSettings(return_spans=(1,), ema_spans=(), sma_spans=(), macd=False))


@dataclass(frozen=True)
class Constant:
    """Forecasts its own number everywhere."""

    value: float
    starts: int

    @property
    def model_id(self):
        return f"constant-{self.value}"

    @property
    def trained_until(self):
        return PANEL.timestamps[self.starts - 2]

    @property
    def valid_from(self):
        return PANEL.timestamps[self.starts]

    def predict_scaled(self, panel, first, stop):
        shape = (stop - first, len(panel.symbols))
        return ScaledForecast(np.full(shape, self.value), np.ones(shape))


@given(
    starts=st.lists(st.integers(40, 119), min_size=1, max_size=5, unique=True).map(sorted),
    age=st.integers(1, 60),
)
def test_a_bar_is_forecast_by_the_newest_model_that_may_and_is_not_too_old(starts, age):
    timeline = Timeline(tuple(Constant(float(s), s) for s in starts), age)
    forecasts = timeline.forecasts(PANEL, 1)
    for row, asof in enumerate(forecasts.timestamps, starts[0]):
        newest = max(s for s in starts if s <= row)
        expected = f"constant-{float(newest)}" if row < newest + age else ""
        assert forecasts.model_ids[row - starts[0]] == expected
        assert timeline.at(asof).starts == newest
        assert np.isfinite(forecasts.mean[row - starts[0]]).all() == bool(expected)


@given(
    starts=st.lists(st.integers(40, 118), min_size=1, max_size=4, unique=True).map(sorted),
    lives=st.lists(st.one_of(st.none(), st.integers(1, 80)), min_size=4, max_size=4),
    age=st.integers(1, 90),
)
def test_a_retired_model_gives_its_later_bars_back_to_the_newest_one_before_it(starts, lives, age):
    models = tuple(Constant(float(s), s) for s in starts)
    ends = {s: s + life for s, life in zip(starts, lives, strict=False) if life is not None}
    moments = {
        f"constant-{float(s)}": PANEL.timestamps[-1] + pd.Timedelta(days=1)
        if end >= len(PANEL)
        else PANEL.timestamps[end]
        for s, end in ends.items()
    }
    timeline = Timeline(models, age, moments)
    forecasts = timeline.forecasts(PANEL, 1)
    for row, asof in enumerate(forecasts.timestamps, starts[0]):
        asked = [s for s in starts if s <= row and row < ends.get(s, len(PANEL))]
        newest = max(asked, default=None)
        expected = "" if newest is None or row >= newest + age else f"constant-{float(newest)}"
        assert forecasts.model_ids[row - starts[0]] == expected
        found = timeline.at(asof)
        assert (None if found is None else found.starts) == newest


def test_holes_make_a_model_old_before_its_bars_are_used_up():
    moved = PANEL.timestamps.where(np.arange(len(PANEL)) < 60, PANEL.timestamps + pd.Timedelta(days=365))
    holed = replace(PANEL, timestamps=pd.DatetimeIndex(moved))
    forecasts = Timeline((Constant(1.0, 40),), 60).forecasts(holed, 1)
    assert [bool(name) for name in forecasts.model_ids] == [row < 60 for row in range(40, 120)]


def test_growing_a_timeline_leaves_the_past_as_it_was():
    short = Timeline((Constant(1.0, 40),), 60)
    long = short.extended(Constant(2.0, 70))
    before, after = short.forecasts(PANEL, 1), long.forecasts(PANEL, 1)
    np.testing.assert_array_equal(before.mean[:30], after.mean[:30])
    assert after.model_ids[30] == "constant-2.0"


def test_every_forecast_names_when_its_model_was_trained():
    forecasts = Timeline((Constant(1.0, 40),), 50).forecasts(PANEL, 1)
    assert (forecasts.trained_until[:50] == PANEL.timestamps[38]).all()
    assert forecasts.trained_until[50:].isna().all()
    assert (forecasts.trained_until[:50] < forecasts.timestamps[:50]).all()


def test_there_is_no_model_before_the_first():
    assert Timeline((Constant(1.0, 40),), 50).at(PANEL.timestamps[39]) is None


def test_rows_before_the_first_model_stay_empty():
    forecasts = Timeline((Constant(1.0, 40),), 50).forecasts(PANEL, 1, first=30)
    assert np.isnan(forecasts.mean[:10]).all()
    assert np.isfinite(forecasts.mean[10:60]).all()


def test_an_empty_timeline_forecasts_nothing():
    assert len(Timeline((), 50).forecasts(PANEL, 1)) == 0


def test_a_model_valid_before_its_training_ended_is_refused():
    model = Constant(1.0, 40)
    object.__setattr__(model, "starts", 40)
    late = type("Late", (), {**{n: getattr(model, n) for n in ("model_id", "valid_from")},
                             "trained_until": PANEL.timestamps[40]})()  # fmt: skip
    with pytest.raises(LookaheadError, match="cannot be valid"):
        Timeline((late,), 10)


def test_models_out_of_order_are_refused():
    with pytest.raises(ValueError, match="one after the other"):
        Timeline((Constant(1.0, 50), Constant(2.0, 40)), 10)


def test_a_symbol_without_features_gets_no_forecast():
    bars = make_bars(rows=120, symbols=2, missing=[(slice(90, 95), 1)])
    panel = build_features(bars, FeatureSettings())
    forecasts = Timeline((Constant(1.0, 60),), 100).forecasts(panel, 1)
    assert np.isnan(forecasts.mean[30:35, 1]).all()
    assert np.isfinite(forecasts.mean[30:35, 0]).all()
    assert isinstance(forecasts.timestamps, pd.DatetimeIndex)
