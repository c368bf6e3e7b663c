"""Names of the events that a replay depends on, and how their facts are read."""

from __future__ import annotations

from typing import Any

from .errors import TraceError
from .records import EventRecord

SUBMITTED = 'submitted'
RESUBMITTED = 'resubmitted'
COPIED = 'copied'
WITHDRAWN = 'withdrawn'
RECONSIDERED = 'reconsidered'
TRAINING_STARTED = 'training_started'
TRAINING_SKIPPED = 'training_skipped'
TRAINING_FAILED = 'training_failed'
INFERENCE_FAILED = 'inference_failed'
UPDATE_FAILED = 'update_failed'
SLOTS_MOVED = 'slots_moved'
RESUMED = 'resumed'


def fact(record: EventRecord, name: str) -> Any:
    """One of the facts of an event.

    Raises:
        TraceError: If it is not there.
    """
    try:
        return record.facts[name]
    except KeyError:
        raise TraceError(
            f'The event {record.event!r} with seq {record.seq} lacks the fact {name!r}, so the run cannot be replayed. '
            'It was not written by the agents of this Scoutbee.'
        ) from None
