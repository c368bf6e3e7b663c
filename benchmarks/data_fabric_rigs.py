"""What the data fabric's benchmark asks of a side, and Scoutbee's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from colmena.models import Result
from colmena.queue.base import ColmenaQueues
from data_fabric_ground import NONE, Ground, site_of
from data_fabric_tasks import look

from scoutbee.contracts.campaign import INFER, KINDS
from scoutbee.contracts.storage import Loan
from scoutbee.fabric.depots import make_depot, new_run_name
from scoutbee.fabric.engines import make_engine
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.stores import Places, TopicStore

THRESHOLD = 1000
"""Every object is at least so large, in bytes, and no result is."""

_PATIENCE = 120


@dataclass(frozen=True)
class Inputs:
    """How a task came by its object.

    Attributes:
        seconds: From its worker having its message to its function having its object.
        is_hit: Whether its worker had the object in its cache.
    """

    seconds: float
    is_hit: bool


class Rig(ABC):
    """One side, running inside its block."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Rig:
        try:
            self._start(self._stack)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @abstractmethod
    def lend(self, obj: Any) -> Any:
        """Make an object available; returns what ``send`` and ``reclaim`` want."""

    @abstractmethod
    def reclaim(self, lent: Any) -> None:
        """Take an object back."""

    @abstractmethod
    def send(self, lent: Any, number: int) -> None:
        """Send a task that looks at a lent object; its result has the number in its ``task_info``."""

    def receive(self) -> Result:
        """The next result.

        Raises:
            RuntimeError: If its task failed.
        """
        result = self._queues.get_result(INFER, timeout=_PATIENCE)
        if result is None or not result.success:
            raise RuntimeError(f'A task of {type(self).__name__} failed: {result and result.failure_info}')
        return result

    @abstractmethod
    def inputs(self, result: Result) -> Inputs:
        """How the task of a result came by its object; asked once for each, in the order they were received."""

    _queues: ColmenaQueues

    @abstractmethod
    def _start(self, stack: ExitStack) -> None:
        """Start all that is needed; the stack stops it."""


class Scoutbee(Rig):
    """Depot, queues and engine as the driver puts them together."""

    def __init__(self, ground: Ground, backend: str) -> None:
        """Args: ground: What it stands on. backend: How objects travel."""
        super().__init__()
        self._ground = ground
        self._backend = backend

    def _start(self, stack: ExitStack) -> None:
        ground = self._ground
        folder = ground.folder / f'scoutbee-{self._backend}'
        folder.mkdir()
        places = Places(
            new_run_name(),
            ground.address,
            folder / 'objects',
            globus_config=ground.globus_config,
            endpoints=ground.endpoints,
        )
        topics = {} if self._backend == NONE else {INFER: TopicStore(self._backend, THRESHOLD)}
        self._depot = make_depot(places, topics)
        stack.callback(self._depot.close)
        queues = SecureRedisQueues(
            ground.address, KINDS, prefix=places.run, stores=self._depot.stores, thresholds=self._depot.thresholds
        )
        self._queues = queues
        stack.callback(queues.disconnect)
        stack.callback(queues.flush)
        engine = stack.enter_context(make_engine(site_of(ground), None, {INFER: look}, queues, folder))
        engine.wait_until_ready()

    def lend(self, obj: Any) -> Loan:
        """Lend an object of the topic."""
        return self._depot.lend(INFER, obj)

    def reclaim(self, lent: Loan) -> None:
        """Take the object back."""
        self._depot.reclaim(lent)

    def send(self, lent: Loan, number: int) -> None:
        """Send a task."""
        self._queues.send_inputs(lent.ref, method=INFER, topic=INFER, task_info={'number': number})

    def inputs(self, result: Result) -> Inputs:
        """What the worker noted down."""
        seconds = result.time.deserialize_inputs + result.time.additional.get('resolve_proxies', 0.0)
        return Inputs(seconds, any(moves['in']['hit'] for moves in result.time.proxy.values()))
