"""Run a campaign to its end inside this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scoutbee.agents.board import Outcome
from scoutbee.agents.thinker import Thinker
from scoutbee.contracts.campaign import Campaign
from scoutbee.contracts.policy import Policy
from scoutbee.traces.replay import replay
from scoutbee.traces.writer import TraceWriter

from .depot import CountingDepot, MemoryShelf
from .queues import ThreadQueues
from .server import Interference, ThreadTaskServer


@dataclass(frozen=True)
class InlineRun:
    """A campaign that has ended.

    Attributes:
        outcome: How it ended.
        thinker: The Thinker, with all it knows.
        depot: What lent objects; ``depot.lent`` holds what was not taken back.
        shelf: The models that were trained.
    """

    outcome: Outcome
    thinker: Thinker
    depot: CountingDepot
    shelf: MemoryShelf


def run_inline(
    campaign: Campaign,
    policy: Policy,
    run_dir: Path,
    *,
    interfere: Interference | None = None,
    workers: int = 4,
    timeout: float = 60.0,
    resume: MemoryShelf | None = None,
) -> InlineRun:
    """Run a campaign with the real Thinker, queues between threads and a task server on threads.

    Args:
        campaign: The campaign.
        policy: How the agents behave.
        run_dir: Where the trace goes.
        interfere: Sees every request before it runs, and may lose, delay or break it.
        workers: Threads that run tasks.
        timeout: Seconds after which the campaign counts as hanging.
        resume: The shelf of the run in this directory, which is gone on with; the campaign must be a fresh one.

    Raises:
        TimeoutError: If the campaign has not ended by then.
    """
    queues = ThreadQueues()
    depot, shelf = CountingDepot(), resume or MemoryShelf()
    history = None if resume is None else replay(run_dir)
    with TraceWriter(run_dir) as traces, ThreadTaskServer(queues, campaign.tasks(), workers, interfere):
        thinker = Thinker(queues, campaign, policy, traces, depot, shelf)
        if history is not None:
            thinker.resume(history)
        thinker.start()
        thinker.join(timeout)
        if thinker.is_alive():
            facts = thinker.board.facts()
            thinker.interrupt()
            thinker.interrupt()
            thinker.join(5)
            raise TimeoutError(f'Expected the campaign to end within {timeout:g} s; it stands at {facts}.')
        assert thinker.outcome is not None
        return InlineRun(thinker.outcome, thinker, depot, shelf)
