"""Whatever is sent, whatever is filled, and however time runs: the accounts add up and nothing goes backwards."""

import contextlib
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broker.simulator.serving import scenario
from broker.simulator.values import HOUR, Refusal, parse_instant
from broker.simulator.world import desk
from broker.simulator.world.exchange import advance
from broker.simulator.world.orders import TERMINAL
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import SimulatorSettings, World
from helpers.simulator_bars import plain_bars

BARS = plain_bars()
SYMBOLS = st.sampled_from(BARS.symbols)
SIDES = st.sampled_from(["buy", "sell"])
PRICES = st.integers(9000, 13000).map(lambda cents: str(Decimal(cents) / 100))


def order_bodies():
    def body(symbol, side, kind, tif, qty, limit, stop, extended):
        fields = {"symbol": symbol, "side": side, "type": kind, "time_in_force": tif, "qty": str(qty)}
        if kind in ("limit", "stop_limit"):
            fields["limit_price"] = limit
        if kind in ("stop", "stop_limit"):
            fields["stop_price"] = stop
        if kind == "trailing_stop":
            fields["trail_price"] = "1.5"
        return fields | {"extended_hours": extended and kind == "limit" and tif in ("day", "gtc")}

    return st.builds(
        body,
        SYMBOLS,
        SIDES,
        st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing_stop"]),
        st.sampled_from(["day", "gtc", "opg", "cls", "ioc", "fok"]),
        st.sampled_from([1, 2, 3, 7, 10, 25, 40, "0.5"]),
        PRICES,
        PRICES,
        st.booleans(),
    )


class Trading(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 3), partial=st.sampled_from([0.0, 0.7]))
    def begin(self, seed, partial):
        chosen = SimulatorSettings(seed=seed, partial_probability=partial, slippage_bps=Decimal(5))
        self.world = World(BARS, parse_instant("2026-03-02T11:00:00-05:00"), chosen)
        self.filled, self.ids, self.ended, self.events = {}, set(), {}, []

    @rule(body=order_bodies())
    def send(self, body):
        self.attempt(lambda: desk.submit(self.world, parse_order(body)))

    @rule(
        symbol=SYMBOLS,
        side=SIDES,
        profit=PRICES,
        loss=PRICES,
        kind=st.sampled_from(["bracket", "oto", "oco"]),
    )
    def send_family(self, symbol, side, profit, loss, kind):
        body = {"symbol": symbol, "side": side, "type": "market", "time_in_force": "gtc", "qty": 4}
        body |= {"order_class": kind, "stop_loss": {"stop_price": loss}}
        if kind != "oto":
            body["take_profit"] = {"limit_price": profit}
        if kind == "oco":
            body |= {"type": "limit", "limit_price": profit}
        self.attempt(lambda: desk.submit(self.world, parse_order(body)))

    @rule(hours=st.sampled_from([1, 3, 7, 20, 100]))
    def wait(self, hours):
        advance(self.world, self.world.now + hours * HOUR)

    @rule()
    def wait_for_the_open(self):
        advance(self.world, self.world.calendar.next_open(self.world.now))

    @rule(pick=st.integers(0, 50))
    def cancel(self, pick):
        orders = list(self.world.book.orders)
        if orders:
            self.attempt(lambda: desk.cancel(self.world, orders[pick % len(orders)]))

    @rule(pick=st.integers(0, 50), qty=st.integers(1, 20))
    def replace(self, pick, qty):
        orders = list(self.world.book.orders)
        if orders:
            self.attempt(lambda: desk.replace_order(self.world, orders[pick % len(orders)], {"qty": qty}))

    @rule(symbol=SYMBOLS, qty=st.integers(-5, 5).filter(bool))
    def trade_by_hand(self, symbol, qty):
        scenario.manual_trade(self.world, symbol, str(qty))

    @rule(symbol=SYMBOLS, new=st.integers(1, 4), old=st.integers(1, 3))
    def split(self, symbol, new, old):
        scenario.split(self.world, symbol, new, old)
        self.wait_for_the_open()

    @rule()
    def close_all(self):
        desk.close_all(self.world, cancel_orders=True)

    @rule()
    def save_and_load(self):
        state = self.world.snapshot()
        copy = World(BARS, 0, self.world.settings)
        copy.restore(state)
        assert copy.snapshot() == state
        copy.book.events = self.world.book.events
        self.world = copy

    def attempt(self, action):
        with contextlib.suppress(Refusal):
            action()

    @invariant()
    def cash_and_positions_are_the_sums_of_the_ledger(self):
        book = self.world.book
        assert book.cash == sum(entry.cash for entry in book.ledger)
        for symbol in BARS.symbols:
            assert book.quantity(symbol) == sum(entry.qty for entry in book.ledger if entry.symbol == symbol)

    @invariant()
    def each_order_is_the_sum_of_its_executions(self):
        fills = [entry for entry in self.world.book.ledger if entry.kind == "fill"]
        for order in self.world.book.orders.values():
            own = [entry for entry in fills if entry.order_id == order.id]
            assert order.filled_qty == sum(abs(entry.qty) for entry in own)
            assert order.filled_value == sum(abs(entry.qty) * entry.price for entry in own)
            assert order.qty is None or order.filled_qty <= order.qty

    @invariant()
    def ids_are_unique_and_executions_have_their_own(self):
        book = self.world.book
        client_ids = [order.client_order_id for order in book.orders.values()]
        executions = [entry.execution_id for entry in book.ledger if entry.kind == "fill"]
        assert len(set(client_ids)) == len(client_ids) == len(book.client_ids)
        assert len(set(executions)) == len(executions)

    @invariant()
    def nothing_goes_backwards(self):
        for order in self.world.book.orders.values():
            assert order.filled_qty >= self.filled.get(order.id, 0)
            assert self.ended.get(order.id, order.status) == order.status
            self.filled[order.id] = order.filled_qty
            if order.status in TERMINAL:
                self.ended[order.id] = order.status
        assert self.ids <= set(self.world.book.orders)
        self.ids = set(self.world.book.orders)

    @invariant()
    def events_and_ledger_are_in_the_order_of_time(self):
        self.events += self.world.book.take_events()
        stamps = [event.at for event in self.events]
        assert stamps == sorted(set(stamps))
        lines = [entry.at for entry in self.world.book.ledger]
        assert lines == sorted(lines)

    @invariant()
    def a_limit_is_never_broken(self):
        orders = self.world.book.orders
        for entry in self.world.book.ledger:
            limit = orders[entry.order_id].limit_price if entry.kind == "fill" else None
            if limit is not None:
                assert (limit - entry.price) * orders[entry.order_id].sign >= 0

    @invariant()
    def a_day_order_does_not_outlive_its_day(self):
        for order in self.world.book.working_orders():
            if order.time_in_force != "gtc" and order.parent is None:
                assert order.expires_at >= self.world.now

    def teardown(self):
        self.events_and_ledger_are_in_the_order_of_time()


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
