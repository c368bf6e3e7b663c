"""What every task server has in common, whichever engine runs its tasks."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import CancelledError, Future
from typing import Any

from colmena.exceptions import KillSignalException, TimeoutException
from colmena.models import Result
from colmena.task_server.base import FutureBasedTaskServer

from scoutbee.contracts.errors import FailureKind, InputTaskError

from ..failures import EngineLostError, engine_kind_of, mark_failed

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often a waiting task server looks whether its engine is well."""


class ReportingServer(FutureBasedTaskServer):
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
            if task.method not in self.method_names:
                known = ', '.join(sorted(self.method_names))
                raise InputTaskError(f'There is no method {task.method!r}; expected one of {known}.')
            super().process_queue(topic, task)
        except Exception as error:
            logger.exception('Task %s could not be handed to the engine', task.task_id)
            self._answer_failed(task, error, engine_kind_of(error))

    def trouble(self) -> str | None:
        """Why the engine cannot go on, or None while it can. Asked about once a second."""
        return None

    def listen_and_launch(self) -> None:
        """Take tasks until told to stop.

        Raises:
            EngineLostError: If the engine broke down; every task that was out has then been answered as lost.
        """
        while True:
            reason = self.trouble()
            if reason is not None:
                logger.error('%s %d tasks were out.', reason, self.fail_flying(reason))
                raise EngineLostError(reason)
            try:
                topic, task = self.queues.get_task(LOOK_SECONDS)
            except TimeoutException:
                continue
            except KillSignalException:
                logger.info('Told to stop with %d tasks unfinished', len(self._flying))
                return
            self.process_queue(topic, task)

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
