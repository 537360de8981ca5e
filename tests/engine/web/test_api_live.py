"""The paper book over HTTP: seen, approved as it was shown and no other way, halted; all through the journal."""

from contextlib import closing

import pytest

from broker.journal.journal import Journal
from broker.orders import OrderState
from helpers.web import client_in
from helpers.web_content import write_book

LIVE = "/api/v1/live"


@pytest.fixture
def book(tmp_path):
    """A client of a server whose paper book has an order that waits; no daemon runs."""
    file, _ = write_book(tmp_path)
    return client_in(tmp_path, paper=file)


def state_of(folder):
    with closing(Journal(folder / "live" / "journal.db", "paper", readonly=True)) as journal:
        return journal.orders.get("order-1").state


def test_the_book_is_shown(book):
    found = book.get(LIVE).json()
    assert (found["book"], found["running"], found["waiting"], found["halts"]) == ("paper", False, 1, [])
    assert "daemon      not running" in found["lines"]


def test_an_order_is_approved_as_it_was_shown(book, tmp_path):
    (order,) = book.get(f"{LIVE}/orders").json()
    answer = book.post(f"{LIVE}/orders/order-1/approve", json={"nonce": order["nonce"]})
    assert (answer.status_code, answer.json()["state"]) == (200, "intent")
    assert state_of(tmp_path) is OrderState.INTENT
    again = book.post(f"{LIVE}/orders/order-1/approve", json={"nonce": order["nonce"]})
    assert again.status_code == 409


def test_an_order_that_is_not_the_one_shown_is_not_approved(book, tmp_path):
    answer = book.post(f"{LIVE}/orders/order-1/approve", json={"nonce": "00000000"})
    assert (answer.status_code, "not the order that was shown" in answer.json()["detail"]) == (409, True)
    assert book.post(f"{LIVE}/orders/order-1/approve", json={}).status_code == 422
    assert state_of(tmp_path) is OrderState.AWAIT_APPROVAL


def test_an_order_is_rejected(book, tmp_path):
    assert book.post(f"{LIVE}/orders/order-1/reject").json()["state"] == "refused"
    assert state_of(tmp_path) is OrderState.REFUSED
    assert book.get(f"{LIVE}/orders").json() == []
    assert len(book.get(f"{LIVE}/orders?all=true").json()) == 1
    assert book.post(f"{LIVE}/orders/order-1/reject").status_code == 409
    assert book.post(f"{LIVE}/orders/order-2/reject").status_code == 404


@pytest.mark.parametrize("symbol", [None, "AAPL"])
def test_a_halt_is_in_force_at_once_even_where_the_broker_cannot_be_told(book, symbol, monkeypatch):
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    answer = book.post(f"{LIVE}/halt", json={"symbol": symbol, "flatten": True, "reason": "enough"})
    assert answer.status_code == 200
    assert "the broker was not told" in answer.json()["lines"][0]
    (halt,) = book.get(LIVE).json()["halts"]
    assert (halt["symbol"], halt["flatten"], halt["confirmed"]) == (symbol, True, False)
    assert halt["reason"] == "enough (you)"


def test_what_is_not_halted_cannot_be_resumed(book, monkeypatch):
    monkeypatch.setenv("APCA_API_KEY_ID", "PKTEST")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "secret")
    answer = book.post(f"{LIVE}/resume", json={})
    assert (answer.status_code, "is halted" in answer.json()["detail"]) == (409, True)


def test_without_a_book_it_is_said_how_to_have_one(tmp_path):
    answer = client_in(tmp_path).get(LIVE)
    assert (answer.status_code, "--paper" in answer.json()["detail"]) == (404, True)
