"""Several runs side by side; replicates, which differ in their seed alone, with intervals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import SIMULATE

from .fates import count
from .idle import machine_use
from .machine import slot_use
from .outcome import best_so_far, found_so_far, progress, valued
from .rounds import extent, makespans
from .run import Run
from .sessions import Floats, seconds_in

UNLIKE = ('seed', 'runs_dir', 'redishost', 'redisport', 'ml_endpoint', 'qc_endpoint', 'ps_file_dir')
"""Settings in which replicates may differ: the seed, and where files and servers are."""

POINTS = 200
"""Numbers of simulations at which curves are compared, at most."""


def settings_of(run: Run) -> str:
    """A short name for the settings of a run: the same for its replicates. Its own name where it kept no settings."""
    kept = {name: value for name, value in run.params.items() if name not in UNLIKE}
    if not kept:
        return run.name
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:8]


def compare(runs: Sequence[Run]) -> pd.DataFrame:
    """The main numbers of several runs, side by side.

    Args:
        runs: The runs.

    Returns:
        One row a run: ``run``, ``settings`` (the same for replicates), ``campaign``, ``site``, ``status`` (missing
        where there is no summary), ``seed``, ``hours`` (a driver worked on it), ``simulations``, ``failed`` (candidates
        given up), ``best``, ``found``, ``found_per_worker_hour``, ``retrains``, ``utilization`` (of the simulation
        workers), ``idle_median`` (seconds between two simulations of a worker), ``idle_share`` (idle time of their
        pool over all of its time) and ``makespan_median`` (seconds from retraining to the last new ranking).
    """
    return pd.DataFrame([_numbers(run) for run in runs])


def _numbers(run: Run) -> dict[str, object]:
    counts, summary = count(run.tasks, run.submissions, run.events), run.summary
    use = slot_use(run.spans, run.idle, run.sessions, run.workers).get(SIMULATE)
    made = progress(run.observations, run.objective, run.sessions, use.workers if use else 0)
    pools = machine_use(run.spans, run.idle)
    pool = pools[[SIMULATE in name.split('+') for name in pools['pool']]]
    best, found, hours = made[['best', 'found', 'worker_hours']].iloc[-1] if len(made) else (np.nan, 0, 0.0)
    return {
        'run': run.name,
        'settings': settings_of(run),
        'campaign': summary.campaign if summary else run.params.get('campaign'),
        'site': summary.site if summary else run.params.get('site'),
        'status': summary.status if summary else None,
        'seed': summary.seed if summary else run.params.get('seed'),
        'hours': seconds_in(run.sessions) / 3600,
        'simulations': counts.succeeded,
        'failed': counts.failed + counts.quarantined,
        'best': float(best),
        'found': int(found),
        'found_per_worker_hour': found / hours if hours > 0 else np.nan,
        'retrains': counts.retrains,
        'utilization': use.utilization if use else None,
        'idle_median': use.idle_seconds.median if use else None,
        'idle_share': 1 - float(pool['utilization'].iloc[0]) if len(pool) else np.nan,
        'makespan_median': extent(makespans(run.selections)).median,
    }


def replicates(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Means over replicates, with intervals.

    Args:
        table: What :func:`compare` returns.
        level: Probability of the intervals.

    Returns:
        One row for each ``settings`` and ``quantity`` (a column of numbers of ``table``): ``count`` (replicates that
        have it), ``mean``, ``low`` and ``high``: Student's t interval of the mean, which takes the replicates as drawn
        independently from a normal distribution; missing for fewer than two.
    """
    numbers = table.drop(columns=['seed']).select_dtypes('number').astype(np.float64)
    rows = []
    for settings, place in table.groupby('settings', sort=False).indices.items():
        rows += [(settings, name, *_interval(numbers[name].to_numpy()[place], level)) for name in numbers]
    return pd.DataFrame(rows, columns=['settings', 'quantity', 'count', 'mean', 'low', 'high'])


def curves(runs: Sequence[Run], level: float = 0.95) -> pd.DataFrame:
    """Best so far and number found against simulations: the mean of some replicates, with intervals.

    Args:
        runs: Replicates.
        level: Probability of the intervals (Student's t, as for :func:`replicates`).

    Returns:
        Columns ``simulations``, ``runs`` (that made so many), and ``best``, ``best_low``, ``best_high``, ``found``,
        ``found_low``, ``found_high``.
    """
    made = []
    for run in runs:
        values = valued(run.observations)['value'].to_numpy(np.float64)
        made.append((best_so_far(values, run.objective), found_so_far(values, run.objective).astype(np.float64)))
    longest = max((best.size for best, _ in made), default=0)
    rows = []
    for number in np.unique(np.linspace(1, longest, min(longest, POINTS)).round().astype(np.int64)):
        there = [pair for pair in made if pair[0].size >= number]
        best, found = (np.array([pair[place][number - 1] for pair in there]) for place in (0, 1))
        rows.append((int(number), len(there), *_interval(best, level)[1:], *_interval(found, level)[1:]))
    names = [f'{name}{end}' for name in ('best', 'found') for end in ('', '_low', '_high')]
    return pd.DataFrame(rows, columns=['simulations', 'runs', *names])


def _interval(values: Floats, level: float) -> tuple[int, float, float, float]:
    from scipy.stats import t

    known = values[np.isfinite(values)]
    if known.size < 2:
        return known.size, float(known[0]) if known.size else np.nan, np.nan, np.nan
    mean = float(known.mean())
    half = float(t.ppf((1 + level) / 2, known.size - 1) * known.std(ddof=1) / np.sqrt(known.size))
    return known.size, mean, mean - half, mean + half
