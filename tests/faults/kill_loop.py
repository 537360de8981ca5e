"""Kills at random instants: `python tests/faults/kill_loop.py [KILLS] [SEED] [MINUTES]`, the last at the most.

A daemon with the LSTM strategy, a simulator with a state file, and a person with the commands, each a process. While
sessions go by, with faults of the network, partial fills, cancels that race and trades by hand, one of the three is
ended by SIGKILL: half of the times at a random instant, half of the times shortly after something is written
into its journal, so that many kills fall into a decision, an order or a halt; halts and flattenings are begun more
often than a day brings. At the end everything is healed, every halt lifted, the book closed, and the journal compared
with the simulator: no order and no execution may be lost or doubled, and both books must be equal.
"""

import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from model_market import LEARNS, ROWS, SYMBOLS, TREE, run_with_champion, zigzag_bars  # noqa: E402
from scene import Scene  # noqa: E402
from soak import FAULTS  # noqa: E402

from broker.ids import FLAT, leg_of, parse_client_order_id  # noqa: E402
from broker.journal.schema import MIGRATIONS  # noqa: E402
from broker.orders import OrderState  # noqa: E402
from broker.simulator.harness import Simulator  # noqa: E402

KILLED = -9
WINDOWS_S = (0.5, 1.5, 5.0)  # a kill falls into so many seconds after the round's deeds
STIRS_S = 8.0  # how long a round waits for something to be written down
MOMENTS_S = (0.01, 0.05, 0.3)  # a kill falls into so many seconds after that
SETTLE_S = 15.0  # how long a daemon may take until a round does not wait for its decision any more
ALL_WISHES = ("--adopt", "--new-peak", "--unsuspend")
AHEAD = 170  # sessions there are bars for
FINAL_STEPS = 40


class KillLoop:
    """One book, one account, and everything that happens to them."""

    def __init__(self, folder, seed):
        self.chance = random.Random(seed)
        self.counts = Counter()
        bars = zigzag_bars(ahead=AHEAD)
        run = run_with_champion(folder / "run", bars, LEARNS)
        self.simulator = Simulator(
            bars,
            start=bars.timestamps[ROWS].isoformat(),
            state_path=folder / "simulator.db",
            partial_probability=0.3,
            seed=seed,
        )
        self.scene = Scene(self.simulator, folder, run=str(run), once_deadline_s=60.0)
        self.scene.tree = TREE | {"model": LEARNS, "live": self.scene.tree["live"]}
        self.daemon = None
        self.is_open = False  # the clock begins at a close
        self.closes = bars.timestamps[ROWS:].to_pydatetime()
        self.last_close = self.closes[0]

    @property
    def control(self):
        return self.simulator.control

    # one round: something happens, and somebody dies

    def round(self):
        if self.daemon is None or not self.daemon.alive:
            self.daemon = self.scene.start()
        if self.chance.random() < 0.6:
            self.lift_all(refusals=True)
        if self.chance.random() < 0.8:
            self.settle()
        if self.chance.random() < 0.8:
            self.go_on()
        self.disturb()
        command = self.command()
        victim = self.victim(command)
        if self.chance.random() < 0.5:
            wait_s = self.chance.uniform(0.0, self.chance.choice(WINDOWS_S))
        else:
            self.stirs(command)
            wait_s = self.chance.uniform(0.0, self.chance.choice(MOMENTS_S))
        if victim == "simulator":
            self.daemon.lives(wait_s)
            self.simulator.kill()
            self.simulator.restart()
            self.scene.control = self.simulator.control
        else:
            process = command if victim == "command" else self.daemon
            code = process.kill(wait_s)
            if code != KILLED:
                self.counts[f"a {victim} ended by itself with {code}"] += 1
                a_command_was_first = "in use by" in process.said()
                assert victim == "command" or code == 0 or a_command_was_first, process.said()
                return False
        self.counts[f"{victim} killed"] += 1
        busy = self.busy()
        self.counts["kills while a halt was carried out"] += bool(busy)
        self.counts["kills while a position was being closed"] += any(halt.flatten for halt in busy)
        if command is not None and command.alive:
            command.wait()
        return True

    def victim(self, command):
        if command is not None and self.chance.random() < 0.35:
            return "command"
        return "simulator" if self.chance.random() < 0.15 else "daemon"

    def stirs(self, command):
        """Wait until the daemon, or a halt that has just been said, writes something down."""
        before, end = self.written(), time.monotonic() + STIRS_S
        while self.daemon.lives(0.003) and time.monotonic() < end:
            if self.written() != before and (command is None or self.busy()):
                return

    def written(self):
        path = self.scene.state / "journal.db-wal"
        return path.stat().st_mtime_ns if path.exists() else 0

    def busy(self):
        """The halts that ask the broker for something that is not done."""
        return [halt for halt in self.halts() if halt.asks and halt.confirmed_at is None]

    def settle(self):
        """Let the daemon decide on the last bar and send what is due, so that not every session is cut off."""
        end = time.monotonic() + SETTLE_S
        while self.daemon.lives(0.2) and not self.settled() and time.monotonic() < end:
            pass

    def settled(self):
        if not self.begun:
            return False
        with self.scene.journal() as journal:
            if journal.halts.in_force():
                return True
            last = journal.decisions.last()
            waits = {order.state for order in journal.orders.all()} & {OrderState.DECIDED, OrderState.INTENT}
        return last is not None and last.asof >= self.last_close and not (waits and self.is_open)

    def go_on(self):
        """Let the next bar close or the market open, and a while pass."""
        offset = self.chance.choice([30, 65, 65, 300])
        self.control.advance(to="close" if self.is_open else "open", offset_seconds=offset)
        if self.is_open:
            self.counts["sessions"] += 1
            self.last_close = self.closes[self.counts["sessions"]]
        self.is_open = not self.is_open

    def disturb(self):
        chance = self.chance
        if chance.random() < 0.5:
            for fault in chance.sample(FAULTS, chance.randint(1, 2)):
                self.control.http_fault(**fault)
                self.counts["faults"] += 1
        if chance.random() < 0.15:
            self.control.manual_trade(symbol=chance.choice(SYMBOLS), qty=str(chance.choice([-7, -3, 4, 15])))
            self.counts["trades by hand"] += 1
        if chance.random() < 0.2:
            self.control.cancel_race(kind=chance.choice(["stuck", "filled", "refused"]), count=1)
            self.counts["cancels that race"] += 1
        if chance.random() < 0.2:
            self.control.auto_fill(enabled=False)
        elif chance.random() < 0.7:
            self.control.auto_fill(enabled=True)

    def command(self):
        """Start what a person says: more often than not, a way out of what is halted."""
        halts, chance = self.halts(), self.chance
        if not self.begun or chance.random() < (0.2 if halts else 0.75):
            return None
        symbol = chance.choice([(), *((name,) for name in SYMBOLS)])
        if halts and chance.random() < 0.85:
            scope = chance.choice(halts).scope
            words = ("resume", *(() if scope == "*" else (scope,)), *ALL_WISHES)
        else:
            words = chance.choice(
                [("halt", *symbol), ("flatten", *symbol), ("flatten", "--all", "--yes", *symbol)]
            )
        self.counts[words[0]] += 1
        return self.scene.start(*words)

    @property
    def begun(self):
        """Whether there is a journal, with all of its tables."""
        path = self.scene.state / "journal.db"
        if not path.exists():
            return False
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS))

    def halts(self):
        if not self.begun:
            return []
        with self.scene.journal() as journal:
            return journal.halts.in_force()

    # the end

    def heal_and_close(self):
        """End the bad day: no fault is left, every halt is lifted, what is held is sold, and nothing is open."""
        self.daemon.kill()
        self.control.clear_faults()
        self.control.auto_fill(enabled=True)
        for order in self.control.state()["orders"]:
            if order["status"] == "pending_cancel":
                self.control.order_status(order=order["id"], status="canceled")
        self.lift_all()
        code, said = self.scene.command("flatten", "--all", "--yes")
        assert code == 0, said
        for _ in range(FINAL_STEPS):
            self.control.advance(to="open", offset_seconds=30)
            assert self.scene.once() in (0, 4), self.scene.last_output
            if not self.scene.positions() and self.open_orders() == []:
                break
        self.lift_all()
        assert self.scene.once() == 0, self.scene.last_output

    def lift_all(self, refusals=False):
        """Lift what is halted; where the bad day is not over, that may be refused."""
        for halt in self.halts():
            scope = () if halt.scope == "*" else (halt.scope,)
            code, said = self.scene.command("resume", *scope, *ALL_WISHES)
            assert refusals or code == 0 or "nothing of" in said, said

    def open_orders(self):
        over = {"filled", "canceled", "expired", "rejected", "replaced"}
        return [order for order in self.control.state()["orders"] if order["status"] not in over]

    def verdict(self):
        """Return what was lost or doubled, and whether both books are equal."""
        truth = self.control.state()
        theirs = [order for order in truth["orders"] if parse_client_order_id(order["client_order_id"])]
        names = Counter(order["client_order_id"] for order in theirs)
        executed = self.executions(truth, {order["id"] for order in theirs})
        with self.scene.journal() as journal:
            stored = {order.client_order_id: order for order in journal.orders.all()}
            fills = Counter(
                (f.order_id, Decimal(f.quantity), Decimal(f.price)) for f, _ in journal.ledger.fills()
            )
            ledger = journal.ledger.quantities()
            decided = Counter((o.decision_id, o.symbol, o.side, o.reason) for o in stored.values())
        mine = Counter({key: n for key, n in fills.items() if key[0] in {order["id"] for order in theirs}})
        wrong = [
            order["client_order_id"]
            for order in theirs
            if order["client_order_id"] in stored
            and stored[order["client_order_id"]].filled != Decimal(order.get("filled_qty", "0"))
        ]
        main = {key: n for key, n in decided.items() if leg_of(key[0]) != FLAT}
        return {
            "orders at the broker": len(theirs),
            "executions at the broker": sum(executed.values()),
            "orders lost": len(names.keys() - stored.keys()),
            "orders doubled": sum(n - 1 for n in names.values()) + sum(n - 1 for n in main.values()),
            "orders with another filled quantity": len(wrong),
            "executions lost": sum((executed - mine).values()),
            "executions doubled": sum((mine - executed).values()),
            "positions": {s: q for s, q in truth["positions"].items() if Decimal(q)},
            "books equal": ledger == {s: Decimal(q) for s, q in truth["positions"].items() if Decimal(q)},
            "halted": [halt.reason for halt in self.halts()],
        }

    @staticmethod
    def executions(truth, ids):
        rows = [e for e in truth["ledger"] if e["kind"] == "fill" and e["order_id"] in ids]
        return Counter((e["order_id"], abs(Decimal(e["qty"])), Decimal(e["price"])) for e in rows)

    def stop(self):
        if self.daemon is not None and self.daemon.alive:
            self.daemon.kill()
        self.simulator.stop()


def kill_loop(kills, seed, folder, tell=lambda text: None, minutes=float("inf")):
    """Return what happened and what came of it, as a dict."""
    began = time.monotonic()
    end = began + 60 * minutes
    loop = KillLoop(folder, seed)
    tell(f"ready after {time.monotonic() - began:.0f} s")
    try:
        done = 0
        while done < kills and time.monotonic() < end:
            killed = loop.round()
            done += killed
            if killed and done % 20 == 0:
                tell(f"{done} kills, {time.monotonic() - began:.0f} s: {dict(loop.counts)}")
        tell(f"healing after {time.monotonic() - began:.0f} s")
        loop.heal_and_close()
        result = {"kills": done} | dict(sorted(loop.counts.items())) | loop.verdict()
        loop.scene.check()
    finally:
        loop.stop()
    return result | {"seconds": round(time.monotonic() - began, 1)}


def is_clean(result):
    """Whether nothing was lost, doubled or left."""
    nothing = ("orders lost", "orders doubled", "executions lost", "executions doubled")
    return (
        not any(
            result[name] for name in (*nothing, "orders with another filled quantity", "positions", "halted")
        )
        and result["books equal"]
    )


if __name__ == "__main__":
    kills, seed, minutes = [int(argument) for argument in sys.argv[1:]] + [200, 1, 10**6][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory() as temporary:
        say = lambda text: print(text, flush=True)  # noqa: E731
        result = kill_loop(kills, seed, Path(temporary), say, minutes)
    for name, value in result.items():
        print(f"{name:42} {value}")
    sys.exit(0 if is_clean(result) else 1)
