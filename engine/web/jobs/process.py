"""A job's process as the server sees it: start it, look at it, stop it; all by files and locks in the job's folder.

`keeper.lock` is held by the keeper, `lock` by the keeper and everything below it. The kernel frees them when their
holders are gone, however they went, so any server can tell what became of a job, whoever had started it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from engine.web.jobs import keeper
from engine.web.jobs.keeper import kill_session, write_whole


@dataclass(frozen=True)
class Task:
    """A command: its words, the folder it runs in, and what it may use at most."""

    command: Sequence[str]
    cwd: str
    seconds: float
    memory_mb: int


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code (negative: the signal that killed it), and the limit it passed, or ""."""

    exit_code: int
    limit: str


class JobProcess:
    """The process of one job, running, ended or never started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keeper: subprocess.Popen[bytes] | None = None
        self._read = 0  # bytes of stderr

    def start(self, task: Task, environment: Mapping[str, str]) -> None:
        """Start the keeper in a session of its own. OSError where the folder cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "task.json", asdict(task))
        with _locked(self.folder / "lock") as lock, _locked(self.folder / "keeper.lock") as own:
            command = [
                sys.executable, "-I", "-S", keeper.__file__, str(self.folder), str(lock.fileno()),
            ]  # fmt: skip
            self._keeper = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[lock.fileno(), own.fileno()],
            )

    @property
    def is_kept(self) -> bool:
        """Whether the keeper is at work."""
        if self._keeper is not None:
            self._keeper.poll()
        return _is_locked(self.folder / "keeper.lock")

    @property
    def is_alive(self) -> bool:
        """Whether anything of it still runs."""
        return self.is_kept or _is_locked(self.folder / "lock")

    @property
    def was_started(self) -> bool:
        """Whether its keeper ever got so far that the command may have run."""
        return (self.folder / "started").exists()

    def outcome(self) -> Outcome | None:
        """Return how it ended; None where nobody could write it down."""
        try:
            found = json.loads((self.folder / "outcome.json").read_text(encoding="utf-8"))
            return Outcome(found["exit_code"], found["limit"])
        except (OSError, ValueError, KeyError):
            return None

    def terminate(self) -> bool:
        """Ask the command to stop; False where there is no one yet to ask."""
        try:
            os.killpg(self._session(), signal.SIGTERM)
        except (OSError, ValueError):
            return False
        return True

    def forget(self) -> None:
        """Remove what it left, so that it can be started anew; call it only when nothing of it is alive."""
        for name in ("started", "outcome.json", "stdout", "stderr"):
            (self.folder / name).unlink(missing_ok=True)
        self._read = 0

    def kill(self) -> None:
        """Kill everything of it but a keeper that is at work; call it only while `is_alive`."""
        with suppress(OSError, ValueError):
            session = self._session()
            kill_session(session)

    def progress(self) -> dict[str, Any] | None:
        """Return the newest progress that the command has told since the last call."""
        newest = None
        for line in self._lines():
            with suppress(ValueError):
                said = _read(line.decode(errors="replace"))
                if isinstance(said, dict) and said.keys() >= {"what", "done", "total"}:
                    newest = {name: said[name] for name in ("what", "done", "total")}
        return newest

    def result(self) -> dict[str, Any] | None:
        """Return what the command printed, which must be one JSON object."""
        try:
            said = _read((self.folder / "stdout").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return said if isinstance(said, dict) else None

    def complaint(self) -> str:
        """Return the last thing that the command said on stderr, progress left out; "" for nothing."""
        try:
            text = (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("{")]
        said = [line for line in lines if line.startswith("error: ")] or lines
        return said[-1].removeprefix("error: ") if said else ""

    def _session(self) -> int:
        return int(json.loads((self.folder / "started").read_text(encoding="utf-8"))["session"])

    def _lines(self) -> list[bytes]:
        """Return the whole lines of stderr that have come since the last call."""
        try:
            with (self.folder / "stderr").open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
        except OSError:
            return []
        self._read += len(whole) + 1 if whole else 0
        return whole.splitlines()


def _read(text: str) -> Any:
    """Return JSON as values that every database and answer can hold: no NaN, no half characters, no zeros."""
    said = json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)
    return json.loads(said.encode("utf-8", "replace").replace(b"\\u0000", b""))


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
