"""What the models of a campaign predicted, as far as they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.learning import ModelVersion, Predictions


@dataclass
class _Answers:
    """What one model predicted, by chunk; the chunks of numbers stand in ``row``, one behind the other.

    Attributes:
        matrix: Array with a row for this model, shape (models, rows of all chunks), float32.
        place: Which row.
        chunks: Its predictions so far.
        are_numbers: Whether all of them stand in the row.
    """

    matrix: NDArray[np.float32]
    place: int
    chunks: dict[int, NDArray[Any]] = field(default_factory=dict)
    are_numbers: bool = True

    def put(self, chunk: int, where: slice, values: NDArray[Any]) -> None:
        row = self.matrix[self.place, where]
        if values.dtype == np.float32 and values.shape == row.shape:
            row[:] = values
            self.chunks[chunk] = row
        else:
            self.chunks[chunk] = values
            self.are_numbers = False


class PredictionTable:
    """Predictions by model and chunk; a member's older predictions stand until its new ones are complete.

    Numbers are written where a ranking will read them: the models that answer together are rows of one matrix. What is
    no float32 number a candidate is kept as it came.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        """Args: sizes: Rows of each chunk that every model is asked about."""
        self.n_chunks = len(sizes)
        ends = [int(end) for end in np.cumsum([0, *sizes])]
        self._places = [slice(start, end) for start, end in pairwise(ends)]
        self._rows = ends[-1]
        self._complete: dict[int, tuple[ModelVersion, _Answers]] = {}
        self._partial: dict[ModelVersion, _Answers] = {}
        self._newest = Predictions((), ())

    def expect(self, versions: Iterable[ModelVersion]) -> None:
        """Make room for models that will answer, together; those that have begun to answer stay where they are."""
        new = sorted(
            version for version in versions if version not in self._partial and not self._is_superseded(version)
        )
        if new:
            matrix = np.empty((len(new), self._rows), dtype=np.float32)
            self._partial.update({version: _Answers(matrix, place) for place, version in enumerate(new)})

    def file(self, version: ModelVersion, chunk: int, values: NDArray[Any]) -> bool:
        """File one chunk; returns whether that completes the model's predictions.

        A chunk filed twice, or one of a model older than the member's newest complete one, changes nothing.
        """
        if self._is_superseded(version):
            return False
        self.expect([version])
        answers = self._partial[version]
        if chunk not in answers.chunks:
            answers.put(chunk, self._places[chunk], values)
        if len(answers.chunks) < self.n_chunks:
            return False
        self._complete[version.member] = (version, answers)
        self._newest = self._gather()
        self._drop_partial([v for v in self._partial if v.member == version.member and v <= version])
        return True

    def _is_superseded(self, version: ModelVersion) -> bool:
        newest = self._complete.get(version.member)
        return newest is not None and newest[0] >= version

    def abandon(self, member: int) -> None:
        """Forget the predictions of a member that are not complete."""
        self._drop_partial([version for version in self._partial if version.member == member])

    def _drop_partial(self, versions: Iterable[ModelVersion]) -> None:
        for version in versions:
            self._partial.pop(version, None)

    def filed(self, version: ModelVersion) -> int:
        """How many chunks of a model are there and waiting for the rest."""
        answers = self._partial.get(version)
        return 0 if answers is None else len(answers.chunks)

    def missing(self, version: ModelVersion) -> list[int]:
        """Chunks that a model has not predicted; none if a newer model of its member has predicted all."""
        if self._is_superseded(version):
            return []
        answers = self._partial.get(version)
        return [chunk for chunk in range(self.n_chunks) if answers is None or chunk not in answers.chunks]

    def newest(self) -> Predictions:
        """The complete predictions of each member's newest model. They never change."""
        return self._newest

    def _gather(self) -> Predictions:
        found = [self._complete[member] for member in sorted(self._complete)]
        return Predictions(
            versions=tuple(version for version, _ in found),
            arrays=tuple(tuple(answers.chunks[c] for c in range(self.n_chunks)) for _, answers in found),
            whole=_whole([answers for _, answers in found]),
        )


def _whole(found: Sequence[_Answers]) -> NDArray[np.float32] | None:
    """The answers as one piece of a matrix, where they are that."""
    first = found[0]
    places = slice(first.place, first.place + len(found))
    is_whole = all(
        answers.are_numbers and answers.matrix is first.matrix and answers.place == place
        for place, answers in enumerate(found, start=first.place)
    )
    return first.matrix[places] if is_whole else None
