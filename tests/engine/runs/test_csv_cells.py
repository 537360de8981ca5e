"""What a table's text is to a spreadsheet: shown, never run; and what it is when it is read again."""

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.cells import STARTS, as_written, guarded, to_csv, unguarded

FORMULAS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    '=HYPERLINK("http://x")',
    "'=1",
]
texts = st.text(st.sampled_from("=+-@'\t\rab1.e "), max_size=8)


@given(texts)
def test_a_guarded_text_is_a_formula_only_where_it_is_a_number_and_comes_back_as_it_was(text):
    written = guarded(text)
    assert unguarded(written) == text
    if written.startswith(STARTS):
        assert float(written) == float(text)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text_and_a_column_named_like_one_too(text):
    cells = to_csv(pd.DataFrame({"symbol": [text], text: [1.5]}))
    table = pd.read_csv(io.StringIO(cells, newline=""), dtype={"symbol": str})
    assert all(str(cell).startswith("'") for cell in (table["symbol"][0], table.columns[1]))
    again = as_written(table)
    assert list(again["symbol"]) == [text]
    assert list(again.columns) == ["symbol", text]


@pytest.mark.parametrize("value", [-1.5, "-1.5", "+3", -7, "plain", "", None, "a=b", "^GSPC", "BTC-USD"])
def test_numbers_stay_numbers_and_plain_text_stays_plain(value):
    assert guarded(value) == value


def test_a_carriage_return_within_a_text_begins_no_row_of_its_own():
    cells = to_csv(pd.DataFrame({"reason": ["held\r=cmd()"], "size": [1.0]}))
    assert len(pd.read_csv(io.StringIO(cells, newline=""))) == 1


def test_a_table_without_such_text_is_written_as_pandas_writes_it():
    days = pd.to_datetime(["2026-01-02"] * 2)
    table = pd.DataFrame({"symbol": ["AAPL", None], "size": [-1.25, float("nan")], "at": days})
    assert to_csv(table) == table.to_csv(index=False, lineterminator="\n")
