"""Equal workers that take tasks from one queue."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from .child import Task
from .errors import EngineLostError
from .pace import Pace
from .workers import Worker, WorkerSettings, pack_task, read_answer

_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, eq=False)
class _Task(Task):
    future: Future[Any] = field(default_factory=Future)

    def claim(self) -> bool:
        """Whether it is to be run: from here on it cannot be cancelled, and before it may have been."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def settle(self, answer: bytes | Exception) -> None:
        """Decide its future."""
        try:
            value = read_answer(answer) if isinstance(answer, bytes) else None
        except Exception as error:
            answer = error
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(value)


class WorkerPool:
    """Some workers, each with a thread that feeds it. A task whose future is cancelled before it is given never begins.

    Where tasks are short, a worker has its next one at hand before it ends the present one; that counts as given. No
    task is handed to a worker that is busy while another has none.
    """

    def __init__(self, name: str, count: int, settings: WorkerSettings) -> None:
        """Start the workers.

        Args:
            name: Name of the pool, for logs.
            count: How many workers.
            settings: How their processes are started.
        """
        self._name = name
        self._waiting: deque[_Task] = deque()
        self._pace = Pace()
        self._changed = threading.Condition()
        self._idle = 0
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
            Exception: Whatever pickling the argument may raise.
        """
        task = _Task(kind, pack_task(kind, argument))
        with self._changed:
            if self._is_closed:
                raise self._closed()
            self._waiting.append(task)
            if self._idle:
                self._changed.notify()
            elif len(self._waiting) == 1:  # where others wait, every worker has what it may have
                self._hand_to_some()
        return task.future

    def close(self) -> None:
        """Kill the workers at once; tasks that run or wait fail with ``EngineLostError``."""
        with self._changed:
            self._is_closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        self._fail(waiting)
        for worker in self._workers:
            worker.stop()
        end = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))

    def _feed(self, worker: Worker) -> None:
        while not self._is_closed:
            # Before it is needed, so that it is warm by then. The next task tells what keeps it from starting.
            with contextlib.suppress(OSError, EngineLostError):
                worker.start()
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                self._idle -= 1
            self._work(worker)
        worker.close()

    def _work(self, worker: Worker) -> None:
        """Have a worker run tasks for as long as there are any."""
        self._supply(worker)
        while worker.tasks():
            began = time.monotonic()
            task, answer = worker.answer()
            assert isinstance(task, _Task)
            self._pace.note(task.kind, time.monotonic() - began)
            self._put_back(worker.left_over())
            self._supply(worker)  # first, so that the worker does not wait until the answer is dealt with
            task.settle(answer)
            del task, answer  # not while waiting for the next

    def _supply(self, worker: Worker) -> None:
        """Give a worker what it may have of the tasks that wait."""
        while not worker.tasks() and (task := self._take()) is not None:
            _give(worker, task)
        with self._changed:
            while self._hand(worker):
                pass

    def _take(self) -> _Task | None:
        with self._changed:
            while self._waiting:
                task = self._waiting.popleft()
                if task.claim():
                    return task
            return None

    def _hand_to_some(self) -> None:
        """Hand the next task to the worker that has the fewest; the lock is held."""
        for worker in sorted(self._workers, key=lambda each: len(each.tasks())):
            if self._hand(worker):
                return

    def _hand(self, worker: Worker) -> bool:
        """Hand the next task to a worker that is at others, if it may have it; the lock is held."""
        if not self._waiting or self._idle:
            return False
        task = self._waiting[0]
        kinds = [each.kind for each in worker.tasks()]
        if not worker.has_room(task) or not self._pace.allows(kinds, task.kind):
            return False
        self._waiting.popleft()
        if task.claim() and not worker.hand_ahead(task):
            self._waiting.appendleft(task)
            return False
        return True

    def _put_back(self, tasks: Iterable[Task]) -> None:
        """They were handed ahead to a process that is gone: they are next."""
        left = [task for task in tasks if isinstance(task, _Task)]
        with self._changed:
            if not self._is_closed:
                self._waiting.extendleft(reversed(left))
                self._changed.notify(len(left))
                return
        self._fail(left)

    def _fail(self, tasks: Iterable[_Task]) -> None:
        for task in tasks:
            if task.claim():
                task.settle(self._closed())

    def _closed(self) -> EngineLostError:
        return EngineLostError(f'The workers of {self._name} were stopped.')


def _give(worker: Worker, task: _Task) -> None:
    try:
        worker.give(task)
    except Exception as error:
        task.settle(error)
