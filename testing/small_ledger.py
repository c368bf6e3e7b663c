"""A small ledger made by hand, record by record, of which everything is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from scoutbee.traces.encoding import encode
from scoutbee.traces.records import (
    EventRecord,
    FailureRecord,
    InferenceRecord,
    Record,
    SelectionRecord,
    SimulationRecord,
    TrainingRecord,
)

START = 1_700_000_000.0

Level = Literal['info', 'warning', 'error']


def event(
    at: float, name: str, level: Level = 'info', agent: str = 'thinker', message: str = '', **facts: Any
) -> Record:
    """An event; ``at`` is in seconds since ``START``, here and below."""
    return EventRecord(
        time=START + at, agent=agent, event=name, level=level, message=message or f'It is {name}.', facts=facts
    )


def started(at: float, search_size: int = 10, workers: int = 2, chunks: int = 2, **facts: Any) -> Record:
    """The agents set out."""
    slots = {'simulate': workers, 'train': 1, 'infer': 1}
    plan = {'search_size': search_size, 'slots': slots, 'chunks': chunks, 'buffered': 5}
    return event(at, 'started', message='The agents set out.', **{**plan, **facts})


def submitted(at: float, key: str, attempt: int = 1, name: str = 'submitted') -> Record:
    """A simulation is sent."""
    return event(at, name, key=key, row=0, args=[key], choice={'ranking': 0}, attempt=attempt)


def _stamps(at: float, ran: float) -> dict[str, float]:
    """Of a task that spent 10 ms, 20 ms, ``ran`` seconds, 30 ms, 40 ms and 50 ms in the six stages."""
    end = START + at - 0.12
    return {
        'created': end - ran - 0.03, 'input_received': end - ran - 0.02, 'compute_started': end - ran,
        'compute_ended': end, 'result_sent': end + 0.03, 'result_received': end + 0.07,
    }  # fmt: skip


def simulated(at: float, key: str, value: float | None, attempt: int = 1, **choice: Any) -> SimulationRecord:
    """A simulation came back; one without a value failed."""
    failure = FailureRecord(kind='convergence', error='ConvergenceError', message='It did not converge.')
    return SimulationRecord(
        time=START + at, task_id=f'{key}-{attempt}', method='simulate', success=value is not None,
        failure=None if value is not None else failure, timestamps=_stamps(at, 1.0), spans={},
        worker='host:1', host='host', attempt=attempt, key=key, args=[key], choice={'ranking': 0, **choice},
        value=value, outcome='observed' if value is not None else 'failed', output={'value': value},
    )  # fmt: skip


def training_started(at: float, generation: int, members: int) -> Record:
    """An update begins."""
    return event(
        at, 'training_started', agent='trainer', generation=generation, members=list(range(members)), observations=4,
        taken=4, rows=4, started=START + at,
    )  # fmt: skip


def trained(at: float, generation: int, member: int) -> Record:
    """A training came back."""
    return TrainingRecord(
        time=START + at, task_id=f't{member}', method='train', success=True, timestamps=_stamps(at, 2.0), spans={},
        generation=generation, member=member, observations=4,
    )  # fmt: skip


def inferred(at: float, generation: int, member: int, chunk: int) -> Record:
    """An inference came back."""
    return InferenceRecord(
        time=START + at, task_id=f'i{member}-{chunk}', method='infer', success=True, timestamps=_stamps(at, 0.5),
        spans={}, generation=generation, members=[member], chunk=chunk, rows=100,
    )  # fmt: skip


def selected(at: float, ranking: int, models: Sequence[str], kept: int = 8) -> Record:
    """A ranking was made."""
    return SelectionRecord(
        time=START + at, ranking=ranking, models=list(models), scored=200, kept=kept, observations=4, taken=4,
        seconds=0.01, top=[{'key': 'next', 'mean': 1.5}],
    )  # fmt: skip


def ended(at: float, status: str = 'completed', message: str = 'All is done.') -> Record:
    """The campaign has ended."""
    return event(at, 'ended', message=message, status=status)


def lines(records: Sequence[Record], gaps: Sequence[int] = ()) -> Iterator[tuple[str, bytes]]:
    """Name of the file and line of each record, numbered in order; before those in ``gaps`` a number is left out."""
    seq = 0
    for place, record in enumerate(records):
        seq += 2 if place in gaps else 1
        record.seq = seq
        yield f'{record.stream}.jsonl', encode(record)


def write(run_dir: Path, records: Sequence[Record]) -> Path:
    """A run directory that holds these records, after those that it held."""
    run_dir.mkdir(parents=True, exist_ok=True)
    before = sum(len(path.read_bytes().splitlines()) for path in run_dir.glob('*.jsonl'))
    for place, record in enumerate(records, start=before + 1):
        record.seq = place
        with (run_dir / f'{record.stream}.jsonl').open('ab') as file:
            file.write(encode(record))
    return run_dir


def campaign() -> list[Record]:
    """Six candidates on two workers, of which one fails and one is lost once; one update of two models; its ranking."""
    return [
        started(0.0),
        submitted(0.1, 'a'), submitted(0.1, 'b'),
        simulated(2.0, 'a', 1.0), submitted(2.1, 'c'),
        simulated(3.0, 'b', 3.0), submitted(3.1, 'd'),
        training_started(3.2, 1, 2),
        simulated(4.0, 'c', None), submitted(4.1, 'e'),
        trained(5.5, 1, 0), inferred(6.0, 1, 0, 0), inferred(6.6, 1, 0, 1), trained(8.0, 1, 1),
        event(8.1, 'lost', 'warning', 'simulation receiver', key='d', attempt=1),
        submitted(8.2, 'd', 2, 'resubmitted'),
        inferred(8.6, 1, 1, 0), inferred(9.2, 1, 1, 1),
        selected(9.3, 1, ['g1m0', 'g1m1']),
        simulated(9.5, 'e', 2.0),
        simulated(9.9, 'd', 4.0, attempt=2, mean=3.5, std=0.2, generation=1),
        submitted(10.0, 'f'),
    ]  # fmt: skip
