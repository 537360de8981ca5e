"""Jobs: in the order asked, within their limits, stopped when told, and followed to their end."""

import asyncio
from collections import Counter

import pytest

from engine.web.jobs.desk import Limits, TooManyJobs
from engine.web.store.database import Conflict
from forewalk.errors import ConfigError, UsageError
from helpers.waiting import until
from helpers.web_jobs import Desk


@pytest.fixture
def desk(tmp_path):
    with Desk(tmp_path) as desk:
        yield desk
        desk.go()


def test_a_job_tells_its_progress_and_its_result(desk):
    job = desk.submit(seed=3)
    until(lambda: desk.jobs.get(job.id, "local").progress == {"what": "work", "done": 1, "total": 2})
    assert desk.state(job) == "running"
    desk.go()
    ended = desk.ended(job)
    assert (ended.state, ended.result, ended.problem) == ("succeeded", {"answer": 3}, None)
    assert ended.submitted < ended.started < ended.finished


def test_who_follows_a_job_hears_every_state_and_then_no_more(desk):
    job = desk.submit()

    async def followed():
        heard = []
        async for event in desk.jobs.events(job.id, "local"):
            heard.append((event["state"], (event["progress"] or {}).get("done")))
            if event["progress"]:
                desk.go()
        return heard

    heard = asyncio.run(followed())
    assert heard[-1] == ("succeeded", 1)
    assert ("running", 1) in heard
    assert max(Counter(heard).values()) == 1


def test_a_command_that_fails_is_told_in_its_own_words(desk):
    ended = desk.ended(desk.submit("refused"))
    assert (ended.state, ended.problem) == ("failed", "data.path: no such file")


def test_a_waiting_job_is_cancelled_at_once_and_never_runs(desk):
    first, second = desk.submit(), desk.submit()
    desk.waiting()
    assert desk.jobs.cancel(second.id, "local").state == "cancelled"
    desk.go()
    assert desk.ended(first).state == "succeeded"
    assert len(desk.ran()) == 1


@pytest.mark.parametrize("name", ["polite", "stubborn"])
def test_a_running_job_is_stopped_whether_it_wants_or_not(desk, name, monkeypatch):
    monkeypatch.setattr("engine.web.jobs.supervisor.GRACE_S", 0.2)
    job = desk.submit(name)
    desk.waiting()
    desk.jobs.cancel(job.id, "local")
    ended = desk.ended(job)
    assert (ended.state, ended.result) == ("cancelled", None)


def test_a_job_that_has_ended_cannot_be_cancelled_any_more(desk):
    desk.go()
    job = desk.ended(desk.submit())
    assert desk.jobs.cancel(job.id, "local") == job


def test_a_job_that_takes_too_long_or_needs_too_much_is_stopped(tmp_path):
    with Desk(tmp_path, Limits(seconds=0.2)) as desk:
        ended = desk.ended(desk.submit())
        assert (ended.state, "longer than 0.2 s" in ended.problem) == ("failed", True)
    with Desk(tmp_path, Limits(memory_mb=150)) as desk:
        ended = desk.ended(desk.submit("greedy"))
        assert (ended.state, "150 are allowed" in ended.problem) == ("failed", True)


def test_the_same_key_asks_once(desk):
    first, again, other = desk.submit(key="a"), desk.submit(key="a"), desk.submit(key="b")
    assert first.id == again.id != other.id
    with pytest.raises(Conflict, match="another question"):
        desk.submit(key="a", seed=9)
    assert desk.submit(key="a", team="others").id != first.id


def test_a_team_has_so_many_waiting_and_so_many_a_day(tmp_path):
    desk = Desk(tmp_path, waiting_jobs=2, jobs_a_day=3)
    for _ in range(2):
        desk.submit()
    with pytest.raises(TooManyJobs, match="2 jobs are waiting"):
        desk.submit()
    for job in desk.jobs.list("local")[0]:
        desk.jobs.cancel(job.id, "local")
    desk.submit()
    with pytest.raises(TooManyJobs, match="24 hours"):
        desk.submit()
    assert desk.submit(team="others").state == "queued"


def test_one_team_does_not_keep_the_others_waiting(tmp_path):
    with Desk(tmp_path, Limits(slots=2)) as desk:
        ours = [desk.submit() for _ in range(3)]
        theirs = desk.submit(team="others")
        until(lambda: desk.state(theirs) == "running")
        assert [desk.state(job) for job in ours] == ["running", "queued", "queued"]
        desk.go()
        assert {desk.ended(job).state for job in [*ours, theirs]} == {"succeeded"}


def test_another_team_does_not_see_a_job(desk):
    job = desk.submit()
    assert desk.jobs.get(job.id, "others") is None
    assert desk.jobs.cancel(job.id, "others") is None
    assert desk.jobs.list("others") == ([], 0)


def test_jobs_are_listed_the_newest_first_by_state_and_page(tmp_path):
    desk = Desk(tmp_path)
    made = [desk.submit() for _ in range(3)]
    desk.jobs.cancel(made[0].id, "local")
    listed, count = desk.jobs.list("local", limit=2)
    assert ([job.id for job in listed], count) == ([made[2].id, made[1].id], 3)
    assert [job.id for job in desk.jobs.list("local", ["cancelled"])[0]] == [made[0].id]


@pytest.mark.parametrize(
    ("kind", "settings", "error", "said"),
    [
        ("dance", {}, UsageError, "backtest, forecast, sweep"),
        ("backtest", {"model.hidden": 4}, ConfigError, "hidden_size"),
        ("backtest", {"strategy.entry": "x"}, ConfigError, "strategy.entry"),
        ("sweep", {"run": "../secret"}, UsageError, "no name of a run"),
        ("audit", {"run": "r", "what": 1}, UsageError, "'what' is not known"),
        ("sweep", {}, UsageError, "name a run"),
    ],
)
def test_what_cannot_be_run_is_refused_before_it_waits(desk, kind, settings, error, said):
    with pytest.raises(error, match=said):
        desk.jobs.submit(kind, settings, "me", "local")
    assert desk.jobs.list("local") == ([], 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"model.kind": "evil:Model"},
        {"strategy": {"kind": "os:system"}},
        {"features.extra": ["evil:feature"]},
        {"data.path": "/etc/passwd"},
        {"data.path": "../../other/uploads/prices.csv"},
        {"news.path": "/etc/passwd"},
        {"data.universe": "/etc/passwd"},
        {"plugins": "/tmp"},
        {"executor": "ray"},
        {"data.cache": "/tmp"},
        {"news.cache": "/tmp"},
        {"news.model": "/tmp"},
        {"data.url": "http://127.0.0.1:9"},
        {"live.state": "/tmp"},
        {"jobs": 64},
    ],
)
def test_members_of_a_team_bring_no_code_and_no_path_to_the_server(desk, settings):
    with pytest.raises((UsageError, ConfigError)):
        desk.jobs.submit("backtest", settings, "them", "others")
    assert desk.jobs.list("others") == ([], 0)
