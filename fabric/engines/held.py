"""The tasks that a task server holds: taken and not answered."""

from __future__ import annotations

import threading
from collections.abc import Iterable
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
    """Knows every task from when it is taken until after its answer was sent, and lets each be answered once.

    A task whose answer waits to be sent is still held. So when a list of what is held, made before, is sent after it,
    whoever receives that has received the answer of every task that it leaves out. Safe to use from several threads.
    """

    def __init__(self) -> None:
        """Begin with none."""
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

    def claim(self, task_id: str) -> bool:
        """Whoever is told True by this answers the task, and nobody else does."""
        with self._lock:
            entry = self._entries.get(task_id)
            if entry is None or entry.answering:
                return False
            entry.answering = True
            return True

    def forget(self, task_id: str) -> None:
        """Hold a task no longer: its answer was sent."""
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

    def of(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Those of these ids whose tasks are held, in the order given."""
        with self._lock:
            return tuple(task_id for task_id in ids if task_id in self._entries)

    def call_back(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Cancel the futures of those tasks that have not begun; their callbacks run before this returns.

        Returns:
            The ids of those that were cancelled.
        """
        with self._lock:
            known = {task_id: self._entries[task_id].future for task_id in ids if task_id in self._entries}
        return tuple(task_id for task_id, future in known.items() if future is not None and future.cancel())
