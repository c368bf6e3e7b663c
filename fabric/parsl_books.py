"""What a Parsl manager writes down about its workers, in memory that they share.

Parsl keeps it in a process of its own, which each worker asks twice for each task.
"""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing.context import BaseContext
from typing import Any


class Books:
    """Stands for the manager of ``multiprocessing`` that Parsl uses: makes what its processes share."""

    def __init__(self, context: BaseContext, workers: int) -> None:
        """Args: context: How its processes are started. workers: How many workers there may be at most."""
        self._context = context
        self._workers = workers

    def dict(self) -> TasksInProgress:
        """What each worker is at."""
        return TasksInProgress(self._context, self._workers)

    def Queue(self) -> Any:  # noqa: N802 - its name there
        """A queue."""
        return self._context.Queue()


class TasksInProgress:
    """Which task each worker is at: the part of a dictionary, by the number of the worker, that Parsl uses of one."""

    def __init__(self, context: BaseContext, workers: int) -> None:
        """Args: context: How processes are started. workers: How many there may be at most."""
        self._ids = context.RawArray('q', workers)

    def __setitem__(self, worker: int, task: Mapping[str, Any]) -> None:
        self._ids[worker] = task['task_id']

    def pop(self, worker: int) -> Mapping[str, Any]:
        """What a worker was at, no more than the id of the task; it is at nothing from here on.

        Raises:
            KeyError: If it was at nothing.
        """
        task_id = self._ids[worker]
        self._ids[worker] = 0  # Parsl counts from 1
        if not task_id:
            raise KeyError(worker)
        return {'task_id': task_id}
