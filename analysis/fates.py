"""What became of every candidate: the same as ``traces.replay`` finds, from the tables."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import SIMULATE, TRAIN
from scoutbee.traces.replay_events import RESUBMITTED, RESUMED, SUBMITTED, WITHDRAWN

_BACK = ('observed', 'retried', 'failed', 'quarantined', 'duplicate', 'withdrawn')


@dataclass(frozen=True)
class Counts:
    """Candidates and rounds by what became of them.

    Attributes:
        submitted: Candidates sent and not called back; further attempts at one are not counted.
        succeeded: Candidates with an observation.
        failed: Candidates given up.
        quarantined: Candidates given up because they took workers down.
        lost_and_resubmitted: Attempts that were lost and sent again.
        retrains: Training rounds that produced a model.
        resumed: Times the campaign was taken up again.
    """

    submitted: int
    succeeded: int
    failed: int
    quarantined: int
    lost_and_resubmitted: int
    retrains: int
    resumed: int


def count(tasks: pd.DataFrame, submissions: pd.DataFrame, events: pd.DataFrame) -> Counts:
    """Count what became of the candidates of a run."""
    ends = fates(tasks, submissions, events)
    by_fate = ends['fate'].value_counts()
    trained = tasks[(tasks['kind'] == TRAIN) & tasks['success'] & (tasks['generation'] > 0)]
    return Counts(
        submitted=len(ends),
        succeeded=int(by_fate.get('observed', 0)),
        failed=int(by_fate.get('failed', 0)),
        quarantined=int(by_fate.get('quarantined', 0)),
        lost_and_resubmitted=int((submissions['event'] == RESUBMITTED).sum()),
        retrains=int(trained['generation'].nunique()),
        resumed=int((events['event'] == RESUMED).sum()),
    )


def fates(tasks: pd.DataFrame, submissions: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """What became of every candidate that was sent and not called back.

    Args:
        tasks: All tasks.
        submissions: What was sent.
        events: All events.

    Returns:
        Columns ``key`` and ``fate``: ``observed``, ``failed``, ``quarantined``, or ``open`` where it is in flight or
        waits for another attempt.
    """
    fate: dict[str, str] = {}
    for key, what in _story(tasks, submissions, events):
        known = fate.get(key)
        if what == WITHDRAWN:
            if known == 'open':
                del fate[key]
        elif what == 'observed' or known in (None, 'open'):
            fate[key] = what if what in ('observed', 'failed', 'quarantined') else 'open'
    return pd.DataFrame({'key': list(fate), 'fate': list(fate.values())}, dtype='object')


def _story(tasks: pd.DataFrame, submissions: pd.DataFrame, events: pd.DataFrame) -> list[tuple[str, str]]:
    """All that was sent, came back or was called back, in the order of the ledger."""
    sent = submissions.loc[submissions['event'].isin([SUBMITTED, RESUBMITTED]), ['seq', 'key', 'event']]
    back = tasks.loc[(tasks['kind'] == SIMULATE) & tasks['outcome'].isin(_BACK), ['seq', 'key', 'outcome']]
    called = events.loc[events['event'] == WITHDRAWN, ['seq', 'facts', 'event']]
    keys = [*sent['key'], *back['key'], *(json.loads(facts).get('key') for facts in called['facts'])]
    words = [*sent['event'], *back['outcome'], *called['event']]
    order = np.argsort(np.concatenate([sent['seq'], back['seq'], called['seq']]), kind='stable')
    return [(str(keys[place]), words[place]) for place in order]
