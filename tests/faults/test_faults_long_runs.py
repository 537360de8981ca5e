"""What a daemon that runs for years needs: nothing to wait for at the close, and nothing left behind by a bar."""

import gc
import socket
from urllib.parse import urlsplit

import backtrader as bt
import pytest
from in_process import Desk

from broker.simulator.harness import Simulator
from helpers.live_values import live_settings, random_forecasts, some_bars

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
def desk(tmp_path):
    """A desk an hour after an open, too late for the bar before."""
    bars = some_bars(40)
    with Simulator(
        bars, start=bars.timestamps[30].isoformat(), cash=100_000, market_fill="open"
    ) as simulator:
        simulator.control.advance(to="open", offset_seconds=3600)
        made = Desk(live_settings(), simulator, tmp_path, random_forecasts(bars))
        made.settle()
        yield made
        made.daemon.journal.close()


def first_bars_asked_for(desk):
    """The first date of each request for bars since the log was cleared."""
    log = desk.simulator.control.log()
    return [line["query"]["start"][:10] for line in log if line["path"].endswith("/bars")]


def test_a_prepared_daemon_has_decided_nothing_and_asks_at_the_close_for_what_is_new_only(desk):
    desk.daemon.prepare()
    assert desk.daemon.journal.decisions.last() is None
    assert desk.daemon.journal.orders.all() == []
    desk.simulator.control.clear_log()
    desk.simulator.control.advance(to="close", offset_seconds=65)
    desk.settle()
    assert desk.daemon.journal.decisions.last() is not None
    (start,) = first_bars_asked_for(desk)
    assert start > "2024-01-25"  # ten bars before; the history begins on 2 January


def test_a_daemon_that_cannot_prepare_goes_on_and_decides_when_the_broker_is_back(desk):
    desk.simulator.control.http_fault(route="GET /v2/stocks/bars", status=500, count=1)
    desk.daemon.prepare()
    desk.session()
    assert desk.daemon.journal.decisions.last() is not None


def test_no_run_of_the_strategy_outlives_its_step(desk):
    gc.disable()
    desk.session()
    gc.enable()
    assert desk.daemon.journal.decisions.last() is not None
    assert not [thing for thing in gc.get_objects() if isinstance(thing, bt.Cerebro)]


@pytest.mark.row(31)
def test_after_hours_without_name_resolution_nothing_that_piled_up_fires(desk, monkeypatch):
    desk.session()
    known = socket.getaddrinfo
    port = urlsplit(desk.simulator.url).port

    def lost(host, wanted, *more, **options):
        if wanted == port:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return known(host, wanted, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lost)
    desk.daemon.broker.renew()  # a kept connection needs no name
    for moment in ("close", "open"):
        desk.simulator.control.advance(to=moment, offset_seconds=3600)
        desk.daemon.step()
        assert desk.daemon.status.state == "unreachable"
    monkeypatch.setattr(socket, "getaddrinfo", known)
    desk.settle()
    journal = desk.daemon.journal
    assert (len(journal.decisions.all()), len(journal.diary.events("missed"))) == (1, 1)
    desk.session()
    assert len(journal.decisions.all()) == 2
