"""A campaign over any number of random points, with a surrogate that costs next to nothing: what is left is the engine.

The points lie in a cube; a simulation tells how near one is to a place nobody knows. The surrogate is a linear model of
the coordinates and their squares, members differing by what they are shown, so rankings mean something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.campaigns.ensemble_search import EnsembleSearch
from scoutbee.campaigns.options import LearningOptions
from scoutbee.campaigns.search_space import SearchSpace
from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN, Snapshot
from scoutbee.contracts.candidates import Candidate, Objective
from scoutbee.contracts.learning import ModelArtifact, TrainingRequest
from scoutbee.models.surrogate import TrainingData
from scoutbee.models.vectors import Vectors

DIMENSION = 4
KNOWN = 64
"""Points known before the campaign, so that it begins with a ranking."""

_TOP = 0.75
_RIDGE = 1e-3


def nearness(*point: float) -> dict[str, float]:
    """How near a point is to the middle of the upper half of the cube; at most 0."""
    return {'nearness': -sum((x - _TOP) ** 2 for x in point)}


def fit(data: TrainingData[Vectors], member: int, seed: int) -> ModelArtifact:
    """A linear model of a bootstrap sample of what is known."""
    drawn = np.random.default_rng((seed, member)).integers(len(data.values), size=len(data.values))
    design, values = _terms(data.features.points[drawn]), data.values[drawn]
    weights = np.linalg.solve(design.T @ design + _RIDGE * np.eye(design.shape[1]), design.T @ values)
    return ModelArtifact('linear', {}, {'weights': weights})


def evaluate(artifacts: Sequence[ModelArtifact], features: Vectors) -> NDArray[np.float32]:
    """What the models predict, shape (models, n)."""
    weights = np.stack([artifact.arrays['weights'] for artifact in artifacts])
    return np.asarray(weights @ _terms(features.points).T, dtype=np.float32)


def _terms(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.ones((len(points), 1)), points, points**2], axis=1)


class RandomSpace(EnsembleSearch):
    """Find the points nearest to a place, knowing how near one is only after simulating it."""

    name = 'random_space'
    value_field = 'nearness'

    def __init__(self, size: int, **learning: Any) -> None:
        """Args: size: Number of points; learning: As ``LearningOptions``."""
        points = np.random.default_rng(0).random((size + KNOWN, DIMENSION))
        values = -((points[size:] - _TOP) ** 2).sum(axis=1)
        space = SearchSpace(Vectors(points), size, np.arange(size, size + KNOWN), values)
        super().__init__(space, Objective('nearness', ''), LearningOptions(**learning))

    def key(self, row: int) -> str:
        """Its row."""
        return f'x{row}'

    def args(self, row: int) -> tuple[Any, ...]:
        """Its coordinates."""
        return tuple(self.space.features.points[row].tolist())

    def simulate(self) -> Callable[..., Mapping[str, Any]]:
        """The function that simulates a candidate."""
        return nearness

    def seeds(self) -> Iterator[Candidate]:
        """None: enough is known for a ranking at once."""
        return iter(())

    def tasks(self) -> Mapping[str, Callable[..., Any]]:
        """The functions that workers run, by kind."""
        return {SIMULATE: nearness, TRAIN: fit, INFER: evaluate}

    def _request(self, member: int, snapshot: Snapshot) -> TrainingRequest:
        return TrainingRequest(member, (member, self.learning.seed))
