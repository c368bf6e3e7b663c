"""The inference receiver: predictions are filed, until a ranking can be made."""

from __future__ import annotations

from typing import Any

import numpy as np
from colmena.models import Result
from numpy.typing import NDArray

from scoutbee.contracts.campaign import INFER
from scoutbee.contracts.errors import Failure, FailureKind
from scoutbee.contracts.learning import ModelVersion
from scoutbee.traces.records import InferenceRecord

from .agent import Agent
from .context import Context
from .inquiries import Inquiries
from .learning import Question
from .results import failure_of, task_fields, value_of


class InferenceReceiver(Agent):
    """Wakes on predictions; files them by model and chunk, and says when a ranking can be made.

    It also closes updates: one is over when every member has predicted or was given up.
    """

    name = 'inference receiver'

    def __init__(self, context: Context, inquiries: Inquiries) -> None:
        """Args: context: The parts of the running campaign; inquiries: What is out, shared with the launcher."""
        super().__init__(context)
        self._inquiries = inquiries

    def step(self) -> None:
        """Respond to one result, to leases that have run out, and to the end of an update."""
        result = self.receive(INFER)
        if result is not None:
            self._respond(result)
        for question in self._inquiries.overdue():
            self.context.slots.release(INFER)
            lease = self.policy.learning_lease
            self._retry(question, Failure(FailureKind.LOST, 'LeaseExpired', f'no answer came in {lease:g} s'))
        self._finish_update()

    def _respond(self, result: Result) -> None:
        info = result.task_info or {}
        version = ModelVersion(int(info['generation']), int(info['member']))
        question = Question(version, int(info['chunk']), int(info['attempt']))
        if not self._inquiries.forget(question):
            value_of(result)  # a late answer of a model that was given up: fetched only to evict it
            return
        self.context.slots.release(INFER)
        values, failure = self._read(result)
        self.traces.write(
            InferenceRecord(
                **task_fields(result, failure),
                generation=version.generation,
                member=version.member,
                chunk=question.chunk,
                attempt=question.attempt,
                rows=0 if values is None else len(values),
            )
        )
        if values is not None:
            self._file(question, values)
        elif failure is not None:
            self._retry(question, failure)

    def _read(self, result: Result) -> tuple[NDArray[Any] | None, Failure | None]:
        failure = failure_of(result)
        if failure is not None:
            return None, failure
        try:
            return np.atleast_1d(np.asarray(value_of(result))), None
        except Exception as error:
            told = f'The predictions could not be fetched: {error}'
            return None, Failure(FailureKind.LOST, type(error).__name__, told)

    def _file(self, question: Question, values: NDArray[Any]) -> None:
        learning = self.board.learning
        with self.board.lock:
            learning.answered += 1
            complete = learning.table.file(question.version, question.chunk, values)
            update = learning.update
            if complete and update is not None:
                update.predicted.add(question.version.member)
                if self.policy.rerank == 'model' and not update.is_over:
                    self.board.ask_for_ranking(update.started)
        if complete:
            self._inquiries.close(question.version)

    def _retry(self, question: Question, failure: Failure) -> None:
        hopeless = failure.kind is FailureKind.INPUT or question.attempt > self.policy.learning_retries
        self.traces.event(
            self.name,
            'inference_failed',
            f'Model {question.version} failed on chunk {question.chunk} ({failure.error}: {failure.message}); '
            + ('it is left out of this update.' if hopeless else 'it is asked again.'),
            level='warning',
            generation=question.version.generation,
            member=question.version.member,
            chunk=question.chunk,
            attempt=question.attempt,
            error=failure.error,
        )
        learning = self.board.learning
        if not hopeless:
            with self.board.lock:
                learning.again.append(Question(question.version, question.chunk, question.attempt + 1))
            self.board.notify()
            return
        with self.board.lock:
            learning.give_up([question.version.member])
        out = self._inquiries.close(question.version)
        self.context.slots.release(INFER, out)
        self.board.notify()

    def _finish_update(self) -> None:
        with self.board.lock:  # so that nothing is launched between the update and its ranking
            update = self.board.learning.finish_if_over()
            failed_in_a_row = self.board.learning.failed_updates
            if update is not None and not update.came_to_nothing:
                self.board.ask_for_ranking(update.started)
        if update is None or not update.came_to_nothing:
            return
        self.traces.event(
            self.name,
            'update_failed',
            f'Generation {update.generation} came to nothing: no model of it could be trained and asked.',
            level='error',
            generation=update.generation,
            in_a_row=failed_in_a_row,
        )
        if failed_in_a_row >= self.policy.failed_updates:
            self.board.end(
                'failed',
                f'{failed_in_a_row} updates of the models in a row came to nothing; '
                'events.jsonl says why each training or inference failed.',
                grace=self.policy.grace,
            )
        self.board.notify()
