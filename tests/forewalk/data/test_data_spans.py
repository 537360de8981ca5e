"""Stamps without a zone, spans of dates, and the report of a cleaning."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from dirty_tables import NAN, closes

from forewalk.data.cleaning.rules import clean
from forewalk.data.table import NO_TIME, concatenate
from forewalk.errors import ConfigError, DataError
from forewalk.sessions import microseconds
from forewalk.settings.sections import DataSettings
from helpers.data_tables import daily, make_table

NINE_THIRTY = pd.date_range("2020-01-02 09:30", periods=3, freq="h")


def hourly(policy: str = "refuse", **changes) -> DataSettings:
    cleaning = {"zoneless_timestamps": policy}
    return DataSettings(interval="1h", min_history_bars=1, cleaning=cleaning, **changes)


def test_intraday_stamps_without_a_zone_refuse_the_file_with_line_and_remedy():
    with pytest.raises(DataError, match=r"prices.csv line 2: .*no time zone.*zoneless_timestamps = 'repair'"):
        clean(make_table([1, 1.1, 1.2], dates=NINE_THIRTY), hourly())


@pytest.mark.parametrize("policy", ["repair", "flag"])
def test_intraday_stamps_without_a_zone_can_be_read_in_the_exchanges_zone(policy):
    bars, report = clean(make_table([1, 1.1, 1.2], dates=NINE_THIRTY), hourly(policy))
    assert bars.timestamps[0] == pd.Timestamp("2020-01-02 15:30", tz="UTC")  # start 14:30 plus one hour
    assert report.of_kind("zoneless_timestamps")[0].count == 3


def test_intraday_stamps_without_a_zone_can_be_dropped():
    table = make_table([1, 1.1, 1.2], dates=NINE_THIRTY)
    instant = np.array([NO_TIME, *microseconds((NINE_THIRTY + pd.Timedelta(hours=5)).tz_localize("UTC"))[1:]])
    bars, _ = clean(replace(table, instant=instant), hourly("drop"))
    assert bars.close[:, 0].tolist() == [1.1, 1.2]


def test_an_hour_that_daylight_saving_repeats_is_dropped_and_reported():
    dates = pd.DatetimeIndex(["2020-11-01 00:30", "2020-11-01 01:30", "2020-11-02 10:30"])
    settings = hourly("repair", calendar="CMES")
    _, report = clean(make_table([1, 2, 3], dates=dates), settings)
    assert sorted(f.action for f in report.of_kind("zoneless_timestamps")) == ["dropped", "repaired"]


def test_a_symbol_with_too_little_history_is_refused_but_keeps_its_bars():
    pair = concatenate([make_table(np.full(9, 10.0), "AAA"), make_table([5, 6], "BBB")])
    bars, report = clean(pair, daily(least=5))
    assert bars.symbols == ("AAA", "BBB")
    assert report.refused == {"BBB": "BBB: 2 bars, at least 5 are needed (data.min_history_bars)"}


def test_when_every_symbol_is_refused_the_error_says_what_cleaning_found():
    with pytest.raises(DataError, match=r"AAA: 0 bars.*non_finite dropped"):
        clean(make_table([NAN, NAN]), daily())


def test_start_and_end_are_both_included():
    settings = daily().model_copy(update={"start": "2020-01-03", "end": "2020-01-07"})
    bars, _ = clean(make_table([11, 12, 13, 14, 15]), settings)
    assert bars.close[:, 0].tolist() == [12, 13, 14]


def test_a_start_on_a_weekend_means_the_next_session():
    bars, _ = clean(make_table([11, 12, 13, 14, 15]), daily().model_copy(update={"start": "2020-01-04"}))
    assert bars.close[:, 0].tolist() == [13, 14, 15]


def test_a_span_without_bars_says_where_the_data_lies():
    settings = daily().model_copy(update={"start": "2021-01-01"})
    with pytest.raises(DataError, match="from 2020-01-02 to 2020-01-08"):
        clean(make_table([1, 2, 3, 4, 5]), settings)


def test_a_start_that_is_no_date_is_a_setting_to_correct():
    with pytest.raises(ConfigError, match=r"data.start = 'soon': write a date"):
        clean(make_table([1, 2]), daily().model_copy(update={"start": "soon"}))


def test_the_report_is_json_and_its_summary_names_every_kind():
    table = make_table([10, NAN, 12, 600, 12, 12], volume=[-1, 1, 1, 1, 1, 1])
    _, report = clean(table, daily())
    assert json.loads(json.dumps(report.to_dict()))["findings"][0]["symbol"] == "AAA"
    text = "\n".join(report.summary_lines())
    for kind in {finding.kind for finding in report.findings}:
        assert kind in text


def test_times_of_a_finding_are_those_of_its_first_and_last_bar():
    _, report = closes(make_table([10, NAN, 12, NAN, 12]))
    (finding,) = report.of_kind("non_finite")
    assert finding.first == pd.Timestamp("2020-01-03 21:00", tz="UTC")
    assert finding.last == pd.Timestamp("2020-01-07 21:00", tz="UTC")
