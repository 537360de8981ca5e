"""Independent tasks over processes. The result never depends on how many there are.

Arrays are shared as memory-mapped files, written once, instead of being sent with each task. Every process
runs one thread; the cores are used by processes. On Linux they are forked from a server that has imported torch
once and has run nothing; elsewhere they are spawned. Either way nothing of this process is inherited by accident.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from forewalk.errors import ForewalkError
from forewalk.types import Arrays

Task = TypeVar("Task")
Result = TypeVar("Result")

ATTEMPTS = 2
PRELOADED = ["engine.training.preload"]  # by name: what tasks import is theirs, not ours

log = logging.getLogger(__name__)
UNPREPARED = (
    "worker %d was forked without %s and imported what it needs itself: either another part of this program had "
    "started Python's fork server before, or `python -c 'import %s'` fails"
)
_Unprepared = tuple[int, str, str] | None  # process and modules of a worker that its server gave too little

_arrays: dict[str, npt.NDArray[Any]] = {}
_is_worker = False
_unprepared: _Unprepared = None
_hiding = threading.Lock()  # two threads must not put back what the other has hidden


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Processes:
    """Processes of this machine, as `Workers`.

    Attributes:
        count: how many; 0 means one per core; with 1 everything runs in this process.
    """

    count: int = 0

    @property
    def here(self) -> bool:
        """They are on this machine."""
        return True

    def prepare(self) -> None:
        """Start the server that workers are forked from; it imports what they need."""
        if self._at_most(2) > 1 and _forks():
            _context()
            forkserver.ensure_running()

    def run(
        self,
        function: Callable[[Task, Arrays], Result],
        tasks: Sequence[Task],
        arrays: Arrays,
        on_done: Callable[[int], None] = lambda task: None,
    ) -> list[Result]:
        """Do the tasks in processes; see `Workers.run`.

        Raises:
            ForewalkError: a worker process died twice; the message names the tasks it was at.
        """
        count = self._at_most(len(tasks))
        if count == 1:
            results = []
            for number, task in enumerate(tasks):
                results.append(function(task, arrays))
                on_done(number)
            return results
        with tempfile.TemporaryDirectory(prefix="forewalk-") as folder:
            for name, values in arrays.items():
                np.save(Path(folder) / f"{name}.npy", values)
            return _in_processes(function, tasks, folder, count, on_done)

    def run_compiled(
        self,
        function: Callable[[Task, Arrays], Result],
        tasks: Sequence[Task],
        arrays: Arrays,
        on_done: Callable[[int], None] = lambda task: None,
    ) -> list[Result]:
        """Do the tasks in as many threads; see `Workers.run_compiled`."""
        pool = ThreadPoolExecutor(self._at_most(len(tasks)))
        try:
            waiting = {pool.submit(function, task, arrays): number for number, task in enumerate(tasks)}
            for future in as_completed(waiting):
                future.result()
                on_done(waiting[future])
            return [future.result() for future in waiting]
        finally:  # Ctrl-C: do not begin what has not begun
            pool.shutdown(wait=True, cancel_futures=True)

    def _at_most(self, tasks: int) -> int:
        return min(self.count or available_cores(), max(tasks, 1))


def _in_processes(
    function: Callable[[Task, Arrays], Result],
    tasks: Sequence[Task],
    folder: str,
    jobs: int,
    on_done: Callable[[int], None],
) -> list[Result]:
    results: dict[int, Result] = {}
    for attempt in range(ATTEMPTS):
        missing = [number for number in range(len(tasks)) if number not in results]
        try:
            _one_attempt(function, tasks, missing, folder, jobs, on_done, results)
            break
        except BrokenProcessPool:
            if attempt + 1 == ATTEMPTS:
                lost = [repr(tasks[number]) for number in missing if number not in results][:jobs]
                raise ForewalkError(
                    f"a worker process died twice (out of memory?) while at one of {', '.join(lost)}; "
                    "try fewer --jobs"
                ) from None
    return [results[number] for number in range(len(tasks))]


def _one_attempt(
    function: Callable[[Task, Arrays], Result],
    tasks: Sequence[Task],
    numbers: Sequence[int],
    folder: str,
    jobs: int,
    on_done: Callable[[int], None],
    results: dict[int, Result],
) -> None:
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, _context(), _start_worker, (folder,))
    finished = False
    try:
        with _without_main(function, tasks):  # submitting starts the processes
            waiting: dict[Future[tuple[Result, _Unprepared]], int] = {
                pool.submit(_run_one, function, tasks[number]): number for number in numbers
            }
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                number = waiting.pop(future)
                results[number], unprepared = future.result()
                if unprepared:
                    log.debug(UNPREPARED, *unprepared)
                on_done(number)
        finished = True
    finally:
        if not finished:  # an error or Ctrl-C: leave no process behind
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _forks() -> bool:
    return sys.platform == "linux"  # macOS: its frameworks do not survive a fork


def _context() -> BaseContext:
    if not _forks():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


@contextmanager
def _without_main(function: object, tasks: Sequence[object]) -> Iterator[None]:
    """Let new processes not run the user's script, as multiprocessing makes them do.

    It does so that what the script defines can be found there, and so do we where the tasks are of it. Else a
    script without `if __name__ == "__main__"` would begin its own run again in each process.
    """
    main = sys.modules["__main__"]
    with _hiding:
        names: tuple[str, ...] = ("__file__", "__spec__")
        known = {name: vars(main)[name] for name in names if name in vars(main)}
        if b"__main__" in pickle.dumps((function, *tasks[:1])):
            known = {}
        vars(main).update(dict.fromkeys(known))
        try:
            yield
        finally:
            vars(main).update(known)


def in_worker() -> bool:
    """Whether this process is a worker that `Processes` started."""
    return _is_worker


def _start_worker(folder: str) -> None:
    global _is_worker, _unprepared
    _is_worker = True
    if lacking := [name for name in PRELOADED if _forks() and name not in sys.modules]:
        _unprepared = os.getpid(), ", ".join(lacking), ", ".join(lacking)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends the workers
    for path in Path(folder).glob("*.npy"):
        _arrays[path.stem] = np.load(path, mmap_mode="r")


def _end_with_parent() -> None:
    """End this worker when the program that wants its results is gone, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_one(function: Callable[[Task, Arrays], Result], task: Task) -> tuple[Result, _Unprepared]:
    """Return what the task gives, and once of each worker whether it was prepared; the server itself says nothing."""
    global _unprepared
    told, _unprepared = _unprepared, None
    return function(task, _arrays), told
