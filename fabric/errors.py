"""What can go wrong between the driver and its workers."""

from __future__ import annotations

from scoutbee.contracts.errors import ScoutbeeError, UnreachableTaskError


class OutOfReachError(ScoutbeeError):
    """What a campaign needs cannot be reached, and has not been for as long as it waits."""


class QueuesLostError(OutOfReachError):
    """The Redis server has been out of reach for longer than the queues wait for it."""


class StoreLostError(OutOfReachError):
    """What keeps large objects cannot be reached."""


class EngineError(ScoutbeeError):
    """A task server could not be started."""


class EngineRefusedError(EngineError):
    """A task server will not do as it is configured, however often it is started. The message says what to change."""


class EngineLostError(ScoutbeeError):
    """What ran a task's worker is gone, and the task with it."""


class CalledBackError(ScoutbeeError):
    """A task was called back before it began."""


class WorkerError(ScoutbeeError):
    """A worker process was lost to the task that it ran.

    Attributes:
        host: Name of its machine.
        pid: Its process id.
        seconds: How long the task had run.
    """

    def __init__(self, message: str, host: str, pid: int, seconds: float) -> None:
        """Args: message: What happened. The others: see the attributes."""
        super().__init__(message)
        self.host = host
        self.pid = pid
        self.seconds = seconds


class WorkerLostError(WorkerError):
    """A worker died under its task."""


class WorkerStoppedError(WorkerError):
    """A worker was told to end while it ran a task, as batch systems do with all that a job has started."""


class DeadlineError(WorkerError):
    """A task ran past its deadline and was killed, with all that it had started."""


class InputsUnreachableError(UnreachableTaskError):
    """A worker could not fetch what was lent to its task."""


class ValueNotStoredError(UnreachableTaskError):
    """A worker could not store what its task returned."""


class TamperedObjectError(ScoutbeeError):
    """A stored object is not the one that its key was made for."""
