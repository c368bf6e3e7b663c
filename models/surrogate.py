"""What a surrogate is, and the shapes it keeps.

Axes: ``n`` candidates (or observations), ``d`` features. A surrogate is one ensemble *member*: the ensemble is made by
training several with different members' seeds, each in its own task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError
from scoutbee.contracts.learning import ModelArtifact


class Features(Protocol):
    """Candidates as compact arrays: what is computed once, cached, memory-mapped and sent in chunks."""

    def __len__(self) -> int:
        """Number of candidates, ``n``."""
        ...

    def take(self, rows: NDArray[np.int64] | slice) -> Features:
        """The candidates in these rows, in this order, as a new object of the same type."""
        ...

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Its content by name, for a cache or a file."""
        ...


F = TypeVar('F', bound=Features)


class Featurizer(Protocol):
    """Turns what a person writes about a candidate into features."""

    @property
    def name(self) -> str:
        """Name and version of the features, which are part of the cache's key."""
        ...

    def featurize(self, inputs: Sequence[Any]) -> Features:
        """Features of ``n`` inputs; raises ``InputTaskError`` naming the first that has none."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Features:
        """The inverse of ``Features.arrays``; accepts memory-mapped arrays and does not copy them."""
        ...


@dataclass(frozen=True)
class TrainingData(Generic[F]):
    """Observations to learn from.

    Attributes:
        features: The observed candidates, ``n``.
        values: The objective's values, shape (n,), float64, in its unit.

    Raises:
        InputTaskError: If lengths differ, nothing is there, or a value is not finite.
    """

    features: F
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.features),):
            raise InputTaskError(
                f'Expected one value for each of {len(self.features)} candidates, got shape {self.values.shape}.'
            )
        if len(self.values) == 0:
            raise InputTaskError('Expected at least one observation to train on, got none.')
        bad = int((~np.isfinite(self.values)).sum())
        if bad:
            raise InputTaskError(f'Expected finite values to train on, got {bad} of {len(self.values)} that are not.')


class Surrogate(Protocol):
    """Learns a value from features. Holds settings only; what was learned travels in the artifact."""

    @property
    def name(self) -> str:
        """Name under which ``models.registry`` finds it."""
        ...

    @property
    def featurizer(self) -> Featurizer:
        """What makes its features."""
        ...

    def train(
        self, data: TrainingData[Any], *, member: int, seed: int, previous: ModelArtifact | None = None
    ) -> ModelArtifact:
        """Train one ensemble member.

        Args:
            data: What to learn from.
            member: Which member; members differ by their seed, their split or their resample.
            seed: Seed of the campaign; the same seed, member and data give the same model on the same machine.
            previous: The member's last model, for surrogates that start from it.

        Raises:
            TaskError: If training came to nothing usable (values that are not finite, say).
        """
        ...

    def predict(self, artifact: ModelArtifact, features: Any) -> NDArray[np.float32]:
        """Predicted values, shape (n,), in the unit the model was trained on.

        Raises:
            InputTaskError: If the artifact is not this surrogate's, or its arrays do not fit its configuration.
        """
        ...
