"""What the models knew when they chose, and how the rankings changed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from scoutbee.contracts.candidates import Objective

from ..figures import learning as figures
from ..learning import calibration, calibration_error, model_errors, predictions, ranking_changes
from ..run import Run
from .elements import Column, Picture, Section, Table
from .formats import percent, plural

LEAST = 10
"""Fewest predictions of a generation whose calibration is drawn."""

EXACT = 0.05
"""How far the covered share may be from the stated one and still be called right."""

ONE_DEVIATION = 0.683


def learning(run: Run, objective: Objective) -> Section:
    """The section."""
    made = predictions(run.observations)
    groups = model_errors(made)
    curves = _curves(made)
    overall = curves.get('all predictions', pd.DataFrame({'level': [], 'share': [], 'count': []}))
    changes = ranking_changes(run.tops, run.selections, run.submissions)
    error = calibration_error(overall)
    tables = _errors_table(groups, objective), _changes_table(changes), _rankings_table(run.selections)
    return Section(
        'learning', 'Learning', _sentence(made, changes, objective),
        pictures=_pictures(made, groups, curves, changes, objective),
        tables=[table for table in tables if len(table.frame)],
        notes=[
            'Chosen candidates are no fair sample of the search space: choosing the highest predictions also chooses '
            'the largest overestimates, so a model looks worse here than it is elsewhere.'
        ] if len(made) else [],
        numbers={'predictions': len(made), 'calibration_error': error},
        series={'calibration': overall},
    )  # fmt: skip


def _curves(made: pd.DataFrame) -> dict[str, pd.DataFrame]:
    curves = {'all predictions': calibration(made)}
    sizes = made.dropna(subset='z').groupby('generation').size()
    chosen = sizes[sizes >= LEAST].index[-4:]
    curves |= {f'generation {number}': calibration(made[made['generation'] == number]) for number in chosen}
    return {name: curve for name, curve in curves.items() if len(curve)}


def _sentence(made: pd.DataFrame, changes: pd.DataFrame, objective: Objective) -> str:
    if not len(made):
        return 'No simulation that a model chose has come back.'
    unit = f' {objective.unit}' if objective.unit else ''
    bias = float(made['error'].mean())
    text = (
        f'The models missed the values of the {len(made):,} candidates they chose by {made["error"].abs().mean():.3g}'
        f'{unit} on average, and predicted {abs(bias):.2g}{unit} too {"high" if bias >= 0 else "low"}.'
    )
    stated = made['z'].dropna()
    if len(stated):
        covered = float((stated.abs() <= 1).mean())
        judged = 'about right' if abs(covered - ONE_DEVIATION) <= EXACT else (
            'they were too sure of themselves' if covered < ONE_DEVIATION else 'they were less sure than they could be'
        )  # fmt: skip
        text += f' {percent(covered)} of the values lay within one stated deviation, where 68% should: {judged}.'
    kept = changes['overlap'].dropna()
    if len(kept):
        text += f' A new ranking kept {percent(float(kept.median()))} of the top of the one before (median).'
    return text


def _pictures(
    made: pd.DataFrame, groups: pd.DataFrame, curves: dict[str, pd.DataFrame], changes: pd.DataFrame,
    objective: Objective,
) -> list[Picture]:  # fmt: skip
    return [
        Picture(
            'parity',
            'What the ensemble predicted when it chose a candidate, against what came. On the dashed line it was '
            'right; bars are one stated deviation.',
            'Predicted value at choice against simulated value.',
            partial(figures.parity, made=made, objective=objective),
        ),
        Picture(
            'errors', 'Absolute error for the candidates each generation chose, and the deviation it stated.',
            'Model error by generation.',
            partial(figures.errors, groups=groups, made=made, objective=objective),
        ),
        Picture(
            'calibration',
            'How many values lay within the intervals stated. Below the dashed line the models were too sure.',
            'Calibration of the stated uncertainty.', partial(figures.calibration, curves=curves),
        ),
        Picture(
            'rankings', 'How much of the top of a ranking was still there in the next, and in the same order.',
            'Change from each ranking to the next.', partial(figures.rankings, changes=changes),
        ),
    ]  # fmt: skip


def _errors_table(groups: pd.DataFrame, objective: Objective) -> Table:
    unit = f' ({objective.unit})' if objective.unit else ''
    columns = [
        Column('generation', 'generation', 'count', 'Newest among the models that predicted the candidate.'),
        Column('count', 'chosen', 'count', 'Candidates it chose that came back with a value.'),
        Column('mae', f'mean error{unit}', 'number', 'Mean of the absolute differences of prediction and value.'),
        Column('rmse', 'RMSE', 'number', 'Root of the mean of their squares.'),
        Column('bias', 'bias', 'signed', 'Mean of prediction minus value: positive where it predicted too high.'),
        Column('std', 'stated deviation', 'number', 'Mean standard deviation over the ensemble.'),
        Column('covered_1', 'within 1', 'percent', 'Errors within one stated deviation; 68% if it is right.'),
        Column('covered_2', 'within 2', 'percent', 'Errors within two stated deviations; 95% if it is right.'),
        Column('z_spread', 'error / deviation', 'number',
               'Root of the mean squared error in stated deviations; 1 if it is right, more if it is too small.'),
        Column('nll', 'NLL', 'number',
               'Mean negative log density of the values under the normal distribution predicted; lower is better.'),
    ]  # fmt: skip
    return Table('model_errors', 'Errors of each generation of models for what it chose.', columns, groups)


def _changes_table(changes: pd.DataFrame) -> Table:
    columns = [
        Column('ranking', 'ranking', 'count'),
        Column('kept', 'kept', 'count', 'Candidates in the top of the ranking before that stand in its own top.'),
        Column('sent', 'sent', 'count', 'Others of the older top that were sent to a worker in the meantime.'),
        Column('overlap', 'kept of the top', 'percent', 'Kept, as a share of those that were not sent.'),
        Column('best_overlap', 'kept of the best ten', 'percent', 'The same for the best ten of both.'),
        Column('correlation', 'same order', 'number', "Spearman's correlation of the places of those kept."),
    ]
    shown = changes.assign(correlation=changes['correlation'].astype(np.float64).round(3))
    return Table('ranking_changes', f'{plural(len(changes), "change")} of the ranking.', columns, shown, folded=True)


def _rankings_table(selections: pd.DataFrame) -> Table:
    columns = [
        Column('ranking', 'ranking', 'count'),
        Column('models', 'models', 'key', 'Versions: generation and member.'),
        Column('observations', 'results', 'count', 'Results there were.'),
        Column('scored', 'compared', 'count', 'Candidates that were ranked.'),
        Column('kept', 'kept', 'count', 'Best of them that went to the buffer.'),
        Column('seconds', 'ranked in', 'seconds'),
        Column('since', 'since training began', 'seconds'),
        Column('warnings', 'warnings'),
    ]
    frame = selections.assign(since=selections['time'] - selections['started']).drop(columns=['seq', 'time', 'started'])
    return Table('rankings', f'{plural(len(frame), "ranking")}.', columns, frame, folded=True, most=200)
