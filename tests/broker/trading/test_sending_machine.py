"""A machine that decides, sends, fills, loses answers, hides orders and dies anywhere, in every order."""

import shutil
import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from broker.errors import BrokerError
from broker.failpoints import told
from broker.ids import client_order_id
from broker.journal.journal import Journal
from broker.orders import AT_BROKER, OrderState
from broker.simulator.loading import synthetic_bars
from broker.trading.killswitch import KillSwitch
from broker.trading.reconcile import Reconciler
from broker.trading.sender import Outside, Sender
from forewalk.settings.trading import RiskSettings
from helpers.book_values import a_decision, a_new_order
from helpers.world_broker import WorldBroker

SYMBOLS = ("AAPL", "MSFT")
BARS = synthetic_bars(SYMBOLS, sessions=6)
START = "2024-01-03T09:40:00-05:00"
LIMITS = RiskSettings(max_orders_per_day=10_000, max_weight=4.0, max_gross=4.0, allow_short=True)


class Died(BaseException):
    """The process is gone."""


class Machine(RuleBasedStateMachine):
    sent = 0  # orders at the broker at the end of each example, before everything is settled

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.broker = WorldBroker(BARS, START)
        self.time = 0.0
        self.dies_in = None
        self.numbers = 0
        self.told = told(self.reach)
        self.told.__enter__()
        self.boot()

    def reach(self, name):
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in < 0:
                self.dies_in = None
                raise Died(name)

    def boot(self):
        self.journal = Journal(self.folder / "journal.db", "paper")
        said = lambda *_: None  # noqa: E731
        self.reconciler = Reconciler(
            self.journal, self.broker, SYMBOLS, lambda: self.time, (1.0, 2.0, 4.0), said
        )
        self.sender = Sender(self.journal, self.broker, self.reconciler, LIMITS, said)
        self.switch = KillSwitch(self.journal, self.broker, self.reconciler, said, lambda: self.time)

    def attempt(self, action):
        try:
            action()
        except Died:
            self.journal.close()
            self.boot()
        except BrokerError:
            pass

    def look_and_send(self):
        self.time += 1.0
        self.switch.step(self.broker.now(), self.broker.now().date())
        look = self.reconciler.sync()
        session = look.now.date()
        self.sender.send_due(look, Outside(True, look.now - timedelta(hours=6), session))

    # what can happen

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(["buy", "sell"]),
        size=st.integers(1, 9),
        looks=st.integers(0, 3),
    )
    def decide(self, symbol, side, size, looks):
        self.numbers += 1
        now = self.broker.now()
        decision = a_decision(
            asof=now + timedelta(microseconds=self.numbers),
            decision_id=f"decision-{self.numbers}",
            made_at=now,
            send_from=now,
            valid_until=now + timedelta(minutes=20),
        )
        name = client_order_id("paper", now.date(), symbol, "m", self.numbers)
        order = a_new_order(
            name, symbol=symbol, side=side, quantity=Decimal(size), decided_price=Decimal(100)
        )
        self.attempt(lambda: self.journal.decisions.record(decision, [], [order], ask=False))
        for _ in range(looks):
            self.attempt(self.look_and_send)

    @rule()
    def step(self):
        self.attempt(self.look_and_send)

    @rule(visits=st.integers(0, 12))
    def die_soon(self, visits):
        self.dies_in = visits

    @rule(fault=st.sampled_from(["before", "after", "limited"]))
    def lose_the_next_answer(self, fault):
        self.broker.fault = fault

    @rule(count=st.integers(1, 2))
    def hide_orders_from_look_ups(self, count):
        self.broker.hidden = count

    @rule(count=st.integers(1, 4))
    def be_unreachable(self, count):
        self.broker.down = count

    @rule(enabled=st.booleans())
    def let_orders_fill_or_wait(self, enabled):
        self.broker.command("auto_fill", enabled=enabled)

    @rule(share=st.integers(1, 9))
    def fill_a_part(self, share):
        for order in self.journal.orders.all(AT_BROKER)[:1]:
            theirs = self.broker.accepted().get(order.client_order_id)
            if theirs is not None and theirs.open and theirs.remaining > share:
                self.broker.command("fill", order=order.client_order_id, qty=str(share))

    @rule()
    def cancel_something(self):
        for order in self.journal.orders.all(AT_BROKER)[:1]:
            self.attempt(
                lambda order=order: self.journal.orders.want_cancel(order.client_order_id, self.broker.now())
            )

    @rule(seconds=st.integers(1, 900))
    def let_time_pass(self, seconds):
        self.broker.command("advance", seconds=seconds)

    # what always holds

    @invariant()
    def no_order_is_at_the_broker_that_was_not_meant_before(self):
        stored = {order.client_order_id for order in self.journal.orders.all()}
        assert set(self.broker.accepted()) <= stored

    @invariant()
    def nothing_was_sent_more_than_twice(self):
        assert all(order.posts <= 2 for order in self.journal.orders.all())

    def teardown(self):
        Machine.sent += len(self.broker.accepted())
        self.told.__exit__(None, None, None)
        self.dies_in = self.broker.fault = None
        self.broker.down = self.broker.hidden = 0
        self.broker.command("auto_fill", enabled=True)
        for _ in range(12):
            self.attempt(self.look_and_send)
        self.assert_both_books_agree()
        self.journal.close()
        shutil.rmtree(self.folder)

    def assert_both_books_agree(self):
        theirs = self.broker.accepted()
        for order in self.journal.orders.all():
            found = theirs.get(order.client_order_id)
            assert order.state not in (OrderState.SUBMITTING, OrderState.UNKNOWN), order
            assert (found is not None) == (order.broker_id is not None), order
            assert found is None or order.filled == found.filled_qty, order
        assert self.journal.ledger.quantities() == self.broker.held()
        asked = {order.symbol for order in self.journal.orders.all({OrderState.NEEDS_HUMAN})}
        assert {halt.scope for halt in self.journal.halts.in_force()} <= asked


def test_whatever_happens_and_in_whatever_order_both_books_agree():
    Machine.sent = 0
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert Machine.sent > 0  # a hundred as a rule; with none there was nothing to agree about
