"""For each fail point a story in which it is reached, told differently by each seed; and what must hold afterwards.

A story ends the daemon by SIGKILL, mostly more than once, lets it start again as a supervisor would, and returns the
exit codes of the processes that were to die.
"""

import signal
import sqlite3

from broker.journal import schema

KILLED = -signal.SIGKILL
VISITS = {  # how often a process reaches the point for certain, in the session that its story kills it in
    "before_decision_commit": 1,
    "after_decision_commit": 1,
    "after_intent_commit": 2,
    "before_post": 2,
    "after_post": 2,
    "after_ack_commit": 2,
    "before_fill_commit": 3,
    "after_fill_commit": 1,
    "during_reconcile": 3,
}
BEFORE_THE_OPEN = ("before_decision_commit", "after_decision_commit")
RESTING = {"strategy": "fault_strategies:CancelOnce"}


def begin(scene, chance, traded=True):
    """Let some sessions pass, the last of them perhaps traded; fills come whole or in parts from then on."""
    for _ in range(chance.randint(0, 3)):
        scene.control.advance(to="close")
    if traded and chance.random() < 0.5:
        scene.decide_and_send()
    scene.control.settings(partial_probability=chance.choice([0.0, 0.5, 1.0]))


def dies(scene, point, chance, visits, **live):
    """Start the daemon up to three times with the fail point set; the first time it is reached for certain."""
    visit = [chance.randint(1, visits), *(chance.randint(1, 3) for _ in range(chance.randint(0, 2)))]
    return [scene.once(f"{point}:kill9:{number}", **live) for number in visit]


def settle(scene, **live):
    """Run until nothing is left to do."""
    for _ in range(2):
        assert scene.once(**live) == 0, scene.last_output


def trades_again(scene):
    """The next session is traded as if nothing had been."""
    before = len(scene.orders("filled"))
    scene.control.auto_fill(enabled=True)
    scene.control.settings(partial_probability=0.0)
    assert scene.decide_and_send() == [0, 0]
    assert len(scene.orders("filled")) == before + 2


# the points that every session passes


def of_a_session(scene, point, chance):
    """Before and after the open of a session the daemon dies, up to six times."""
    begin(scene, chance)
    scene.after_close()
    sure = point in BEFORE_THE_OPEN
    codes = dies(scene, point, chance, VISITS[point] if sure else 3)
    settle(scene)
    scene.after_open()
    for order in scene.orders():
        price = float(order.decided_price) * chance.uniform(0.97, 1.03)
        scene.control.price(symbol=order.symbol, price=f"{price:.2f}")
    codes += dies(scene, point, chance, 3 if sure else VISITS[point])
    settle(scene)
    scene.control.advance(seconds=400)  # partial fills are completed
    settle(scene)
    asked = {order.client_order_id for order in scene.orders("needs_human")}
    assert {order.client_order_id for order in scene.orders("filled")} == set(scene.broker_orders())
    assert len(asked) + len(scene.broker_orders()) == len(scene.orders())
    assert (
        not asked or point == "before_post"
    )  # twice about to go out: it may have gone out twice, so it asks
    return codes


# cancellations


def of_a_cancellation(scene, point, chance):
    """Two resting orders, perhaps partly filled, are taken back: by the strategy, by a person, or at a stop."""
    begin(scene, chance, traded=False)
    for _ in range(2):
        scene.decide_and_send(**RESTING)
    names = sorted(scene.broker_orders())
    for name in chance.sample(names, chance.randint(0, 2)):
        scene.control.fill(order=name, qty=str(chance.randint(1, 9)))
    if chance.random() < 0.4:
        scene.control.cancel_race(kind=chance.choice(["refused", "filled"]), count=1)
    codes = chance.choice([by_the_strategy, by_a_person, at_a_stop])(scene, point, chance)
    settle(scene, **RESTING)
    assert set(scene.states()) <= {"canceled", "filled"}
    assert not [order for order in scene.broker_orders().values() if order["status"] not in OVER]
    return codes


OVER = ("canceled", "filled")


def by_the_strategy(scene, point, chance):
    scene.after_close()
    return dies(scene, point, chance, 2, **RESTING)


def by_a_person(scene, point, chance):
    halt = scene.start("halt", "--no-suspend", failpoint=f"{point}:kill9:{chance.randint(1, 2)}", **RESTING)
    return [halt.wait()]


def at_a_stop(scene, point, chance):
    failpoint = f"{point}:kill9:{chance.randint(1, 2)}"
    daemon = scene.start(failpoint=failpoint, on_stop="cancel", **RESTING)
    scene.until(lambda: "started" in daemon.said())
    daemon.signal(signal.SIGTERM)
    codes = [daemon.wait()]
    again = scene.start(on_stop="cancel", **RESTING)  # what a supervisor starts and a person stops again
    scene.until(lambda: "started" in again.said())
    again.signal(signal.SIGTERM)
    assert again.wait() == 0
    return codes


# the kill switch


def of_the_kill_switch(scene, point, chance):
    """Orders are open, perhaps partly filled, when somebody pulls the switch, and the process that does it dies."""
    begin(scene, chance)
    scene.control.auto_fill(enabled=False)
    known = set(scene.broker_orders())
    scene.decide_and_send()
    for name in sorted(set(scene.broker_orders()) - known):
        if chance.random() < 0.5:
            scene.control.fill(order=name, qty=str(chance.randint(1, 9)))
    command = chance.choice(["halt", "flatten"])
    codes = [pulled(scene, command, point, chance)]
    scene.control.auto_fill(enabled=True)
    posted = len(scene.posts())
    for _ in range(3):
        assert scene.once() == 0
        scene.control.advance(seconds=200)  # partial fills are completed
    assert [scope for scope, _ in scene.halts()] == ["*"]
    assert scene.control.account()["configuration"]["suspend_trade"] is True
    assert set(scene.states()) <= {"canceled", "filled"}
    assert scene.positions() == {} if command == "flatten" else len(scene.posts()) == posted
    scene.check()
    assert scene.command("resume")[0] == 0
    if command == "flatten" or not scene.positions():
        trades_again(scene)
    return codes


def pulled(scene, command, point, chance):
    """Kill the command itself; or let it only write the halt down, and kill the daemon that finds it there."""
    if point == "after_halt_commit":
        return scene.start(command, failpoint=f"{point}:kill9").wait()
    often = command == "flatten" and "suspend" not in point
    failpoint = f"{point}:kill9:{chance.randint(1, 2) if often else 1}"
    if chance.random() < 0.5:
        return scene.start(command, failpoint=failpoint).wait()
    assert scene.start(command, failpoint="after_halt_commit:kill9").wait() == KILLED
    return scene.once(failpoint)


def of_a_breach(scene, point, chance):
    """The daemon halts by itself: a loss beyond the limit, or a position that it cannot explain."""
    begin(scene, chance, traded=False)
    scene.control.settings(partial_probability=0.0)
    scene.decide_and_send()
    loss = chance.random() < 0.5
    if loss:
        scene.control.equity(to=f"{chance.uniform(50_000, 90_000):.2f}")
    else:
        scene.control.manual_trade(symbol="AAPL", qty=str(chance.choice([-7, -3, 4, 8])))
    codes = [scene.once(f"{point}:kill9")]
    assert [scope for scope, _ in scene.halts()] == ["*" if loss else "AAPL"]
    scene.after_close()
    scene.once()
    scene.after_open()
    scene.once()
    assert len(scene.posts()) == (2 if loss else 3)
    if not loss:
        assert scene.command("resume", "AAPL", "--adopt")[0] == 0
    return codes


def of_a_halt(scene, point, chance):
    return chance.choice([of_the_kill_switch, of_a_breach])(scene, point, chance)


def of_a_suspension(scene, point, chance):
    """Somebody halts or flattens, or lifts that again; the process dies as it tells the broker."""
    begin(scene, chance, traded=False)
    scene.decide_and_send()
    scene.control.advance(seconds=400)
    assert scene.once() == 0
    command = chance.choice(["halt", "flatten"])
    lifting = chance.random() < 0.5
    codes = []
    if lifting:
        assert scene.command(command)[0] == 0
        settle(scene)
        codes.append(scene.start("resume", failpoint=f"{point}:kill9").wait())
    else:
        codes.append(pulled(scene, command, point, chance))
    for _ in range(3):
        assert scene.once() == 0
        scene.control.advance(seconds=200)
    assert [scope for scope, _ in scene.halts()] == ([] if lifting else ["*"])
    suspended = scene.control.account()["configuration"]["suspend_trade"]
    assert suspended is not lifting
    if command == "flatten":
        assert scene.positions() == {}
    if not lifting:
        assert scene.command("resume")[0] == 0
    scene.control.settings(partial_probability=0.0)
    before = len(scene.posts())
    assert scene.decide_and_send() == [0, 0]
    assert len(scene.posts()) == before + 2
    return codes


def of_a_resumption(scene, point, chance):
    """A person lifts a halt, with or without a new measure of losses, and the command dies."""
    begin(scene, chance, traded=False)
    scene.control.settings(partial_probability=0.0)
    scene.decide_and_send()
    kind = chance.choice(["by hand", "drawdown", "position"])
    arguments = ["resume"]
    if kind == "by hand":
        assert scene.command("halt")[0] == 0
    elif kind == "drawdown":
        scene.control.equity(to=f"{chance.uniform(50_000, 90_000):.2f}")
        arguments.append("--new-peak")
    else:
        scene.control.manual_trade(symbol="AAPL", qty=str(chance.choice([-7, -3, 4, 8])))
        arguments += ["AAPL", "--adopt"]
    settle(scene)
    assert len(scene.halts()) == 1
    codes = [scene.start(*arguments, failpoint=f"{point}:kill9").wait()]
    if scene.halts():
        assert scene.command(*arguments)[0] == 0
    settle(scene)
    assert scene.halts() == []
    scene.check()
    before = len(scene.orders("filled"))
    assert scene.decide_and_send() == [0, 0]
    assert len(scene.orders("filled")) == before + 2
    return codes


def of_an_approval(scene, point, chance):
    """Orders wait for a person, whose command dies right after it has written the yes down."""
    begin(scene, chance, traded=False)
    scene.control.settings(partial_probability=0.0)
    scene.after_close()
    assert scene.once(approve=True) == 0
    names = sorted(order.client_order_id for order in scene.orders("await_approval"))
    visit = chance.randint(1, 2)
    codes = [scene.start("approve", *names, failpoint=f"{point}:kill9:{visit}").wait()]
    assert len(scene.orders("intent")) == visit
    scene.after_open()
    assert scene.once(approve=True) == 0
    assert (len(scene.orders("filled")), len(scene.orders("await_approval"))) == (visit, 2 - visit)
    if scene.orders("await_approval"):
        assert scene.command("approve", names[1])[0] == 0
        assert scene.once(approve=True) == 0
    assert set(scene.states()) == {"filled"}
    return codes


def of_a_rebuild(scene, point, chance):
    """The journal is lost after orders, some of them filled, and its rebuilding dies; nothing is ordered twice."""
    begin(scene, chance)
    if resting := chance.random() < 0.5:
        scene.control.auto_fill(enabled=False)
    scene.decide_and_send()
    if resting:
        for name in sorted(scene.broker_orders()):
            if chance.random() < 0.5:
                open_ones = {o["client_order_id"] for o in scene.truth()["orders"] if o["status"] == "new"}
                if name in open_ones:
                    scene.control.fill(order=name, qty=str(chance.randint(1, 9)))
    posted = len(scene.posts())
    for path in scene.state.glob("journal.db*"):
        path.unlink()
    visit = chance.randint(1, 2)
    codes = [scene.start("--once", "--rebuild", failpoint=f"{point}:kill9:{visit}").wait()]
    again = scene.start("--once", "--rebuild")
    assert again.wait() == 0, again.said()
    assert len(scene.posts()) == posted
    scene.control.auto_fill(enabled=True)
    scene.control.advance(seconds=400)
    settle(scene)
    assert len(scene.posts()) == posted
    assert scene.halts() == []
    scene.check()
    scene.control.settings(partial_probability=0.0)
    assert scene.decide_and_send() == [0, 0]
    assert len(scene.posts()) == posted + 2
    return codes


# look-ups

LOST = [
    {"action": "reset", "when": "after"},
    {"action": "reset"},
    {"action": "truncate", "when": "after"},
    {"action": "empty", "when": "after"},
    {"status": 504, "when": "after"},
    {"status": 503},
    {"action": "stall", "when": "after", "seconds": 0.5},
    {"action": "stall", "when": "before", "seconds": 0.5},
]


def of_a_lookup(scene, point, chance):
    """The answer to a POST is lost, before or after the broker took the order, and its index may lag behind."""
    begin(scene, chance)
    scene.after_close()
    settle(scene)
    scene.after_open()
    fault = chance.choice(LOST)
    scene.control.clear_faults()  # look-ups are counted from here
    scene.control.http_fault(route="POST /v2/orders", skip=chance.randint(0, 1), **fault)
    visits = 1 if fault.get("action") == "stall" else 3
    if fault.get("when") == "after":  # without a lag it could be found in the list of open orders first
        visits = chance.randint(1, 3)
        scene.control.index_delay(lookups=1 + visits, lists=True)  # one is the daemon's as it starts
    codes = dies(scene, point, chance, visits, timeout_s=0.3)
    scene.control.clear_faults()
    settle(scene)
    scene.control.advance(seconds=400)
    settle(scene)
    assert set(scene.states()) == {"filled"}
    assert len(scene.broker_orders()) == len(scene.orders())
    return codes


# migrations


def newer(count):
    """Return the journal's migrations and `count` more, as a later version of the program would have them."""
    more = tuple(
        (
            f"CREATE TABLE later_{number} (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
            f"ALTER TABLE orders ADD COLUMN later_{number} TEXT NOT NULL DEFAULT 'none'",
            f"CREATE INDEX later_{number}_by_text ON later_{number} (text)",
            f"INSERT INTO later_{number} (text) SELECT client_order_id FROM orders",
            f"UPDATE orders SET later_{number} = symbol",
        )
        for number in range(count)
    )
    return (*schema.MIGRATIONS, *more)


def of_a_migration(scene, point, chance):
    """A new program opens a journal of an older version, or makes one, and dies within one of the steps."""
    old = chance.randint(0, len(schema.MIGRATIONS))
    if old:
        begin(scene, chance, traded=False)
        scene.decide_and_send()
        make_older(scene.state / "journal.db", old)
    before = rows(scene) if old else {}
    later = chance.randint(1, 4)
    environment = {"TEST_MIGRATIONS": str(later)}
    step = chance.randint(1, len(schema.MIGRATIONS) - old + later)
    scene.after_close()
    codes = [scene.once(f"{point}:kill9:{step}", environment=environment)]
    reached = old + step - 1
    assert tables(scene.state / "journal.db") == (reached, expected_tables(newer(later)[:reached]))
    assert not old or rows(scene) == before
    assert scene.once(environment=environment) == 0
    assert tables(scene.state / "journal.db") == (len(newer(later)), expected_tables(newer(later)))
    scene.after_open()
    assert scene.once(environment=environment) == 0
    scene.control.advance(seconds=400)
    assert scene.once(environment=environment) == 0
    assert set(scene.states()) == {"filled"}
    return codes


def make_older(path, version):
    """Turn a journal into one of an older version, with the rows that it had then."""
    old = path.with_name("older.db")
    journal = sqlite3.connect(old)
    for statements in schema.MIGRATIONS[:version]:
        for statement in statements:
            journal.execute(statement)
    journal.execute("ATTACH ? AS newer", (str(path),))
    names = [name for (name,) in journal.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
    for name in names:
        columns = ", ".join(row[1] for row in journal.execute(f"PRAGMA main.table_info({name})"))
        journal.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM newer.{name}")
    journal.commit()
    journal.execute(f"PRAGMA main.user_version = {version}")
    journal.close()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    old.rename(path)


def tables(path):
    """Return version and schema of a journal, after asserting that the file is sound."""
    with sqlite3.connect(path) as journal:
        assert journal.execute("PRAGMA quick_check").fetchone() == ("ok",)
        version = journal.execute("PRAGMA user_version").fetchone()[0]
        found = set(journal.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    journal.close()
    return version, found


def expected_tables(migrations):
    journal = sqlite3.connect(":memory:")
    for statements in migrations:
        for statement in statements:
            journal.execute(statement)
    found = set(journal.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    journal.close()
    return found


def rows(scene):
    """Return the rows of a journal by table, columns of later versions left out."""
    with sqlite3.connect(scene.state / "journal.db") as journal:
        columns = {
            "decisions": "decision_id, asof, equity, kind",
            "orders": "client_order_id, state, quantity, filled, broker_id",
            "fills": "execution_id, broker_id, quantity, price",
        }
        found = {
            name: sorted(journal.execute(f"SELECT {what} FROM {name}")) for name, what in columns.items()
        }
    journal.close()
    return found


STORIES = {
    **dict.fromkeys(VISITS, of_a_session),
    "before_cancel": of_a_cancellation,
    "after_cancel": of_a_cancellation,
    "after_halt_commit": of_a_halt,
    "after_broker_cancel_all": of_the_kill_switch,
    "before_suspend": of_a_suspension,
    "after_suspend": of_a_suspension,
    "before_resume_commit": of_a_resumption,
    "after_resume_commit": of_a_resumption,
    "after_approve_commit": of_an_approval,
    "during_rebuild": of_a_rebuild,
    "during_migration": of_a_migration,
    "before_lookup": of_a_lookup,
    "after_lookup": of_a_lookup,
}
