"""Roll calls: how an agent finds out that a task is held by nobody any more.

A message can vanish with whatever held it: a task server that is killed takes along what it had popped, a Redis server
what it had not yet passed on. A lease notices that in the end; a roll call notices it in seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from colmena.models import Result
from colmena.queue.base import ColmenaQueues

from scoutbee.contracts.control import ROLL_CALL

_NUMBER = 'roll_call'
_PATIENCE = 4.0


class RollCall:
    """Asks the task server which tasks of one topic it holds.

    The requests of a driver reach the task server in order, and so do the results of a topic reach its receiver. So
    when an answer is received, every task that was sent before the question has been received back, is among those
    held, or is lost.
    """

    def __init__(self, queues: ColmenaQueues, topic: str, period: float) -> None:
        """Args: queues: Where to ask. topic: Whose tasks. period: Seconds between questions."""
        self._queues = queues
        self._topic = topic
        self._period = period
        self._lock = threading.Lock()
        self._number = 0
        self._asked: frozenset[str] | None = None
        self._next = time.monotonic() + period

    def hurry(self) -> None:
        """Ask as soon as possible, and do not count on an answer that is outstanding: something has died."""
        with self._lock:
            self._asked = None
            self._next = 0.0

    def ask_if_due(self, out: Iterable[str]) -> None:
        """Ask, if it is time.

        The next time is one period after the answer. An answer that does not come within four periods is given up,
        and the question asked again.

        Args:
            out: Ids of the tasks that were sent and have not come back. Read only when a question is asked.
        """
        now = time.monotonic()
        with self._lock:
            if now < self._next:
                return
            asked = frozenset(out)
            if not asked:
                self._next = now + self._period
                return
            self._next = now + _PATIENCE * self._period
            self._number += 1
            self._asked = asked
            number = self._number
        self._queues.send_inputs(method=ROLL_CALL, topic=self._topic, task_info={_NUMBER: number})

    def is_answer(self, result: Result) -> bool:
        """Whether a result answers a roll call, rather than being one of a task."""
        return bool(result.method == ROLL_CALL)

    def missing(self, result: Result) -> frozenset[str]:
        """The tasks that an answer shows to be held by nobody, of those that were out when it was asked for.

        Those that have come back in the meantime are among them: the caller knows these. An answer to an older
        question than the last says nothing.
        """
        with self._lock:
            asked = self._asked
            if asked is None or not result.success or (result.task_info or {}).get(_NUMBER) != self._number:
                return frozenset()
            self._asked = None
            self._next = time.monotonic() + self._period
        return asked - frozenset(result.value)
