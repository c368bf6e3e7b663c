"""How long tasks took, and what they weighed, in an earlier run that did the same work."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord, SimulationRecord, TaskRecord, TrainingRecord
from scoutbee.traces.summary import SUMMARY_FILE

from ..settings import Settings
from ..settings_layers import PARAMS_FILE
from ..settings_yaml import read_yaml

LOOKED_AT = 1_000
"""So many records of each kind are read; more would tell little, and take seconds."""

_RUNNING = 'running'

R = TypeVar('R', bound=TaskRecord)

SAME_WORK = ('campaign', 'surrogate', 'qc_specification', 'ackley', 'model', 'num_epochs')
"""Settings that decide what a task has to do: where one of them differs, times cannot be compared."""


@dataclass(frozen=True)
class Times:
    """How long tasks of a kind ran, in seconds: those of inference tasks for each model and candidate.

    Attributes:
        count: How many tasks that is known of.
        median: Their median.
        mean: Their mean.
        longest: The longest.
    """

    count: int
    median: float
    mean: float
    longest: float

    @classmethod
    def of(cls, seconds: list[float]) -> Times | None:
        """Of some measurements; None of none."""
        if not seconds:
            return None
        return cls(len(seconds), statistics.median(seconds), statistics.fmean(seconds), max(seconds))


@dataclass(frozen=True)
class Earlier:
    """What is known from an earlier run.

    Attributes:
        path: Its directory.
        site: Where it ran.
        simulate: Times of its simulations.
        train: Times of its trainings.
        infer: Times of its inference tasks, for each model and candidate.
        inputs_bytes: Median of the arguments of a simulation, packed.
        value_bytes: Median of what a simulation returned, packed.
    """

    path: Path
    site: str
    simulate: Times | None = None
    train: Times | None = None
    infer: Times | None = None
    inputs_bytes: float | None = None
    value_bytes: float | None = None


def find_earlier(settings: Settings) -> Earlier | None:
    """The run that is gone on with, else the newest finished run that did the same work; None if there is none.

    Args:
        settings: The settings of the run to come.
    """
    if settings.resume is not None:
        return _read(settings.resume, settings.site)
    wanted = settings.model_dump(mode='json', include=set(SAME_WORK))
    for run_dir in _finished(settings.runs_dir):
        try:
            params = read_yaml(run_dir / PARAMS_FILE)
        except ConfigurationError:
            continue
        if all(params.get(name) == value for name, value in wanted.items()):
            earlier = _read(run_dir, str(params.get('site')))
            if earlier is not None:
                return earlier
    return None


def count_done(run_dir: Path) -> int:
    """Simulations of a run that have succeeded.

    Raises:
        ConfigurationError: If the run cannot be read.
    """
    try:
        return sum(record.outcome == 'observed' for record in read(run_dir, SimulationRecord))
    except TraceError as error:
        raise ConfigurationError(f'--resume: {error}') from error


def _finished(runs_dir: Path) -> Iterator[Path]:
    """Directories of finished runs, the one that ended last first."""
    try:
        ended = [(path.stat().st_mtime, path) for path in runs_dir.glob(f'*/{SUMMARY_FILE}')]
    except OSError:
        return
    for _, summary in sorted(ended, reverse=True):
        yield summary.parent


def _read(run_dir: Path, site: str) -> Earlier | None:
    """What a run tells; None where not one of its tasks succeeded, or it cannot be read."""
    try:
        simulated = _succeeded(run_dir, SimulationRecord)
        trained = _succeeded(run_dir, TrainingRecord)
        asked = [record for record in _succeeded(run_dir, InferenceRecord) if record.rows and record.members]
    except TraceError:
        return None
    earlier = Earlier(
        run_dir,
        site,
        simulate=Times.of([record.spans[_RUNNING] for record in simulated]),
        train=Times.of([record.spans[_RUNNING] for record in trained]),
        infer=Times.of([record.spans[_RUNNING] / (record.rows * len(record.members)) for record in asked]),
        inputs_bytes=_median(_packed_bytes(record, 'inputs', 'in') for record in simulated),
        value_bytes=_median(_packed_bytes(record, 'value', 'out') for record in simulated),
    )
    return earlier if earlier.simulate or earlier.train or earlier.infer else None


def _succeeded(run_dir: Path, kind: type[R]) -> list[R]:
    records = islice(read(run_dir, kind, skipped=[]), LOOKED_AT)
    return [record for record in records if record.success and _RUNNING in record.spans]


def _packed_bytes(record: TaskRecord, size: str, direction: str) -> float | None:
    """Bytes of what a task was sent, or returned, before it was written into a message or put into a store."""
    moves = [moved[direction] for moved in record.proxies.values() if isinstance(moved, dict) and direction in moved]
    if moves:
        return float(sum(move['bytes'] for move in moves))
    return record.sizes.get(size)


def _median(sizes: Iterable[float | None]) -> float | None:
    known = [size for size in sizes if size is not None]
    return statistics.median(known) if known else None
