"""What can go wrong between the driver and its workers."""

from __future__ import annotations

from scoutbee.contracts.errors import ResourceTaskError, ScoutbeeError


class QueuesLostError(ScoutbeeError):
    """The Redis server has been out of reach for longer than the queues wait for it."""


class EngineError(ScoutbeeError):
    """A task server could not be started."""


class InputsUnreachableError(ResourceTaskError):
    """A worker could not fetch what was lent to its task."""


class TamperedObjectError(ScoutbeeError):
    """A stored object is not the one that its key was made for."""
