"""What a campaign found, against simulations and worker-hours."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Objective

from .sessions import Floats, seconds_until

NOT_OF_SIMULATIONS = (
    'kind', 'generation', 'member', 'members', 'chunk', 'rows', 'observations', 'model_file', 'file', 'offset',
)  # fmt: skip
"""Columns of the table of tasks that a simulation does not have."""


def observations(tasks: pd.DataFrame) -> pd.DataFrame:
    """The simulations that gave an observation, one a candidate, in the order they were recorded.

    Args:
        tasks: All tasks.

    Returns:
        The columns of ``tasks`` that a simulation has, behind ``order``, which counts from 1.
    """
    observed = tasks[(tasks['kind'] == SIMULATE) & (tasks['outcome'] == 'observed')].sort_values('seq', kind='stable')
    observed = observed.drop_duplicates('key').drop(columns=list(NOT_OF_SIMULATIONS)).reset_index(drop=True)
    observed.insert(0, 'order', np.arange(1, len(observed) + 1))
    return observed


def valued(observations: pd.DataFrame) -> pd.DataFrame:
    """The observations that have a finite value, in order."""
    return observations[np.isfinite(observations['value'].to_numpy(np.float64))]


def best_so_far(values: Floats, objective: Objective) -> Floats:
    """Best of the first 1, 2, … values; same shape and unit as ``values``."""
    return np.asarray(objective.sign * np.maximum.accumulate(objective.sign * values), dtype=np.float64)


def reaches(values: Floats, objective: Objective) -> NDArray[np.bool_]:
    """Which values reach the threshold (none, where there is none); same shape as ``values``."""
    if objective.threshold is None:
        return np.zeros(values.shape, dtype=np.bool_)
    return np.asarray(objective.sign * values >= objective.sign * objective.threshold, dtype=np.bool_)


def found_so_far(values: Floats, objective: Objective) -> NDArray[np.int64]:
    """How many of the first 1, 2, … values reach the threshold; same shape as ``values``."""
    return np.cumsum(reaches(values, objective), dtype=np.int64)


def progress(observations: pd.DataFrame, objective: Objective, sessions: pd.DataFrame, workers: int) -> pd.DataFrame:
    """Best and number found after each observation that has a value.

    Args:
        observations: All observations, in order.
        objective: What is looked for.
        sessions: When the campaign ran.
        workers: Workers for simulations.

    Returns:
        Columns ``simulations`` (observations with a value so far), ``order`` (observations so far), ``seq``, ``time``,
        ``key``, ``value``, ``best``, ``found`` and ``worker_hours``: the time the campaign had run by then, times
        ``workers``, busy or not, since that is what an allocation is charged for.
    """
    made = valued(observations)[['order', 'seq', 'time', 'key', 'value']].reset_index(drop=True)
    values = made['value'].to_numpy(np.float64)
    made.insert(0, 'simulations', np.arange(1, len(made) + 1))
    made['best'] = best_so_far(values, objective)
    made['found'] = found_so_far(values, objective)
    made['worker_hours'] = workers * seconds_until(made['time'].to_numpy(np.float64), sessions) / 3600
    return made


def best(observations: pd.DataFrame, objective: Objective, count: int) -> pd.DataFrame:
    """The best observations that have a value, best first; of equal ones the earlier first."""
    made = valued(observations)
    order = np.argsort(-objective.sign * made['value'].to_numpy(np.float64), kind='stable')
    return made.iloc[order[:count]].reset_index(drop=True)


def best_candidates(
    observations: pd.DataFrame, selections: pd.DataFrame, tops: pd.DataFrame, objective: Objective, count: int
) -> pd.DataFrame:
    """The best candidates, and why each was chosen.

    Args:
        observations: All observations.
        selections: All rankings.
        tops: The best of each ranking.
        objective: What is looked for.
        count: How many at most.

    Returns:
        Columns ``order`` (its place among the observations, from 1), ``key``, ``value``, ``found`` (whether it reaches
        the threshold), what was known when it was chosen (``mean``, ``std``, ``score``), ``ranking`` (0 is the order
        the campaign began with), ``generation`` (newest among the models), ``models`` (their versions),
        ``observations`` (known to that ranking), ``scored`` (candidates it compared) and ``place`` (in that ranking,
        from 1; missing below the top that the trace keeps), and ``line_offset``.
    """
    made = best(observations, objective, count)
    columns = {name: f'choice_{name}' for name in ('mean', 'std', 'score', 'ranking', 'generation')}
    chosen = made[['order', 'key', 'value']].copy()
    chosen['found'] = reaches(made['value'].to_numpy(np.float64), objective)
    for name, column in columns.items():
        chosen[name] = made[column].astype('Int64') if name in ('ranking', 'generation') else made[column]
    rankings = selections[['ranking', 'models', 'observations', 'scored']].drop_duplicates('ranking', keep='last')
    places = tops[['ranking', 'key', 'place']].drop_duplicates(['ranking', 'key'], keep='last')
    chosen = chosen.merge(rankings.astype({'ranking': 'Int64'}), on='ranking', how='left')
    chosen = chosen.merge(places.astype({'ranking': 'Int64'}), on=['ranking', 'key'], how='left')
    chosen['place'] = chosen['place'].astype('Int64')
    chosen['line_offset'] = made['line_offset'].to_numpy()
    return chosen
