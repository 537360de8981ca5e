import multiprocessing
import os
import select
import signal
import subprocess
import sys

import numpy as np
import pytest

from engine.training.walkforward import walk_forward
from forewalk.compute.pool import Processes, available_cores
from forewalk.errors import DataError, ForewalkError
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from helpers.making import make_bars, make_settings
from models.recurrent.forecaster import LSTMForecaster


def scaled_sum(task, arrays):
    return task * float(arrays["values"].sum())


def refuse_to_write(task, arrays):
    arrays["values"][0] = task
    return task


def die_once(task, arrays):
    flag, number = task
    if number == 1 and not os.path.exists(flag):  # noqa: PTH110 - runs in a worker
        open(flag, "w").close()  # noqa: PTH123
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def always_die(task, arrays):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(task, arrays):
    raise ValueError(f"task {task} went wrong")


def interrupt(parent, arrays):
    os.kill(parent, signal.SIGINT)
    signal.pause()


def walked(jobs, forecaster=LSTMForecaster, min_history_bars=60):
    bars = make_bars(rows=330)
    settings = make_settings(model__seeds=2)
    panel = build_features(bars, settings.features, 1, min_history_bars)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    timeline, curves = walk_forward(
        panel, labels, folds, forecaster(settings.model, 7), max_age_bars=200, workers=Processes(jobs)
    )
    return timeline.forecasts(panel, 1), curves


@pytest.mark.parametrize("jobs", [2, 4])
def test_the_result_is_bit_identical_for_any_number_of_jobs(jobs):
    (one, curves_one), (many, curves_many) = walked(1), walked(jobs)
    np.testing.assert_array_equal(one.mean, many.mean)
    np.testing.assert_array_equal(one.std, many.std)
    assert curves_one == curves_many
    assert one.model_ids == many.model_ids


class StackedHere(LSTMForecaster):
    """A forecaster that stacks its networks, as on a GPU, on the processor."""

    device = "stacked"

    def fit_together(self, work):
        return super().fit_together(work, "cpu")


def test_a_device_gets_all_members_at_once_and_forecasts_what_processes_do():
    alone, _ = walked(1)
    together, curves = walked(2, StackedHere)
    np.testing.assert_allclose(together.mean, alone.mean, atol=1e-6)
    np.testing.assert_allclose(together.std, alone.std, rtol=1e-4)
    assert [(curve.model_id, curve.network) for curve in curves] == [
        (model, seed) for model in ("fold-00", "fold-01") for seed in ("seed-0", "seed-1")
    ]


def test_a_fold_before_any_symbol_has_its_history_is_refused_with_the_setting():
    with pytest.raises(
        DataError, match=r"fold-00: .* no symbol has data\.min_history_bars by then; lower that"
    ):
        walked(1, min_history_bars=400)


def test_progress_counts_every_member():
    bars, settings = make_bars(rows=330), make_settings(model__seeds=3)
    panel = build_features(bars, settings.features, 1, 60)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    seen = []
    forecaster = LSTMForecaster(settings.model, 7)
    walk_forward(panel, labels, folds, forecaster, 200, on_done=lambda *a: seen.append(a))
    assert seen == [(number, 6) for number in range(1, 7)]


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_results_come_in_the_order_of_the_tasks(jobs):
    arrays = {"values": np.arange(5.0)}
    assert Processes(jobs).run(scaled_sum, [3, 1, 2], arrays) == [30.0, 10.0, 20.0]


def test_shared_arrays_cannot_be_written_by_a_worker():
    with pytest.raises(ValueError, match="read-only"):
        Processes(2).run(refuse_to_write, [1, 2], {"values": np.arange(5.0)})


def test_a_crashed_worker_is_retried_once(tmp_path):
    tasks = [(str(tmp_path / "flag"), number) for number in range(3)]
    assert Processes(2).run(die_once, tasks, {}) == [0, 1, 2]
    assert (tmp_path / "flag").exists()


def test_a_worker_that_dies_again_is_named():
    with pytest.raises(ForewalkError, match=r"died twice.*'alpha'"):
        Processes(2).run(always_die, ["alpha", "beta"], {})
    assert multiprocessing.active_children() == []


def test_an_error_in_a_task_comes_back_and_leaves_no_process():
    with pytest.raises(ValueError, match="went wrong"):
        Processes(2).run(fail, [1, 2, 3], {})
    assert multiprocessing.active_children() == []


@pytest.fixture
def interruptible():
    """A test run in the background of a shell ignores Ctrl-C; a user's run does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_every_process():
    with pytest.raises(KeyboardInterrupt):
        Processes(2).run(interrupt, [os.getpid()] * 2, {})
    assert multiprocessing.active_children() == []


ENDLESS = """
import signal
from forewalk.compute.pool import Processes
def wait(task, arrays):
    print("working", flush=True)
    signal.pause()
if __name__ == "__main__":
    Processes(2).run(wait, [1, 2], {})
"""


def test_a_killed_run_leaves_no_worker_behind(tmp_path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    with subprocess.Popen([sys.executable, tmp_path / "endless.py"], stdout=subprocess.PIPE) as run:
        pipe = run.stdout.fileno()
        assert os.read(pipe, 7) == b"working"
        run.kill()
        while (ready := select.select([pipe], [], [], 30)[0]) and os.read(pipe, 100):
            pass  # the other worker's line, perhaps
    assert ready  # the end of the pipe: nobody holds it any more


PLAIN = """
from pathlib import Path
from forewalk.compute.pool import Processes, in_worker
Path("started").open("a").write("x")
print(Processes(2).run(eval, ["__import__('forewalk.compute.pool').compute.pool.in_worker()"] * 2, {}), in_worker())
"""


def test_a_script_without_the_usual_guard_is_run_once_and_not_by_every_worker(tmp_path):
    (tmp_path / "plain.py").write_text(PLAIN)
    command = [sys.executable, "plain.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[True, True] False\n"
    assert (tmp_path / "started").read_text() == "x"


ASKED = """
from forewalk.compute.pool import Processes
Processes(2).prepare()
loaded = "{'torch', 'engine.training.walkforward', 'models.baselines.simple'} <= set(__import__('sys').modules)"
print(Processes(2).run(eval, [loaded, loaded], {}))  # a function of ours would import them
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are spawned, not forked")
def test_a_worker_has_imported_what_it_needs_before_its_first_task():
    asked = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    assert asked.stdout == "[True, True]\n"


def test_there_is_at_least_one_core():
    assert available_cores() >= 1


def test_no_tasks_give_no_results():
    assert Processes(2).run(scaled_sum, [], {}) == []
