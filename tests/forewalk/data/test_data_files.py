"""Reading csv and parquet: what is understood, and one clear error for what is not."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewalk.data.formats import containers
from forewalk.data.loading import load_bars
from forewalk.data.sources.files import read_files
from forewalk.errors import EXIT_DATA, DataError
from forewalk.settings.sections import DataSettings

HEADER = "Date,Open,High,Low,Close,Adj Close,Volume"
ROWS = "2020-01-02,10,12,9,11,5.5,100\n2020-01-03,11,13,10,12,6,200\n"


def write(folder: Path, text: str | bytes, name: str = "AAA.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(path: Path, source: str = "csv", **changes):
    return load_bars(DataSettings(**{"source": source, "path": path, "min_history_bars": 1, **changes}))


def rows_of(path: Path, source: str = "csv", symbols=(), **changes):
    return read_files(DataSettings(**{"source": source, "path": path, "symbols": symbols, **changes}))


def refused(path: Path, source: str = "csv", symbols=(), **changes) -> str:
    with pytest.raises(DataError) as caught:
        rows_of(path, source, symbols, **changes)
    assert caught.value.exit_code == EXIT_DATA
    return str(caught.value)


def test_a_yahoo_file_is_adjusted_to_total_return_and_says_so(tmp_path):
    bars, report = load(write(tmp_path, f"{HEADER}\n{ROWS}"))
    assert bars.symbols == ("AAA",)
    assert [bars.open[0, 0], bars.high[0, 0], bars.low[0, 0], bars.close[0, 0]] == [5, 6, 4.5, 5.5]
    assert bars.volume[0, 0] == 100
    assert report.adjusted == ("AAA",)


@pytest.mark.parametrize(
    "header",
    [
        "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits,Capital Gains",
        "datetime,open,high,low,close,volume,openinterest,a,b",
        "TIMESTAMP, OPEN ,HIGH,LOW,CLOSE,VOLUME,x,y,z",
        "time_ny;open;high;low;close;vol;x;y;z",
        ",open,high,low,close,volume,x,y,z",
    ],
)
def test_headers_of_many_makers_are_understood(header, tmp_path):
    mark = ";" if ";" in header else ","
    row = mark.join(["2020-01-02", "10", "12", "9", "11", "100", "0", "0", "0"])
    bars, _ = load(write(tmp_path, f"{header}\n{row}\n"))
    assert bars.close.tolist() == [[11.0]]


@pytest.mark.parametrize(
    "stamp", ["2020-01-02", "20200102", "2020/01/02", "2020-01-02 00:00:00", "2020-01-02T00:00"]
)
def test_a_date_without_a_zone_is_the_exchanges_session(stamp, tmp_path):
    bars, _ = load(write(tmp_path, f"date,open,high,low,close,volume\n{stamp},1,1,1,1,1\n"))
    assert bars.timestamps[0] == pd.Timestamp("2020-01-02 21:00", tz="UTC")


def test_daily_stamps_with_a_zone_count_as_dates_of_their_own_zone_across_daylight_saving(tmp_path):
    rows = "2020-03-06 00:00:00-05:00,1,1,1,1,1\n2020-03-09 00:00:00-04:00,1,1,1,1,1\n"
    bars, report = load(write(tmp_path, f"Datetime,Open,High,Low,Close,Volume\n{rows}"))
    assert [f"{stamp:%Y-%m-%d %H}" for stamp in bars.timestamps] == ["2020-03-06 21", "2020-03-09 20"]
    assert not report.findings


@pytest.mark.parametrize("zone", ["-05:00", "-0500", "-05", " -05:00"])
def test_intraday_stamps_are_starts_and_close_at_the_sessions_close_at_the_latest(zone, tmp_path):
    rows = "".join(f"2020-01-02 {clock}{zone},1,1,1,1,1\n" for clock in ("09:30:00", "14:30:00", "15:30:00"))
    bars, _ = load(write(tmp_path, f"Datetime,Open,High,Low,Close,Volume\n{rows}"), interval="1h")
    assert [f"{stamp:%H:%M}" for stamp in bars.timestamps] == ["15:30", "20:30", "21:00"]


def test_date_and_time_may_be_two_columns(tmp_path):
    text = "Date,Time,Open,High,Low,Close,Volume\n2020-01-02,14:30:00+00:00,1,1,1,1,1\n"
    write(tmp_path, text)
    assert f"{load(tmp_path / 'AAA.csv', interval='1h')[0].timestamps[0]:%H:%M}" == "15:30"


def test_a_long_file_keeps_the_order_asked_for(tmp_path):
    text = "ticker,date,open,high,low,close,volume\nAAA,2020-01-02,1,1,1,1,1\nBBB,2020-01-02,2,2,2,2,1\n"
    bars, _ = load(write(tmp_path, text, "prices.csv"), symbols=("BBB", "AAA"))
    assert bars.symbols == ("BBB", "AAA")
    assert bars.close.tolist() == [[2.0, 1.0]]


def test_a_folder_has_one_file_per_symbol(tmp_path):
    for symbol in ("AAA", "BRK-B", "^GSPC"):
        write(tmp_path, f"{HEADER}\n{ROWS}", f"{symbol}.csv")
    write(tmp_path, "not read", "notes.md")
    assert load(tmp_path)[0].symbols == ("AAA", "BRK-B", "^GSPC")
    assert load(tmp_path, symbols=("^GSPC",))[0].symbols == ("^GSPC",)


def test_tickers_that_look_like_nothing_are_still_tickers(tmp_path):
    rows = "".join(f"{name},2020-01-02,1,1,1,1,1\n" for name in ("NA", "NAN", "NULL", "TRUE", "0700"))
    table = rows_of(write(tmp_path, f"symbol,date,open,high,low,close,volume\n{rows}"))
    assert table.symbols == ("NA", "NAN", "NULL", "TRUE", "0700")


def test_a_missing_symbol_is_named_with_the_nearest_one(tmp_path):
    text = "symbol,date,open,high,low,close,volume\nMSFT,2020-01-02,1,1,1,1,1\n"
    message = refused(write(tmp_path, text), symbols=("MSTF",))
    assert "no symbol 'MSTF'" in message
    assert "did you mean MSFT?" in message


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    bars, _ = load(write(tmp_path, b"\xef\xbb\xbf" + f"{HEADER}\n{ROWS}".encode()))
    assert len(bars) == 2


def test_blank_lines_are_skipped_and_still_counted(tmp_path):
    assert len(rows_of(write(tmp_path, f"{HEADER}\n\n{ROWS}\n\n"))) == 2
    assert "line 5" in refused(write(tmp_path, f"{HEADER}\n\n{ROWS}soon,1,1,1,1,1,1\n"))


def test_a_truncated_last_line_is_a_bar_with_missing_prices(tmp_path):
    _, report = load(write(tmp_path, f"{HEADER}\n{ROWS}2020-01-06,12"))
    assert report.of_kind("non_finite")[0].count == 1


def test_an_adjusted_close_that_is_no_number_makes_its_row_non_finite(tmp_path):
    _, report = load(write(tmp_path, f"{HEADER}\n{ROWS}2020-01-06,10,12,9,11,-inf,100\n"))
    assert report.of_kind("non_finite")[0].count == 1


def test_a_file_without_volume_has_volume_zero_and_says_so(tmp_path):
    bars, report = load(write(tmp_path, "date,open,high,low,close\n2020-01-02,1,1,1,1\n"))
    assert bars.volume[0, 0] == 0
    assert report.of_kind("no_volume")


BROKEN = {
    "empty": (b"", "the file is empty"),
    "header only": (HEADER, "a header and no rows"),
    "no close": (
        "date,open,high,low,volume\n2020-01-02,1,1,1,1\n",
        "no column close; the columns are 'date'",
    ),
    "no date": (f"Open,High,Low,Close\n{ROWS}", "line 2: 7 cells below 4 names"),
    "twice": ("date,open,high,low,close,close\n2020-01-02,1,1,1,1,1\n", "column 'close' is there 2 times"),
    "no number": (f"{HEADER}\n{ROWS}2020-01-06,1,1,1,oops,1,1\n", "line 4: close = 'oops' is no number"),
    "thousands or decimals": (
        'date,open,high,low,close\n2020-01-06,1,1,1,"1,234"\n',
        "'1,234' can be 1234 (a comma between thousands) or 1.234 (a decimal comma); say which: data.decimal",
    ),
    "formula": (f"{HEADER}\n{ROWS}2020-01-06,=1+1,1,1,1,1,1\n", "line 4: open = '=1+1' is no number"),
    "no stamp": (
        f"{HEADER}\n{ROWS}yesterday,1,1,1,1,1,1\n",
        "line 4: 'yesterday' is no date; write YYYY-MM-DD",
    ),
    "american date": (
        f"{HEADER}\n01/02/2020,1,1,1,1,1,1\n",
        "'01/02/2020' can be 2020-02-01 or 2020-01-02, and no other row decides; say which: data.date_format",
    ),
    "digits": (f"{HEADER}\n1577923,1,1,1,1,1,1\n", "which is no date"),
    "year 20": (f"{HEADER}\n0020-01-02,1,1,1,1,1,1\n", "line 2: '0020-01-02' is no date"),
    "too many cells": (f"{HEADER}\n{ROWS}2020-01-06,1,1,1,1,1,1,1,1\n", "line 4"),
    "nul": (f"{HEADER}\n{ROWS}2020-01-06,1,1\0,1,1,1,1\n", "line 4: a NUL byte"),
    "old Mac": (f"{HEADER}\r{ROWS}", "line 1: a carriage return without line feed"),
    "half of utf-16": (f"{HEADER}\n{ROWS}".encode("utf-16")[:-1], "damaged UTF-16 text"),
    "latin-1": (
        f"{HEADER}\n{ROWS}2020-01-06,1,1,1,1,1,\xe9\n".encode("latin-1"),
        "line 4: volume = 'é' is no number",
    ),
    "binary": (bytes(range(1, 256)) * 9, "AAA.csv"),
    "a million columns": (",".join(["x"] * 10**5) + "\n", "100000 columns, at most 20000"),
    "a huge header": ("x" * (2**20 + 1), "longer than 1048576 bytes"),
    "formula as symbol": ("symbol,date,open,high,low,close\n=cmd(),2020-01-02,1,1,1,1\n", "line 2: '=cmd()'"),
    "path as symbol": ("symbol,date,open,high,low,close\n../AAA,2020-01-02,1,1,1,1\n", "line 2: '../AAA'"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_one_error_with_file_line_and_remedy(what, tmp_path):
    content, message = BROKEN[what]
    path = write(tmp_path, content)
    found = refused(path)
    assert message in found
    assert str(path) in found
    assert "\n" not in found


def test_a_file_over_the_size_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "MAX_BYTES", 10)
    assert "at most 10 are read" in refused(write(tmp_path, f"{HEADER}\n{ROWS}"))


def test_a_path_that_is_not_there_is_named(tmp_path):
    assert "no such file or folder; give another data.path" in refused(tmp_path / "nowhere.csv")


def test_a_folder_without_files_says_which_ending_is_missing(tmp_path):
    write(tmp_path, "nothing", "README.md")
    assert "no price file in this folder" in refused(tmp_path, "parquet")


def test_one_bad_symbol_costs_that_symbol(tmp_path):
    rows = "A,2020-01-02,1,1,1,1\n,2020-01-02,1,1,1,1\n../B,2020-01-02,1,1,1,1\n"
    bars, report = load(write(tmp_path, f"symbol,date,open,high,low,close\n{rows}"))
    assert bars.symbols == ("A",)
    assert set(report.refused) == {"", "../B"}
    assert "line 4" in report.refused["../B"]


def test_a_number_that_is_none_costs_its_symbol_only_and_only_if_asked_for(tmp_path):
    rows = "A,2020-01-02,1,1,1,1\nB,2020-01-02,1,1,1,oops\n"
    path = write(tmp_path, f"symbol,date,open,high,low,close\n{rows}")
    assert load(path)[1].refused == {"B": f"{path} line 3: close = 'oops' is no number; write it like 1234.5"}
    assert load(path, symbols=("A",))[1].refused == {}


def test_a_symbol_column_counts_more_than_the_name_of_the_file(tmp_path):
    write(tmp_path, "symbol,date,open,high,low,close\nBBB,2020-01-02,1,1,1,1\n")
    assert load(tmp_path)[0].symbols == ("BBB",)


def test_a_file_that_names_no_symbol_answers_to_the_one_asked_for_else_to_its_own_name(tmp_path):
    path = write(tmp_path, f"{HEADER}\n{ROWS}", "my prices.csv")
    assert rows_of(path, "csv", ("AAA",)).symbols == ("AAA",)
    assert rows_of(path, "csv", symbol="BBB").symbols == ("BBB",)
    table = rows_of(path)
    assert table.symbols == ("my",)
    other = rows_of(write(tmp_path, f"{HEADER}\n{ROWS}", "HistoricalData_1600000000.csv"))
    assert "data.symbol names it" in " ".join(other.understood.notes)


@pytest.mark.parametrize(
    "symbol",
    ["../etc", "/abs", "A/../B", "A\\B", "..", ".", "", " A", "A" * 65, "a\n", "AAA;", "<script>", "A//B"],
)
def test_symbols_asked_for_can_be_no_paths(symbol, tmp_path):
    write(tmp_path, f"{HEADER}\n{ROWS}")
    assert "is no symbol" in refused(tmp_path, symbols=(symbol,))


def parquet(folder: Path, name: str = "AAA.parquet", **columns) -> Path:
    base = {
        "date": ["2020-01-02", "2020-01-03"],
        **{f: [1.5, 2.5] for f in ("open", "high", "low", "close", "volume")},
    }
    frame = pd.DataFrame({**base, **columns})
    frame.to_parquet(folder / name)
    return folder / name


@pytest.mark.parametrize(
    "dates",
    [
        pd.to_datetime(["2020-01-02", "2020-01-03"]).date,
        pd.to_datetime(["2020-01-02", "2020-01-03"]),
        pd.to_datetime(["2020-01-02", "2020-01-03"]).tz_localize("America/New_York"),
        pd.to_datetime(["2020-01-02", "2020-01-03"]).tz_localize("Asia/Tokyo"),
        [20200102, 20200103],
    ],
)
def test_parquet_dates_of_every_type_are_sessions(dates, tmp_path):
    bars, _ = load(parquet(tmp_path, date=dates), "parquet")
    assert [f"{stamp:%Y-%m-%d %H}" for stamp in bars.timestamps] == ["2020-01-02 21", "2020-01-03 21"]


def test_parquet_with_an_index_of_dates_is_understood(tmp_path):
    frame = pd.DataFrame(
        {f: [1.0] for f in ("open", "high", "low", "close")}, index=pd.to_datetime(["2020-01-02"])
    )
    frame.to_parquet(tmp_path / "AAA.parquet")
    assert len(load(tmp_path / "AAA.parquet", "parquet")[0]) == 1


def test_parquet_floats_of_32_bits_are_read_as_64(tmp_path):
    bars, _ = load(
        parquet(tmp_path, close=np.array([1.1, 1.2], np.float32)),
        "parquet",
        cleaning={"impossible_range": "flag"},
    )
    assert bars.close[0, 0] == np.float64(np.float32(1.1))


def test_a_parquet_file_that_is_none_is_one_error(tmp_path):
    assert "no readable Parquet file" in refused(write(tmp_path, b"PAR1 nonsense", "AAA.parquet"), "parquet")


def test_a_parquet_file_that_unpacks_beyond_the_limit_is_not_read(tmp_path, monkeypatch):
    path = parquet(
        tmp_path,
        date=["2020-01-02"] * 10**5,
        **{f: [0.0] * 10**5 for f in ("open", "high", "low", "close", "volume")},
    )
    monkeypatch.setattr(containers, "MAX_UNPACKED_BYTES", 10**5)
    assert "bytes unpacked" in refused(path, "parquet")


def test_a_parquet_stamp_that_is_none_is_named_with_its_row(tmp_path):
    assert "row 2" in refused(parquet(tmp_path, date=["2020-01-02", "soon"]), "parquet")


def test_a_parquet_price_that_is_text_is_named_with_its_row(tmp_path):
    assert "row 2: close = 'x' is no number" in refused(parquet(tmp_path, close=["1.5", "x"]), "parquet")


PIECES = (
    b"",
    b",",
    b"\n",
    b'"',
    b"\r",
    b"\0",
    b"-inf",
    b"1e999",
    b"\xff",
    b"=",
    b"9" * 30,
    b"2020-01-02",
    b"+05:00",
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_bytes_the_answer_is_bars_or_one_data_error(data, tmp_path):
    content = bytearray(f"symbol,{HEADER}\nA,{ROWS.replace(chr(10), chr(10) + 'B,', 1)}".encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 12))
        piece = data.draw(
            st.sampled_from(
                [b"", b",", b"\n", b'"', b"\r", b"\0", b"-inf", b"1e999", b"\xff", b"=", b"9" * 30]
            )
        )
        content[at : at + cut] = piece
    path = write(tmp_path, bytes(content), "prices.csv")
    with contextlib.suppress(DataError):
        load(path)
