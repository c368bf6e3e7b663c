"""What a watcher reads of each record.

A record of 100,000 must cost a watcher little, so what it does not show (inputs, outputs, proxies, the versions on the
worker) is skipped while the line is parsed. Names and meanings are those of :mod:`scoutbee.traces.records`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN
from scoutbee.traces.records import (
    SCHEMA_VERSION,
    EventRecord,
    InferenceRecord,
    Record,
    SelectionRecord,
    SimulationRecord,
    TrainingRecord,
    with_all_members,
)


class Glimpse(BaseModel):
    """What every line holds."""

    model_config = ConfigDict(extra='ignore')

    record: ClassVar[type[Record]]
    """The whole of it."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    seq: int
    time: float


class Event(Glimpse):
    """Something an agent decided or noticed."""

    record: ClassVar[type[Record]] = EventRecord

    agent: str
    event: str
    level: Literal['info', 'warning', 'error'] = 'info'
    message: str
    facts: dict[str, Any] = Field(default_factory=dict)


class FailureGlimpse(BaseModel):
    """Why a task failed."""

    model_config = ConfigDict(extra='ignore')

    kind: str
    error: str
    message: str


class Task(Glimpse):
    """A task that came back."""

    kind: ClassVar[str]

    success: bool
    failure: FailureGlimpse | None = None
    timestamps: dict[str, float]
    attempt: int = 1


class Simulated(Task):
    """A simulation that came back."""

    record: ClassVar[type[Record]] = SimulationRecord
    kind: ClassVar[str] = SIMULATE

    key: str
    choice: dict[str, Any] = Field(default_factory=dict)
    outcome: str
    value: float | None = None


class Trained(Task):
    """A training that came back."""

    record: ClassVar[type[Record]] = TrainingRecord
    kind: ClassVar[str] = TRAIN

    generation: int
    member: int
    observations: int


class Inferred(Task):
    """An inference that came back."""

    record: ClassVar[type[Record]] = InferenceRecord
    kind: ClassVar[str] = INFER

    generation: int
    members: list[int]
    chunk: int
    rows: int

    @model_validator(mode='before')
    @classmethod
    def _of_one_model(cls, data: Any) -> Any:
        return with_all_members(data)


class Selected(Glimpse):
    """A ranking."""

    record: ClassVar[type[Record]] = SelectionRecord

    ranking: int
    models: list[str]
    scored: int
    kept: int
    seconds: float
    started: float | None = None
    top: list[dict[str, Any]] = Field(default_factory=list)


GLIMPSES: tuple[type[Glimpse], ...] = (Event, Simulated, Trained, Inferred, Selected)
"""One for every kind of record there is."""
