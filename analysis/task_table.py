"""The table of tasks: simulations, trainings and inferences, one row a task that came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN
from scoutbee.traces.records import InferenceRecord, SimulationRecord, TaskRecord, TrainingRecord

from .columns import Columns, Kind, spread, spread_plain
from .lines import Batch, Row, batches, transposed

TASK_RECORDS: Mapping[str, type[TaskRecord]] = {
    SIMULATE: SimulationRecord,
    TRAIN: TrainingRecord,
    INFER: InferenceRecord,
}

TIMESTAMPS = (
    'created', 'input_received', 'start_task_submission', 'compute_started', 'compute_ended', 'task_received',
    'result_sent', 'result_received',
)  # fmt: skip
"""Colmena's, in the order in which they are taken; seconds since the epoch, each on the clock of whoever took it."""

SPANS = (
    'running', 'serialize_inputs', 'deserialize_inputs', 'serialize_results', 'deserialize_results',
    'async_resolve_proxies', 'resolve_proxies',
)  # fmt: skip
"""Colmena's and Scoutbee's time spans; as columns their names end in ``_seconds``."""

TASK_COLUMNS: Mapping[str, Kind] = {
    'kind': str, 'seq': int, 'time': float, 'task_id': str, 'success': bool, 'attempt': int, 'outcome': str,
    'key': str, 'row': int, 'value': float, 'generation': int, 'member': int, 'members': str, 'chunk': int,
    'rows': int,    'observations': int, 'model_file': str, 'file': str, 'offset': int,
    'choice_ranking': int, 'choice_score': float, 'choice_mean': float, 'choice_std': float, 'choice_generation': int,
    **dict.fromkeys(TIMESTAMPS, float),
    **{f'{name}_seconds': float for name in SPANS},
    'inputs_bytes': float, 'value_bytes': float,
    'objects': int, 'object_bytes_in': int, 'object_bytes_out': int, 'object_seconds': float,
    'cache_hits': int, 'cache_misses': int,
    'worker': str, 'host': str, 'worker_cpu_seconds': float, 'worker_peak_rss_bytes': float,
    'failure_kind': str, 'failure_error': str, 'failure_message': str, 'failure_traceback': str,
    'line_offset': int,
}  # fmt: skip
"""The columns that are always there. Others (more of Colmena's, or of the worker) stand behind them."""

OBJECT_COLUMNS: Mapping[str, Kind] = {
    'seq': int, 'kind': str, 'object': str, 'direction': str, 'bytes': int, 'moved': bool, 'seconds': float,
    'time': float,
}  # fmt: skip

_PLAIN = (
    'seq', 'time', 'task_id', 'success', 'attempt', 'outcome', 'key', 'row', 'value', 'generation', 'member', 'chunk',
    'rows', 'observations', 'model_file', 'file', 'offset', 'worker', 'host',
)  # fmt: skip

CHOICE_TYPES: Mapping[str, tuple[type, ...]] = {
    'ranking': (int,),
    'score': (float, int),
    'mean': (float, int),
    'std': (float, int),
    'generation': (int,),
}
"""What is known of a choice, and what it may be."""

_SEPARATOR = ' '
"""Between the numbers in ``members``: the models that an inference task asked."""

_FAILURE = ('kind', 'error', 'message', 'traceback')


def read_tasks(run_dir: Path, kind: str, skipped: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tasks of one kind, and the objects they moved through a store.

    Args:
        run_dir: The run directory.
        kind: Kind of task.
        skipped: Lines that cannot be read are described here.

    Returns:
        The tasks, with ``TASK_COLUMNS``, and one row for each object of each task, with ``OBJECT_COLUMNS``: the ``seq``
        of the task's record, the ``direction`` seen from the worker (``in`` or ``out``), the size in ``bytes``,
        whether it ``moved`` during this task or was still in the worker's cache, and the ``seconds`` that took,
        until ``time``.

    Raises:
        TraceError: As :func:`~scoutbee.analysis.lines.batches`.
    """
    record_type = TASK_RECORDS[kind]
    tasks, objects = Columns(TASK_COLUMNS), Columns(OBJECT_COLUMNS)
    for batch in batches(run_dir, record_type, skipped):
        columns = _columns(batch, [name for name in _PLAIN if name in record_type.model_fields])
        moved = _objects(batch, kind)
        columns |= _totals(len(batch.rows), moved)
        columns['kind'] = [kind] * len(batch.rows)
        tasks.extend(len(batch.rows), columns)
        objects.extend(len(moved['seq']), {**moved, 'seq': [batch.rows[i]['seq'] for i in moved['seq']]})
    return tasks.frame(), objects.frame()


def _columns(batch: Batch, plain: list[str]) -> dict[str, Any]:
    held = batch.columns
    columns: dict[str, Any] = {name: held[name] for name in plain}
    if 'members' in held:
        columns['members'] = [_SEPARATOR.join(map(str, members)) for members in held['members']]
    columns['line_offset'] = batch.offsets
    columns |= spread(held['timestamps'])
    columns |= spread(held['spans'], suffix='_seconds')
    columns |= spread(held['sizes'], suffix='_bytes')
    columns |= chosen(held.get('choice', ()), prefix='choice_')
    columns |= spread_plain(held['worker_info'], 'worker_')
    failures = held['failure']
    if any(failures):
        columns |= {
            f'failure_{name}': [failure and getattr(failure, name) for failure in failures] for name in _FAILURE
        }
    return columns


def models_asked(asked: pd.DataFrame) -> pd.DataFrame:
    """Inference tasks, one row for each model of each, its number in the column ``member``.

    Args:
        asked: The tasks, with ``members``; their index tells which rows are of one.
    """
    each = asked.assign(member=asked['members'].str.split(_SEPARATOR)).explode('member')
    return each[each['member'].fillna('') != ''].astype({'member': 'Int64'})


def chosen(choices: Sequence[Row], prefix: str = '') -> dict[str, Sequence[Any]]:
    """Why candidates were chosen, as columns.

    What a trace may say of a choice is not checked when it is read, so it is here: only what is a number counts.

    Args:
        choices: One object a row.
        prefix: What the name of each column gets in front.
    """
    columns = transposed(choices)
    return {
        f'{prefix}{name}': [value if type(value) in types else None for value in columns[name]]
        for name, types in CHOICE_TYPES.items()
        if name in columns
    }


# -- objects -------------------------------------------------------------------------------------------------------


def _objects(batch: Batch, kind: str) -> dict[str, list[Any]]:
    """The objects of a batch; ``seq`` holds the place of the task in the batch."""
    columns: dict[str, list[Any]] = {name: [] for name in OBJECT_COLUMNS}
    for place, row in enumerate(batch.rows):
        for name, moves in row['proxies'].items():
            for direction in ('in', 'out'):
                move = moves.get(direction) if isinstance(moves, dict) else None
                if isinstance(move, dict):
                    _add_object(columns, place, name, direction, move)
    columns['kind'] = [kind] * len(columns['seq'])
    return columns


def _add_object(columns: dict[str, list[Any]], place: int, name: str, direction: str, move: Row) -> None:
    moved = not move.get('hit')
    columns['seq'].append(place)
    columns['object'].append(name)
    columns['direction'].append(direction)
    columns['bytes'].append(int(move.get('bytes') or 0))
    columns['moved'].append(moved)
    columns['seconds'].append(float(move.get('seconds') or 0.0) if moved else 0.0)
    columns['time'].append(move.get('time'))


def _totals(rows: int, moved: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What the objects of each task come to."""
    totals: dict[str, list[Any]] = {
        name: [0] * rows for name in ('objects', 'object_bytes_in', 'object_bytes_out', 'cache_hits', 'cache_misses')
    }
    totals['object_seconds'] = [0.0] * rows
    columns = (moved[name] for name in ('seq', 'direction', 'bytes', 'moved', 'seconds'))
    for place, direction, size, did_move, seconds in zip(*columns, strict=True):
        totals['objects'][place] += 1
        totals['object_seconds'][place] += seconds
        if direction == 'in':
            totals['cache_misses' if did_move else 'cache_hits'][place] += 1
        if did_move:
            totals[f'object_bytes_{direction}'][place] += size
    return totals
