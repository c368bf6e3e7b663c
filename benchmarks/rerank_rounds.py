"""What the ledger of a run tells of its rounds of learning: how long until the new rankings, and on what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scoutbee.contracts.learning import ModelVersion
from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord, SelectionRecord, TaskRecord, TrainingRecord

PARTS = ('training', 'inference', 'transport', 'ranking', 'waiting')
"""Where the time to the last ranking goes."""

_TRANSPORT = ('deserialize_inputs', 'resolve_proxies', 'serialize_results')
"""Spans of a task, in which its worker unpacks, fetches and packs."""


@dataclass(frozen=True)
class Round:
    """One round of learning.

    Attributes:
        generation: Its number.
        models: Models that learned.
        molecules: Candidates that each of them was asked about.
        first_seconds: From the decision to learn to the first ranking with one of them.
        last_seconds: To the last ranking, with all of them.
        parts: Where the seconds to the last ranking went, by ``PARTS``.
    """

    generation: int
    models: int
    molecules: int
    first_seconds: float
    last_seconds: float
    parts: Mapping[str, float]


def read_rounds(run_dir: Path) -> list[Round]:
    """The rounds of a run that led to a ranking, in order."""
    selections = [selection for selection in read(run_dir, SelectionRecord) if selection.started is not None]
    trained = [task for task in read(run_dir, TrainingRecord) if task.success]
    asked = [task for task in read(run_dir, InferenceRecord) if task.success]
    generations = sorted({_generation(selection) for selection in selections})
    return [
        _round(
            generation,
            [selection for selection in selections if _generation(selection) == generation],
            [task for task in trained if task.generation == generation],
            [task for task in asked if task.generation == generation],
        )
        for generation in generations
    ]


def _round(
    generation: int,
    selections: Sequence[SelectionRecord],
    trained: Sequence[TrainingRecord],
    asked: Sequence[InferenceRecord],
) -> Round:
    started = selections[0].started
    assert started is not None
    last = selections[-1].time - started
    spent = {
        'training': _sum(trained, ('running',)),
        'inference': _sum(asked, ('running',)),
        'transport': _sum([*trained, *asked], _TRANSPORT),
        'ranking': sum(selection.seconds for selection in selections),
    }
    return Round(
        generation,
        len({task.member for task in trained}),
        selections[-1].scored,
        selections[0].time - started,
        last,
        {**spent, 'waiting': last - sum(spent.values())},
    )


def _generation(selection: SelectionRecord) -> int:
    return max(ModelVersion.parse(model).generation for model in selection.models)


def _sum(tasks: Iterable[TaskRecord], spans: Sequence[str]) -> float:
    return sum(task.spans.get(span, 0.0) for task in tasks for span in spans)
