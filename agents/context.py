"""What every agent is handed."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from colmena.queue.base import ColmenaQueues
from numpy.typing import NDArray

from scoutbee.contracts.campaign import SIMULATE, Campaign
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.contracts.policy import Policy
from scoutbee.contracts.storage import Depot
from scoutbee.traces.writer import TraceWriter

from .board import Board
from .slots import SlotCounter, SlotMover


class Shelf(Protocol):
    """Keeps trained models and their predictions on disk. Files are told relative to the run directory."""

    def save(self, model: TrainedModel) -> str:
        """Save a model durably; returns its file."""
        ...

    def load(self, version: ModelVersion, file: str) -> TrainedModel:
        """Load a model.

        Raises:
            ScoutbeeError: If it cannot be read.
        """
        ...

    def keep(self, generation: int, values: NDArray[Any]) -> tuple[str, int]:
        """Keep what models of a generation predicted for one chunk; returns the file and where it begins, in bytes."""
        ...

    def fetch(self, file: str, offset: int) -> NDArray[Any]:
        """Read back what was kept.

        Raises:
            ScoutbeeError: If it cannot be read.
        """
        ...

    def discard_predictions(self, standing: Iterable[ModelVersion]) -> None:
        """A ranking by these models is on disk: the predictions of generations that have no say in it can go."""
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
        shelf: Where trained models and predictions are kept.
        board: What the agents share.
    """

    campaign: Campaign
    policy: Policy
    queues: ColmenaQueues
    slots: SlotCounter
    mover: SlotMover
    depot: Depot
    traces: TraceWriter
    shelf: Shelf
    board: Board
    campaign_lock: threading.RLock = field(default_factory=threading.RLock)

    def simulation_workers(self) -> int:
        """Simulations that can run at once; there are as many slots, and those that are prefetched for."""
        return int(self.slots.allocated_slots(SIMULATE)) - (self.policy.prefetch or 0)
