"""load_bars: one entry for every source."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from forewalk.data.loading import load_bars
from forewalk.errors import ConfigError, DataError
from forewalk.settings.sections import DataSettings


def test_the_sample_has_five_symbols_and_refuses_the_short_one():
    bars, report = load_bars(DataSettings())
    assert bars.symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    assert len(bars) == 3270
    assert report.refused == {"FB": "FB: 196 bars, at least 252 are needed (data.min_history_bars)"}
    assert bars.present[:, 1].sum() == 196


def test_the_sample_is_total_return_adjusted():
    bars, report = load_bars(DataSettings(symbols=("AAPL",)))
    assert bars.close[0, 0] == pytest.approx(4.186662803811)
    assert report.adjusted == ("AAPL",)
    returns = np.diff(np.log(bars.close[:, 0]))
    assert returns.min() > np.log(0.45)  # its splits are gone; the crash of September 2000 is real


def test_the_sample_loads_the_same_twice():
    assert load_bars(DataSettings())[0].fingerprint == load_bars(DataSettings())[0].fingerprint


def test_a_sample_symbol_misspelt_is_answered_with_the_nearest():
    with pytest.raises(DataError, match=r"no symbol 'APPL'; did you mean AAPL\?"):
        load_bars(DataSettings(symbols=("APPL",)))


def test_only_the_short_symbol_is_an_error():
    with pytest.raises(DataError, match="FB: 196 bars"):
        load_bars(DataSettings(symbols=("FB",)))


def test_start_and_end_cut_the_sample_to_sessions():
    bars, _ = load_bars(DataSettings(start="2005-01-01", end="2006-12-31"))
    assert (f"{bars.timestamps[0]:%Y-%m-%d}", f"{bars.timestamps[-1]:%Y-%m-%d}") == (
        "2005-01-03",
        "2006-12-29",
    )


def test_a_symbol_named_twice_is_a_setting_to_correct():
    with pytest.raises(ConfigError, match="AAPL more than once"):
        load_bars(DataSettings(symbols=("AAPL", "IBM", "AAPL")))


def test_an_unknown_calendar_is_a_setting_to_correct():
    with pytest.raises(ConfigError, match="did you mean"):
        load_bars(DataSettings(calendar="XNYSS"))


def test_a_wide_market_of_real_bars_loads_with_every_symbol(shared_folder):
    path = shared_folder / "market" / "equity_pit_unadjusted_daily_2015_2017.parquet"
    bars, report = load_bars(DataSettings(source="parquet", path=path))
    assert len(bars.symbols) == 1185
    assert set(report.refused) - set(bars.symbols) == {"FHB"}  # its first bars are in three units
    assert report.rows_read == 563_094 - 168
    assert report.bars_kept == bars.present.sum()
    assert 0 < len(report.refused) < 120


def test_an_index_from_1927_loads_from_its_first_session(shared_folder):
    path = shared_folder / "market" / "benchmark_index_daily.parquet"
    bars, _ = load_bars(DataSettings(source="parquet", path=path, symbols=("^GSPC",)))
    assert bars.timestamps[0] == pd.Timestamp("1927-12-30 21:00", tz="UTC")
    assert len(bars) > 24_000


def test_importing_the_loader_imports_no_network_library():
    heavy = "yfinance", "bokeh_sampledata", "pyarrow.parquet", "exchange_calendars"
    check = f"import sys, forewalk.data.loading; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
