"""What every task server has in common, whichever engine runs its tasks."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import CancelledError, Future
from typing import Any

from colmena.models import Result
from colmena.task_server.base import FutureBasedTaskServer

from scoutbee.contracts.errors import FailureKind, InputTaskError

from ..failures import EngineLostError, engine_kind_of, mark_failed

logger = logging.getLogger(__name__)


class ReportingServer(FutureBasedTaskServer):  # type: ignore[misc]
    """A mixin for Colmena's task servers: every task it takes is answered, and a failed one says why.

    A task whose worker dies, that the engine refuses, or that runs when the engine breaks down comes back as a failed
    result of a class. Only a task server that is itself killed leaves tasks unanswered.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._flying: dict[str, Result] = {}
        self._flying_lock = threading.Lock()

    def process_queue(self, topic: str, task: Result) -> None:
        """Hand a task to the engine; what the engine refuses is answered at once."""
        with self._flying_lock:
            self._flying[task.task_id] = task
        try:
            super().process_queue(topic, task)
        except Exception as error:
            logger.exception('Task %s could not be handed to the engine', task.task_id)
            self._answer_failed(task, error, engine_kind_of(error))

    def listen_and_launch(self) -> None:
        """Take tasks until told to stop. One of an unknown kind is answered, as others are."""
        super().listen_and_launch()
        logger.info('Stopping with %d tasks unfinished', len(self._flying))

    def perform_callback(self, future: Future[Result], result: Result, topic: str) -> None:
        """Send back what became of a task. Runs in the engine's threads."""
        if future.cancelled():
            error: BaseException | None = CancelledError('The engine cancelled the task before it ran.')
        else:
            error = future.exception()
        if error is not None:
            logger.warning('Task %s was not finished: %s: %s', result.task_id, type(error).__name__, error)
            self._answer_failed(result, error, engine_kind_of(error))
        else:
            self._answer(future.result())

    def fail_flying(self, reason: str) -> int:
        """Answer every task that is out as lost, because the engine is; returns how many there were."""
        with self._flying_lock:
            flying = list(self._flying.values())
        for task in flying:
            self._answer_failed(task, EngineLostError(reason), FailureKind.LOST)
        return len(flying)

    def _answer_failed(self, result: Result, error: BaseException, kind: FailureKind) -> None:
        result.value = None
        result.inputs = ((), {})
        mark_failed(result, error, kind)
        self._answer(result)

    def _answer(self, result: Result) -> None:
        with self._flying_lock:
            if self._flying.pop(result.task_id, None) is None:
                return  # answered before: the engine broke down and came back
        result.mark_task_received()
        try:
            self.queues.send_result(result)
        except Exception:
            logger.exception('The result of task %s could not be sent', result.task_id)


def unknown_method(name: str, known: list[str]) -> InputTaskError:
    """The error of a task of a kind that nobody serves."""
    return InputTaskError(f'There is no method {name!r}; expected one of {", ".join(sorted(known))}.')
