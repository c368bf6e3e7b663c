"""What the learning agents share: the update under way, the newest models, and what they predict."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from scoutbee.contracts.errors import Failure, FailureKind
from scoutbee.contracts.learning import ModelVersion, TrainedModel, TrainingRound
from scoutbee.contracts.policy import Policy
from scoutbee.traces.history import Tries, Work

from .horizon import RunTimes
from .predictions import PredictionTable

_NO_FAULT_OF_THE_WORK = frozenset({FailureKind.LOST, FailureKind.CANCELLED})


@dataclass
class Update:
    """One pass from a training round to a ranking by all its models.

    Attributes:
        generation: Number of the round; 0 for an ensemble that was loaded.
        members: Ensemble members that take part.
        started: When it began, seconds since the epoch.
        observations: Number of observations it learns from.
        trained: Members whose new model is there.
        predicted: Members whose new model has predicted every chunk.
        failed: Members that were given up in this update; they keep their older model and predictions.
    """

    generation: int
    members: frozenset[int]
    started: float
    observations: int = 0
    trained: set[int] = field(default_factory=set)
    predicted: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)

    @property
    def is_trained(self) -> bool:
        """Whether no training is outstanding."""
        return self.trained | self.failed >= self.members

    @property
    def is_over(self) -> bool:
        """Whether every member has predicted or was given up."""
        return self.predicted | self.failed >= self.members

    @property
    def came_to_nothing(self) -> bool:
        """Whether it is over without a single new prediction."""
        return self.is_over and not self.predicted


@dataclass(frozen=True)
class RestOfRound:
    """What is left to do of a training round.

    Attributes:
        generation: Number of the round.
        plan: The round, as the campaign planned it.
        members: Members that are neither trained nor given up.
    """

    generation: int
    plan: TrainingRound
    members: frozenset[int]


@dataclass(frozen=True)
class Question:
    """One inference task: models of one generation, the chunk they are asked about together, and which attempt it is.

    Attributes:
        generation: Of the models.
        members: Which, in order.
        chunk: What they are asked about.
        attempt: The highest number of an attempt to ask one of them about it.
    """

    generation: int
    members: tuple[int, ...]
    chunk: int
    attempt: int = 1

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """The models."""
        return tuple(ModelVersion(self.generation, member) for member in self.members)

    def __str__(self) -> str:
        models = ', '.join(map(str, self.versions))
        return f'chunk {self.chunk} by {"model" if len(self.members) == 1 else "models"} {models}'


class Learning:
    """State of the learning agents. Not thread-safe: its owner holds a lock."""

    def __init__(self, n_chunks: int) -> None:
        """Args: n_chunks: How many chunks every model is asked about."""
        self.table = PredictionTable(n_chunks)
        self.models: dict[int, TrainedModel] = {}
        self.generation = 0
        self.trained_on = 0
        self.update: Update | None = None
        self.training_wanted: str | None = None
        self.failed_updates = 0
        self.last_trouble = 'No model could be trained and asked'
        self.fresh: deque[TrainedModel] = deque()
        self.tries: dict[Work, Tries] = {}
        self.answered = 0
        self.unsent_trainings = 0
        """Models of the update whose training has still to be sent."""
        self.run_times = RunTimes()
        self._began = 0.0

    def begin(self, update: Update) -> None:
        """Start an update; there is never more than one."""
        assert self.update is None, 'an update is under way already'
        self.update = update
        self.answered = 0
        self.unsent_trainings = 0
        self.tries.clear()
        self._began = time.monotonic()
        self.training_wanted = None

    def accept(self, model: TrainedModel) -> None:
        """A model is trained: it becomes its member's newest, and is to be asked."""
        self.models[model.version.member] = model
        self.fresh.append(model)
        if self.update is not None:
            self.update.trained.add(model.version.member)

    @property
    def is_asking(self) -> bool:
        """Whether a model of the update is trained and has not answered everything yet."""
        update = self.update
        return update is not None and not update.predicted | update.failed >= update.trained

    def give_up(self, members: Iterable[int]) -> None:
        """The update goes on without these members."""
        if self.update is None:
            return
        for member in members:
            self.update.failed.add(member)
            self.table.abandon(member)

    def finish_if_over(self) -> Update | None:
        """End the update if every member has predicted or was given up; returns it then."""
        update = self.update
        if update is None or not update.is_over:
            return None
        self.update = None
        self.failed_updates = self.failed_updates + 1 if update.came_to_nothing else 0
        if update.observations:  # one that only asks older models says nothing of the time that training takes
            self.run_times.add(time.monotonic() - self._began)
        return update


def ranks_each_model(policy: Policy) -> bool:
    """Whether a ranking is made in the middle of an update; not where nothing may be launched before its end."""
    return policy.rerank == 'model' and policy.pause_during_update != 'launch'


def may_train(learning: Learning, policy: Policy) -> bool:
    """Whether a training may be sent, where trainings and questions share workers; see :func:`may_ask`."""
    return not (policy.share_learners and learning.is_asking and _is_first_ranking_awaited(learning, policy))


def may_ask(learning: Learning, policy: Policy, free_trainers: int) -> bool:
    """Whether a question may be sent, where trainings and questions share workers.

    First the first model is trained and asked, because its ranking is the largest step. Then all others are trained,
    because they are asked in the least time together. With rankings by whole ensembles only, all are trained first.
    While the last are being trained, workers that have nothing to train ask.

    Args:
        learning: How far the update is.
        policy: Says whether workers are shared.
        free_trainers: Workers that train nothing now.
    """
    update = learning.update
    if not policy.share_learners or update is None or update.is_trained:
        return True
    return _is_first_ranking_awaited(learning, policy) or (free_trainers > 0 and not learning.unsent_trainings)


def _is_first_ranking_awaited(learning: Learning, policy: Policy) -> bool:
    update = learning.update
    return update is not None and not update.predicted and ranks_each_model(policy)


def count_failure(tries: Tries, attempt: int, failure: Failure) -> Tries:
    """The tally of a training or an inference after one more attempt came to nothing."""
    lost = failure.kind in _NO_FAULT_OF_THE_WORK
    return Tries(attempt, tries.failures + (not lost), tries.losses + lost)


def worst(tries: Iterable[Tries]) -> Tries:
    """What came to nothing of the work of several models that goes on together: the most of each count."""
    before = list(tries)
    return Tries(*(max(getattr(each, name) for each in before) for name in ('attempt', 'failures', 'losses')))


def is_hopeless(tries: Tries, failure: Failure, policy: Policy) -> bool:
    """Whether a training or an inference is not worth another attempt."""
    return (
        failure.kind is FailureKind.INPUT or tries.failures > policy.learning_retries or tries.losses >= policy.losses
    )
