"""Where the time of a task goes, from its creation to the moment its result is written down."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from .glimpses import Task
from .sampled import Sampled

WINDOW = 200
"""Newest tasks of each kind from which medians are taken."""

SNAPSHOTS = 100
"""Most moments of which the latencies are kept, for replay."""

FIRST_DISTANCE = 2.0
"""Seconds from one to the next, at first."""

STAGES = ('queue', 'dispatch', 'run', 'return', 'notice', 'record')
"""The legs of the way: to the task server, to a worker, the work, back to the task server and on to the queue, out of
the queue, and into the ledger."""

_MARKS = ('created', 'input_received', 'compute_started', 'compute_ended', 'result_sent', 'result_received')

_Task = tuple[Mapping[str, float], float]
"""Colmena's timestamps of a task, and when its result was written down."""

Percentiles = dict[str, list[tuple[float, float] | None]]


class Latencies:
    """Medians and 95th percentiles of the stages, in seconds, over the newest tasks of each kind."""

    def __init__(self) -> None:
        """No task has come back yet."""
        self._windows: dict[str, deque[_Task]] = {}
        self.counts: dict[str, int] = {}
        """Tasks that came back, by kind."""
        self.snapshots: Sampled[Percentiles] = Sampled(SNAPSHOTS, FIRST_DISTANCE)
        """The percentiles as time went by, by campaign seconds."""

    def take(self, record: Task, at: float) -> None:
        """A task came back.

        Args:
            record: It.
            at: When, campaign seconds.
        """
        self.counts[record.kind] = self.counts.get(record.kind, 0) + 1
        if record.success:
            window = self._windows.setdefault(record.kind, deque(maxlen=WINDOW))
            window.append((record.timestamps, record.time))
        if self.snapshots.is_due(at):
            self.snapshots.add(at, self.percentiles())

    def percentiles(self) -> Percentiles:
        """Median and 95th percentile of each stage, by kind; None where no task said when it was."""
        return {kind: _percentiles(_stages(window)) for kind, window in self._windows.items()}


def _stages(tasks: Iterable[_Task]) -> NDArray[np.float64]:
    """Seconds in each stage; shape (tasks, stages). NaN where the times are not known."""
    marks = [[*(stamps.get(mark, np.nan) for mark in _MARKS), recorded] for stamps, recorded in tasks]
    # Clocks of different machines differ; a stage is not shorter than nothing.
    stages: NDArray[np.float64] = np.maximum(np.diff(np.array(marks)), 0.0)
    return stages


def _percentiles(stages: NDArray[np.float64]) -> list[tuple[float, float] | None]:
    """Median and 95th percentile of each column, by nearest rank."""
    ordered = np.sort(stages, axis=0)  # what is not known comes last
    known = np.isfinite(stages).sum(axis=0)
    return [_pair(ordered[:count, column]) for column, count in enumerate(known)]


def _pair(ordered: NDArray[np.float64]) -> tuple[float, float] | None:
    last = len(ordered) - 1
    if last < 0:
        return None
    median, high = (float(ordered[round(share * last)]) for share in (0.5, 0.95))
    return float(f'{median:.4g}'), float(f'{high:.4g}')
