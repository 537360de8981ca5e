"""When a challenger is due, and what becomes of one that does not come back."""

from datetime import UTC, datetime

import pytest

from broker.journal.journal import Journal
from engine.live.models.retrain import CHAMPION, REJECTED, Retrainer
from engine.live.models.tasks import FIT_TIMEOUT_S
from forewalk.compute.child import InferenceFailed
from helpers.live_values import live_settings, some_bars

NOW = datetime(2024, 6, 3, 21, tzinfo=UTC)


class Worker:
    """A child that never answers, or cannot even be started."""

    def __init__(self, starts=True):
        self.starts = starts
        self.sent = []
        self.stopped = 0

    def send(self, task):
        if not self.starts:
            raise InferenceFailed("the model process is gone")
        self.sent.append(task)

    def ready(self):
        return False

    def stop(self):
        self.stopped += 1


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal
    journal.close()


def retrainer_of(journal, worker, rule, champion_at, clock=lambda: 0.0):
    """A retrainer whose champion was accepted at the bar `champion_at`."""
    file = journal.path.parent / "models" / "old.safetensors"
    journal.models.record("old", file.name, "ff", champion_at, CHAMPION, "", champion_at)
    settings = live_settings(live={"retrain": rule})
    return Retrainer(settings, journal, journal.path.parent, worker, lambda *_: None, clock)


@pytest.mark.parametrize(
    ("rule", "bars_since", "due"),
    [("never", 60, False), ("3", 2, False), ("3", 3, True), ("weekly", 0, False), ("weekly", 5, True)],
)
def test_a_challenger_is_due_so_many_bars_after_the_last_one_or_in_a_new_week(journal, rule, bars_since, due):
    bars = some_bars(200)
    worker = Worker()
    retrainer = retrainer_of(journal, worker, rule, bars.timestamps[-1 - bars_since].to_pydatetime())
    retrainer.champions(bars)
    retrainer.step(NOW)
    assert retrainer.busy is bool(worker.sent) is due


def test_a_challenger_that_does_not_come_back_is_given_up_and_the_champion_stays(journal):
    bars = some_bars(200)
    now = [0.0]
    worker = Worker()
    retrainer = retrainer_of(journal, worker, "5", bars.timestamps[-6].to_pydatetime(), lambda: now[0])
    (champion,) = retrainer.champions(bars)
    for second in (0.0, FIT_TIMEOUT_S, FIT_TIMEOUT_S + 1, FIT_TIMEOUT_S + 2):
        now[0] = second
        retrainer.step(NOW)
    assert (retrainer.busy, worker.stopped, len(worker.sent)) == (False, 1, 1)
    assert [model["role"] for model in journal.models.all()] == [CHAMPION, REJECTED]
    assert "not trained within" in journal.models.all()[1]["note"]
    assert retrainer.champions(bars) == (champion,)


def test_a_challenger_whose_process_cannot_start_is_a_failed_one(journal):
    bars = some_bars(200)
    retrainer = retrainer_of(journal, Worker(starts=False), "5", bars.timestamps[-6].to_pydatetime())
    retrainer.champions(bars)
    retrainer.step(NOW)
    assert not retrainer.busy
    assert [model["role"] for model in journal.models.all()] == [CHAMPION, REJECTED]


def test_a_stop_forgets_the_challenger_so_that_the_next_start_begins_it_anew(journal):
    bars = some_bars(200)
    retrainer = retrainer_of(journal, Worker(), "5", bars.timestamps[-6].to_pydatetime())
    retrainer.champions(bars)
    retrainer.step(NOW)
    retrainer.stop()
    assert not retrainer.busy
    assert [model["role"] for model in journal.models.all()] == [CHAMPION]
