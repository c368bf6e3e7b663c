"""What every idle second of every worker was spent on.

A worker is idle from the end of one task to the moment it runs the next one's function. That time is laid along the
life of the next task, and each piece of it has one cause:

==============  ======================================================================================================
notification    The last result was on its way to the thinker.
not_due         The next task could not be there yet: its training round had not begun, its model was not trained.
buffer          The launcher waited for a candidate.
paused          It waited for the models, as the policy says.
horizon         It waited because too little time was left.
complete        It waited because all that was needed was under way.
thinker         Else: the thinker decided, wrote down, sent.
queue           The task was sent, and the task server had not taken it.
dispatch        The task server had it, and the worker had not begun.
inputs          The worker fetched and unpacked the inputs.
startup         Before a worker's first task of a session: what is left of it besides the six causes from ``not_due`` to
                ``complete``.
unused          A worker that is said to be there ran no task in this session.
end_of_run      After its last task of a session.
==============  ======================================================================================================

The causes of a gap add up to it, and the gaps and busy times of a worker to the session. Time between sessions is no
one's. Times of different machines are put in order where their clocks disagree, so no piece is negative.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN

from .columns import joined
from .ledger_tables import WAITS
from .machine import pool_size, worker_counts
from .rounds import started_rounds
from .sessions import Floats
from .task_table import models_asked

CAUSES = (
    'startup',
    'notification',
    'not_due',
    *WAITS,
    'thinker',
    'queue',
    'dispatch',
    'inputs',
    'unused',
    'end_of_run',
)

_STAGES = ('notification', 'not_due', 'thinker', 'queue', 'dispatch', 'inputs')
"""The pieces of a gap in the order of time, before the waits are taken from the thinker's."""

_COLUMNS = ('session', 'pool', 'seat', 'worker', 'kind', 'position', 'seq', 'start', 'end', 'seconds')


def idle_times(
    spans: pd.DataFrame,
    sessions: pd.DataFrame,
    workers: Mapping[str, int],
    *,
    submissions: pd.DataFrame,
    events: pd.DataFrame,
    models: pd.DataFrame,
) -> pd.DataFrame:
    """All idle time, gap by gap, with its causes.

    Args:
        spans: Busy times, of :func:`~scoutbee.analysis.machine.busy_spans`.
        sessions: When the campaign ran.
        workers: Number of workers by kind; those of a pool beyond the seats taken count as unused.
        submissions: What the launcher waited for.
        events: When training rounds began.
        models: When models were trained.

    Returns:
        One row a gap: ``session``, ``pool`` and ``seat`` as in ``spans``; the ``worker``; the ``kind`` and ``seq`` of
        the next task (of the last one at the end); ``position`` (``first``, ``between``, ``last``, ``unused``);
        ``start`` and ``end``, seconds since the epoch; ``seconds``, and how many of these each of ``CAUSES`` took.
    """
    placed = spans[spans['seat'] >= 0].sort_values(['session', 'pool', 'seat', 'started'], kind='stable')
    placed = placed.reset_index(drop=True)
    counts = worker_counts(spans, workers)
    before = _before_tasks(placed, submissions, _due(placed, events, models))
    return joined([before, _after_tasks(placed, sessions), _unused(placed, sessions, counts)])


def by_cause(idle: pd.DataFrame, by: str | list[str] = 'pool') -> pd.DataFrame:
    """Idle seconds in all and of each cause, for each pool (or kind, or worker: columns of ``idle``), as its index."""
    return idle.groupby(by, dropna=False)[['seconds', *CAUSES]].sum()


def machine_use(spans: pd.DataFrame, idle: pd.DataFrame) -> pd.DataFrame:
    """How the time of each pool was used.

    Returns:
        Columns ``pool``, ``workers`` (seats, most in a session), ``busy_seconds``, ``idle_seconds``, ``utilization``
        (the busy share of both) and the idle seconds of each of ``CAUSES``. Tasks whose worker is not known are left
        out.
    """
    use = by_cause(idle).rename(columns={'seconds': 'idle_seconds'})
    seats = idle[idle['position'].isin(['first', 'unused'])].groupby(['pool', 'session']).size()
    placed = spans[spans['seat'] >= 0]
    busy = (placed['busy_until'] - placed['busy_from']).groupby(placed['pool']).sum()
    use.insert(0, 'workers', seats.groupby('pool').max().astype(np.int64))
    use.insert(1, 'busy_seconds', busy.reindex(use.index, fill_value=0.0))
    use.insert(3, 'utilization', use['busy_seconds'] / (use['busy_seconds'] + use['idle_seconds']))
    return use.reset_index()


# -- the gaps ------------------------------------------------------------------------------------------------------


def _before_tasks(placed: pd.DataFrame, submissions: pd.DataFrame, due: Floats) -> pd.DataFrame:
    gaps = placed[['session', 'pool', 'seat', 'worker', 'kind', 'seq']].copy()
    first = placed['is_first'].to_numpy(np.bool_)
    gaps['position'] = np.where(first, 'first', 'between')
    gaps['start'], gaps['end'] = placed['free'], placed['busy_from']
    gaps['seconds'] = gaps['end'] - gaps['start']
    for cause, seconds in _pieces(placed, due, first).items():
        gaps[cause] = seconds
    _take_waits(gaps, placed, submissions)
    beginning = ['notification', 'thinker', 'queue', 'dispatch', 'inputs']
    gaps['startup'] = np.where(first, gaps[beginning].sum(axis=1), 0.0)
    gaps.loc[first, beginning] = 0.0
    return _completed(gaps)


def _pieces(placed: pd.DataFrame, due: Floats, first: NDArray[np.bool_]) -> dict[str, Floats]:
    """Each gap cut where the life of the next task goes on to its next stage; each array of shape (gaps,)."""
    created = placed['created'].to_numpy(np.float64)
    received = placed['result_received'].shift().to_numpy(np.float64)
    ends = np.column_stack([
        np.where(first, np.nan, np.minimum(received, created)),
        np.minimum(due, created),
        created,
        placed['input_received'],
        placed['started'],
        placed['busy_from'],
    ])  # fmt: skip
    free, until = (placed[name].to_numpy(np.float64)[:, None] for name in ('free', 'busy_from'))
    # A time that is missing ends its stage where it began; so does one that lies before.
    ends = np.clip(np.where(np.isnan(ends), -np.inf, ends), free, until)
    widths = np.diff(np.maximum.accumulate(np.hstack([free, ends]), axis=1), axis=1)
    return dict(zip(_STAGES, widths.T, strict=True))


def _take_waits(gaps: pd.DataFrame, placed: pd.DataFrame, submissions: pd.DataFrame) -> None:
    """Give what the launcher waited for its own causes, at most all of the thinker's time."""
    columns = [f'waited_{cause}' for cause in WAITS]
    told = submissions[['key', 'attempt', *columns]].drop_duplicates(['key', 'attempt'], keep='last')
    waited = placed[['key', 'attempt', 'kind']].merge(told, on=['key', 'attempt'], how='left')
    seconds = np.clip(np.nan_to_num(waited[columns].to_numpy(np.float64)), 0.0, None)
    seconds[(placed['kind'] != SIMULATE).to_numpy()] = 0.0
    total, thinker = seconds.sum(axis=1), gaps['thinker'].to_numpy(np.float64)
    share = np.divide(thinker, total, out=np.zeros_like(total), where=total > thinker)
    seconds *= np.where(total > thinker, share, 1.0)[:, None]
    for cause, taken in zip(WAITS, seconds.T, strict=True):
        gaps[cause] = taken
    gaps['thinker'] = np.maximum(thinker - seconds.sum(axis=1), 0.0)


def _due(placed: pd.DataFrame, events: pd.DataFrame, models: pd.DataFrame) -> Floats:
    """From when each task could have been sent: its training round had begun, a model was trained; else missing."""
    rounds = started_rounds(events).set_index('generation')['started']
    trained = models.drop_duplicates(['generation', 'member']).set_index(['generation', 'member'])['time']
    due = np.full(len(placed), np.nan)
    training, asking = (placed['kind'] == TRAIN).to_numpy(), (placed['kind'] == INFER).to_numpy()
    due[training] = rounds.reindex(placed.loc[training, 'generation']).to_numpy(np.float64)
    asked = models_asked(placed[asking])
    ready = trained.reindex(pd.MultiIndex.from_frame(asked[['generation', 'member']])).to_numpy(np.float64)
    # With its first model it could have been sent: those that came later have joined.
    due[asking] = pd.Series(ready, asked.index).groupby(level=0).min().reindex(placed.index[asking])
    return due


def _after_tasks(placed: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    seats = placed.groupby(['session', 'pool', 'seat'], as_index=False)
    gaps = seats.agg(worker=('worker', 'last'), kind=('kind', 'last'), seq=('seq', 'last'), start=('busy_until', 'max'))
    gaps['end'] = sessions['end'].to_numpy(np.float64)[gaps['session']]
    gaps['position'] = 'last'
    gaps['seconds'] = gaps['end_of_run'] = gaps['end'] - gaps['start']
    return _completed(gaps)


def _unused(placed: pd.DataFrame, sessions: pd.DataFrame, workers: Mapping[str, int]) -> pd.DataFrame:
    """Workers that are said to be there and ran nothing, one gap a session each."""
    pools = [*dict.fromkeys([*placed['pool'], *_idle_pools(placed, workers)])]
    seats = placed.groupby(['session', 'pool'])['seat'].max() + 1
    gaps = []
    for session, (start, end) in enumerate(zip(sessions['start'], sessions['end'], strict=True)):
        for pool in pools:
            taken = int(seats.get((session, pool), 0))
            gaps += [
                (session, pool, seat, None, pool.split('+')[0], 'unused', 0, start, end, end - start)
                for seat in range(taken, pool_size(pool, workers))
            ]
    made = pd.DataFrame(gaps, columns=list(_COLUMNS))
    made['unused'] = made['seconds']
    return _completed(made)


def _idle_pools(placed: pd.DataFrame, workers: Mapping[str, int]) -> list[str]:
    """Kinds that have workers and ran no task: each its own pool, for nothing tells whether they share them."""
    ran = set(placed['kind'])
    return [kind for kind, count in workers.items() if count and kind not in ran]


def _completed(gaps: pd.DataFrame) -> pd.DataFrame:
    """The table with every cause, in the one order of columns."""
    missing = {cause: 0.0 for cause in CAUSES if cause not in gaps}
    made = gaps.assign(**missing)[[*_COLUMNS, *CAUSES]]
    return made.astype({'seconds': np.float64, **dict.fromkeys(CAUSES, np.float64), 'worker': object, 'seq': np.int64})
