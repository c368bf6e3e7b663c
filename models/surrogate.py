"""What a surrogate is, and the shapes it keeps.

Axes: ``n`` candidates (or observations), ``d`` features. A surrogate is one ensemble *member*: the ensemble is made by
training several with different members' seeds, each in its own task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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

Progress = Callable[[int, int], None]
"""Called with how many inputs were looked at, and how many there are."""


def silent(done: int, total: int) -> None:
    """Progress that nobody wants to hear of."""


@dataclass(frozen=True)
class Screening(Generic[F]):
    """Features of those of ``n`` inputs that have some.

    Attributes:
        features: Features of the usable inputs, in their order; ``n - len(unusable)``.
        unusable: Rows of the inputs that have none; shape (unusable,), int64, sorted.
        fault: What is wrong with the first of these, as a sentence; None where there are none.
    """

    features: F
    unusable: NDArray[np.int64]
    fault: str | None = None

    def complete(self) -> F:
        """The features, of every input.

        Raises:
            InputTaskError: If an input has none; it names the first such.
        """
        if self.fault is not None:
            raise InputTaskError(self.fault)
        return self.features


class FeatureSource(Protocol):
    """Makes features, and makes them again of what a cache kept."""

    @property
    def name(self) -> str:
        """Name and version of the features, which are part of the cache's key."""
        ...

    def featurize(self, inputs: Sequence[Any], progress: Progress = silent) -> Features:
        """Features of ``n`` inputs; raises ``InputTaskError`` naming the first that has none."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Features:
        """The inverse of ``Features.arrays``; accepts memory-mapped arrays and does not copy them."""
        ...


class Featurizer(FeatureSource, Protocol):
    """Turns what a person writes about a candidate into features."""

    @property
    def piece(self) -> int:
        """Inputs that are best looked at together: some seconds of work."""
        ...

    def screen_pieces(self, inputs: Sequence[Any], pieces: Sequence[slice]) -> Iterator[Screening[Any]]:
        """``screen`` of some pieces of the inputs, each in its turn, on as many processes as it pays."""
        ...

    def join(self, parts: Sequence[Any]) -> Features:
        """The features of all parts, of which there is at least one, in order."""
        ...

    def screen(self, inputs: Sequence[Any], progress: Progress = silent) -> Screening[Any]:
        """Features of those of ``n`` inputs that have some, and which have none, in one pass."""
        ...


LARGEST_VALUE = 1e36
"""Largest magnitude of a value that is learned: predictions near it still fit a float32."""


@dataclass(frozen=True)
class TrainingData(Generic[F]):
    """Observations to learn from.

    Attributes:
        features: The observed candidates, ``n``.
        values: The objective's values, shape (n,), float64, in its unit.

    Raises:
        InputTaskError: If lengths differ, nothing is there, or a value is not finite or beyond ``LARGEST_VALUE``.
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
        largest = float(np.abs(self.values).max())
        if largest > LARGEST_VALUE:
            raise InputTaskError(
                f'Expected values to train on of at most {LARGEST_VALUE:g} in magnitude, got {largest:g}; use another '
                'unit.'
            )


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

    def check(self, artifact: ModelArtifact) -> None:
        """See, without heavy imports, whether a model can be used for predictions.

        Raises:
            InputTaskError: If it is not this surrogate's, or its arrays do not fit its configuration.
        """
        ...

    def predict(self, artifacts: Sequence[ModelArtifact], features: Any) -> NDArray[np.float32]:
        """What several models of this surrogate say of the same candidates, at once.

        Args:
            artifacts: The models, usually members of one ensemble.
            features: The candidates, ``n``.

        Returns:
            Predicted values, shape (models, n), in the unit each model was trained on. A model predicts the same
            whichever others are asked with it, up to rounding.

        Raises:
            InputTaskError: If an artifact is not this surrogate's, or its arrays do not fit its configuration.
        """
        ...


def alike(artifacts: Sequence[ModelArtifact], names: Sequence[str]) -> list[list[int]]:
    """Which models have the same arrays of some names, so that what is made of these can be shared.

    Args:
        artifacts: The models.
        names: The arrays that matter.

    Returns:
        Places in ``artifacts``, each once; those of one list are alike.
    """
    groups: dict[tuple[bytes, ...], list[int]] = {}
    for place, artifact in enumerate(artifacts):
        groups.setdefault(tuple(artifact.arrays[name].tobytes() for name in names), []).append(place)
    return list(groups.values())


def expect_model_of(surrogate: str, artifact: ModelArtifact) -> None:
    """Refuse a model that another surrogate made.

    Raises:
        InputTaskError: If it is not of the surrogate of that name.
    """
    if artifact.surrogate != surrogate:
        raise InputTaskError(
            f'Expected a model of the surrogate {surrogate!r}, got one of {artifact.surrogate!r}; train one first.'
        )
