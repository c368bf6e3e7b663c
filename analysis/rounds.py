"""Training rounds: from the decision to learn to the ranking that came of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import INFER
from scoutbee.traces.replay_events import TRAINING_STARTED
from scoutbee.traces.summary import Extent

from .sessions import Floats
from .task_table import models_asked


def started_rounds(events: pd.DataFrame) -> pd.DataFrame:
    """The training rounds that were begun: columns ``generation``, ``members``, ``observations`` and ``started``.

    ``observations`` are those the campaign had made; ``started`` is in seconds since the epoch.
    """
    begun = events[events['event'] == TRAINING_STARTED]
    rows = [_round(json.loads(facts), time) for facts, time in zip(begun['facts'], begun['time'], strict=True)]
    rounds = pd.DataFrame(rows, columns=['generation', 'members', 'observations', 'started'])
    rounds = rounds.astype({'generation': 'Int64', 'members': 'Int64', 'observations': 'Int64', 'started': np.float64})
    return rounds.dropna(subset='generation').drop_duplicates('generation', ignore_index=True)


def _round(facts: dict[str, Any], time: float) -> tuple[int | None, int | None, int | None, float]:
    members = facts.get('members')
    count = len(members) if isinstance(members, list) else members
    return facts.get('generation'), count, facts.get('observations'), float(facts.get('started', time))


def learning_rounds(
    tasks: pd.DataFrame, events: pd.DataFrame, models: pd.DataFrame, selections: pd.DataFrame
) -> pd.DataFrame:
    """How long each step of every training round took.

    Args:
        tasks: All tasks.
        events: All events.
        models: All models that were trained.
        selections: All rankings.

    Returns:
        One row a round: the columns of :func:`started_rounds`; when its ``first_model`` and ``last_model`` were
        recorded, its ``first_inference`` began on a worker, the ``last_predictions`` were recorded, and its
        ``first_ranking`` and ``last_ranking`` were made (seconds since the epoch). And spans in seconds:

        * ``to_first_model``, ``to_first_inference``, ``to_first_ranking`` and ``to_last_ranking`` from the start;
        * ``model_to_inference``: from a model to its first inference, median over the members;
        * ``predictions_to_ranking``: from the last predictions to the last ranking.

        What has not happened is missing; clocks that disagree give 0, never less.
    """
    rounds = started_rounds(events)
    asked = tasks[tasks['kind'] == INFER]
    found = {
        'first_model': models.groupby('generation')['time'].min(),
        'last_model': models.groupby('generation')['time'].max(),
        'first_inference': asked.groupby('generation')['compute_started'].min(),
        'last_predictions': asked[asked['success']].groupby('generation')['time'].max(),
        'first_ranking': selections.groupby('generation')['time'].min(),
        'last_ranking': selections.groupby('generation')['time'].max(),
    }
    for name, times in found.items():
        rounds[name] = times.reindex(rounds['generation']).to_numpy(np.float64)
    for name in ('first_model', 'first_inference', 'first_ranking', 'last_ranking'):
        rounds[f'to_{name}'] = (rounds[name] - rounds['started']).clip(lower=0.0)
    waits = _model_to_inference(asked, models)
    rounds['model_to_inference'] = waits.reindex(rounds['generation']).to_numpy(np.float64)
    rounds['predictions_to_ranking'] = (rounds['last_ranking'] - rounds['last_predictions']).clip(lower=0.0)
    return rounds


def _model_to_inference(asked: pd.DataFrame, models: pd.DataFrame) -> pd.Series:
    first = models_asked(asked).groupby(['generation', 'member'], as_index=False)['compute_started'].min()
    pairs = models.drop_duplicates(['generation', 'member']).merge(first, on=['generation', 'member'])
    waits = (pairs['compute_started'] - pairs['time']).clip(lower=0.0)
    return waits.groupby(pairs['generation']).median()


def makespans(selections: pd.DataFrame) -> Floats:
    """Seconds from the start of each training round to the last ranking made with its models; shape (rounds,).

    With a ranking after each model the first new ranking comes sooner; the last is the one that all models had a say
    in. Rankings no training led to (the first of a loaded ensemble) are left out.
    """
    led = selections[np.isfinite(selections['started'].to_numpy(np.float64))]
    last = led.groupby('started', sort=False)['time'].max()
    spans = last.to_numpy(np.float64) - last.index.to_numpy(np.float64)
    return np.asarray(np.maximum(spans, 0.0), dtype=np.float64)


def extent(seconds: Floats) -> Extent:
    """Median and largest."""
    if not seconds.size:
        return Extent()
    return Extent(median=float(np.median(seconds)), max=float(seconds.max()))
