"""How long the stages of a task and of a training round took."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import KINDS, SIMULATE

from ..figures import latency as figures
from ..latency import STAGES, stages, waterfall
from ..rounds import learning_rounds
from ..run import Run
from .elements import Column, Picture, Section, Table
from .formats import percent, plural, seconds

MEANINGS = {
    'queue': 'From its creation by the thinker until the task server received it.',
    'dispatch': 'Until a worker took it.',
    'inputs': 'The worker unpacked and fetched the inputs.',
    'run': "The task's own function.",
    'packing': 'The worker packed and stored the value.',
    'notification': 'Until the thinker had the result, unpacked.',
    'decision': 'Until its record was written, which is the moment at which it counts.',
    'total': 'From its creation to the decision.',
}


def latency(run: Run) -> Section:
    """The section."""
    each = stages(run.tasks)
    made = waterfall(each).sort_values('kind', key=_order, kind='stable', ignore_index=True)
    rounds = learning_rounds(run.tasks, run.events, run.models, run.selections)
    clipped = int((each['clipped'] > 0).sum())
    return Section(
        'latency', 'Latency', _sentence(made, rounds),
        pictures=[
            Picture(
                'waterfall',
                'The life of a task from its creation to the decision. Bars are medians laid end to end; a thin line '
                'reaches to the 95th percentile of the stage.',
                'Life of a task, stage by stage.', partial(figures.waterfall, made=made), wide=True,
            ),
            Picture(
                'rounds', 'What followed the beginning of each training round.', 'Steps of each training round.',
                partial(figures.rounds, made=rounds), wide=True,
            ),
        ],
        tables=[table for table in (_stages_table(made), _rounds_table(rounds)) if len(table.frame)],
        notes=[
            f'Clocks disagree: {plural(clipped, "task")} had a stage that ended before it began; it counts as 0.'
        ] if clipped else [],
    )  # fmt: skip


def _order(kinds: pd.Series) -> pd.Series:
    return kinds.map({kind: place for place, kind in enumerate(KINDS)}).fillna(len(KINDS))


def _sentence(made: pd.DataFrame, rounds: pd.DataFrame) -> str:
    mine = made[made['kind'] == SIMULATE].set_index('stage')
    if not len(mine) or not mine.loc['total', 'count']:
        return 'No simulation has come back with its times.'
    total, run = (float(mine.loc[stage, 'median']) for stage in ('total', 'run'))
    text = f'Half of the simulations took at most {seconds(total)} from their creation to the decision'
    means = mine.loc[list(STAGES), 'mean'].astype(np.float64)
    if means.sum() > 0 and np.isfinite(run):
        others = means.drop('run')
        text += (
            f'; {percent(float(means["run"] / means.sum()))} of that time was the simulation itself, and the longest '
            f'of the other stages was {others.idxmax()} ({seconds(float(mine.loc[others.idxmax(), "median"]))} median)'
        )
    ranked = rounds['to_last_ranking'].dropna()
    if len(ranked):
        text += f'. From the beginning of a training round to its last ranking took {seconds(float(ranked.median()))}'
        text += ' (median)' if len(ranked) > 1 else ''
    return f'{text}.'


def _stages_table(made: pd.DataFrame) -> Table:
    frame = made.assign(meaning=made['stage'].map(MEANINGS))
    columns = [
        Column('kind', 'kind'),
        Column('stage', 'stage'),
        Column('meaning', 'what it is'),
        Column('count', 'tasks', 'count', 'Tasks that have both of its ends.'),
        Column('median', 'median', 'seconds'),
        Column('p95', '95th percentile', 'seconds'),
        Column('mean', 'mean', 'seconds'),
    ]
    return Table('stages', 'Stages of the life of a task.', columns, frame, folded=True)


def _rounds_table(rounds: pd.DataFrame) -> Table:
    columns = [
        Column('generation', 'generation', 'count'),
        Column('observations', 'results', 'count', 'Results there were when the round began.'),
        Column('to_first_model', 'first model', 'seconds', 'From the beginning of the round to its first model.'),
        Column('to_first_inference', 'first inference', 'seconds', 'To the first inference that ran on a worker.'),
        Column('to_first_ranking', 'first ranking', 'seconds', 'To the first ranking in which its models had a say.'),
        Column('to_last_ranking', 'last ranking', 'seconds', 'To the last one, in which all of them had.'),
        Column('model_to_inference', 'model to inference', 'seconds',
               'From a trained model to its first inference; median over the members.'),
        Column('predictions_to_ranking', 'predictions to ranking', 'seconds',
               'From the last predictions of the round to its last ranking.'),
    ]  # fmt: skip
    return Table('rounds', 'Steps of each training round.', columns, rounds)
