"""The engine for real campaigns: Parsl's high-throughput executors, on this machine or others."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import parsl
from colmena.models import Result
from colmena.queue.base import ColmenaQueues
from parsl.config import Config
from parsl.executors import HighThroughputExecutor

from scoutbee.contracts.errors import ConfigurationError

from ..errors import EngineError, EngineRefusedError
from ..hosted import pack_settings
from ..providers import LocalProvider
from ..reach import with_address
from ..sites import Executor
from ..workers import WorkerSettings, pack_task, read_answer
from .base import ServerPlan
from .parsl_blocks import BlockExecutor
from .parsl_bundles import Call
from .parsl_config import make_config, make_executor
from .parsl_starts import LateStart, Line, WorkerCounts, split_starts
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
        later: Sequence[BlockExecutor] = (),
    ) -> None:
        """Prepare the server; ``_setup`` starts Parsl.

        Args:
            queues: Where tasks come from and results go.
            routes: Label of the executor that runs each method.
            workers: How the processes of each executor's workers are started, and how many workers there are.
            config: Parsl's configuration, with the executors that start at once.
            later: Executors that start when the workers of those are ready.
        """
        super().__init__(queues, routes.keys())
        self.config = config
        self._routes = dict(routes)
        executors = {executor.label: executor for executor in (*config.executors, *later)}
        self._lines = {
            label: Line(executors[label], pack_settings(label, settings), counts)
            for label, (settings, counts) in workers.items()
        }
        self._later = list(later)
        self._late_start: LateStart | None = None
        self._kernel: Any = None

    def _setup(self) -> None:
        self._forget_keys()  # of a start that was killed
        # It warns every two seconds while blocks are idle, but not yet for long enough to be given back.
        logging.getLogger(HighThroughputExecutor.__module__).setLevel(logging.ERROR)
        self._kernel = parsl.load(self.config)
        logger.info('Parsl started; its own logs are in %s', self._kernel.run_dir)
        warm = [each for executor in self.config.executors for each in self._lines[executor.label].open()]
        if self._later:
            self._late_start = LateStart(self._start_later, warm)

    def _start_later(self) -> None:
        for executor in self._later:
            try:
                self._kernel.add_executors([executor])
            except Exception as error:
                reason = f'The executor {executor.label} could not be started: {type(error).__name__}: {error}.'
                raise EngineError(reason) from error
            self._lines[executor.label].open()

    def _submit(self, task: Result, topic: str) -> Future[Any]:
        task.mark_start_task_submission()
        kind = str(task.method)
        call = Call(kind, pack_task(kind, task))
        self._lines[self._routes[kind]].add(call)
        return call.answer

    def _read(self, answer: Any) -> Result:
        return super()._read(read_answer(answer))

    def trouble(self) -> str | None:
        """Why Parsl cannot go on: an executor could not be started, or its interchange died.

        Raises:
            EngineRefusedError: If an executor gave up, because no workers can be had, or those that are do not fit.
        """
        if self._late_start is not None and self._late_start.error is not None:
            return str(self._late_start.error)
        for line in self._lines.values():
            executor = line.executor
            if executor.bad_state_is_set:
                raise EngineRefusedError(f'The executor {line.label} gave up: {executor.executor_exception}.')
            interchange = executor.interchange_proc
            if interchange is not None and interchange.poll() is not None:
                return f'The interchange of {line.label} died (exit status {interchange.returncode}).'
        return None

    def _cleanup(self) -> None:
        """Give the blocks back. Running tasks are not waited for, and what takes too long is left to be killed."""
        super()._cleanup()
        if self._kernel is None:
            return
        cleaner = threading.Thread(target=self._end_parsl, name='parsl-cleanup', daemon=True)
        cleaner.start()
        cleaner.join(_CLEANUP_SECONDS)
        if cleaner.is_alive():
            jobs = [job for line in self._lines.values() for job in line.executor.unfinished_jobs()]
            logger.warning(
                'Parsl did not clean up within %g s. Jobs that may be left: %s', _CLEANUP_SECONDS, ' '.join(jobs)
            )
        self._forget_keys()

    def _end_parsl(self) -> None:
        if self._late_start is not None:
            self._late_start.cancel()
        self._kernel.cleanup()

    def _forget_keys(self) -> None:
        """Remove the keys by which workers are known, so that a run directory that is passed on holds no secret."""
        for folder in Path(self.config.run_dir).glob('*/*/certificates'):
            shutil.rmtree(folder, ignore_errors=True)


def make_server(plan: ServerPlan) -> ParslServer:
    """The task server of a plan.

    Raises:
        EngineRefusedError: If the site, or where the run directory is, cannot be used; the message says what to change.
    """
    routes = plan.routes()
    used = list(dict.fromkeys(routes.values()))  # simulations first: they are what is to begin first
    # Their environment is that of Parsl's workers.
    workers = {label: (plan.workers(label), _count(plan.site.executors[label])) for label in used}
    at_once, later = split_starts(plan.site, used)
    try:
        site = with_address(plan.site)
        config = make_config(site, at_once, plan.directory)
    except ConfigurationError as error:
        raise EngineRefusedError(str(error)) from None
    late = [make_executor(label, site, plan.directory) for label in later]
    return ParslServer(plan.queues, routes, workers, config, late)


def _count(executor: Executor) -> WorkerCounts:
    count = executor.worker_count()
    return WorkerCounts(count, count if isinstance(executor.provider, LocalProvider) else 0)
