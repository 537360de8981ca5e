"""Who does independent tasks: processes of this machine, or a cluster. The result never depends on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from forewalk.compute.cluster import Cluster
from forewalk.compute.pool import Processes

if TYPE_CHECKING:
    from forewalk.settings.sections import Settings
    from forewalk.types import Arrays

Task = TypeVar("Task")
Result = TypeVar("Result")


class Workers(Protocol):
    """Whoever does independent tasks. A task's function is importable and pure: all it needs is in its arguments."""

    @property
    def here(self) -> bool:
        """Whether they work on this machine, which may have a device that this process can use instead."""
        ...

    def prepare(self) -> None:
        """Begin to import in the background what tasks need, so that it is there when the first one is."""
        ...

    def run(
        self,
        function: Callable[[Task, Arrays], Result],
        tasks: Sequence[Task],
        arrays: Arrays,
        on_done: Callable[[int], None] = ...,
    ) -> list[Result]:
        """Return `[function(task, arrays) for task in tasks]`.

        Args:
            function: importable and pure; `arrays` are read-only.
            tasks: picklable descriptions of the work; put the longest first.
            arrays: shared by all tasks.
            on_done: called with the task's number each time one is finished.

        Raises:
            ForewalkError: a task kept losing its process; the message names it.
        """
        ...

    def run_compiled(
        self,
        function: Callable[[Task, Arrays], Result],
        tasks: Sequence[Task],
        arrays: Arrays,
        on_done: Callable[[int], None] = ...,
    ) -> list[Result]:
        """Do `run` for a function that spends its time in compiled code and releases the interpreter there.

        On this machine threads then share the very arrays, and nothing is started or copied.
        """
        ...


def workers_of(settings: Settings) -> Workers:
    """Return those that the settings ask for: `jobs` processes of this machine, or a cluster."""
    return Cluster(settings.address) if settings.executor == "ray" else Processes(settings.jobs)
