"""Questions to models that are out: what the inference launcher and the inference receiver share."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from scoutbee.contracts.campaign import INFER
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.contracts.storage import Depot, Loan

from .learning import Question


@dataclass
class _Inquiry:
    """One model being asked: the loan of it, and the deadline of each question that is out."""

    model: Loan
    out: dict[Question, float] = field(default_factory=dict)


class Inquiries:
    """Keeps each model lent from its first question until its last answer. Thread-safe."""

    def __init__(self, depot: Depot, lease: float) -> None:
        """Args: depot: Lends the models; lease: Seconds after which a question without an answer is lost."""
        self._depot = depot
        self._lease = lease
        self._lock = threading.Lock()
        self._open: dict[ModelVersion, _Inquiry] = {}

    def open(self, model: TrainedModel) -> None:
        """Lend a model that is to be asked."""
        with self._lock:
            if model.version not in self._open:
                self._open[model.version] = _Inquiry(self._depot.lend(INFER, model.artifact))

    def send(self, question: Question) -> Loan | None:
        """A question goes out: the loan of its model, or None if the model was closed."""
        with self._lock:
            inquiry = self._open.get(question.version)
            if inquiry is None:
                return None
            inquiry.out[question] = time.monotonic() + self._lease
            return inquiry.model

    def forget(self, question: Question) -> bool:
        """A question is no longer out; returns whether it was."""
        with self._lock:
            inquiry = self._open.get(question.version)
            return inquiry is not None and inquiry.out.pop(question, None) is not None

    def overdue(self) -> list[Question]:
        """Questions whose lease has run out; they are no longer out."""
        now = time.monotonic()
        with self._lock:
            late = [(i, q) for i in self._open.values() for q, deadline in i.out.items() if deadline <= now]
            for inquiry, question in late:
                del inquiry.out[question]
        return [question for _, question in late]

    def close(self, version: ModelVersion) -> int:
        """The model's last answer is there, or it is given up: take it back. Returns how many were still out."""
        with self._lock:
            inquiry = self._open.pop(version, None)
        if inquiry is None:
            return 0
        self._depot.reclaim(inquiry.model)
        return len(inquiry.out)

    def close_all(self) -> None:
        """Take every model back."""
        for version in list(self._open):
            self.close(version)
