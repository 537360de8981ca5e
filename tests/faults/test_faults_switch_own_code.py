"""Whatever keeps a book from trading keeps no position of its open: the kill switch needs none of it."""

import pytest

BROKEN = {"kind": "not_there_any_more:Strategy"}
UNTRADABLE = {"symbols": ["AAPL", "MSFT", "EURUSD"]}


def spoil(scene, what):
    if what == "strategy":
        scene.tree["strategy"] = BROKEN
    elif what == "source":
        scene.tree["data"] = {"source": "not_there_any_more:Source", "path": "gone.csv", "symbols": []}
    else:
        scene.tree["data"] = UNTRADABLE


@pytest.mark.row(83, 84)
@pytest.mark.parametrize("what", ["strategy", "source", "symbols"])
def test_flatten_needs_neither_the_users_code_nor_settings_to_trade_by(scene, what):
    scene.decide_and_send()
    assert len(scene.positions()) == 2
    spoil(scene, what)
    assert scene.once() != 0
    code, said = scene.command("flatten")
    assert (code, "the broker has done it" in said) == (0, True), said
    assert scene.positions() == {}
    scene.check()


@pytest.mark.row(83, 84)
def test_a_run_that_cannot_trade_goes_on_with_a_flatten_all_the_same(scene):
    scene.decide_and_send()
    scene.control.auto_fill(enabled=False)
    spoil(scene, "strategy")
    assert scene.command("flatten")[0] == 0
    assert len(scene.positions()) == 2
    scene.control.auto_fill(enabled=True)
    assert scene.once() != 0
    assert scene.once() != 0
    assert scene.positions() == {}
    assert all(state != "acked" for state in scene.states())
