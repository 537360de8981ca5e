"""A challenger's whole life: trained aside, judged, promoted or not; and what happens when it does not come."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from model_market import CANNOT_LEARN, CHAMPION_AGE, LEARNS, ROWS, TREE, run_with_champion, zigzag_bars
from scene import Scene

from broker.orders import WAITING
from broker.simulator.harness import Simulator


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A simulator on the evening of the first live bar; runs whose champions have learned well, little, and not."""
    bars = zigzag_bars()
    folder = tmp_path_factory.mktemp("runs")
    good = run_with_champion(folder / "good", bars, LEARNS)
    fair = run_with_champion(folder / "fair", bars, LEARNS | {"max_epochs": 1})
    poor = run_with_champion(folder / "poor", bars, CANNOT_LEARN)
    evening = bars.timestamps[ROWS - 1] + pd.Timedelta(seconds=65)
    with Simulator(bars, start=evening.isoformat(), market_fill="open") as simulator:
        yield simulator, {"good": good, "fair": fair, "poor": poor}


@pytest.fixture
def desk(market, tmp_path, socket_enabled):
    """Return a scene whose champion is `good`, `fair` or `poor` and whose challengers are trained with `model`."""
    started = []

    def make(champion, model, **live):
        simulator, runs = market
        simulator.control.restore()
        simulator.control.clear_log()
        scene = Scene(simulator, tmp_path, run=str(runs[champion]), retrain="1", **live)
        scene.tree = TREE | {"model": model, "live": scene.tree["live"]}
        start = scene.start
        scene.start = lambda *given, **more: started.append(start(*given, **more)) or started[-1]
        return scene

    yield make
    for daemon in started:
        if daemon.alive:
            daemon.kill()


def models(scene):
    with scene.journal() as journal:
        return {model["model_id"]: (model["role"], model["note"]) for model in journal.models.all()}


def decided_by(scene):
    with scene.journal() as journal:
        return [decision.model_id for decision in journal.decisions.all()]


def challenger(scene):
    """The one model that is not the run's: (name, role, note)."""
    ((name, (role, note)),) = ((n, m) for n, m in models(scene).items() if n != "fold-00")
    return name, role, note


def children(pid):
    """The model processes of a daemon."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found |= {int(child) for child in (task / "children").read_text().split()}
    return {child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}


def running(scene):
    """Take over the run's champion and decide on a bar, then start a daemon: its next decision brings a refit."""
    assert scene.once() == 0
    scene.after_open()
    assert scene.once(retrain="never") == 0
    daemon = scene.start()
    scene.until(lambda: "started" in daemon.said())
    return daemon


def refit_of(scene, daemon):
    """Let a bar close and return the process of the refit it brings: it begins after the one that forecasts."""
    scene.after_close()
    return max(scene.until(lambda: len(both := children(daemon.pid)) == 2 and both))


def session(scene):
    """Let a running daemon decide on a bar and send its orders."""
    before = len(decided_by(scene))
    scene.after_close()
    scene.until(lambda: len(decided_by(scene)) > before)
    scene.after_open()
    scene.until(lambda: not scene.orders(*WAITING) and scene.ledger() == scene.positions())


def test_a_challenger_that_is_not_worse_is_promoted_and_forecasts_from_the_next_bar_on(desk):
    scene = desk("poor", LEARNS)
    for _ in range(3):
        assert scene.decide_and_send() == [0, 0]
    name, role, note = next((n, *m) for n, m in models(scene).items() if n != "fold-00")
    assert role == "champion", note
    assert "neither was trained on" in note
    assert decided_by(scene) == ["fold-00", "fold-00", name]
    assert [path.name for path in (scene.state / "models").iterdir() if path.name.startswith(".")] == []
    scene.check()


@pytest.mark.faults
def test_a_challenger_that_is_worse_out_of_sample_never_forecasts(desk):
    scene = desk("good", CANNOT_LEARN)
    for _ in range(3):
        scene.decide_and_send()
    roles = [role for name, (role, _) in models(scene).items() if name != "fold-00"]
    assert roles == ["rejected", "rejected"]
    assert decided_by(scene) == ["fold-00"] * 3
    scene.check()


@pytest.mark.faults
def test_with_approve_a_good_challenger_waits_for_a_person(desk):
    scene = desk("poor", LEARNS, approve=True)
    for _ in range(2):
        scene.decide_and_send()
    name, role, note = challenger(scene)
    assert role == "challenger", note
    scene.decide_and_send(retrain="never")
    assert f"ASK         {name}: a new model, loss" in scene.command("status")[1]
    code, said = scene.command("approve", name)
    assert (code, "is a champion now" in said) == (0, True), said
    scene.decide_and_send(retrain="never")
    assert decided_by(scene) == ["fold-00"] * 3 + [name]
    assert scene.command("approve", name)[0] != 0  # once only
    scene.check()


@pytest.mark.faults
def test_a_refit_that_is_killed_leaves_the_champion_and_the_next_one_is_promoted(desk):
    scene = desk("poor", LEARNS)
    daemon = running(scene)
    os.kill(refit_of(scene, daemon), signal.SIGKILL)
    scene.until(lambda: len(models(scene)) == 2)
    _, role, note = challenger(scene)
    assert (role, note.startswith("failed: the model process")) == ("rejected", True)
    scene.after_open()
    session(scene)
    assert decided_by(scene) == ["fold-00"] * 3
    scene.until(lambda: len(models(scene)) == 3)
    assert sorted(role for role, _ in models(scene).values()) == ["champion", "champion", "rejected"]
    scene.check()


@pytest.mark.faults
def test_a_refit_that_comes_late_finds_the_champion_silent_exits_made_and_no_entries(desk):
    """The champion may forecast two live bars; the refit sleeps until all is closed, then goes on."""
    scene = desk("fair", LEARNS | {"max_age_bars": CHAMPION_AGE + 1})
    daemon = running(scene)
    refit = refit_of(scene, daemon)
    os.kill(refit, signal.SIGSTOP)
    scene.after_open()
    scene.until(lambda: not scene.orders(*WAITING))
    for _ in range(3):
        session(scene)
    with scene.journal() as journal:
        orders = [
            [o for o in scene.orders() if o.decision_id == d.decision_id] for d in journal.decisions.all()
        ]
    assert [order.reason for order in orders[2]] == ["no_forecast"]
    assert all(order.reduces for order in orders[2])
    assert orders[3:] == [[], []]
    assert scene.positions() == scene.ledger() == {}
    assert decided_by(scene)[1:] == ["fold-00", "", "", ""]
    os.kill(refit, signal.SIGCONT)
    scene.until(lambda: len(models(scene)) == 2)
    name, role, note = challenger(scene)
    assert role == "champion", note
    session(scene)
    assert decided_by(scene)[-1] == name
    assert scene.positions() != {}
    scene.check()


@pytest.mark.faults
def test_a_kill_before_a_challengers_file_is_whole_loses_nothing_but_the_fit(desk):
    scene = desk("poor", LEARNS)
    scene.decide_and_send()
    scene.after_close()
    assert scene.once("before_model_rename:kill9") == -9
    assert list(models(scene)) == ["fold-00"]
    scene.after_open()
    assert scene.once() == 0
    scene.decide_and_send()
    _, role, note = challenger(scene)
    assert role == "champion", note
    scene.check()
