"""A small file that stands for a huge one is refused in words, within limits, and the process that asked lives on."""

import io
import json
import resource
import subprocess
import sys

import pandas as pd
import pytest

from forewalk.data.formats import probing
from forewalk.data.formats.containers import open_sheets, unpacking_at_most
from forewalk.data.formats.probing import unpacked_bytes
from forewalk.errors import DataError
from helpers.bombs import repeated, spreadsheet, zeros

MOST = 20_000_000
FAR = ((1, "A1", "date"), (1048576, "XFD1048576", 1))
BOMBS = {
    "text.parquet": repeated(100_000, 100_000),
    "known.parquet": repeated(100_000, 100_000, stored=True),
    "zeros.feather": zeros(5_000_000),
    "far.xlsx": spreadsheet(FAR),
    "wide.xlsx": spreadsheet(FAR, dimension="A1"),
    "liar.xlsx": spreadsheet(FAR, dimension="A1:B2"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_words_and_in_little_memory(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    assert len(BOMBS[name]) < MOST / 50
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        unpacking_at_most(MOST),
        pytest.raises(DataError, match=r"unpacked that are read at most|bytes unpacked, at most"),
    ):
        open_sheets(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10 * MOST / 1024


def prices(kind):
    frame = pd.DataFrame({"date": ["2020-01-02", "2020-01-03"], "close": [1.5, 2.5]})
    made = io.BytesIO()
    getattr(frame, f"to_{kind}")(made)
    return made.getvalue()


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_an_honest_file_is_read_as_ever(tmp_path, kind):
    path = tmp_path / f"prices.{kind}"
    path.write_bytes(prices(kind))
    with unpacking_at_most(MOST):
        (sheet,) = open_sheets(path)
    assert len(sheet.body) == 2


def test_a_spreadsheet_that_says_it_is_huge_and_is_not_is_read(tmp_path):
    cells = ((1, "A1", "date"), (1, "B1", "close"), (2, "A2", "2020-01-02"), (2, "B2", 1.5), (3, "B3", 2.5))
    path = tmp_path / "says.xlsx"
    path.write_bytes(spreadsheet(cells, dimension="A1:XFD1048576"))
    with unpacking_at_most(MOST):
        (sheet,) = open_sheets(path)
    assert len(sheet.body) <= 3


@pytest.mark.parametrize(
    ("content", "kind"), [(b"PAR1junk", "columnar"), (b"ARROW1", "columnar"), (b"PK", "spreadsheet")]
)
def test_a_damaged_file_is_no_bomb(content, kind):
    assert unpacked_bytes(content, kind, MOST) == 0


def test_who_reads_a_file_of_his_own_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(probing.subprocess, "run", None)
    path = tmp_path / "mine.parquet"
    path.write_bytes(prices("parquet"))
    assert len(open_sheets(path)) == 1


def test_the_process_may_use_only_so_much():
    code = (
        f"import runpy, resource, json; runpy.run_path({probing.__file__!r})['limits'](1_000_000);"
        "print(json.dumps([resource.getrlimit(each)[0] for each in (resource.RLIMIT_DATA, resource.RLIMIT_CORE)]))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [probing.BASE_BYTES + probing.TIMES * 1_000_000, 0]
