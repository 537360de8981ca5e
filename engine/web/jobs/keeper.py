"""The keeper of one job: a small process that runs its command, holds it to its limits and writes how it ended.

It outlives the server: whoever looks after the job next reads `outcome.json`. It needs the standard library only and
is run by its path (`python -I -S keeper.py FOLDER LOCK`), so it is there in a few milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LOOK_S = 0.1
NICE = 10  # a page that a person waits for goes before the job
PAGE = os.sysconf("SC_PAGE_SIZE")


def main(folder: Path, lock: int) -> None:
    """Run `task.json` of the folder; `lock` is a descriptor that the command and all its children keep open."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # it is meant for the command, which shares the group
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    write_whole(folder / "started", {"session": os.getpid()})
    os.nice(NICE)
    begun = time.monotonic()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        child = subprocess.Popen(
            task["command"],
            cwd=task["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=[lock],
        )
    limit = ""
    while child.poll() is None:
        limit = limit or passed(task, begun)
        if limit:
            kill_session(os.getpid())
        time.sleep(LOOK_S)
    kill_session(os.getpid())
    write_whole(folder / "outcome.json", {"exit_code": child.returncode, "limit": limit})


def passed(task: dict[str, Any], begun: float) -> str:
    """Return which limit the job has passed, in words, or nothing."""
    if time.monotonic() - begun > task["seconds"]:
        return f"it took longer than {task['seconds']:g} s"
    used = sum(resident for _, resident in members(os.getpid())) / 2**20
    if used > task["memory_mb"]:
        return f"it needed {used:,.0f} MB of memory, and {task['memory_mb']:,} are allowed"
    return ""


def members(session: int) -> list[tuple[int, int]]:
    """Return process ids of a session, its leader left out, and the bytes that each holds in memory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == session:
            continue
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(after_name[3]) == session:
            found.append((int(entry.name), int(after_name[21]) * PAGE))
    return found


def kill_session(session: int) -> None:
    """Kill every process of a session but its leader."""
    for process, _ in members(session):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def write_whole(path: Path, content: dict[str, Any]) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
