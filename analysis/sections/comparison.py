"""Several runs side by side; replicates with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Objective

from ..compare import compare, curves, replicates
from ..figures import comparison as figures
from ..figures import machine as machine_figures
from ..idle import machine_use
from ..latency import stages, waterfall
from ..learning import calibration, calibration_error, predictions, ranking_changes
from ..run import Run
from ..traffic import traffic
from ..trouble import group_failures
from .elements import Column, Picture, Section, Table
from .formats import percent, plural, size, written
from .machine import sentence as use_sentence

_INTERVAL = "Student's t interval of the mean over replicates, 95%; missing for a single run."


def comparison(runs: Sequence[Run], objective: Objective) -> list[Section]:
    """The sections of several runs.

    Args:
        runs: The runs; those with the same settings but for the seed are replicates of each other.
        objective: What is looked for.
    """
    table = compare(runs)
    names = _names(table)
    table['group'] = table['settings'].map(names)
    return [
        _side_by_side(runs, table, names, objective),
        _learnings(runs, objective),
        _machines(runs),
        _latencies(runs),
        _movements(runs),
        _troubles(runs),
    ]


def _names(table: pd.DataFrame) -> dict[str, str]:
    """What to call each group of replicates."""
    names = {}
    for settings, group in table.groupby('settings', sort=False):
        first = group.iloc[0]
        called = ' '.join(str(part) for part in (first['campaign'], first['site']) if isinstance(part, str))
        names[str(settings)] = f'{called} {settings}'.strip() + (f' ({len(group)} runs)' if len(group) > 1 else '')
    return names


def _side_by_side(runs: Sequence[Run], table: pd.DataFrame, names: Mapping[str, str], objective: Objective) -> Section:
    means = replicates(table)
    means['group'] = means['settings'].map(names)
    drawn = {
        name: curves([run for run, mine in zip(runs, table['settings'], strict=True) if mine == settings])
        for settings, name in names.items()
    }
    pictures = [
        Picture(
            column, f'{title} Line: mean of the replicates that made so many; band: {_INTERVAL}', title,
            partial(figures.curve, curves=drawn, column=column, objective=objective),
        )
        for column, title in (('best', f'Best {objective.name} so far.'), ('found', 'Candidates found.'))
    ]  # fmt: skip
    return Section(
        'outcome', 'Outcome', _sentence(table, objective), pictures=pictures,
        tables=[_runs_table(table, objective), _means_table(means)],
        series={f'curve {name}': made for name, made in drawn.items()},
    )  # fmt: skip


def _sentence(table: pd.DataFrame, objective: Objective) -> str:
    groups = table['settings'].nunique()
    text = f'{len(table):,} runs with {"the same" if groups == 1 else f"{groups:,} different"} settings'
    known = table[table['best'].notna()]
    if not len(known):
        return f'{text}; none has a value yet.'
    best = known.loc[(objective.sign * known['best']).idxmax()]
    unit = f' {objective.unit}' if objective.unit else ''
    text += f'; the best {objective.name}, {best["best"]:.4g}{unit}, came from {best["run"]}'
    if objective.threshold is not None and known['found'].sum():
        most = known.loc[known['found_per_worker_hour'].fillna(0.0).idxmax()]
        rate = written(most['found_per_worker_hour'], 'number')
        text += f', the most finds per worker-hour ({rate}) from {most["run"]}'
    return f'{text}.'


def _runs_table(table: pd.DataFrame, objective: Objective) -> Table:
    unit = f' ({objective.unit})' if objective.unit else ''
    columns = [
        Column('run', 'run', 'key'),
        Column('group', 'settings', meaning='Runs that differ in their seed alone, and in where files and servers '
               'are, are replicates.'),
        Column('status', 'status'),
        Column('seed', 'seed', 'text'),
        Column('hours', 'hours', 'number', 'A driver worked on it.'),
        Column('simulations', 'simulations', 'count'),
        Column('failed', 'given up', 'count'),
        Column('best', f'best{unit}', 'number'),
        Column('found', 'found', 'count'),
        Column('found_per_worker_hour', 'found per worker-hour', 'number'),
        Column('retrains', 'retrainings', 'count'),
        Column('utilization', 'utilization', 'percent', 'Of the simulation workers.'),
        Column('idle_median', 'idle between tasks', 'seconds', 'Median of a simulation worker.'),
        Column('makespan_median', 'retrain to rerank', 'seconds', 'Median, to the last new ranking.'),
    ]  # fmt: skip
    return Table('runs', 'The runs side by side.', columns, table)


def _means_table(means: pd.DataFrame) -> Table:
    frame = means.assign(quantity=means['quantity'].str.replace('_', ' '))
    columns = [
        Column('group', 'settings'),
        Column('quantity', 'quantity'),
        Column('count', 'runs', 'count'),
        Column('mean', 'mean', 'number'),
        Column('low', 'from', 'number', _INTERVAL),
        Column('high', 'to', 'number'),
    ]
    single = bool((means['count'] < 2).all())
    return Table('replicates', 'Means over replicates, with intervals.', columns, frame, folded=single, most=400)


def _learnings(runs: Sequence[Run], objective: Objective) -> Section:
    unit = f' ({objective.unit})' if objective.unit else ''
    frame = pd.DataFrame([_knowledge(run) for run in runs])
    columns = [
        Column('run', 'run', 'key'),
        Column('count', 'chosen', 'count', 'Candidates that models chose and that came back with a value.'),
        Column('mae', f'mean error{unit}', 'number', 'Mean of the absolute differences of prediction and value.'),
        Column('bias', 'bias', 'signed', 'Mean of prediction minus value: positive where it predicted too high.'),
        Column('covered_1', 'within 1', 'percent', 'Errors within one stated deviation; 68% if it is right.'),
        Column('calibration_error', 'calibration error', 'percent',
               'Mean distance of the share of values within an interval and the probability stated for it.'),
        Column('overlap', 'kept of the top', 'percent', 'Of each ranking in the next, median.'),
    ]  # fmt: skip
    known = frame['mae'].dropna()
    told = 'No simulation that a model chose has come back in any run.'
    if len(known):
        low, high = (f'{end:.3g} {objective.unit}'.strip() for end in (known.min(), known.max()))
        told = f'Run by run, the models missed the values of what they chose by {low} to {high} on average.'
    return Section(
        'learning', 'Learning', told,
        tables=[Table('errors', 'Errors of the models for what they chose.', columns, frame)],
    )  # fmt: skip


def _knowledge(run: Run) -> dict[str, object]:
    made = predictions(run.observations)
    stated = made['z'].dropna().abs()
    return {
        'run': run.name,
        'count': len(made),
        'mae': made['error'].abs().mean(),
        'bias': made['error'].mean(),
        'covered_1': (stated <= 1).mean(),
        'calibration_error': calibration_error(calibration(made)),
        'overlap': ranking_changes(run.tops, run.selections, run.submissions)['overlap'].median(),
    }


def _machines(runs: Sequence[Run]) -> Section:
    uses = [machine_use(run.spans, run.idle).assign(run=run.name) for run in runs]
    table = pd.concat(uses, ignore_index=True)
    names = [f'{run} {pool}' for run, pool in zip(table['run'], table['pool'], strict=True)]
    columns = [
        Column('run', 'run', 'key'),
        Column('pool', 'pool', meaning='Workers that run the same kinds of task.'),
        Column('workers', 'workers', 'count'),
        Column('utilization', 'utilization', 'percent', 'Busy time over the time the workers were there.'),
        Column('busy_seconds', 'busy', 'seconds'),
        Column('idle_seconds', 'idle', 'seconds'),
    ]
    told = [f'{run.name}: {use_sentence(use)}' for run, use in zip(runs, uses, strict=True)]
    busy = table.loc[[SIMULATE in pool.split('+') for pool in table['pool']], 'utilization']
    ends = f'{percent(busy.min())} to {percent(busy.max())}' if len(busy) else 'none'
    return Section(
        'machine', 'Use of the machine', f'Run by run, simulation workers were busy {ends} of the time.',
        pictures=[
            Picture(
                'idle', 'What idle time was spent on, as a share of all the time of the workers.',
                'Idle time by cause, run by run.',
                partial(machine_figures.idle, machine=table, names=names), wide=True,
            )
        ],
        tables=[Table('pools', 'Workers of each run.', columns, table)] if len(table) else [],
        notes=told,
    )  # fmt: skip


def _latencies(runs: Sequence[Run]) -> Section:
    made = pd.concat([waterfall(stages(run.tasks)).assign(run=run.name) for run in runs], ignore_index=True)
    columns = [Column('kind', 'kind'), Column('stage', 'stage')]
    wide = made[['kind', 'stage']].drop_duplicates(ignore_index=True)
    for run in runs:
        mine = made.loc[made['run'] == run.name, ['kind', 'stage', 'median', 'p95']]
        wide = wide.merge(
            mine.rename(columns={'median': f'{run.name} median', 'p95': f'{run.name} p95'}), on=['kind', 'stage'],
            how='left',
        )  # fmt: skip
        columns += [Column(f'{run.name} median', run.name, 'seconds'), Column(f'{run.name} p95', '95%', 'seconds')]
    tables = [Table('stages', 'Stages of the life of a task, median and 95th percentile.', columns, wide)]
    told = 'The life of a task from its creation to the decision, run by run.'
    return Section('latency', 'Latency', told, tables=tables if len(wide) else [])


def _movements(runs: Sequence[Run]) -> Section:
    moved = [traffic(run.tasks, run.objects, run.params).assign(run=run.name) for run in runs]
    frame = pd.concat(moved, ignore_index=True).groupby(['run', 'way'], as_index=False, sort=False)
    table = frame[['count', 'bytes', 'seconds']].sum(min_count=1)
    columns = [
        Column('run', 'run', 'key'),
        Column('way', 'way', meaning='Within the message of the task, or through the store of that backend.'),
        Column('count', 'moves', 'count'),
        Column('bytes', 'bytes', 'bytes'),
        Column('seconds', 'time in the store', 'seconds', 'Sum over the moves; not known for messages.'),
    ]
    told = f'{size(float(table["bytes"].sum()))} moved in all runs together.' if len(table) else 'Nothing has moved.'
    tables = [Table('traffic', 'Bytes by the way they took.', columns, table)] if len(table) else []
    return Section('data', 'Data', told, tables=tables)


def _troubles(runs: Sequence[Run]) -> Section:
    rows = [
        (run.name, group.task, group.kind, group.error, group.count, group.example)
        for run in runs
        for group in group_failures(run.tasks)
    ]
    frame = pd.DataFrame(rows, columns=['run', 'task', 'kind', 'error', 'count', 'example'])
    columns = [
        Column('run', 'run', 'key'),
        Column('count', 'times', 'count'),
        Column('task', 'task'),
        Column('error', 'exception'),
        Column('kind', 'class'),
        Column('example', 'example'),
    ]
    failed = int(frame['count'].sum())
    told = f'{plural(failed, "attempt")} failed in {plural(frame["run"].nunique(), "run")}.'
    return Section(
        'trouble', 'Trouble', told if failed else 'No task failed in any run.',
        tables=[Table('failures', 'Failures by cause.', columns, frame)] if failed else [],
        numbers={'skipped_lines': sum(len(run.skipped) for run in runs)},
    )  # fmt: skip
