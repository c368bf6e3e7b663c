"""What the models of a campaign predicted, as far as they have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from scoutbee.contracts.learning import ModelVersion, Predictions


class PredictionTable:
    """Predictions by model and chunk, kept as they came.

    A member's older predictions stand until its new ones are complete.
    """

    def __init__(self, n_chunks: int) -> None:
        """Args: n_chunks: How many chunks every model is asked about."""
        self.n_chunks = n_chunks
        self._complete: dict[int, tuple[ModelVersion, dict[int, NDArray[Any]]]] = {}
        self._partial: dict[ModelVersion, dict[int, NDArray[Any]]] = {}
        self._newest = Predictions((), ())

    def file(self, version: ModelVersion, chunk: int, values: NDArray[Any]) -> bool:
        """File one chunk; returns whether that completes the model's predictions.

        A chunk filed twice, or one of a model older than the member's newest complete one, changes nothing.
        """
        if self._is_superseded(version):
            return False
        answers = self._partial.setdefault(version, {})
        answers.setdefault(chunk, values)
        if len(answers) < self.n_chunks:
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
        return len(self._partial.get(version, ()))

    def missing(self, version: ModelVersion) -> list[int]:
        """Chunks that a model has not predicted; none if a newer model of its member has predicted all."""
        if self._is_superseded(version):
            return []
        answers = self._partial.get(version, {})
        return [chunk for chunk in range(self.n_chunks) if chunk not in answers]

    def newest(self) -> Predictions:
        """The complete predictions of each member's newest model. They never change."""
        return self._newest

    def _gather(self) -> Predictions:
        found = [self._complete[member] for member in sorted(self._complete)]
        return Predictions(
            versions=tuple(version for version, _ in found),
            arrays=tuple(tuple(answers[chunk] for chunk in range(self.n_chunks)) for _, answers in found),
        )
