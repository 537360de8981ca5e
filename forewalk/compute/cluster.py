"""The same independent tasks on a Ray cluster. The result has the same bits as on one machine.

One connection serves a whole run, and an array is put into the cluster's object store once, however many calls share
it; tasks carry references. A task whose node dies is run again elsewhere. Ray (https://docs.ray.io) is optional:
`pip install 'forewalk[cluster]'`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from forewalk.errors import ConfigError, ConnectionFailed, ForewalkError

if TYPE_CHECKING:
    from forewalk.types import Arrays

Task = TypeVar("Task")
Result = TypeVar("Result")

CONNECT_SECONDS = 5.0
RETRIES_PER_TASK = 3  # a task is run again when its node or process dies, not when it raises


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that is already running, as `Workers`.

    Attributes:
        address: `HOST:PORT` of its head, or "auto" for the one this machine belongs to.
    """

    address: str

    @property
    def here(self) -> bool:
        """Its nodes may be other machines."""
        return False

    def prepare(self) -> None:
        """Its nodes import what they need with their first task."""

    def run(
        self,
        function: Callable[[Task, Arrays], Result],
        tasks: Sequence[Task],
        arrays: Arrays,
        on_done: Callable[[int], None] = lambda task: None,
    ) -> list[Result]:
        """Do the tasks on the cluster; see `Workers.run`.

        Raises:
            ConfigError: Ray is not installed.
            ConnectionFailed: no cluster answers at the address.
            ForewalkError: a task kept losing its node, or the cluster went away.
        """
        connection = _connected(self)
        finished = False
        try:
            results = _run_all(connection, function, tasks, arrays, on_done)
            finished = True
        finally:
            if not finished:  # an error or Ctrl-C: leaving the cluster ends what still runs there
                disconnect()
        return results

    run_compiled = run


@dataclass
class _Connection:
    """What this process has with a cluster: the library, and references to the arrays of the last call."""

    ray: Any
    address: str
    stored: dict[str, Any] = field(default_factory=dict)

    def put(self, arrays: Arrays) -> dict[str, Any]:
        """Return a reference to each array. One with the bytes of one of the last call's is not sent again."""
        digests = {name: _digest(values) for name, values in arrays.items()}
        self.stored = {
            digest: self.stored[digest] if digest in self.stored else self.ray.put(arrays[name])
            for name, digest in digests.items()
        }
        return {name: self.stored[digest] for name, digest in digests.items()}


_connection: _Connection | None = None


def disconnect() -> None:
    """Leave the cluster and let it forget the shared arrays; the end of the process does the same."""
    global _connection
    if _connection is not None:
        _connection.ray.shutdown()
    _connection = None


def _run_all(
    connection: _Connection,
    function: Callable[[Task, Arrays], Result],
    tasks: Sequence[Task],
    arrays: Arrays,
    on_done: Callable[[int], None],
) -> list[Result]:
    ray = connection.ray
    shared = connection.put(arrays)
    remote = ray.remote(num_cpus=1, max_retries=RETRIES_PER_TASK)(_run_one)
    waiting = {
        remote.remote(function, task, tuple(shared), *shared.values()): number
        for number, task in enumerate(tasks)
    }
    results: dict[int, Result] = {}
    while waiting:
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        number = waiting.pop(done)
        results[number] = _result(ray, done, tasks[number])
        on_done(number)
    return [results[number] for number in range(len(tasks))]


def _digest(values: Any) -> str:
    shape = f"{values.dtype.descr} {values.shape}".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(values).tobytes()).hexdigest()


def _run_one(
    function: Callable[[Task, Arrays], Result], task: Task, names: Sequence[str], *values: Any
) -> Result:
    return function(task, dict(zip(names, values, strict=True)))


def _result(ray: Any, reference: Any, task: object) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ForewalkError(
            f"the cluster lost {task!r} {RETRIES_PER_TASK + 1} times ({type(error).__name__}); look at its nodes"
        ) from None


def _connected(cluster: Cluster) -> _Connection:
    """Return the connection to the cluster, made now or by an earlier call."""
    global _connection
    if _connection is not None and _connection.address != cluster.address:
        disconnect()
    if _connection is None:
        _connection = _Connection(_connect(cluster), cluster.address)
    return _connection


def _connect(cluster: Cluster) -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise ConfigError("executor = 'ray' needs Ray: pip install 'forewalk[cluster]'") from None
    _check_reachable(cluster.address)
    # One thread per task, as in local processes. Results would be the same; speed would not.
    environment = {"env_vars": {"OMP_NUM_THREADS": "1"}}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(
            address=cluster.address,
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        raise _unreachable(cluster.address, error) from None
    return ray


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes; a closed port is known at once."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return  # "auto": Ray looks for a cluster on this machine
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str, error: Exception) -> ConnectionFailed:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ConnectionFailed(
        f"no Ray cluster answers at {address!r} ({reason}); start one with `ray start --head`, "
        "set the same RAY_AUTH_MODE on every node and here, or run on this machine with --executor local"
    )
