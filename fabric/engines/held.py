"""The tasks that a task server holds: taken and not answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from colmena.models import Result


@dataclass
class _Entry:
    task: Result
    future: Future[Any] | None = None
    answering: bool = False


class HeldTasks:
    """Knows every task from when it is taken until after its answer was pushed, and lets each be answered once.

    A task whose answer is being pushed is still held. So when a list of what is held is pushed after it was made,
    whoever receives it has received the answer of every task that it leaves out. Safe to use from several threads.
    """

    def __init__(self, push: Callable[[Result], None]) -> None:
        """Args: push: Sends an answer, and returns when it is on its way."""
        self._push = push
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, task: Result) -> None:
        """From now on the task is held."""
        with self._lock:
            self._entries[task.task_id] = _Entry(task)

    def attach(self, task: Result, future: Future[Any]) -> None:
        """Say which future runs a task; nothing happens if it was answered already."""
        with self._lock:
            entry = self._entries.get(task.task_id)
            if entry is not None:
                entry.future = future

    def answer(self, result: Result) -> bool:
        """Push the answer of a task, unless it has one; returns whether it was pushed.

        Raises:
            Exception: What ``push`` raises; the task is then still held, and can be answered anew.
        """
        with self._lock:
            entry = self._entries.get(result.task_id)
            if entry is None or entry.answering:
                return False
            entry.answering = True
        try:
            self._push(result)
        except BaseException:
            entry.answering = False
            raise
        self.forget(result.task_id)
        return True

    def forget(self, task_id: str) -> None:
        """Hold a task no longer, answered or not."""
        with self._lock:
            self._entries.pop(task_id, None)

    def forget_all(self) -> None:
        """Hold nothing: whatever is still answered goes nowhere."""
        with self._lock:
            self._entries.clear()

    def tasks(self) -> list[Result]:
        """Every task that is held, in the order taken."""
        with self._lock:
            return [entry.task for entry in self._entries.values()]

    def ids(self, topic: str) -> tuple[str, ...]:
        """Ids of the tasks of a topic, in the order taken."""
        return tuple(str(task.task_id) for task in self.tasks() if task.topic == topic)

    def call_back(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Cancel the futures of those tasks that have not begun; their callbacks run before this returns.

        Returns:
            The ids of those that were cancelled.
        """
        with self._lock:
            known = {task_id: self._entries[task_id].future for task_id in ids if task_id in self._entries}
        return tuple(task_id for task_id, future in known.items() if future is not None and future.cancel())
