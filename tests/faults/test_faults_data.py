"""D. Bars that cannot be trusted bring no entry, and the reason is written down."""

import pytest

DAY = "2026-03-04"  # the bar that is decided on
EARLIER = "2026-03-02"


def refusals(scene):
    return {order.symbol: order.reason for order in scene.orders("refused")}


def decide(scene, **live):
    """Let the bar close, wait for late bars as long as the daemon does, decide and send."""
    scene.after_close()
    scene.control.advance(seconds=600)
    codes = [scene.once(**live)]
    scene.after_open()
    return [*codes, scene.once(**live)]


@pytest.mark.row(32)
def test_a_symbol_without_the_last_bar_is_refused_and_the_other_one_trades(scene):
    scene.control.doctor_bars(symbol="AAPL", day=DAY, change="drop")
    assert decide(scene) == [0, 0]
    assert "stale: its last bar closed 2026-03-03" in refusals(scene)["AAPL"]
    assert scene.ledger() == {"MSFT": 10}
    scene.check()


@pytest.mark.row(32)
def test_without_any_last_bar_nothing_is_decided(scene):
    for symbol in ("AAPL", "MSFT"):
        scene.control.doctor_bars(symbol=symbol, day=DAY, change="drop")
    decide(scene)
    assert scene.orders() == []
    assert any("no symbol has its bar" in text for text in scene.events("no_decision"))


@pytest.mark.row(32)
def test_a_bar_that_comes_late_is_waited_for(scene):
    scene.control.doctor_bars(symbol="AAPL", day=DAY, change="drop")
    scene.after_close()
    scene.once()
    assert scene.orders() == []
    scene.control.doctor_bars(symbol="AAPL", day=DAY, change=None)
    scene.once()
    assert len(scene.orders()) == 2


@pytest.mark.row(33)
def test_a_gap_a_few_bars_back_refuses_the_symbol(scene):
    scene.control.doctor_bars(symbol="AAPL", day=EARLIER, change="drop")
    decide(scene)
    assert "the bar of 2026-03-02" in refusals(scene)["AAPL"]
    assert scene.ledger() == {"MSFT": 10}


@pytest.mark.row(34)
@pytest.mark.parametrize(
    "change",
    [
        {"c": "NaN"},
        {"o": 0},
        {"l": -5.0},
        {"h": 50.0},
        {"v": -1},
        {"c": "Infinity"},
        {"o": True},
    ],
    ids=lambda change: str(change),
)
@pytest.mark.parametrize("day", [DAY, EARLIER])
def test_an_impossible_row_is_rejected_and_its_symbol_refused(scene, change, day):
    scene.control.doctor_bars(symbol="AAPL", day=day, change=change)
    decide(scene)
    assert "is rejected" in refusals(scene)["AAPL"] or "stale" in refusals(scene)["AAPL"]
    assert scene.ledger() == {"MSFT": 10}
    scene.check()


@pytest.mark.row(35)
def test_a_row_that_comes_twice_refuses_its_symbol_with_its_number(scene):
    scene.control.doctor_bars(symbol="AAPL", day=DAY, change="duplicate")
    decide(scene)
    assert "is rejected: its time" in refusals(scene)["AAPL"]
    assert scene.ledger() == {"MSFT": 10}


@pytest.mark.row(36)
@pytest.mark.parametrize(
    "fault",
    [
        {"action": "edit", "body": {"next_page_token": "again"}},
        {"action": "status", "status": 500},
        {"action": "truncate"},
        {"action": "empty"},
    ],
    ids=["token repeats", "500", "truncated", "empty"],
)
def test_a_history_that_is_not_whole_is_never_decided_on(scene, fault):
    scene.control.http_fault(route="GET /v2/stocks/bars", when="after", count=None, **fault)
    scene.after_close()
    scene.once()
    assert scene.orders() == []
    scene.control.clear_faults()
    scene.once()
    assert len(scene.orders()) == 2


@pytest.mark.row(37)
@pytest.mark.parametrize("rescale", [True, False])
def test_a_split_that_no_list_announces_halts_the_symbol_until_a_person_has_looked(scene, rescale):
    decide(scene, strategy="fault_strategies:BuyOnce")
    scene.control.split(symbol="AAPL", new=10, rescale=rescale, announced=False)
    scene.after_close()
    scene.after_open()
    assert scene.positions() == {"AAPL": 100}
    scene.once(strategy="fault_strategies:BuyOnce")
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    code, said = scene.command("resume", "AAPL", "--adopt")
    assert (code, scene.ledger()) == (0, {"AAPL": 100}), said
    assert len(scene.posts()) == 1


@pytest.mark.row(37)
def test_a_jump_that_nothing_explains_refuses_the_symbol(scene):
    scene.control.doctor_bars(symbol="AAPL", day=DAY, change={"o": 50.0, "h": 52.0, "l": 48.0, "c": 50.0})
    decide(scene)
    assert "moved by" in refusals(scene)["AAPL"]
    assert scene.ledger() == {"MSFT": 10}
