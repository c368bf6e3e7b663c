"""What campaigns share that choose from a fixed search space with an ensemble of surrogates.

The life of such a campaign: everything known is learned by every member; every member predicts the whole search space
in chunks; an acquisition function turns the predictions into scores; the best candidates not yet taken are simulated.
A concrete campaign says what a candidate is and how it is simulated and read.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN, Ranking, Snapshot
from scoutbee.contracts.candidates import Candidate, Choice, Objective, Observation
from scoutbee.contracts.errors import TaskError
from scoutbee.contracts.learning import Chunk, ModelArtifact, Predictions, TrainingRequest, TrainingRound
from scoutbee.models.acquisition import AcquisitionContext, make_acquisition, top_order
from scoutbee.models.ensemble import Ensemble
from scoutbee.models.opening import Opener, make_opening
from scoutbee.models.registry import make_surrogate
from scoutbee.models.surrogate import LARGEST_VALUE, TrainingData
from scoutbee.models.tasks import infer, train

from .options import LearningOptions
from .search_space import SearchSpace

logger = logging.getLogger(__name__)

_SEEDS, _RANKING = 0, 1
"""First words of the seeds of what is drawn, so that no two draws share a stream."""


class EnsembleSearch(ABC):
    """A campaign over a fixed search space; keeps the ``Campaign`` protocol.

    Attributes:
        name: Name of the campaign; a concrete one sets it on its class.
        value_field: Where in the output of ``simulate`` the objective's value is; likewise.
        objective: What is looked for.
        space: What is chosen from.
        learning: How it learns and chooses.
    """

    name: str
    value_field: str

    def __init__(
        self,
        space: SearchSpace,
        objective: Objective,
        learning: LearningOptions,
        initial_models: Sequence[ModelArtifact] = (),
    ) -> None:
        """Begin with nothing observed.

        Args:
            space: What is chosen from.
            objective: What is looked for.
            learning: How it learns and chooses.
            initial_models: An ensemble trained before, one artifact a member.

        Raises:
            ConfigurationError: If the acquisition function is unknown.
        """
        self.space = space
        self.objective = objective
        self.learning = learning
        self._acquisition = make_acquisition(learning.acquisition, learning.beta)
        self._initial_models = tuple(initial_models)
        self._excluded = space.excluded
        self._chunks: tuple[Chunk, ...] | None = None
        self._found = 0

    @abstractmethod
    def key(self, row: int) -> str:
        """Identity of a candidate."""

    @abstractmethod
    def args(self, row: int) -> tuple[Any, ...]:
        """Arguments of ``simulate`` for a candidate."""

    @abstractmethod
    def simulate(self) -> Callable[..., Mapping[str, Any]]:
        """The function that simulates a candidate."""

    @property
    def reference_values(self) -> NDArray[np.float64]:
        """Values known before the campaign: what choosing at random would be compared with; shape (known,)."""
        return self.space.known_values

    def tasks(self) -> Mapping[str, Callable[..., Any]]:
        """The functions that workers run, by kind."""
        return {SIMULATE: self.simulate(), TRAIN: train, INFER: infer}

    def seeds(self) -> Iterator[Candidate]:
        """The order of the surrogate's opening where enough is known to learn from, otherwise a random one.

        Nothing where a first ranking is near and there is no opening: random picks would only waste simulations.
        """
        if len(self.space.known_rows) >= self.learning.minimum_observations:
            yield from self._opening()
        elif not self._initial_models:
            order = np.random.default_rng((self.learning.seed, _SEEDS)).permutation(self.space.size)
            for row in order[~np.isin(order, self._excluded)]:
                yield self._candidate(int(row), Choice(ranking=0))

    def read(self, candidate: Candidate, output: Mapping[str, Any]) -> Observation:
        """The objective's value from the output.

        Raises:
            TaskError: If it is missing, not a finite number, or too large to be learned from.
        """
        value = output.get(self.value_field) if isinstance(output, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise TaskError(
                f'Expected a finite number as {self.value_field} of {candidate.key}, got {value!r}; '
                'the simulation returned something it should have refused.'
            )
        if abs(value) > LARGEST_VALUE:
            raise TaskError(
                f'Expected {self.value_field} of {candidate.key} of at most {LARGEST_VALUE:g} in magnitude, got '
                f'{value:g}; nothing can be learned from it.'
            )
        return Observation(candidate, float(value), output)

    def follow_ups(self, observation: Observation) -> Sequence[Candidate]:
        """None; what was found is counted."""
        self._found += self.objective.is_found(observation.value)
        return ()

    def goal(self) -> str | None:
        """Enough found, where a number was asked for."""
        wanted = self.learning.enough_found
        if wanted is None or self._found < wanted:
            return None
        threshold = f'{self.objective.threshold:g} {self.objective.unit}'.strip()
        return f'{self._found} candidates reached {threshold}, as many as were wanted.'

    def initial_models(self) -> Sequence[ModelArtifact]:
        """The ensemble it was given."""
        return self._initial_models

    def training_round(self, snapshot: Snapshot) -> TrainingRound | None:
        """All members, on everything known; None where that is too little."""
        seen = [(o.candidate.row, o.value) for o in snapshot.observations]
        usable = [(row, value) for row, value in seen if row is not None and value is not None]
        rows = np.array([row for row, _ in usable], dtype=np.int64)
        values = np.array([value for _, value in usable], dtype=np.float64)
        rows = np.concatenate([self.space.known_rows, rows])
        if len(rows) < self.learning.minimum_observations:
            return None
        data = TrainingData(self.space.features.take(rows), np.concatenate([self.space.known_values, values]))
        requests = [self._request(member, snapshot) for member in range(self.learning.model_count)]
        return TrainingRound(data, len(rows), requests)

    def chunks(self) -> Sequence[Chunk]:
        """The candidates, in pieces of ``candidates_per_task``."""
        if self._chunks is None:
            step, size = self.learning.candidates_per_task, self.space.size
            bounds = [(start, min(start + step, size)) for start in range(0, size, step)]
            self._chunks = tuple(
                Chunk(i, self.space.piece(*bound, by_file=self.learning.features_by_file), bound[1] - bound[0])
                for i, bound in enumerate(bounds)
            )
        return self._chunks

    def rank(self, predictions: Predictions, snapshot: Snapshot, number: int) -> Ranking:
        """Best score first; only what is asked for becomes candidates."""
        ensemble = Ensemble(predictions.arrays, self.objective.sign)  # acquisition functions look for the largest
        rng = np.random.default_rng((self.learning.seed, _RANKING, number))
        scores = self._acquisition(ensemble, AcquisitionContext(rng, self._best(snapshot)))
        taken = np.concatenate([snapshot.taken_rows, self._excluded])
        generation = max(version.generation for version in predictions.versions)

        def produce() -> Iterator[Candidate]:
            for row in top_order(scores, taken):
                mean, std = ensemble.predicted(row)
                doubt = std if ensemble.members > 1 else None  # one model says nothing of its doubt
                yield self._candidate(row, Choice(number, float(scores[row]), mean, doubt, generation))

        return Ranking(produce(), self.space.size, self._warnings(predictions, ensemble))

    def _opening(self) -> Iterator[Candidate]:
        surrogate = make_surrogate(self.learning.surrogate, self.learning.surrogate_settings)
        if not isinstance(surrogate, Opener):
            return
        space = self.space
        try:
            opening = make_opening(surrogate, space.features, space.size, space.known_rows, space.known_values)
        except TaskError:
            logger.exception('There is no opening; the first candidates are those of the first ranking')
            return
        rng = np.random.default_rng((self.learning.seed, _RANKING, 0))
        alone = Ensemble(((opening.values,),), self.objective.sign)
        scores = self._acquisition(alone, AcquisitionContext(rng, self._best(Snapshot())))
        for place in top_order(scores, np.flatnonzero(np.isin(opening.rows, self._excluded))):
            choice = Choice(0, float(scores[place]), float(opening.values[place]))
            yield self._candidate(int(opening.rows[place]), choice)

    def _candidate(self, row: int, choice: Choice) -> Candidate:
        return Candidate(self.key(row), self.args(row), row, choice)

    def _request(self, member: int, snapshot: Snapshot) -> TrainingRequest:
        last = snapshot.models.get(member) if self.learning.warm_start else None
        previous = None if last is None else last.artifact
        learning = self.learning
        return TrainingRequest(
            member, (learning.surrogate, dict(learning.surrogate_settings), member, learning.seed, previous)
        )

    def _best(self, snapshot: Snapshot) -> float | None:
        """Best value known, in the direction of maximisation."""
        observed = [o.value for o in snapshot.observations if o.value is not None]
        values = np.concatenate([self.space.known_values, np.asarray(observed, dtype=np.float64)])
        if not len(values):
            return None
        return float((self.objective.sign * values).max())

    def _warnings(self, predictions: Predictions, ensemble: Ensemble) -> list[str]:
        return [
            f'Model {predictions.versions[place]} predicts the same value ({predictions.arrays[place][0][0]:.6g}) for '
            f'all {ensemble.size:,} candidates, so that it orders nothing; look at its training, or choose another '
            'surrogate.'
            for place in ensemble.constant_members()
        ]
