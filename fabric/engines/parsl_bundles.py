"""Short tasks handed to Parsl several at a time.

Whatever it runs, a task costs Parsl's interchange, manager and worker about a millisecond of processor time and three
of waiting. Tasks as short as that are bundled; what takes longer goes out alone and at once, so that Parsl knows how
much work there is and asks for as many blocks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..errors import EngineLostError
from ..failures import is_lost_worker
from ..pace import Pace

BUNDLE_SECONDS = 0.05
"""A bundle should take no longer: its first result comes back with its last."""

_MOST = 64
_READY = 2
"""Bundles for each worker: one that runs and one that waits, so that no worker does."""


@dataclass(eq=False)
class Call:
    """A task on its way through Parsl.

    Attributes:
        kind: Kind of task.
        packed: The task, from ``workers.pack_task``.
        answer: Its answer, for ``workers.read_answer``; cancelled only before it was given to Parsl.
    """

    kind: str
    packed: bytes
    answer: Future[bytes] = field(default_factory=Future)


class Bundles:
    """Gives tasks to one executor of Parsl, short ones together. Safe to use from several threads."""

    def __init__(self, submit: Callable[[Sequence[tuple[str, bytes]]], Future[Any]], workers: int) -> None:
        """Begin with no task.

        Args:
            submit: Gives Parsl some tasks, each by kind and packed, that one worker is to run in turn. What comes of it
                is a list of their answers, for ``workers.read_answer``.
            workers: How many workers there may be at once.
        """
        self._submit = submit
        self._workers = workers
        self._lock = threading.Lock()
        self._waiting: deque[Call] = deque()
        self._out = 0
        self._pace = Pace()

    def add(self, call: Call) -> None:
        """Run a task, as soon as it is worth while."""
        with self._lock:
            self._waiting.append(call)
        self._give()

    def _give(self) -> None:
        while calls := self._next():
            began = time.monotonic()
            try:
                done = self._submit([(call.kind, call.packed) for call in calls])
            except Exception as error:
                self._fail(calls, error)
            else:
                done.add_done_callback(partial(self._done, calls, began))

    def _next(self) -> list[Call]:
        """The tasks to be given to Parsl next; none if there is nothing to do, or enough given already."""
        with self._lock:
            calls: list[Call] = []
            size = self._size()
            while self._waiting and len(calls) < size and self._is_next(calls):
                call = self._waiting.popleft()
                if call.answer.set_running_or_notify_cancel():
                    calls.append(call)
            self._out += bool(calls)
            return calls

    def _size(self) -> int:
        """How many of the waiting tasks make the next bundle."""
        if not self._waiting:
            return 0
        seconds = self._pace.seconds(self._waiting[0].kind)
        if seconds is None or seconds > BUNDLE_SECONDS / 2:
            return 1
        if self._out >= _READY * self._workers:
            return 0
        fair = -(-len(self._waiting) // self._workers)
        return max(1, min(fair, int(BUNDLE_SECONDS / max(seconds, BUNDLE_SECONDS / _MOST))))

    def _is_next(self, calls: Sequence[Call]) -> bool:
        return not calls or calls[0].kind == self._waiting[0].kind

    def _done(self, calls: Sequence[Call], began: float, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            if len(calls) > 1 and is_lost_worker(error):
                seconds = time.monotonic() - began
                error = EngineLostError(f'One of {len(calls)} tasks took the worker of all down in {seconds:.1f} s.')
            self._fail(calls, error)
            self._give()
            return
        answers, spent = future.result()
        with self._lock:
            self._out -= 1
            self._pace.note(calls[0].kind, spent / len(calls))
        self._give()  # first, so that no worker waits until the answers are dealt with
        for call, answer in zip(calls, answers, strict=True):
            call.answer.set_result(answer)

    def _fail(self, calls: Sequence[Call], error: BaseException) -> None:
        with self._lock:
            self._out -= 1
        for call in calls:
            call.answer.set_exception(error)
