"""The records of a run, read for analysis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN
from scoutbee.traces.reader import read
from scoutbee.traces.records import (
    EventRecord,
    InferenceRecord,
    Record,
    SelectionRecord,
    SimulationRecord,
    TaskRecord,
    TrainingRecord,
)
from scoutbee.traces.replay import RESUMED, History, replay_records


@dataclass(frozen=True)
class Records:
    """All a run directory holds, each kind in the order it was written.

    Attributes:
        events: What agents decided and noticed.
        simulations: Simulations that came back.
        trainings: Trainings that came back.
        inferences: Inferences that came back.
        selections: Rankings.
        skipped: Lines that could not be read, one sentence each.
    """

    events: list[EventRecord] = field(default_factory=list)
    simulations: list[SimulationRecord] = field(default_factory=list)
    trainings: list[TrainingRecord] = field(default_factory=list)
    inferences: list[InferenceRecord] = field(default_factory=list)
    selections: list[SelectionRecord] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def tasks(self) -> dict[str, list[TaskRecord]]:
        """Tasks by kind."""
        return {SIMULATE: [*self.simulations], TRAIN: [*self.trainings], INFER: [*self.inferences]}

    def observed(self) -> list[SimulationRecord]:
        """Simulations that gave an observation, one a candidate, in the order they were recorded."""
        first: dict[str, SimulationRecord] = {}
        for record in self.simulations:
            if record.outcome == 'observed':
                first.setdefault(record.key, record)
        return list(first.values())

    def everything(self) -> Iterator[Record]:
        """All records in the order of the ledger."""
        kinds: tuple[list[Record], ...] = (
            [*self.events],
            [*self.simulations],
            [*self.trainings],
            [*self.inferences],
            [*self.selections],
        )
        yield from sorted((record for kind in kinds for record in kind), key=lambda record: record.seq)

    def history(self) -> History:
        """What happened, as a resumed campaign would see it."""
        return replay_records(self.everything())

    def sessions(self) -> list[tuple[float, float]]:
        """Start and end of each time a driver worked on the run, in seconds since the epoch."""
        sessions: list[tuple[float, float]] = []
        for record in self.everything():
            resumed = isinstance(record, EventRecord) and record.event == RESUMED
            if not sessions or resumed:
                sessions.append((record.time, record.time))
            start, end = sessions[-1]
            sessions[-1] = (start, max(end, record.time))
        return sessions


def load(run_dir: Path) -> Records:
    """Read a run directory, finished, running or crashed. Lines that cannot be read are left out and reported.

    Raises:
        TraceError: If there is no such directory or it cannot be read.
    """
    skipped: list[str] = []
    return Records(
        events=list(read(run_dir, EventRecord, skipped=skipped)),
        simulations=list(read(run_dir, SimulationRecord, skipped=skipped)),
        trainings=list(read(run_dir, TrainingRecord, skipped=skipped)),
        inferences=list(read(run_dir, InferenceRecord, skipped=skipped)),
        selections=list(read(run_dir, SelectionRecord, skipped=skipped)),
        skipped=skipped,
    )
