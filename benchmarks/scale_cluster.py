"""A simulated cluster behind a real task server: tens of thousands of workers that are entries of a heap.

The task server is Scoutbee's own: its loop, its queues, its books of what it holds, its way to answer. Only what stands
behind it is not there: a simulation is given to a free virtual worker, which answers when its time is over. Training
and inference run on a real worker process.
"""

from __future__ import annotations

import heapq
import itertools
import math
import mmap
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from colmena.models import Result

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.fabric.engines.base import ServerPlan
from scoutbee.fabric.engines.local import LocalTaskServer
from scoutbee.fabric.methods import TaskMethod
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.workers import WorkerSettings

LEDGER = 'cluster.bin'
"""File in the engine's directory in which the cluster keeps its books."""

_BOOKS = struct.Struct('<8d')


@dataclass(frozen=True)
class Cluster:
    """The cluster that is simulated.

    Attributes:
        workers: How many there are.
        seconds: Mean time of a simulation.
        spread: Standard deviation of the logarithm of that time, which is lognormal.
        seed: Seed of the times.
    """

    workers: int
    seconds: float
    spread: float
    seed: int = 0


@dataclass(frozen=True)
class Books:
    """What the cluster has done by some moment.

    Attributes:
        started: Simulations begun.
        finished: Simulations whose time was over, and that were answered.
        late: Sum of the seconds from the end of each one's time to its answer; idle time of its worker.
        own_cpu: Processor seconds that workers would have used elsewhere, to unpack, compute and pack.
        start_times: Sum of the moments at which simulations began.
        end_times: Sum of the moments at which their times were over.
        began: When the first simulation began, on the monotonic clock; 0 before.
        filled: When the last worker had its first one; 0 before.
    """

    started: float
    finished: float
    late: float
    own_cpu: float
    start_times: float
    end_times: float
    began: float
    filled: float

    def busy_seconds(self, now: float) -> float:
        """Seconds that all workers were busy until now, on the monotonic clock."""
        return now * (self.started - self.finished) - self.start_times + self.end_times


def read_books(directory: Path) -> Books:
    """What the cluster of a task server has done so far; nothing before it has begun."""
    try:
        content = (directory / LEDGER).read_bytes()
    except FileNotFoundError:
        content = b''
    return Books(*_BOOKS.unpack(content[: _BOOKS.size].ljust(_BOOKS.size, b'\0')))


class ClusterServer(LocalTaskServer):
    """A task server whose simulations run on virtual workers."""

    def __init__(
        self,
        cluster: Cluster,
        method: TaskMethod,
        directory: Path,
        queues: SecureRedisQueues,
        pools: Mapping[str, tuple[int, WorkerSettings]],
        routes: Mapping[str, str],
    ) -> None:
        """Prepare it.

        Args:
            cluster: What is simulated.
            method: How a worker runs a simulation.
            directory: Where the cluster keeps its books.
            queues: Where tasks come from and results go.
            pools: Real workers, for what is not a simulation.
            routes: Name of the pool that runs each other method.
        """
        super().__init__(queues, pools, routes)
        self.method_names.add(SIMULATE)
        self._virtual = VirtualWorkers(cluster, method, directory / LEDGER)

    def _submit(self, task: Result, topic: str) -> Future[Any]:
        if task.method != SIMULATE:
            return super()._submit(task, topic)
        task.mark_start_task_submission()
        return self._virtual.submit(task)


class VirtualWorkers:
    """Workers that answer after a drawn time.

    The first simulation of each takes what is left of one that was met in the middle, so that from the moment all are
    busy results come as evenly as they do hours later.
    """

    def __init__(self, cluster: Cluster, method: TaskMethod, books: Path) -> None:
        """Args: cluster: What is simulated. method: How a worker runs a simulation. books: File for the books."""
        self._cluster = cluster
        self._method = method
        self._rng = np.random.default_rng(cluster.seed)
        self._mean_log = math.log(cluster.seconds) - cluster.spread**2 / 2
        self._fresh = cluster.workers
        self._idle = cluster.workers
        self._waiting: deque[tuple[Result, Future[Any]]] = deque()
        self._due: list[tuple[float, int, float, Result, Future[Any]]] = []
        self._number = itertools.count()
        self._times: deque[float] = deque()
        self._changed = threading.Condition()
        self._totals = [0.0] * len(Books.__dataclass_fields__)
        with books.open('wb') as file:
            file.write(bytes(_BOOKS.size))
        with books.open('r+b') as file:
            self._books = mmap.mmap(file.fileno(), _BOOKS.size)
        threading.Thread(target=self._run, name='cluster', daemon=True).start()

    def submit(self, task: Result) -> Future[Any]:
        """Give a simulation to a free worker, or to the next that is."""
        future: Future[Any] = Future()
        with self._changed:
            if self._idle:
                self._idle -= 1
                future.set_running_or_notify_cancel()
                self._start(task, future)
            else:
                self._waiting.append((task, future))
        return future

    def _start(self, task: Result, future: Future[Any]) -> None:
        now = time.monotonic()
        was_fresh = self._fresh
        heapq.heappush(self._due, (now + self._seconds(), next(self._number), now, task, future))
        self._note(
            started=1,
            start_times=now,
            began=now if was_fresh == self._cluster.workers else 0.0,
            filled=now if was_fresh == 1 else 0.0,
        )
        if self._due[0][2] == now:
            self._changed.notify()

    def _release(self) -> None:
        """A worker is free: it takes what waits."""
        while self._waiting:
            task, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                self._start(task, future)
                return
        self._idle += 1

    def _seconds(self) -> float:
        if not self._times:
            self._times.extend(self._rng.lognormal(self._mean_log, self._cluster.spread, 4096).tolist())
        seconds = self._times.popleft()
        if self._fresh:
            self._fresh -= 1
            # A simulation met at a random moment is a long one (as by its length), of which a random part is left.
            return seconds * math.exp(self._cluster.spread**2) * float(self._rng.random())
        return seconds

    def _note(self, **more: float) -> None:
        for place, name in enumerate(Books.__dataclass_fields__):
            self._totals[place] += more.get(name, 0.0)
        self._books[:] = _BOOKS.pack(*self._totals)

    def _run(self) -> None:
        while True:
            for due, started, task, future in self._take():
                future.set_result(self._answer(task, started, due))

    def _take(self) -> list[tuple[float, float, Result, Future[Any]]]:
        """The simulations whose time is over; their workers go on with what waits."""
        with self._changed:
            while not self._due or self._due[0][0] > time.monotonic():
                self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
            now = time.monotonic()
            over = []
            while self._due and self._due[0][0] <= now:
                due, _, started, task, future = heapq.heappop(self._due)
                over.append((due, started, task, future))
                self._note(finished=1, end_times=due, late=now - due)
                self._release()
            return over

    def _answer(self, task: Result, started: float, due: float) -> Result:
        began = time.thread_time()
        answer = self._method(task)
        answer.timestamp.compute_started -= due - started  # the worker was at it all the time
        answer.time.running = due - started
        with self._changed:
            self._note(own_cpu=time.thread_time() - began)
        return answer


@dataclass(frozen=True)
class ClusterFactory:
    """Makes the task server of a plan, with a cluster behind it; goes to the server's process."""

    cluster: Cluster

    def __call__(self, plan: ServerPlan) -> ClusterServer:
        """The task server."""
        from scoutbee.fabric.methods import worker_methods

        method = worker_methods({SIMULATE: plan.methods[SIMULATE]}, 0)[SIMULATE]
        routes = {kind: executor for kind, executor in plan.routes().items() if kind != SIMULATE}
        executors = {name: plan.site.executors[name] for name in set(routes.values())}
        pools = {name: (each.worker_count(), plan.workers(name, each.env)) for name, each in executors.items()}
        return ClusterServer(self.cluster, method, plan.directory, plan.queues, pools, routes)
