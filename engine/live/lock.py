"""One daemon per state folder and per account on this machine. The kernel frees the locks when it is killed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from forewalk.errors import ForewalkError


class AlreadyRunning(ForewalkError):  # noqa: N818 - what is the case
    """Another daemon has the state folder or the account."""


class Lock:
    """A lock on a file that names its holder; with `shared` others that share it may hold it too.

    Raises:
        AlreadyRunning: somebody else has it; the message names the process.
    """

    def __init__(self, path: Path, what: str, shared: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(path)
            self._file.close()
            raise AlreadyRunning(f"{what} is in use by {holder}; stop that one first") from None
        self._file.seek(0)
        self._file.truncate()
        json.dump({"pid": os.getpid(), "what": what}, self._file)
        self._file.flush()

    def release(self) -> None:
        """Let go."""
        self._file.close()


def state_lock(state: Path) -> Lock:
    """Lock a state folder."""
    return Lock(state / "daemon.lock", f"the state folder {state}")


@contextmanager
def account_lock(account_id: str, book: str, shared: bool = False) -> Iterator[None]:
    """Lock an account on this machine, whatever folder its daemon keeps its state in.

    With `shared` one book of it is locked: daemons of its other books may run beside, one that has it all may not.
    """
    name = hashlib.sha256(account_id.encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"forewalk-{os.getuid()}"
    held = [Lock(folder / f"account-{name}.lock", "this account", shared)]
    try:
        if shared:
            held.append(Lock(folder / f"account-{name}-{book}.lock", f"the book {book} of this account"))
        yield
    finally:
        for lock in reversed(held):
            lock.release()


def is_locked(state: Path) -> bool:
    """Whether a daemon runs on a state folder."""
    path = state / "daemon.lock"
    if not path.exists():
        return False
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holder(path: Path) -> str:
    try:
        return f"process {json.loads(path.read_text(encoding='utf-8'))['pid']}"
    except (OSError, ValueError, KeyError):
        return "another process"
