"""The inference receiver: predictions are filed, until a ranking can be made."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from colmena.models import Result
from numpy.typing import NDArray

from scoutbee.contracts.campaign import INFER
from scoutbee.contracts.errors import Failure, FailureKind
from scoutbee.traces.records import InferenceRecord

from .context import Context
from .inquiries import Inquiries
from .learning import Question, Update, ranks_each_model
from .learning_agent import LearningAgent, held_by_nobody, lease_expired
from .results import failure_of, task_fields, value_of


class InferenceReceiver(LearningAgent):
    """Wakes on predictions; keeps them, files them by model and chunk, and says when a ranking can be made.

    It also closes updates: one is over when every member has predicted or was given up.
    """

    name = 'inference receiver'
    topic = INFER
    failed_event = 'inference_failed'

    def __init__(self, context: Context, inquiries: Inquiries) -> None:
        """Args: context: The parts of the running campaign; inquiries: What is out, shared with the launcher."""
        super().__init__(context)
        self._inquiries = inquiries

    def step(self) -> None:
        """Respond to one result, to what was lost, and to the end of an update."""
        result = self.next_result()
        if result is not None:
            self._respond(result)
        self._expire()
        self._finish_update()
        for loan in self._inquiries.unused():
            self.reclaim(loan)
        self.roll.ask_if_due(self._inquiries.task_ids)

    def _respond(self, result: Result) -> None:
        info = result.task_info or {}
        members = tuple(int(member) for member in info['members'])
        question = Question(int(info['generation']), members, int(info['chunk']), int(info['attempt']))
        if not self._inquiries.forget(question):
            value_of(result)  # a late answer of models that were given up: fetched only to evict it
            return
        self.context.slots.release(INFER)
        values, failure = self._read(result, len(members))
        file, offset = (None, None) if values is None else self._keep(question, values)
        self.traces.write(
            InferenceRecord(
                **task_fields(result, failure),
                generation=question.generation,
                members=list(members),
                chunk=question.chunk,
                attempt=question.attempt,
                rows=0 if values is None else values.shape[1],
                file=file,
                offset=offset,
            )
        )
        if values is not None:
            self._file(question, values)
        elif failure is not None:
            self._retry(question, failure)
        self.reach.note(failure)

    def _read(self, result: Result, models: int) -> tuple[NDArray[Any] | None, Failure | None]:
        """The predictions, one row a model, or why there are none."""
        failure = failure_of(result)
        if failure is not None:
            return None, failure
        try:
            value = value_of(result)
        except Exception as error:
            told = f'The predictions could not be fetched: {error}'
            return None, Failure(FailureKind.LOST, type(error).__name__, told)
        try:
            return _one_row_each(value, models), None
        except ValueError as error:
            return None, Failure(FailureKind.INPUT, type(error).__name__, str(error))

    def _keep(self, question: Question, values: NDArray[Any]) -> tuple[str, int] | tuple[None, None]:
        try:
            return self.context.shelf.keep(question.generation, values)
        except Exception as error:  # the campaign can use them all the same; a resumed one would have to ask again
            self.traces.event(
                self.name,
                'predictions_not_kept',
                f'Predictions of {question} could not be kept, a resumed campaign would ask for them again: {error}',
                level='warning',
                generation=question.generation,
                members=list(question.members),
            )
            return None, None

    def _file(self, question: Question, values: NDArray[Any]) -> None:
        learning, waiting = self.board.learning, self._inquiries.waiting(question)
        with self.board.lock:
            learning.answered += len(waiting)
            complete = [
                version
                for version, row in zip(question.versions, values, strict=True)
                if version in waiting and learning.table.file(version, question.chunk, row)
            ]
            update = learning.update
            if complete and update is not None:
                update.predicted.update(version.member for version in complete)
                if ranks_each_model(self.policy) and not update.is_over:
                    self.board.ask_for_ranking(update.started)
        for version in complete:
            self._inquiries.close(version)
        if complete:
            self.board.notify()

    def _retry(self, question: Question, failure: Failure) -> None:
        versions, chunk, attempt = question.versions, question.chunk, question.attempt
        again = 'it is asked again.' if len(versions) == 1 else 'they are asked again, each alone if need be.'
        if not self.note_failure(f'Inference of {question}', versions, chunk, attempt, failure, again):
            self._inquiries.put_back(question)
            self.board.notify()
            return
        unanswered = self._inquiries.close(versions[0])
        self.context.slots.release(INFER, unanswered.questions)
        self.call_back(unanswered.task_ids)

    def _expire(self) -> None:
        late = self._inquiries.overdue()
        for question, _ in late:
            self.context.slots.release(INFER)
            self._retry(question, lease_expired(self.policy.learning_lease))
        self.call_back(task_id for _, task_id in late if task_id is not None)

    def lose(self, task_ids: Collection[str]) -> None:
        """These questions are held by nobody; those that are still out are asked again."""
        for question in self._inquiries.lost(task_ids):
            self.context.slots.release(INFER)
            self._retry(question, held_by_nobody())

    # -- the end of an update -----------------------------------------------------------------------------------

    def _finish_update(self) -> None:
        update = self.board.learning.update
        if update is None or not update.is_over:
            return
        if update.came_to_nothing:
            self._fail(update)
            return
        with self.board.lock:  # so that nothing is launched between the update and its ranking
            self.board.learning.finish_if_over()
            self.board.ask_for_ranking(update.started)

    def _fail(self, update: Update) -> None:
        in_a_row = self.board.learning.failed_updates + 1
        self.traces.event(
            self.name,
            'update_failed',
            f'Generation {update.generation} came to nothing: no model of it could be trained and asked.',
            level='error',
            generation=update.generation,
            in_a_row=in_a_row,
        )
        with self.board.lock:
            self.board.learning.finish_if_over()
        if in_a_row >= self.policy.failed_updates:
            self.board.end(
                'failed',
                f'{in_a_row} updates of the models in a row came to nothing. {self.board.learning.last_trouble}; '
                'events.jsonl says what else failed.',
                grace=self.policy.grace,
            )
        self.board.notify()


def _one_row_each(value: Any, models: int) -> NDArray[Any]:
    """Predictions as an array of shape (models, rows of the chunk, ...).

    Raises:
        ValueError: If they are not one row for each model.
    """
    values = np.asarray(value)
    if values.ndim == 0 or len(values) != models:
        raise ValueError(
            f'Expected infer to return one row of predictions for each of {models} models, got an array of shape '
            f'{values.shape}.'
        )
    return values[:, np.newaxis] if values.ndim == 1 else values
