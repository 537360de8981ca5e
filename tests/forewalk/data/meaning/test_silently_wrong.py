"""Files that once loaded without a word and gave confident nonsense: read right now, or refused with the remedy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forewalk.data.loading import load_bars
from forewalk.errors import DataError
from forewalk.settings.sections import DataSettings
from helpers.price_files import history, hours, load

HEAD = "Date,Open,High,Low,Close,Volume"


def write(folder, frame, name="AAPL.csv", stamps=None, columns=("open", "high", "low", "close", "volume")):
    table = frame[list(columns)].copy()
    table.insert(0, "Date", frame.index.astype(str) if stamps is None else stamps)
    table.columns = [column.capitalize() for column in table.columns]
    table.to_csv(folder / name, index=False)
    return folder / name


def settings_of(path, **changes):
    return DataSettings(**{"source": "files", "path": path, "min_history_bars": 1, **changes})


def weekly(frame):
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return frame.groupby(frame.index.to_period("W-SUN")).agg(rules)


@pytest.mark.parametrize("how", ["first day", "Monday", "last session", "Friday", "Saturday"])
def test_weekly_bars_are_weekly_however_they_are_stamped(how, tmp_path):
    frame = history()
    weeks = weekly(frame)
    begin = weeks.index.start_time
    days = frame.index.to_series()
    groups = days.groupby(frame.index.to_period("W-SUN"))
    stamps = {
        "first day": groups.min(), "Monday": begin, "last session": groups.max(),
        "Friday": begin + pd.Timedelta(days=4), "Saturday": begin + pd.Timedelta(days=5),
    }[how]  # fmt: skip
    bars, report = load_bars(settings_of(write(tmp_path, weeks, stamps=pd.DatetimeIndex(stamps).astype(str))))
    assert bars.interval == "1wk"
    assert report.understood.interval_inferred
    last = [f"{d:%Y-%m-%d}" for d in groups.max()]
    assert [f"{t:%Y-%m-%d}" for t in bars.timestamps[:-1]] == last[:-1]  # the last week is not over
    assert bars.close[:, 0].tolist() == weeks["close"].tolist()
    assert any("1wk" in line for line in report.headlines())


def test_weekly_bars_stamped_on_sundays_are_a_question(tmp_path):
    weeks = weekly(history())
    path = write(tmp_path, weeks, stamps=(weeks.index.start_time - pd.Timedelta(days=1)).astype(str))
    with pytest.raises(DataError, match=r"the week that begins there or the one that ends there.*data.stamp"):
        load_bars(settings_of(path))
    begun = load_bars(settings_of(path, stamp="start"))[0]
    assert f"{begun.timestamps[0]:%Y-%m-%d}" == "2018-01-05"
    ended = load_bars(settings_of(path, stamp="end"))[0]
    assert f"{ended.timestamps[1]:%Y-%m-%d}" == "2018-01-05"


@pytest.mark.parametrize("how", ["first day", "first session", "last session", "last day"])
def test_monthly_bars_belong_to_the_last_session_of_their_month(how, tmp_path):
    frame = history(rows=900)
    month = frame.index.to_period("M")
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    months = frame.groupby(month).agg(rules)
    groups = frame.index.to_series().groupby(month)
    stamps = {
        "first day": months.index.start_time, "first session": groups.min(), "last session": groups.max(),
        "last day": months.index.end_time.normalize(),
    }[how]  # fmt: skip
    bars = load(write(tmp_path, months, stamps=pd.DatetimeIndex(stamps).astype(str)))
    assert bars.interval == "1mo"
    last = pd.DatetimeIndex(groups.max())
    assert [f"{t:%Y-%m-%d}" for t in bars.timestamps[:-1]] == [f"{d:%Y-%m-%d}" for d in last[:-1]]


def test_weekly_bars_said_to_be_daily_are_refused_with_the_setting(tmp_path):
    path = write(tmp_path, weekly(history()), stamps=weekly(history()).index.start_time.astype(str))
    with pytest.raises(
        DataError, match=r"data.interval = '1d', but the stamps are mostly 7 days apart.*'1wk'"
    ):
        load_bars(settings_of(path, interval="1d"))


def test_hourly_bars_are_hourly_without_being_told(tmp_path):
    frame = hours()
    bars, report = load_bars(settings_of(write(tmp_path, frame, stamps=frame.index.astype(str))))
    assert (bars.interval, len(bars)) == ("1h", len(frame))
    assert report.understood.stamp == "bar start"


@pytest.mark.parametrize("interval", ["1min", "1d", "30min"])
def test_hourly_bars_said_to_be_of_another_length_are_refused(interval, tmp_path):
    frame = hours()
    path = write(tmp_path, frame, stamps=frame.index.astype(str))
    with pytest.raises(DataError, match=r"mostly 60 minutes apart.*set data.interval = '1h'"):
        load_bars(settings_of(path, interval=interval))


def test_hours_and_days_in_one_file_are_refused(tmp_path):
    hour, day = hours(days=40), history(start="2019-01-02", rows=40)
    day.index = day.index.tz_localize("UTC") + pd.Timedelta(hours=14, minutes=30)
    both = pd.concat([hour, day])
    with pytest.raises(DataError, match="bars of several lengths one after the other: 1d, 1h"):
        load_bars(settings_of(write(tmp_path, both, stamps=both.index.astype(str))))


def test_a_column_of_timeframes_is_a_choice(tmp_path):
    hour, day = hours(days=40), history(start="2019-01-02", rows=40)
    day.index = day.index.tz_localize("UTC")
    both = pd.concat([hour.assign(timeframe="h1"), day.assign(timeframe="d1")])
    path = write(tmp_path, both, stamps=both.index.astype(str),
                 columns=("open", "high", "low", "close", "volume", "timeframe"))  # fmt: skip
    with pytest.raises(
        DataError, match=r"several lengths in one table \(1d, 1h, column 'Timeframe'\).*data.interval"
    ):
        load_bars(settings_of(path))
    assert len(load(path, interval="1h")) == len(hour)
    assert load(path, interval="1d").close[:, 0].tolist() == day["close"].tolist()


@pytest.mark.parametrize(
    "column",
    ["Name", "tic", "code", "stock", "asset", "instrument", "sym", "Ticker Symbol", "isin", "my_key"],
)
def test_the_symbols_of_a_long_file_are_found_whatever_their_column_is_called(column, tmp_path):
    frames = [history(seed=n).assign(**{column: name}) for n, name in enumerate(("AAA", "BBB", "NA"))]
    both = pd.concat(frames)
    both.insert(0, "date", both.index.astype(str))
    both.to_csv(tmp_path / "all.csv", index=False)
    bars = load(tmp_path / "all.csv")
    assert bars.symbols == ("AAA", "BBB", "NA")
    assert bars.close[:, 1].tolist() == frames[1]["close"].tolist()


def test_rows_that_repeat_a_date_without_anything_that_tells_them_apart_are_refused(tmp_path):
    both = pd.concat([history(seed=1), history(seed=2)]).sort_index()
    with pytest.raises(DataError, match=r"320 of 640 rows \(50.0%\) would be dropped.*data.where"):
        load_bars(settings_of(write(tmp_path, both)))


def test_raw_prices_end_at_a_split_that_nothing_explains_and_say_so_first(tmp_path):
    frame = history(rows=600)
    frame.loc[frame.index[400] :, ["open", "high", "low", "close"]] /= 7
    frame.loc[frame.index[400] :, "volume"] *= 7
    path = write(tmp_path, frame)
    bars, report = load_bars(settings_of(path))
    assert len(bars) == 400
    assert "Cut short at a jump close to a split ratio that nothing explains: AAPL" in report.headlines()[0]
    assert f"{frame.index[400]:%Y-%m-%d}" in report.headlines()[0]
    mended = load(path, cleaning={"split_like_jumps": "repair"})
    assert np.diff(np.log(mended.close[:, 0])) == pytest.approx(
        np.diff(np.log(history(rows=600)["close"])), abs=1e-12
    )


@pytest.mark.parametrize(
    ("calendar", "zone", "symbol"),
    [("XTKS", "Asia/Tokyo", "7203.T"), ("XLON", "Europe/London", "VOD.L"), ("XBOM", "Asia/Kolkata", "INFY.NS"),
     ("XASX", "Australia/Sydney", "BHP.AX"), ("XNYS", "America/New_York", "AAPL")],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_midnights_of_the_exchange_written_in_utc_keep_every_session(calendar, zone, symbol, named, tmp_path):
    frame = history(calendar, rows=500)
    stamps = frame.index.tz_localize(zone).tz_convert("UTC").astype(str)
    bars, report = load_bars(
        settings_of(write(tmp_path, frame, f"{symbol if named else 'PRICES1'}.csv", stamps))
    )
    assert len(bars) == 500
    assert bars.calendar == calendar
    local = bars.timestamps.tz_convert(zone)
    assert [f"{t:%Y-%m-%d}" for t in local] == [f"{d:%Y-%m-%d}" for d in frame.index]
    assert not report.of_kind("off_session")


def test_the_utc_midnight_of_an_eastern_market_written_in_its_own_zone_keeps_the_session(tmp_path):
    frame = history(rows=500)
    stamps = frame.index.tz_localize("UTC").tz_convert("America/New_York").astype(str)
    bars, report = load_bars(settings_of(write(tmp_path, frame, stamps=stamps)))
    assert [f"{t:%Y-%m-%d}" for t in bars.timestamps] == [f"{d:%Y-%m-%d}" for d in frame.index]
    assert report.understood.stamp == "UTC midnight"


@pytest.mark.parametrize("clock", ["open", "close"])
def test_daily_bars_stamped_with_the_open_or_close_of_the_session_keep_its_date(clock, tmp_path):
    frame = history("XTKS", rows=300)
    moved = frame.index.tz_localize("Asia/Tokyo") + pd.Timedelta(hours=9 if clock == "open" else 15)
    bars = load(write(tmp_path, frame, "7203.T.csv", moved.tz_convert("UTC").astype(str)))
    assert [f"{t:%Y-%m-%d}" for t in bars.timestamps] == [f"{d:%Y-%m-%d}" for d in frame.index]
