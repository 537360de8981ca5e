"""Files of people who had something else in mind: what cannot be told is asked, what no market made is refused."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pandas as pd
import pytest

from forewalk.data.checking import check
from forewalk.data.loading import load_bars
from forewalk.data.meaning.doubts import refuse_future
from forewalk.errors import DataError
from forewalk.sessions import microseconds, sessions_between
from forewalk.settings.sections import DataSettings
from helpers.foreign_files import F

HEAD = "Date,Open,High,Low,Close,Volume"
ROWS = [
    ",".join(
        [
            f"{day:%Y-%m-%d}",
            *(f"{row[name]:.2f}" for name in ("open", "high", "low", "close")),
            str(int(row["volume"])),
        ]
    )
    for day, row in F.iterrows()
]


def settings_of(folder, content, name="prices.csv", **changes):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DataSettings(**{"source": "files", "path": path, "min_history_bars": 1, **changes})


def with_dates(write, head=HEAD):
    return "\n".join(
        [head, *(",".join([write(day), *row.split(",")[1:]]) for day, row in zip(F.index, ROWS, strict=True))]
    )


@pytest.mark.parametrize(
    "units", ["(ET),(USD),(USD),(USD),(USD),(shares)", ",$,$,$,$,shares", ",USD,USD,USD,USD,"]
)
def test_a_row_of_units_below_the_header_names_no_symbol(tmp_path, units):
    bars, _ = load_bars(settings_of(tmp_path, "\n".join([HEAD, units, *ROWS]), "AAPL.csv"))
    assert bars.symbols == ("AAPL",)
    np.testing.assert_allclose(bars.close[:, 0], F["close"])
    np.testing.assert_allclose(bars.volume[:, 0], F["volume"])


def test_weekends_that_repeat_fridays_close_are_no_market_that_never_closes(tmp_path):
    days = sessions_between("XNYS", "2020-01-02", "2020-06-30")
    close = pd.Series(100 + np.arange(len(days)) % 7, days).resample("D").ffill()
    text = "\n".join(["Date,Close", *(f"{day:%Y-%m-%d},{value}" for day, value in close.items())])
    with pytest.raises(DataError, match=r"filled in and not traded; .*data.calendar = '24/7'"):
        load_bars(settings_of(tmp_path, text))
    told, _ = load_bars(settings_of(tmp_path, text, calendar="24/7"))
    assert len(told) == len(close)


def test_a_coin_that_trades_on_weekends_is_left_alone(tmp_path):
    days = pd.date_range("2020-01-01", periods=120)
    text = "\n".join(
        ["Date,Close", *(f"{day:%Y-%m-%d},{100 + number % 5}" for number, day in enumerate(days))]
    )
    assert load_bars(settings_of(tmp_path, text))[0].calendar == "24/7"


def test_days_that_are_still_to_come_are_a_date_read_wrongly():
    walls = [microseconds(pd.DatetimeIndex(["2062-03-01"]))]
    with pytest.raises(DataError, match=r"2062-03-01, which is still to come.*data.date_format"):
        refuse_future(walls, "AAPL", pd.Timestamp("2026-01-01", tz="UTC"))
    refuse_future(walls, "AAPL", pd.Timestamp("2061-06-01", tz="UTC"))


@pytest.mark.parametrize(("decimal", "first"), [(None, None), (",", 7334.0), (".", 7.334)])
def test_a_point_before_three_digits_is_a_question_where_people_write_decimal_commas(
    tmp_path, decimal, first
):
    days = sessions_between("XNYS", "2020-01-02", "2020-03-31")
    text = "\n".join(
        ["Datum;Schluss", *(f"{day:%d.%m.%Y};7.{334 + number}" for number, day in enumerate(days))]
    )
    settings = settings_of(tmp_path, text, decimal=decimal)
    if decimal is None:
        with pytest.raises(DataError, match=r"'7.334' can be 7334 .* or 7.334 .*data.decimal = ',' or '.'"):
            load_bars(settings)
    else:
        assert load_bars(settings)[0].close[0, 0] == first


def test_three_decimals_are_decimals_where_nothing_speaks_for_commas(tmp_path):
    days = sessions_between("XNYS", "2020-01-02", "2020-03-31")
    text = "\n".join(
        ["Date,Close", *(f"{day:%Y-%m-%d},110.{334 + number}" for number, day in enumerate(days))]
    )
    assert load_bars(settings_of(tmp_path, text))[0].close[0, 0] == 110.334


def test_ticks_are_no_minutes_whatever_the_setting_says(tmp_path):
    moments = pd.date_range("2020-01-02 09:30", periods=500, freq="700ms")
    text = "\n".join(
        ["time,close", *(f"{at:%Y-%m-%d %H:%M:%S.%f},{100 + n % 3}" for n, at in enumerate(moments))]
    )
    with pytest.raises(DataError, match=r"500 stamps lie in 6 bars of 1min, so these are ticks"):
        load_bars(settings_of(tmp_path, text, interval="1min", zone="America/New_York"))


def archive():
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        content = "\n".join([HEAD, *ROWS]).encode()
        entry = tarfile.TarInfo("AAPL.csv")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "what", "remedy"),
    [
        ("prices.xls", b"<html><table><tr><td>Date</td></tr></table></html>", "a web page", "save it as CSV"),
        ("prices.db", b"SQLite format 3\0" + bytes(100), "an SQLite database", "export its table"),
        ("prices.pkl", b"\x80\x04\x95" + bytes(100), "a Python pickle", "export its table"),
        ("prices.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file", "export its table"),
        ("prices.pdf", b"%PDF-1.7 ...", "a PDF", "export its table"),
        ("prices.tar.gz", archive(), "a tar archive", "unpack it"),
    ],
)
def test_what_is_no_table_is_called_by_its_name(tmp_path, name, content, what, remedy):
    said = check(settings_of(tmp_path, content, name)).to_dict()
    assert what in said["error"]
    assert remedy in said["remedy"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Symbol,2020-01-02,2020-01-03,2020-01-06\nAAPL,1,2,3\nMSFT,1,2,3", "the dates stand side by side"),
        ("Year,Close\n1999,10\n2000,11", "'Year' holds '1999', which is no date"),
        (
            "Id,Open,High,Low,Close\nAAPL 2020-01-02,1,2,1,2\nAAPL 2020-01-03,1,2,1,2",
            "data.columns.date = 'Id'",
        ),
    ],
)
def test_a_table_without_dates_is_told_what_is_missing(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        load_bars(settings_of(tmp_path, text))


def test_the_day_of_the_year_is_read_where_the_format_says_so(tmp_path):
    text = with_dates(lambda day: f"{day:%Y%j}")
    with pytest.raises(DataError, match=r"'Date' holds '\d{7}', which is no date; .*data.date_format"):
        load_bars(settings_of(tmp_path, text))
    bars, _ = load_bars(settings_of(tmp_path, text, date_format="%Y%j"))
    assert [f"{close:%Y-%m-%d}" for close in bars.timestamps[[0, -1]]] == [
        f"{day:%Y-%m-%d}" for day in F.index[[0, -1]]
    ]


def test_the_day_and_the_year_around_a_month_in_letters_are_told_by_the_order_of_the_rows(tmp_path):
    assert load_bars(settings_of(tmp_path, with_dates(lambda day: f"{day:%d-%b-%y}")))[0].interval == "1d"
    text = with_dates(lambda day: f"{day:%y-%b-%d}")
    with pytest.raises(DataError, match=r"data.date_format = '%d-%b-%y' or '%y-%b-%d'"):
        load_bars(settings_of(tmp_path, text))
    assert (
        load_bars(settings_of(tmp_path, text, date_format="%y-%b-%d"))[0].timestamps[0].year
        == F.index[0].year
    )


@pytest.mark.parametrize("first", ["1904-01-01", "1960-01-01"])
def test_day_numbers_that_are_not_a_spreadsheets_are_not_taken_for_one(tmp_path, first):
    text = with_dates(lambda day: str((day - pd.Timestamp(first)).days))
    with pytest.raises(DataError, match=r"fall on Saturdays and on no Monday.*write YYYY-MM-DD"):
        load_bars(settings_of(tmp_path, text))


@pytest.mark.parametrize("zero", ["\uff10", "\u0660", "\u0966"])
def test_digits_of_other_scripts_are_digits(tmp_path, zero):
    digits = "".join(chr(ord(zero) + number) for number in range(10))
    text = "\n".join([HEAD, *(row.translate(str.maketrans("0123456789", digits)) for row in ROWS)])
    np.testing.assert_allclose(load_bars(settings_of(tmp_path, text))[0].close[:, 0], F["close"])


@pytest.mark.parametrize("name", ["AAPL_2018-{:02d}.csv", "AAPL-2018-{:02d}.csv", "AAPL_2018{:02d}.csv"])
def test_a_file_a_month_is_one_series(tmp_path, name):
    for month in sorted(set(F.index.month)):
        rows = [
            row for day, row in zip(F.index, ROWS, strict=True) if day.month == month and day.year == 2018
        ]
        if rows:
            (tmp_path / name.format(month)).write_text("\n".join([HEAD, *rows]))
    bars, _ = load_bars(DataSettings(source="files", path=tmp_path, min_history_bars=1))
    assert bars.symbols == ("AAPL",)
    assert len(bars) == sum(F.index.year == 2018)


def test_files_that_end_in_years_and_follow_each_other_are_a_question(tmp_path):
    half = len(ROWS) // 2
    for name, rows in (("AAPL2018.csv", ROWS[:half]), ("AAPL2019.csv", ROWS[half:])):
        (tmp_path / name).write_text("\n".join([HEAD, *rows]))
    with pytest.raises(DataError, match=r"pieces of AAPL or symbols of their own; name it AAPL_2018"):
        load_bars(DataSettings(source="files", path=tmp_path, min_history_bars=1))


@pytest.mark.parametrize("shape", ["rows", "dates"])
def test_json_with_a_key_for_each_symbol_keeps_them_apart(tmp_path, shape):
    frame = F[["open", "high", "low", "close", "volume"]].astype(float)
    dates = [f"{day:%Y-%m-%d}" for day in F.index]

    def of(scale):
        rows = (frame * scale).to_dict("records")
        if shape == "dates":
            return dict(zip(dates, rows, strict=True))
        return [{"date": day, **row} for day, row in zip(dates, rows, strict=True)]

    bars, _ = load_bars(settings_of(tmp_path, json.dumps({"AAPL": of(1.0), "MSFT": of(2.0)}), "quotes.json"))
    assert bars.symbols == ("AAPL", "MSFT")
    np.testing.assert_allclose(bars.close, F[["close", "close"]].to_numpy() * [1.0, 2.0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Symbol,Date,Close\nAAPL,2020-01-02,1\n,2020-01-03,2\n,2020-01-06,3",
         "line 3: no symbol in 'Symbol', as in 2 of 3"),
        ("Date,Hour,Close\n" + "\n".join(f"2020-01-{day:02d},{hour},1" for day in (2, 3, 6) for hour in (9, 10)),
         "'Hour' is a part of the time"),
        ("Date,Close\n2020-01-02,29,340.00\n2020-01-03,29,110.00\n2020-01-06,29,330.00",
         "line 2: 3 cells below 2 names"),
        ("AAPL,,MSFT,\nDate,Close,Date,Close\n2020-01-02,1,2020-01-02,2\n2020-01-03,1,2020-01-03,2",
         "column 'Date' is there 2 times"),
    ],
)  # fmt: skip
def test_what_would_lose_rows_or_thousands_without_a_word_is_refused(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        load_bars(settings_of(tmp_path, text))
