"""Rebuilds from the ledger what the agents of a resumed campaign need to know.

What the ledger must hold for that, written before anyone acts on it:

* ``submitted`` and ``resubmitted`` events, the second after a loss, both with the facts ``key``, ``row``, ``args``,
  ``choice`` (fields of :class:`~scoutbee.contracts.candidates.Choice`), ``attempt`` and, where known, ``task_id``;
* a ``copied`` event for a further attempt at what is still in flight, with the same facts, and a ``withdrawn`` event
  or record for what was called back before it began;
* a ``training_started`` event for each training round, with ``generation``, ``members`` (a list), ``started``,
  ``observations`` and ``taken``, or a ``training_skipped`` event with ``observations``;
* ``training_failed`` events with ``generation``, ``member``, ``attempt``, ``failures`` and ``losses`` so far, and
  whether the model is ``given_up``, and ``inference_failed`` events with the same, but ``members`` (a list) and
  ``chunk``;
* an ``update_failed`` event with ``generation`` and ``in_a_row``;
* a ``reconsidered`` event before the record of a ranking in which rows that were taken were ranked all the same, with
  ``ranking`` and ``rows``;
* a ``slots_moved`` event for each slot move: ``move``, ``on``, ``times``, ``source``, ``target``, ``count``;
* a ``resumed`` event each time the campaign is taken up again;
* the records of simulations, trainings, inferences and rankings.

The state is a function of the records alone, in the order of their ``seq``; any beginning of a ledger replays.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .errors import TraceError
from .history import History
from .reader import read_all
from .records import EventRecord, InferenceRecord, Record, SelectionRecord, SimulationRecord, TrainingRecord
from .replay_candidates import CandidateLedger
from .replay_events import RESUMED, TRAINING_STARTED
from .replay_learning import LearningLedger

__all__ = ['RESUMED', 'TRAINING_STARTED', 'History', 'replay', 'replay_records']


def replay(run_dir: Path) -> History:
    """Rebuild the state of a campaign from its run directory.

    Raises:
        TraceError: If the directory or one of its records cannot be read, or an event lacks a fact it must have.
    """
    return replay_records(read_all(run_dir))


def replay_records(records: Iterable[Record]) -> History:
    """Rebuild the state of a campaign from records in the order of their ``seq``.

    Raises:
        TraceError: If an event lacks a fact it must have, or a record holds something it cannot.
    """
    ledger = _Ledger()
    for record in records:
        ledger.take(record)
    return ledger.history()


class _Ledger:
    """The state while records are read."""

    def __init__(self) -> None:
        self._candidates = CandidateLedger()
        self._learning = LearningLedger()
        self._resumed = 0
        self._first: Record | None = None
        self._last: Record | None = None
        self._session: Record | None = None
        self._seconds = 0.0
        self._handlers = {**self._candidates.handlers, **self._learning.handlers}

    def take(self, record: Record) -> None:
        try:
            self._take(record)
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            raise TraceError(
                f'The record of {record.stream} with seq {record.seq} cannot be replayed: {error}. '
                'It was not written by the agents of this Scoutbee, or was changed since.'
            ) from error

    def _take(self, record: Record) -> None:
        if self._session is None or (isinstance(record, EventRecord) and record.event == RESUMED):
            self._seconds = self._worked()
            self._session = record
        self._first = self._first or record
        self._last = record
        if isinstance(record, EventRecord):
            self._heard(record)
        elif isinstance(record, SimulationRecord):
            self._candidates.simulated(record)
        elif isinstance(record, TrainingRecord):
            self._learning.trained(record)
        elif isinstance(record, InferenceRecord):
            self._learning.inferred(record)
        elif isinstance(record, SelectionRecord):
            self._learning.selected(record, self._candidates.rows.view())

    def _worked(self) -> float:
        """Seconds that drivers worked on the run; the time between two of them is nobody's."""
        if self._session is None or self._last is None:
            return self._seconds
        return self._seconds + max(self._last.time - self._session.time, 0.0)  # a clock may have been set back

    def _heard(self, event: EventRecord) -> None:
        if event.event == RESUMED:
            self._resumed += 1
        elif event.event == TRAINING_STARTED:
            self._learning.started(event, self._candidates.rows.view())
        elif event.event in self._handlers:
            self._handlers[event.event](event)

    def history(self) -> History:
        candidates, learning = self._candidates, self._learning
        rows = candidates.rows.view()
        return History(
            observations=tuple(candidates.observations.values()),
            unfinished=candidates.unfinished(),
            failed=tuple(candidates.failed),
            quarantined=tuple(candidates.quarantined),
            taken_keys=frozenset(candidates.taken),
            taken_rows=rows,
            withdrawn=tuple(candidates.withdrawn.values()),
            submitted=len(candidates.taken),
            lost_and_resubmitted=candidates.resubmitted,
            learning=learning.history(rows),
            rankings=learning.rankings,
            last_selection=learning.last_selection,
            selection_basis=learning.selection_basis(rows),
            slot_moves=tuple(learning.moves),
            happened=dict(learning.happened),
            resumed=self._resumed,
            started=self._first.time if self._first else None,
            seconds=self._worked(),
            last_seq=self._last.seq if self._last else 0,
        )
