"""E. Time: two clocks and two calendars must agree, and nothing is done late."""

import pytest


@pytest.mark.row(43)
def test_a_holiday_that_only_the_broker_knows_stops_trading(scene):
    scene.after_close()
    scene.once()
    scene.control.calendar(day="2026-03-09", closed=True)
    scene.after_open()
    scene.once()
    assert scene.posts() == []
    assert any("calendars disagree about 2026-03-09" in text for text in scene.events("no_trading"))


@pytest.mark.row(43)
def test_a_broker_that_says_open_at_night_is_not_believed(scene):
    scene.after_close()
    scene.once()
    scene.control.lie_clock(is_open=True)
    scene.control.advance(seconds=6 * 3600)
    scene.once()
    assert scene.posts() == []
    assert any("calendar says closed" in text for text in scene.events("no_trading"))


@pytest.mark.row(43)
def test_a_calendar_that_is_missing_stops_trading(scene):
    scene.after_close()
    scene.once()
    scene.after_open()
    scene.control.http_fault(route="GET /v2/calendar", action="body", body="[]", count=None)
    scene.once()
    assert scene.posts() == []


@pytest.mark.row(44)
def test_after_the_close_nothing_is_sent_unless_queueing_is_configured(scene):
    scene.after_close()
    scene.control.advance(seconds=300)
    scene.once()
    scene.once()
    assert (scene.posts(), scene.states()) == ([], ["decided", "decided"])


@pytest.mark.row(44)
def test_after_the_close_orders_are_queued_for_the_open_where_that_is_configured(scene):
    scene.after_close()
    scene.once(send="after_close")
    assert len(scene.posts()) == 2
    assert scene.positions() == {}
    scene.after_open()
    scene.once(send="after_close")
    assert scene.states() == ["filled", "filled"]
    scene.check()


@pytest.mark.row(45)
def test_an_approval_that_comes_a_session_late_is_refused(scene):
    scene.after_close()
    scene.once(approve=True)
    assert scene.states() == ["await_approval", "await_approval"]
    scene.after_open()
    scene.control.advance(seconds=3600)
    code, said = scene.command("approve", "paper-20260304-AAPL-m-0")
    assert (code, "too late" in said) == (2, True)
    scene.once(approve=True)
    assert scene.states() == ["expired", "expired"]
    assert scene.posts() == []


@pytest.mark.row(45)
def test_an_approval_in_time_lets_the_order_go(scene):
    scene.after_close()
    scene.once(approve=True)
    assert scene.command("approve", "paper-20260304-AAPL-m-0")[0] == 0
    assert scene.command("reject", "paper-20260304-MSFT-m-0")[0] == 0
    scene.after_open()
    scene.once(approve=True)
    assert scene.states() == ["filled", "refused"]
    scene.check()


@pytest.mark.row(80)
def test_an_approval_counts_once_and_only_for_the_order_that_was_shown(scene):
    scene.after_close()
    scene.once(approve=True)
    _, listing = scene.command("orders")
    shown = next(line for line in listing.splitlines() if "AAPL" in line).split()[-1]
    name = "paper-20260304-AAPL-m-0"
    assert scene.command("approve", name, "--nonce", "00000000")[0] == 2
    assert scene.command("approve", name, "--nonce", shown)[0] == 0
    assert scene.command("approve", name, "--nonce", shown)[0] == 2
    assert len(scene.orders("intent")) == 1
    scene.after_open()
    scene.control.price(symbol="AAPL", price="150")  # meanwhile the price has moved
    scene.once(approve=True)
    assert "collar" in scene.orders("refused")[0].reason
    scene.check()


@pytest.mark.faults
@pytest.mark.row(40)
def test_a_broker_whose_clock_goes_back_halts_everything(scene):
    daemon = scene.start()
    scene.until(lambda: scene.state.joinpath("journal.db").exists() and "started" in daemon.said())
    scene.after_close()
    scene.until(lambda: scene.orders())
    scene.control.set_clock(to="2026-03-04T10:00:00-05:00")
    scene.until(lambda: scene.halts())
    assert "clock went back" in scene.halts()[0][1]
    daemon.kill()
