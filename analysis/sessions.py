"""When a driver worked on a run: time between a crash and the resumption is no one's."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scoutbee.traces.replay_events import RESUMED

Floats = NDArray[np.float64]


def find_sessions(tasks: pd.DataFrame, events: pd.DataFrame, selections: pd.DataFrame) -> pd.DataFrame:
    """Each time a driver worked on the run.

    A session begins with the first record of the run or with a ``resumed`` event, and ends before the next of these.
    Which session a record is of follows from its ``seq``, so a clock that was set back confuses nothing.

    Args:
        tasks: All tasks.
        events: All events.
        selections: All rankings.

    Returns:
        Columns ``session`` (from 1), ``first_seq``, ``start`` and ``end``: the earliest and latest time at which one of
        its records was written.
    """
    seq = np.concatenate([table['seq'].to_numpy(np.int64) for table in (tasks, events, selections)])
    time = np.concatenate([table['time'].to_numpy(np.float64) for table in (tasks, events, selections)])
    resumed = np.sort(events.loc[events['event'] == RESUMED, 'seq'].to_numpy(np.int64))
    records = pd.DataFrame({'part': np.searchsorted(resumed, seq, side='right'), 'seq': seq, 'time': time})
    records = records[np.isfinite(records['time'])]
    found = records.groupby('part').agg(first_seq=('seq', 'min'), start=('time', 'min'), end=('time', 'max'))
    found.insert(0, 'session', np.arange(1, len(found) + 1))
    return found.reset_index(drop=True)


def session_of(seq: NDArray[np.int64], sessions: pd.DataFrame) -> NDArray[np.int64]:
    """Place in ``sessions`` of the session in which each record was written, from 0; shape of ``seq``."""
    first = sessions['first_seq'].to_numpy(np.int64)
    return np.maximum(np.searchsorted(first, seq, side='right') - 1, 0)


def seconds_in(sessions: pd.DataFrame) -> float:
    """Seconds in which a driver worked on the run."""
    return float((sessions['end'] - sessions['start']).sum())


def seconds_until(times: Floats, sessions: pd.DataFrame) -> Floats:
    """Seconds in which a driver worked on the run until each time (seconds since the epoch); shape of ``times``."""
    start, end = (sessions[name].to_numpy(np.float64)[:, None] for name in ('start', 'end'))
    return np.asarray((np.clip(times[None, :], start, end) - start).sum(axis=0), dtype=np.float64)
