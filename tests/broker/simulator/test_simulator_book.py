"""The book by itself: positions, reservations, stamps, and what it refuses to do."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.simulator.values import ZERO, Refusal
from broker.simulator.world.book import Book, Position, changed_position
from broker.simulator.world.orders import Order, entry_from, order_from, to_document

TRADES = st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 200)), max_size=12)


def order(name, side="buy", qty=10, **fields):
    plain = {"symbol": "A", "asset_id": "a", "type": "market", "time_in_force": "day", "order_class": ""}
    plain |= {
        "position_intent": f"{side}_to_open",
        "created": 0,
        "submitted": 0,
        "updated": 0,
        "status": "new",
    }
    return Order(
        **{**plain, "id": name, "client_order_id": name, "number": 0, "side": side, **fields},
        qty=Decimal(qty),
    )


def book_with(*orders):
    book = Book()
    for item in orders:
        book.add(item)
    return book


@given(trades=TRADES)
def test_a_position_costs_what_its_open_shares_cost(trades):
    """First in, first out would give another average; the mean must lie within the prices of the open side."""
    position, seen = Position("A", ZERO, ZERO), []
    for qty, price in trades:
        before = position.qty
        position = changed_position(position, Decimal(qty), Decimal(price))
        assert position.qty == before + qty
        if position.qty == 0 or (before != 0 and (before > 0) != (position.qty > 0)):
            seen = []
        if position.qty and (qty > 0) == (position.qty > 0):
            seen.append(price)
        if position.qty == 0:
            assert position.cost == 0
        else:
            assert min(seen) - Decimal("1e-9") <= position.average <= max(seen) + Decimal("1e-9")


@pytest.mark.parametrize(
    ("trades", "qty", "average"),
    [
        ([(10, 100), (10, 110)], 20, 105),
        ([(10, 100), (-4, 150)], 6, 100),
        ([(10, 100), (-15, 120)], -5, 120),
        ([(-10, 100), (-10, 90)], -20, 95),
        ([(-10, 100), (25, 80)], 15, 80),
    ],
)
def test_the_average_entry_price_of_a_position(trades, qty, average):
    position = Position("A", ZERO, ZERO)
    for amount, price in trades:
        position = changed_position(position, Decimal(amount), Decimal(price))
    assert (position.qty, position.average) == (qty, average)


@given(instants=st.lists(st.integers(0, 10**6), max_size=20))
def test_stamps_only_grow_and_never_lie_before_their_instant(instants):
    book = Book()
    stamps = [book.stamp(instant) for instant in instants]
    assert stamps == sorted(set(stamps))
    assert all(stamp >= instant for stamp, instant in zip(stamps, instants, strict=True))


@given(parts=st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_an_order_is_filled_when_its_parts_are_all_there(parts):
    book = book_with(order("a", qty=sum(parts)))
    states = [book.execute("a", Decimal(part), Decimal(7), 0).status for part in parts]
    assert states == ["partially_filled"] * (len(parts) - 1) + ["filled"]
    assert [entry.leaves for entry in book.ledger][-1] == 0
    assert book.cash == -7 * sum(parts)
    assert book.quantity("A") == sum(parts)


@pytest.mark.parametrize("qty", [7, 0, -1])
def test_no_more_than_remains_is_executed(qty):
    book = book_with(order("a"))
    book.execute("a", Decimal(4), Decimal(1), 0)
    with pytest.raises(ValueError, match="cannot fill"):
        book.execute("a", Decimal(qty), Decimal(1), 0)
    assert book.quantity("A") == 4


def test_the_legs_of_one_bracket_hold_their_shares_once():
    legs = [order(name, "sell", parent="p") for name in ("b", "c")]
    assert book_with(*legs).held("A", "sell") == 10
    assert book_with(*legs, order("d", "sell", 3)).held("A", "sell") == 13
    assert book_with(*legs, order("e", "sell", parent="q")).held("A", "sell") == 20


def test_the_two_sides_are_held_apart():
    book = book_with(order("a"), order("b", "sell", 4))
    assert (book.held("A", "buy"), book.held("A", "sell"), book.held("B", "buy")) == (10, 4, 0)


def test_a_client_id_is_taken_once():
    book = book_with(order("a"))
    with pytest.raises(Refusal, match="must be unique"):
        book.add(replace(order("z"), client_order_id="a"))


def test_a_book_is_restored_from_its_documents():
    book = book_with(order("a", limit_price=Decimal("1.50"), legs=("b",)), order("c", "sell", number=1))
    book.execute("a", Decimal(4), Decimal("1.25"), 5)
    again = Book()
    again.restore(
        [order_from(to_document(item)) for item in book.orders.values()],
        [entry_from(to_document(entry)) for entry in book.ledger],
    )
    assert (again.orders, again.ledger, again.positions) == (book.orders, book.ledger, book.positions)
    assert (again.cash, again.client_ids) == (book.cash, book.client_ids)
    assert list(again.open_orders) == ["a", "c"]
