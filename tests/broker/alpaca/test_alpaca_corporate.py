"""The client's questions about corporate actions and dividends: whole lists, one time each, or an error."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from broker.alpaca.client import AlpacaPaper
from broker.errors import Unreachable
from broker.keys import Keys
from helpers.scripted_server import Answer, ScriptedServer
from helpers.waiting import PATIENCE_S

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

SPAN = (("AAPL", "MSFT"), date(2026, 3, 1), date(2026, 4, 1))
SINCE = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def server(socket_enabled):
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def alpaca(server):
    return AlpacaPaper(Keys("SIM-key-0815", "sim-secret"), server.url, server.url, timeout_s=PATIENCE_S)


def page(number, token=None):
    dates = {"ex_date": f"2026-03-0{number}", "process_date": f"2026-03-0{number}"}
    item = {"id": str(number), "symbol": "AAPL", "rate": 0.25, **dates}
    return Answer({"corporate_actions": {"cash_dividends": [item]}, "next_page_token": token})


def paid(name, amount="1.5"):
    return {"id": name, "activity_type": "DIV", "date": "2026-03-06", "net_amount": amount, "symbol": "AAPL"}


def test_the_pages_of_the_list_are_joined_and_asked_for_at_the_data_host(server, alpaca):
    server.say(page(2, "b"), page(3, "c"), page(4))
    assert [action.ex_date.day for action in alpaca.corporate_actions(*SPAN)] == [2, 3, 4]
    paths = [path for _, path, _, _ in server.asked()]
    assert all(
        path.startswith("/v1/corporate-actions?symbols=AAPL%2CMSFT&start=2026-03-01") for path in paths
    )
    assert "page_token=c" in paths[-1]


@pytest.mark.parametrize(
    "answers",
    [
        [page(2, "b"), page(3, "b")],
        [Answer([])],
        [Answer({"bars": {}})],
        [Answer(b"<html>")],
        [Answer({}, 500)],
    ],
    ids=["token repeats", "no object", "no list", "html", "500"],
)
def test_a_list_that_cannot_be_had_whole_is_no_list(server, alpaca, answers):
    server.say(*answers)
    with pytest.raises(Unreachable):
        alpaca.corporate_actions(*SPAN)


def test_cash_flows_are_read_to_the_end_and_each_once(server, alpaca):
    full = [paid(f"{number:03}::x") for number in range(100)]
    server.say(Answer(full), Answer([full[-1], paid("100::x", "-0.5")]))
    flows = alpaca.cash_flows(SINCE)
    assert (len(flows), flows[0].amount, flows[-1].amount) == (101, Decimal("1.5"), Decimal("-0.5"))
    assert "page_token=099%3A%3Ax" in server.asked()[-1][1]


def test_a_cash_flow_that_cannot_be_read_is_asked_for_again_later(server, alpaca):
    server.say(Answer([{"id": "1"}]))
    with pytest.raises(Unreachable, match="unreadable"):
        alpaca.cash_flows(SINCE)
