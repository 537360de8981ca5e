"""An operator, a broker and a daemon in every order: it ends flat or resumable, never hangs, never doubles."""

import os
from decimal import Decimal

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from operator_world import SYMBOLS, Operator

from broker.ids import FLAT, leg_of

EXAMPLES = int(os.environ.get("OPERATOR_EXAMPLES", "15"))
PHASES = [phase for phase in Phase if phase is not Phase.shrink or "OPERATOR_EXAMPLES" not in os.environ]
ENOUGH = 20_000  # dollars that stay in the account: no broker pays out more than there is
SOME_SYMBOL = st.sampled_from(SYMBOLS)
SCOPE = st.sampled_from([None, *SYMBOLS])


class OperatorMachine(RuleBasedStateMachine):
    @initialize(approve=st.booleans(), on_breach=st.sampled_from(["halt", "exits_only", "flatten"]))
    def open_the_book(self, approve, on_breach):
        self.op = Operator(approve, on_breach)
        self.sessions = 0
        self.entries = 0
        self.op.advance(to="close", offset_seconds=65)
        self.op.once()

    @property
    def broker(self):
        return self.op.broker

    # sessions

    @rule()
    def a_bar_closes_and_once_runs(self):
        self.tick(to="close", offset_seconds=65)

    @rule()
    def the_market_opens_and_once_runs(self):
        self.tick(to="open", offset_seconds=30)

    def tick(self, **how):
        if self.sessions < 24:
            self.sessions += 1
            self.op.advance(**how)
        self.op.once()

    @rule(seconds=st.sampled_from([5, 61, 700, 6 * 3600]))
    def time_passes(self, seconds):
        self.op.advance(seconds=seconds)

    @rule()
    def once_runs(self):
        self.op.once()

    # the operator

    @rule(symbol=SCOPE, suspend=st.booleans())
    def halt(self, symbol, suspend):
        self.op.stop(symbol, flatten=False, suspend=suspend)

    @rule(symbol=SCOPE, suspend=st.booleans(), foreign_too=st.booleans())
    def flatten(self, symbol, suspend, foreign_too):
        self.op.stop(symbol, flatten=True, suspend=suspend, foreign_too=foreign_too)

    @rule(symbol=SCOPE, adopt=st.booleans(), new_peak=st.booleans(), unsuspend=st.booleans())
    def resume(self, symbol, adopt, new_peak, unsuspend):
        self.op.resume(symbol, adopt=adopt, new_peak=new_peak, unsuspend=unsuspend)

    @rule(yes=st.booleans())
    def approve_or_reject(self, yes):
        self.op.answer(yes)

    @rule()
    def lose_the_journal_and_rebuild(self):
        self.op.lose_the_journal()
        self.op.once(rebuild=True)

    # what happens to them

    @rule(visits=st.integers(0, 15))
    def die_soon(self, visits):
        self.op.dies_in = visits

    @rule(symbol=SOME_SYMBOL, quantity=st.sampled_from([-7, -3, 4, 15]))
    def a_human_trades(self, symbol, quantity):
        self.broker.command("manual_trade", symbol=symbol, qty=str(quantity))

    @rule(symbol=SOME_SYMBOL, side=st.sampled_from(["buy", "sell"]))
    def a_human_leaves_an_order(self, symbol, side):
        price = "1" if side == "buy" else "9999"
        body = {"symbol": symbol, "side": side, "qty": "2", "type": "limit", "time_in_force": "gtc"}
        self.broker.command("foreign_order", limit_price=price, **body)

    @rule(kind=st.sampled_from(["stuck", "filled", "refused"]))
    def a_cancel_races(self, kind):
        self.broker.command("cancel_race", kind=kind, count=1)

    @rule(down=st.booleans())
    def market_data_go_and_come(self, down):
        self.broker.data_down = down

    @rule(calls=st.integers(1, 6))
    def the_broker_is_away(self, calls):
        self.broker.down = calls

    @rule(fault=st.sampled_from(["before", "after", "limited"]))
    def an_answer_is_lost(self, fault):
        self.broker.fault = fault

    @rule(suspended=st.booleans())
    def somebody_suspends_the_account(self, suspended):
        self.broker.command("account", configuration={"suspend_trade": suspended})

    @rule(symbol=SOME_SYMBOL, tradable=st.booleans())
    def an_asset_is_halted(self, symbol, tradable):
        self.broker.command("asset", symbol=symbol, tradable=tradable)

    @rule(share=st.sampled_from(["0.70", "0.93", "1.02"]))
    def the_equity_jumps(self, share):
        equity = self.worth()
        if equity > ENOUGH:
            self.broker.command("equity", to=str((equity * Decimal(share)).quantize(Decimal("0.01"))))

    @rule(amount=st.sampled_from(["-20000", "50000"]))
    def cash_flows(self, amount):
        if Decimal(amount) > 0:
            self.broker.command("cash_flow", kind="deposit", amount=amount)
        elif self.worth() + Decimal(amount) > ENOUGH:
            self.broker.command("cash_flow", kind="withdrawal", amount=amount)

    def worth(self):
        """The account's equity, whether or not the broker answers."""
        down, self.broker.down = self.broker.down, 0
        equity = self.broker.account().equity
        self.broker.down = down
        return equity

    @rule(enabled=st.booleans())
    def the_market_takes_or_leaves_orders(self, enabled):
        self.broker.command("auto_fill", enabled=enabled)

    # what always holds

    @invariant()
    def nothing_of_ours_is_at_the_broker_that_was_not_meant(self):
        if hasattr(self, "op"):
            assert set(self.op.ours()) <= set(self.op.stored()) | self.op.lost_names

    @invariant()
    def no_closing_order_has_turned_a_position_around(self):
        if not hasattr(self, "op"):
            return
        book = self.broker.simulator.world.book
        new, self.entries = book.ledger[self.entries :], len(book.ledger)
        for entry in new:
            order = book.orders.get(entry.order_id)
            if entry.kind == "fill" and order is not None and leg_of(order.client_order_id) == FLAT:
                before = entry.position_qty - entry.qty
                assert before * entry.qty < 0, f"{order.client_order_id} opened a position"
                assert abs(entry.qty) <= abs(before), f"{order.client_order_id} turned a position around"

    # the end

    def teardown(self):
        if not hasattr(self, "op"):
            return
        try:
            self.heal()
            self.ends_flat()
            self.is_resumed_and_trades()
        finally:
            self.op.close()

    def heal(self):
        """The broker's bad day is over; what the operator did is not."""
        self.op.dies_in = self.broker.fault = None
        self.broker.down = self.broker.hidden = 0
        self.broker.data_down = False
        self.broker.simulator.world.races = []
        for symbol in SYMBOLS:
            self.broker.command("asset", symbol=symbol, tradable=True)
        self.broker.command("auto_fill", enabled=True)
        for order in self.broker.accepted().values():
            if order.status == "pending_cancel":
                self.broker.command("order_status", order=order.id, status="canceled")

    def ends_flat(self):
        assert self.op.stop(None, flatten=True, foreign_too=True) is None
        self.op.advance(to="open", offset_seconds=30)
        for _ in range(4):
            self.op.once()
            self.op.advance(seconds=120)
        assert self.broker.held() == {}
        assert not [order for order in self.broker.accepted().values() if order.open]
        assert all(halt.confirmed_at is not None for halt in self.op.halts() if halt.asks)

    def is_resumed_and_trades(self):
        wishes = {"adopt": True, "new_peak": True, "unsuspend": True}
        for scope in sorted({halt.scope for halt in self.op.halts()}):
            said = self.op.resume(None if scope == "*" else scope, **wishes)
            assert isinstance(said, list), said
        for _ in range(2):
            assert self.op.once() is None
        assert self.op.halts() == []
        assert not self.broker.account().trade_suspended
        before = len(self.op.ours())
        self.op.advance(to="close", offset_seconds=65)
        assert self.op.once() is None
        for _ in SYMBOLS:
            self.op.answer(True)
        self.op.advance(to="open", offset_seconds=30)
        assert self.op.once() is None
        assert self.op.halts() == []
        assert len(self.op.ours()) == before + 2, {
            n: (str(o.state), o.reason) for n, o in self.op.stored().items()
        }
        assert self.op.ledger() == self.broker.held()


OperatorMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)
TestOperator = OperatorMachine.TestCase
