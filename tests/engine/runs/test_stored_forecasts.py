"""Forecasts written down by a run and read back over bars: the run's own, fewer, more, or in another order."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.folder import forecast_table
from engine.runs.stored import stored_forecasts
from helpers.small_panels import make_bars, make_forecasts

BARS = make_bars(count=60, symbols=4)
MEAN = np.random.default_rng(3).normal(0, 0.01, (40, 4))
MEAN[5:9, 2] = np.nan
MEAN[12] = np.nan
FORECASTS = make_forecasts(BARS, MEAN, first=20)
TABLE = forecast_table(FORECASTS, np.zeros_like(MEAN))


@given(st.integers(0, 59), st.integers(1, 60), st.permutations(BARS.symbols), st.integers(1, 4))
def test_each_value_comes_back_at_its_bar_and_symbol_and_nowhere_else(first, count, symbols, width):
    times, chosen = BARS.timestamps[first : first + count], tuple(symbols[:width])
    found = stored_forecasts(TABLE, times, chosen, 1)
    assert found.timestamps.equals(times)
    assert found.symbols == chosen
    columns = [BARS.symbols.index(symbol) for symbol in chosen]
    for name in ("mean", "std", "p_up"):
        whole = np.full((60, 4), np.nan)
        whole[20:] = getattr(FORECASTS, name)
        np.testing.assert_array_equal(
            getattr(found, name), whole[first : first + count][:, columns], err_msg=name
        )


def test_the_model_and_the_end_of_its_training_come_back_where_it_said_something():
    found = stored_forecasts(TABLE, FORECASTS.timestamps, FORECASTS.symbols, 5)
    assert found.horizon_bars == 5
    said = np.isfinite(MEAN).any(axis=1)
    assert [bool(model) for model in found.model_ids] == said.tolist()
    assert (found.trained_until[said] == FORECASTS.trained_until[said]).all()
    assert found.trained_until[~said].isna().all()


def test_a_table_from_a_file_gives_the_same(tmp_path):
    TABLE.to_parquet(tmp_path / "forecasts.parquet", index=False)
    found = stored_forecasts(
        pd.read_parquet(tmp_path / "forecasts.parquet"), FORECASTS.timestamps, FORECASTS.symbols, 1
    )
    again = forecast_table(found, np.zeros_like(MEAN))
    pd.testing.assert_frame_equal(again, TABLE)


@pytest.mark.parametrize("symbols", [(), ("elsewhere",)])
def test_symbols_that_the_run_did_not_have_are_empty_columns(symbols):
    assert np.isnan(stored_forecasts(TABLE, BARS.timestamps, symbols, 1).mean).all()
