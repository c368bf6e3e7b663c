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
        self.predictions: dict[ModelVersion, dict[int, NDArray[Any]]] = {}

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

    def keep(self, version: ModelVersion, values: NDArray[Any]) -> tuple[str, int]:
        """Keep one chunk; the offset is its number."""
        chunks = self.predictions.setdefault(version, {})
        chunks[len(chunks)] = values
        return f'predictions/{version}.npy', len(chunks) - 1

    def fetch(self, file: str, offset: int) -> NDArray[Any]:
        """Give it back.

        Raises:
            ConfigurationError: If it is not there.
        """
        version = ModelVersion.parse(file.removeprefix('predictions/').removesuffix('.npy'))
        if offset not in self.predictions.get(version, {}):
            raise ConfigurationError(f'Expected predictions at {offset} of {file}, found none.')
        return self.predictions[version][offset]

    def discard_predictions(self, standing: Iterable[ModelVersion]) -> None:
        """Forget what is superseded."""
        newest = {version.member: version for version in standing}
        for version in list(self.predictions):
            if version.member in newest and version < newest[version.member]:
                del self.predictions[version]
