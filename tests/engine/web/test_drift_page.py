"""Does the book still do what its backtest did? The page says it in money, shows every watch, and writes nothing."""

import json
import re
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, Target
from engine.live.watch.expected import LEVELS
from engine.live.watch.facts import Account
from engine.live.watch.readings import FILE, Reading, stored_readings, write_readings
from engine.web.screens.quant.drift import place_of
from forewalk.errors import DataError
from helpers.run_folders import make_run
from helpers.web import client_in
from helpers.web_people import peopled, second_team, user

FIRST = datetime(2026, 3, 2, 21, tzinfo=UTC)
QUIET = Reading("loss", 40, 0.25, None, "0.1 a session")
ALARM = Reading("qlike", 40, 1.5, date(2026, 3, 9), "<b>worse</b>")
UNREAD = Reading("fills", 0, None, None, "3 sessions with fills; 30 are needed")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("behind") / "run", rows=120)


def book_in(folder, equities=(), run=None, **live):
    """Write a book that decided once a day, and return its settings file."""
    state = folder / "live"
    state.mkdir(parents=True)
    told = {
        "book": "paper",
        "state": str(state),
        "approve": True,
        **({"run": str(run)} if run else {}),
        **live,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in told.items()]
    (folder / "paper.toml").write_text("\n".join(["[live]", *lines, ""]), encoding="utf-8")
    with closing(Journal(state / "journal.db", "paper")) as journal:
        for day, equity in enumerate(equities):
            asof = FIRST + timedelta(days=day)
            row = DecisionRow(f"d{day}", asof, asof.date(), asof, asof, asof, equity, equity, "m", "f")
            journal.decisions.record(row, [Target("AAPL", 100.0, 0.0, 0.02, 0.1, "enter", 0)], [], ask=False)
    return folder / "paper.toml"


def shown(folder, **book):
    file = book_in(folder, **book)
    return client_in(folder, paper=file)


def text_of(answer):
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


readings = st.builds(
    Reading,
    watch=st.text(max_size=10),
    sessions=st.integers(0, 5000),
    level=st.none() | st.floats(0, 50),
    since=st.none() | st.dates(),
    detail=st.text(max_size=30),
)


@given(
    found=st.lists(readings, max_size=7),
    problem=st.text(max_size=20),
    asof=st.datetimes(timezones=st.just(UTC)),
)
def test_readings_are_kept_as_they_were(tmp_path_factory, found, problem, asof):
    folder = tmp_path_factory.mktemp("kept")
    assert stored_readings(folder) is None
    write_readings(folder, asof, found, problem)
    kept = stored_readings(folder)
    assert (kept.asof, kept.readings, kept.problem) == (asof, tuple(found), problem)
    assert [path.name for path in folder.iterdir()] == [FILE]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"asof": "x", "readings": [], "problem": ""}'])
def test_damaged_readings_say_so(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError, match=r"drift\.json of the book is damaged"):
        stored_readings(tmp_path)


@given(growth=st.floats(0.1, 10), quantiles=st.lists(st.floats(0.1, 10), min_size=7, max_size=7).map(sorted))
def test_the_place_is_the_narrowest_range_that_holds_the_account(growth, quantiles):
    times = pd.DatetimeIndex([FIRST, FIRST + timedelta(days=1)])
    own = Account(times, np.array([100.0, 100.0]), np.zeros(2), np.array([1.0, growth]), 0.0)
    band = np.column_stack([np.ones(7), quantiles])
    place = place_of(own, np.array([100.0, 110.0]), band)
    holds = {
        of: quantiles[low] <= growth <= quantiles[high]
        for of, low, high in ((50, 2, 4), (80, 1, 5), (95, 0, 6))
    }
    assert place.inside == next((of for of in (50, 80, 95) if holds[of]), None)
    assert list(place.expected) == [f"{level:g}" for level in LEVELS]
    assert place_of(own, np.array([100.0, 110.0]), None).inside is None


def test_the_account_is_told_in_money_inside_its_band(tmp_path, run):
    page = shown(tmp_path, equities=(1000, 1001, 1002), run=run).get("/paper/drift")
    text = text_of(page)
    assert re.search(r"After 3 decisions 1,000 became 1,002, deposits taken out\. Of 100 accounts like", text)
    assert "this one is inside." in text
    assert "not that either is skill" in text
    assert page.text.count('class="band') == 3
    assert re.search(r"2026-03-04 1,002 1,000 [\d,]+ [\d,]+ inside", text)


@pytest.mark.parametrize(("end", "side"), [(1900, "above"), (300, "below")])
def test_an_account_outside_of_its_band_says_on_which_side(tmp_path, run, end, side):
    browser = shown(tmp_path, equities=(1000, 1000, end), run=run)
    assert f"this one is {side}, and outside of the range for 95." in text_of(browser.get("/paper/drift"))
    found = browser.get("/api/v1/live/drift").json()["account"]
    assert (found["inside"], found["account"]) == (None, pytest.approx(end / 1000))


def test_without_a_run_behind_it_the_page_says_what_to_do(tmp_path):
    browser = shown(tmp_path, equities=(1000, 1001))
    assert "name a finished run in live.run" in text_of(browser.get("/paper/drift"))
    found = browser.get("/api/v1/live/drift").json()
    assert found["account"]["expected"] is None
    assert "name a finished run in live.run" in found["no_band"]


def test_watches_say_their_state_and_an_alarm_is_an_alert(tmp_path):
    browser = shown(tmp_path, equities=(1000, 1001))
    write_readings(tmp_path / "live", FIRST, [QUIET, ALARM, UNREAD], "")
    page = browser.get("/paper/drift")
    text = text_of(page)
    assert 'role="alert">1 of 3 watches raises an alarm: The stated spread (since 2026-03-09).' in page.text
    assert "quiet, at 0.25 of its limit after 40 sessions" in text
    assert "cannot be read" in text
    assert "&lt;b&gt;worse&lt;/b&gt;" in page.text
    assert "Read after the close of 2026-03-02 21:00 UTC. A newer bar has been decided on since." in text
    told = browser.get("/api/v1/live/drift").json()
    assert [each["watch"] for each in told["readings"]] == ["loss", "qlike", "fills"]
    assert told["readings"][1]["alarm"].startswith("qlike since 2026-03-09: ")


def test_quiet_watches_are_no_alert(tmp_path):
    browser = shown(tmp_path, equities=(1000,))
    write_readings(tmp_path / "live", FIRST, [QUIET], "")
    page = browser.get("/paper/drift")
    assert "No watch raises an alarm." in text_of(page)
    assert 'role="alert"' not in page.text


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ({}, "has not done so yet"),
        ({"drift": "off"}, "live.drift is off"),
        ({"summary": False}, "live.summary turns that off"),
    ],
)
def test_where_nothing_was_read_the_reason_is_said(tmp_path, live, said):
    browser = shown(tmp_path, **live)
    text = text_of(browser.get("/paper/drift"))
    assert said in text
    assert "The book has decided nothing yet." in text
    told = browser.get("/api/v1/live/drift").json()
    assert (told["readings"], told["account"], told["asof"]) == ([], None, None)
    assert said in told["silent"]


@pytest.mark.parametrize("how", ["damaged", "failed"])
def test_readings_that_failed_are_an_alert_with_the_reason(tmp_path, how):
    browser = shown(tmp_path, equities=(1000,))
    if how == "damaged":
        (tmp_path / "live" / FILE).write_text("{")
    else:
        write_readings(tmp_path / "live", FIRST, [], "the drift could not be read: it is damaged")
    assert "damaged" in browser.get("/paper/drift").text.partition('role="alert">')[2].partition("</p>")[0]
    assert "damaged" in browser.get("/api/v1/live/drift").json()["silent"]


def written(folder):
    """Every file but those in which readers of a database wait for each other."""
    return {path: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(("-shm", "-wal"))}


def test_looking_writes_nothing(tmp_path, run):
    browser = shown(tmp_path, equities=(1000, 1001), run=run)
    before = written(tmp_path / "live")
    browser.get("/paper/drift")
    browser.get("/api/v1/live/drift")
    assert written(tmp_path / "live") == before


def test_without_a_book_and_for_another_team_it_is_not_found(tmp_path, run):
    assert client_in(tmp_path / "none").get("/paper/drift").status_code == 404
    owner = peopled(tmp_path, paper=book_in(tmp_path / "book", equities=(1000, 1001), run=run))
    assert user(owner, "vera", "viewer").get("/paper/drift").status_code == 200
    other = second_team(owner)
    for path in ("/paper/drift", "/api/v1/live/drift"):
        answer = other.get(path)
        assert answer.status_code == 404
        assert "1,001" not in answer.text
