"""What the campaign found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Objective

from ..chance import Chance, random_choice, verdict
from ..figures import outcome as figures
from ..figures.base import corners
from ..machine import slot_use
from ..molecules import draw_all
from ..outcome import best_candidates, progress
from ..run import Run
from ..summarize import BEST_SHOWN
from .elements import Column, Picture, Section, Table, rows
from .formats import number, plural

CURVE_POINTS = 120
"""Numbers of draws at which random choice is worked out."""


@dataclass(frozen=True)
class Card:
    """One of the best candidates, drawn: its row of the table, its drawing, and why it was chosen."""

    row: dict[str, Any]
    drawing: str
    why: str


def outcome(run: Run, objective: Objective, reference: Sequence[float]) -> Section:
    """The section; ``reference`` are known values of the search space."""
    use = slot_use(run.spans, run.idle, run.sessions, run.workers).get(SIMULATE)
    made = progress(run.observations, objective, run.sessions, use.workers if use else 0)
    values = made['value'].to_numpy(np.float64)
    chance = chance_of(len(made), objective, reference)
    best = best_candidates(run.observations, run.selections, run.tops, objective, BEST_SHOWN)
    best['why'] = [_why(row) for row in rows(best)]
    drawings = draw_all(best['key'].tolist())
    cards = [Card(row, drawing, str(row['why'])) for row, drawing in zip(rows(best), drawings or (), strict=False)]
    last = made.iloc[-1] if len(made) else None
    return Section(
        'outcome', 'Outcome',
        verdict(values.tolist(), reference, objective) or _sentence(made, objective, len(run.observations)),
        pictures=_pictures(made, objective, chance),
        tables=[_best_table(best, objective, folded=bool(cards))] if len(best) else [],
        notes=_notes(len(reference)) if chance else [],
        numbers={
            'simulations': len(run.observations),
            'valued': len(made),
            'best_value': None if last is None else last['best'],
            'found': 0 if last is None else last['found'],
            'worker_hours': None if last is None else last['worker_hours'],
        },
        series={'progress': made.iloc[_kept(made)].drop(columns='seq'), 'random_choice': chance_table(chance)},
        part='molecules.html' if cards else '',
        extra={'cards': cards, 'unit': objective.unit},
    )  # fmt: skip


def chance_of(count: int, objective: Objective, reference: Sequence[float]) -> Chance | None:
    """What random choice gives up to so many draws; None where nothing tells."""
    if not count or not reference:
        return None
    draws = np.unique(np.geomspace(1, count, CURVE_POINTS).round().astype(int))
    return random_choice(reference, draws.tolist(), objective)


def chance_table(chance: Chance | None) -> pd.DataFrame:
    """Random choice as a table, one row for each number of draws."""
    names = ('draws', 'best_mean', 'best_low', 'best_high', 'found_mean', 'found_low', 'found_high')
    return pd.DataFrame({name: getattr(chance, name) for name in names} if chance else {})


def _kept(made: pd.DataFrame) -> Any:
    """Where the curves change."""
    if not len(made):
        return []
    columns = (made[name].to_numpy(np.float64) for name in ('best', 'found'))
    return np.unique(np.concatenate([corners(column) for column in columns]))


def _pictures(made: pd.DataFrame, objective: Objective, chance: Chance | None) -> list[Picture]:
    band = ' Grey: as many random picks, with the interval that holds 90% of such luck.' if chance else ''
    return [
        Picture(
            'best',
            f'Best {objective.name} so far, against simulations and against the hours that the simulation workers '
            f'were there, busy or not.{band}',
            'Best value against simulations and worker-hours.',
            partial(figures.best, made=made, objective=objective, chance=chance), wide=True,
        ),
        Picture(
            'found', f'Candidates that reached the threshold.{band}',
            'Number found against simulations and worker-hours.',
            partial(figures.found, made=made, objective=objective, chance=chance), wide=True,
        ),
    ]  # fmt: skip


def _sentence(made: pd.DataFrame, objective: Objective, observed: int) -> str:
    if not len(made):
        if observed:
            return f'{plural(observed, "simulation")} came back; this campaign does not look for a single number.'
        return 'No simulation has given a value.'
    unit = f' {objective.unit}' if objective.unit else ''
    last = made.iloc[-1]
    text = f'The best {objective.name} of {plural(len(made), "simulation")} is {last["best"]:.4g}{unit}'
    if objective.threshold is None:
        return f'{text}.'
    return f'{text}; {last["found"]:,} reach {objective.threshold:g}{unit}.'


def _notes(reference: int) -> list[str]:
    return [
        f'Random choice means independent draws from the {reference:,} known values of the search space that the '
        'campaign was given.'
    ]


def _why(row: dict[str, Any]) -> str:
    """Why a candidate was chosen, in a sentence."""
    if not row['ranking']:
        if row['mean'] is None:
            return 'A seed: it was in the order that the campaign began with.'
        return 'From the opening: what a quick model of what was known before predicted, until the first ranking.'
    place = f', place {row["place"]:,} of {row["scored"]:,}' if row['place'] and row['scored'] else ''
    text = f'From ranking {row["ranking"]}{place}'
    if row['score'] is not None:
        text += f', with score {number(row["score"])}'
    if row['models']:
        known = f', which had seen {plural(row["observations"], "result")}' if row['observations'] else ''
        text += f', by {row["models"]}{known}'
    return f'{text}.'


def _best_table(best: pd.DataFrame, objective: Objective, folded: bool) -> Table:
    unit = f' ({objective.unit})' if objective.unit else ''
    columns = [
        Column('key', 'candidate', 'key'),
        Column('value', f'{objective.name}{unit}', 'number'),
        Column('mean', f'predicted{unit}', 'number', 'Mean over the ensemble at the moment of the choice.'),
        Column('std', 'stated deviation', 'number', 'Standard deviation over the ensemble at that moment.'),
        Column('order', 'simulation', 'count', 'Its place among all results, from 1.'),
        Column('ranking', 'ranking', 'count', 'The ranking it was chosen from; 0 is the order at the beginning.'),
        Column('generation', 'generation', 'count', 'Newest generation among the models that predicted it.'),
        Column('why', 'why it was chosen'),
    ]
    return Table('best', f'The {len(best)} best candidates, and why each was chosen.', columns, best, folded=folded)
