"""Failures of a run, grouped by their cause."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scoutbee.traces.records import SimulationRecord, TaskRecord

_DIGITS = re.compile(r'\d+')


@dataclass(frozen=True)
class FailureGroup:
    """Failed attempts with one cause.

    Attributes:
        task: Kind of the tasks.
        kind: What helps against it.
        error: Name of the exception.
        count: Attempts.
        outcomes: What became of the candidates, with how often, for simulations.
        example: Message of the first.
        subject: What the first was about: its candidate, or the task.
        traceback: Traceback of the first, where there is one.
    """

    task: str
    kind: str
    error: str
    count: int
    outcomes: Mapping[str, int]
    example: str
    subject: str
    traceback: str | None


def group_failures(tasks: Mapping[str, Iterable[TaskRecord]]) -> list[FailureGroup]:
    """Failed attempts by kind of task, class of failure, exception and message (numbers aside), commonest first.

    Args:
        tasks: Tasks by kind.
    """
    groups: dict[tuple[str, str, str, str], list[TaskRecord]] = {}
    for task, records in tasks.items():
        for record in records:
            if not record.success:
                groups.setdefault((task, *_cause(record)), []).append(record)
    made = [_group(task, kind, error, members) for (task, kind, error, _), members in groups.items()]
    return sorted(made, key=lambda group: -group.count)


def _cause(record: TaskRecord) -> tuple[str, str, str]:
    if record.failure is None:
        return 'unknown', 'no reason given', ''
    message = record.failure.message
    if isinstance(record, SimulationRecord) and record.key:
        message = message.replace(record.key, '…')  # The same trouble with another candidate is the same trouble.
    return record.failure.kind, record.failure.error, _DIGITS.sub('0', message)[:80]


def _group(task: str, kind: str, error: str, members: list[TaskRecord]) -> FailureGroup:
    first = members[0]
    outcomes: dict[str, int] = {}
    for record in members:
        if isinstance(record, SimulationRecord):
            outcomes[record.outcome] = outcomes.get(record.outcome, 0) + 1
    return FailureGroup(
        task=task,
        kind=kind,
        error=error,
        count=len(members),
        outcomes=outcomes,
        example=first.failure.message if first.failure else '',
        subject=first.key if isinstance(first, SimulationRecord) else first.task_id,
        traceback=first.failure.traceback if first.failure else None,
    )
