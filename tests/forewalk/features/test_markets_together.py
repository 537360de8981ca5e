"""Markets that close at different times in one panel: what each is told is what it would be told alone."""

from __future__ import annotations

import numpy as np
import pytest

from forewalk.data.cleaning.together import by_day, each_market, in_time, markets_of
from forewalk.errors import ConfigError
from forewalk.features.own import panel_of
from forewalk.features.panel import build_labels
from forewalk.folds import walk_forward_folds
from forewalk.sessions import microseconds
from forewalk.types import BAR_FIELDS, Bars
from helpers.making import make_settings
from helpers.market_panels import WORLD, market_bars, together, world


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("kind", ["absolute", "market_relative"])
def test_every_symbol_has_the_features_and_labels_it_has_in_its_market_alone(kind, horizon):
    settings = make_settings(label__kind=kind, label__horizon_bars=horizon)
    parts = [market_bars(calendar, WORLD[calendar]) for calendar in ("XNYS", "XTKS", "XLON")]
    panel_bars = by_day(together(*parts))
    panel = panel_of(panel_bars, settings)
    labels = build_labels(panel_bars, panel, settings.label)
    for market, part in zip(markets_of(panel_bars), parts, strict=True):
        alone = panel_of(part, settings)
        cells = np.ix_(market.rows, market.columns)
        assert np.isfinite(alone.values).any()
        np.testing.assert_array_equal(panel.values[cells], alone.values)
        np.testing.assert_array_equal(panel.scale[cells], alone.scale)
        np.testing.assert_array_equal(panel.eligible[cells], alone.eligible)
        expected = build_labels(part, alone, settings.label)
        np.testing.assert_array_equal(labels.returns[cells], expected.returns)
        np.testing.assert_array_equal(labels.scaled[cells], expected.scaled)


def test_rows_are_days_and_go_back_to_the_same_true_closes():
    bars = world()
    days = by_day(bars)
    assert len(days) < len(bars) / 3
    assert (days.timestamps.hour == 0).all()
    back = in_time(days)
    assert back.timestamps.equals(bars.timestamps)
    for name in BAR_FIELDS:
        np.testing.assert_array_equal(getattr(back, name), getattr(bars, name))


def test_a_market_alone_stays_the_very_bars_it_is():
    bars = market_bars("XLON", ("CCC.L",))
    assert by_day(bars) is bars
    assert [own for _, own in each_market(bars)] == [bars]


def test_each_bar_lies_in_the_day_of_its_session():
    days = by_day(world())
    for market, own in each_market(days):
        ends = microseconds(days.timestamps)[market.rows]
        closes = microseconds(own.timestamps)
        assert ((closes <= ends) & (closes > ends - 24 * 3600 * 10**6)).all()
        assert own.calendar == market.calendar


def test_folds_count_days_and_no_label_reaches_into_a_test_window():
    settings = make_settings(label__horizon_bars=3, folds__train_bars=300, folds__refit_every_bars=60)
    bars = by_day(world())
    panel = panel_of(bars, settings)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    assert folds[0].test[0] == 300
    assert len(folds) > 2
    closed = bars.extras["closed_at"]
    for fold in folds:
        first_close = np.nanmin(closed[fold.test[0]])
        assert microseconds(labels.end[np.concatenate([fold.train, fold.valid])]).max() < first_close


def test_intraday_bars_of_markets_apart_are_refused_with_the_remedy():
    bars = world()
    hourly = Bars(
        bars.timestamps, bars.symbols, *(getattr(bars, name) for name in BAR_FIELDS),
        calendar=bars.calendar, interval="1h", calendars=bars.calendars,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="take daily bars"):
        by_day(hourly)
