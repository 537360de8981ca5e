"""Currency files: bid and ask, Sundays, and the day that the vendor's bars are of."""

import numpy as np
import pandas as pd
import pytest

from forewalk.data.loading import load_bars
from forewalk.sessions import session_closes
from forewalk.settings.loading import settings_from

HOURS = ["2015-02-01 22:00", "2015-05-01 20:00"]  # Sunday evening to Friday evening, UTC


def hourly(seed=1):
    """Quotes at every hour that the market is open, mid and spread, indexed by UTC start."""
    index = pd.date_range(*HOURS, freq="h", tz="UTC")
    new_york = index.tz_convert("America/New_York")
    day, hour = new_york.dayofweek, new_york.hour
    index = index[~((day == 5) | ((day == 4) & (hour >= 17)) | ((day == 6) & (hour < 17)))]
    random = np.random.default_rng(seed)
    mid = 1.2 * np.exp(np.cumsum(random.normal(0, 1e-3, len(index))))
    return pd.DataFrame({"mid": mid, "spread": random.uniform(1e-4, 3e-4, len(index))}, index=index)


def daily(quotes, starts):
    """Bid and ask bars of the days that begin at `starts`."""
    number = starts.searchsorted(quotes.index, side="right") - 1
    by = quotes.groupby(starts[number])
    opened = by.first()
    half = opened["spread"] / 2
    frame = pd.DataFrame(index=opened.index)
    for name, mid in {
        "open": opened["mid"],
        "high": by["mid"].max(),
        "low": by["mid"].min(),
        "close": by["mid"].last(),
    }.items():
        frame[f"bid_{name}"], frame[f"ask_{name}"] = mid - half, mid + half
    return frame


def read(tmp_path, frame, **data):
    frame.rename_axis("time").reset_index().assign(symbol="EURUSD").to_csv(tmp_path / "fx.csv", index=False)
    tree = {"source": "files", "path": str(tmp_path / "fx.csv"), "market": "forex", "min_history_bars": 20}
    return load_bars(settings_from({"data": {**tree, **data}}).data)


def midnights(zone, shift_hours=0):
    days = pd.date_range("2015-02-01", "2015-05-02", tz=zone) + pd.Timedelta(hours=shift_hours)
    return days.tz_convert("UTC")


VENDORS = {
    "midnight in UTC": (midnights("UTC"), "FX@UTC"),
    "midnight at UTC-5, in summer too": (midnights("Etc/GMT+5"), "FX@Etc/GMT+5"),
    "midnight in London": (midnights("Europe/London"), "FX@Europe/London"),
    "22:00 UTC, in summer too": (midnights("Etc/GMT-2"), "FX@Etc/GMT-2"),
    "17:00 in New York": (midnights("America/New_York", -7), "FX"),
}


@pytest.mark.parametrize(("starts", "calendar"), VENDORS.values(), ids=VENDORS)
def test_a_daily_bar_is_dated_when_the_day_of_its_vendor_is_over(tmp_path, starts, calendar):
    quotes = hourly()
    bars, _ = read(tmp_path, daily(quotes, starts))
    assert bars.calendar == calendar
    ends = pd.DatetimeIndex(bars.timestamps)
    for row, end in enumerate(ends[1:], 1):  # a bar holds what was quoted from the end of the one before
        own = quotes[(quotes.index >= ends[row - 1]) & (quotes.index < end)]
        assert bars.close[row, 0] == pytest.approx(own["mid"].iloc[-1], rel=1e-12)
        assert bars.open[row, 0] == pytest.approx(own["mid"].iloc[0], rel=1e-12)
        assert bars.high[row, 0] == pytest.approx(own["mid"].max(), rel=1e-12)
        assert bars.extras["spread"][row, 0] == pytest.approx(own["spread"].iloc[0], rel=1e-9)
    assert set(ends.tz_convert("UTC").dayofweek) <= {0, 1, 2, 3, 4, 5}
    dates = pd.bdate_range("2015-02-02", "2015-05-01")
    pd.testing.assert_index_equal(ends, session_closes(calendar, dates), check_names=False)


def test_sunday_bars_of_dates_without_a_zone_are_joined_and_reported(tmp_path):
    frame = daily(hourly(), midnights("UTC"))
    frame.index = frame.index.tz_localize(None).strftime("%Y-%m-%d")
    bars, report = read(tmp_path, frame)
    assert bars.calendar == "FX"
    assert set(bars.timestamps.tz_convert("America/New_York").dayofweek) == {0, 1, 2, 3, 4}
    (note,) = [finding for finding in report.findings if finding.kind == "sundays"]
    assert note.count == 13


def test_a_bid_above_the_ask_is_no_gift(tmp_path):
    frame = daily(hourly(), midnights("UTC"))
    frame.iloc[7, [0, 1]] = frame.iloc[7, [1, 0]]
    bars, report = read(tmp_path, frame)
    assert (bars.extras["spread"][np.isfinite(bars.close)] >= 0).all()
    assert any("1 bars open with the bid above the ask" in note for note in report.understood.notes)
