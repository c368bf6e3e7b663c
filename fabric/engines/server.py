"""What every task server has in common, whichever engine runs its tasks."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from concurrent.futures import Future
from typing import Any

from colmena.exceptions import KillSignalException, TimeoutException
from colmena.models import Result
from colmena.models.results import WorkerInformation
from colmena.queue.base import ColmenaQueues

from scoutbee.contracts.control import CANCEL, CONTROLS
from scoutbee.contracts.errors import InputTaskError

from ..errors import CalledBackError, EngineLostError, WorkerError
from ..failures import engine_kind_of, mark_failed
from .answers import Answers
from .held import HeldTasks

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often a waiting task server looks whether its engine is well."""

_AT_ONCE = 256
"""Tasks taken from the queue at once."""

_FLUSH_SECONDS = 10.0
"""How long a task server that has told the end of its tasks waits until that is on its way."""

_LAST_SECONDS = 1.0
"""The same for one that was told to end at once."""


class ReportingServer(ABC):
    """A task server as Colmena knows it: every task it takes is answered, and a failed one says why.

    A task whose worker dies, that the engine refuses, or that runs when the engine breaks down comes back as a failed
    result of a class. Only a task server that itself dies leaves tasks unanswered, and it does so rather than go on
    with an answer that it cannot push.

    It also answers roll calls and calls tasks back; see ``contracts.control``.

    Colmena's own base class is not used where its package, which imports every workflow engine it knows, need not be.
    """

    calls_back = True
    """Whether the engine's futures can be cancelled while their tasks wait."""

    def __init__(self, queues: ColmenaQueues, method_names: Collection[str]) -> None:
        """Args: queues: Where tasks come from and results go. method_names: What is served."""
        self.queues = queues
        self.method_names = set(method_names)
        self.held = HeldTasks()
        self._next_look = 0.0
        self._answers = Answers(queues.send_results, self._sent, self._refuse)

    @abstractmethod
    def _submit(self, task: Result, topic: str) -> Future[Any]:
        """Hand a task to the engine."""

    def _read(self, answer: Any) -> Result:
        """The result in what the engine brings back."""
        assert isinstance(answer, Result)
        return answer

    def _cleanup(self) -> None:
        """Stop the engine. Running tasks are not waited for, and what becomes of them goes nowhere."""
        self.held.forget_all()
        self._answers.flush(_LAST_SECONDS)

    def process_queue(self, topic: str, task: Result) -> None:
        """Hand a task to the engine; what the engine refuses is answered at once."""
        self.held.take(task)
        try:
            if task.method in CONTROLS:
                self._control(task)
                return
            if task.method not in self.method_names:
                known = ', '.join(sorted(self.method_names))
                raise InputTaskError(f'There is no method {task.method!r}; expected one of {known}.')
            future = self._submit(task, topic)
        except Exception as error:
            logger.exception('Task %s could not be handed to the engine', task.task_id)
            self._answer_failed(task, error)
            return
        self.held.attach(task, future)
        future.add_done_callback(lambda done: self.perform_callback(done, task, topic))

    def trouble(self) -> str | None:
        """Why the engine cannot go on, or None while it can. Asked about once a second."""
        return None

    def listen_and_launch(self) -> None:
        """Take tasks until told to stop.

        Raises:
            EngineLostError: If the engine broke down; every task that was out has then been answered as lost.
            QueuesLostError: If Redis was out of reach for too long.
            Exception: What else kept an answer from being pushed.
        """
        while True:
            if self._answers.fault is not None:
                raise self._answers.fault
            reason = self._look()
            if reason is not None:
                logger.error('%s %d tasks were out.', reason, self.fail_held(reason))
                raise EngineLostError(reason)
            try:
                tasks = self.queues.get_tasks(LOOK_SECONDS, _AT_ONCE)
            except TimeoutException:
                continue
            except KillSignalException:
                logger.info('Told to stop with %d tasks unfinished', len(self.held))
                self._answers.flush(_FLUSH_SECONDS)
                return
            for topic, task in tasks:
                self.process_queue(topic, task)

    def _look(self) -> str | None:
        """What ``trouble`` says, asked once in a while."""
        now = time.monotonic()
        if now < self._next_look:
            return None
        self._next_look = now + LOOK_SECONDS
        return self.trouble()

    def perform_callback(self, future: Future[Any], task: Result, topic: str) -> None:
        """Send back what became of a task. Runs in the engine's threads."""
        if future.cancelled():
            self._answer_failed(task, CalledBackError('The task was called back before it began.'))
            return
        try:
            result = self._read(future.result())
        except Exception as error:
            logger.warning('Task %s was not finished: %s: %s', task.task_id, type(error).__name__, error)
            self._answer_failed(task, error)
        else:
            self._answer(result)

    def fail_held(self, reason: str) -> int:
        """Answer every task that is out as lost, because the engine is; returns how many there were."""
        held = self.held.tasks()
        for task in held:
            self._answer_failed(task, EngineLostError(reason))
        self._answers.flush(_FLUSH_SECONDS)
        return len(held)

    def _control(self, request: Result) -> None:
        request.proxystore_name = request.proxystore_config = None  # the answer travels in the message
        request.deserialize()
        if request.method == CANCEL:
            ids = self.held.call_back(request.args[0]) if self.calls_back else ()
        else:
            ids = self.held.of(request.args[0])
        request.inputs = ((), {})
        request.set_result(ids)
        request.serialize()
        self._answer(request)

    def _answer_failed(self, task: Result, error: BaseException) -> None:
        if self.held.claim(task.task_id):
            self._put_failed(task, error)

    def _put_failed(self, task: Result, error: BaseException) -> None:
        task.value = None
        task.inputs = ((), {})
        if isinstance(error, WorkerError):
            task.worker_info = WorkerInformation(hostname=error.host, pid=error.pid)
            task.time.running = error.seconds
        mark_failed(task, error, engine_kind_of(error))
        self._put(task)

    def _answer(self, result: Result) -> None:
        if self.held.claim(result.task_id):
            self._put(result)

    def _put(self, result: Result) -> None:
        result.mark_task_received()
        self._answers.put(result)

    def _sent(self, result: Result) -> None:
        self.held.forget(result.task_id)

    def _refuse(self, result: Result, error: ValueError) -> None:
        """It is too large for a message."""
        self._put_failed(result, InputTaskError(f'What {result.method} returned cannot be sent back: {error}'))
