"""Who was busy when: the time of every worker, and how much of it was used.

A worker is busy while it runs a task's function. Before that it may wait for the task's inputs, which is idle time too;
:mod:`scoutbee.analysis.idle` says what all idle time was spent on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scoutbee.traces.summary import SlotUse, Spread

from .sessions import Floats, seconds_in, session_of

INPUT_SPANS = ('deserialize_inputs_seconds', 'async_resolve_proxies_seconds', 'resolve_proxies_seconds')
"""What a worker does before it can run a task."""

_KEPT = ('seq', 'kind', 'key', 'attempt', 'generation', 'members', 'worker', 'created',
         'input_received', 'result_received')  # fmt: skip


def input_seconds(tasks: pd.DataFrame) -> Floats:
    """How long each task's worker took to have its inputs ready; shape (tasks,)."""
    return np.asarray(np.nansum(tasks[list(INPUT_SPANS)].to_numpy(np.float64), axis=1), dtype=np.float64)


def busy_spans(tasks: pd.DataFrame, sessions: pd.DataFrame, workers: Mapping[str, int]) -> pd.DataFrame:
    """Busy times of all tasks that say when they ran, in the order in which they started.

    Workers that run the same kinds of task form a *pool*, named after these kinds (``train+infer``). A *seat* is the
    place of a worker in its pool: where a pool has as many seats as it has workers, a worker that comes later (with
    another process number, after a crash) takes the seat of one that ran its last task before. Seats of different
    sessions are different.

    Args:
        tasks: All tasks.
        sessions: When the campaign ran.
        workers: Number of workers by kind; a kind may be missing, then no seat is taken over.

    Returns:
        Columns of ``tasks``, and

        * ``session``, place in ``sessions``, from 0; ``pool`` and ``seat`` (from 0; -1 where the worker is not known);
        * ``started``, ``ready`` and ``ended``: when the worker took the task, ran its function, and was done;
        * ``free``: since when the seat was idle, ``busy_from`` and ``busy_until``: within the session, and later than
          the seat's tasks before, so that a seat is never busy twice at once, whatever the clocks say;
        * ``is_first``: whether it is the first task of its seat.
    """
    ran = tasks[tasks['compute_started'] <= tasks['compute_ended']]  # False where either is missing
    spans = ran[list(_KEPT)].copy()
    spans['session'] = session_of(ran['seq'].to_numpy(np.int64), sessions)
    spans['started'], spans['ended'] = ran['compute_started'], ran['compute_ended']
    spans['ready'] = np.minimum(spans['started'] + input_seconds(ran), spans['ended'])
    spans = spans.sort_values('started', kind='stable', ignore_index=True)
    spans['pool'] = spans['kind'].map(pools(spans))
    spans['seat'] = _seats(spans, workers)
    return _within_sessions(spans, sessions)


def _within_sessions(spans: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    start, end = (sessions[name].to_numpy(np.float64)[spans['session']] for name in ('start', 'end'))
    ready, ended = (np.clip(spans[name].to_numpy(np.float64), start, end) for name in ('ready', 'ended'))
    known = spans['seat'] >= 0
    # A task whose worker is not known has a seat of its own here.
    seat = spans['seat'].where(known, -1 - np.arange(len(spans)))
    groups = pd.DataFrame({'until': ended}).groupby([spans['session'], spans['pool'], seat], sort=False)
    before = groups['until'].cummax().groupby([spans['session'], spans['pool'], seat], sort=False).shift()
    spans['is_first'] = before.isna() & known
    spans['free'] = before.fillna(pd.Series(start)).where(known)
    spans['busy_from'] = np.fmax(ready, spans['free'])
    spans['busy_until'] = np.maximum(ended, spans['busy_from'])
    return spans


def pools(spans: pd.DataFrame) -> dict[str, str]:
    """Name of the pool of each kind of task that ran."""
    groups = [frozenset([kind]) for kind in spans['kind'].unique()]
    shared = spans.loc[spans['worker'].notna(), ['worker', 'kind']].drop_duplicates()
    for _, kinds in shared.groupby('worker')['kind']:
        mine = set(kinds)
        groups = [g for g in groups if not g & mine] + [frozenset().union(*(g for g in groups if g & mine))]
    order = {kind: place for place, kind in enumerate(('simulate', 'train', 'infer'))}
    names = {group: '+'.join(sorted(group, key=lambda kind: (order.get(kind, 9), kind))) for group in groups}
    return {kind: name for group, name in names.items() for kind in group}


def pool_size(pool: str, workers: Mapping[str, int]) -> int:
    """How many workers a pool is said to have; 0 where nothing is said."""
    return max((workers.get(kind, 0) for kind in pool.split('+')), default=0)


def worker_counts(spans: pd.DataFrame, workers: Mapping[str, int]) -> dict[str, int]:
    """How many workers each kind had: as many as are said, or as ran tasks at once where that is more (blocks added
    later). Kinds of which nothing is said are left out.
    """  # noqa: D205
    return {kind: max(said, peak(spans[spans['kind'] == kind])) for kind, said in workers.items()}


def _seats(spans: pd.DataFrame, workers: Mapping[str, int]) -> pd.Series:
    known = spans[spans['worker'].notna()]
    lives = known.groupby(['session', 'pool', 'worker'], as_index=False).agg(
        first=('started', 'min'), last=('ended', 'max')
    )
    lives = lives.sort_values('first', kind='stable')
    counts = worker_counts(spans, workers)
    taken: dict[tuple[int, str], list[float]] = {}
    seats = []
    for life in lives.itertuples():
        until = taken.setdefault((life.session, life.pool), [])
        size = pool_size(life.pool, counts)
        free = [seat for seat, last in enumerate(until) if last <= life.first] if 0 < size <= len(until) else []
        seat = max(free, key=until.__getitem__, default=len(until))
        until[seat : seat + 1] = [life.last]
        seats.append(seat)
    lives['seat'] = np.array(seats, dtype=np.int64)
    placed = spans[['session', 'pool', 'worker']].merge(lives, on=['session', 'pool', 'worker'], how='left')
    return placed['seat'].fillna(-1).astype(np.int64)


def slot_use(
    spans: pd.DataFrame, idle: pd.DataFrame, sessions: pd.DataFrame, workers: Mapping[str, int]
) -> dict[str, SlotUse]:
    """How well the workers of each kind were used, as ``summary.json`` tells it.

    Utilization is busy time over the number of workers times the time the campaign ran. Idle times are those between
    one task of a worker and the next, by the kind of the next.

    Args:
        spans: Busy times.
        idle: Idle times, of :func:`~scoutbee.analysis.idle.idle_times`.
        sessions: When the campaign ran.
        workers: Number of workers by kind.
    """
    ran = seconds_in(sessions)
    between = idle[idle['position'] == 'between']
    use = {}
    for kind, count in worker_counts(spans, {**workers, **_unsaid(spans, workers)}).items():
        mine = spans[spans['kind'] == kind]
        busy = float((mine['busy_until'] - mine['busy_from']).sum())
        use[kind] = SlotUse(
            workers=count,
            utilization=min(1.0, busy / (count * ran)) if count * ran > 0 else None,
            idle_seconds=median_p95(between.loc[between['kind'] == kind, 'seconds'].to_numpy(np.float64)),
        )
    return use


def _unsaid(spans: pd.DataFrame, workers: Mapping[str, int]) -> dict[str, int]:
    return dict.fromkeys(sorted(set(spans['kind']) - set(workers)), 0)


def median_p95(seconds: Floats) -> Spread:
    """Median and 95th percentile (linear interpolation between the nearest two); missing ones are left out."""
    known = seconds[np.isfinite(seconds)]
    if not known.size:
        return Spread()
    median, p95 = np.percentile(known, [50, 95])
    return Spread(median=float(median), p95=float(p95))


def peak(spans: pd.DataFrame) -> int:
    """Most tasks that ran at once; one that begins as another ends does not overlap it."""
    started, ended = (spans[name].to_numpy(np.float64) for name in ('started', 'ended'))
    times = np.concatenate([ended, started])  # ends first: the sort is stable
    steps = np.concatenate([-np.ones(ended.size), np.ones(started.size)])
    running = np.cumsum(steps[np.argsort(times, kind='stable')])
    return int(running.max(initial=0))


def busy_workers(spans: pd.DataFrame, start: float, end: float, bins: int = 300) -> tuple[Floats, Floats]:
    """Busy workers over time, averaged in equal bins.

    Args:
        spans: Busy times.
        start: Start of the first bin, seconds since the epoch.
        end: End of the last bin.
        bins: Number of bins.

    Returns:
        Edges of the bins in seconds from ``start``, shape (bins + 1,), and mean number of busy workers, shape (bins,).
    """
    edges = np.linspace(0.0, max(end - start, 1e-9), bins + 1)
    began, ended = (np.sort(spans[name].to_numpy(np.float64) - start) for name in ('ready', 'ended'))
    # Busy time up to t is the sum over tasks of clip(t - began, 0) - clip(t - ended, 0).
    busy = _elapsed(began, edges) - _elapsed(ended, edges)
    return edges, np.diff(busy) / np.diff(edges)


def _elapsed(times: Floats, at: Floats) -> Floats:
    """Sum of ``max(0, t - time)`` over all times, for each t."""
    count = np.searchsorted(times, at, side='right')
    total = np.concatenate([[0.0], np.cumsum(times)])
    return np.asarray(count * at - total[count], dtype=np.float64)
