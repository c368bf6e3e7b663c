"""Questions to models that are out: what the inference launcher and the inference receiver share."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from scoutbee.contracts.campaign import INFER
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.contracts.storage import Depot, Loan

from .learning import Question


@dataclass
class _Out:
    """A question that is out; its task is known once the queue has taken it."""

    deadline: float
    task_id: str | None = None


@dataclass
class _Inquiry:
    """One model being asked: the loan of it, and what is out."""

    model: Loan
    out: dict[Question, _Out] = field(default_factory=dict)


@dataclass(frozen=True)
class Unanswered:
    """What was still out of a model that was closed.

    Attributes:
        questions: How many questions; each held a slot.
        task_ids: Their tasks, as far as the queue had taken them.
    """

    questions: int = 0
    task_ids: tuple[str, ...] = ()


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

    def begin(self, question: Question) -> Loan | None:
        """A question is about to go out: the loan of its model, or None if the model was closed."""
        with self._lock:
            inquiry = self._open.get(question.version)
            if inquiry is None:
                return None
            inquiry.out[question] = _Out(time.monotonic() + self._lease)
            return inquiry.model

    def sent(self, question: Question, task_id: str) -> None:
        """The queue has taken a question, unless its answer is here already."""
        with self._lock:
            inquiry = self._open.get(question.version)
            if inquiry is not None and question in inquiry.out:
                inquiry.out[question].task_id = task_id

    def forget(self, question: Question) -> bool:
        """A question is no longer out; returns whether it was."""
        with self._lock:
            inquiry = self._open.get(question.version)
            return inquiry is not None and inquiry.out.pop(question, None) is not None

    def task_ids(self) -> list[str]:
        """Tasks of all questions that are out, as far as they are known."""
        with self._lock:
            out = [o for inquiry in self._open.values() for o in inquiry.out.values()]
        return [o.task_id for o in out if o.task_id is not None]

    def overdue(self) -> list[tuple[Question, str | None]]:
        """Questions whose lease has run out, with their tasks; they are no longer out."""
        now = time.monotonic()
        with self._lock:
            return [
                (question, inquiry.out.pop(question).task_id)
                for inquiry in self._open.values()
                for question, out in list(inquiry.out.items())
                if out.deadline <= now
            ]

    def lost(self, task_ids: Collection[str]) -> list[Question]:
        """The questions of these tasks that were still out; they are no longer."""
        lost = []
        with self._lock:
            for inquiry in self._open.values():
                lost += [question for question, out in inquiry.out.items() if out.task_id in task_ids]
                for question in lost:
                    inquiry.out.pop(question, None)
        return lost

    def close(self, version: ModelVersion) -> Unanswered:
        """The model's last answer is there, or it is given up: take it back. Returns what was still out."""
        with self._lock:
            inquiry = self._open.pop(version, None)
        if inquiry is None:
            return Unanswered()
        self._depot.reclaim(inquiry.model)
        ids = tuple(out.task_id for out in inquiry.out.values() if out.task_id is not None)
        return Unanswered(len(inquiry.out), ids)

    def close_all(self) -> None:
        """Take every model back."""
        for version in list(self._open):
            self.close(version)
