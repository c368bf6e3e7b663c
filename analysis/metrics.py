"""Numbers from trace records: use of the workers, latency of learning, progress, errors of the models."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.candidates import Objective
from scoutbee.traces.records import SelectionRecord, SimulationRecord, TaskRecord
from scoutbee.traces.summary import Extent, SlotUse, Spread

Floats = NDArray[np.float64]
Session = tuple[float, float]


@dataclass(frozen=True)
class TaskSpan:
    """When a worker was busy with a task; times are seconds since the epoch, on the worker's clock."""

    kind: str
    worker: str | None
    started: float
    ended: float


def task_spans(tasks: Mapping[str, Iterable[TaskRecord]]) -> list[TaskSpan]:
    """Busy times of all tasks that say when they ran, by start.

    Args:
        tasks: Tasks by kind.
    """
    spans = []
    for kind, records in tasks.items():
        for record in records:
            started = record.timestamps.get('compute_started', math.nan)
            ended = record.timestamps.get('compute_ended', math.nan)
            if started <= ended:  # False where either is missing.
                spans.append(TaskSpan(kind, record.worker, started, ended))
    return sorted(spans, key=lambda span: span.started)


def slot_use(spans: Sequence[TaskSpan], sessions: Sequence[Session], workers: Mapping[str, int]) -> dict[str, SlotUse]:
    """How well the workers of each kind were used.

    Utilization is busy time over the number of workers times the time the campaign ran; time between a crash and the
    resumption is no one's. Where more tasks ran at once than there were workers said to be (blocks added later), the
    peak counts as their number.

    Args:
        spans: Busy times.
        sessions: When the campaign ran.
        workers: Number of workers by kind.
    """
    ran = sum(end - start for start, end in sessions)
    gaps = idle_gaps(spans, sessions)
    use = {}
    for kind in [*workers, *sorted({span.kind for span in spans} - set(workers))]:
        mine = [span for span in spans if span.kind == kind]
        count = max(workers.get(kind, 0), peak(mine))
        busy = sum(span.ended - span.started for span in mine)
        possible = count * ran
        use[kind] = SlotUse(
            workers=count,
            utilization=min(1.0, busy / possible) if possible > 0 else None,
            idle_seconds=spread(gaps.get(kind, [])),
        )
    return use


def idle_gaps(spans: Sequence[TaskSpan], sessions: Sequence[Session]) -> dict[str, list[float]]:
    """Seconds a worker waited between one task and the next, by the kind of the next.

    Waits that reach over a resumption are left out: no driver was there to send anything.

    Args:
        spans: Busy times, by start.
        sessions: When the campaign ran.
    """
    resumptions = [start for start, _ in sessions[1:]]
    gaps: dict[str, list[float]] = defaultdict(list)
    before: dict[str, float] = {}
    for span in spans:
        if span.worker is None:
            continue
        free = before.get(span.worker)
        if free is not None and not any(free < resumed <= span.started for resumed in resumptions):
            gaps[span.kind].append(max(0.0, span.started - free))
        before[span.worker] = max(span.ended, free or span.ended)
    return dict(gaps)


def peak(spans: Iterable[TaskSpan]) -> int:
    """Most tasks that ran at once; one that begins as another ends does not overlap it."""
    changes = sorted(change for span in spans for change in ((span.started, 1), (span.ended, -1)))
    running = np.cumsum([step for _, step in changes]) if changes else np.zeros(1)
    return int(running.max())


def busy_workers(spans: Sequence[TaskSpan], start: float, end: float, bins: int = 300) -> tuple[Floats, Floats]:
    """Busy workers over time, averaged in equal bins.

    Args:
        spans: Busy times.
        start: Start of the first bin, seconds since the epoch.
        end: End of the last bin.
        bins: Number of bins.

    Returns:
        Edges of the bins in seconds from ``start``, shape (bins + 1,), and mean number of busy workers, shape (bins,).
    """
    edges = np.linspace(0.0, max(end - start, 1e-9), bins + 1)
    started = np.sort(np.array([span.started - start for span in spans], dtype=np.float64))
    ended = np.sort(np.array([span.ended - start for span in spans], dtype=np.float64))
    # Busy time up to t is the sum over tasks of clip(t - started, 0) - clip(t - ended, 0).
    busy = _elapsed(started, edges) - _elapsed(ended, edges)
    return edges, np.diff(busy) / np.diff(edges)


def _elapsed(times: Floats, at: Floats) -> Floats:
    """Sum of ``max(0, t - time)`` over all times, for each t."""
    count = np.searchsorted(times, at, side='right')
    total = np.concatenate([[0.0], np.cumsum(times)])
    return np.asarray(count * at - total[count], dtype=np.float64)


def makespans(selections: Iterable[SelectionRecord]) -> list[float]:
    """Seconds from the start of each training round to the last ranking made with its models.

    With a ranking after each model the first new ranking comes sooner; the last is the one that all models had a say
    in. Rankings no training led to (the first of a loaded ensemble) are left out.
    """
    last: dict[float, float] = {}
    for record in selections:
        if record.started is not None and math.isfinite(record.started):
            last[record.started] = max(record.time, last.get(record.started, record.time))
    return [ended - started for started, ended in last.items()]


def spread(seconds: Sequence[float]) -> Spread:
    """Median and 95th percentile (linear interpolation between the nearest two)."""
    if not seconds:
        return Spread()
    median, p95 = np.percentile(seconds, [50, 95])
    return Spread(median=float(median), p95=float(p95))


def extent(seconds: Sequence[float]) -> Extent:
    """Median and largest."""
    if not seconds:
        return Extent()
    return Extent(median=float(np.median(seconds)), max=float(max(seconds)))


def values_of(observed: Iterable[SimulationRecord]) -> Floats:
    """Values of observations that have one, in order; shape (values,)."""
    values = [record.value for record in observed if record.value is not None and math.isfinite(record.value)]
    return np.array(values, dtype=np.float64)


def best_so_far(values: Floats, objective: Objective) -> Floats:
    """Best of the first 1, 2, … values; same shape and unit as ``values``."""
    return np.asarray(objective.sign * np.maximum.accumulate(objective.sign * values), dtype=np.float64)


def found_so_far(values: Floats, objective: Objective) -> NDArray[np.int64]:
    """How many of the first 1, 2, … values reach the threshold; same shape as ``values``."""
    return np.cumsum([objective.is_found(float(value)) for value in values], dtype=np.int64)


def best_records(observed: Iterable[SimulationRecord], objective: Objective, count: int) -> list[SimulationRecord]:
    """The best observations that have a value, best first; of equal ones the earlier first."""
    valued = [(record.value, record) for record in observed if record.value is not None and math.isfinite(record.value)]
    ordered = sorted(valued, key=lambda pair: -objective.sign * pair[0])
    return [record for _, record in ordered[:count]]


@dataclass(frozen=True)
class Forecast:
    """What the models predicted when they chose a candidate, and what came; in the objective's unit.

    Attributes:
        key: Key of the candidate.
        generation: Newest generation among the models that predicted it.
        mean: Predicted value.
        std: Standard deviation over the ensemble, where there was one.
        value: What the simulation gave.
    """

    key: str
    generation: int
    mean: float
    std: float | None
    value: float


def forecasts(observed: Iterable[SimulationRecord]) -> list[Forecast]:
    """Prediction and outcome of every observation that was chosen by a prediction, in order."""
    made = []
    for record in observed:
        mean, std = record.choice.get('mean'), record.choice.get('std')
        if mean is None or record.value is None or not math.isfinite(record.value):
            continue
        generation = int(record.choice.get('generation') or 0)
        made.append(Forecast(record.key, generation, float(mean), None if std is None else float(std), record.value))
    return made


@dataclass(frozen=True)
class ModelError:
    """How far one generation of models was off for the candidates it chose; in the objective's unit.

    Chosen candidates are not a fair sample: a model looks worse on them than on the search space at large.

    Attributes:
        generation: Which.
        count: Candidates it chose that came back.
        mae: Mean absolute error.
        rmse: Root of the mean squared error.
        bias: Mean of prediction minus value.
        std: Mean predicted standard deviation, where there was one.
        covered: Share of values within two predicted standard deviations, where there were any.
    """

    generation: int
    count: int
    mae: float
    rmse: float
    bias: float
    std: float | None
    covered: float | None


def model_errors(made: Iterable[Forecast]) -> list[ModelError]:
    """Errors by generation, oldest first."""
    groups: dict[int, list[Forecast]] = defaultdict(list)
    for forecast in made:
        groups[forecast.generation].append(forecast)
    return [_model_error(generation, groups[generation]) for generation in sorted(groups)]


def _model_error(generation: int, group: Sequence[Forecast]) -> ModelError:
    errors = np.array([forecast.mean - forecast.value for forecast in group])
    stds = [(forecast.std, abs(forecast.mean - forecast.value)) for forecast in group if forecast.std is not None]
    return ModelError(
        generation=generation,
        count=len(group),
        mae=float(np.mean(np.abs(errors))),
        rmse=float(np.sqrt(np.mean(errors**2))),
        bias=float(np.mean(errors)),
        std=float(np.mean([std for std, _ in stds])) if stds else None,
        covered=float(np.mean([off <= 2 * std for std, off in stds])) if stds else None,
    )
