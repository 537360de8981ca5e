"""Drift of a book: quiet stays quiet, a break is found and dated, and one challenger answers it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from broker.journal.journal import Journal
from broker.journal.records import DecisionRow, Target
from engine.live.models.retrain import CHAMPION, Retrainer
from engine.live.watch.daily import DRIFT, SummaryTask, write_page
from engine.live.watch.drift import data_reading, feature_reading, forecast_readings, readings
from engine.live.watch.readings import OF_MODELS, Reading, stored_readings
from engine.runs.folder import forecast_table
from forewalk.types import Forecasts
from helpers.live_values import SYMBOLS, live_settings, some_bars

KNOWN, LIVED, SPREAD = 500, 120, 0.015  # sessions of the run, sessions of the book, a day's true spread
NOW = datetime(2026, 3, 4, 22, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db", "paper")
    yield journal
    journal.close()


def bars_with(break_factor, seed=3):
    """Random walks whose steps in the book's sessions are so many times as large."""
    bars = some_bars(KNOWN + LIVED, seed)
    steps = np.diff(np.log(bars.close), axis=0, prepend=np.log(bars.close[:1]))
    steps[KNOWN + 1 :] *= break_factor
    scale = 100 * np.exp(np.cumsum(steps, axis=0)) / bars.close
    return replace(bars, **{name: getattr(bars, name) * scale for name in ("open", "high", "low", "close")})


def run_of(folder, bars):
    """The folder of a run that forecast the first sessions: no change, the true spread."""
    ahead = np.full(bars.close.shape, np.nan)
    ahead[:-1] = np.log(bars.close[1:] / bars.close[:-1])
    shape = ahead[:KNOWN].shape
    forecasts = Forecasts(
        *(
            bars.timestamps[:KNOWN],
            bars.symbols,
            np.zeros(shape),
            np.full(shape, SPREAD),
            np.full(shape, 0.5),
        ),
        *(1, ("m",) * KNOWN, pd.DatetimeIndex([bars.timestamps[0]] * KNOWN)),
    )
    folder.mkdir()
    forecast_table(forecasts, ahead[:KNOWN]).to_parquet(folder / "forecasts.parquet")
    account = {"time": bars.timestamps[:KNOWN], "equity": 1000 * bars.close[:KNOWN, 0] / bars.close[0, 0]}
    pd.DataFrame(account).to_parquet(folder / "equity.parquet")
    (folder / "orders.csv").write_text("symbol\n")
    for name in ("manifest", "metrics"):
        (folder / f"{name}.json").write_text(json.dumps({}))
    return folder


def decide_all(journal, bars, bad=()):
    """Journal a decision for each of the book's sessions: no change, the true spread."""
    for row in range(KNOWN, len(bars)):
        asof = bars.timestamps[row].to_pydatetime()
        problem = "stale" if row in bad else None
        targets = [
            Target(symbol, float(bars.close[row, column]), 0.0, SPREAD, 0.0, "", Decimal(0), problem)
            for column, symbol in enumerate(bars.symbols)
        ]
        decision = DecisionRow(
            f"paper-{asof:%Y%m%d}", asof, asof.date(), asof, asof, asof, 1000, 1000, "m", "f"
        )
        journal.decisions.record(decision, targets, [], ask=False)


def settings_of(tmp_path, bars, **live):
    return live_settings(
        data={"symbols": list(SYMBOLS), "min_history_bars": 60},
        live={"run": str(run_of(tmp_path / "run", bars)), "drift_alarms_per_year": 0.05, **live},
    )


def by_watch(found):
    return {reading.watch: reading for reading in found}


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_book_like_its_walk_forward_has_no_alarm(journal, tmp_path, seed):
    bars = bars_with(1.0, seed)
    decide_all(journal, bars)
    found = by_watch(forecast_readings(journal, settings_of(tmp_path, bars), bars))
    assert set(found) <= set(OF_MODELS)
    assert {watch: reading.since for watch, reading in found.items()} == dict.fromkeys(found)
    assert {reading.sessions for reading in found.values()} == {
        LIVED - 1
    }  # the last outcome is still to come
    assert all(0 <= reading.level < 1 for reading in found.values())


def test_a_break_is_found_and_dated_within_the_book(journal, tmp_path):
    bars = bars_with(2.5)
    decide_all(journal, bars)
    found = by_watch(forecast_readings(journal, settings_of(tmp_path, bars), bars))
    for watch in ("loss", "coverage"):
        assert found[watch].since > bars.timestamps[KNOWN].date()
        assert found[watch].level > 1
        assert found[watch].alarm.startswith(f"{watch} since {found[watch].since}: ")
    assert found["width"].since is None


def test_a_split_since_is_no_loss(journal, tmp_path):
    bars = bars_with(1.0)
    decide_all(journal, bars)
    settings = settings_of(tmp_path, bars)
    halved = replace(bars, **{name: getattr(bars, name) / 2 for name in ("open", "high", "low", "close")})
    assert forecast_readings(journal, settings, halved) == forecast_readings(journal, settings, bars)


def test_bars_that_could_not_be_used_are_not_held_against_the_model_but_against_the_data(journal, tmp_path):
    bars = bars_with(1.0)
    last = len(bars) - 1
    decide_all(journal, bars, bad={last - 4, last - 2, last - 1})
    found = forecast_readings(journal, settings_of(tmp_path, bars), bars)
    assert {reading.sessions for reading in found} == {LIVED - 1 - 3}
    data = data_reading(journal)
    assert data.since == bars.timestamps[last - 2].date()  # from then on more than 5 % of twenty sessions
    assert "9 of 60" in data.detail


def test_without_a_run_or_with_a_damaged_one_the_reading_says_why(journal, tmp_path):
    bars = bars_with(1.0)
    none = forecast_readings(journal, live_settings(), bars)
    assert {reading.level for reading in none} == {None}
    assert "name a finished run in live.run" in none[0].detail
    gone = live_settings(live={"run": str(tmp_path / "gone")})
    assert "is not a run folder" in forecast_readings(journal, gone, bars)[0].detail


def test_features_that_leave_their_past_are_named(journal, tmp_path):
    bars = bars_with(1.0)
    began = bars.timestamps[KNOWN].to_pydatetime()
    journal.models.record("m", "m.safetensors", "ff", began, CHAMPION, "", began)
    settings = settings_of(tmp_path, bars)
    quiet = feature_reading(journal, settings, bars)
    assert (quiet.since, quiet.sessions) == (None, LIVED)
    volume = bars.volume.copy()
    volume[KNOWN:, :] *= np.where(np.arange(LIVED) % 2, 30.0, 1 / 30)[:, None]
    moved = feature_reading(journal, settings, replace(bars, volume=volume))
    assert moved.since is not None
    assert moved.level > 1 > quiet.level
    assert "volume" in moved.detail


def test_a_strategy_without_forecasts_is_watched_for_fills_and_data_only(journal):
    assert [reading.watch for reading in readings(journal, live_settings(), None)] == ["fills", "data"]


def test_models_that_nothing_was_decided_with_yet_are_said_to_be_unread(journal):
    journal.models.record("m", "m.safetensors", "ff", NOW, CHAMPION, "", NOW)
    found = by_watch(readings(journal, live_settings(), None))
    assert {found[watch].level for watch in OF_MODELS} == {None}
    assert "after its next decision" in found["loss"].detail


def test_a_drift_that_cannot_be_read_costs_no_page(journal, monkeypatch, tmp_path):
    monkeypatch.setattr("os.nice", lambda more: more)
    bars = bars_with(1.0)
    decide_all(journal, bars)
    damaged = object()  # no bars that anything could be computed from
    page = journal.path.parent / "summary.html"
    done = write_page(SummaryTask(journal.path, settings_of(tmp_path, bars), page, damaged))
    assert (done.bars, done.readings) == (LIVED, ())
    assert done.problem.startswith("the drift could not be read: ")
    assert page.exists()
    assert stored_readings(page.parent).problem == done.problem


# what follows from an alarm


class Worker:
    """A child that takes every task and is not done yet."""

    def __init__(self):
        self.sent = []

    def send(self, task):
        self.sent.append(task)

    def ready(self):
        return False

    def stop(self):
        pass


ALARM = Reading("loss", 40, 1.3, NOW.date(), "0.4 a session, 0 in the walk-forward")


def retrainer_of(journal, worker, **live):
    bars = some_bars(200)
    at = bars.timestamps[-6].to_pydatetime()
    if not journal.models.all():
        journal.models.record("old", "old.safetensors", "ff", at, CHAMPION, "", at)
    settings = live_settings(live=live)
    retrainer = Retrainer(settings, journal, journal.path.parent, worker, lambda *_: None)
    retrainer.champions(bars)
    return retrainer


@pytest.mark.parametrize(("drift", "trained"), [("challenger", 1), ("tell", 0), ("off", 0)])
def test_an_alarm_of_the_models_trains_one_challenger_where_that_is_wanted(journal, drift, trained):
    journal.diary.note(NOW, DRIFT, f"{ALARM.alarm} ({ALARM.detail})")
    worker = Worker()
    retrainer = retrainer_of(journal, worker, drift=drift)
    retrainer.step(NOW)
    assert len(worker.sent) == trained
    assert retrainer.busy is bool(trained)


def test_an_answered_alarm_trains_none_also_after_a_failure_and_a_restart(journal):
    journal.diary.note(NOW, DRIFT, f"{ALARM.alarm} ({ALARM.detail})")
    at = NOW + timedelta(days=1)
    note = f"failed: no memory; drift: loss since {ALARM.since}"
    worker = Worker()
    retrainer_of(journal, worker).stop()
    journal.models.record("live-x", "", "", at, "rejected", note, at)
    retrainer_of(journal, worker).step(NOW)
    assert worker.sent == []
    journal.diary.note(NOW, DRIFT, "coverage since 2026-04-01: more (x)")  # another one
    retrainer_of(journal, worker).step(NOW)
    assert len(worker.sent) == 1


@pytest.mark.parametrize("watch", ["fills", "data"])
def test_what_no_model_can_mend_trains_none(journal, watch):
    journal.diary.note(NOW, DRIFT, f"{watch} since 2026-03-04: x (y)")
    worker = Worker()
    retrainer_of(journal, worker).step(NOW)
    assert worker.sent == []
