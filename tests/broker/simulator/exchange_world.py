"""A world at an instant, and orders sent to it."""

from decimal import Decimal

from broker.simulator.values import new_york_text, parse_instant
from broker.simulator.world import desk
from broker.simulator.world.exchange import advance
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import SimulatorSettings, World
from helpers.simulator_bars import plain_bars

BARS = plain_bars(last="2026-12-31")


MORNING = "2026-03-02T09:30:00-05:00"


EVENING = "2026-03-02T16:05:00-05:00"


TEN = Decimal(10)


def world_at(instant=MORNING, **changes):
    return World(BARS, parse_instant(instant), SimulatorSettings(**changes))


def send(world, **fields):
    plain = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "10"}
    body = {name: value for name, value in {**plain, **fields}.items() if value is not None}
    return desk.submit(world, parse_order(body)).id


def to(world, place):
    target = world.calendar.next_open(world.now) if place == "open" else world.calendar.next_close(world.now)
    advance(world, target)


def outcome(world, order_id):
    order = world.book.orders[order_id]
    return order.status, order.average_price


def clock(instant):
    return new_york_text(instant)[5:16]
