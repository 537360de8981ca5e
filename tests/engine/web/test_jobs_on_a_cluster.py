"""Jobs of the server on a Ray cluster: the settings lead there, results come back, and cancel reaches the nodes."""

import sys

import pytest

from engine.web.jobs.commands import command_of
from engine.web.jobs.job import Job
from engine.web.places import places_of_team
from forewalk.errors import UsageError
from forewalk.settings.loading import load_settings
from helpers.waiting import until
from helpers.web_jobs import Desk, is_running

ADDRESS = "127.0.0.1:6379"


def job(team, **settings):
    return Job("0" * 36, "backtest", settings, "me", team, "queued", "2026-01-01T00:00:00")


def settings_of(tmp_path, team, **asked):
    """Return the settings that a job's command is given."""
    places = places_of_team(tmp_path, tmp_path / "runs", None, team)
    command_of(job(team, **asked), places, tmp_path)
    return load_settings(tmp_path / "settings.toml", environment={})


def test_whoever_started_the_server_sends_a_job_to_a_cluster(tmp_path):
    found = settings_of(tmp_path, "local", executor="ray", address=ADDRESS)
    assert (found.executor, found.address) == ("ray", ADDRESS)


def test_a_server_whose_environment_names_a_cluster_sends_everybodys_jobs_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FOREWALK_EXECUTOR", "ray")
    monkeypatch.setenv("FOREWALK_ADDRESS", ADDRESS)
    found = settings_of(tmp_path, "others")
    assert (found.executor, found.address) == ("ray", ADDRESS)
    with pytest.raises(UsageError, match="whoever started the server"):
        settings_of(tmp_path, "others", executor="local")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a cluster of one node with one core, on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray listens on loopback then
        patch.setenv("RAY_AUTH_MODE", "disabled")
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'forewalk[cluster]'")
        from pytest_socket import enable_socket
        from ray.cluster_utils import Cluster as LocalCluster

        enable_socket()
        node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}
        local = LocalCluster(initialize_head=True, head_node_args=node)
        yield local.address
        local.shutdown()


ON_NODES = """
import json, os, pathlib, sys, time
import numpy as np
from forewalk.compute.workers import workers_of
from forewalk.settings.loading import load_settings

def task(number, arrays):
    place = pathlib.Path(str(bytes(arrays["place"]), "utf-8"))
    with (place / "nodes").open("a") as nodes:
        nodes.write(f"{os.getpid()}\\n")
    (place / "waits").touch()
    while not (place / "go").exists():
        time.sleep(0.01)
    return number * 2

if __name__ == "__main__":
    place = np.frombuffer(sys.argv[1].encode(), np.uint8)
    workers = workers_of(load_settings(pathlib.Path(sys.argv[2]), environment={}))
    told = lambda done: print(json.dumps({"what": "work", "done": done + 1, "total": 2}), file=sys.stderr, flush=True)
    print(json.dumps({"answer": sum(workers.run(task, [1, 2], {"place": place}, told)), "here": workers.here}))
"""


class Clustered(Desk):
    """Jobs that do their work on the cluster that their settings name."""

    def command(self, job, places, folder):
        command_of(job, places, folder)
        code = folder / "on_nodes.py"
        code.write_text(ON_NODES, encoding="utf-8")
        return [sys.executable, str(code), str(self.folder), str(folder / "settings.toml")]

    def nodes(self):
        return [int(line) for line in (self.folder / "nodes").read_text().split()]


@pytest.mark.enable_socket
@pytest.mark.filterwarnings("ignore")
def test_a_job_on_a_cluster_tells_its_progress_and_its_result_and_cancel_reaches_the_node(cluster, tmp_path):
    with Clustered(tmp_path) as desk:
        cancelled = desk.submit(executor="ray", address=cluster)
        desk.waiting()
        (node,) = desk.nodes()
        assert is_running(node)
        desk.jobs.cancel(cancelled.id, "local")
        assert desk.ended(cancelled).state == "cancelled"
        until(lambda: not is_running(node))
        assert desk.nodes() == [node]  # its second task has not been begun either
        desk.go()
        done = desk.ended(desk.submit(executor="ray", address=cluster))
        assert (done.problem, done.result) == (None, {"answer": 6, "here": False})
        assert done.progress == {"what": "work", "done": 2, "total": 2}
