"""How the machine was used, and what idle time was spent on."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import KINDS, SIMULATE

from ..figures import machine as figures
from ..idle import CAUSES, machine_use
from ..machine import slot_use
from ..run import Run
from .elements import Column, Picture, Section, Table
from .formats import listed, percent, share_of

MEANINGS = {
    'startup': "Before a worker's first task: it starts, imports, and fetches its first inputs.",
    'notification': 'Its last result was on its way to the thinker.',
    'not_due': 'The next task could not be there yet: its training had not begun, its model was not trained.',
    'buffer': 'The launcher waited for a candidate: the buffer was empty.',
    'paused': 'The launcher waited for the models, as the policy says.',
    'horizon': 'The launcher waited because too little time was left for another simulation.',
    'complete': 'The launcher waited because all that was needed was under way.',
    'thinker': 'The thinker decided, wrote down and sent.',
    'queue': 'The task was sent, and the task server had not taken it.',
    'dispatch': 'The task server had it, and the worker had not begun.',
    'inputs': 'The worker fetched and unpacked the inputs.',
    'unused': 'A worker that is said to be there ran no task.',
    'end_of_run': 'After its last task.',
}
"""What each cause means, as ``idle`` finds it."""

_NAMES = {
    'startup': 'start-up', 'notification': 'results under way', 'not_due': 'work that was not due yet',
    'buffer': 'an empty buffer', 'paused': 'the pause during updates', 'horizon': 'too little time being left',
    'complete': 'all that was needed being under way', 'thinker': 'the thinker', 'queue': 'the queue',
    'dispatch': 'dispatch', 'inputs': 'inputs', 'unused': 'workers that were never used',
    'end_of_run': 'the end of the run',
}  # fmt: skip


def machine(run: Run) -> Section:
    """The section."""
    kinds = [*KINDS, *sorted(set(run.spans['kind']) - set(KINDS))]
    use = machine_use(run.spans, run.idle)
    slots = _slots(run)
    resumed = ' Dashed: the campaign was taken up again.' if len(run.sessions) > 1 else ''
    return Section(
        'machine', 'Use of the machine', sentence(use),
        pictures=[
            Picture(
                'busy', f'Busy workers of each kind over time.{resumed}', 'Busy workers of each kind over time.',
                partial(figures.use, spans=run.spans, sessions=run.sessions, kinds=kinds), wide=True,
            ),
            Picture(
                'idle',
                'What idle time was spent on, as a share of all the time of the workers. A bar is as long as its '
                'workers were idle.',
                'Idle time by cause.', partial(figures.idle, machine=use, names=use['pool'].tolist()), wide=True,
            ),
        ],
        tables=[_slots_table(slots), _idle_table(use)] if len(slots) else [],
        notes=[
            'Workers that run the same kinds of task form a pool. A worker is busy while it runs the function of a '
            'task and idle else; the causes of a pool add up to its idle time. Time between a crash and a resumption '
            'counts for nobody.'
        ] if len(slots) else [],
        numbers={'idle_seconds': {row['pool']: row['idle_seconds'] for row in use.to_dict('records')}},
    )  # fmt: skip


def sentence(use: pd.DataFrame) -> str:
    """How busy the simulation workers were, and what most of their idle time was spent on."""
    mine = use[[SIMULATE in pool.split('+') for pool in use['pool']]]
    if not len(mine):
        return 'No simulation has said when it ran.'
    pool = mine.iloc[0]
    busy, idle = float(pool['utilization']), float(pool['idle_seconds'])
    text = f'Simulation workers were busy {percent(busy)} of the time'
    if idle <= 0 or not np.isfinite(busy):
        return f'{text}.'
    causes = pool[list(CAUSES)].astype(np.float64).sort_values(ascending=False, kind='stable') / idle
    told = [f'{share_of(share)} was {_NAMES[str(cause)]}' for cause, share in causes.head(3).items() if share >= 0.1]
    return f'{text}; of the idle {percent(1 - busy)}, {listed(told)}.' if told else f'{text}.'


def _slots(run: Run) -> pd.DataFrame:
    counts = run.tasks['kind'].value_counts()
    found: dict[str, Any] = slot_use(run.spans, run.idle, run.sessions, run.workers)
    rows = [
        (kind, int(counts.get(kind, 0)), use.workers, use.utilization, use.idle_seconds.median, use.idle_seconds.p95)
        for kind, use in found.items()
    ]
    return pd.DataFrame(rows, columns=['kind', 'tasks', 'workers', 'utilization', 'idle_median', 'idle_p95'])


def _slots_table(slots: pd.DataFrame) -> Table:
    columns = [
        Column('kind', 'kind'),
        Column('tasks', 'tasks', 'count', 'Attempts that came back.'),
        Column('workers', 'workers', 'count', 'As the site says, or as many as ran tasks at once where that is more.'),
        Column('utilization', 'utilization', 'percent',
               'Busy time over the number of workers times the time the campaign ran, as in summary.json.'),
        Column('idle_median', 'idle between tasks, median', 'seconds',
               'Time of a worker between the end of one task and running the next, by the kind of the next.'),
        Column('idle_p95', '95th percentile', 'seconds'),
    ]  # fmt: skip
    return Table('slots', 'Workers by kind of task.', columns, slots)


def _idle_table(use: pd.DataFrame) -> Table:
    """Causes as rows and pools as columns: there are many causes and few pools."""
    causes = [cause for cause in CAUSES if use[cause].any()]
    frame = pd.DataFrame({'cause': [cause.replace('_', ' ') for cause in causes]})
    frame['meaning'] = [MEANINGS[cause] for cause in causes]
    columns = [Column('cause', 'cause'), Column('meaning', 'the worker was idle because')]
    for pool in use.to_dict('records'):
        name = pool['pool']
        frame[name] = [pool[cause] for cause in causes]
        frame[f'{name} share'] = frame[name] / pool['idle_seconds'] if pool['idle_seconds'] else np.nan
        columns += [Column(name, name, 'seconds'), Column(f'{name} share', 'share', 'percent')]
    totals = {name: 1.0 if name.endswith(' share') else frame[name].sum() for name in frame.columns[2:]}
    frame = pd.concat([frame, pd.DataFrame([{'cause': 'all', 'meaning': 'All idle time.', **totals}])])
    return Table('idle', 'Idle worker time by cause, summed over the workers of each pool.', columns, frame)
