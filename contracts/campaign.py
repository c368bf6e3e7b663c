"""The protocol between the engine and what it steers.

The agents drive a campaign through these calls alone. They are made from one thread at a time (the Thinker holds a
lock around them), in the order of the trace, so a campaign may keep state: on resume the same calls are made again
for what is already recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidate, Objective, Observation
from .learning import Chunk, ModelArtifact, Predictions, TrainedModel, TrainingRound

SIMULATE = 'simulate'
TRAIN = 'train'
INFER = 'infer'

KINDS = (SIMULATE, TRAIN, INFER)
"""The kinds of task, which are also the names of their topics, methods and slots."""


@dataclass(frozen=True)
class Snapshot:
    """What is known at one moment.

    Attributes:
        observations: Every observation so far, in the order it was recorded.
        taken_rows: Rows of the search space that were submitted, done or not; shape (taken,), int64.
        models: Newest trained model of each member.
        generation: Number of training rounds started so far; a round asked for now gets the next number.
    """

    observations: Sequence[Observation] = ()
    taken_rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    models: Mapping[int, TrainedModel] = field(default_factory=dict)
    generation: int = 0


@dataclass(frozen=True)
class Ranking:
    """An order in which to simulate.

    Attributes:
        candidates: Best first, produced as they are asked for, so that a search space of millions costs only its
            top. Candidates that were taken may appear; the engine drops them.
        scored: How many candidates were compared.
        warnings: What a user should know about this ranking (constant predictions, say).
    """

    candidates: Iterator[Candidate]
    scored: int = 0
    warnings: Sequence[str] = ()


class Campaign(Protocol):
    """What is searched, how it is simulated, what learns from it, and when to stop."""

    @property
    def name(self) -> str:
        """Name of the campaign, as in ``--campaign``."""
        ...

    @property
    def objective(self) -> Objective:
        """What is looked for."""
        ...

    def tasks(self) -> Mapping[str, Callable[..., Any]]:
        """The functions that workers run, by kind.

        They must be importable on a worker (module-level, or ``functools.partial`` of one with plain arguments).

        * ``simulate(*candidate.args) -> dict``: plain data that JSON can hold
        * ``train(data, *request.args) -> ModelArtifact``
        * ``infer(artifacts, chunk_data) -> array`` of what each of several models predicts, one row a model; the
          models may be any of the campaign's, in any company
        """
        ...

    def seeds(self) -> Iterator[Candidate]:
        """Candidates to simulate, in order, until the first ranking replaces them; may be empty."""
        ...

    def read(self, candidate: Candidate, output: Mapping[str, Any]) -> Observation:
        """Turn what ``simulate`` returned into an observation.

        Raises:
            TaskError: If the output is not a valid observation.
        """
        ...

    def follow_ups(self, observation: Observation) -> Sequence[Candidate]:
        """Candidates that an observation calls for at once (the next segment of a replica, say); usually none.

        Called exactly once for every recorded observation, in recorded order.
        """
        ...

    def goal(self) -> str | None:
        """Why the campaign has reached its goal, or None; asked after each ``follow_ups``."""
        ...

    def initial_models(self) -> Sequence[ModelArtifact]:
        """An ensemble trained before, one artifact a member, or nothing."""
        ...

    def training_round(self, snapshot: Snapshot) -> TrainingRound | None:
        """What to train on all that is known, or None where that is not yet possible."""
        ...

    def chunks(self) -> Sequence[Chunk]:
        """What every model is asked about. The same objects each time, while the search space stays the same."""
        ...

    def rank(self, predictions: Predictions, snapshot: Snapshot, number: int) -> Ranking:
        """Order the candidates.

        Args:
            predictions: What the newest models predict.
            snapshot: What is known.
            number: Number of this ranking, from 1; anything random must be drawn from it and the campaign's seed,
                so that a resumed campaign draws the same.
        """
        ...


@runtime_checkable
class Adjustable(Protocol):
    """What a campaign may do besides: know other settings for a simulation that did not converge."""

    def adjust(self, candidate: Candidate, tried: int) -> Candidate | None:
        """The same candidate with other settings.

        Args:
            candidate: It, with the arguments that did not converge.
            tried: How many settings have been tried, from 1.

        Returns:
            The candidate with the same key, row and choice and other ``args``; None where nothing is left to try.
        """
        ...
