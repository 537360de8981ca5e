"""Forecasts are in the forecast log before their orders go out, and no fault of the log stops an order."""

import errno
import sqlite3
import stat
from contextlib import closing

import numpy as np
import pytest
from in_process import Desk

from broker.journal.file import JournalUnwritable
from broker.orders import OrderState
from broker.simulator.harness import Simulator
from broker.trading.commands import halt
from engine.forecast.orders import read_holdings
from engine.live.deciding import foretold
from engine.live.logged import logged
from engine.runs.record import LOG_FILE, ForecastRecord
from forewalk.errors import DataError
from helpers.live_values import live_settings, random_forecasts, some_bars

pytestmark = pytest.mark.usefixtures("socket_enabled")
SESSIONS = 5


@pytest.fixture
def bars():
    return some_bars(SESSIONS + 5, seed=3)


@pytest.fixture
def desk(tmp_path, bars):
    with Simulator(bars, cash=100_000) as simulator:
        desk = Desk(live_settings(), simulator, tmp_path, random_forecasts(bars, seed=3))
        yield desk
        desk.daemon.journal.close()


def heard(desk, kind):
    return [text for said, _, text in desk.heard if said == kind]


def filled(desk):
    with desk.journal() as journal:
        return [order for order in journal.orders.all() if order.state is OrderState.FILLED]


def test_every_forecast_is_there_before_its_orders_and_settled_after_its_outcome(desk, bars):
    for _ in range(SESSIONS):
        desk.session()
    record = ForecastRecord(desk.path.parent / LOG_FILE)
    table = record.table()
    assert record.problems() == []
    for path in (record.path, record.path.with_suffix(".head")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert len(table) == 3 * SESSIONS
    assert table["actual"].notna().sum() == 3 * (SESSIONS - 1)
    first = table.iloc[0]
    row = bars.timestamps.get_loc(first["asof"])
    column = bars.symbols.index(first["symbol"])
    assert first["actual"] == pytest.approx(np.log(bars.close[row + 1, column] / bars.close[row, column]))
    written = dict(zip(zip(table["asof"], table["symbol"], strict=True), table["written"], strict=True))
    with desk.journal() as journal:
        orders = [order for order in journal.orders.all() if order.posted_at is not None]
        asof = {decision.decision_id: decision.asof for decision in journal.decisions.all()}
        assert logged(journal, record.path).lines() == [
            f"{3 * SESSIONS} of {3 * SESSIONS} forecasts are in the forecast log, written before their outcome; "
            f"{3 * (SESSIONS - 1)} are settled"
        ]
    assert len(orders) > SESSIONS / 2
    assert all(written[asof[order.decision_id], order.symbol] < order.posted_at for order in orders)


def test_positions_can_be_read_from_the_book(desk):
    """What `forewalk forecast --positions STATE` goes by is what the account holds after its last decision."""
    with pytest.raises(DataError, match="has not decided anything yet"):
        read_holdings(desk.path.parent, desk.settings)
    for _ in range(3):
        desk.session()
    found = read_holdings(desk.path.parent, desk.settings)
    truth = desk.simulator.control.state()["positions"]
    held = {symbol: float(quantity) for symbol, quantity in truth.items() if float(quantity)}
    assert held
    assert {symbol: quantity for symbol, (quantity, _) in found.positions.items() if quantity} == held
    assert "the book 'paper'" in found.source


def garbage(path):
    path.write_bytes(b"this is no database" * 100)


def folder(path):
    path.mkdir()


@pytest.mark.parametrize("spoil", [garbage, folder])
def test_a_damaged_log_is_an_alert_and_orders_go_out(desk, spoil):
    spoil(desk.path.parent / LOG_FILE)
    for _ in range(3):
        desk.session()
    assert heard(desk, foretold.ALERT)
    assert len(filled(desk)) >= 3
    with desk.journal() as journal:
        assert len(journal.decisions.all()) == 3


class FullDisk(ForecastRecord):
    def write(self, forecasts):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_an_alert_and_orders_go_out(desk, monkeypatch):
    monkeypatch.setattr(foretold, "ForecastRecord", FullDisk)
    for _ in range(3):
        desk.session()
    assert any("No space left" in text for text in heard(desk, foretold.ALERT))
    assert len(filled(desk)) >= 3
    with desk.journal() as journal:
        found = logged(journal, desk.path.parent / LOG_FILE)
    assert (found.decided, found.found) == (9, 0)
    assert "not in the forecast log" in found.lines()[1]


def test_a_log_that_somebody_holds_stops_neither_orders_nor_a_flatten(desk, monkeypatch):
    """Positions are opened, then the log hangs: the next decision is made and everything is closed all the same."""
    desk.session()
    desk.session()
    monkeypatch.setattr(foretold, "WAIT_S", 0.05)
    desk.restart()
    with closing(sqlite3.connect(desk.path.parent / LOG_FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        desk.session()
        assert any("goes on without waiting" in text for text in heard(desk, foretold.ALERT))
        with desk.journal() as journal:
            assert len(journal.decisions.all()) == 3
        assert any(float(q) for q in desk.simulator.control.state()["positions"].values())
        halt(desk.daemon.journal, None, "by hand", desk.daemon.status.broker_time, flatten=True)
        desk.settle(40)
        desk.simulator.control.advance(seconds=60)
        desk.settle(40)
        assert not any(float(q) for q in desk.simulator.control.state()["positions"].values())
        other.execute("ROLLBACK")


def test_a_decision_that_is_made_again_is_logged_once(desk, monkeypatch):
    journal = desk.daemon.journal
    record, refused = journal.decisions.record, []

    def once(*arguments, **options):
        if not refused:
            refused.append(True)
            raise JournalUnwritable("the disk was away for a moment")
        return record(*arguments, **options)

    monkeypatch.setattr(journal.decisions, "record", once)
    desk.session()
    assert refused
    assert len(ForecastRecord(desk.path.parent / LOG_FILE).table()) == 3
    with desk.journal() as kept:
        assert len(kept.decisions.all()) == 1
