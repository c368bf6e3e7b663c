"""What is learned: trained models, requests to train them, and their predictions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class ModelArtifact:
    """A trained model as it travels and rests: configuration and arrays, no code.

    Attributes:
        surrogate: Name of the surrogate that made it and can load it (``mpnn``, ``fingerprint``, …).
        config: Plain data that JSON can hold; enough to rebuild the model around its arrays.
        arrays: Weights and statistics by name.
        metrics: What training measured (losses, epochs, seconds), for the trace.
    """

    surrogate: str
    config: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class ModelVersion:
    """Which training of which ensemble member; generation 0 is an ensemble loaded from disk."""

    generation: int
    member: int

    def __str__(self) -> str:
        return f'g{self.generation}m{self.member}'

    @classmethod
    def parse(cls, text: str) -> ModelVersion:
        """The version that is written so.

        Raises:
            ValueError: If the text is not of the form ``g3m0``.
        """
        match = re.fullmatch(r'g(\d{1,9})m(\d{1,9})', text)
        if match is None:
            raise ValueError(f'Expected a model version such as g3m0, got {text!r}.')
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class TrainedModel:
    """A model and the version it carries."""

    version: ModelVersion
    artifact: ModelArtifact


@dataclass(frozen=True)
class TrainingRequest:
    """One ensemble member to train; ``args`` follow the shared data in the call of ``train``."""

    member: int
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class TrainingRound:
    """All members to train now.

    Attributes:
        data: First argument of every ``train`` call; sent once, however many members there are.
        size: Number of observations in it.
        requests: One per member.
    """

    data: Any
    size: int
    requests: Sequence[TrainingRequest]


@dataclass(frozen=True)
class Chunk:
    """A piece of what every model is asked about. ``data`` is the second argument of ``infer``; ``size`` its rows."""

    index: int
    data: Any
    size: int


@dataclass(frozen=True)
class Predictions:
    """What the newest models predict.

    Attributes:
        versions: Version of each model that has predicted every chunk; one per member, ordered by member.
        arrays: ``arrays[i][c]`` is what model ``i`` returned for chunk ``c``.
    """

    versions: tuple[ModelVersion, ...]
    arrays: tuple[tuple[NDArray[Any], ...], ...]
