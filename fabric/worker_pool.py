"""Equal workers that take tasks from one queue."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from .errors import EngineLostError
from .workers import Worker, WorkerSettings, pack_task, read_answer

_CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class _Task:
    kind: str
    argument: Any
    future: Future[Any]


class WorkerPool:
    """Some workers, each with a thread that feeds it. A task whose future is cancelled before it begins never does."""

    def __init__(self, name: str, count: int, settings: WorkerSettings) -> None:
        """Start the workers.

        Args:
            name: Name of the pool, for logs.
            count: How many workers.
            settings: How their processes are started.
        """
        self._name = name
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._workers = [Worker(f'{name}-{index}', settings) for index in range(count)]
        self._threads = [
            threading.Thread(target=self._feed, args=(worker,), name=worker.name, daemon=True)
            for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, kind: str, argument: Any) -> Future[Any]:
        """Queue a task.

        Returns:
            What it returned, or what it raised, or what ``Worker.run`` raised. It is always decided in the end.

        Raises:
            EngineLostError: If the pool is closed.
        """
        task = _Task(kind, argument, Future())
        with self._lock:
            if self._is_closed:
                raise EngineLostError(f'The workers of {self._name} were stopped.')
            self._tasks.put(task)
        return task.future

    def close(self) -> None:
        """Kill the workers at once; tasks that run or wait fail with ``EngineLostError``."""
        with self._lock:
            self._is_closed = True
        self._fail_waiting()
        for worker in self._workers:
            worker.stop()
            self._tasks.put(None)
        end = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))

    def _feed(self, worker: Worker) -> None:
        while True:
            # Before it is needed, so that it is warm by then. The next task tells what keeps it from starting.
            with contextlib.suppress(OSError, EngineLostError):
                worker.start()
            task = self._tasks.get()
            if task is None:
                worker.close()
                return
            if task.future.set_running_or_notify_cancel():
                _run(worker, task)
            del task  # not while waiting for the next

    def _fail_waiting(self) -> None:
        while True:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                return
            if task is not None and task.future.set_running_or_notify_cancel():
                task.future.set_exception(EngineLostError(f'The workers of {self._name} were stopped.'))


def _run(worker: Worker, task: _Task) -> None:
    try:
        value = read_answer(worker.run(task.kind, pack_task(task.kind, task.argument)))
    except Exception as error:
        task.future.set_exception(error)
    else:
        task.future.set_result(value)
