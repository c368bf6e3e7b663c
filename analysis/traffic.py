"""What moved: bytes by topic and backend, caches, and objects in the stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import INFER

from .columns import joined
from .machine import input_seconds

READY_SECONDS = 0.1
"""A task whose inputs were ready within this time had them at hand; the original's authors use the same limit."""


def traffic(tasks: pd.DataFrame, objects: pd.DataFrame, params: Mapping[str, Any]) -> pd.DataFrame:
    """Bytes that moved, by kind of task, direction and way.

    With the message go the packed inputs (``inputs_bytes``; proxies in them are small) and the packed value
    (``value_bytes``), unless the value was put in a store. Through a store go the objects that moved during a task; one
    that was in the worker's cache did not.

    Args:
        tasks: All tasks.
        objects: The objects they moved through a store.
        params: Settings of the run, which name the backend of each topic.

    Returns:
        Columns ``kind``, ``direction`` (``in`` to the worker, ``out`` from it), ``way`` (``message``, or the backend:
        ``redis``, ``file``, …; ``store`` where the settings do not tell), ``count`` (of tasks or moves), ``bytes`` and
        ``seconds`` (of the moves through a store; missing for messages). Rows without anything are left out.
    """
    stored = set(objects.loc[objects['direction'] == 'out', 'seq'])
    value = tasks['value_bytes'].where(~tasks['seq'].isin(stored))
    parts = []
    for direction, sizes in (('in', tasks['inputs_bytes']), ('out', value)):
        groups = sizes.dropna().groupby(tasks['kind'])
        parts.append(groups.agg(count='size', bytes='sum').reset_index().assign(direction=direction, way='message'))
    moved = objects[objects['moved']].groupby(['kind', 'direction'], as_index=False)
    through = moved.agg(count=('bytes', 'size'), bytes=('bytes', 'sum'), seconds=('seconds', 'sum'))
    through['way'] = [params.get(f'{kind}_ps_backend') or 'store' for kind in through['kind']]
    made = joined([*parts, through]).reindex(columns=['kind', 'direction', 'way', 'count', 'bytes', 'seconds'])
    return made.sort_values(['kind', 'direction', 'way'], ignore_index=True)


def inputs_at_hand(tasks: pd.DataFrame, limit: float = READY_SECONDS) -> pd.DataFrame:
    """Share of tasks whose inputs were ready within a time.

    Args:
        tasks: All tasks; those that did not begin are left out.
        limit: The time in seconds.

    Returns:
        Columns ``kind``; ``part``, for inference ``first`` (the first time that chunk was asked about in the run, so
        that no worker can have it) and ``later``, else ``all``; ``count``; ``at_hand``, the share; ``median``, seconds
        until the inputs were ready; ``hit_share``, of the objects asked of a store, those the worker still had.
    """
    began = tasks[np.isfinite(tasks['compute_started'].to_numpy(np.float64))]
    began = began.sort_values('compute_started', kind='stable')
    later = began.duplicated(['kind', 'chunk'])
    part = np.where(began['kind'] == INFER, np.where(later, 'later', 'first'), 'all')
    seconds = input_seconds(began)
    table = pd.DataFrame({
        'kind': began['kind'], 'part': part, 'seconds': seconds, 'at_hand': seconds <= limit,
        'hits': began['cache_hits'], 'misses': began['cache_misses'],
    })  # fmt: skip
    made = table.groupby(['kind', 'part'], as_index=False).agg(
        count=('seconds', 'size'), at_hand=('at_hand', 'mean'), median=('seconds', 'median'),
        hits=('hits', 'sum'), misses=('misses', 'sum'),
    )  # fmt: skip
    asked = (made['hits'] + made['misses']).astype(np.float64)
    made['hit_share'] = made['hits'] / asked.where(asked > 0)
    return made.drop(columns=['hits', 'misses'])


def objects_alive(tasks: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    """Objects that tasks had in use in the stores, over time.

    The trace does not tell when the driver stores and evicts what it lends. So an object counts from the moment at
    which the first task that uses it was created (for a value: from its being stored) until the last one's record was
    written; it is really there a little longer on both sides, and one that no task used is not seen.

    Args:
        tasks: All tasks.
        objects: The objects they moved through a store.

    Returns:
        Columns ``time`` (rising), and ``objects`` and ``bytes`` there from then on.
    """
    uses = objects.merge(tasks[['seq', 'created', 'time']], on='seq', suffixes=('', '_recorded'))
    uses['born'] = uses['time'].where(uses['direction'] == 'out', uses['created'])
    lives = uses.groupby('object').agg(born=('born', 'min'), died=('time_recorded', 'max'), bytes=('bytes', 'max'))
    lives = lives[np.isfinite(lives['born'])]
    born, died = lives['born'].to_numpy(np.float64), lives['died'].to_numpy(np.float64)
    size = lives['bytes'].to_numpy(np.int64)
    changes = pd.DataFrame({
        'time': np.concatenate([born, np.maximum(died, born)]),
        'objects': np.concatenate([np.ones_like(size), -np.ones_like(size)]),
        'bytes': np.concatenate([size, -size]),
    }).groupby('time', as_index=False).sum()  # fmt: skip
    changes[['objects', 'bytes']] = changes[['objects', 'bytes']].cumsum()
    return changes
