"""A world at an instant, and questions to it."""

from hypothesis import strategies as st

from broker.simulator.calls import Call
from broker.simulator.routes import prices
from broker.simulator.values import (
    parse_instant,
)
from broker.simulator.world import desk
from broker.simulator.world.requests import parse_order
from broker.simulator.world.state import SimulatorSettings, World
from helpers.simulator_bars import plain_bars

BARS = plain_bars(first="2026-03-02", last="2026-12-31")


INSTANTS = st.integers(0, 4_000_000_000_000_000_000)


def world_at(instant, **settings):
    return World(BARS, parse_instant(instant), SimulatorSettings(**settings))


def bars_at(instant, settings=None, **query):
    world = world_at(instant, **(settings or {}))
    call = Call(query={"symbols": "AAPL", "timeframe": "1Day", "start": "2026-03-01", **query})
    return prices.paged("bars", prices.bars_of)(world, call).body["bars"].get("AAPL", [])


def send(world, **fields):
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1", **fields}
    return desk.submit(world, parse_order(body))
