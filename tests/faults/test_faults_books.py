"""Several books on one account: each has its own money, ids and halts; together they are what the broker shows."""

from contextlib import closing
from decimal import Decimal

import pytest
from crash_steps import KILLED
from scene import Scene, log_lines

from broker.ids import parse_client_order_id
from broker.journal.journal import Journal

pytestmark = pytest.mark.row(103)
LONG = {"kind": "fault_strategies:BuyOnce"}


class Books:
    """A book that is long of ten shares and one that goes short of some and back, on one account."""

    def __init__(self, simulator, folder, size=4, shares=(0.5, 0.5)):
        self.simulator = simulator
        self.long, self.short = (self.scene(simulator, folder / name, name) for name in ("long", "short"))
        for scene, other, share in ((self.long, self.short, shares[0]), (self.short, self.long, shares[1])):
            scene.tree["live"] |= {"share": share, "beside": [str(other.state)]}
        self.long.tree |= {"strategy": LONG}
        self.short.tree |= {"strategy": {"kind": "fault_strategies:ShortAndBack", "params": {"size": size}}}
        self.short.tree["risk"] = self.short.tree["risk"] | {"allow_short": True}

    @staticmethod
    def scene(simulator, folder, book):
        folder.mkdir()
        scene = Scene(simulator, folder, book=book)
        scene.environment["TMPDIR"] = str(folder.parent)
        return scene

    @property
    def both(self):
        return (self.long, self.short)

    def session(self):
        """A bar closes and each decides; the market opens and each sends; each looks once more."""
        self.simulator.control.advance(to="close", offset_seconds=65)
        codes = [scene.once() for scene in self.both]
        self.simulator.control.advance(to="open", offset_seconds=30)
        return codes + [scene.once() for scene in (*self.both, *self.both)]

    def held(self):
        return tuple(scene.ledger().get("AAPL", Decimal(0)) for scene in self.both)

    def cash(self):
        found = []
        for scene in self.both:
            with scene.journal() as journal:
                found.append(journal.allocation.cash())
        return found

    def check(self, cents=1):
        """The sum of the books is the broker's, and no order of one is in the journal of the other."""
        truth = self.simulator.control.state()
        shown = {s: Decimal(q) for s, q in truth["positions"].items() if Decimal(q)}
        total = {}
        for scene in self.both:
            for symbol, quantity in scene.ledger().items():
                total[symbol] = total.get(symbol, Decimal(0)) + quantity
            scene.check(ledger_is_right=False)
            assert {parse_client_order_id(o.client_order_id).book for o in scene.orders()} <= {scene.book}
        assert {symbol: quantity for symbol, quantity in total.items() if quantity} == shown
        assert abs(sum(self.cash()) - Decimal(truth["cash"])) < Decimal(cents) / 100
        return True


@pytest.fixture
def books(simulator, tmp_path):
    return Books(simulator, tmp_path)


def test_two_books_hold_the_same_shares_in_opposite_directions_and_nothing_is_netted(books):
    assert books.session() == [0] * 6
    assert books.held() == (10, -4)
    assert books.check()
    assert books.session() == [0] * 6
    assert books.held() == (10, 0)
    assert books.session() == [0] * 6
    assert books.held() == (10, -4)
    assert [scene.halts() for scene in books.both] == [[], []]
    assert books.check()


@pytest.mark.faults
def test_an_order_that_would_turn_the_whole_position_around_is_sent_in_two(simulator, tmp_path):
    books = Books(simulator, tmp_path, size=14)
    assert books.session() == [0] * 6
    assert books.held() == (10, -14)
    sent = sorted((o["side"], o["qty"]) for o in books.short.broker_orders().values())
    assert sent == [("sell", "10"), ("sell", "4")]
    assert books.session() == [0] * 6  # and back: four to zero, ten beyond it
    assert books.held() == (10, 0)
    assert books.check()
    assert books.session() == [0] * 6
    assert books.held() == (10, -14)
    assert books.short.events("replay") == []


@pytest.mark.parametrize("size", [4, *(pytest.param(size, marks=pytest.mark.faults) for size in (10, 14))])
def test_one_is_flattened_and_the_other_goes_on(simulator, tmp_path, size):
    books = Books(simulator, tmp_path, size=size)
    assert books.session() == [0] * 6
    assert books.held() == (10, -size)
    before = len(books.short.broker_orders())
    code, said = books.long.command("flatten")
    assert (code, "the broker has done it" in said) == (0, True)
    assert books.long.ledger() == {}
    assert books.held() == (0, -size)
    assert len(books.short.broker_orders()) == before
    assert not simulator.control.account()["configuration"]["suspend_trade"]
    assert books.session() == [0] * 6
    assert books.held() == (0, 0)
    assert len(books.long.halts()) == 1
    assert books.short.halts() == []
    assert books.check()
    assert books.long.command("resume")[0] == 0
    assert books.session() == [0] * 6
    assert books.held() == (10, -size)
    assert books.check()


@pytest.mark.faults
@pytest.mark.parametrize(
    "point",
    [
        "after_halt_commit",
        "before_post",
        "after_post",
        "after_ack_commit",
        "before_fill_commit",
    ],
)
def test_killed_while_one_is_flattened_neither_loses_or_doubles_anything(books, point):
    assert books.session() == [0] * 6
    process = books.long.start("flatten", failpoint=f"{point}:kill9")
    codes = [process.wait()]
    codes += [scene.once() for scene in books.both]
    codes += [scene.once() for scene in books.both]
    assert codes == [KILLED, 0, 0, 0, 0]
    assert books.held() == (0, -4)
    assert books.check()
    assert books.session() == [0] * 6
    assert books.held() == (0, 0)
    assert books.check()


@pytest.mark.faults
def test_killed_right_after_an_order_was_cut_in_two_both_parts_are_sent_once(simulator, tmp_path):
    books = Books(simulator, tmp_path, size=14)
    simulator.control.advance(to="close", offset_seconds=65)
    assert [scene.once() for scene in books.both] == [0, 0]
    simulator.control.advance(to="open", offset_seconds=30)
    assert [books.long.once(), books.short.once("after_cut_commit:kill9")] == [0, KILLED]
    assert [books.short.once() for _ in range(2)] == [0, 0]
    assert books.held() == (10, -14)
    assert books.check()


@pytest.mark.faults
def test_a_book_whose_daemon_is_dead_is_counted_with_what_the_broker_filled_since(books):
    simulator = books.simulator
    simulator.control.advance(to="close", offset_seconds=65)
    assert [scene.once() for scene in books.both] == [0, 0]
    simulator.control.advance(to="open", offset_seconds=30)
    assert books.long.once("after_post:kill9") == KILLED  # filled at the broker, not written down
    assert [books.short.once() for _ in range(3)] == [0, 0, 0]
    assert books.short.halts() == []
    assert books.short.ledger() == {"AAPL": -4}
    assert books.long.once() == 0
    assert books.check()


@pytest.mark.faults
def test_a_trade_by_hand_halts_the_symbol_in_both_until_one_adopts_it(books):
    assert books.session() == [0] * 6
    books.simulator.control.manual_trade(symbol="AAPL", qty="3")
    assert [scene.once() for scene in (*books.both, *books.both)] == [0] * 4
    assert [[scope for scope, _ in scene.halts()] for scene in books.both] == [["AAPL"], ["AAPL"]]
    assert books.long.command("resume", "AAPL", "--adopt")[0] == 0
    assert books.short.command("resume", "AAPL")[0] == 0
    assert books.held() == (13, -4)
    assert [scene.once() for scene in (*books.both, *books.both)] == [0] * 4
    assert [scene.halts() for scene in books.both] == [[], []]
    assert books.check(cents=10)  # adopted at the whole position's average price


@pytest.mark.faults
def test_a_lost_journal_takes_over_its_own_orders_only(books):
    assert books.session() == [0] * 6
    for path in books.short.state.glob("journal.db*"):
        path.unlink()
    process = books.short.start("--once", "--rebuild")
    assert process.wait() == 0, process.said()
    assert books.held() == (10, -4)
    assert books.session() == [0] * 6
    assert books.held() == (10, 0)


@pytest.mark.faults
def test_a_deposit_is_divided_and_is_no_profit(books):
    assert books.session() == [0] * 6
    before = books.cash()
    books.simulator.control.cash_flow(kind="deposit", amount="10000")
    assert books.session() == [0] * 6
    assert books.check()
    traded = sum(fill.signed * fill.price for fill, _ in books.long.fills())
    assert abs(books.cash()[0] - (before[0] + 5000)) < Decimal("0.01")
    assert traded > 0


def test_each_trades_with_its_share(books):
    assert books.session() == [0] * 6
    for scene in books.both:
        with closing(Journal(scene.state / "journal.db", scene.book, readonly=True)) as journal:
            assert journal.decisions.last().cash == 50_000


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"share": 0.6}, "more than the account"),
        ({"book": "long"}, "give each book a live.book of its own"),
    ],
)
def test_what_cannot_be_shared_is_refused(books, change, word):
    books.simulator.control.advance(to="close", offset_seconds=65)
    assert books.long.once() == 0
    assert books.short.once(**change) == 3, books.short.last_output
    assert word in books.short.last_output


@pytest.mark.faults
def test_a_daemon_of_the_whole_account_does_not_run_beside_books(books):
    first = books.long.start()
    try:
        its_neighbours(books)
    finally:
        first.kill()


def its_neighbours(books):
    books.long.until(lambda: [line for line in log_lines(books.long) if line.get("kind") == "started"])
    assert books.short.once(share=1.0, beside=[]) == 1
    assert "this account is in use" in books.short.last_output
    assert books.short.once() == 0
