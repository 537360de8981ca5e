"""A. Killed before a model's file gets its name, in twenty ways: the old models are there, or the whole new ones."""

import random

import pytest
from crash_steps import KILLED
from model_market import LEARNS, ROWS, TREE, model_settings, zigzag_bars
from scene import Scene

from broker.journal.journal import Journal
from broker.simulator.harness import Simulator
from engine.live.models.files import HeldOutLosses, fit_live, sha256_of
from engine.live.models.retrain import Retrainer
from engine.live.models.tasks import CompareTask
from forewalk.settings.loading import settings_from
from models.recurrent.fitted import load_lstm

POINT = "before_model_rename"
MODELS = 4


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A simulator on the evening of the first live bar, and a run with models trained 40, 30, 20 and 10 bars ago."""
    bars, folder = zigzag_bars(), tmp_path_factory.mktemp("run")
    for number in range(MODELS):
        known = bars.until(bars.timestamps[ROWS - 10 * (MODELS - number)])
        fit_live(known, model_settings(LEARNS), name(number)).save(folder / f"{name(number)}.safetensors")
    with Simulator(bars, start=bars.timestamps[ROWS - 1].isoformat(), market_fill="open") as simulator:
        yield simulator, folder


def name(number):
    return f"fold-{number:02d}"


@pytest.fixture
def desk(market, tmp_path, socket_enabled):
    """Return a scene over a run with so many of the models; with none, the daemon trains its first one itself."""

    def make(models, **live):
        simulator, kept = market
        simulator.control.restore()
        simulator.control.clear_log()
        scene = Scene(simulator, tmp_path, **live)
        scene.tree = TREE | {"model": LEARNS, "live": scene.tree["live"]}
        if models:
            run = tmp_path / "run" / "models"
            run.mkdir(parents=True)
            for number in range(models):
                (run / f"{name(number)}.safetensors").symlink_to(kept / f"{name(number)}.safetensors")
            scene.tree["live"]["run"] = str(run.parent)
        return scene

    return make


def known_models(scene):
    """Return role by name, after asserting that each file is whole: the one accepted, and readable."""
    folder = scene.state / "models"
    for path in folder.glob("*.safetensors"):
        load_lstm(path)
    with scene.journal() as journal:
        rows = journal.models.all()
    for row in rows:
        assert sha256_of(folder / row["file"]) == row["sha256"]
    return {row["model_id"]: row["role"] for row in rows}


def decided_by(scene):
    with scene.journal() as journal:
        return [decision.model_id for decision in journal.decisions.all()]


def of_a_run(make, chance):
    """The models of a finished run are taken over: all of them are known afterwards, or none."""
    count = chance.randint(1, MODELS)
    scene = make(count)
    scene.after_close()
    for _ in range(chance.randint(1, 2)):
        assert scene.once(f"{POINT}:kill9:{chance.randint(1, count)}") == KILLED
        assert known_models(scene) == {}
    finish(scene)
    assert list(known_models(scene)) == [name(number) for number in range(count)]
    assert decided_by(scene) == [name(count - 1)]
    return scene


def of_the_first_model(make, chance):
    """The daemon trains its first model; without one it decides nothing."""
    scene = make(0)
    for _ in range(chance.randint(0, 3)):
        scene.control.advance(to="close")
    scene.after_close()
    assert scene.once(f"{POINT}:kill9") == KILLED
    assert (known_models(scene), decided_by(scene)) == ({}, [])
    finish(scene)
    (model,) = known_models(scene)
    assert decided_by(scene) == [model]
    return scene


def of_a_challenger(make, chance):
    """A challenger has been trained aside, after a session or two; it is trained again with the next bar at last."""
    count = chance.randint(1, MODELS)
    scene = make(count)
    sessions = chance.randint(1, 2)
    for _ in range(sessions):
        assert scene.decide_and_send() == [0, 0]
    scene.after_close()
    assert scene.once(f"{POINT}:kill9", retrain="1") == KILLED
    assert list(known_models(scene)) == [name(number) for number in range(count)]
    assert decided_by(scene) == [name(count - 1)] * (sessions + 1)
    finish(scene)
    assert scene.decide_and_send(retrain="1") == [0, 0]
    assert len(known_models(scene)) > count
    return scene


def finish(scene):
    """Start again, decide if that is left to do, send, see the fills."""
    assert scene.once() == 0, scene.last_output
    scene.after_open()
    assert scene.once() == 0, scene.last_output


@pytest.mark.faults
@pytest.mark.row(12, 72)
@pytest.mark.parametrize(
    ("story", "seed"),
    [
        *((of_a_run, seed) for seed in range(10)),
        *((of_the_first_model, seed) for seed in range(10, 14)),
        *((of_a_challenger, seed) for seed in range(14, 20)),
    ],
)
def test_killed_before_a_models_rename_it_is_old_or_whole_and_both_books_agree(desk, story, seed):
    scene = story(desk, random.Random(f"{POINT} {seed}"))
    assert set(scene.states()) <= {"filled"}
    assert scene.orders()
    assert not list((scene.state / "models").glob(".*.tmp"))
    scene.check()


def test_a_power_cut_right_after_a_challenger_is_judged_leaves_it_champion_where_nobody_must_approve(
    tmp_path,
):
    def power_cut(*_):
        raise KeyboardInterrupt

    journal, bars = Journal(tmp_path / "journal.db", "paper"), zigzag_bars()
    weeks_ago, now = (bars.timestamps[row].to_pydatetime() for row in (-20, -1))
    journal.models.record("old", "old.safetensors", "ff", weeks_ago, "champion", "the first model", weeks_ago)
    settings = settings_from(TREE | {"model": LEARNS, "live": {"retrain": "weekly"}})
    retrainer = Retrainer(settings, journal, tmp_path, Trainer(bars.timestamps[-1]), power_cut)
    retrainer.champions(bars)
    for _ in ("compare", "fit"):
        retrainer.step(now)
    with pytest.raises(KeyboardInterrupt):
        retrainer.step(now)
    assert [model["role"] for model in journal.models.all()] == ["champion", "champion"]
    journal.close()


class Trainer:
    """A child process that finds every challenger better and has trained it at once."""

    def __init__(self, valid_from):
        self.valid_from = valid_from

    def send(self, task):
        self.task = task

    def ready(self):
        return True

    def receive(self, timeout_s):
        if isinstance(self.task, CompareTask):
            return HeldOutLosses(1.0, 0.9, 100)
        self.task.target.write_bytes(b"weights")
        return self.valid_from
