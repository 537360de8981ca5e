"""A child process that answers tasks, and may hang, run out of memory or die.

Whoever asks waits at most so long and kills a child that does not answer; the next question starts a new one.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from forewalk.errors import ForewalkError, PluginError

SLICE_S = 0.5  # of waiting, between two calls of what else is to be done


class InferenceFailed(ForewalkError):  # noqa: N818 - what happened
    """The model process gave no answer; there is no order without one."""


class ModelProcess:
    """One child process that answers tasks, restarted when it is gone.

    Args:
        timeout_s: longest wait for an answer. memory_mb: private memory beyond which the child fails; what a
            CUDA driver reserves of the address space without using it does not count.
        work: what the child does with a task; a function of a module, since the child imports it by name.
    """

    def __init__(self, timeout_s: float, memory_mb: int, work: Callable[[Any], Any]) -> None:
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._work = work
        self._while_waiting: Callable[[], object] = lambda: None
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def while_waiting(self, call: Callable[[], object]) -> None:
        """Let `call` be called about twice a second while an answer is waited for; it must not raise."""
        self._while_waiting = call

    def ask(self, task: Any, timeout_s: float | None = None) -> Any:
        """Return the child's answer.

        Raises:
            InferenceFailed: it took too long, died, or raised; the message says which.
            PluginError: code of the user's own raised there.
        """
        self.send(task)
        return self.receive(timeout_s or self._timeout_s)

    def send(self, task: Any) -> None:
        """Give the child a task without waiting."""
        pipe = self._start()
        try:
            pipe.send(task)
        except OSError as error:
            self.stop()
            raise InferenceFailed(f"the model process is gone: {error}") from None

    def ready(self) -> bool:
        """Whether an answer (or the child's end) is there."""
        return self._pipe is not None and self._pipe.poll(0)

    def receive(self, timeout_s: float) -> Any:
        """Wait for the answer to the task sent last."""
        pipe = self._pipe
        if pipe is None:
            raise InferenceFailed("the model process is not running")
        try:
            if not self._answered(pipe, timeout_s):
                self.stop()
                raise InferenceFailed(f"the model process gave no answer within {timeout_s:g} s")
            good, value = pipe.recv()
        except (EOFError, OSError):
            self.stop()
            raise InferenceFailed("the model process died (out of memory?)") from None
        if isinstance(value, PluginError):
            raise value
        if not good:
            raise InferenceFailed(str(value))
        return value

    def _answered(self, pipe: Connection, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not pipe.poll(min(SLICE_S, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return False
            self._while_waiting()
        return True

    def stop(self) -> None:
        """End the child at once."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.join(5)
        self._process = self._pipe = None

    def _start(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self.stop()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, self._memory_mb, self._work), daemon=True, name="models"
        )
        self._process.start()
        theirs.close()
        self._pipe = ours
        return ours


def serve(pipe: Connection, memory_mb: int, work: Callable[[Any], Any]) -> None:
    """Answer tasks until the parent is gone; every error of a task is an answer too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: its own threads make small networks slow
    limit = memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (True, work(task))
        except PluginError as error:  # as it is: who asked must know whose code it was
            answer = (False, error)
        except Exception as error:  # noqa: BLE001 - a process boundary: the parent raises it again
            answer = (False, f"{type(error).__name__}: {error}")
        try:
            pipe.send(answer)
        except OSError:
            return
