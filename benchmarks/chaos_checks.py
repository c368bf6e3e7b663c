"""Whether a run that was killed at came to what an undisturbed one does: its ledger, its summary, its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from chaos_processes import Kind
from chaos_run import Course, Drive, Kill

from scoutbee.driver.leftovers import OBJECTS_FOLDER, REDIS_FOLDER
from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import read
from scoutbee.traces.records import EventRecord, SimulationRecord
from scoutbee.traces.replay_events import RESUBMITTED, RESUMED, SUBMITTED, WITHDRAWN
from scoutbee.traces.summary import Summary, read_summary

_FLOWING = 10
"""Results flow again when so many have come after a kill."""


@dataclass(frozen=True)
class Reference:
    """An undisturbed run.

    Attributes:
        values: Value of each candidate, by key.
        rate: Results a second, between the first and the last.
        seconds: Its whole duration.
    """

    values: Mapping[str, float]
    rate: float
    seconds: float


@dataclass(frozen=True)
class Findings:
    """What came of one run.

    Attributes:
        lost: Candidates without an observation.
        duplicated: Observations beyond the first of their candidates.
        wrong: Observations that differ from those of the undisturbed run, in their candidate or any bit of a value.
        sent_again: Attempts beyond the first of their candidates, but for those that were called back: work that kills
            threw away, at most.
        faults: What else is not as promised, in sentences.
        costs: What kills cost in seconds, each with its kind.
    """

    lost: int
    duplicated: int
    wrong: int
    sent_again: int
    faults: Sequence[str]
    costs: Sequence[tuple[Kind, float]]

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.duplicated or self.wrong or self.faults)


def reference_of(course: Course) -> Reference:
    """What an undisturbed run came to.

    Raises:
        RuntimeError: If it did not end well.
    """
    if course.status != 0:
        raise RuntimeError(f'{course.setup}: expected the undisturbed run to end with status 0, got {course.status}.')
    observed = _observed(course.run_dir)
    times = [record.time for record in observed]
    return Reference(
        values={record.key: _value(record) for record in observed},
        rate=(len(times) - 1) / (times[-1] - times[0]),
        seconds=course.seconds,
    )


def examine(course: Course, reference: Reference) -> Findings:
    """Check one run.

    Args:
        course: The run, ended.
        reference: The undisturbed run of the same campaign on the same engine.
    """
    observed = _observed(course.run_dir)
    events = list(read(course.run_dir, EventRecord))
    times: dict[str, list[float]] = {
        name: [record.time for record in events if record.event == name]
        for name in (SUBMITTED, RESUBMITTED, WITHDRAWN, RESUMED)
    }
    sent = {str(record.facts['key']) for record in events if record.event in (SUBMITTED, RESUBMITTED)}
    counts = Counter(record.key for record in observed)
    wrong = [record for record in observed if reference.values.get(record.key) != _value(record)]
    faults = [*_faults_of_end(course), *_faults_of_resuming(course.drives, times[RESUMED], observed)]
    faults += _faults_of_summary(course, observed, len(sent), times)
    return Findings(
        lost=len(reference.values.keys() - counts.keys()),
        duplicated=sum(count - 1 for count in counts.values()),
        wrong=len(wrong),
        sent_again=len(times[SUBMITTED]) + len(times[RESUBMITTED]) - len(times[WITHDRAWN]) - len(sent),
        faults=faults,
        costs=costs(course.kills, [record.time for record in observed], reference.rate),
    )


def _observed(run_dir: Path) -> list[SimulationRecord]:
    return [record for record in read(run_dir, SimulationRecord) if record.outcome == 'observed']


def _value(record: SimulationRecord) -> float:
    return float('nan') if record.value is None else record.value


def _faults_of_end(course: Course) -> Iterator[str]:
    """The exit status, and what is left behind."""
    if course.status != 0:
        yield f'expected exit status 0 in the end, got {course.status}'
    yield from (f'process left: {line}' for line in course.left)
    for folder in (course.place.temporary, course.run_dir / OBJECTS_FOLDER, course.run_dir / REDIS_FOLDER):
        kept = sorted(str(path.relative_to(course.place.folder)) for path in folder.rglob('*') if not path.is_dir())
        if kept:
            yield f'{len(kept)} files left, among them {", ".join(kept[:3])}'


def _faults_of_resuming(
    drives: Sequence[Drive], resumptions: Sequence[float], observed: Sequence[SimulationRecord]
) -> Iterator[str]:
    """Every driver that went on says so once; one that was killed as it began need not have."""
    for drive in drives:
        times = [time for time in resumptions if drive.started <= time <= drive.ended]
        worked = not drive.killed or any(drive.started <= record.time <= drive.ended for record in observed)
        fewest, most = (int(worked), 1) if drive.resumed else (0, 0)
        if not fewest <= len(times) <= most:
            yield f'expected {fewest} to {most} events {RESUMED!r} of a driver, got {len(times)}'


def _faults_of_summary(
    course: Course,
    observed: Sequence[SimulationRecord],
    sent: int,
    times: Mapping[str, Sequence[float]],
) -> Iterator[str]:
    """Differences between the summary and the ledger it sums up."""
    try:
        summary = read_summary(course.run_dir)
    except TraceError as error:
        yield str(error)
        return
    counts = summary.simulations
    ranked = np.sort([_value(record) for record in observed])
    best = [best.value for best in summary.best]
    expected: dict[str, tuple[object, object]] = {
        'status': ('completed', summary.status),
        'simulations.succeeded': (len({record.key for record in observed}), counts.succeeded),
        'simulations.submitted': (sent, counts.submitted),
        'simulations.failed': (0, counts.failed),
        'simulations.quarantined': (0, counts.quarantined),
        'simulations.lost_and_resubmitted': (len(times[RESUBMITTED]), counts.lost_and_resubmitted),
        'resumed': (len(times[RESUMED]), summary.resumed),
        'proxies.leaked': (0, summary.proxies.leaked),
        'best': (_best(summary, ranked.tolist()), best),
    }
    for name, (wanted, found) in expected.items():
        if wanted != found:
            yield f'{name}: expected {wanted}, got {found}'


def _best(summary: Summary, ranked: list[float]) -> list[float]:
    """The best of all values, in the direction in which the summary goes."""
    found = [best.value for best in summary.best]
    upward = found == sorted(found)
    return (ranked if upward else ranked[::-1])[: len(found)]


def costs(kills: Sequence[Kill], results: Sequence[float], rate: float) -> list[tuple[Kind, float]]:
    """What kills cost, but those before the first result, which are part of a start of unknown length.

    From a kill until ten results have come, or until the next kill: that time, less what so many results take in an
    undisturbed run. Stretches do not overlap, so the costs add up.

    Args:
        kills: In order.
        results: When results came, in seconds since the epoch; in order.
        rate: Results a second in an undisturbed run.

    Returns:
        What was killed and the seconds it cost; kills after the last result are left out.
    """
    found: list[tuple[Kind, float]] = []
    for kill, (_, end) in zip(kills, pairwise([*(kill.time for kill in kills), float('inf')]), strict=True):
        if not results or kill.time < results[0]:
            continue
        after = [time for time in results if kill.time < time < end][:_FLOWING]
        if len(after) == _FLOWING or (after and end == float('inf')):
            end = after[-1]
        if end < float('inf'):
            found.append((kill.kind, end - kill.time - len(after) / rate))
    return found
