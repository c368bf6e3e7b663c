"""What the trainer and the inference receiver have in common: work that is out, and may fail or be lost."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar

from colmena.models import Result

from scoutbee.contracts.control import CANCEL
from scoutbee.contracts.errors import Failure, FailureKind
from scoutbee.contracts.learning import ModelVersion
from scoutbee.traces.history import Tries

from .agent import Agent
from .context import Context
from .learning import count_failure, is_hopeless, worst
from .reach import Reach
from .roll_call import RollCall


class LearningAgent(Agent):
    """Keeps the leases and calls the roll of one kind of learning task."""

    topic: ClassVar[str]
    failed_event: ClassVar[str]

    def __init__(self, context: Context) -> None:
        """Args: context: The parts of the running campaign."""
        super().__init__(context)
        self.roll = RollCall(context.queues, self.topic, self.policy.roll_call)
        self.reach = Reach(context, self.topic, self.policy.learning_retries)

    @abstractmethod
    def lose(self, task_ids: Collection[str]) -> None:
        """These tasks are held by nobody; those that are still out are lost."""

    def next_result(self) -> Result | None:
        """The next result of a task, or None if none came in time; answers to our own questions are dealt with."""
        result = self.receive(self.topic)
        if result is None or result.method == CANCEL:
            return None
        if self.roll.is_answer(result):
            self.lose(self.roll.missing(result))
            return None
        return result

    def call_back(self, task_ids: Iterable[str]) -> None:
        """Ask the task server not to begin with these any more."""
        ids = tuple(task_ids)
        if ids:
            self.context.queues.send_inputs(ids, method=CANCEL, topic=self.topic, keep_inputs=False)

    def note_failure(
        self, what: str, versions: Sequence[ModelVersion], chunk: int | None, attempt: int, failure: Failure, again: str
    ) -> bool:
        """Write down that an attempt came to nothing, and judge; returns whether the model is given up.

        What failed for several models together is the fault of one of them, if of any, so none is given up for it.

        Args:
            what: What failed, to begin a sentence with.
            versions: The models, of one generation.
            chunk: The chunk they were asked about; None if the one was to be trained.
            attempt: Number of the attempt.
            failure: Why.
            again: What happens next if none is given up.
        """
        learning = self.board.learning
        before = [learning.tries.get((version, chunk), Tries()) for version in versions]
        tries = count_failure(worst(before), attempt, failure)
        hopeless = len(versions) == 1 and is_hopeless(tries, failure, self.policy)
        members = [version.member for version in versions]
        self.traces.event(
            self.name,
            self.failed_event,
            f'{what} failed ({failure.error}: {failure.message}); '
            + ('it is left out of this update.' if hopeless else again),
            level='warning',
            generation=versions[0].generation,
            **({'member': members[0]} if chunk is None else {'members': members, 'chunk': chunk}),
            attempt=attempt,
            failures=tries.failures,
            losses=tries.losses,
            kind=failure.kind.value,
            error=failure.error,
            given_up=hopeless,
        )
        with self.board.lock:
            learning.tries.update({(version, chunk): tries for version in versions})
            if hopeless:
                learning.give_up(members)
                learning.last_trouble = f'{what} failed ({failure.error}: {failure.message})'
        self.board.notify()
        return hopeless


def lease_expired(seconds: float) -> Failure:
    """Nothing came back in time."""
    return Failure(FailureKind.LOST, 'LeaseExpired', f'nothing came back in {seconds:g} s')


def held_by_nobody() -> Failure:
    """A roll call did not find the task."""
    return Failure(FailureKind.LOST, 'TaskLost', 'the task server does not hold it')
