"""Begin, look at, go on with and end a team's practice book; see `engine.web.jobs.practice`."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.web.jobs import practice
from engine.web.jobs.commands import environment_of, settings_of
from engine.web.jobs.process import JobProcess, Task
from engine.web.places import Places
from engine.web.store.database import Conflict
from forewalk.errors import UsageError
from forewalk.settings.loading import load_settings, settings_to_toml

SECONDS = 30 * 24 * 3600.0
GRACE_S = 10.0
DEFAULT: dict[str, Any] = {  # of the bundled sample: a small network that is trained in seconds
    "name": "practice",
    "data.symbols": ["AAPL", "IBM", "MSFT"],
    "data.start": "2008-01-01",
    "folds.train_bars": 1000,
    "model.hidden_size": 16,
    "model.seeds": 1,
    "model.max_epochs": 6,
    "strategy.max_weight": 0.3,
}


@dataclass(frozen=True)
class Practice:
    """What a practice book is at.

    Attributes:
        running: whether its process is. phase: starting, training, closed (a day has ended; its orders wait for a
            person), open (what was approved is filled; the next day may come) or ended.
        day, days: which of the days that can be practised it is. problem: why it ended, "" for by a person.
    """

    running: bool
    phase: str
    day: int
    days: int
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


class Practices:
    """The practice books of a server, one a team.

    Args:
        memory_mb: that one may use.
    """

    def __init__(self, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._known: dict[Path, JobProcess] = {}

    def begin(self, places: Places, run: str | None, asked: Mapping[str, Any]) -> Practice:
        """Begin a new one, with the models of a run, or with a model trained by these settings.

        Raises:
            Conflict: one is at work, or the server was started with a book. UsageError, ConfigError, DataError: the
            settings, or the run, cannot be used.
        """
        folder = _folder(places)
        process = self._process(folder)
        if process.is_alive:
            raise Conflict("a practice book is at work already; end it first")
        if run is not None:
            settings = load_settings(places.run(run) / "config.toml")
            settings = settings.model_copy(
                update={"live": settings.live.model_copy(update={"run": places.run(run).resolve()})}
            )
        else:
            settings = settings_of(asked or DEFAULT, places)
        if settings.own_code and not places.is_home:
            raise UsageError("code of your own is run for whoever started the server only")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        (folder / practice.ASKED).write_text(settings_to_toml(settings), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "engine.web.jobs.practice", str(folder)]
        process = self._known[folder] = JobProcess(folder / "process")
        process.start(Task(command, str(places.home), SECONDS, self._memory_mb), environment_of(places))
        return self.look(places)

    def look(self, places: Places) -> Practice:
        """Return what the team's practice book is at."""
        folder = _folder(places)
        process = self._process(folder)
        running = process.is_alive
        said: dict[str, Any] = {"phase": "starting", "day": 0, "days": 0}
        with suppress(OSError, ValueError):
            said = json.loads((folder / practice.SAID).read_text(encoding="utf-8"))
        if running:
            return Practice(True, said["phase"], said["day"], said["days"])
        return Practice(False, "ended", said["day"], said["days"], process.complaint())

    def next_day(self, places: Places) -> Practice:
        """Let the next day come. Conflict where none is at work, or it has none left."""
        found = self.look(places)
        if not found.running or found.phase not in ("open", "closed"):
            raise Conflict(f"the practice book is not ready for another day: {found.phase}")
        if found.day >= found.days:
            raise Conflict(f"all {found.days} days have been practised; begin anew")
        (_folder(places) / practice.NEXT).touch()
        return found

    def end(self, places: Places) -> Practice:
        """End it; what it has written stays to be read."""
        _stop(self._process(_folder(places)))
        return self.look(places)

    def stop(self) -> None:
        """End all that this server has begun."""
        for process in self._known.values():
            _stop(process)

    def _process(self, folder: Path) -> JobProcess:
        return self._known.setdefault(folder, JobProcess(folder / "process"))


def _folder(places: Places) -> Path:
    if places.practice is None:
        raise Conflict("the server shows the book that it was started with (--paper)")
    return places.practice


def _stop(process: JobProcess) -> None:
    end = time.monotonic() + GRACE_S
    process.terminate()
    while process.is_alive:
        if time.monotonic() > end:
            process.kill()
        time.sleep(0.05)
