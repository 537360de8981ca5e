"""Alarms arrive: in order, after whatever failures, once, over restarts; and nobody waits for a receiver."""

import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from broker.halts import EVERYTHING, HaltCause
from broker.journal.file import JournalUnwritable
from broker.journal.journal import Journal
from engine.live.watch.alarms.channels import NotTaken, Webhook
from engine.live.watch.alarms.kinds import ALARMS
from engine.live.watch.alarms.sending import LONGEST_WAIT_S, LOOK_S, Alarms, backoff_s
from engine.live.watch.notify import Watch
from forewalk.settings.alerts import AlertSettings
from helpers.scripted_server import Answer, ScriptedServer
from helpers.waiting import until

NOW = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
FAILURES = [Answer({}, 500), "reset", Answer({}, 429, {"Retry-After": "0"}), Answer(b"", 302)]
ANY_TIME = AlertSettings()


class Keeper:
    """A channel that keeps what it takes, and fails or hangs first."""

    def __init__(self, fails=0, hang=None):
        self.taken, self.fails, self.hang = [], fails, hang

    def send(self, message):
        if self.hang is not None:
            self.hang.wait()
        if self.fails:
            self.fails -= 1
            raise NotTaken("HTTP 500")
        self.taken.append(message.alarm)

    @property
    def texts(self):
        return [alarm.text for alarm in self.taken]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal
    journal.close()


@contextmanager
def watching(journal, settings=ANY_TIME, now=lambda: NOW, **channels):
    for name in channels:
        journal.outbox.open_channel(name)
    watch = Watch("paper")
    alarms = Alarms(journal.path, "paper", channels, settings, now, wait_s=lambda attempts: 0.01)
    watch.outbox, watch.alarms = journal.outbox, alarms
    alarms.start()
    yield watch
    alarms.stop()


@pytest.mark.row(99)
def test_every_kind_arrives_in_order_after_a_receiver_that_fails_in_every_way(journal, socket_enabled):
    server = ScriptedServer()
    kinds = sorted(ALARMS - {"halt", "refused", "flattened", "drift", "summary_failed"})
    server.say(*FAILURES, *[Answer({}) for _ in kinds])
    with watching(journal, hook=Webhook(f"{server.url}/hook")) as watch:
        for kind in kinds:
            watch.notify(kind, "AAPL", f"about {kind}")
        until(lambda: len(server.asked("POST")) == len(FAILURES) + len(kinds))
    bodies = [json.loads(body) for *_, body in server.asked("POST")]
    assert len({body["id"] for body in bodies[: len(FAILURES) + 1]}) == 1
    assert [body["kind"] for body in bodies[len(FAILURES) :]] == kinds
    server.close()


def test_what_the_diary_stands_for_is_told_once(journal):
    keeper = Keeper()
    with watching(journal, hook=keeper) as watch:
        journal.halts.begin(EVERYTHING, HaltCause.OPERATOR, "by hand", NOW)
        watch.notify("halt", "", "by hand")
        watch.notify("unreachable", "", "gone")
        until(lambda: len(keeper.taken) == 2)
    assert [alarm.kind for alarm in keeper.taken] == ["halt", "unreachable"]


def test_what_another_process_halts_is_told_by_the_one_that_runs(journal, tmp_path):
    keeper = Keeper()
    with watching(journal, hook=keeper):
        other = Journal(tmp_path / "journal.db", "paper")
        other.halts.begin("AAPL", HaltCause.OPERATOR, "by hand", NOW)
        other.close()
        until(lambda: keeper.texts == ["by hand"])


@pytest.mark.row(99)
def test_what_was_not_taken_before_the_end_is_told_by_the_next_process(journal):
    with watching(journal, hook=Keeper(fails=10**9)) as watch:
        watch.notify("unreachable", "", "one")
        watch.notify("unreachable", "", "two")
        until(lambda: journal.outbox.channels()[0].attempts)
    keeper = Keeper()
    with watching(journal, hook=keeper):
        until(lambda: len(keeper.taken) == 2)
    assert keeper.texts == ["one", "two"]
    assert journal.outbox.channels()[0].waiting == 0


def test_an_end_tells_what_waits_at_once(journal):
    keeper = Keeper()
    with watching(journal, hook=keeper) as watch:
        watch.notify("stopped", "", "on request")
    assert keeper.texts == ["on request"]


@pytest.mark.row(99)
def test_a_receiver_that_hangs_holds_neither_the_book_nor_another_channel_up(journal):
    never = threading.Event()
    keeper, stuck = Keeper(), Keeper(hang=never)
    with watching(journal, a_stuck=stuck, hook=keeper) as watch:
        for number in range(20):
            watch.notify("unreachable", "", str(number))
        until(lambda: len(keeper.taken) == 20)
        assert stuck.taken == []
        never.set()
        until(lambda: len(stuck.taken) == 20)
    assert stuck.texts == keeper.texts == [str(number) for number in range(20)]


@pytest.mark.row(97)
def test_while_the_disk_is_full_alarms_are_told_from_memory(journal, monkeypatch):
    keeper = Keeper()

    def full(*_):
        raise JournalUnwritable("database or disk is full")

    with watching(journal, hook=keeper) as watch:
        monkeypatch.setattr(journal.outbox, "add", full)
        watch.notify("journal", "", "database or disk is full")
        until(lambda: keeper.texts == ["database or disk is full"])


def test_a_journal_that_cannot_be_opened_is_looked_for_now_and_then_and_no_oftener(tmp_path, caplog):
    keeper = Keeper()
    began = time.monotonic()
    alarms = Alarms(tmp_path / "gone" / "journal.db", "paper", {"hook": keeper}, ANY_TIME)
    alarms.start()
    for number in range(20):
        alarms.tell_unwritten("journal", "", str(number))
        until(lambda: len(keeper.taken) == number + 1)  # noqa: B023 - it is asked at once
    alarms.stop()
    looks = sum("cannot be written" in record.getMessage() for record in caplog.records)
    assert 1 <= looks <= 1 + 21 + (time.monotonic() - began) / LOOK_S
    assert keeper.texts == [str(number) for number in range(20)]


def test_an_alarm_within_another_transaction_breaks_neither(journal):
    keeper = Keeper()
    with watching(journal, hook=keeper) as watch:
        with journal.file.transaction() as write:
            watch.notify("unreachable", "", "meanwhile")
            write.execute("INSERT INTO meta VALUES ('kept', 'yes')")
        until(lambda: keeper.texts == ["meanwhile"])
    assert journal.file.value("kept") == "yes"


def test_in_quiet_hours_a_halt_goes_out_and_a_fill_waits_until_they_are_over(journal):
    moment = [datetime(2026, 3, 5, 5, 0, tzinfo=UTC)]  # midnight in New York
    keeper = Keeper()
    with watching(journal, AlertSettings(quiet="22:00-07:00"), lambda: moment[0], hook=keeper) as watch:
        watch.notify("fill", "AAPL", "ten")
        watch.notify("unreachable", "", "gone")
        until(lambda: keeper.texts == ["gone"])
        moment[0] = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
        watch.alarms.wake()
        until(lambda: keeper.texts == ["gone", "ten"])


def test_pauses_double_up_to_five_minutes():
    pauses = [backoff_s(attempts) for attempts in range(1, 40)]
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_WAIT_S
