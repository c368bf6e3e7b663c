"""The records of a run directory: one JSON object a line, each kind in its own file.

All records of a run share one sequence number, so that the files together are one ordered ledger.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION: Literal[2] = 2

READABLE_VERSIONS = (1, 2)


class Record(BaseModel):
    """What every line holds."""

    model_config = ConfigDict(extra='forbid')

    stream: ClassVar[str]
    """File the record goes to, without its ending."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    seq: int = Field(0, description='Position in the ledger; given by the writer.')
    time: float = Field(default_factory=time.time, description='When it was written down, seconds since the epoch.')


class EventRecord(Record):
    """Something an agent decided or noticed, and why."""

    stream: ClassVar[str] = 'events'

    agent: str = Field(description='Who.')
    event: str = Field(description='What, as one word that programs look for.')
    level: Literal['info', 'warning', 'error'] = 'info'
    message: str = Field(description='What, as a sentence that people read.')
    facts: dict[str, Any] = Field(default_factory=dict, description='The numbers behind it.')


class FailureRecord(BaseModel):
    """Why a task failed."""

    model_config = ConfigDict(extra='forbid')

    kind: str
    error: str
    message: str
    traceback: str | None = None


class TaskRecord(Record):
    """One task as Colmena saw it. Times are seconds since the epoch, spans are seconds, sizes are bytes."""

    task_id: str
    method: str
    success: bool
    failure: FailureRecord | None = None
    timestamps: dict[str, float] = Field(description="Colmena's timestamps that were set.")
    spans: dict[str, float] = Field(description="Colmena's time spans that were measured.")
    sizes: dict[str, int] = Field(default_factory=dict, description='Bytes of inputs and of the value.')
    proxies: dict[str, Any] = Field(
        default_factory=dict,
        description='Objects of stores, by name: how each came to the worker (in) or left it (out), as bytes, seconds, '
        'whether the worker still had it (hit), and time, when it was there.',
    )
    worker: str | None = Field(None, description='Host and process that ran it.')
    host: str | None = None
    worker_info: dict[str, Any] = Field(default_factory=dict)
    attempt: int = Field(1, description='Which attempt at the same work this was.')


class SimulationRecord(TaskRecord):
    """A simulation that came back."""

    stream: ClassVar[str] = 'simulation-results'

    key: str = Field(description='Key of the candidate.')
    row: int | None = None
    args: list[Any] = Field(description='Arguments of the simulation.')
    choice: dict[str, Any] = Field(default_factory=dict, description='Why it was chosen.')
    outcome: Literal['observed', 'retried', 'failed', 'quarantined', 'duplicate', 'withdrawn'] = Field(
        description='What became of the candidate.'
    )
    value: float | None = Field(None, description="The objective's value, where observed.")
    output: dict[str, Any] | None = Field(None, description='All that the simulation returned.')


class TrainingRecord(TaskRecord):
    """A training that came back."""

    stream: ClassVar[str] = 'training-results'

    generation: int
    member: int
    observations: int = Field(description='Observations it was trained on.')
    metrics: dict[str, float] = Field(default_factory=dict)
    model_file: str | None = Field(None, description='Where the model was saved, relative to the run directory.')


class InferenceRecord(TaskRecord):
    """An inference that came back."""

    stream: ClassVar[str] = 'inference-results'

    generation: int = Field(description='Of the models that were asked.')
    members: list[int] = Field(description='Which of its models; the predictions have a row for each, in this order.')
    chunk: int
    rows: int = Field(description='Candidates that each model predicted.')
    file: str | None = Field(None, description='Where the predictions are kept, relative to the run directory.')
    offset: int | None = Field(None, description='Where in that file they begin, in bytes.')

    @model_validator(mode='before')
    @classmethod
    def _of_one_model(cls, data: Any) -> Any:
        return with_all_members(data)


class SelectionRecord(Record):
    """One ranking."""

    stream: ClassVar[str] = 'selections'

    ranking: int
    models: list[str] = Field(description='Versions of the models behind it.')
    scored: int = Field(description='Candidates compared.')
    kept: int = Field(description='Candidates that went into the buffer.')
    observations: int = Field(description='Observations known when it was made.')
    taken: int = Field(description='Rows of the search space taken when it was made.')
    seconds: float = Field(description='Time from the decision to rank to the buffer being refilled.')
    started: float | None = Field(None, description='When the training round behind it began, seconds since epoch.')
    warnings: list[str] = Field(default_factory=list)
    top: list[dict[str, Any]] = Field(default_factory=list, description='The best of it, with predictions.')


def with_all_members(data: Any) -> Any:
    """An inference record of version 1, which knew one model a task, as one of today; anything else as it is.

    Where it kept its predictions is left out: they are asked for again by whoever resumes such a run.
    """
    if not isinstance(data, dict) or data.get('schema_version') != 1 or 'member' not in data:
        return data
    rest = {name: value for name, value in data.items() if name not in ('member', 'file', 'offset')}
    return {**rest, 'members': [data['member']]}


RECORDS: tuple[type[Record], ...] = (EventRecord, SimulationRecord, TrainingRecord, InferenceRecord, SelectionRecord)
"""Every kind of line there is."""
