"""What every agent is handed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

from colmena.queue.base import ColmenaQueues
from colmena.thinker.resources import ResourceCounter

from scoutbee.contracts.campaign import Campaign
from scoutbee.contracts.learning import TrainedModel
from scoutbee.contracts.policy import Policy
from scoutbee.contracts.storage import Depot
from scoutbee.traces.writer import TraceWriter

from .board import Board
from .slots import SlotMover


class ModelShelf(Protocol):
    """Keeps trained models on disk."""

    def save(self, model: TrainedModel) -> str:
        """Save a model durably; returns its file, relative to the run directory."""
        ...


@dataclass(frozen=True)
class Context:
    """The parts of a running campaign.

    Attributes:
        campaign: What is searched. Call it only while holding ``campaign_lock``.
        policy: How to behave.
        queues: Where tasks are sent and results come from.
        slots: How many tasks of each kind may run.
        mover: Moves slots between kinds when the policy says so.
        depot: Lends large objects to tasks.
        traces: The ledger; nothing is acted on before it is there.
        shelf: Where trained models are kept.
        board: What the agents share.
    """

    campaign: Campaign
    policy: Policy
    queues: ColmenaQueues
    slots: ResourceCounter
    mover: SlotMover
    depot: Depot
    traces: TraceWriter
    shelf: ModelShelf
    board: Board
    campaign_lock: threading.RLock = field(default_factory=threading.RLock)
