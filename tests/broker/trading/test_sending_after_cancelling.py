"""An order waits until the orders that its decision took back are really gone from the broker."""

from datetime import timedelta
from decimal import Decimal

from broker.ids import client_order_id
from broker.journal.journal import Journal
from broker.orders import AT_BROKER, OrderState
from broker.simulator.loading import synthetic_bars
from broker.trading.reconcile import Reconciler
from broker.trading.sender import Outside, Sender
from forewalk.settings.trading import RiskSettings
from helpers.book_values import a_decision, a_new_order
from helpers.world_broker import WorldBroker

LIMITS = RiskSettings(max_weight=4.0, max_gross=4.0)


class Book:
    """A journal with its sender at a simulated broker."""

    def __init__(self, folder):
        self.broker = WorldBroker(synthetic_bars(("AAPL",), sessions=6), "2024-01-03T09:40:00-05:00")
        self.journal = Journal(folder / "journal.db", "paper")
        self.said = []
        say = lambda *what: self.said.append(what)  # noqa: E731
        self.reconciler = Reconciler(self.journal, self.broker, ("AAPL",), lambda: 0.0, (1.0,), say)
        self.sender = Sender(self.journal, self.broker, self.reconciler, LIMITS, say)
        self.number = 0

    def decide(self, side, cancels=(), **more):
        self.number += 1
        now = self.broker.now()
        times = {"made_at": now, "send_from": now, "valid_until": now + timedelta(minutes=20)}
        decision = a_decision(
            now + timedelta(microseconds=self.number), **times, decision_id=f"d-{self.number}"
        )
        name = client_order_id("paper", now.date(), "AAPL", "m", self.number)
        order = a_new_order(name, side=side, quantity=Decimal(5), decided_price=Decimal(100), **more)
        self.journal.decisions.record(decision, [], [order], False, cancels)
        return name

    def state(self, name):
        return self.journal.orders.get(name).state

    def look(self):
        return self.reconciler.sync()

    def send(self, look):
        return self.sender.send_due(look, Outside(True, look.now - timedelta(hours=6), look.now.date()))


def test_an_exit_waits_for_the_cancellation_of_the_stop(tmp_path):
    book = Book(tmp_path)
    book.decide("buy")
    book.send(book.look())
    stop = book.decide("sell", kind="stop", time_in_force="gtc", stop_price=Decimal(50), reduces=True)
    book.send(book.look())
    assert book.state(stop) in AT_BROKER
    look = book.look()
    leave = book.decide("sell", cancels=(stop,), reduces=True)
    assert book.send(look) == 0  # the broker still keeps five shares for the stop
    assert book.state(leave) == OrderState.DECIDED
    assert book.send(book.look()) == 1
    assert book.state(stop) == OrderState.CANCELED
    book.look()
    assert book.state(leave) == OrderState.FILLED
    assert not [what for what in book.said if what[0] == "refused"]
