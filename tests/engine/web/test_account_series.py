"""The account as numbers: any window of it, thinned without losing a fall, the same for the same question."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.web.screens.account import account_series, kept_rows
from forewalk.errors import UsageError
from forewalk.returns import drawdown_series
from helpers.run_folders import make_run
from helpers.web import client_in

SERIES = "/api/v1/runs/one/series"
LISTS = ("time", "equity", "benchmark", "drawdown", "benchmark_drawdown", "exposure")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    (folder / "runs").mkdir()
    make_run(folder / "runs" / "one", rows=400, skill=0.1)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return folder / "runs" / "one"


@given(arrays(np.float64, st.integers(0, 300), elements=st.floats(-1e6, 1e6)), st.integers(4, 100))
def test_a_thinned_series_keeps_its_ends_its_lowest_and_its_highest(values, points):
    rows = kept_rows(values, points)
    assert len(rows) <= points
    assert (np.diff(rows) > 0).all()
    if len(values):
        assert (rows[0], rows[-1]) == (0, len(values) - 1)
        assert values[rows].min() == values.min()
        assert values[rows].max() == values.max()
    if len(values) <= points:
        assert len(rows) == len(values)


days = st.none() | st.dates() | st.dates(date(2011, 1, 1), date(2013, 6, 1))


@given(since=days, until=days, points=st.integers(4, 500))
def test_a_window_is_the_account_between_its_days(run, since, until, points):
    if since and until and since > until:
        with pytest.raises(UsageError, match="turn them round"):
            account_series(run, since, until, points)
        return
    found = account_series(run, since, until, points)
    table = pd.read_parquet(run / "equity.parquet")
    table["drawdown"] = drawdown_series(table["equity"].to_numpy())
    day = pd.DatetimeIndex(table["time"]).date
    inside = table[(day >= (since or date.min)) & (day <= (until or date.max))]
    assert (found.bars, found.within) == (len(table), len(inside))
    assert found.shown == len(found.time) <= points
    assert found.thinned == (found.shown < found.within)
    assert {len(getattr(found, name)) for name in LISTS} == {found.shown}
    known = inside.set_index(inside["time"].map(pd.Timestamp.isoformat))
    for name in ("equity", "benchmark", "drawdown"):
        assert getattr(found, name) == known.loc[found.time, name].tolist()


def test_the_same_question_is_answered_by_its_tag(folder):
    client = client_in(folder)
    answer = client.get(f"{SERIES}?points=50")
    assert answer.json()["thinned"]
    again = client.get(f"{SERIES}?points=50", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{SERIES}?points=60").headers["etag"] != answer.headers["etag"]


@pytest.mark.parametrize(
    "query", ["since=2012-13-01", "points=3", "points=x", "since=2013-01-02&until=2013-01-01"]
)
def test_a_window_that_is_none_is_refused(folder, query):
    assert client_in(folder).get(f"{SERIES}?{query}").status_code == 422


def test_what_cannot_be_told_is_null(tmp_path):
    times = pd.date_range("2020-01-01 21:00", periods=3, tz="UTC")
    broken = {"equity": 1e5, "cash": 1e5, "gross_exposure": np.nan, "benchmark": [1e5, np.nan, 1e5]}
    pd.DataFrame({"time": times, **broken}).to_parquet(tmp_path / "equity.parquet")
    found = account_series(tmp_path, None, None, 10)
    assert found.exposure == [None] * 3
    assert found.benchmark == [1e5, None, 1e5]
