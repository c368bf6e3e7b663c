"""Roll calls: how an agent finds out that a task is held by nobody any more.

A message can vanish with whatever held it: a task server that is killed takes along what it had popped, a Redis server
what it had not yet passed on. A lease notices that in the end; a roll call notices it in seconds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from colmena.models import Result
from colmena.queue.base import ColmenaQueues

from scoutbee.contracts.control import ROLL_CALL

_NUMBER = 'roll_call'
_PATIENCE = 4.0

AT_ONCE = 1024
"""Tasks asked about in one question: few enough that neither asking nor answering keeps anybody from other work."""


class RollCall:
    """Asks the task server which tasks of one topic it holds, some at a time, about each of them once a period.

    The requests of a driver reach the task server in order, and so do the results of a topic reach its receiver. So
    when an answer is received, every task that was asked about has been received back, is among those held, or is
    lost.
    """

    def __init__(self, queues: ColmenaQueues, topic: str, period: float) -> None:
        """Args: queues: Where to ask. topic: Whose tasks. period: Seconds within which each task is asked about."""
        self._queues = queues
        self._topic = topic
        self._period = period
        self._lock = threading.Lock()
        self._number = 0
        self._asked: frozenset[str] | None = None
        self._round: deque[frozenset[str]] = deque()
        self._pause = period
        self._is_hurried = False
        self._next = time.monotonic() + period

    def hurry(self) -> None:
        """Ask about all as soon as possible, and do not count on an answer that is outstanding: something has died."""
        with self._lock:
            self._asked = None
            self._round.clear()
            self._is_hurried = True
            self._next = 0.0

    def ask_if_due(self, out: Callable[[], Iterable[str]]) -> None:
        """Ask, if it is time.

        The next time is as long after the answer as lets a round take one period. An answer that does not come within
        four periods is given up, and a round begun anew.

        Args:
            out: Tells the ids of the tasks that were sent and have not come back; called at the beginning of a round.
        """
        if time.monotonic() < self._next:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                return
            if self._asked is not None or not self._round:
                self._begin(list(out()))
            if not self._round:
                self._next = now + self._period
                return
            self._next = now + _PATIENCE * self._period
            self._number += 1
            self._asked = self._round.popleft()
            number, asked = self._number, self._asked
        self._queues.send_inputs(tuple(asked), method=ROLL_CALL, topic=self._topic, task_info={_NUMBER: number})

    def _begin(self, out: list[str]) -> None:
        """Begin a round; one that is in a hurry makes no pauses between its questions."""
        self._round = deque(frozenset(out[start : start + AT_ONCE]) for start in range(0, len(out), AT_ONCE))
        self._pause = 0.0 if self._is_hurried else self._period / max(1, len(self._round))
        self._is_hurried = False

    def is_answer(self, result: Result) -> bool:
        """Whether a result answers a roll call, rather than being one of a task."""
        return bool(result.method == ROLL_CALL)

    def missing(self, result: Result) -> frozenset[str]:
        """The tasks that an answer shows to be held by nobody, of those that it was asked about.

        Those that have come back in the meantime are among them: the caller knows these. An answer to an older
        question than the last says nothing.
        """
        with self._lock:
            asked = self._asked
            if asked is None or not result.success or (result.task_info or {}).get(_NUMBER) != self._number:
                return frozenset()
            self._asked = None
            pause = self._pause if self._round else self._pause or self._period
            self._next = time.monotonic() + pause
        return asked - frozenset(result.value)
