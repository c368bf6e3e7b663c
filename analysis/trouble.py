"""What went wrong: failures by cause, attempts that were repeated, candidates given up, tasks that took long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import SIMULATE

from .latency import stages

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


def group_failures(tasks: pd.DataFrame) -> list[FailureGroup]:
    """Failed attempts by kind of task, class of failure, exception and message (numbers aside), commonest first."""
    failed = tasks[~tasks['success']].sort_values('seq', kind='stable')
    causes = pd.DataFrame({
        'task': failed['kind'],
        'kind': failed['failure_kind'].fillna('unknown'),
        'error': failed['failure_error'].fillna('no reason given'),
        'message': [_gist(*pair) for pair in zip(failed['failure_message'], failed['key'], strict=True)],
    })  # fmt: skip
    groups = failed.groupby([causes[name] for name in causes], sort=False)
    made = [_group(task, kind, error, members) for (task, kind, error, _), members in groups]
    return sorted(made, key=lambda group: -group.count)


def _gist(message: object, key: object) -> str:
    """A message without what differs where the trouble is the same: the candidate, and numbers."""
    text = message if isinstance(message, str) else ''
    if isinstance(key, str) and key:
        text = text.replace(key, '…')
    return _DIGITS.sub('0', text)[:80]


def _group(task: str, kind: str, error: str, members: pd.DataFrame) -> FailureGroup:
    first = members.iloc[0]
    message, traceback = first['failure_message'], first['failure_traceback']
    outcomes: dict[str, int] = members['outcome'].value_counts().to_dict()
    return FailureGroup(
        task=task,
        kind=kind,
        error=error,
        count=len(members),
        outcomes=outcomes,
        example=message if isinstance(message, str) else '',
        subject=first['key'] if isinstance(first['key'], str) else first['task_id'],
        traceback=traceback if isinstance(traceback, str) else None,
    )


def attempts(tasks: pd.DataFrame, submissions: pd.DataFrame) -> pd.DataFrame:
    """How attempts at simulations ended and why further ones were sent.

    Returns:
        Columns ``what`` and ``count``: the events of ``ledger_tables.SENT`` among the submissions, the first one for
        first attempts and ``repeated`` for the further ones it stands for; then the outcomes of what came back.
    """
    first = (submissions['event'] == 'submitted') & (submissions['attempt'] > 1)
    sent = submissions['event'].mask(first, 'repeated').value_counts()
    back = tasks.loc[tasks['kind'] == SIMULATE, 'outcome'].value_counts()
    counts = pd.concat([sent, back])
    return pd.DataFrame({'what': counts.index.to_numpy(), 'count': counts.to_numpy(np.int64)})


def given_up(tasks: pd.DataFrame) -> pd.DataFrame:
    """Candidates that were given up, quarantined ones first.

    Returns:
        Columns ``key``, ``outcome``, ``attempt`` (the last), ``failure_kind``, ``failure_error``, ``failure_message``.
    """
    ended = tasks[tasks['outcome'].isin(['failed', 'quarantined'])].sort_values('seq', kind='stable')
    ended = ended.sort_values('outcome', ascending=False, kind='stable')
    columns = ['key', 'outcome', 'attempt', 'failure_kind', 'failure_error', 'failure_message']
    return ended[columns].reset_index(drop=True)


def slowest(tasks: pd.DataFrame, share: float = 0.01) -> pd.DataFrame:
    """The tasks of each kind that ran longest.

    Args:
        tasks: All tasks.
        share: Which share of the tasks of a kind that ran; at least one.

    Returns:
        Columns ``kind``, ``seq``, ``task_id``, ``key``, ``host``, ``run`` (seconds) and ``times_median``, slowest first
        within each kind.
    """
    made = tasks[['kind', 'seq', 'task_id', 'key', 'host']].assign(run=stages(tasks)['run'])
    made = made[np.isfinite(made['run'])].sort_values('run', ascending=False, kind='stable')
    groups = made.groupby('kind', sort=False)['run']
    made['times_median'] = made['run'] / groups.transform('median').replace(0.0, np.nan)
    place, size = groups.cumcount(), groups.transform('size')
    chosen = made[place < np.maximum(1, np.floor(share * size))]
    return chosen.sort_values(['kind', 'run'], ascending=[True, False], kind='stable', ignore_index=True)
