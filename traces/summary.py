"""The summary of a run: what it came to, in one small file that programs read."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import TraceError

SUMMARY_FILE = 'summary.json'

Status = Literal['completed', 'exhausted', 'failed', 'interrupted']


class _Part(BaseModel):
    model_config = ConfigDict(extra='forbid')


class SimulationCounts(_Part):
    """What became of the candidates."""

    submitted: int = Field(default=0, description='Candidates sent; further attempts at one are not counted.')
    succeeded: int = Field(default=0, description='Candidates with an observation.')
    failed: int = Field(default=0, description='Candidates given up.')
    quarantined: int = Field(default=0, description='Candidates given up because they took workers down.')
    lost_and_resubmitted: int = Field(default=0, description='Attempts that were lost and sent again.')


class Best(_Part):
    """One of the best candidates."""

    key: str
    value: float
    unit: str


class Target(_Part):
    """How many candidates reached the threshold; no threshold, none found."""

    threshold: float | None = None
    found: int = 0


class Spread(_Part):
    """Median and 95th percentile; null where there was nothing to measure."""

    median: float | None = None
    p95: float | None = None


class Extent(_Part):
    """Median and largest; null where there was nothing to measure."""

    median: float | None = None
    max: float | None = None


class SlotUse(_Part):
    """How well the workers of one kind of task were used."""

    workers: int = 0
    utilization: float | None = Field(default=None, description='Busy share of the time workers were there, 0 to 1.')
    idle_seconds: Spread = Field(default_factory=Spread, description='Idle time of a worker before a task.')


class Makespans(_Part):
    """How long the steps of learning took, in seconds."""

    retrain_to_rerank: Extent = Field(default_factory=Extent, description='Training round to its last ranking.')


class ProxyCounts(_Part):
    """Objects lent to tasks."""

    created: int = 0
    evicted: int = 0
    leaked: int = 0


class Summary(_Part):
    """All of ``summary.json``."""

    schema_version: Literal[1] = 1
    campaign: str
    site: str
    status: Status
    reason: str
    seed: int | None
    wall_seconds: float
    simulations: SimulationCounts
    best: list[Best] = Field(default_factory=list, description='Best first, ten at most.')
    target: Target = Field(default_factory=Target)
    retrains: int = Field(default=0, description='Training rounds that produced a model.')
    slots: dict[str, SlotUse] = Field(default_factory=dict, description='By kind of task.')
    makespan_seconds: Makespans = Field(default_factory=Makespans)
    proxies: ProxyCounts = Field(default_factory=ProxyCounts)
    resumed: int = Field(default=0, description='Times the campaign was taken up again.')


def write_summary(run_dir: Path, summary: Summary) -> Path:
    """Write ``summary.json`` whole or not at all, and return its path.

    Raises:
        TraceError: If it cannot be written.
    """
    path = Path(run_dir) / SUMMARY_FILE
    replace_file(path, summary.model_dump_json(indent=2) + '\n')
    return path


def read_summary(run_dir: Path) -> Summary:
    """Read ``summary.json``.

    Raises:
        TraceError: If there is none, or it is not one of this version.
    """
    path = Path(run_dir) / SUMMARY_FILE
    try:
        return Summary.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise TraceError(f'{path} does not exist: the run has not ended, or its driver was killed.') from None
    except OSError as error:
        raise TraceError(f'Cannot read {path}: {error.strerror or error}.') from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = '.'.join(str(step) for step in first['loc']) or 'the file'
        raise TraceError(f'{path} is not a summary of this Scoutbee: {name}: {first["msg"]}.') from error


def replace_file(path: Path, text: str) -> None:
    """Put a text in a file whole or not at all: readers see the old file or the new one.

    Raises:
        TraceError: If it cannot be written; the old file stays.
    """
    temporary: str | None = None
    try:
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
        with os.fdopen(fd, 'w', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise TraceError(f'Cannot write {path}: {error.strerror or error}.') from error
