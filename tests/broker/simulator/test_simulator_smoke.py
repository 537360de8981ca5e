import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import MarketOrderRequest

pytestmark = pytest.mark.enable_socket


def test_an_order_sent_after_the_close_fills_at_the_next_open(simulator):
    client = TradingClient("key", "secret", url_override=simulator.url)
    simulator.control.advance(to="close", offset_seconds=60)
    order = MarketOrderRequest(symbol="AAPL", qty=10, side="buy", time_in_force="day", client_order_id="a")
    assert client.submit_order(order).status == "accepted"
    simulator.control.advance(to="open")
    found = client.get_order_by_client_id("a")
    assert (found.status, found.filled_avg_price) == ("filled", "101")
