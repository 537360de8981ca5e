"""The cluster's promise: the same bits as one machine, whatever happens to a node."""

import os
import signal
import sys
import time

import numpy as np
import pytest

from engine.cluster import Cluster, run_on_cluster, workers_of
from engine.config import load_settings
from engine.errors import ConfigError, ConnectionFailed
from engine.features.pipeline import build_features, build_labels
from engine.folds import walk_forward_folds
from engine.parallel import run_tasks
from engine.walkforward import walk_forward
from making import make_bars, make_settings
from models.lstm import LSTMForecaster

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'forewalk[cluster]'")

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # nodes cannot import the tests

# Ray's own test cluster listens on this machine's address, not on loopback alone: only a person may start it.
ASKED_FOR = "FOREWALK_TEST_CLUSTER" in os.environ

pytestmark = [
    pytest.mark.skipif(not ASKED_FOR, reason="starts Ray nodes; set FOREWALK_TEST_CLUSTER=1 to run"),
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings("ignore"),  # Ray's own processes and sockets warn as they come and go
]


@pytest.fixture(scope="module")
def nodes(request):
    """A head without cores and two nodes of one core each, all on this machine."""
    from pytest_socket import enable_socket
    from ray.cluster_utils import Cluster as LocalCluster

    enable_socket()
    os.environ["RAY_AUTH_MODE"] = "disabled"
    small = {"object_store_memory": 80 * 2**20}
    local = LocalCluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    workers = [local.add_node(num_cpus=1, **small) for _ in range(2)]
    yield local, workers
    local.shutdown()


def scaled_sum(task, arrays):
    return task * float(arrays["values"].sum())


def fail(task, arrays):
    raise ValueError(f"task {task} went wrong")


def wait_for_file(task, arrays):
    number, started, release = task
    with open(f"{started}-{number}-{os.getpid()}", "w"):  # noqa: PTH123 - runs on a node
        pass
    while not os.path.exists(release):  # noqa: PTH110
        time.sleep(0.02)
    return number * float(arrays["values"].sum())


def walked(workers):
    bars = make_bars(rows=330)
    settings = make_settings(model__seeds=2)
    panel = build_features(bars, settings.features, 1, 60)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    timeline, _ = walk_forward(
        panel, labels, folds, LSTMForecaster(settings.model, 7), max_age_bars=200, jobs=workers
    )
    return timeline.forecasts(panel, 1)


def test_a_walk_forward_has_the_same_bits_on_a_cluster(nodes):
    local, _ = nodes
    here, there = walked(1), walked(Cluster(local.address))
    np.testing.assert_array_equal(here.mean, there.mean)
    np.testing.assert_array_equal(here.std, there.std)


def test_results_come_in_the_order_of_the_tasks(nodes):
    arrays = {"values": np.arange(5.0)}
    done = []
    results = run_tasks(scaled_sum, [3, 1, 2], arrays, Cluster(nodes[0].address), done.append)
    assert results == [30.0, 10.0, 20.0]
    assert sorted(done) == [0, 1, 2]


def test_an_error_in_a_task_comes_back_as_itself(nodes):
    with pytest.raises(ValueError, match="went wrong"):
        run_on_cluster(fail, [1, 2], {}, Cluster(nodes[0].address))


def test_a_node_that_is_killed_changes_no_result(nodes, tmp_path):
    local, workers = nodes
    started, release = tmp_path / "started", tmp_path / "release"
    tasks = [(number, str(started), str(release)) for number in range(2)]
    pid = os.fork()
    if pid == 0:  # a watcher: when both nodes are busy, kill one of them with its task and let the others end
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("started-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        node = workers[1].all_processes["raylet"][0].process.pid
        busy = [int(path.name.rpartition("-")[2]) for path in tmp_path.glob("started-*")]
        for process in [node, *(worker for worker in busy if parent_of(worker) == node)]:
            os.kill(process, signal.SIGKILL)
        release.touch()
        os._exit(0)
    results = run_tasks(wait_for_file, tasks, {"values": np.arange(5.0)}, Cluster(local.address))
    os.waitpid(pid, 0)
    assert results == [0.0, 10.0]
    assert len(list(tmp_path.glob("started-*"))) == 3  # one of them had to start again


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return int(stat.read().rpartition(")")[2].split()[1])


def test_no_cluster_at_the_address_is_a_connection_error():
    with pytest.raises(ConnectionFailed, match=r"no Ray cluster answers at '127\.0\.0\.1:9'"):
        run_on_cluster(scaled_sum, [1], {"values": np.ones(1)}, Cluster("127.0.0.1:9"))


def test_the_settings_choose_between_this_machine_and_a_cluster():
    local = load_settings(overrides=["jobs=3"], environment={})
    far = load_settings(overrides=["executor=ray", "address=10.0.0.1:6379"], environment={})
    assert workers_of(local) == 3
    assert workers_of(far) == Cluster("10.0.0.1:6379")


def test_an_executor_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="'local' or 'ray'"):
        load_settings(overrides=["executor=dask"], environment={})
