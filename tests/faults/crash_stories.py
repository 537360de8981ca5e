"""For each fail point a story in which it is reached, told differently by each seed; and what must hold afterwards.

A story ends the daemon by SIGKILL, mostly more than once, lets it start again as a supervisor would, and returns the
exit codes of the processes that were to die.
"""

import signal

from crash_steps import begin, dies, settle
from older_journals import expected_tables, make_older, newer, rows, tables
from switch_stories import (
    of_a_halt,
    of_a_resumption,
    of_a_suspension,
    of_the_kill_switch,
)

from broker.journal import schema

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
    scene.migrations = newer(later)
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
