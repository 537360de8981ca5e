"""The account day by day: any window is one of the account, and the links lead over all of it."""

import re
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.web.screens.account import account_screen
from engine.web.screens.windows import SPANS, moves_of, window_of
from helpers.run_folders import make_run
from helpers.web import client_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "runs").mkdir()
    make_run(folder / "runs" / "one", rows=400, skill=0.1)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return folder / "runs" / "one"


days = st.integers(1, 4000).map(lambda count: pd.date_range("2010-01-04 21:00", periods=count, tz="UTC"))
asked = st.one_of(st.none(), st.just("never"), st.dates().map(str), st.just("2012-02-30"))


@given(days, st.integers(1, 10**6), asked)
def test_every_window_lies_within_and_is_as_wide_as_it_can_be(dates, bars, to):
    first, last, span = window_of(dates, bars, to)
    assert 0 <= first < last <= len(dates)
    assert span in SPANS
    assert last - first == min(span, len(dates))


@given(days, st.sampled_from(SPANS))
def test_going_earlier_again_and_again_shows_every_bar(dates, bars):
    seen, to = set(), None
    while True:
        first, last, span = window_of(dates, bars, to)
        seen |= set(range(first, last))
        moves = dict(moves_of(lambda bars, to: f"bars={bars}&to={to}", dates, first, last, span))
        if "earlier" not in moves:
            break
        to = parse_qs(moves["earlier"])["to"][0]
    assert seen == set(range(len(dates)))


@given(bars=st.integers(1, 3000), to=asked)
def test_the_words_and_the_months_of_a_window_are_those_of_the_account(run, bars, to):
    found = account_screen(run, bars, to)
    table = pd.read_parquet(run / "equity.parquet")
    first, last, _ = window_of(pd.DatetimeIndex(table["time"]), bars, to)
    own = table["equity"].to_numpy()[first:last]
    assert f"{last - first:,} bars" in found.said
    assert f"{own[-1] / own[0] - 1:+.1%}, just holding" in found.said
    grown = np.prod([1 + float(row[2].rstrip("%")) / 100 for row in found.months])
    assert grown == pytest.approx(own[-1] / own[0], abs=0.0006 * len(found.months) * 2)
    assert [row[0] for row in found.months] == sorted((row[0] for row in found.months), reverse=True)


@given(bars=st.integers(1, 3000), to=asked)
def test_years_are_made_of_their_months_and_the_window_of_its_years(run, bars, to):
    found = account_screen(run, bars, to)
    whole = 1.0
    for year, *months, own, _ in found.calendar:
        grown = np.prod([1 + float(month) / 100 for month in months if month])
        assert grown == pytest.approx(1 + float(own) / 100, abs=0.0006 * 13 * 2)
        assert {row[0][:4] for row in found.months if row[0].startswith(year)} == {year}
        assert sum(row[0].startswith(year) for row in found.months) == sum(map(bool, months))
        whole *= 1 + float(own) / 100
    table = pd.read_parquet(run / "equity.parquet")
    first, last, _ = window_of(pd.DatetimeIndex(table["time"]), bars, to)
    own = table["equity"].to_numpy()[first:last]
    assert whole == pytest.approx(own[-1] / own[0], abs=0.0006 * 2 * len(found.calendar))
    assert found.years.count("<rect") == 2 * len(found.calendar)


def test_the_page_shows_four_charts_of_one_window_and_leads_closer(folder):
    browser = client_in(folder)
    page = browser.get("/runs/one/account").text
    charts = re.findall(r'<svg class="chart"[^>]*aria-label="([^"]+)"', page)
    assert [label.partition(",")[0] for label in charts] == [
        "Value of the account beside just holding",
        "How far below its highest value so far",
        "How much was invested",
        "Change of each year beside just holding",
    ]
    assert len({label[-24:] for label in charts}) == 1
    closer = re.search(r'href="(/runs/one/account\?[^"]+)">closer', page)[1].replace("&amp;", "&")
    assert browser.get(closer).text.count('class="chart"') == 4
    assert 'aria-current="page">Account' in page


def test_an_account_that_never_moved_is_drawn_all_the_same(tmp_path):
    times = pd.date_range("2020-01-01 21:00", periods=3, tz="UTC")
    still = {"equity": 1e5, "cash": 1e5, "gross_exposure": 0.0, "benchmark": 1e5}
    pd.DataFrame({"time": times, **still}).to_parquet(tmp_path / "equity.parquet")
    found = account_screen(tmp_path)
    assert "+0.0%, just holding +0.0%" in found.said
    assert found.months == (("2020-01", "100,000", "+0.0%", "+0.0%"),)


def test_windows_of_a_run_that_is_not_there_are_not_found(folder):
    assert client_in(folder).get("/runs/none/account").status_code == 404
