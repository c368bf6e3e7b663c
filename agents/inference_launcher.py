"""The inference launcher: each trained model is asked about every chunk of the search space."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from scoutbee.contracts.campaign import INFER
from scoutbee.contracts.learning import Chunk, ModelVersion
from scoutbee.contracts.storage import Loan
from scoutbee.traces.history import Tries

from .agent import PATIENCE, Agent
from .context import Context
from .inquiries import Inquiries
from .learning import Question


class InferenceLauncher(Agent):
    """Wakes on each model trained; sends that model, under one proxy, with every chunk of the search space.

    A chunk is stored once for all models of the campaign, a model once for all its chunks.
    """

    name = 'inference launcher'

    def __init__(self, context: Context, inquiries: Inquiries) -> None:
        """Args: context: The parts of the running campaign; inquiries: What is out, shared with the receiver."""
        super().__init__(context)
        self._inquiries = inquiries
        self._chunks: Sequence[Chunk] | None = None
        self._lent: dict[int, Loan] = {}
        self._to_ask: deque[Question] = deque()

    def step(self) -> None:
        """Send one question; where there is none, wait for a model or for a question to be asked again."""
        if not self._to_ask and not self._find_questions():
            return
        if self._ask(self._to_ask[0]):
            self._to_ask.popleft()

    def _find_questions(self) -> bool:
        learning = self.board.learning
        if not self.board.wait(lambda: bool(learning.fresh or learning.again), PATIENCE):
            return False
        with self.board.lock:
            self._to_ask.extend(learning.again)
            learning.again.clear()
            model = learning.fresh[0] if learning.fresh else None
        if model is not None:
            self._inquiries.open(model)
            with self.board.lock:
                self._to_ask.extend(self._questions(model.version))
                learning.fresh.popleft()
        return True

    def _questions(self, version: ModelVersion) -> list[Question]:
        """What the model has not answered; with a resumed campaign, some of it may be answered already."""
        learning = self.board.learning
        return [
            Question(version, chunk, 1 + learning.tries.get((version, chunk), Tries()).attempt)
            for chunk in learning.table.missing(version)
        ]

    def _all_chunks(self) -> Sequence[Chunk]:
        if self._chunks is None:
            with self.context.campaign_lock:
                self._chunks = self.context.campaign.chunks()
        return self._chunks

    def _ask(self, question: Question) -> bool:
        """Send a question once a slot is free; returns whether it is dealt with."""
        slots = self.context.slots
        if not slots.acquire(INFER, 1, timeout=PATIENCE, cancel_if=self.board.done):
            return False
        model = self._inquiries.begin(question)
        if model is None:  # given up in the meantime
            slots.release(INFER)
            return True
        task_id: str | None = None
        try:
            task_id = self._send(question, model)
        finally:
            if task_id is not None:
                self._inquiries.sent(question, task_id)
            elif self._inquiries.forget(question):  # otherwise the slot was given back when the model was closed
                slots.release(INFER)
        return True

    def _send(self, question: Question, model: Loan) -> str:
        version = question.version
        return str(
            self.context.queues.send_inputs(
                model.ref,
                self._lend(question.chunk).ref,
                method=INFER,
                topic=INFER,
                keep_inputs=False,
                task_info={
                    'generation': version.generation,
                    'member': version.member,
                    'chunk': question.chunk,
                    'attempt': question.attempt,
                },
            )
        )

    def _lend(self, index: int) -> Loan:
        if index not in self._lent:
            self._lent[index] = self.context.depot.lend(INFER, self._all_chunks()[index].data)
        return self._lent[index]

    def abandon(self) -> None:
        """The campaign is over: the chunks and the models that were lent are taken back."""
        for loan in self._lent.values():
            self.reclaim(loan)
        self._lent.clear()
        self._inquiries.close_all()
