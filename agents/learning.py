"""What the learning agents share: the update under way, the newest models, and what they predict."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from scoutbee.contracts.errors import Failure, FailureKind
from scoutbee.contracts.learning import ModelVersion, Predictions, TrainedModel, TrainingRound
from scoutbee.contracts.policy import Policy
from scoutbee.traces.history import Tries, Work

from .horizon import RunTimes

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


class PredictionTable:
    """Predictions by member and chunk; a member's older predictions stand until its new ones are complete."""

    def __init__(self, n_chunks: int) -> None:
        """Args: n_chunks: Number of chunks every model is asked about."""
        self.n_chunks = n_chunks
        self._complete: dict[int, tuple[ModelVersion, tuple[NDArray[Any], ...]]] = {}
        self._partial: dict[ModelVersion, dict[int, NDArray[Any]]] = {}

    def file(self, version: ModelVersion, chunk: int, values: NDArray[Any]) -> bool:
        """File one chunk; returns whether that completes the model's predictions.

        A chunk filed twice, or one of a model older than the member's newest complete one, changes nothing.
        """
        newest = self._complete.get(version.member)
        if newest is not None and newest[0] >= version:
            return False
        parts = self._partial.setdefault(version, {})
        parts[chunk] = values
        if len(parts) < self.n_chunks:
            return False
        self._complete[version.member] = (version, tuple(parts[c] for c in range(self.n_chunks)))
        self._drop_partial([v for v in self._partial if v.member == version.member and v <= version])
        return True

    def abandon(self, member: int) -> None:
        """Forget the predictions of a member that are not complete."""
        self._drop_partial([version for version in self._partial if version.member == member])

    def _drop_partial(self, versions: Iterable[ModelVersion]) -> None:
        for version in versions:
            self._partial.pop(version, None)

    def filed(self, version: ModelVersion) -> int:
        """How many chunks of a model are there and waiting for the rest."""
        return len(self._partial.get(version, ()))

    def missing(self, version: ModelVersion) -> list[int]:
        """Chunks that a model has not predicted; none if a newer model of its member has predicted all."""
        newest = self._complete.get(version.member)
        if newest is not None and newest[0] >= version:
            return []
        return [chunk for chunk in range(self.n_chunks) if chunk not in self._partial.get(version, ())]

    def newest(self) -> Predictions:
        """The complete predictions of each member's newest model."""
        rows = [self._complete[m] for m in sorted(self._complete)]
        return Predictions(versions=tuple(v for v, _ in rows), arrays=tuple(arrays for _, arrays in rows))


@dataclass(frozen=True)
class Question:
    """One inference task to send: a model, a chunk, and which attempt it is."""

    version: ModelVersion
    chunk: int
    attempt: int = 1


class Learning:
    """State of the learning agents. Not thread-safe: its owner holds a lock."""

    def __init__(self, n_chunks: int) -> None:
        """Args: n_chunks: Number of chunks every model is asked about."""
        self.table = PredictionTable(n_chunks)
        self.models: dict[int, TrainedModel] = {}
        self.generation = 0
        self.trained_on = 0
        self.update: Update | None = None
        self.training_wanted: str | None = None
        self.failed_updates = 0
        self.last_trouble = 'No model could be trained and asked'
        self.fresh: deque[TrainedModel] = deque()
        self.again: deque[Question] = deque()
        self.tries: dict[Work, Tries] = {}
        self.answered = 0
        self.run_times = RunTimes()
        self._began = 0.0

    def begin(self, update: Update) -> None:
        """Start an update; there is never more than one."""
        assert self.update is None, 'an update is under way already'
        self.update = update
        self.answered = 0
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


def count_failure(tries: Tries, attempt: int, failure: Failure) -> Tries:
    """The tally of a training or an inference after one more attempt came to nothing."""
    lost = failure.kind in _NO_FAULT_OF_THE_WORK
    return Tries(attempt, tries.failures + (not lost), tries.losses + lost)


def is_hopeless(tries: Tries, failure: Failure, policy: Policy) -> bool:
    """Whether a training or an inference is not worth another attempt."""
    return (
        failure.kind is FailureKind.INPUT or tries.failures > policy.learning_retries or tries.losses >= policy.losses
    )
