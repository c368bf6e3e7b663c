"""The tables of events, submissions, rankings and models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic_core import to_json

from scoutbee.traces.records import EventRecord, SelectionRecord, TrainingRecord
from scoutbee.traces.replay_events import COPIED, RESUBMITTED, SUBMITTED

from .columns import Columns, Kind, spread
from .lines import Row, batches
from .task_table import chosen

EVENT_COLUMNS: Mapping[str, Kind] = {
    'seq': int, 'time': float, 'agent': str, 'event': str, 'level': str, 'message': str, 'facts': str,
}  # fmt: skip
"""``facts`` is JSON text."""

WAITS = ('buffer', 'paused', 'horizon', 'complete')
"""What the launcher may have waited for before it sent a simulation: a candidate in the buffer, the models (by policy),
time that is too short for another simulation, or work while all that is needed is under way."""

SUBMISSION_COLUMNS: Mapping[str, Kind] = {
    'seq': int, 'time': float, 'key': str, 'attempt': int, 'event': str,
    **{f'waited_{cause}': float for cause in WAITS},
}  # fmt: skip
"""``event`` is one of ``SENT``; ``waited_*`` are seconds, missing where the trace does not tell."""

SENT = (SUBMITTED, RESUBMITTED, COPIED)
"""The events that say that a simulation was sent: at first or again after a failure, after a loss, or as a copy of one
that is still out."""

SELECTION_COLUMNS: Mapping[str, Kind] = {
    'seq': int, 'time': float, 'ranking': int, 'generation': int, 'models': str, 'scored': int, 'kept': int,
    'observations': int, 'taken': int, 'seconds': float, 'started': float, 'warnings': str,
}  # fmt: skip
"""``generation`` is the newest among the models, whose versions ``models`` holds with blanks between; warnings stand
one a line."""

TOP_COLUMNS: Mapping[str, Kind] = {
    'ranking': int, 'place': int, 'key': str, 'row': int, 'score': float, 'mean': float, 'std': float,
    'generation': int,
}  # fmt: skip
"""``place`` counts from 1."""

MODEL_COLUMNS: Mapping[str, Kind] = {
    'seq': int, 'time': float, 'version': str, 'generation': int, 'member': int, 'observations': int, 'file': str,
    'task_id': str,
}  # fmt: skip
"""Behind them stands ``metric_*`` for all that training measured."""


def read_events(run_dir: Path, skipped: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All events, with ``EVENT_COLUMNS``, and those among them that say that a simulation was sent, with
    ``SUBMISSION_COLUMNS``.

    Args:
        run_dir: The run directory.
        skipped: Lines that cannot be read are described here.

    Raises:
        TraceError: As :func:`~scoutbee.analysis.lines.batches`.
    """  # noqa: D205
    events, submissions = Columns(EVENT_COLUMNS), Columns(SUBMISSION_COLUMNS)
    for batch in batches(run_dir, EventRecord, skipped):
        columns: dict[str, Any] = {name: batch.columns[name] for name in EVENT_COLUMNS}
        columns['facts'] = [to_json(facts).decode() for facts in columns['facts']]
        events.extend(len(batch.rows), columns)
        sent = [row for row in batch.rows if row['event'] in SENT and 'key' in row['facts']]
        submissions.extend(len(sent), _submissions(sent))
    return events.frame(), submissions.frame()


def _submissions(sent: list[Row]) -> dict[str, Any]:
    facts = [row['facts'] for row in sent]
    columns: dict[str, Any] = {name: [row[name] for row in sent] for name in ('seq', 'time', 'event')}
    columns['key'] = [str(fact['key']) for fact in facts]
    columns['attempt'] = [_whole(fact.get('attempt'), 1) for fact in facts]
    columns |= spread([_waits(fact) for fact in facts], prefix='waited_')
    return columns


def _waits(facts: Row) -> Row:
    """Seconds of each cause; a launcher that tells at all and leaves one out did not wait for it."""
    waited = facts.get('waited')
    if not isinstance(waited, dict):
        return dict.fromkeys(WAITS)
    told = ((cause, waited.get(cause, 0.0)) for cause in WAITS)
    return {cause: seconds if type(seconds) in (float, int) else None for cause, seconds in told}


def read_selections(run_dir: Path, skipped: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All rankings, with ``SELECTION_COLUMNS``, and the best candidates of each, with ``TOP_COLUMNS``.

    Args:
        run_dir: The run directory.
        skipped: Lines that cannot be read are described here.

    Raises:
        TraceError: As :func:`~scoutbee.analysis.lines.batches`.
    """
    selections, tops = Columns(SELECTION_COLUMNS), Columns(TOP_COLUMNS)
    for batch in batches(run_dir, SelectionRecord, skipped):
        columns: dict[str, Any] = {name: batch.columns[name] for name in SELECTION_COLUMNS if name in batch.columns}
        columns['models'] = [' '.join(row['models']) for row in batch.rows]
        columns['generation'] = [max(map(generation_of, row['models']), default=None) for row in batch.rows]
        columns['warnings'] = ['\n'.join(row['warnings']) for row in batch.rows]
        selections.extend(len(batch.rows), columns)
        for row in batch.rows:
            tops.extend(len(row['top']), _top(row['ranking'], row['top']))
    return selections.frame(), tops.frame()


def generation_of(version: str) -> int:
    """Generation of a model's version (``g3m1``); -1 where it is none."""
    number = version.removeprefix('g').partition('m')[0]
    return int(number) if number.isdecimal() else -1


def _top(ranking: int, top: list[Row]) -> dict[str, Any]:
    columns: dict[str, Any] = {'ranking': [ranking] * len(top), 'place': list(range(1, len(top) + 1))}
    columns['key'] = [str(row.get('key', '')) for row in top]
    columns['row'] = [_whole(row.get('row'), None) for row in top]
    return {**chosen(top), **columns}


def read_models(run_dir: Path, skipped: list[str]) -> pd.DataFrame:
    """All models that were trained, with ``MODEL_COLUMNS``; arguments as :func:`read_events`."""
    models = Columns(MODEL_COLUMNS)
    for batch in batches(run_dir, TrainingRecord, skipped):
        trained = [row for row in batch.rows if row['success']]
        columns: dict[str, Any] = {
            name: [row[name] for row in trained] for name in MODEL_COLUMNS if name in batch.columns
        }
        columns['version'] = [f'g{row["generation"]}m{row["member"]}' for row in trained]
        columns['file'] = [row['model_file'] for row in trained]
        columns |= spread([row['metrics'] for row in trained], prefix='metric_')
        models.extend(len(trained), columns)
    return models.frame()


def _whole(value: Any, default: int | None) -> int | None:
    return value if type(value) is int else default
