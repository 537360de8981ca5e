"""Jobs whose command is a few lines: it notes that it ran, tells progress, and waits until it may go on."""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

from engine.web.access.plans import Plan
from engine.web.jobs.desk import Jobs
from engine.web.places import places_of_team
from engine.web.store.database import Database
from helpers.waiting import until

WORK = """
import json, os, pathlib, signal, sys, time
place, settings = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
with (place / "ran").open("a") as ran:
    ran.write(f"{os.getpid()}\\n")
print(json.dumps({"what": "work", "done": 1, "total": 2}), file=sys.stderr, flush=True)
if settings.get("name") == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if settings.get("name") == "greedy":
    kept = bytearray(300_000_000)
    kept[::4096] = b"x" * len(kept[::4096])
if settings.get("name") == "refused":
    sys.exit("error: data.path: no such file")
(place / "waits").touch()
while not (place / "go").exists():
    time.sleep(0.01)
print(json.dumps({"answer": settings.get("seed", 0)}))
"""


def database_of(folder):
    """Where a server of this folder remembers; a test may put another kind of database in its place."""
    return f"sqlite:///{folder / 'server.sqlite'}"


class Desk:
    """A server's jobs in this process, and the place where their commands leave their traces."""

    def __init__(self, folder, limits=None, **plan):
        self.folder = folder
        self.database = Database(database_of(folder))
        places = partial(places_of_team, folder, folder / "runs", None)
        quotas = lambda team: Plan(**plan)  # noqa: E731
        self.jobs = Jobs(self.database, folder / "jobs", places, quotas, limits, self.command)

    def command(self, job, places, folder):
        return [sys.executable, "-I", "-S", "-c", WORK, str(self.folder), json.dumps(job.settings)]

    def __enter__(self):
        self.jobs.start()
        return self

    def __exit__(self, *problem):
        self.jobs.stop()
        self.database.close()

    def submit(self, name="backtest", team="local", key=None, **settings):
        return self.jobs.submit("backtest", {"name": name, **settings}, "me", team, key)

    def go(self):
        (self.folder / "go").touch()

    def waiting(self):
        """Wait until a command is in its middle."""
        return until((self.folder / "waits").exists)

    def ran(self):
        """The process ids of every time that a command ran."""
        ran = self.folder / "ran"
        return [int(line) for line in ran.read_text().split()] if ran.exists() else []

    def ended(self, job):
        """Wait until a job has ended, and return it."""
        return until(lambda: (found := self.jobs.get(job.id, job.team)) and found.has_ended and found)

    def state(self, job):
        return self.jobs.get(job.id, job.team).state


def in_a_server_that_is_killed(work):
    """Run `work` in a process of its own, a server that is to be killed by signal 9 in the middle of it."""
    process = os.fork()
    if process == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # it should not have come so far
    assert os.waitpid(process, 0)[1] == signal.SIGKILL


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def is_running(process):
    """Whether it is there and no zombie, which nobody may have cared to bury."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
