"""A small campaign with a known answer: find the largest of some numbers, knowing them only after simulating."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.campaign import Ranking, Snapshot
from scoutbee.contracts.candidates import Candidate, Choice, Objective, Observation
from scoutbee.contracts.errors import InputTaskError
from scoutbee.contracts.learning import Chunk, ModelArtifact, Predictions, TrainingRequest, TrainingRound


def hill(x: float) -> dict[str, float]:
    """One hill on the line: its top, 1.0, is at 0.7."""
    return {'height': math.exp(-(((x - 0.7) / 0.2) ** 2))}


def fit(data: tuple[NDArray[np.float64], NDArray[np.float64]], member: int, previous: Any = None) -> ModelArtifact:
    """A parabola through what is known; members differ by a small ridge."""
    x, y = data
    design = np.stack([np.ones_like(x), x, x * x], axis=1)
    weights = np.linalg.solve(design.T @ design + 1e-6 * (member + 1) * np.eye(3), design.T @ y)
    return ModelArtifact('parabola', {'member': member}, {'weights': weights}, {'loss': float(np.mean(y))})


def evaluate(artifacts: Sequence[ModelArtifact], x: NDArray[np.float64]) -> NDArray[np.float32]:
    """Heights the parabolas give, shape (models, n)."""
    weights = [artifact.arrays['weights'] for artifact in artifacts]
    return np.array([w[0] + w[1] * x + w[2] * x * x for w in weights], dtype=np.float32)


class HillCampaign:
    """Search a grid for the top of a hill. Deterministic, and fast enough for thousands of simulations a second."""

    name = 'hill'

    def __init__(
        self,
        size: int = 200,
        members: int = 2,
        chunk_size: int = 50,
        known: int = 8,
        seeds: int = 0,
        threshold: float | None = None,
        goal_found: int | None = None,
        saved: Sequence[ModelArtifact] = (),
        tasks: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        """Make a campaign.

        Args:
            size: Number of grid points, which are the candidates.
            members: Members of the ensemble.
            chunk_size: Candidates in a chunk.
            known: Points known before the campaign begins; they are not on the grid.
            seeds: Candidates to simulate before the first ranking.
            threshold: Height from which a point counts as found.
            goal_found: Found points that reach the goal.
            saved: An ensemble to start from.
            tasks: Functions to run instead of the real ones.
        """
        self.objective = Objective('height', 'm', maximize=True, threshold=threshold)
        self.grid = np.linspace(0.0, 1.0, size)
        self._members = members
        self._seeds = seeds
        self._goal_found = goal_found
        self._saved = saved
        self._tasks: dict[str, Callable[..., Any]] = {
            'simulate': hill,
            'train': fit,
            'infer': evaluate,
            **(tasks or {}),
        }
        x = np.linspace(0.05, 0.35, known)
        self._known = (x, np.array([hill(float(v))['height'] for v in x]))
        self._chunks = [
            Chunk(i, self.grid[start : start + chunk_size], len(self.grid[start : start + chunk_size]))
            for i, start in enumerate(range(0, size, chunk_size))
        ]
        self.told: list[Observation] = []

    def tasks(self) -> Mapping[str, Callable[..., Any]]:
        """What workers run."""
        return self._tasks

    def seeds(self) -> Iterator[Candidate]:
        """The first points of the grid."""
        return (self._candidate(row, Choice(ranking=0)) for row in range(self._seeds))

    def read(self, candidate: Candidate, output: Mapping[str, Any]) -> Observation:
        """The height; it must be a finite number."""
        height = output.get('height')
        if not isinstance(height, float) or not math.isfinite(height):
            raise InputTaskError(f'Expected a finite height of {candidate.key}, got {height!r}.')
        return Observation(candidate, height, dict(output))

    def follow_ups(self, observation: Observation) -> Sequence[Candidate]:
        """None; the campaign only remembers what it was told."""
        self.told.append(observation)
        return ()

    def goal(self) -> str | None:
        """Enough points above the threshold."""
        found = sum(self.objective.is_found(o.value) for o in self.told)
        if self._goal_found is not None and found >= self._goal_found:
            return f'{found} points above the threshold were found.'
        return None

    def initial_models(self) -> Sequence[ModelArtifact]:
        """The ensemble given, if any."""
        return self._saved

    def training_round(self, snapshot: Snapshot) -> TrainingRound | None:
        """All that is known; nothing can be learned from fewer than three points."""
        seen = [(float(o.candidate.args[0]), float(o.value or 0.0)) for o in snapshot.observations]
        x = np.concatenate([self._known[0], [a for a, _ in seen]])
        y = np.concatenate([self._known[1], [b for _, b in seen]])
        if len(x) < 3:
            return None
        requests = [TrainingRequest(m, (m, snapshot.models.get(m))) for m in range(self._members)]
        return TrainingRound((x, y), len(x), requests)

    def chunks(self) -> Sequence[Chunk]:
        """The grid in pieces."""
        return self._chunks

    def rank(self, predictions: Predictions, snapshot: Snapshot, number: int) -> Ranking:
        """By mean plus spread."""
        matrix = np.array([np.concatenate(chunks) for chunks in predictions.arrays])
        mean, std = matrix.mean(axis=0), matrix.std(axis=0)
        score = mean + std
        score[snapshot.taken_rows] = -np.inf
        order = np.argsort(-score, kind='stable')[: len(score) - len(snapshot.taken_rows)]
        generation = max(version.generation for version in predictions.versions)
        candidates = (
            self._candidate(int(row), Choice(number, float(score[row]), float(mean[row]), float(std[row]), generation))
            for row in order
        )
        return Ranking(candidates, scored=len(score))

    def _candidate(self, row: int, choice: Choice) -> Candidate:
        return Candidate(f'x{row}', (float(self.grid[row]),), row, choice)
