"""The Thinker: six agents wired to one board, on Colmena's ``BaseThinker``."""

from __future__ import annotations

import logging
import time
from typing import Any

from colmena.queue.base import ColmenaQueues
from colmena.thinker import BaseThinker, agent

from scoutbee.contracts.campaign import KINDS, Campaign
from scoutbee.contracts.policy import Policy
from scoutbee.contracts.progress import Progress
from scoutbee.contracts.storage import Depot
from scoutbee.traces.replay import RESUMED, History
from scoutbee.traces.writer import TraceWriter

from .board import Board, Outcome
from .buffer_manager import BufferManager
from .context import Context, Shelf
from .inference_launcher import InferenceLauncher
from .inference_receiver import InferenceReceiver
from .inquiries import Inquiries
from .resuming import Resumption
from .simulation_launcher import SimulationLauncher
from .simulation_receiver import SimulationReceiver
from .slots import SlotMover, make_slots
from .trainer import Trainer


class Thinker(BaseThinker):
    """Steers one campaign.

    Colmena starts each method marked ``@agent`` on a thread of its own. Its ready-made agents (``result_processor``,
    ``event_responder``) are not used, because they wait without a limit for results that were lost and for partners
    that died, and forget a trigger that comes while they respond to one.

    Start it with ``start()``; ``join()`` it; then ``outcome`` says how the campaign ended.
    """

    def __init__(
        self,
        queues: ColmenaQueues,
        campaign: Campaign,
        policy: Policy,
        traces: TraceWriter,
        depot: Depot,
        shelf: Shelf,
    ) -> None:
        """Wire the agents.

        Args:
            queues: Where tasks are sent and results come from; topics ``simulate``, ``train`` and ``infer``.
            campaign: What is searched.
            policy: How to behave.
            traces: The ledger of the run.
            depot: Lends large objects to tasks.
            shelf: Keeps trained models and their predictions.
        """
        slots = make_slots(policy.slots, policy.prefetch)
        super().__init__(queues, slots, daemon=True, logger_name='scoutbee.agents')
        self.board = Board(policy, campaign.objective, len(campaign.chunks()), self.done)
        mover = SlotMover(policy, slots, traces, self.done)
        self.context = Context(campaign, policy, queues, slots, mover, depot, traces, shelf, self.board)
        inquiries = Inquiries(policy.learning_lease, policy.losses)
        self._launcher = SimulationLauncher(self.context)
        self._receiver = SimulationReceiver(self.context)
        self._trainer = Trainer(self.context)
        self._inference_launcher = InferenceLauncher(self.context, inquiries)
        self._inference_receiver = InferenceReceiver(self.context, inquiries)
        self._buffer_manager = BufferManager(self.context)
        self._history: History | None = None

    # -- the six agents -----------------------------------------------------------------------------------------

    @agent
    def simulation_launcher(self) -> None:
        """A free slot becomes a running simulation."""
        self._launcher.run()

    @agent
    def simulation_receiver(self) -> None:
        """A result becomes an observation."""
        self._receiver.run()

    @agent
    def trainer(self) -> None:
        """Observations become models."""
        self._trainer.run()

    @agent
    def inference_launcher(self) -> None:
        """Each model is asked about the whole search space."""
        self._inference_launcher.run()

    @agent
    def inference_receiver(self) -> None:
        """Answers become predictions."""
        self._inference_receiver.run()

    @agent
    def buffer_manager(self) -> None:
        """Predictions become the next candidates."""
        self._buffer_manager.run()

    # -- the beginning ------------------------------------------------------------------------------------------

    def resume(self, history: History) -> None:
        """Go on where a run stopped, instead of beginning. Call it before ``start()``.

        Args:
            history: What the run directory tells.
        """
        self._history = history

    def _set_out(self) -> None:
        """Put the agents where they were, or, where there is nothing before, where a campaign begins."""
        if self._history is not None:
            known = len(self._history.observations)
            self.traces.event(
                'thinker',
                RESUMED,
                f'Go on after {known} observations; {len(self._history.unfinished)} simulations are sent again.',
                observations=known,
                unfinished=len(self._history.unfinished),
            )
        rest = Resumption(self.context, self._history or History()).restore()
        if rest is not None:
            self._trainer.resume(rest)
        if self._history is not None:
            self._end_if_done_before()

    def _end_if_done_before(self) -> None:
        """A run that had reached its goal has nothing to go on with, unless it was given more to do."""
        goal = self.context.campaign.goal()
        size = self.board.policy.search_size
        if goal is not None or self.board.counts.succeeded >= size:
            self.board.end(
                'completed', goal or f'All {size} simulations were done before; --search-size asks for more.'
            )

    def run(self) -> None:
        """Run the agents until the campaign has ended; called by ``start()``. Never raises."""
        try:
            self._set_out()
            self.traces.event('thinker', 'started', 'The agents set out.', **self._plan(), **self.board.facts())
            super().run()
            self.board.end('failed', 'The agents stopped without a reason; runtime.log may tell more.')
            self._settle()
            assert self.board.outcome is not None
            ended = self.board.outcome
            self.traces.event('thinker', 'ended', ended.reason, status=ended.status, **self.board.facts())
        except Exception as error:
            self.logger.exception('The Thinker failed')
            self.board.end('failed', f'The Thinker failed: {type(error).__name__}: {error}')

    def _plan(self) -> dict[str, Any]:
        """What the campaign sets out with, for those who follow it by its ledger alone."""
        learning, update = self.board.learning, self.board.learning.update
        asked = None
        if update is not None:
            asked = {
                'generation': update.generation,
                'members': sorted(update.members),
                'trained': sorted(update.trained),
            }
        return {
            'search_size': self.board.policy.search_size,
            'slots': {kind: self.context.slots.allocated_slots(kind) for kind in KINDS},
            'prefetch': self.board.policy.prefetch or 0,
            'chunks': learning.table.n_chunks,
            'asked': asked,
        }

    def _settle(self) -> None:
        """Take back all that was lent; the agents are gone, so nobody else will."""
        self._trainer.abandon()
        self._inference_launcher.abandon()
        for flight in self.board.flights:
            self._receiver.reclaim(flight.loan)

    # -- from outside -------------------------------------------------------------------------------------------

    @property
    def traces(self) -> TraceWriter:
        """The ledger of the run."""
        return self.context.traces

    @property
    def outcome(self) -> Outcome | None:
        """How the campaign ended; None while it runs."""
        return self.board.outcome

    def interrupt(self) -> None:
        """Stop launching and keep what finishes within the policy's grace; called again, wait for nothing."""
        if not self.board.end('interrupted', 'Interrupted from outside.', grace=self.context.policy.grace):
            self.board.stop_draining()

    def call_roll(self) -> None:
        """Find out at once which tasks are held by nobody, because something that held them was started anew."""
        for roll in (self._receiver.roll, self._trainer.roll, self._inference_receiver.roll):
            roll.hurry()

    def fail(self, reason: str) -> None:
        """End the campaign because something it stands on is gone (the task server, say)."""
        logging.getLogger('scoutbee.agents').error('%s', reason)
        self.board.end('failed', reason)

    def progress(self) -> Progress:
        """One look at the campaign."""
        board, slots = self.board, self.context.slots
        with board.lock:
            learning, update = board.learning, board.learning.update
            asked = 0 if update is None else len(update.members - update.failed) * learning.table.n_chunks
            busy = {
                kind: (max(0, slots.allocated_slots(kind) - slots.available_slots(kind)), slots.allocated_slots(kind))
                for kind in KINDS
            }
            return Progress(
                search_size=board.policy.search_size,
                submitted=board.counts.submitted,
                in_flight=len(board.flights),
                succeeded=board.counts.succeeded,
                failed=board.counts.failed,
                quarantined=board.counts.quarantined,
                resubmitted=board.counts.resubmitted,
                found=board.counts.found,
                best=board.best,
                buffered=len(board.buffer),
                generation=board.ranked_generation,
                rankings=board.rankings,
                updating=update is not None,
                trained=(0, 0) if update is None else (len(update.trained), len(update.members)),
                inferred=(learning.answered if update is not None else 0, asked),
                busy=busy,
                elapsed=time.monotonic() - board.started,
            )
