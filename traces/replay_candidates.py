"""What became of every candidate, as the ledger is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from scoutbee.contracts.candidates import Candidate, Choice, Observation
from scoutbee.contracts.errors import FailureKind

from .history import Unfinished
from .records import EventRecord, SimulationRecord
from .replay_events import COPIED, RESUBMITTED, SUBMITTED, WITHDRAWN, fact
from .taken_rows import TakenRows

_LOSSES = frozenset({FailureKind.LOST.value, FailureKind.KILLED.value})
_CHOICE_FIELDS = tuple(f.name for f in fields(Choice))


@dataclass
class _Work:
    """A candidate on its way; ``flying`` are the attempts that are out."""

    candidate: Candidate
    attempt: int = 0
    task_id: str | None = None
    flying: set[int] = field(default_factory=set)
    failures: int = 0
    losses: int = 0
    loss_counted: bool = False
    kinds: Counter[str] = field(default_factory=Counter)

    def freeze(self) -> Unfinished:
        return Unfinished(
            candidate=self.candidate,
            attempt=self.attempt,
            task_id=self.task_id,
            in_flight=bool(self.flying),
            failures=self.failures,
            losses=self.losses,
            owes_resubmission=self.loss_counted,
            kinds=dict(self.kinds),
        )


class CandidateLedger:
    """Candidates while records are read; keys of dicts keep the order of the ledger."""

    def __init__(self) -> None:
        self.observations: dict[str, Observation] = {}
        self.failed: dict[str, None] = {}
        self.quarantined: dict[str, None] = {}
        self.taken: dict[str, int | None] = {}
        self.rows = TakenRows()
        self.withdrawn: dict[str, Candidate] = {}
        self.resubmitted = 0
        self._work: dict[str, _Work] = {}
        self.handlers: Mapping[str, Callable[[EventRecord], None]] = {
            SUBMITTED: self._submitted,
            RESUBMITTED: self._resubmitted,
            COPIED: self._copied,
            WITHDRAWN: self._withdrawn,
        }

    def unfinished(self) -> tuple[Unfinished, ...]:
        """What is on its way, in the order last sent."""
        return tuple(work.freeze() for work in self._work.values())

    def simulated(self, record: SimulationRecord) -> None:
        """Take in a simulation that came back."""
        if record.outcome == 'withdrawn':
            self._withdraw(record.key)
            return
        if record.outcome == 'duplicate':
            self._count_kill(record)
            return
        # A result whose submission is not in the ledger (its file was lost, say) still counts.
        self._take(record.key, record.row)
        if record.outcome == 'observed':
            self._observed(record)
        elif record.outcome == 'retried':
            self._retried(record)
        elif record.outcome in ('failed', 'quarantined') and not self._is_finished(record.key):
            self._work.pop(record.key, None)
            (self.failed if record.outcome == 'failed' else self.quarantined)[record.key] = None

    def _count_kill(self, record: SimulationRecord) -> None:
        """A result beside another attempt decides nothing, but a worker that died of it did die."""
        work = self._work.get(record.key)
        if work is not None and record.failure is not None and record.failure.kind == FailureKind.KILLED.value:
            work.kinds[record.failure.kind] += 1
            work.flying.discard(record.attempt)

    def _submitted(self, record: EventRecord) -> None:
        key = str(fact(record, 'key'))
        if self._is_finished(key):
            return
        facts = record.facts
        candidate = _candidate(key, facts.get('row'), fact(record, 'args'), facts.get('choice'))
        work = self._work.pop(key, None) or _Work(candidate)
        # A further attempt may have other settings, but was chosen when and where the first was.
        work.candidate = replace(work.candidate, args=candidate.args)
        work.attempt = int(fact(record, 'attempt'))
        work.task_id = facts.get('task_id')
        work.flying = {work.attempt}
        work.loss_counted = False
        self.withdrawn.pop(key, None)
        self._work[key] = work  # At the end: it waits behind all that was sent before.
        self._take(key, work.candidate.row)

    def _take(self, key: str, row: int | None) -> None:
        if key in self.taken:
            return
        self.taken[key] = row
        if row is not None:
            self.rows.append(row)

    def _resubmitted(self, record: EventRecord) -> None:
        self.resubmitted += 1
        work = self._work.get(str(fact(record, 'key')))
        if work is not None and not work.loss_counted:
            work.losses += 1
        self._submitted(record)

    def _copied(self, record: EventRecord) -> None:
        work = self._work.get(str(fact(record, 'key')))
        if work is not None:
            work.attempt = max(work.attempt, int(fact(record, 'attempt')))
            work.flying.add(work.attempt)

    def _withdrawn(self, record: EventRecord) -> None:
        self._withdraw(str(fact(record, 'key')))

    def _withdraw(self, key: str) -> None:
        """It is as if the candidate had never been sent."""
        work = self._work.pop(key, None)
        if work is not None:
            row = self.taken.pop(key)
            if row is not None:
                self.rows.remove(row)
            self.withdrawn[key] = work.candidate

    def _observed(self, record: SimulationRecord) -> None:
        if record.key in self.observations:
            return
        self._work.pop(record.key, None)
        self.withdrawn.pop(record.key, None)
        self.failed.pop(record.key, None)
        self.quarantined.pop(record.key, None)
        candidate = _candidate(record.key, record.row, record.args, record.choice)
        self.observations[record.key] = Observation(candidate, record.value, record.output or {})

    def _retried(self, record: SimulationRecord) -> None:
        if self._is_finished(record.key):
            return
        work = self._work.get(record.key)
        if work is None:
            candidate = _candidate(record.key, record.row, record.args, record.choice)
            work = self._work[record.key] = _Work(candidate, record.attempt, record.task_id)
        kind = record.failure.kind if record.failure is not None else FailureKind.RANDOM.value
        work.kinds[kind] += 1
        if kind in _LOSSES:
            work.losses += 1
            work.loss_counted = True  # The resubmission that follows is for this same loss.
        else:
            work.failures += 1
        work.flying.discard(record.attempt)

    def _is_finished(self, key: str) -> bool:
        return key in self.observations or key in self.failed or key in self.quarantined


def _candidate(key: str, row: int | None, args: Iterable[Any], choice: Mapping[str, Any] | None) -> Candidate:
    choice = choice or {}
    known = {name: choice[name] for name in _CHOICE_FIELDS if name in choice}
    return Candidate(key=key, args=tuple(args), row=row, choice=Choice(**{'ranking': 0, **known}))
