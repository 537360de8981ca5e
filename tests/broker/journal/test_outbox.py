"""The outbox keeps every alarm until its receiver has taken it, in order, over restarts."""

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.halts import EVERYTHING, HaltCause
from broker.journal.journal import Journal
from broker.journal.outbox import KEPT

NOW = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
HARMLESS = ("fill",)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(["fill", "unreachable"])),
        st.tuples(st.just("tell"), st.booleans()),
        st.tuples(st.sampled_from(["fail", "restart"]), st.none()),
    ),
    max_size=25,
)


@given(acts)
def test_each_alarm_is_told_once_in_order_and_only_what_may_wait_is_overtaken(tmp_path_factory, what):
    path = tmp_path_factory.mktemp("outbox") / "journal.db"
    journal = Journal(path, "paper")
    journal.outbox.open_channel("hook")
    added, told = [], []
    for act, detail in what:
        if act == "add":
            added.append((detail, f"alarm {len(added)}"))
            journal.outbox.add(NOW, detail, "AAPL", added[-1][1])
        elif act == "restart":
            journal.close()
            journal = Journal(path, "paper")
            journal.outbox.open_channel("hook")
        else:
            quiet = act == "tell" and detail
            waiting = [one for one in added if one not in told and not (quiet and one[0] in HARMLESS)]
            alarm = journal.outbox.next("hook", HARMLESS, quiet)
            assert (None if alarm is None else (alarm.kind, alarm.text)) == (waiting[0] if waiting else None)
            if alarm is not None and act == "tell":
                journal.outbox.told("hook", alarm, HARMLESS, NOW)
                told.append((alarm.kind, alarm.text))
            elif alarm is not None:
                journal.outbox.failed("hook", "HTTP 500", NOW)
    (state,) = journal.outbox.channels(HARMLESS)
    assert state.waiting == len(added) - len(told)
    assert len({alarm.id for alarm in journal.outbox.alarms()}) == len(added)
    journal.close()


@pytest.mark.parametrize(
    ("cause", "reason", "kind"),
    [
        (HaltCause.OPERATOR, "by hand", "halt"),
        (HaltCause.DRAWDOWN, "drawdown: 30 % since the peak", "breach"),
        (HaltCause.DAILY_LOSS, "daily_loss: 6 % since the close", "breach"),
    ],
)
def test_a_halt_and_its_alarm_are_one_transaction(tmp_path, cause, reason, kind):
    with closing(Journal(tmp_path / "journal.db", "paper")) as journal:
        journal.halts.begin(EVERYTHING, cause, reason, NOW)
        (alarm,) = journal.outbox.alarms()
        assert (alarm.kind, alarm.symbol, alarm.text) == (kind, "", reason)
        journal.halts.begin(EVERYTHING, cause, reason, NOW)
        assert len(journal.outbox.alarms()) == 1


def test_a_halt_that_cannot_be_written_leaves_no_alarm_either(tmp_path):
    line = "INSERT INTO events (at, kind, symbol, client_order_id, text) VALUES ('x', 'halt', '', '', 'x')"
    with closing(Journal(tmp_path / "journal.db", "paper")) as journal:
        with suppress(ZeroDivisionError), journal.file.transaction() as write:
            write.execute(line)
            raise ZeroDivisionError
        assert journal.outbox.alarms() == []
        with journal.file.transaction() as write:
            write.execute(line)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as raw:
        assert raw.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


def test_a_new_channel_is_told_what_comes_and_not_what_was(tmp_path):
    with closing(Journal(tmp_path / "journal.db", "paper")) as journal:
        journal.outbox.add(NOW, "unreachable", "", "before")
        journal.outbox.open_channel("hook")
        journal.outbox.add(NOW, "unreachable", "", "after")
        assert journal.outbox.next("hook", HARMLESS, False).text == "after"


def test_what_every_channel_has_told_is_dropped_after_a_while_and_nothing_else(tmp_path):
    late = NOW + KEPT + timedelta(days=1)
    with closing(Journal(tmp_path / "journal.db", "paper")) as journal:
        for channel in ("quick", "dead"):
            journal.outbox.open_channel(channel)
        for name in ("one", "two"):
            journal.outbox.add(NOW, "unreachable", "", name)
        first, second = journal.outbox.alarms()
        journal.outbox.told("quick", second, HARMLESS, NOW)
        journal.outbox.forget(late, HARMLESS)
        assert journal.outbox.alarms() == [first, second]
        journal.outbox.told("dead", first, HARMLESS, NOW)
        journal.outbox.forget(late, HARMLESS)
        assert journal.outbox.alarms() == [second]
