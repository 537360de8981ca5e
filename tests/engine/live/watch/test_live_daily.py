"""The daily summary: once per session, whole or not at all, and never the trading's problem."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.journal.journal import Journal
from broker.journal.records import DecisionRow
from engine.live.watch.daily import (
    DRIFT,
    FAILED,
    TIMEOUT_S,
    WRITTEN,
    DailySummary,
    SummaryDone,
    SummaryTask,
    write_page,
)
from engine.live.watch.readings import Reading
from forewalk.compute.child import InferenceFailed
from helpers.live_values import live_settings

CLOSE = datetime(2026, 3, 4, 21, tzinfo=UTC)
EVENING = CLOSE + timedelta(minutes=2)


class Child:
    """A child process that is told how it ends."""

    def __init__(self, ends="well", readings=()):
        self.ends, self.readings = ends, readings
        self.tasks = []

    def send(self, task):
        if self.ends == "cannot start":
            raise InferenceFailed("the model process is gone")
        self.tasks.append(task)

    def ready(self):
        return self.ends != "hangs"

    def receive(self, timeout_s):
        if self.ends == "dies":
            raise InferenceFailed("the model process died")
        return SummaryDone(12, self.readings)

    def stop(self):
        pass


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal
    journal.close()


def decide(journal, close=CLOSE, equity=100_000):
    row = DecisionRow(f"paper-{close:%d}", close, close.date(), close, close, close, equity, equity, "", "f")
    journal.decisions.record(row, [], [], ask=False)


def summary_of(journal, child, clock=lambda: 0.0):
    return DailySummary(live_settings(), journal, journal.path.parent, child, lambda *_: None, clock)


def lines(journal, kind):
    return [event.text for event in journal.diary.events(kind)]


def test_the_page_is_written_once_after_the_close_also_over_a_restart(journal):
    decide(journal)
    child = Child()
    for _ in range(2):
        summary = summary_of(journal, child)
        for minute in range(10):
            summary.step(EVENING + timedelta(minutes=minute))
    assert len(child.tasks) == 1
    assert lines(journal, WRITTEN) == ["2026-03-04: summary.html over 12 bars"]


def test_each_session_has_a_page_of_its_own(journal):
    child = Child()
    summary = summary_of(journal, child)
    for day in range(3):
        decide(journal, CLOSE + timedelta(days=day - 2))
        for _ in range(3):
            summary.step(EVENING + timedelta(days=day - 2))
    assert [text[:10] for text in lines(journal, WRITTEN)] == ["2026-03-02", "2026-03-03", "2026-03-04"]


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        (CLOSE - timedelta(hours=1), False),  # the session still runs
        (CLOSE + timedelta(seconds=59), False),  # its bar is not asked for yet
        (CLOSE + timedelta(minutes=29), False),  # its bar may still be decided on
        (CLOSE + timedelta(minutes=31), True),  # nothing will be decided on it any more
    ],
)
def test_the_page_waits_for_the_sessions_last_decision_but_not_for_ever(journal, moment, due):
    decide(journal, CLOSE - timedelta(days=1))
    journal.diary.note(CLOSE, WRITTEN, "2026-03-03: summary.html over 12 bars")
    child = Child()
    summary_of(journal, child).step(moment)
    assert bool(child.tasks) == due


def test_an_alarm_is_told_once_however_long_it_goes_on_and_over_restarts(journal):
    told = []
    for day in range(3):
        alarm = Reading("loss", 40 + day, 1.2, CLOSE.date(), f"seen on day {day}")
        quiet = Reading("qlike", 40 + day, 0.3, None, "")
        decide(journal, CLOSE + timedelta(days=day - 2))
        child = Child(readings=(alarm, quiet))
        summary = DailySummary(
            live_settings(), journal, journal.path.parent, child, lambda *line: told.append(line), lambda: 0.0
        )
        for _ in range(3):
            summary.step(EVENING + timedelta(days=day - 2))
    assert len(lines(journal, WRITTEN)) == 3
    assert [text.partition(" (")[2] for text in lines(journal, DRIFT)] == ["seen on day 0)"]
    assert [kind for kind, _, _ in told].count(DRIFT) == 1


def test_a_book_that_has_decided_nothing_has_no_page(journal):
    child = Child()
    summary_of(journal, child).step(EVENING + timedelta(days=1))
    assert child.tasks == []


@pytest.mark.parametrize("ends", ["dies", "cannot start", "hangs"])
def test_a_child_that_fails_costs_its_page_only_and_is_not_tried_again(journal, ends):
    decide(journal)
    child = Child(ends)
    now = [0.0]
    summary = summary_of(journal, child, lambda: now[0])
    for second in (0, TIMEOUT_S / 2, TIMEOUT_S + 1, TIMEOUT_S + 2):
        now[0] = second
        summary.step(EVENING)
    assert not summary.busy
    assert len(lines(journal, FAILED)) == 1
    assert lines(journal, WRITTEN) == []
    assert len(child.tasks) == (ends != "cannot start")


def test_a_page_that_cannot_be_finished_leaves_the_one_of_yesterday(journal, monkeypatch):
    import engine.live.watch.page
    from engine.live.watch.summary import write_summary

    decide(journal)
    page = journal.path.parent / "summary.html"
    page.write_text("yesterday's")

    def breaks(*parts):
        parts[5].write_text("half a p")
        raise OSError("No space left on device")

    monkeypatch.setattr(engine.live.watch.page, "write_page", breaks)
    with pytest.raises(OSError, match="No space"):
        write_summary(journal, live_settings(), page)
    assert page.read_text() == "yesterday's"


def test_the_childs_work_is_the_page_of_the_journal(journal, monkeypatch):
    monkeypatch.setattr("os.nice", lambda more: more)
    for day in range(-13, 1):
        close = CLOSE + timedelta(days=day)
        if close.weekday() < 5:
            decide(journal, close, 100_000 + 100 * (day % 5))
    page = journal.path.parent / "summary.html"
    assert write_page(SummaryTask(journal.path, live_settings(), page)).bars == 10
    assert "Paper account" in page.read_text()


def test_starting_a_page_imports_no_plotting_library():
    code = "import sys, engine.live.watch.daily; print([m for m in ('matplotlib', 'quantstats') if m in sys.modules])"
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[4]
    )
    assert done.stdout.strip() == "[]"
