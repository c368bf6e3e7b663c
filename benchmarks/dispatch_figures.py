"""What is measured of a program that hands out tasks, whichever it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Work:
    """What every program is given to do.

    Attributes:
        seconds: How long each task sleeps.
        tasks: How many there are.
        workers: How many run at once.
    """

    seconds: float
    tasks: int
    workers: int


@dataclass(frozen=True)
class Run:
    """What a program did.

    Attributes:
        tasks: Process id of the worker, and seconds at which it began and ended, of each task.
        driver_cpu: Seconds of processor time of the process that decides, while the tasks ran.
        server_cpu: The same of the task server; 0 where there is none.
        other_cpu: The same of all that belongs to them: workers, Parsl's own processes, Redis.
    """

    tasks: Sequence[tuple[int, float, float]]
    driver_cpu: float
    server_cpu: float
    other_cpu: float


@dataclass(frozen=True)
class Figures:
    """What became of it.

    Attributes:
        rate: Tasks a second.
        idle_median: Seconds between two tasks on a worker, median.
        idle_p95: The same, 95th percentile.
        utilization: Share of their time for which workers were at a task.
        driver_cpu: Seconds of processor time a task, of the process that decides.
        server_cpu: The same of the task server.
        other_cpu: The same of all that belongs to them.
    """

    rate: float
    idle_median: float
    idle_p95: float
    utilization: float
    driver_cpu: float
    server_cpu: float
    other_cpu: float

    def __str__(self) -> str:
        return (
            f'{self.rate:.0f} tasks/s, idle {1e3 * self.idle_median:.2f} ms (p95 {1e3 * self.idle_p95:.2f}), '
            f'utilization {self.utilization:.4f}, CPU ms a task: driver {1e3 * self.driver_cpu:.2f}, '
            f'task server {1e3 * self.server_cpu:.2f}, others {1e3 * self.other_cpu:.2f}'
        )


def figures_of(run: Run, work: Work) -> Figures:
    """The figures of a run, from its middle eight tenths.

    Raises:
        ValueError: If it ran too few tasks.
    """
    if len(run.tasks) < work.tasks:
        raise ValueError(f'Expected {work.tasks} tasks, got {len(run.tasks)}.')
    ends = np.sort([end for _, _, end in run.tasks])
    first, last = ends[int(0.1 * len(ends))], ends[int(0.9 * len(ends))]
    rows: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for pid, start, end in run.tasks:
        if end >= first and start <= last:
            rows[pid].append((start, end))
    idle = [after - before for spans in rows.values() for (_, before), (after, _) in pairwise(sorted(spans))]
    busy = sum(min(end, last) - max(start, first) for spans in rows.values() for start, end in spans)
    return Figures(
        rate=float(np.sum((ends > first) & (ends <= last)) / (last - first)),
        idle_median=float(np.median(idle)),
        idle_p95=float(np.quantile(idle, 0.95)),
        utilization=float(busy / (work.workers * (last - first))),
        driver_cpu=run.driver_cpu / len(run.tasks),
        server_cpu=run.server_cpu / len(run.tasks),
        other_cpu=run.other_cpu / len(run.tasks),
    )
