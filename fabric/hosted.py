"""Workers of ours under a process that belongs to a workflow engine.

A task that crashes, hangs or exits then costs our process and not the engine's, and comes back at once with the
evidence. The engine's process calls this from its own thread and imports nothing that tasks need.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from .child import Task
from .payloads import check_carried
from .workers import Worker, WorkerSettings, pack_error

T = TypeVar('T')


class _Place:
    """The workers of this process, one for all tasks with the same settings. One task runs at a time."""

    def __init__(self) -> None:
        self._workers: dict[bytes, tuple[Worker, float | None]] = {}
        self._timers: dict[bytes, threading.Timer] = {}
        self._lock = threading.Lock()

    def use(self, packed: bytes, act: Callable[[Worker], T]) -> T:
        """Do something with the worker of some settings."""
        with self._lock:
            timer = self._timers.pop(packed, None)
            if timer is not None:
                timer.cancel()
            if packed not in self._workers:
                name, settings = pickle.loads(packed)
                self._workers[packed] = Worker(name, settings), settings.idle_seconds
            worker, idle_seconds = self._workers[packed]
            try:
                return act(worker)
            finally:
                if idle_seconds is not None:
                    self._set_timer(packed, idle_seconds)

    def _set_timer(self, packed: bytes, seconds: float) -> None:
        timer = threading.Timer(seconds, lambda: self._close(packed, timer))
        timer.daemon = True
        self._timers[packed] = timer
        timer.start()

    def _close(self, packed: bytes, timer: threading.Timer) -> None:
        with self._lock:
            if self._timers.get(packed) is not timer:
                return  # it was used in this very moment
            del self._timers[packed]
            worker, _ = self._workers.pop(packed)
            worker.close()


_place = _Place()


def pack_settings(name: str, settings: WorkerSettings) -> bytes:
    """A worker's name and settings as the functions below take them."""
    return pickle.dumps((name, settings))


def run_hosted(packed: bytes, kind: str, task: bytes) -> bytes:
    """Run a task in the worker of this process; see ``Worker.run``.

    Args:
        packed: From ``pack_settings``. The same worker serves for as long as it is the same.
        kind: Kind of task.
        task: From ``pack_task``.
    """
    return _place.use(packed, lambda worker: worker.run(kind, task))


def run_bundle(packed: bytes, tasks: Sequence[tuple[str, bytes]]) -> tuple[list[bytes], float]:
    """Run tasks one after the other in the worker of this process, which has each at hand as it ends the one before.

    Args:
        packed: From ``pack_settings``.
        tasks: Kind of each, and what ``pack_task`` made of it.

    Returns:
        The answer of each, or what was raised for it, for ``read_answer``; and the seconds that all took.
    """
    started = time.monotonic()
    answers = _place.use(packed, lambda worker: _run_all(worker, [Task(*task) for task in tasks]))
    return answers, time.monotonic() - started


def _run_all(worker: Worker, tasks: Sequence[Task]) -> list[bytes]:
    waiting = deque(tasks)
    answers: dict[Task, bytes] = {}
    while len(answers) < len(tasks):
        try:
            if not worker.tasks():
                worker.give(waiting[0])
                waiting.popleft()
        except Exception as error:
            answers[waiting.popleft()] = pack_error(error)
            continue
        while waiting and worker.hand_ahead(waiting[0]):
            waiting.popleft()
        task, answer = worker.answer()
        answers[task] = pack_error(answer) if isinstance(answer, Exception) else answer
        waiting.extendleft(reversed(worker.left_over()))
    return [answers[task] for task in tasks]


def answer_hosted(packed: bytes, kind: str, task: bytes) -> bytes:
    """Run a task as ``run_hosted`` does, for Globus Compute, which brings back only the text of what is raised.

    Args:
        packed: From ``pack_settings``.
        kind: Kind of task.
        task: From ``pack_task``.

    Returns:
        The answer, or what was raised, for ``read_answer``. An answer too large to be carried is an error as well.
    """
    try:
        answer = run_hosted(packed, kind, task)
        check_carried(f'What {kind} returned takes', kind, len(answer))
    except Exception as error:
        return pack_error(error)
    return answer


def warm_hosted(packed: bytes) -> Mapping[str, float]:
    """Have the worker of this process ready for tasks; see ``Worker.warm``."""
    return _place.use(packed, lambda worker: worker.warm())
