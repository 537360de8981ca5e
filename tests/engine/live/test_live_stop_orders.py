"""Stop orders of the strategy rest at the broker, are filled there within the session, and follow the position."""

from decimal import Decimal

import pytest

from broker.orders import OrderState
from broker.simulator.harness import Simulator
from engine.live.job import opened
from engine.live.rehearsal import KEYS, local_settings, one_session
from engine.live.tradable import refuse_untradable
from forewalk.data.loading import load_bars
from forewalk.errors import ConfigError
from forewalk.settings.loading import load_settings
from helpers.making import make_settings
from helpers.own_code import write_module, write_project

pytestmark = pytest.mark.usefixtures("socket_enabled")
SESSIONS = 12
CENT = Decimal("0.01")
POLICY = """\
import numpy as np
from models.arrays import ArrayForecaster

class Hopes(ArrayForecaster):
    def fit(self, data):
        return {"mean": np.full(1, 0.01)}

    def predict(self, arrays, panel, first, stop):
        return np.arange(panel.values[first:stop, :, 0].size).reshape(-1, panel.values.shape[1]) * 1e-6 + 0.01

"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book after some sessions: its orders, executions and last look at the account."""
    here = tmp_path_factory.mktemp("stops")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        write_module(here, "mine", POLICY)
        config = write_project(
            here,
            model='kind = "mine:Hopes"',
            strategy="stop_loss = 0.01\nstop_orders = true\nexit = -9.0\nmax_weight = 0.2",
        )
        settings = load_settings(config, ["live.summary=false"], environment={})
        bars, _ = load_bars(settings.data)
        begin = bars.timestamps[-SESSIONS - 2].isoformat()
        with Simulator(bars, start=begin, cash=1e5, market_fill="open") as simulator:
            there = local_settings(settings, bars, simulator.url, here / "state")
            with opened(there, console=False, keys=KEYS) as (daemon, watch):
                for _ in range(SESSIONS):
                    one_session(simulator.control, daemon, there)
                journal = daemon.journal
                yield bars, journal.orders.all(), journal.ledger, watch.counts


def test_stops_are_filled_within_the_session_at_their_price_or_worse(book):
    bars, orders, ledger, _ = book
    fills = [(fill, owner) for fill, owner in ledger.fills()]
    by_name = {order.client_order_id: order for order in orders if order.kind == "stop"}
    sold = [(fill, by_name[owner]) for fill, owner in fills if owner in by_name]
    assert sold
    for fill, order in sold:
        assert order.side == "sell"
        assert fill.price <= order.stop_price + CENT  # sent in whole cents
        row = int(bars.timestamps.searchsorted(fill.at))
        column = bars.symbols.index(fill.symbol)
        gap = min(float(order.stop_price), bars.open[row, column])
        assert float(fill.price) == pytest.approx(gap, rel=2e-3)


def test_no_more_shares_are_offered_than_are_held(book):
    _, orders, ledger, counts = book
    held = ledger.quantities()
    resting = [
        o for o in orders if o.kind == "stop" and o.state not in (OrderState.FILLED, OrderState.CANCELED)
    ]
    offered = {order.symbol: order.quantity for order in resting}
    assert len(offered) == len(resting)
    for symbol, quantity in offered.items():
        assert quantity <= held.get(symbol, Decimal(0))
    assert not counts["halt"]
    assert not counts["refused"]


def test_fractions_of_a_share_have_no_stop_orders_at_the_broker():
    settings = make_settings(
        strategy={"stop_loss": 0.05, "stop_orders": True, "max_weight": 0.1},
        execution={"fractional": True},
        data={"symbols": ["AAPL"]},
    )
    with pytest.raises(ConfigError, match=r"stop_orders with execution\.fractional"):
        refuse_untradable(settings)
