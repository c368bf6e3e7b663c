"""Colmena queues inside one process."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from colmena.exceptions import KillSignalException, TimeoutException
from colmena.models import Result, SerializationMethod
from colmena.queue.base import ColmenaQueues

T = TypeVar('T')


class ThreadQueues(ColmenaQueues):
    """Queues between threads. Messages are serialized as between machines, so what does not pickle does not pass."""

    def __init__(self, topics: Collection[str] = ('simulate', 'train', 'infer'), **kwargs: Any) -> None:
        """Args: topics: Names of the topics; kwargs: as ``ColmenaQueues``."""
        super().__init__(topics, serialization_method=SerializationMethod.PICKLE, **kwargs)
        self._requests: queue.Queue[tuple[str, str]] = queue.Queue()
        self._results: dict[str, queue.Queue[str]] = {topic: queue.Queue() for topic in self.topics}

    def _check_role(self, allowed_role: Any, calling_function: str) -> None:
        """Client and server share the object here."""

    def send_many(
        self, tasks: Sequence[tuple[tuple[Any, ...], dict[str, Any]]], *, method: str, topic: str
    ) -> list[str]:
        """Send several tasks, given by their arguments and ``task_info``; returns their ids."""
        return [
            str(self.send_inputs(*arguments, method=method, topic=topic, keep_inputs=False, task_info=info))
            for arguments, info in tasks
        ]

    def get_results(self, topic: str, timeout: float | None, most: int) -> list[Result]:
        """The results that wait, or else the next one."""
        return _several(lambda seconds: self.get_result(topic=topic, timeout=seconds), timeout, most)

    def get_tasks(self, timeout: float | None, most: int) -> list[tuple[str, Result]]:
        """The tasks that wait, or else the next one, each with its topic."""
        return [self.get_task(timeout=timeout)]

    def send_results(self, results: Sequence[Result]) -> None:
        """Send results."""
        for result in results:
            self.send_result(result)

    def _get_request(self, timeout: float | None = None) -> tuple[str, str]:
        try:
            topic, message = self._requests.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutException from None
        if message == 'null':
            raise KillSignalException
        return topic, message

    def _send_request(self, message: str, topic: str) -> None:
        self._requests.put((topic, message))

    def _get_result(self, topic: str, timeout: float | None = None) -> str:
        try:
            return self._results[topic].get(timeout=timeout)
        except queue.Empty:
            raise TimeoutException from None

    def _send_result(self, message: str, topic: str) -> None:
        self._results[topic].put(message)

    def flush(self) -> None:
        """Drop everything that waits."""
        waiting: list[queue.Queue[Any]] = [self._requests, *self._results.values()]
        for messages in waiting:
            while not messages.empty():
                messages.get_nowait()


class QuickQueues(ThreadQueues):
    """Nobody waits for a result: what is not there does not come."""

    def _get_result(self, topic: str, timeout: float | None = None) -> str:
        return super()._get_result(topic, timeout=0.0)


def _several(get: Callable[[float | None], T], timeout: float | None, most: int) -> list[T]:
    found = [get(timeout)]
    with contextlib.suppress(TimeoutException):
        while len(found) < most:
            found.append(get(0.0))
    return found
