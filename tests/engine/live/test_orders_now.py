"""What a strategy wants on a paper account now, without the daemon."""

import backtrader as bt
import pytest

import forewalk as fw

pytestmark = pytest.mark.usefixtures("socket_enabled")


class Buyer(bt.Strategy):
    """Buys ten of each symbol that it does not hold, twice five."""

    def next(self):
        for data in self.datas:
            if not self.getposition(data):
                self.buy(data, size=5)
                self.buy(data, size=5)


class Limits(bt.Strategy):
    def next(self):
        self.buy(size=1, exectype=bt.Order.Limit, price=1.0)


@pytest.fixture(scope="module")
def simulator():
    with fw.Simulator(
        "synthetic:AAPL,MSFT", start="2025-03-04T09:35:00-05:00", market_fill="open"
    ) as running:
        yield running


@pytest.fixture
def account(simulator, monkeypatch):
    simulator.control.restore()
    monkeypatch.setenv("APCA_API_KEY_ID", "SIMKEY")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "simsecret")
    return fw.paper_account(simulator.url)


def test_each_order_is_wanted_until_the_account_knows_it(account):
    wanted = fw.orders_now(Buyer, ["AAPL", "MSFT"], account)
    assert [(order.symbol, order.quantity) for order in wanted] == [("AAPL", 5)] * 2 + [("MSFT", 5)] * 2
    assert [order.client_order_id for order in wanted[:2]] == [
        "own-20250303-AAPL-m-0",
        "own-20250303-AAPL-m-1",
    ]
    account.submit(wanted[0])
    again = fw.orders_now(Buyer, ["MSFT"], account, book="own")
    assert [order.symbol for order in again] == ["MSFT", "MSFT"]
    for order in wanted[1:]:
        account.submit(order)
    assert fw.orders_now(Buyer, ["AAPL", "MSFT"], account) == []


def test_what_cannot_be_sent_from_here_is_refused_with_the_way_out(account):
    with pytest.raises(fw.ConfigError, match=r"a limit order is sent by the daemon only.*engine\.live"):
        fw.orders_now(Limits, ["AAPL"], account)

    class Forecasting(bt.Strategy):
        params = (("table", None),)

    with pytest.raises(fw.ConfigError, match="Forecasting takes forecasts"):
        fw.orders_now(Forecasting, ["AAPL"], account)


def test_no_order_is_made_from_bars_that_cannot_be_used(account):
    with pytest.raises(fw.DataError, match="no order is made"):
        fw.orders_now(Buyer, ["AAPL", "ZZZ"], account)


def test_a_host_that_is_not_the_paper_one_and_missing_keys_are_refused(account, monkeypatch):
    with pytest.raises(fw.ConfigError):
        fw.paper_account("https://api.alpaca.markets")
    monkeypatch.delenv("APCA_API_KEY_ID")
    with pytest.raises(fw.ConfigError, match="no key id"):
        fw.paper_account()


def test_a_simulator_that_does_not_start_says_why(tmp_path):
    with pytest.raises(fw.ForewalkError, match=r"did not start \(exit code 5\).*none\.csv"):
        fw.Simulator(tmp_path / "none.csv")
