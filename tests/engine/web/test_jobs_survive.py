"""A job is never lost and never run twice: servers and workers killed by signal 9 at every step of its life."""

import os
import signal

import pytest

from engine.web.jobs.process import JobProcess
from engine.web.jobs.table import JobTable
from helpers.waiting import until
from helpers.web_jobs import Desk, die, in_a_server_that_is_killed, is_running

STEPS = {  # of a job's life in the server, in their order
    "add": JobTable, "claim": JobTable, "start": JobProcess, "tell": JobTable, "end": JobTable,
}  # fmt: skip


def dying(monkeypatch, step, after):
    """Let a server be killed as it comes to a step, or as soon as it has done it."""
    owner = STEPS[step]
    real = getattr(owner, step)

    def fatal(self, *arguments):
        done = real(self, *arguments) if after else None
        if step != "claim" or done is not None or not after:
            die()
        return done

    monkeypatch.setattr(owner, step, fatal)


def served_until_killed(folder, monkeypatch, step, after):
    def serve():
        desk = Desk(folder)
        with monkeypatch.context() as patch:
            dying(patch, step, after)
            with desk:
                desk.ended(desk.submit(key="one"))

    in_a_server_that_is_killed(serve)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_server_killed_at_any_step_loses_no_job_and_doubles_none(tmp_path, monkeypatch, step, after):
    if step == "end":
        (tmp_path / "go").touch()
    served_until_killed(tmp_path, monkeypatch, step, after)
    with Desk(tmp_path) as desk:
        job = desk.submit(key="one")  # who got no answer asks again
        desk.go()
        ended = desk.ended(job)
        assert (ended.state, ended.result) == ("succeeded", {"answer": 0})
        assert len(desk.ran()) == 1
        assert desk.jobs.list("local")[1] == 1


def killed(desk, job, who):
    """Kill the command, the process that keeps it, or both."""
    desk.waiting()
    worker = desk.ran()[-1]
    keeper = os.getsid(worker)
    for process in {"command": [worker], "keeper": [keeper], "both": [keeper, worker]}[who]:
        os.kill(process, signal.SIGKILL)
    return worker


@pytest.mark.parametrize("who", ["command", "keeper", "both"])
def test_a_worker_that_is_killed_is_said_to_have_failed_and_nothing_of_it_stays(tmp_path, who):
    with Desk(tmp_path) as desk:
        job = desk.submit()
        worker = killed(desk, job, who)
        ended = desk.ended(job)
        assert ended.state == "failed"
        assert "killed by signal 9" in ended.problem or "stopped from outside" in ended.problem
        assert not is_running(worker)
        desk.go()
        assert desk.ended(desk.submit()).state == "succeeded"  # the next one has its place


@pytest.mark.parametrize("who", ["command", "keeper", "both"])
def test_server_and_worker_killed_together_are_noticed_by_the_next_server(tmp_path, who):
    def serve():
        with Desk(tmp_path) as desk:
            killed(desk, desk.submit(key="one"), who)
            die()

    in_a_server_that_is_killed(serve)
    with Desk(tmp_path) as desk:
        ended = desk.ended(desk.submit(key="one"))
        assert ended.state == "failed"
        assert len(desk.ran()) == 1
        assert not is_running(desk.ran()[0])


def test_a_server_that_is_stopped_leaves_nothing_running_and_begins_the_job_anew_when_it_is_back(tmp_path):
    with Desk(tmp_path) as desk:
        job = desk.submit()
        desk.waiting()
    first = desk.ran()
    assert not is_running(first[0])
    desk = Desk(tmp_path)
    assert desk.state(job) == "queued"
    with desk:
        desk.go()
        assert desk.ended(job).state == "succeeded"


def test_two_servers_on_one_database_run_each_job_once(tmp_path):
    with Desk(tmp_path) as one, Desk(tmp_path) as two:
        jobs = [desk.submit(seed=seed) for seed in range(3) for desk in (one, two)]
        one.go()
        assert {one.ended(job).state for job in jobs} == {"succeeded"}
        assert sorted(two.ended(job).result["answer"] for job in jobs) == [0, 0, 1, 1, 2, 2]
        assert len(one.ran()) == len(jobs)


def test_a_job_is_cancelled_through_the_other_server(tmp_path):
    with Desk(tmp_path) as one:
        job = one.submit()
        one.waiting()
        other = Desk(tmp_path)
        other.jobs.cancel(job.id, "local")
        assert one.ended(job).state == "cancelled"


def test_a_server_that_lives_keeps_its_jobs_when_another_starts(tmp_path):
    with Desk(tmp_path) as one:
        job = one.submit()
        one.waiting()
        with Desk(tmp_path) as two:
            second = two.submit()
            until(lambda: len(one.ran()) == 2)
            one.go()
            assert one.ended(job).state == one.ended(second).state == "succeeded"
        assert len(one.ran()) == 2


def test_a_job_whose_folder_cannot_be_written_fails_in_words_and_the_next_one_runs(tmp_path):
    with Desk(tmp_path) as desk:
        desk.go()
        (tmp_path / "jobs").rename(tmp_path / "away")
        (tmp_path / "jobs").touch()  # as a full disk refuses
        ended = desk.ended(desk.submit())
        assert (ended.state, "could not be started" in ended.problem) == ("failed", True)
        (tmp_path / "jobs").unlink()
        (tmp_path / "away").rename(tmp_path / "jobs")
        assert desk.ended(desk.submit()).state == "succeeded"
