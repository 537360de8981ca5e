"""250 virtual sessions with random faults in every one: `python tests/faults/soak.py [SESSIONS] [SEED]`.

One daemon lives through them, thrown away and made anew at random. At the end the journal must be the simulator's
truth, and memory should be flat: `slope_kb_a_session` is the least-squares slope of the process's resident memory
from session 126 on, where the replay (`live.replay_bars`) has its full length. Bars that were not there before stay,
about a third of a kilobyte for each symbol and session.
"""

import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import numpy as np  # noqa: E402
from in_process import Desk  # noqa: E402

from broker.ids import parse_client_order_id  # noqa: E402
from broker.simulator.harness import Simulator  # noqa: E402
from helpers.live_values import live_settings, random_forecasts, some_bars  # noqa: E402

FULL_REPLAY = 126
MEGABYTE = 1024  # ru_maxrss is in kilobytes
FAULTS = [
    {"route": "POST /v2/orders", "status": 503},
    {"route": "POST /v2/orders", "status": 504, "when": "after"},
    {"route": "POST /v2/orders", "action": "reset", "when": "after"},
    {"route": "POST /v2/orders", "action": "truncate", "when": "after"},
    {"route": "POST /v2/orders", "action": "html", "when": "after"},
    {"route": "POST /v2/orders", "status": 429, "headers": {"Retry-After": "1"}},
    {"route": "GET /v2/account", "status": 500, "count": 3},
    {"route": "GET /v2/positions", "action": "empty"},
    {"route": "GET /v2/clock", "action": "reset"},
    {"route": "GET /v2/orders*", "status": 502, "probability": 0.3, "count": 5},
    {"route": "GET /v2/account/activities/FILL", "action": "truncate", "count": 2},
    {"route": "GET /v2/stocks/bars", "status": 500},
]


def rss_mb():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / MEGABYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def disturb(desk, chance, counts):
    control = desk.simulator.control
    for fault in chance.sample(FAULTS, chance.randint(1, 3)):
        control.http_fault(**fault)
        counts[f"{fault['route']} {fault.get('action', fault.get('status', ''))}"] += 1
    if chance.random() < 0.2:
        control.index_delay(lookups=1, lists=True)
        counts["index delay"] += 1
    if chance.random() < 0.1:
        desk.restart()
        counts["restart"] += 1


def soak(sessions, seed, folder):
    """Return what happened, as a dict; raises AssertionError where the two books differ."""
    chance, counts, memory = random.Random(seed), Counter(), []
    bars = some_bars(sessions + 3, seed=seed)
    began = time.monotonic()
    with Simulator(bars, cash=100_000, partial_probability=0.1, seed=seed, market_fill="open") as simulator:
        desk = Desk(live_settings(), simulator, folder, random_forecasts(bars, seed=seed))
        for _ in range(sessions):
            desk.session(lambda: disturb(desk, chance, counts))
            simulator.control.clear_faults()
            simulator.control.advance(seconds=180)
            desk.settle()
            memory.append(rss_mb())
        compare_books(desk, simulator.control.state())
        journal = desk.daemon.journal
        result = {
            "sessions": sessions,
            "faults": sum(counts.values()),
            "orders": len(journal.orders.all()),
            "states": Counter(str(order.state) for order in journal.orders.all()),
            "fills": len(journal.ledger.fills()),
            "halts": [halt.reason for halt in journal.halts.in_force()],
            "memory_mb": [round(value, 1) for value in memory[:: max(1, sessions // 10)]],
            "slope_kb_a_session": slope_kb(memory),
            "journal_mb": round(desk.path.stat().st_size / 2**20, 2),
            "seconds": round(time.monotonic() - began, 1),
        }
        journal.close()
    return result


def slope_kb(memory):
    """Least-squares slope of memory (MB, by session) in KB a session, once the replay has its full length."""
    first = min(FULL_REPLAY, len(memory) // 2)
    rest = np.array(memory[first:]) * 1024
    return round(float(np.polyfit(np.arange(len(rest)), rest, 1)[0]), 1)


def compare_books(desk, truth):
    """Assert that the journal is what the simulator knows: orders, executions, positions."""
    journal = desk.daemon.journal
    mine = {order.client_order_id: order for order in journal.orders.all()}
    theirs = [o for o in truth["orders"] if parse_client_order_id(o["client_order_id"])]
    assert len({order["client_order_id"] for order in theirs}) == len(theirs)
    for order in theirs:
        assert float(mine[order["client_order_id"]].filled) == float(order["filled_qty"]), order
    positions = {symbol: float(q) for symbol, q in truth["positions"].items() if float(q)}
    assert {symbol: float(q) for symbol, q in journal.ledger.quantities().items()} == positions


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]] + [250, 1][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory() as temporary:
        for name, value in soak(arguments[0], arguments[1], Path(temporary)).items():
            print(f"{name:24} {value}")
