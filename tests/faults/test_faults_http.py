"""C. Whatever HTTP does to an order: one at the broker, or none, and the journal knows which."""

import signal

import pytest

POST = "POST /v2/orders"
LOOKUP = "GET /v2/orders:by_client_order_id"


@pytest.fixture
def decided(scene):
    """Two orders decided, the market open, nothing sent."""
    scene.after_close()
    scene.once()
    scene.after_open()
    scene.control.clear_log()
    return scene


def posts_of(scene, symbol):
    return [
        line for line in scene.posts() if isinstance(line["body"], dict) and line["body"]["symbol"] == symbol
    ]


def assert_traded(scene):
    scene.once()
    assert scene.states() == ["filled", "filled"]
    scene.check()


@pytest.mark.row(24)
def test_the_rate_limit_on_a_submit_is_waited_out_and_the_order_sent_once(decided):
    decided.control.http_fault(route=POST, status=429, headers={"Retry-After": "1"})
    decided.once()
    assert_traded(decided)
    assert [line["status"] for line in posts_of(decided, "AAPL")] == [429, 200]
    lookups = [line for line in decided.control.log() if line["path"].endswith("by_client_order_id")]
    assert len(lookups) >= 1


@pytest.mark.faults
@pytest.mark.row(24)
def test_the_rate_limit_on_reads_is_honoured_without_a_storm(decided):
    decided.control.http_fault(route="GET /v2/account", status=429, headers={"Retry-After": "2"}, count=1)
    daemon = decided.start(poll_s=0.05)
    decided.until(lambda: decided.states() == ["filled", "filled"])
    log = decided.control.log()
    first = next(number for number, line in enumerate(log) if line["status"] == 429)
    assert log[first + 1]["path"] == "/v2/account"
    daemon.signal(signal.SIGTERM)
    daemon.wait()


@pytest.mark.row(25)
@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_order_that_the_broker_never_saw_is_looked_up_and_sent_once_more(decided, status):
    decided.control.http_fault(route=POST, status=status)
    decided.once()
    assert_traded(decided)
    assert [line["accepted"] for line in posts_of(decided, "AAPL")] == [False, True]
    assert {line["body"]["client_order_id"] for line in posts_of(decided, "AAPL")} == {
        "paper-20260304-AAPL-m-0"
    }


@pytest.mark.row(25)
def test_an_order_that_is_lost_twice_is_left_to_a_human(decided):
    decided.control.http_fault(route=POST, status=503, count=None)
    decided.once()
    decided.once()
    assert decided.states() == ["needs_human", "needs_human"]
    assert len(posts_of(decided, "AAPL")) == 2
    assert decided.broker_orders() == {}
    assert set(decided.events("give_up")) == {"sent twice, found never"}
    assert sorted(scope for scope, _ in decided.halts()) == ["AAPL", "MSFT"]
    decided.check()


@pytest.mark.row(26)
@pytest.mark.parametrize(
    "fault",
    [{"status": 504}, {"action": "reset"}, {"action": "stall", "seconds": 1.5}],
    ids=["504", "reset", "timeout"],
)
def test_an_order_accepted_without_an_answer_is_adopted_and_not_sent_again(decided, fault):
    decided.control.http_fault(route=POST, when="after", **fault)
    decided.once(timeout_s=0.5)
    assert_traded(decided)
    decided.until(lambda: posts_of(decided, "AAPL"))
    assert len(posts_of(decided, "AAPL")) == 1


@pytest.mark.row(27)
def test_an_order_that_exists_already_is_adopted(decided):
    decided.control.foreign_order(
        symbol="AAPL",
        side="buy",
        qty="10",
        type="market",
        time_in_force="day",
        client_order_id="paper-20260304-AAPL-m-0",
    )
    decided.once()
    assert_traded(decided)
    assert posts_of(decided, "AAPL") == []


@pytest.mark.row(27)
@pytest.mark.parametrize("other", [{"qty": "11"}, {"side": "sell"}, {"symbol": "MSFT"}])
def test_another_order_under_our_name_halts_the_symbol(decided, other):
    decided.control.auto_fill(enabled=False)
    body = {"symbol": "AAPL", "side": "buy", "qty": "10", "type": "market", "time_in_force": "day"}
    decided.control.foreign_order(**(body | other), client_order_id="paper-20260304-AAPL-m-0")
    decided.once()
    assert "AAPL" in [scope for scope, _ in decided.halts()]


@pytest.mark.row(27)
def test_a_duplicate_answer_is_resolved_by_a_look_up(decided):
    body = {"code": 40010001, "message": "client_order_id must be unique"}
    decided.control.http_fault(route=POST, when="after", status=422, body=body)
    decided.once()
    assert_traded(decided)
    assert len(posts_of(decided, "AAPL")) == 1


@pytest.mark.row(28)
def test_an_order_that_shows_late_is_waited_for(decided):
    decided.control.index_delay(lookups=2, lists=True)
    decided.control.http_fault(route=POST, when="after", action="reset")
    decided.once(lookup_s=[0.01, 0.01, 0.01, 0.01, 0.01])
    assert_traded(decided)
    assert len(posts_of(decided, "AAPL")) == 1


@pytest.mark.row(29)
@pytest.mark.parametrize("action", ["truncate", "empty", "html", "redirect"])
def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown_until_it_is_looked_up(decided, action):
    decided.control.http_fault(route=POST, when="after", action=action)
    decided.once()
    assert_traded(decided)
    assert len(posts_of(decided, "AAPL")) == 1


@pytest.mark.row(29)
@pytest.mark.parametrize("action", ["truncate", "empty", "html", "redirect"])
@pytest.mark.parametrize("route", ["GET /v2/account", "GET /v2/positions", "GET /v2/clock"])
def test_a_read_that_cannot_be_understood_stops_the_step_and_harms_nothing(decided, action, route):
    decided.control.http_fault(route=route, action=action)
    assert decided.once() == 4
    assert decided.posts() == []
    assert_traded(decided)


@pytest.mark.faults
@pytest.mark.row(30)
@pytest.mark.parametrize("fault", [{"action": "drip", "seconds": 0.2}, {"action": "stall", "seconds": 20}])
def test_a_broker_that_dawdles_is_given_up_and_asked_again(decided, fault):
    decided.control.http_fault(route=POST, when="after", **fault)
    decided.once(timeout_s=0.4)
    assert_traded(decided)
    assert len(decided.broker_orders()) == 2
    decided.control.clear_faults()


@pytest.mark.faults
@pytest.mark.row(31)
def test_after_hours_offline_nothing_that_piled_up_fires(decided):
    daemon = decided.start(poll_s=0.05)
    decided.until(lambda: decided.states() == ["filled", "filled"])
    decided.control.http_fault(route="* /v2/*", action="reset", count=None)
    decided.after_close()
    decided.after_open()
    decided.control.advance(seconds=3 * 3600)
    before = len(decided.posts())
    decided.control.clear_faults()
    decided.until(lambda: any("not acted on in time" in text for text in decided.events("missed")))
    assert len(decided.posts()) == before
    assert len(decided.orders()) == 2
    daemon.signal(signal.SIGTERM)
    daemon.wait()
    decided.check()


@pytest.mark.row(31)
def test_orders_decided_before_the_line_went_dead_expire(decided):
    decided.control.http_fault(route="* /v2/*", action="reset", count=None)
    assert decided.once() == 4
    decided.control.clear_faults()
    decided.control.advance(seconds=3600)
    decided.once()
    assert decided.states() == ["expired", "expired"]
    assert decided.posts() == []
    decided.check()


@pytest.mark.row(28)
@pytest.mark.parametrize("point", ["before_lookup", "after_lookup"])
def test_killed_while_looking_an_order_up_it_is_looked_up_again(decided, point):
    decided.control.http_fault(route=POST, when="after", action="reset")
    assert decided.once(f"{point}:kill9") == -signal.SIGKILL
    decided.once()
    assert_traded(decided)
    assert len(posts_of(decided, "AAPL")) == 1
