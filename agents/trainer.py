"""The trainer: when training is due, every member of the ensemble is trained on what is known so far."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from colmena.models import Result

from scoutbee.contracts.campaign import TRAIN, Snapshot
from scoutbee.contracts.errors import Failure, FailureKind
from scoutbee.contracts.learning import ModelArtifact, ModelVersion, TrainedModel, TrainingRequest
from scoutbee.contracts.storage import Loan
from scoutbee.traces.history import Tries
from scoutbee.traces.records import TrainingRecord

from .agent import PATIENCE
from .context import Context
from .learning import RestOfRound, Update, may_train
from .learning_agent import LearningAgent, held_by_nobody, lease_expired
from .results import failure_of, task_fields, value_of


@dataclass
class _Sent:
    """A training in flight; its task is known once the queue has taken it."""

    request: TrainingRequest
    attempt: int
    deadline: float
    loan: Loan
    task_id: str


@dataclass
class _Round:
    """The training round under way: what is still to be sent, and what is out."""

    generation: int
    size: int
    data: Loan
    to_send: deque[tuple[TrainingRequest, int]]
    sent: dict[int, _Sent] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return not self.to_send and not self.sent

    def task_ids(self) -> list[str]:
        return [sent.task_id for sent in self.sent.values()]


class Trainer(LearningAgent):
    """Wakes when training is due; sends one task a member, with one proxy of the data for all, and takes models back.

    A member whose training fails too often is left out of the update. Its older model and predictions stand, and are
    never passed off as new.
    """

    name = 'trainer'
    topic = TRAIN
    failed_event = 'training_failed'

    def __init__(self, context: Context) -> None:
        """Args: context: The parts of the running campaign."""
        super().__init__(context)
        self._round: _Round | None = None

    def step(self) -> None:
        """Begin a round that is due, or bring the one under way a little further."""
        if self._round is None:
            if self.board.wait(lambda: self.board.training_reason() is not None, PATIENCE):
                self._begin()
            return
        self._send_what_fits()
        result = self.next_result()
        if result is not None:
            self._respond(result)
        self._expire()
        if self._round.is_done:
            self._finish(self._round)
        else:
            self.roll.ask_if_due(self._round.task_ids)

    # -- beginning ----------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        reason = self.board.training_reason()
        with self.context.campaign_lock:
            snapshot = self.board.snapshot()
            plan = self.context.campaign.training_round(snapshot)
        if plan is None or not plan.requests:
            self._put_off(len(snapshot.observations), str(reason))
            return
        generation = snapshot.generation + 1
        update = Update(generation, frozenset(r.member for r in plan.requests), time.time(), plan.size)
        data = self.context.depot.lend(TRAIN, plan.data)
        self._tell_start(update, snapshot, str(reason))
        learning = self.board.learning
        with self.board.lock:
            learning.generation = generation
            learning.trained_on = len(snapshot.observations)
            learning.begin(update)
        self._round = _Round(generation, plan.size, data, deque((request, 1) for request in plan.requests))
        self._tell_unsent(self._round)
        self.context.mover.happened('training')
        self.board.notify()

    def _tell_start(self, update: Update, snapshot: Snapshot, reason: str) -> None:
        self.traces.event(
            self.name,
            'training_started',
            f'Generation {update.generation}: train {len(update.members)} models on {update.observations} observations '
            f'({reason}).',
            generation=update.generation,
            observations=len(snapshot.observations),
            taken=len(snapshot.taken_rows),
            rows=update.observations,
            members=sorted(update.members),
            started=update.started,
            reason=reason,
        )

    def _put_off(self, observations: int, reason: str) -> None:
        self.traces.event(
            self.name,
            'training_skipped',
            f'There is too little to learn from yet: {observations} observations ({reason}).',
            observations=observations,
            reason=reason,
        )
        with self.board.lock:
            self.board.learning.trained_on = observations
            self.board.learning.training_wanted = None
        self.board.notify()

    def resume(self, rest: RestOfRound) -> None:
        """Go on with a round that is in the ledger, before the agents set out."""
        tries = self.board.learning.tries
        to_send = deque(
            (request, 1 + tries.get((ModelVersion(rest.generation, request.member), None), Tries()).attempt)
            for request in rest.plan.requests
            if request.member in rest.members
        )
        self._round = _Round(rest.generation, rest.plan.size, self.context.depot.lend(TRAIN, rest.plan.data), to_send)
        self._tell_unsent(self._round)

    # -- sending ------------------------------------------------------------------------------------------------

    def _send_what_fits(self) -> None:
        assert self._round is not None
        while self._round.to_send and not self.board.done.is_set():
            if not self.board.wait(lambda: may_train(self.board.learning, self.policy), PATIENCE):
                return
            # With nothing out yet there is no result to wait for, so the slot is worth waiting for.
            wait = 0.01 if self._round.sent else PATIENCE
            if not self.context.slots.acquire(TRAIN, 1, timeout=wait):
                return
            self._send(self._round, *self._round.to_send.popleft())
            self._tell_unsent(self._round)

    def _tell_unsent(self, plan: _Round) -> None:
        """Questions that share workers with trainings wait until all of these are sent."""
        with self.board.lock:
            self.board.learning.unsent_trainings = len(plan.to_send)
        self.board.notify()

    def _send(self, plan: _Round, request: TrainingRequest, attempt: int) -> None:
        loan = self.context.depot.lend(TRAIN, request.args)
        sent = False
        try:
            task_id = self.context.queues.send_inputs(
                plan.data.ref,
                loan.ref,
                method=TRAIN,
                topic=TRAIN,
                keep_inputs=False,
                task_info={'generation': plan.generation, 'member': request.member, 'attempt': attempt},
            )
            deadline = time.monotonic() + self.policy.learning_lease
            plan.sent[request.member] = _Sent(request, attempt, deadline, loan, task_id)
            sent = True
        finally:
            if not sent:
                plan.to_send.appendleft((request, attempt))
                self.context.slots.release(TRAIN)
                self.reclaim(loan)

    # -- receiving ----------------------------------------------------------------------------------------------

    def _respond(self, result: Result) -> None:
        assert self._round is not None
        info = result.task_info or {}
        generation, member, attempt = int(info['generation']), int(info['member']), int(info['attempt'])
        sent = self._round.sent.get(member)
        if generation != self._round.generation or sent is None or sent.attempt != attempt:
            value_of(result)  # a late result of an attempt that was given up: fetched only to evict it
            return
        version = ModelVersion(generation, member)
        try:
            failure = failure_of(result) or self._accept(result, version, attempt)
        finally:
            self._return(member)  # not before: a free slot means that what was trained there can be asked
            self.board.notify()
        if failure is not None:
            self._record(result, failure, version, attempt)
            self._retry(sent, failure)
        self.reach.note(failure)

    def _accept(self, result: Result, version: ModelVersion, attempt: int) -> Failure | None:
        try:
            artifact = value_of(result)
        except Exception as error:
            return Failure(FailureKind.LOST, type(error).__name__, f'The trained model could not be fetched: {error}')
        if not isinstance(artifact, ModelArtifact):
            return Failure(
                FailureKind.INPUT, 'TypeError', f'Expected training to return a ModelArtifact, got {type(artifact)}.'
            )
        model = TrainedModel(version, artifact)
        try:
            file = self.context.shelf.save(model)
        except Exception as error:
            return Failure(FailureKind.RESOURCE, type(error).__name__, f'The trained model could not be saved: {error}')
        self._record(result, None, version, attempt, file=file, metrics=dict(artifact.metrics))
        with self.board.lock:
            self.board.learning.accept(model)
        self.board.notify()
        return None

    def _record(
        self,
        result: Result,
        failure: Failure | None,
        version: ModelVersion,
        attempt: int,
        *,
        file: str | None = None,
        metrics: dict[str, float] | None = None,
    ) -> None:
        assert self._round is not None
        self.traces.write(
            TrainingRecord(
                **task_fields(result, failure),
                generation=version.generation,
                member=version.member,
                attempt=attempt,
                observations=self._round.size,
                metrics=metrics or {},
                model_file=file,
            )
        )

    def _return(self, member: int) -> None:
        """A training is no longer out: its slot and its arguments are free."""
        assert self._round is not None
        sent = self._round.sent.pop(member)
        self.context.slots.release(TRAIN)
        self.reclaim(sent.loan)

    def _retry(self, sent: _Sent, failure: Failure) -> None:
        assert self._round is not None
        member = sent.request.member
        version = ModelVersion(self._round.generation, member)
        what = f'Training of member {member}'
        if not self.note_failure(what, [version], None, sent.attempt, failure, 'it is tried again.'):
            self._round.to_send.append((sent.request, sent.attempt + 1))
            self._tell_unsent(self._round)

    def _expire(self) -> None:
        assert self._round is not None
        now = time.monotonic()
        late = [sent for sent in self._round.sent.values() if sent.deadline <= now]
        for sent in late:
            self._return(sent.request.member)
            self._retry(sent, lease_expired(self.policy.learning_lease))
        self.call_back(sent.task_id for sent in late)

    def lose(self, task_ids: Collection[str]) -> None:
        """These trainings are held by nobody; those that are still out are sent again."""
        if self._round is None:
            return
        for sent in [sent for sent in self._round.sent.values() if sent.task_id in task_ids]:
            self._return(sent.request.member)
            self._retry(sent, held_by_nobody())

    # -- ending -------------------------------------------------------------------------------------------------

    def _finish(self, plan: _Round) -> None:
        self._round = None
        self.reclaim(plan.data)
        self.context.mover.happened('trained')
        self.board.notify()

    def abandon(self) -> None:
        """The campaign is over: what was lent to trainings in flight is taken back."""
        if self._round is None:
            return
        for member in list(self._round.sent):
            self._return(member)
        self.reclaim(self._round.data)
        self._round = None
