"""The engine for real campaigns: Parsl's high-throughput executors, on this machine or others."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import parsl
from colmena.models import Result
from colmena.queue.base import ColmenaQueues
from parsl.config import Config
from parsl.executors import HighThroughputExecutor

from scoutbee.contracts.errors import ConfigurationError

from ..errors import EngineRefusedError
from ..hosted import pack_settings, run_bundle, warm_hosted
from ..providers import LocalProvider
from ..reach import with_address
from ..sites import Executor
from ..workers import WorkerSettings, pack_task, read_answer
from .base import ServerPlan
from .parsl_bundles import Bundles, Call
from .parsl_config import make_config
from .server import ReportingServer

logger = logging.getLogger(__name__)

_CLEANUP_SECONDS = 8.0


class ParslServer(ReportingServer):
    """Runs tasks through Parsl, and does not wait for them when it is told to stop.

    A Parsl worker hands its tasks to a process of ours, which can be killed and replaced without Parsl noticing. What
    Parsl has been given cannot be called back. Tasks go straight to its executors, because what its kernel does for
    tasks that depend on others costs as much as all the rest.
    """

    def __init__(
        self,
        queues: ColmenaQueues,
        routes: Mapping[str, str],
        workers: Mapping[str, tuple[WorkerSettings, WorkerCounts]],
        config: Config,
    ) -> None:
        """Prepare the server; ``_setup`` starts Parsl.

        Args:
            queues: Where tasks come from and results go.
            routes: Label of the executor that runs each method.
            workers: How the processes of each executor's workers are started, and how many workers there are.
            config: Parsl's configuration.
        """
        super().__init__(queues, routes.keys())
        self.config = config
        self._routes = dict(routes)
        self._packed = {label: pack_settings(label, settings) for label, (settings, _) in workers.items()}
        self._counts = {label: counts for label, (_, counts) in workers.items()}
        self._bundles: dict[str, Bundles] = {}
        self._kernel: Any = None

    def _setup(self) -> None:
        self._forget_keys()  # of a start that was killed
        # It warns every two seconds while blocks are idle, but not yet for long enough to be given back.
        logging.getLogger(HighThroughputExecutor.__module__).setLevel(logging.ERROR)
        self._kernel = parsl.load(self.config)
        logger.info('Parsl started; its own logs are in %s', self._kernel.run_dir)
        for executor in self.config.executors:
            packed, counts = self._packed[executor.label], self._counts[executor.label]
            self._bundles[executor.label] = Bundles(partial(executor.submit, run_bundle, {}, packed), counts.all)
            for _ in range(counts.early):  # idle workers are given one task each
                executor.submit(warm_hosted, {}, packed).add_done_callback(partial(_log_warmth, executor.label))

    def _submit(self, task: Result, topic: str) -> Future[Any]:
        task.mark_start_task_submission()
        kind = str(task.method)
        call = Call(kind, pack_task(kind, task))
        self._bundles[self._routes[kind]].add(call)
        return call.answer

    def _read(self, answer: Any) -> Result:
        return super()._read(read_answer(answer))

    def trouble(self) -> str | None:
        """Why Parsl cannot go on: the interchange of an executor died.

        Raises:
            EngineRefusedError: If an executor gave up, because no workers can be had, or those that are do not fit.
        """
        for executor in self.config.executors:
            if executor.bad_state_is_set:
                raise EngineRefusedError(f'The executor {executor.label} gave up: {executor.executor_exception}.')
            interchange = executor.interchange_proc
            if interchange is not None and interchange.poll() is not None:
                return f'The interchange of {executor.label} died (exit status {interchange.returncode}).'
        return None

    def _cleanup(self) -> None:
        """Give the blocks back. Running tasks are not waited for, and what takes too long is left to be killed."""
        super()._cleanup()
        if self._kernel is None:
            return
        cleaner = threading.Thread(target=self._kernel.cleanup, name='parsl-cleanup', daemon=True)
        cleaner.start()
        cleaner.join(_CLEANUP_SECONDS)
        if cleaner.is_alive():
            jobs = [job for executor in self.config.executors for job in executor.unfinished_jobs()]
            logger.warning(
                'Parsl did not clean up within %g s. Jobs that may be left: %s', _CLEANUP_SECONDS, ' '.join(jobs)
            )
        self._forget_keys()

    def _forget_keys(self) -> None:
        """Remove the keys by which workers are known, so that a run directory that is passed on holds no secret."""
        for folder in Path(self.config.run_dir).glob('*/*/certificates'):
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class WorkerCounts:
    """How many workers an executor has.

    Attributes:
        all: With as many machines as there may be at once.
        early: Those that are started before there are tasks for them: none on nodes of a batch system, which would
            all be asked for at once, whatever the work is.
    """

    all: int
    early: int


def make_server(plan: ServerPlan) -> ParslServer:
    """The task server of a plan.

    Raises:
        EngineRefusedError: If the site, or where the run directory is, cannot be used; the message says what to change.
    """
    routes = plan.routes()
    used = list(dict.fromkeys(routes.values()))  # simulations first: they are what is to begin first
    # Their environment is that of Parsl's workers.
    workers = {label: (plan.workers(label), _count(plan.site.executors[label])) for label in used}
    try:
        config = make_config(with_address(plan.site), used, plan.directory)
    except ConfigurationError as error:
        raise EngineRefusedError(str(error)) from None
    return ParslServer(plan.queues, routes, workers, config)


def _count(executor: Executor) -> WorkerCounts:
    count = executor.worker_count()
    return WorkerCounts(count, count if isinstance(executor.provider, LocalProvider) else 0)


def _log_warmth(label: str, future: Any) -> None:
    error = future.exception()
    if error is not None:
        logger.warning('A worker of %s could not be warmed up: %s', label, error)
    else:
        seconds = ', '.join(f'{module} {spent:.1f} s' for module, spent in future.result().items())
        logger.info('A worker of %s is warm: %s', label, seconds)
