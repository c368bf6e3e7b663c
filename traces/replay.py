"""Rebuilds from the ledger what the agents of a resumed campaign need to know.

What the ledger must hold for that, written before anyone acts on it:

* ``submitted`` and ``resubmitted`` events, the second after a loss, both with the facts ``key``, ``row``, ``args``,
  ``choice`` (fields of :class:`~scoutbee.contracts.candidates.Choice`), ``attempt`` and, where known, ``task_id``;
* a ``training_started`` event for each training round, with ``generation``, ``observations`` and ``members``;
* a ``resumed`` event each time the campaign is taken up again;
* the records of simulations, trainings and rankings.

The state is a function of the records alone, in the order of their ``seq``; any beginning of a ledger replays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.candidates import Candidate, Choice, Observation
from scoutbee.contracts.errors import FailureKind
from scoutbee.contracts.learning import ModelVersion

from .errors import TraceError
from .reader import read_all
from .records import EventRecord, Record, SelectionRecord, SimulationRecord, TrainingRecord

SUBMITTED = 'submitted'
RESUBMITTED = 'resubmitted'
TRAINING_STARTED = 'training_started'
RESUMED = 'resumed'

REPLAYED: tuple[type[Record], ...] = (EventRecord, SimulationRecord, TrainingRecord, SelectionRecord)
"""The kinds of record that matter here; inference records can be many, and change nothing."""

_LOSSES = frozenset({FailureKind.LOST.value, FailureKind.KILLED.value})
_CHOICE_FIELDS = tuple(f.name for f in fields(Choice))


@dataclass(frozen=True)
class Unfinished:
    """A candidate that was sent and has neither an observation nor been given up.

    Attributes:
        candidate: The candidate.
        attempt: Newest attempt that was sent, from 1.
        task_id: Task of that attempt, where its submission says so.
        in_flight: Whether that attempt had not come back; False where its failure called for a retry not sent yet.
        failures: Attempts that came back failed, losses left out.
        losses: Attempts that were lost: resubmissions, and failures of kind ``lost`` that none has followed yet.
    """

    candidate: Candidate
    attempt: int
    task_id: str | None
    in_flight: bool = True
    failures: int = 0
    losses: int = 0


@dataclass(frozen=True)
class History:
    """What happened in a campaign so far.

    Attributes:
        observations: In the order they were recorded.
        unfinished: In the order they were last sent.
        failed: Keys of candidates given up, in order.
        quarantined: Keys of candidates given up because they took workers down, in order.
        taken_keys: Keys of all candidates that were ever sent.
        taken_rows: Their rows in the search space, where they have one, in the order sent; shape (taken,), int64.
        submitted: Candidates sent; further attempts at one are not counted.
        lost_and_resubmitted: Attempts that were lost and sent again.
        models: Newest trained model of each member, and its file relative to the run directory.
        generation: Newest training round that was started; 0 before the first.
        members: Ensemble members of that round; 0 before the first.
        observations_at_training: Observations that round was trained on; 0 before the first.
        retrains: Training rounds that produced a model.
        rankings: Rankings made.
        last_selection: The newest of them.
        resumed: Times the campaign was taken up again.
        started: When the first record was written, seconds since the epoch.
        ended: When the last one was.
        last_seq: Sequence number of the last one that was replayed; 0 in an empty directory.
    """

    observations: tuple[Observation, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    failed: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    taken_keys: frozenset[str] = frozenset()
    taken_rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    submitted: int = 0
    lost_and_resubmitted: int = 0
    models: Mapping[ModelVersion, str] = field(default_factory=dict)
    generation: int = 0
    members: int = 0
    observations_at_training: int = 0
    retrains: int = 0
    rankings: int = 0
    last_selection: SelectionRecord | None = None
    resumed: int = 0
    started: float | None = None
    ended: float | None = None
    last_seq: int = 0


def replay(run_dir: Path) -> History:
    """Rebuild the state of a campaign from its run directory.

    Raises:
        TraceError: If the directory or one of its records cannot be read, or an event lacks a fact it must have.
    """
    return replay_records(read_all(run_dir, kinds=REPLAYED))


def replay_records(records: Iterable[Record]) -> History:
    """Rebuild the state of a campaign from records in the order of their ``seq``.

    Raises:
        TraceError: If an event lacks a fact it must have.
    """
    ledger = _Ledger()
    for record in records:
        ledger.take(record)
    return ledger.history()


@dataclass
class _Work:
    """A candidate on its way."""

    candidate: Candidate
    attempt: int = 1
    task_id: str | None = None
    in_flight: bool = True
    failures: int = 0
    losses: int = 0
    loss_counted: bool = False

    def freeze(self) -> Unfinished:
        return Unfinished(self.candidate, self.attempt, self.task_id, self.in_flight, self.failures, self.losses)


class _Ledger:
    """The state while records are read; keys of dicts keep the order of the ledger."""

    def __init__(self) -> None:
        self.observations: dict[str, Observation] = {}
        self.work: dict[str, _Work] = {}
        self.failed: dict[str, None] = {}
        self.quarantined: dict[str, None] = {}
        self.taken: dict[str, int | None] = {}
        self.resubmitted = 0
        self.models: dict[int, tuple[ModelVersion, str]] = {}
        self.generations: set[int] = set()
        self.round: tuple[int, int, int] = (0, 0, 0)
        self.rankings = 0
        self.last_selection: SelectionRecord | None = None
        self.resumed = 0
        self.first: Record | None = None
        self.last: Record | None = None
        self._events: dict[str, Callable[[EventRecord], None]] = {
            SUBMITTED: self._submitted,
            RESUBMITTED: self._resubmitted,
            TRAINING_STARTED: self._training_started,
            RESUMED: self._resumed,
        }

    def take(self, record: Record) -> None:
        self.first = self.first or record
        self.last = record
        if isinstance(record, EventRecord):
            handler = self._events.get(record.event)
            if handler is not None:
                handler(record)
        elif isinstance(record, SimulationRecord):
            self._simulated(record)
        elif isinstance(record, TrainingRecord):
            self._trained(record)
        elif isinstance(record, SelectionRecord):
            self.rankings = max(self.rankings, record.ranking)
            self.last_selection = record

    def history(self) -> History:
        rows = [row for row in self.taken.values() if row is not None]
        generation, members, size = self.round
        return History(
            observations=tuple(self.observations.values()),
            unfinished=tuple(work.freeze() for work in self.work.values()),
            failed=tuple(self.failed),
            quarantined=tuple(self.quarantined),
            taken_keys=frozenset(self.taken),
            taken_rows=np.array(rows, dtype=np.int64),
            submitted=len(self.taken),
            lost_and_resubmitted=self.resubmitted,
            models=dict(self.models[member] for member in sorted(self.models)),
            generation=generation,
            members=members,
            observations_at_training=size,
            retrains=len(self.generations),
            rankings=self.rankings,
            last_selection=self.last_selection,
            resumed=self.resumed,
            started=self.first.time if self.first else None,
            ended=self.last.time if self.last else None,
            last_seq=self.last.seq if self.last else 0,
        )

    def _submitted(self, record: EventRecord) -> None:
        key = str(_fact(record, 'key'))
        if self._is_finished(key):
            return
        work = self.work.pop(key, None)
        if work is None:
            facts = record.facts
            work = _Work(_candidate(key, facts.get('row'), _fact(record, 'args'), facts.get('choice')))
        work.attempt = int(_fact(record, 'attempt'))
        work.task_id = record.facts.get('task_id')
        work.in_flight = True
        work.loss_counted = False
        self.work[key] = work  # At the end: it waits behind all that was sent before.
        self.taken.setdefault(key, work.candidate.row)

    def _resubmitted(self, record: EventRecord) -> None:
        self.resubmitted += 1
        work = self.work.get(str(_fact(record, 'key')))
        if work is not None and not work.loss_counted:
            work.losses += 1
        self._submitted(record)

    def _training_started(self, record: EventRecord) -> None:
        started = (
            int(_fact(record, 'generation')),
            int(_fact(record, 'members')),
            int(_fact(record, 'observations')),
        )
        self.round = max(self.round, started)

    def _resumed(self, record: EventRecord) -> None:
        self.resumed += 1

    def _simulated(self, record: SimulationRecord) -> None:
        # A result whose submission is not in the ledger (its file was lost, say) still counts.
        self.taken.setdefault(record.key, record.row)
        if record.outcome == 'observed':
            self._observed(record)
        elif record.outcome == 'retried':
            self._retried(record)
        elif record.outcome in ('failed', 'quarantined') and not self._is_finished(record.key):
            self.work.pop(record.key, None)
            (self.failed if record.outcome == 'failed' else self.quarantined)[record.key] = None

    def _observed(self, record: SimulationRecord) -> None:
        if record.key in self.observations:
            return
        self.work.pop(record.key, None)
        self.failed.pop(record.key, None)
        self.quarantined.pop(record.key, None)
        candidate = _candidate(record.key, record.row, record.args, record.choice)
        self.observations[record.key] = Observation(candidate, record.value, record.output or {})

    def _retried(self, record: SimulationRecord) -> None:
        if self._is_finished(record.key):
            return
        work = self.work.get(record.key)
        if work is None:
            work = _Work(_candidate(record.key, record.row, record.args, record.choice), record.attempt, record.task_id)
            self.work[record.key] = work
        if record.failure is not None and record.failure.kind in _LOSSES:
            work.losses += 1
            work.loss_counted = True  # The resubmission that follows is for this same loss.
        else:
            work.failures += 1
        if record.attempt >= work.attempt:
            work.in_flight = False

    def _trained(self, record: TrainingRecord) -> None:
        if not record.success:
            return
        if record.generation > 0:
            self.generations.add(record.generation)
        version = ModelVersion(record.generation, record.member)
        newest = self.models.get(record.member)
        if record.model_file is not None and (newest is None or newest[0] <= version):
            self.models[record.member] = (version, record.model_file)

    def _is_finished(self, key: str) -> bool:
        return key in self.observations or key in self.failed or key in self.quarantined


def _candidate(key: str, row: int | None, args: Iterable[Any], choice: Mapping[str, Any] | None) -> Candidate:
    choice = choice or {}
    known = {name: choice[name] for name in _CHOICE_FIELDS if name in choice}
    return Candidate(key=key, args=tuple(args), row=row, choice=Choice(**{'ranking': 0, **known}))


def _fact(record: EventRecord, name: str) -> Any:
    try:
        return record.facts[name]
    except KeyError:
        raise TraceError(
            f'The event {record.event!r} with seq {record.seq} lacks the fact {name!r}, so the run cannot be replayed. '
            'It was not written by the agents of this Scoutbee.'
        ) from None
