"""Two books on one account, their operators and the broker in every order: neither hurts the other, both end well."""

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from operator_world import SYMBOLS, Operator, OperatorBroker

from broker.ids import FLAT, parse_client_order_id

EXAMPLES = int(os.environ.get("OPERATOR_EXAMPLES", "6"))
PHASES = [phase for phase in Phase if phase is not Phase.shrink or "OPERATOR_EXAMPLES" not in os.environ]
BOOK = st.sampled_from(["up", "down"])
SCOPE = st.sampled_from([None, *SYMBOLS])
SOME_SYMBOL = st.sampled_from(SYMBOLS)


class BooksMachine(RuleBasedStateMachine):
    @initialize()
    def open_the_books(self):
        self.folder = Path(tempfile.mkdtemp(prefix="books-"))
        self.broker = OperatorBroker()
        self.broker.before_submit = self.judge
        self.books = {
            "up": self.operator("up", "down", "Alternate"),
            "down": self.operator("down", "up", "Contrary"),
        }
        self.sessions = self.entries = 0
        self.tick({"to": "close", "offset_seconds": 65}, ["up", "down"])

    def operator(self, book, other, strategy):
        state = self.folder / book
        state.mkdir()
        beside = [str(self.folder / other)]
        return Operator(
            broker=self.broker, strategy=strategy, folder=state, book=book, share=0.5, beside=beside
        )

    def judge(self, request):
        """I6: under a halt of its book nothing is sent but what closes."""
        name = parse_client_order_id(request.client_order_id)
        halts = [halt for halt in self.books[name.book].halts() if halt.covers(request.symbol)]
        assert name.leg == FLAT or not halts, f"{request.client_order_id} under {halts}"

    # sessions

    def tick(self, how, who):
        if self.sessions < 24:
            self.sessions += 1
            self.advance(**how)
        for book in who:
            self.books[book].once()

    def advance(self, **how):
        for number, op in enumerate(self.books.values()):
            op.advance(**(how if not number else {"seconds": 1}))

    @rule(who=st.permutations(["up", "down"]), alone=st.booleans())
    def a_bar_closes(self, who, alone):
        self.tick({"to": "close", "offset_seconds": 65}, who[:1] if alone else who)

    @rule(who=st.permutations(["up", "down"]), alone=st.booleans())
    def the_market_opens(self, who, alone):
        self.tick({"to": "open", "offset_seconds": 30}, who[:1] if alone else who)

    @rule(book=BOOK)
    def once_runs(self, book):
        self.books[book].once()

    # the operators

    @rule(book=BOOK, symbol=SCOPE)
    def halt(self, book, symbol):
        self.books[book].stop(symbol, flatten=False, suspend=False)

    @rule(book=BOOK, symbol=SCOPE, foreign_too=st.booleans())
    def flatten(self, book, symbol, foreign_too):
        self.books[book].stop(symbol, flatten=True, suspend=False, foreign_too=foreign_too)

    @rule(book=BOOK, symbol=SCOPE, adopt=st.booleans())
    def resume(self, book, symbol, adopt):
        self.books[book].resume(symbol, adopt=adopt, new_peak=True)

    @rule(book=BOOK)
    def lose_a_journal_and_rebuild(self, book):
        self.books[book].lose_the_journal()
        self.books[book].once(rebuild=True)

    # what happens to them

    @rule(book=BOOK, visits=st.integers(0, 15))
    def die_soon(self, book, visits):
        self.books[book].dies_in = visits

    @rule(symbol=SOME_SYMBOL, quantity=st.sampled_from([-3, 4]))
    def a_human_trades(self, symbol, quantity):
        self.broker.command("manual_trade", symbol=symbol, qty=str(quantity))

    @rule(kind=st.sampled_from(["stuck", "filled", "refused"]))
    def a_cancel_races(self, kind):
        self.broker.command("cancel_race", kind=kind, count=1)

    @rule(calls=st.integers(1, 6))
    def the_broker_is_away(self, calls):
        self.broker.down = calls

    @rule(fault=st.sampled_from(["before", "after", "limited"]))
    def an_answer_is_lost(self, fault):
        self.broker.fault = fault

    @rule(down=st.booleans())
    def market_data_go_and_come(self, down):
        self.broker.data_down = down

    @rule(enabled=st.booleans())
    def the_market_takes_or_leaves_orders(self, enabled):
        self.broker.command("auto_fill", enabled=enabled)

    # what always holds

    @invariant()
    def no_order_is_in_the_wrong_journal_or_in_none(self):
        for op in getattr(self, "books", {}).values():
            stored = set(op.stored())
            assert set(op.ours()) <= stored | op.lost_names
            assert {parse_client_order_id(name).book for name in stored} <= {op.book}

    # the end

    def teardown(self):
        if not hasattr(self, "books"):
            return
        try:
            self.heal()
            self.end_flat()
            self.are_resumed_and_trade()
        finally:
            for op in self.books.values():
                op.told.__exit__(None, None, None)
            shutil.rmtree(self.folder)

    def heal(self):
        for op in self.books.values():
            op.dies_in = None
        self.broker.fault = None
        self.broker.down = 0
        self.broker.data_down = False
        self.broker.simulator.world.races = []
        self.broker.command("auto_fill", enabled=True)
        for order in self.broker.accepted().values():
            if order.status == "pending_cancel":
                self.broker.command("order_status", order=order.id, status="canceled")
        for op in self.books.values():
            op.once(rebuild=not (op.folder / "journal.db").exists())

    def end_flat(self):
        for op in self.books.values():
            assert op.stop(None, flatten=True, suspend=False, foreign_too=True) is None
        self.advance(to="open", offset_seconds=30)
        for _ in range(4):
            for op in self.books.values():
                op.once()
            self.advance(seconds=120)
        assert self.broker.held() == {}
        assert [op.ledger() for op in self.books.values()] == [{}, {}]
        assert not [order for order in self.broker.accepted().values() if order.open]

    def are_resumed_and_trade(self):
        for op in self.books.values():
            for scope in sorted({halt.scope for halt in op.halts()}):
                said = op.resume(None if scope == "*" else scope, adopt=True, new_peak=True)
                assert isinstance(said, list), said
        for _ in range(2):
            assert [op.once() for op in self.books.values()] == [None, None]
        self.advance(to="close", offset_seconds=65)
        assert [op.once() for op in self.books.values()] == [None, None]
        self.advance(to="open", offset_seconds=30)
        for _ in range(2):
            assert [op.once() for op in self.books.values()] == [None, None]
        assert [op.halts() for op in self.books.values()] == [[], []]
        up, down = (op.ledger() for op in self.books.values())
        assert up == dict.fromkeys(SYMBOLS, 10)
        assert down == dict.fromkeys(SYMBOLS, -14)
        total = Counter(up)
        total.update(down)
        assert dict(total) == self.broker.held()


BooksMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=20,
    deadline=None,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)
TestBooks = BooksMachine.TestCase
