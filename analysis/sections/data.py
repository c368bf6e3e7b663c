"""What moved, what was cached, what was left in the stores."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scoutbee.contracts.campaign import INFER

from ..figures import data as figures
from ..figures.base import corners
from ..run import Run
from ..traffic import READY_SECONDS, inputs_at_hand, objects_alive, traffic
from .elements import Column, Picture, Section, Table
from .formats import listed, percent, plural, seconds, size


def data(run: Run) -> Section:
    """The section."""
    moved = traffic(run.tasks, run.objects, run.params)
    hands = inputs_at_hand(run.tasks)
    alive = objects_alive(run.tasks, run.objects)
    start = float(run.sessions['start'].iloc[0]) if len(run.sessions) else 0.0
    proxies: dict[str, Any] = run.summary.proxies.model_dump() if run.summary else {}
    return Section(
        'data', 'Data', _sentence(moved, hands, proxies),
        pictures=[
            Picture(
                'traffic', 'Bytes that moved, by kind of task, direction and the way they took.',
                'Bytes by kind of task and backend.', partial(figures.traffic, made=moved),
            ),
            Picture(
                'objects',
                'Objects that tasks had in use in the stores. The trace does not tell when the driver stores and '
                'evicts: an object counts from the first task that uses it to the last.',
                'Objects in use over time.', partial(figures.objects, alive=alive, start=start),
            ),
        ],
        tables=[table for table in (_traffic_table(moved), _hands_table(hands)) if len(table.frame)],
        notes=[
            f'Large objects lent to tasks: {proxies["created"]:,} made, {proxies["evicted"]:,} taken back, '
            f'{proxies["leaked"]:,} leaked.'
        ] if proxies else [],
        numbers={'proxies': proxies},
        series={'objects_alive': _thinned(alive)},
    )  # fmt: skip


def _thinned(alive: pd.DataFrame) -> pd.DataFrame:
    """As many rows as the figure has corners."""
    return alive.iloc[corners(alive['objects'].to_numpy(np.float64))] if len(alive) else alive


def _sentence(moved: pd.DataFrame, hands: pd.DataFrame, proxies: dict[str, Any]) -> str:
    if not moved['bytes'].sum():
        return 'No task has said how much it moved.'
    by_way = moved.groupby('way')['bytes'].sum().sort_values(ascending=False)
    ways = [f'{size(float(total))} {_by(str(way))}' for way, total in by_way.items() if total]
    text = f'{size(float(moved["bytes"].sum()))} moved: {listed(ways)}.'
    later = hands[(hands['kind'] == INFER) & (hands['part'] == 'later')]
    if len(later):
        first = later.iloc[0]
        text += (
            f' {percent(float(first["at_hand"]))} of the inferences over a chunk that was asked about before had their '
            f'inputs within {seconds(READY_SECONDS)}'
        )
        hits = first['hit_share']
        text += f", with {percent(float(hits))} of the objects still in the worker's cache." if hits == hits else '.'
    if proxies:
        leaked = proxies['leaked']
        text += f' {plural(leaked, "object")} leaked.' if leaked else ' No object leaked.'
    return text


def _by(way: str) -> str:
    return 'with the messages' if way == 'message' else f'through {way if way != "store" else "stores"}'


def _traffic_table(moved: pd.DataFrame) -> Table:
    columns = [
        Column('kind', 'kind'),
        Column('direction', 'direction', meaning='Seen from the worker: in to it, out from it.'),
        Column('way', 'way', meaning='Within the message of the task, or through the store of that backend.'),
        Column('count', 'moves', 'count', 'Messages, or moves of an object; one found in a cache did not move.'),
        Column('bytes', 'bytes', 'bytes'),
        Column('seconds', 'time in the store', 'seconds', 'Sum over the moves; not known for messages.'),
    ]
    return Table('traffic', 'Bytes by topic and backend.', columns, moved)


def _hands_table(hands: pd.DataFrame) -> Table:
    columns = [
        Column('kind', 'kind'),
        Column('part', 'pass', meaning='For inference: the first time a chunk was asked about in the run, or later.'),
        Column('count', 'tasks', 'count'),
        Column('at_hand', f'within {seconds(READY_SECONDS)}', 'percent', 'Tasks whose inputs were ready in that time.'),
        Column('median', 'median', 'seconds', 'Time until the inputs were ready.'),
        Column('hit_share', 'cache hits', 'percent', 'Of the objects asked of a store, those the worker still had.'),
    ]
    return Table('inputs', 'How soon inputs were at hand.', columns, hands)
