"""One daemon per state folder and per account on this machine. The kernel frees the locks when it is killed.

Where an account's lock lies depends on who asks and on nothing that a process can be given: no TMPDIR, no HOME.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from forewalk.errors import ConfigError, ForewalkError


class AlreadyRunning(ForewalkError):  # noqa: N818 - what is the case
    """Another daemon has the state folder or the account."""


class Lock:
    """A lock on a file that names its holder; with `shared` others that share it may hold it too.

    Raises:
        AlreadyRunning: somebody else has it; the message names the process.
        ConfigError: the file is a link, another user's, or cannot be made.
    """

    def __init__(self, path: Path, what: str, shared: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = opened_safely(path)
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
def account_lock(account_id: str, book: str, shared: bool = False, port: int | None = None) -> Iterator[None]:
    """Lock an account on this machine, whatever folder its daemon keeps its state in and whatever its environment.

    With `shared` one book of it is locked: daemons of its other books may run beside, one that has it all may not.

    Args:
        port: of a simulator on this machine, whose accounts are not those of another one.
    """
    key = account_id if port is None else f"{account_id} at {port}"
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    folder = runtime_folder()
    held = [Lock(folder / f"account-{name}.lock", "this account", shared)]
    try:
        if shared:
            held.append(Lock(folder / f"account-{name}-{book}.lock", f"the book {book} of this account"))
        yield
    finally:
        for lock in reversed(held):
            lock.release()


def runtime_folder(home: Path | None = None, shared: Path = Path("/dev/shm")) -> Path:
    """Make and return the folder of this user's locks: in the home folder that the system's list of users names.

    `/run/user` will not do, which goes with the last login while a daemon goes on. A user without a home has a
    folder of its own in `/dev/shm`.

    Raises:
        ConfigError: the folder is a link, another user's, or cannot be made or written.
    """
    home = _home() if home is None else home
    has_home = home is not None and (home.exists() or not _is_gone(home))
    folder = (
        home / ".local" / "state" / "forewalk"
        if home is not None and has_home
        else shared / f"forewalk-{os.getuid()}"
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as problem:
        raise ConfigError(
            f"{folder}: {problem.strerror}: the account's lock must lie there; give this user write access to it"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigError(
            f"{folder} is a link or another user's; remove it: the account's lock must lie there"
        )
    folder.chmod(0o700)
    return folder


def opened_safely(path: Path) -> IO[str]:
    """Open a file of this user's own to read and append, made if need be, for this user's eyes only.

    Root may open another user's: whoever may do everything must be able to stop a book.

    Raises:
        ConfigError: it is a link, no plain file or another user's, or cannot be opened; nothing was changed.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as problem:
        said = "is a link" if path.is_symlink() else problem.strerror
        raise ConfigError(f"{path}: {said}: no lock can be taken there; look who put it there") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or os.getuid() not in (0, found.st_uid) or found.st_nlink != 1:
        os.close(descriptor)
        raise ConfigError(f"{path}: no plain file of this user's own; remove it: a lock must lie there")
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "a+", encoding="utf-8")


def _home() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _is_gone(home: Path) -> bool:
    try:
        home.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_locked(state: Path) -> bool:
    """Whether a daemon runs on a state folder."""
    path = state / "daemon.lock"
    if not path.exists():
        return False
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holder(path: Path) -> str:
    try:
        return f"process {json.loads(path.read_text(encoding='utf-8'))['pid']}"
    except (OSError, ValueError, KeyError):
        return "another process"
