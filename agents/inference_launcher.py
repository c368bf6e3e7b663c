"""The inference launcher: trained models are asked together about every chunk of the search space."""

from __future__ import annotations

from collections.abc import Sequence

from scoutbee.contracts.campaign import INFER, TRAIN
from scoutbee.contracts.learning import Chunk
from scoutbee.contracts.storage import Loan

from .agent import PATIENCE, Agent
from .context import Context
from .inquiries import Inquiries
from .learning import Question, may_ask


class InferenceLauncher(Agent):
    """Wakes on each model trained; asks about every chunk of the search space all models that are ready.

    What a question is about is decided in the moment it can be sent, so that a model that became ready meanwhile takes
    part. A chunk is stored once for all models of the campaign, a model once for all its chunks.
    """

    name = 'inference launcher'

    def __init__(self, context: Context, inquiries: Inquiries) -> None:
        """Args: context: The parts of the running campaign; inquiries: What is asked, shared with the receiver."""
        super().__init__(context)
        self._inquiries = inquiries
        self._chunks: Sequence[Chunk] | None = None
        self._lent: dict[int, Loan] = {}

    def step(self) -> None:
        """Send one question; where there is none, wait for a model or for a question to be asked again."""
        if not self.board.wait(self._is_needed, PATIENCE):
            return
        slots = self.context.slots
        if not slots.acquire(INFER, 1, timeout=PATIENCE, cancel_if=self.board.done):
            return
        taken = None
        try:
            self._open_fresh()
            taken = self._take()
        finally:
            if taken is None:
                slots.release(INFER)
        if taken is not None:
            self._ask(*taken)

    def _is_needed(self) -> bool:
        return bool(self.board.learning.fresh) or (self._inquiries.has_questions() and self._may_ask())

    def _may_ask(self) -> bool:
        return may_ask(self.board.learning, self.policy, self.context.slots.available_slots(TRAIN))

    def _open_fresh(self) -> None:
        """Lend the models that are ready; with a resumed campaign, some of what they are asked is answered already."""
        learning = self.board.learning
        while learning.fresh:
            model = learning.fresh[0]
            if model.version not in self._inquiries:
                loan = self.context.depot.lend(INFER, model.artifact)
                self._inquiries.open(model.version, loan, learning.table.missing(model.version))
            with self.board.lock:
                learning.fresh.popleft()

    def _take(self) -> tuple[Question, tuple[Loan, ...]] | None:
        with self.board.lock:
            return self._inquiries.take(self.board.learning.tries) if self._may_ask() else None

    def _ask(self, question: Question, models: Sequence[Loan]) -> None:
        task_id: str | None = None
        try:
            task_id = self._send(question, models)
        finally:
            if task_id is not None:
                self._inquiries.sent(question, task_id)
            elif self._inquiries.forget(question):  # otherwise the slot was given back when its models were closed
                self._inquiries.put_back(question)
                self.context.slots.release(INFER)

    def _send(self, question: Question, models: Sequence[Loan]) -> str:
        return str(
            self.context.queues.send_inputs(
                tuple(model.ref for model in models),
                self._lend(question.chunk).ref,
                method=INFER,
                topic=INFER,
                keep_inputs=False,
                task_info={
                    'generation': question.generation,
                    'members': list(question.members),
                    'chunk': question.chunk,
                    'attempt': question.attempt,
                },
            )
        )

    def _lend(self, index: int) -> Loan:
        if index not in self._lent:
            self._lent[index] = self.context.depot.lend(INFER, self._all_chunks()[index].data)
        return self._lent[index]

    def _all_chunks(self) -> Sequence[Chunk]:
        if self._chunks is None:
            with self.context.campaign_lock:
                self._chunks = self.context.campaign.chunks()
        return self._chunks

    def abandon(self) -> None:
        """The campaign is over: the chunks and the models that were lent are taken back."""
        self._inquiries.close_all()
        for loan in (*self._lent.values(), *self._inquiries.unused()):
            self.reclaim(loan)
        self._lent.clear()
