"""Questions to models: what is still to be asked and what is out, shared by inference launcher and receiver."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from scoutbee.contracts.learning import ModelVersion
from scoutbee.contracts.storage import Loan
from scoutbee.traces.history import Tries, Work

from .agenda import Agenda
from .learning import Question


@dataclass
class _Out:
    """A question that is out; its task is known once the queue has taken it."""

    deadline: float
    task_id: str | None = None


@dataclass
class _Inquiry:
    """One model being asked: the loan of it, and the chunks it is still to be asked about."""

    model: Loan
    lacking: set[int]
    is_open: bool = True


@dataclass(frozen=True)
class Unanswered:
    """What was out for nobody any more when a model was closed.

    Attributes:
        questions: How many questions; each held a slot.
        task_ids: Their tasks, as far as the queue had taken them.
    """

    questions: int = 0
    task_ids: tuple[str, ...] = ()


class Inquiries:
    """Keeps the loan of each model from before its first question until its last answer. Thread-safe."""

    def __init__(self, lease: float, losses: int) -> None:
        """Begin with nothing to ask.

        Args:
            lease: Seconds after which a question without an answer is lost.
            losses: After so many lost attempts at a question to several models, each is asked alone.
        """
        self._lease = lease
        self._agenda = Agenda(losses)
        self._lock = threading.Lock()
        self._models: dict[ModelVersion, _Inquiry] = {}
        self._out: dict[Question, _Out] = {}

    # -- asking -------------------------------------------------------------------------------------------------

    def __contains__(self, version: ModelVersion) -> bool:
        """Whether a model is lent."""
        with self._lock:
            return version in self._models

    def open(self, version: ModelVersion, model: Loan, chunks: Iterable[int]) -> None:
        """A model is to be asked about some chunks.

        Args:
            version: Which; not one that is lent already.
            model: The loan of it.
            chunks: What it has not answered.
        """
        with self._lock:
            self._models[version] = _Inquiry(model, set(chunks))

    def has_questions(self) -> bool:
        """Whether something is still to be asked."""
        with self._lock:
            return any(inquiry.lacking for inquiry in self._models.values())

    def take(self, tries: Mapping[Work, Tries]) -> tuple[Question, tuple[Loan, ...]] | None:
        """The next question, which is out from now on, and the loans of its models; None if there is none.

        Args:
            tries: What came to nothing before.
        """
        with self._lock:
            question = self._agenda.next({v: inquiry.lacking for v, inquiry in self._models.items()}, tries)
            if question is None:
                return None
            asked = [self._models[version] for version in question.versions]
            for inquiry in asked:
                inquiry.lacking.remove(question.chunk)
            self._out[question] = _Out(time.monotonic() + self._lease)
            return question, tuple(inquiry.model for inquiry in asked)

    def sent(self, question: Question, task_id: str) -> None:
        """The queue has taken a question, unless its answer is here already."""
        with self._lock:
            if question in self._out:
                self._out[question].task_id = task_id

    # -- hearing ------------------------------------------------------------------------------------------------

    def forget(self, question: Question) -> bool:
        """A question is no longer out; returns whether it was."""
        with self._lock:
            return self._out.pop(question, None) is not None

    def put_back(self, question: Question) -> None:
        """A question that is no longer out came to nothing: the models that still count are to be asked again."""
        with self._lock:
            for inquiry in self._open_of(question):
                inquiry.lacking.add(question.chunk)

    def waiting(self, question: Question) -> frozenset[ModelVersion]:
        """The models of a question whose answer still counts."""
        with self._lock:
            return frozenset(version for version in question.versions if self._is_open(version))

    def task_ids(self) -> list[str]:
        """Tasks of all questions that are out, as far as they are known."""
        with self._lock:
            return [out.task_id for out in self._out.values() if out.task_id is not None]

    def overdue(self) -> list[tuple[Question, str | None]]:
        """Questions whose lease has run out, with their tasks; they are no longer out."""
        now = time.monotonic()
        with self._lock:
            late = [(question, out.task_id) for question, out in self._out.items() if out.deadline <= now]
        return [(question, task_id) for question, task_id in late if self.forget(question)]

    def lost(self, task_ids: Collection[str]) -> list[Question]:
        """The questions of these tasks that were still out; they are no longer."""
        with self._lock:
            lost = [question for question, out in self._out.items() if out.task_id in task_ids]
        return [question for question in lost if self.forget(question)]

    # -- closing ------------------------------------------------------------------------------------------------

    def close(self, version: ModelVersion) -> Unanswered:
        """The model's last answer is there, or it is given up.

        Questions that were out for models alone that are closed are not out any more. Its loan can be taken back as
        soon as no question needs it that still is: see :meth:`unused`.
        """
        with self._lock:
            inquiry = self._models.get(version)
            if inquiry is None:
                return Unanswered()
            inquiry.is_open = False
            inquiry.lacking.clear()
            idle = [question for question in self._out if not any(map(self._is_open, question.versions))]
            ended = [self._out.pop(question) for question in idle]
        return Unanswered(len(ended), tuple(out.task_id for out in ended if out.task_id is not None))

    def close_all(self) -> None:
        """Nobody is asked any more."""
        for version in list(self._models):
            self.close(version)

    def unused(self) -> list[Loan]:
        """Loans of closed models that no question needs any more; each is returned once, to be taken back."""
        with self._lock:
            used = {version for question in self._out for version in question.versions}
            unused = [v for v, inquiry in self._models.items() if not inquiry.is_open and v not in used]
            return [self._models.pop(version).model for version in unused]

    def _is_open(self, version: ModelVersion) -> bool:
        return version in self._models and self._models[version].is_open

    def _open_of(self, question: Question) -> list[_Inquiry]:
        return [self._models[version] for version in question.versions if self._is_open(version)]
