import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.audit.doctoring import (
    DOCTORINGS,
    NOISE,
    SCALED,
    TRUNCATED,
    choose_cuts,
    cleaned_moments,
    doctored,
    gap_moments,
    halved,
)
from engine.audit.pipeline import Pipeline, prepare
from forewalk.data.columns.rows import row_closes
from forewalk.data.table import NO_TIME, Table
from forewalk.sessions import microseconds
from forewalk.settings.sections import DataSettings
from helpers.audit_tables import damaged_table, small_settings, small_table

DAILY = DataSettings(min_history_bars=60)
TABLE = small_table()
CLOSES = row_closes(TABLE, DAILY)
ARRAYS = ("code", "wall", "instant", "line", "prices", "volume")


def past(table, cut):
    keep = row_closes(table, DAILY) <= cut
    return [getattr(table, name)[keep].tobytes() for name in ARRAYS]


@hypothesis_settings(max_examples=30)
@given(st.integers(0, len(TABLE) - 1), st.sampled_from(DOCTORINGS), st.integers(0, 99))
def test_rows_up_to_the_cut_keep_every_bit(row, doctoring, seed):
    cut = int(CLOSES[row])
    assert past(doctored(TABLE, CLOSES, cut, doctoring, (seed,), DAILY), cut) == past(TABLE, cut)


@hypothesis_settings(max_examples=20)
@given(st.integers(0, 150), st.sampled_from((NOISE, SCALED)))
def test_every_later_price_is_replaced(row, doctoring):
    cut = int(CLOSES[row])
    other = doctored(TABLE, CLOSES, cut, doctoring, (1,), DAILY)
    later = {(c, w): p for c, w, p in zip(TABLE.code, TABLE.wall, TABLE.prices, strict=True)}
    moments = row_closes(other, DAILY)
    changed = [
        not np.array_equal(prices, later[code, wall])
        for code, wall, prices, close in zip(other.code, other.wall, other.prices, moments, strict=True)
        if close > cut
    ]
    assert changed
    assert all(changed)


def test_truncation_leaves_nothing_after_the_cut():
    cut = int(CLOSES[100])
    assert row_closes(doctored(TABLE, CLOSES, cut, TRUNCATED, (0,), DAILY), DAILY).max() == cut


def test_noise_brings_lost_rows_outliers_and_missing_prices():
    other = doctored(TABLE, CLOSES, int(CLOSES[5]), NOISE, (3,), DAILY)
    assert len(other) < len(TABLE)
    assert np.isnan(other.prices).any()
    assert (other.volume == 0).any()
    assert (np.abs(np.diff(np.log(other.prices[:190, 0]))) > 4).any()


def test_halving_is_exact():
    np.testing.assert_array_equal(halved(TABLE).prices * 2, TABLE.prices)


@pytest.mark.parametrize("zone", [True, False])
def test_intraday_rows_close_one_interval_after_their_stamp(zone):
    start = pd.DatetimeIndex(["2024-01-03 14:30", "2024-01-03 20:30"], tz="UTC")  # the last one is clipped
    local = microseconds(start.tz_convert("America/New_York").tz_localize(None))
    table = Table(
        ("S",), ("x",), np.zeros(2, np.int64), local,
        microseconds(start) if zone else np.full(2, NO_TIME),
        np.zeros(2, np.int64), np.ones((2, 4)), np.ones(2),
    )  # fmt: skip
    closes = row_closes(table, DataSettings(interval="1h"))
    expected = pd.DatetimeIndex(["2024-01-03 15:30", "2024-01-03 21:00"], tz="UTC")
    assert closes.tolist() == microseconds(expected).tolist()


@pytest.fixture(scope="module")
def prepared():
    return prepare(small_table(), small_settings(), Pipeline())


def test_each_fold_is_cut_at_its_edge_after_its_refit_and_in_its_middle(prepared):
    cuts = {cut.time: cut.reason for cut in chosen(prepared)}
    stamps = microseconds(prepared.bars.timestamps)
    for fold in prepared.folds:
        assert microseconds(pd.DatetimeIndex([fold.trained_until]))[0] in cuts
        assert stamps[fold.test[0]] in cuts
        assert stamps[fold.test[len(fold.test) // 2]] in cuts
    assert stamps[-2] in cuts
    assert max(cuts) < stamps[-1]


def chosen(prepared, first=60):
    return choose_cuts(TABLE, DAILY, prepared.bars, prepared.folds, prepared.quality, first)


def test_the_gap_is_cut_from_inside(prepared):
    stamps = microseconds(prepared.bars.timestamps)
    assert gap_moments(TABLE, DAILY, stamps).tolist() == stamps[140:146].tolist()
    assert sum(cut.reason == "inside a gap" for cut in chosen(prepared)) == 2


def test_no_cut_comes_before_the_data_can_be_used(prepared):
    stamps = microseconds(prepared.bars.timestamps)
    assert min(cut.time for cut in chosen(prepared, first=130)) >= stamps[130]


def test_a_single_symbol_has_gaps_where_its_exchange_was_open():
    table = small_table(symbols=1, missing=[(slice(50, 53), 0)])
    bars = prepare(table, small_settings(), Pipeline(), with_folds=False).bars
    assert len(gap_moments(table, DAILY, microseconds(bars.timestamps))) == 3


def test_bars_that_cleaning_changed_are_found():
    table = damaged_table()
    bars = prepare(table, small_settings(), Pipeline(), with_folds=False).bars
    closes = row_closes(table, DAILY)
    found = set(cleaned_moments(table, DAILY, bars).tolist())
    assert closes[70] in found  # the outlier
    assert closes[75] not in found
