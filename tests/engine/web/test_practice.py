"""A practice book over HTTP: the daemon on a simulator, a day at a time, its orders approved and filled."""

import pytest

from helpers.waiting import until
from helpers.web import client_in
from helpers.web_content import write_book

LIVE = "/api/v1/live"
TINY = {
    "data.symbols": ["AAPL", "IBM"],
    "data.start": "2011-06-01",
    "data.min_history_bars": 60,
    "folds.train_bars": 240,
    "folds.embargo_bars": 1,
    "model.hidden_size": 4,
    "model.seeds": 1,
    "model.max_epochs": 1,
    "model.lookback_bars": 10,
    "model.sequence_targets": 16,
    "strategy.entry": 0.0,
    "strategy.direction": "long_short",
    "jobs": 1,
}


@pytest.fixture
def client(tmp_path, monkeypatch):
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "ALPACA_API_KEY", "ALPACA_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    client = client_in(tmp_path)
    yield client
    client.app.state.practices.stop()


def practice(client):
    return client.get(f"{LIVE}/practice").json()


def reached(client, phase):
    """Wait until the book is in a phase, and return what it is at."""

    def there():
        found = practice(client)
        assert found["running"], found["problem"]
        return found["phase"] == phase and found

    return until(there)


def waiting(client):
    return [order for order in client.get(f"{LIVE}/orders").json() if order["nonce"]]


def test_orders_are_approved_and_filled_a_day_at_a_time(client, socket_enabled):
    assert practice(client)["phase"] == "ended"
    assert client.post(f"{LIVE}/practice", json={"settings": TINY}).status_code == 202
    assert client.post(f"{LIVE}/practice", json={}).status_code == 409
    assert "Getting ready" in client.get("/paper").text
    assert reached(client, "closed")["day"] == 1
    orders = waiting(client)
    assert orders
    page = client.get("/paper").text
    assert "Day 1 of 60." in page
    assert page.count(">Approve<") == len(orders)
    for order in orders:
        answer = client.post(
            f"{LIVE}/orders/{order['client_order_id']}/approve", json={"nonce": order["nonce"]}
        )
        assert answer.status_code == 200, answer.text
    reached(client, "open")
    assert ">Next day<" in client.get("/paper").text
    done = {each["client_order_id"]: each for each in client.get(f"{LIVE}/orders?all=true").json()}
    assert {done[order["client_order_id"]]["state"] for order in orders} == {"filled"}
    held = client.get(LIVE).json()
    assert (set(held["positions"]), held["running"]) == ({order["symbol"] for order in orders}, True)
    assert client.post(f"{LIVE}/practice/next").status_code == 202
    until(lambda: practice(client)["day"] == 2)
    assert client.get("/api/v1/models").json()
    halted = client.post(f"{LIVE}/halt", json={"flatten": True, "reason": "enough"}).json()
    assert halted["lines"] == ["the daemon tells the broker within seconds"]
    until(lambda: client.get(LIVE).json()["halts"][0]["confirmed"])
    ended = client.post(f"{LIVE}/practice/end").json()
    assert (ended["running"], ended["phase"], ended["problem"]) == (False, "ended", "")
    assert client.get(LIVE).json()["running"] is False
    assert "Begin to practise" in client.get("/paper").text
    assert client.post(f"{LIVE}/practice/next").status_code == 409


def test_settings_that_cannot_be_used_are_refused_before_anything_begins(client):
    answer = client.post(f"{LIVE}/practice", json={"settings": {"model.hidden": 3}})
    assert (answer.status_code, "hidden_size" in answer.json()["detail"]) == (422, True)
    assert client.post(f"{LIVE}/practice", json={"run": "none"}).status_code == 404
    assert practice(client)["running"] is False


def test_where_the_server_shows_a_book_of_its_own_there_is_no_practice(tmp_path):
    file, _ = write_book(tmp_path)
    answer = client_in(tmp_path, paper=file).post(f"{LIVE}/practice", json={})
    assert (answer.status_code, "--paper" in answer.json()["detail"]) == (409, True)
