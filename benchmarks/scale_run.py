"""One campaign on a simulated cluster, from its start to a measured stretch of its steady state."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
from random_space import RandomSpace
from scale_cluster import Books, Cluster, ClusterFactory, read_books

from scoutbee.agents.thinker import Thinker
from scoutbee.contracts.campaign import INFER, KINDS, TRAIN
from scoutbee.contracts.policy import Policy, Slots
from scoutbee.driver.shelf import RunShelf
from scoutbee.fabric.depots import ProxyDepot, new_run_name
from scoutbee.fabric.engines.base import Engine, ServerPlan
from scoutbee.fabric.methods import task_functions
from scoutbee.fabric.processes import collect_rarely
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.sites import Site
from scoutbee.fabric.stores import Places, TopicStore
from scoutbee.traces.writer import TraceWriter

_LARGE = 10_000
_LOOK_SECONDS = 0.1
_START_SECONDS = 600.0
_SETTLE_SECONDS = 15.0
"""How long, at most, what piled up while the workers were given their first simulations may take to be worked off."""

_MODELS = 4
_MEGABYTE = 1e6


@dataclass(frozen=True)
class Trial:
    """What to run.

    Attributes:
        cluster: The workers.
        candidates: Size of the search space.
        retrain: Results after which the models are trained again.
        prefetch: Simulations kept ready beyond the workers; None for the policy's own choice.
        steady_seconds: How long the steady state is looked at.
        most: Decisions after which that ends, whatever the time.
    """

    cluster: Cluster
    candidates: int
    retrain: int
    prefetch: int | None
    steady_seconds: float
    most: int


@dataclass(frozen=True)
class Figures:
    """What was seen.

    Attributes:
        ramp_seconds: From the first simulation to all workers being busy. The steady state begins as long after it,
            15 s at most.
        decisions: Results received and simulations sent in their place, in the steady state.
        seconds: How long that was looked at.
        utilization: Share of their time for which workers were busy.
        driver_cpu: Processor seconds of the driver a decision.
        server_cpu: The same of the task server, without what the workers would have used elsewhere.
        redis_cpu: The same of the Redis server.
        late: Seconds from the end of a simulation's time to its answer, on average.
        driver_megabytes: Most memory of the driver.
        server_megabytes: Most memory of the task server.
        rankings: Rankings made.
    """

    ramp_seconds: float
    decisions: int
    seconds: float
    utilization: float
    driver_cpu: float
    server_cpu: float
    redis_cpu: float
    late: float
    driver_megabytes: float
    server_megabytes: float
    rankings: int

    @property
    def rate(self) -> float:
        """Decisions a second."""
        return self.decisions / self.seconds


def run(trial: Trial) -> Figures:
    """Run a trial in a process of its own, whose memory is nobody else's."""
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        return pool.submit(measure, trial).result()


def measure(trial: Trial) -> Figures:
    """Run a trial in this process, which is the driver.

    Raises:
        RuntimeError: If the campaign does not get going.
    """
    with tempfile.TemporaryDirectory(prefix='scoutbee-scale-') as folder, ExitStack() as stack:
        run_dir = Path(folder) / 'run'
        engine_dir = run_dir / 'engine'
        engine_dir.mkdir(parents=True)
        redis = stack.enter_context(EmbeddedRedis(Path(folder) / 'redis'))
        places = Places(new_run_name(), redis.address, Path(folder))
        depot = stack.enter_context(ProxyDepot(places, {kind: TopicStore('redis', _LARGE) for kind in (TRAIN, INFER)}))
        queues = SecureRedisQueues(
            redis.address, KINDS, prefix=places.run, stores=depot.stores, thresholds=depot.thresholds
        )
        stack.callback(queues.disconnect)
        campaign = RandomSpace(trial.candidates, model_count=_MODELS)
        plan = ServerPlan(_site(), task_functions(campaign.tasks()), queues, engine_dir)
        engine = stack.enter_context(Engine(ClusterFactory(trial.cluster), plan))
        engine.wait_until_ready()
        traces = stack.enter_context(TraceWriter(run_dir))
        thinker = Thinker(queues, campaign, _policy(trial), traces, depot, RunShelf(run_dir))
        collect_rarely()
        thinker.start()
        try:
            return _Observer(trial, thinker, engine, redis, engine_dir).figures()
        finally:
            thinker.interrupt()
            thinker.interrupt()
            thinker.join()


def _site() -> Site:
    return Site.model_validate(
        {
            'name': 'scale',
            'engine': 'local',
            'executors': {'cluster': {'kinds': ['simulate']}, 'learn': {'kinds': ['train', 'infer']}},
        }
    )


def _policy(trial: Trial) -> Policy:
    return Policy(
        search_size=trial.candidates,
        buffer_size=max(64, min(4096, trial.cluster.workers)),
        retrain_frequency=trial.retrain,
        prefetch=trial.prefetch,
        slots=Slots(simulate=trial.cluster.workers, train=1, infer=1),
        grace=0,
    )


@dataclass(frozen=True)
class _Moment:
    """What the clocks and counters say at one moment."""

    at: float
    decisions: int
    driver_cpu: float
    server_cpu: float
    redis_cpu: float
    books: Books


class _Observer:
    """Looks at a campaign from beside it."""

    def __init__(self, trial: Trial, thinker: Thinker, engine: Engine, redis: EmbeddedRedis, engine_dir: Path) -> None:
        assert engine.pid is not None
        assert redis.pid is not None
        self._trial = trial
        self._thinker = thinker
        self._engine_dir = engine_dir
        self._driver, self._server, self._redis = (
            psutil.Process(),
            psutil.Process(engine.pid),
            psutil.Process(redis.pid),
        )
        self._peaks = [0.0, 0.0]

    def figures(self) -> Figures:
        """Wait until the workers are busy, look at them for a while, and tell."""
        ramp = self._ramp()
        settled = time.monotonic() + min(ramp, _SETTLE_SECONDS)
        while time.monotonic() < settled:
            self._look()
        first = self._moment()
        until = first.at + self._trial.steady_seconds
        while time.monotonic() < until and self._decisions() - first.decisions < self._trial.most:
            self._look()
        last = self._moment()
        decisions, seconds = last.decisions - first.decisions, last.at - first.at
        if not decisions:
            raise RuntimeError(f'No result came in {seconds:.1f} s.')
        own = last.books.own_cpu - first.books.own_cpu
        busy = last.books.busy_seconds(last.at) - first.books.busy_seconds(first.at)
        return Figures(
            ramp_seconds=ramp,
            decisions=decisions,
            seconds=seconds,
            utilization=busy / (self._trial.cluster.workers * seconds),
            driver_cpu=(last.driver_cpu - first.driver_cpu) / decisions,
            server_cpu=(last.server_cpu - first.server_cpu - own) / decisions,
            redis_cpu=(last.redis_cpu - first.redis_cpu) / decisions,
            late=(last.books.late - first.books.late) / max(1.0, last.books.finished - first.books.finished),
            driver_megabytes=self._peaks[0],
            server_megabytes=self._peaks[1],
            rankings=self._thinker.board.rankings,
        )

    def _ramp(self) -> float:
        """Seconds until every worker had its first simulation."""
        start = time.monotonic()
        while True:
            books = read_books(self._engine_dir)
            if books.filled:
                return books.filled - books.began
            if not books.started and time.monotonic() > start + _START_SECONDS:
                raise RuntimeError(f'Expected a simulation within {_START_SECONDS:g} s, got none.')
            self._look()

    def _look(self) -> None:
        outcome = self._thinker.outcome
        if outcome is not None:
            raise RuntimeError(f'The campaign ended before it was measured: {outcome.reason}')
        for place, process in enumerate((self._driver, self._server)):
            self._peaks[place] = max(self._peaks[place], process.memory_info().rss / _MEGABYTE)
        threading.Event().wait(_LOOK_SECONDS)

    def _decisions(self) -> int:
        return self._thinker.board.counts.succeeded

    def _moment(self) -> _Moment:
        books = read_books(self._engine_dir)
        return _Moment(
            time.monotonic(), self._decisions(), time.process_time(), _cpu(self._server), _cpu(self._redis), books
        )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
