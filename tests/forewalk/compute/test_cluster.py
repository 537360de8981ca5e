"""The cluster's promise: the same bits as one machine, whatever happens to a node."""

import os
import signal
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from engine.backtest.job import backtest
from engine.cli.app import app
from engine.evaluation.baselines import run_baselines
from engine.runs.ledger import LEDGER_FILE, Ledger
from engine.simulation.compiled.run import simulate_settings
from engine.training.walkforward import walk_forward
from engine.tune.job import choose
from engine.tune.study import Plan
from forewalk.compute.cluster import Cluster, disconnect
from forewalk.compute.pool import Processes
from forewalk.compute.workers import workers_of
from forewalk.errors import ConfigError, ConnectionFailed
from forewalk.features.panel import build_features, build_labels, one_bar_returns
from forewalk.folds import walk_forward_folds
from forewalk.settings.loading import load_settings
from helpers.making import make_bars, make_settings
from helpers.own_code import write_module, write_project
from helpers.run_folders import make_run
from helpers.waiting import until
from models.recurrent.forecaster import LSTMForecaster

# Ray's nodes listen on this machine's own address, but on loopback where clusters are "not supported" (Ray's
# own switch for other systems; it must be set before the import).
ON_LOOPBACK = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

with pytest.MonkeyPatch.context() as patch:
    patch.setenv(*ON_LOOPBACK)
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'forewalk[cluster]'")

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # nodes cannot import the tests

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings("ignore"),  # Ray's own processes and sockets warn as they come and go
]


@pytest.fixture(scope="module")
def nodes(request):
    """A head without cores and two nodes of one core each, all on this machine."""
    from pytest_socket import enable_socket
    from ray.cluster_utils import Cluster as LocalCluster

    enable_socket()
    small = {"object_store_memory": 80 * 2**20}
    head = {"num_cpus": 0, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*ON_LOOPBACK)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        local = LocalCluster(initialize_head=True, head_node_args={**head, **small})
        workers = [local.add_node(num_cpus=1, **small) for _ in range(2)]
        yield local, workers
        disconnect()
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


def prepared(**changes):
    bars = make_bars(rows=330)
    settings = make_settings(**changes)
    panel = build_features(bars, settings.features, 1, 60)
    labels = build_labels(bars, panel, settings.label)
    return bars, settings, panel, labels, walk_forward_folds(bars.timestamps, labels.end, settings.folds)


def walked(workers, **changes):
    _, settings, panel, labels, folds = prepared(model__seeds=2, **changes)
    timeline, _ = walk_forward(
        panel, labels, folds, LSTMForecaster(settings.model, 7), max_age_bars=200, workers=workers
    )
    return timeline.forecasts(panel, 1)


def test_the_test_cluster_listens_on_loopback_alone(nodes):
    Cluster(nodes[0].address).run(scaled_sum, [1], {"values": np.ones(1)})
    assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}


@pytest.mark.parametrize("scope", ["pooled", "per_symbol"])
def test_a_walk_forward_has_the_same_bits_on_a_cluster(nodes, scope):
    here, there = (
        walked(workers, model__scope=scope) for workers in (Processes(1), Cluster(nodes[0].address))
    )
    np.testing.assert_array_equal(here.mean, there.mean)
    np.testing.assert_array_equal(here.std, there.std)


def test_baselines_have_the_same_bits_on_a_cluster(nodes):
    bars, settings, panel, labels, folds = prepared()
    names, returns = ("ridge", "gru"), one_bar_returns(bars)
    far = settings.model_copy(update={"executor": "ray", "address": nodes[0].address})
    here = run_baselines(panel, labels, folds, returns, settings, names)
    there = run_baselines(panel, labels, folds, returns, far, names)
    for name in names:
        np.testing.assert_array_equal(here[name].forecasts.mean, there[name].forecasts.mean)


@pytest.mark.parametrize("kind", ["per_symbol", "cross_section"])
def test_a_sweep_has_the_same_bits_on_a_cluster(nodes, kind):
    bars, forecasts = prepared()[0], walked(Processes(1))
    policy = {"strategy__kind": kind, "strategy__entry": 0.0, "strategy__exit": 0.0, "strategy__top": 1}
    grid = [
        make_settings(**policy, execution__fee_bps=fee, execution__max_volume_share=share)
        for fee in range(40)
        for share in (None, 0.01)
    ]
    done = []
    here = simulate_settings(bars, forecasts, grid)
    there = simulate_settings(
        bars, forecasts, grid, Cluster(nodes[0].address), lambda *told: done.append(told)
    )
    np.testing.assert_array_equal(here.equity, there.equity)
    pd.testing.assert_frame_equal(here.table, there.table)
    assert len(np.unique(here.equity[:, -1])) > 10
    assert done[-1] == (len(grid), len(grid))


def test_tuning_tries_and_chooses_the_same_on_a_cluster(nodes, tmp_path):
    _, settings, panel, labels, folds = prepared()
    plan = Plan({"model.hidden_size": (2, 4)}, trials=3, budget_s=1e9, seed=5)
    found = []
    for where, workers in (("here", Processes(1)), ("there", Cluster(nodes[0].address))):
        (tmp_path / where).mkdir()
        (choice,) = choose(panel, labels, folds[:1], settings, plan, 2, tmp_path / where, "key", workers)
        found.append([replace(each, processor_s=0.0) for each in choice.tried])
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_the_sweep_command_writes_the_same_table_from_a_cluster(nodes, tmp_path):
    run = make_run(tmp_path / "one", strategy={"kind": "per_symbol"})
    command = ["sweep", str(run), "--vary", "strategy.entry=0:0.2:0.01"]
    for where in ([], ["--executor", "ray", "--address", nodes[0].address]):
        done = CliRunner().invoke(app, [*command, *where])
        assert done.exit_code == 0, done.output
    here, there = (pd.read_csv(run / "sweeps" / number / "settings.csv") for number in ("001", "002"))
    pd.testing.assert_frame_equal(here, there)


def test_a_panel_is_sent_once_and_again_when_it_has_changed(nodes, monkeypatch):
    where, values, sent = Cluster(nodes[0].address), np.arange(5.0), []
    where.run(scaled_sum, [1], {"values": values})
    put = ray.put
    monkeypatch.setattr(ray, "put", lambda each: sent.append(each) or put(each))
    assert where.run(scaled_sum, [1], {"values": values}) == [10.0]
    assert sent == []
    values[0] = 1.0
    assert where.run(scaled_sum, [1], {"values": values}) == [11.0]
    assert len(sent) == 1


def test_results_come_in_the_order_of_the_tasks(nodes):
    arrays = {"values": np.arange(5.0)}
    done = []
    results = Cluster(nodes[0].address).run(scaled_sum, [3, 1, 2], arrays, done.append)
    assert results == [30.0, 10.0, 20.0]
    assert sorted(done) == [0, 1, 2]


def test_an_error_in_a_task_comes_back_as_itself(nodes):
    with pytest.raises(ValueError, match="went wrong"):
        Cluster(nodes[0].address).run(fail, [1, 2], {})
    assert not ray.is_initialized()  # nothing goes on there


def test_a_node_that_is_killed_changes_no_result(nodes, tmp_path):
    local, workers = nodes
    started, release = tmp_path / "started", tmp_path / "release"
    tasks = [(number, str(started), str(release)) for number in range(2)]
    pid = os.fork()
    if pid == 0:  # a watcher: when both nodes are busy, kill one of them with its task and let the others end
        try:
            until(lambda: len(list(tmp_path.glob("started-*"))) >= 2)
            node = workers[1].all_processes["raylet"][0].process.pid
            busy = [int(path.name.rpartition("-")[2]) for path in tmp_path.glob("started-*")]
            for process in [node, *(worker for worker in busy if parent_of(worker) == node)]:
                os.kill(process, signal.SIGKILL)
        finally:
            release.touch()
            os._exit(0)
    results = Cluster(local.address).run(wait_for_file, tasks, {"values": np.arange(5.0)})
    os.waitpid(pid, 0)
    assert results == [0.0, 10.0]
    assert len(list(tmp_path.glob("started-*"))) == 3  # one of them had to start again


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return int(stat.read().rpartition(")")[2].split()[1])


def test_no_cluster_at_the_address_is_a_connection_error():
    with pytest.raises(ConnectionFailed, match=r"no Ray cluster answers at '127\.0\.0\.1:9'"):
        Cluster("127.0.0.1:9").run(scaled_sum, [1], {"values": np.ones(1)})


def test_a_sweep_without_its_cluster_records_no_trial(tmp_path):
    run = make_run(tmp_path / "one")
    done = CliRunner().invoke(app, ["sweep", str(run), "--executor", "ray", "--address", "127.0.0.1:9"])
    assert isinstance(done.exception, ConnectionFailed)
    assert Ledger(tmp_path / LEDGER_FILE).trials() == []
    assert not (run / "sweeps").exists()


def test_the_settings_choose_between_this_machine_and_a_cluster():
    local = load_settings(overrides=["jobs=3"], environment={})
    far = load_settings(overrides=["executor=ray", "address=10.0.0.1:6379"], environment={})
    assert workers_of(local) == Processes(3)
    assert workers_of(far) == Cluster("10.0.0.1:6379")


@pytest.mark.parametrize("address", ["head", "head:port", "ray://head:10001", ""])
def test_an_address_without_host_and_port_is_a_mistake_in_the_settings(address):
    with pytest.raises(ConfigError, match="address"):
        load_settings(overrides=[f"address={address}"], environment={})


def test_an_executor_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="'local' or 'ray'"):
        load_settings(overrides=["executor=dask"], environment={})


OWN = """\
import numpy as np
from models.arrays import ArrayForecaster, learning_cells


def turnover(bars):
    return np.log1p(bars.volume) / 10


class Ridge(ArrayForecaster):
    def fit(self, data):
        x, y = learning_cells(data, data.train)
        return {"slope": np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)}

    def predict(self, arrays, panel, first, stop):
        return panel.values[first:stop] @ arrays["slope"]
"""


def test_a_feature_and_a_model_of_ones_own_have_the_same_bits_on_a_cluster(nodes, tmp_path):
    write_module(tmp_path, "ours_on_nodes", OWN)
    own = {"model": 'kind = "ours_on_nodes:Ridge"', "features": 'extra = ["ours_on_nodes:turnover"]'}
    settings = load_settings(write_project(tmp_path, **own), environment={})
    here = backtest(settings)
    there = backtest(settings.model_copy(update={"executor": "ray", "address": nodes[0].address}))
    np.testing.assert_array_equal(here.subject.forecasts.mean, there.subject.forecasts.mean)
    pd.testing.assert_frame_equal(here.subject.simulation.equity, there.subject.simulation.equity)
    assert np.isfinite(here.subject.forecasts.mean).any()
