"""The simulator's broker without any socket, as a `Broker`: every call can be made to fail, before or after."""

from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

from broker.alpaca import answers
from broker.errors import OutcomeUnknown, RateLimited, Refused, Unreachable
from broker.simulator.calls import Call
from broker.simulator.serving import server
from broker.simulator.serving.commands import run
from broker.simulator.serving.core import SimulatorCore
from broker.simulator.serving.store import Store
from broker.simulator.values import parse_instant
from broker.simulator.world.state import SimulatorSettings, World
from broker.values import RawPrice

ROUTES = {(method, path): route for method, path, route in server.ROUTES}


class WorldBroker:
    """`fault` is what happens to the next submit; `hidden` look-ups say 404; `down` calls are unreachable."""

    def __init__(self, bars, start, **settings):
        self.simulator = SimulatorCore(
            World(bars, parse_instant(start), SimulatorSettings(**{"market_fill": "open", **settings})),
            Store(None),
        )
        self.fault = None
        self.hidden = 0
        self.down = 0

    def command(self, name, **body):
        return run(self.simulator, name, body)

    def call(self, method, path, params=None, query=None, body=None):
        if self.down:
            self.down -= 1
            raise Unreachable("down")
        reply = self.simulator.answer(ROUTES[method, path], Call(params or {}, query or {}, body))
        if reply.status >= 400:
            raise Refused(reply.status, reply.body.get("code"), reply.body.get("message", ""), reply.body)
        return reply.body

    def account(self):
        return answers.account(self.call("GET", "/v2/account"))

    def clock(self):
        return answers.market_clock(self.call("GET", "/v2/clock"))

    def assets(self, symbols):
        return {symbol: self.asset(symbol) for symbol in symbols}

    def asset(self, symbol):
        try:
            return answers.asset(self.call("GET", "/v2/assets/{symbol:.+}", {"symbol": symbol}))
        except Refused:
            return None

    def positions(self):
        return {p["symbol"]: answers.position(p) for p in self.call("GET", "/v2/positions")}

    def submit(self, request):
        fault, self.fault = self.fault, None
        if fault == "limited":
            raise RateLimited("429")
        if fault == "before":
            raise OutcomeUnknown("lost on the way there")
        answer = answers.order(self.call("POST", "/v2/orders", body=request.body()))
        if fault == "after":
            raise OutcomeUnknown("lost on the way back")
        return answer

    def order_by_client_id(self, client_order_id):
        if self.hidden:
            self.hidden -= 1
            return None
        try:
            found = self.call(
                "GET", "/v2/orders:by_client_order_id", query={"client_order_id": client_order_id}
            )
        except Refused:
            return None
        return answers.order(found)

    def order(self, order_id):
        query = {"nested": "true"}
        return answers.order(self.call("GET", "/v2/orders/{order_id}", {"order_id": order_id}, query))

    def open_orders(self):
        return [
            answers.order(o)
            for o in self.call("GET", "/v2/orders", query={"limit": "500", "direction": "asc"})
        ]

    def orders_since(self, moment, nested=False):
        query = {"limit": "500", "status": "all", "after": moment.isoformat(), "nested": str(nested).lower()}
        return [answers.order(o) for o in self.call("GET", "/v2/orders", query=query)]

    def cancel(self, order_id):
        try:
            self.call("DELETE", "/v2/orders/{order_id}", {"order_id": order_id})
        except Refused:
            return False
        return True

    def cancel_all(self):
        self.call("DELETE", "/v2/orders")

    def close_position(self, symbol):
        return answers.order(self.call("DELETE", "/v2/positions/{symbol:.+}", {"symbol": symbol}))

    @contextmanager
    def urgent(self):
        yield

    def room(self):
        return 1_000

    def wait_s(self):
        return 0.0

    def suspend(self, suspended=True):
        body = {"suspend_trade": suspended}
        return self.call("PATCH", "/v2/account/configurations", body=body)["suspend_trade"]

    def fills(self, after):
        query = {"direction": "asc", "page_size": "100"}
        if after is not None:
            query["after"] = after.isoformat()
        page = self.call("GET", "/v2/account/activities/{kind}", {"kind": "FILL"}, query)
        return [answers.fill(activity) for activity in page]

    def cash_flows(self, after):
        query = {"direction": "asc", "category": "non_trade_activity", "after": after.isoformat()}
        page = self.call("GET", "/v2/account/activities", query=query)
        return [flow for activity in page if (flow := answers.cash_flow(activity)) is not None]

    def last_prices(self, symbols):
        world = self.simulator.world
        return {s: RawPrice(Decimal(str(world.price(s)))) for s in symbols if world.price(s) is not None}

    # the truth

    def now(self):
        return datetime.fromtimestamp(self.simulator.world.now / 1e9, UTC)

    def accepted(self):
        """Orders at the broker by client id."""
        return {order.client_order_id: order for order in self.simulator.world.book.orders.values()}

    def held(self):
        return {s: p.qty for s, p in self.simulator.world.book.positions.items() if p.qty}
