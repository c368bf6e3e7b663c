"""Doubles of what keeps large objects and models."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

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
    """Keeps models in memory."""

    def __init__(self) -> None:
        self.models: dict[ModelVersion, TrainedModel] = {}

    def save(self, model: TrainedModel) -> str:
        """Keep the model."""
        self.models[model.version] = model
        return f'models/{model.version}.npz'
