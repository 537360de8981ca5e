"""`forewalk data`: what a file is understood to be, as one object, as a page, as a clean file."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from engine.cli.app import app, main
from forewalk.data.loading import load_bars
from forewalk.errors import EXIT_DATA
from forewalk.settings.sections import DataSettings
from helpers.foreign_files import FILES, PLAIN, F

KEYS = [
    "format",
    "source",
    "interval",
    "interval_inferred",
    "calendar",
    "zone",
    "stamp",
    "adjusted",
    "rows",
    "symbols",
    "warnings",
]
ENTRY = ["rows", "first", "last", "first_close", "last_close", "dropped", "repaired", "flags"]


def run(*arguments):
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def test_a_file_is_shown_as_one_object(tmp_path):
    foreign = FILES["nasdaq.com"]
    path = tmp_path / foreign.name
    path.write_bytes(foreign.content)
    done = run("check", path, "--symbols", "AAPL", "--json")
    assert done.exit_code == 0
    found = json.loads(done.output)
    assert list(found) == KEYS
    entry = found.pop("symbols")["AAPL"]
    assert list(entry) == ENTRY
    assert found == {
        "format": "nasdaq.com", "source": "files", "interval": "1d", "interval_inferred": True, "calendar": "XNYS",
        "zone": "America/New_York", "stamp": "session date", "adjusted": True, "rows": 300, "warnings": [],
    }  # fmt: skip
    assert (entry["first"], entry["last"]) == (f"{F.index[0]:%Y-%m-%d}", f"{F.index[-1]:%Y-%m-%d}")
    assert (entry["first_close"], entry["last_close"]) == (F["close"].iloc[0], F["close"].iloc[-1])


@pytest.mark.parametrize(
    ("content", "error", "remedy"),
    [
        (b"Date,Close\n01/02/2020,1\n02/03/2020,2\n", "can be 2020-02-01 or 2020-01-02", "data.date_format"),
        (b"Date,Open,High,Low\n2020-01-02,1,1,1\n", "no column close", "data.columns.close"),
        (None, "no such file or folder", "give another data.path"),
        (b"", "the file is empty", "docs/data.md"),
    ],
)
def test_what_cannot_be_used_is_the_same_object_with_error_and_remedy(content, error, remedy, tmp_path):
    path = tmp_path / "AAPL.csv"
    if content is not None:
        path.write_bytes(content)
    done = run("check", path, "--json")
    assert done.exit_code == EXIT_DATA
    found = json.loads(done.output)
    asked = ["question"] if "can be" in error else []  # what can be read in two ways is asked about
    assert list(found) == [*KEYS, "error", "remedy", *asked]
    assert error in found["error"]
    assert remedy in found["remedy"]


def test_the_page_has_a_picture_of_each_series_and_fetches_nothing(tmp_path):
    (tmp_path / "<b>AAPL.csv").write_bytes(PLAIN)
    done = run("check", tmp_path / "<b>AAPL.csv", "--symbols", "AAPL&M", "--out", tmp_path / "look.html")
    assert done.exit_code == 0
    page = (tmp_path / "look.html").read_text()
    assert page.count("<svg") == 1
    assert "AAPL&amp;M" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<b>AAPL" not in page


def test_a_converted_file_is_read_back_to_the_same_bars(tmp_path):
    foreign = FILES["yfinance, several"]
    path, out = tmp_path / foreign.name, tmp_path / "clean.parquet"
    path.write_bytes(foreign.content)
    assert run("convert", path, out).exit_code == 0
    first, again = (
        load_bars(DataSettings(source="files", path=p, min_history_bars=1))[0] for p in (path, out)
    )
    assert again.fingerprint == first.fingerprint
    assert run("convert", path, out).exit_code != 0


def test_one_symbol_is_one_symbol(tmp_path):
    (tmp_path / "AAPL.csv").write_bytes(PLAIN)
    assert "300 bars of 1 symbol\n" in run("check", tmp_path / "AAPL.csv").output


@pytest.mark.parametrize("written", [["A", "B"], ["A,", "B"], ["A", ",", "B"]])
@pytest.mark.parametrize("command", [["backtest"], ["forecast"], ["data", "check", "."]])
def test_symbols_with_a_space_between_them_are_answered_with_how_to_write_them(command, written, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--symbols", *written])
    assert ended.value.code in (2, 5)  # usage; `forecast` takes the second one for a run
    assert capsys.readouterr().err.rstrip().endswith("--symbols A,B")


def test_a_usage_error_about_something_else_says_nothing_about_symbols(capsys):
    with pytest.raises(SystemExit):
        main(["data", "check", ".", "--symbols", "A,B", "--nonsense"])
    assert "hint: --symbols" not in capsys.readouterr().err
