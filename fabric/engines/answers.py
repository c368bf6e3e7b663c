"""Answers on their way from the engine to the driver."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from colmena.models import Result

logger = logging.getLogger(__name__)

_AT_ONCE = 256


class Answers:
    """Sends answers in the order given, those that wait together at once, from a thread of its own.

    An engine's thread that brings a result can thus turn to the next task before the result is on its way.

    Attributes:
        fault: What kept an answer from being sent; nothing more is sent then. None while all is well.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Result]], None],
        sent: Callable[[Result], None],
        refuse: Callable[[Result, ValueError], None],
    ) -> None:
        """Start the thread.

        Args:
            send: Sends answers, and returns when they are on their way. If it raises ``ValueError`` it sent none.
            sent: Told of each that was sent.
            refuse: Given each that cannot be sent as it is, and why. It may ``put`` another in its place.
        """
        self._send = send
        self._sent = sent
        self._refuse = refuse
        self._waiting: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._count = 0
        self._changed = threading.Condition()
        self.fault: Exception | None = None
        threading.Thread(target=self._run, name='answers', daemon=True).start()

    def put(self, answer: Result) -> None:
        """Send an answer as soon as possible."""
        with self._changed:
            self._count += 1
        self._waiting.put(answer)

    def flush(self, seconds: float) -> bool:
        """Wait until all that was put is sent, or cannot be; returns whether there is nothing left in time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._count or self.fault is not None, seconds)
            return not self._count and self.fault is None

    def _run(self) -> None:
        while self.fault is None:
            answers = self._take()
            try:
                self._send_all(answers)
            except Exception as error:
                logger.exception('%d results cannot be sent', len(answers))
                self.fault = error
            with self._changed:
                self._count -= len(answers)
                if not self._count or self.fault is not None:
                    self._changed.notify_all()

    def _take(self) -> list[Result]:
        answers = [self._waiting.get()]
        while len(answers) < _AT_ONCE and not self._waiting.empty():
            answers.append(self._waiting.get())
        return answers

    def _send_all(self, answers: Sequence[Result]) -> None:
        try:
            self._send(answers)
        except ValueError as error:
            if len(answers) > 1:
                for answer in answers:
                    self._send_all([answer])
                return
            self._refuse(answers[0], error)
        else:
            for answer in answers:
                self._sent(answer)
