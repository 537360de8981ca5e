"""The name of an order follows from what it is, and can be read back."""

import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.ids import OrderName, checked_symbol, client_order_id, decision_id, parse_client_order_id
from forewalk.errors import ConfigError

names = st.builds(
    OrderName,
    st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True).filter(str.isascii),
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.from_regex(r"[A-Z0-9]{1,10}(\.[A-Z]{1,3}|/USD)?", fullmatch=True).filter(str.isascii),
    st.sampled_from(["m", "tp", "sl", "flat"]),
    st.integers(0, 99_999),
)


def written(name):
    return client_order_id(name.book, name.session, name.symbol, name.leg, name.sequence)


@given(names)
def test_an_id_is_short_plain_and_says_what_it_names(name):
    text = written(name)
    assert len(text) <= 48
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert parse_client_order_id(text) == name


@given(names, names)
def test_two_orders_share_an_id_only_if_they_are_the_same(a, b):
    assert (written(a) == written(b)) == (a == b)


@given(st.text(max_size=60))
def test_a_foreign_id_is_not_taken_for_ours(text):
    name = parse_client_order_id(text)
    assert name is None or written(name) == text


@pytest.mark.parametrize(
    "symbol",
    [
        "../../etc/passwd",
        "/ETC",
        "AAPL'; DROP TABLE orders; --",
        "<img onerror=x>",
        "aapl",
        "",
        "A B",
        "CON:",
        "A\0",
        "X" * 20,
    ],
)
def test_a_symbol_that_is_no_ticker_is_refused(symbol):
    with pytest.raises(ConfigError, match="no ticker"):
        checked_symbol(symbol)


@pytest.mark.parametrize("book", ["", "a-b", "x" * 13, "ü"])
def test_a_book_that_does_not_fit_into_an_id_is_refused(book):
    with pytest.raises(ConfigError, match=r"live\.book"):
        client_order_id(book, date(2026, 11, 20), "AAPL", "m", 0)


def test_a_decision_is_named_by_its_book_and_its_bar():
    assert decision_id("paper", datetime(2026, 11, 20, 21, tzinfo=UTC)) == "paper-20261120T2100"
