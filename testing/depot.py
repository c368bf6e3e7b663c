"""Doubles of what keeps large objects and models."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.contracts.storage import Loan


class CountingDepot:
    """Lends the objects themselves, and knows which were not reclaimed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.lent: dict[str, str] = {}
        self.created = 0

    def lend(self, topic: str, obj: Any) -> Loan:
        """Lend the object itself."""
        key = uuid4().hex
        with self._lock:
            self.lent[key] = topic
            self.created += 1
        return Loan(ref=obj, key=key, size=0)

    def reclaim(self, loan: Loan) -> None:
        """Take it back; a second time is harmless."""
        with self._lock:
            if loan.key is not None:
                self.lent.pop(loan.key, None)


class MemoryShelf:
    """Keeps models and predictions in memory; what is taken out of the dicts is lost."""

    def __init__(self) -> None:
        self.models: dict[ModelVersion, TrainedModel] = {}
        self.predictions: dict[int, dict[int, NDArray[Any]]] = {}

    def save(self, model: TrainedModel) -> str:
        """Keep the model."""
        self.models[model.version] = model
        return f'models/{model.version}.npz'

    def load(self, version: ModelVersion, file: str) -> TrainedModel:
        """Give it back.

        Raises:
            ConfigurationError: If it is not there.
        """
        if version not in self.models:
            raise ConfigurationError(f'Expected a model in {file}, found none.')
        return self.models[version]

    def keep(self, generation: int, values: NDArray[Any]) -> tuple[str, int]:
        """Keep the answer to one question; the offset is its number."""
        answers = self.predictions.setdefault(generation, {})
        answers[len(answers)] = values
        return f'predictions/g{generation}.npy', len(answers) - 1

    def fetch(self, file: str, offset: int) -> NDArray[Any]:
        """Give it back.

        Raises:
            ConfigurationError: If it is not there.
        """
        generation = int(file.removeprefix('predictions/g').removesuffix('.npy'))
        if offset not in self.predictions.get(generation, {}):
            raise ConfigurationError(f'Expected predictions at {offset} of {file}, found none.')
        return self.predictions[generation][offset]

    def discard_predictions(self, standing: Iterable[ModelVersion]) -> None:
        """Forget what is superseded."""
        generations = {version.generation for version in standing}
        for generation in self.predictions.keys() - generations:
            if generation < max(generations, default=0):
                del self.predictions[generation]
