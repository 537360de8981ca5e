import dataclasses

import numpy as np
import pandas as pd
import pytest

from engine.audit.checks import (
    check_calendar,
    check_fills,
    check_known_at,
    check_labels,
    check_model_dates,
    check_vintages,
    check_windows,
)
from engine.audit.history import check_level, check_level_of_one, check_warm_up, feature_warm_up
from engine.audit.job import real_run
from engine.audit.pipeline import NewsDates, Pipeline
from helpers.audit_tables import pipeline_on, small_settings, small_table
from helpers.making import make_bars

SETTINGS = small_settings()


@pytest.fixture(scope="module")
def real():
    return real_run(SETTINGS, pipeline_on(small_table()))


def moved(frame, **columns):
    return frame.assign(**{name: change(frame[name]) for name, change in columns.items()})


def test_a_price_that_is_not_the_open_plus_slippage_is_named(real):
    orders = moved(real.simulation.orders, fill_price=lambda price: price * 1.0001)
    simulation = dataclasses.replace(real.simulation, orders=orders)
    check = check_fills(real.prepared.bars, simulation, SETTINGS)
    assert check.offender.what.startswith("price of buy")
    assert check.offender.size == pytest.approx(orders["fill_price"].iloc[0] * 1e-4, rel=1e-3)


def test_a_fill_before_its_decision_is_named(real):
    orders = moved(real.simulation.orders, filled_at=lambda time: time - pd.Timedelta(days=1))
    check = check_fills(real.prepared.bars, dataclasses.replace(real.simulation, orders=orders), SETTINGS)
    assert check.verdict == "leak"
    assert "decided at" in check.offender.message


def test_a_forecast_by_a_model_of_later_data_is_named(real):
    late = real.forecasts.timestamps + pd.Timedelta(minutes=1)
    check = check_model_dates(real.prepared, dataclasses.replace(real.forecasts, trained_until=late))
    assert check.offender.bar == real.forecasts.timestamps[0].isoformat()


@pytest.mark.parametrize("field", ["train", "valid"])
def test_a_window_that_reaches_into_the_test_is_named(real, field):
    fold = real.prepared.folds[0]
    wide = dataclasses.replace(fold, **{field: np.append(getattr(fold, field), fold.test[:1])})
    prepared = dataclasses.replace(real.prepared, folds=(wide,))
    assert check_windows(prepared, SETTINGS).offender.what == "fold-00"


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_label_that_is_moved_by_one_bar_is_named(real, shift):
    labels = real.prepared.labels
    moved_labels = dataclasses.replace(labels, returns=np.roll(labels.returns, shift, axis=0))
    check = check_labels(dataclasses.replace(real.prepared, labels=moved_labels), SETTINGS)
    assert check.offender.bar == real.prepared.bars.timestamps[0].isoformat()


def test_a_bar_dated_before_its_close_is_named(real):
    early = dataclasses.replace(
        real.prepared.bars, timestamps=real.prepared.bars.timestamps - pd.Timedelta(minutes=1)
    )
    assert check_calendar(dataclasses.replace(real.prepared, bars=early), SETTINGS).verdict == "leak"


def test_features_of_the_product_do_not_depend_on_the_price_level(real):
    for asked in (check_level, check_level_of_one):
        check = asked(real.table, real.prepared, SETTINGS, Pipeline())
        assert (check.verdict, check.offender) == ("clean", None)
        assert check.values > 1000


NEWS = pd.date_range("2024-01-02 15:00", periods=3, freq="D", tz="UTC")
HOUR = pd.Timedelta(hours=1)


@pytest.mark.parametrize(
    ("updated", "dated", "used", "reason"),
    [
        (NEWS, NEWS, NEWS, ""),
        (NEWS + HOUR, NEWS, NEWS + HOUR, ""),
        (NEWS + HOUR, NEWS + HOUR, NEWS + 2 * HOUR, "dated by its update"),
        (NEWS, NEWS - HOUR, NEWS, "but dated"),
        (NEWS, NEWS, NEWS - HOUR, "before it was written"),
    ],
)
def test_news_is_dated_by_its_creation_and_used_afterwards(updated, dated, used, reason):
    check = check_known_at(NewsDates(NEWS, updated, dated, used))
    assert (check.verdict == "leak") is bool(reason)
    assert not reason or reason in check.offender.message


def test_two_downloads_of_the_same_history_agree_up_to_float32():
    bars = make_bars(100, 2)
    rounded = dataclasses.replace(bars, close=bars.close.astype(np.float32).astype(np.float64))
    assert check_vintages(bars, rounded).verdict == "clean"
    assert check_vintages(bars.until(bars.timestamps[50]), bars).verdict == "clean"


@pytest.mark.parametrize("field", ["open", "close", "volume"])
def test_a_restated_bar_is_named_with_its_field_and_size(field):
    bars = make_bars(100, 2)
    values = getattr(bars, field).copy()
    values[40, 1] *= 1.01
    check = check_vintages(bars, dataclasses.replace(bars, **{field: values}))
    assert check.offender.what == f"{field} S01"
    assert check.offender.bar == bars.timestamps[40].isoformat()
    assert check.offender.size == pytest.approx(getattr(bars, field)[40, 1] * 0.01)


def test_averages_over_a_window_need_that_window_and_exponential_ones_many_more():
    settings = small_settings(features__ema_spans=(50,), features__sma_spans=(20,), folds__train_bars=700)
    real = real_run(settings, pipeline_on(small_table(rows=720, symbols=1, missing=())))
    needs = feature_warm_up(real.prepared.bars, real.prepared.panel, settings, Pipeline())
    assert needs["return_1"] <= 64 < 256 <= needs["ema_distance_50"]
    detail = check_warm_up(real.prepared, real.timeline, settings, Pipeline()).detail
    assert f"features: {needs['ema_distance_50']} bars" in detail
