"""The engine for real campaigns: Parsl's high-throughput executors, on this machine or others."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import parsl
from colmena.models import Result
from colmena.models.methods import PythonMethod
from colmena.task_server.parsl import ParslTaskServer
from parsl.config import Config
from parsl.executors import HighThroughputExecutor

from scoutbee.contracts.errors import ConfigurationError

from ..errors import EngineRefusedError
from ..hosted import pack_settings, run_hosted, warm_hosted
from ..providers import LocalProvider
from ..queues import SecureRedisQueues
from ..reach import with_address
from ..sites import Executor
from ..workers import WorkerSettings, pack_task, read_answer
from .base import ServerPlan
from .parsl_config import make_config
from .server import ReportingServer

logger = logging.getLogger(__name__)

_CLEANUP_SECONDS = 8.0


class ParslServer(ReportingServer, ParslTaskServer):
    """Colmena's Parsl task server that answers every task and does not wait when it is told to stop.

    A Parsl worker hands its tasks to a process of ours, which can be killed and replaced without Parsl noticing. What
    Parsl has been given cannot be called back.
    """

    calls_back = False

    def __init__(
        self,
        queues: SecureRedisQueues,
        routes: Mapping[str, str],
        workers: Mapping[str, tuple[WorkerSettings, int]],
        config: Config,
    ) -> None:
        """Prepare the server; ``_setup`` starts Parsl.

        Args:
            queues: Where tasks come from and results go.
            routes: Label of the executor that runs each method.
            workers: How the processes of each executor's workers are started, and how many are started at once.
            config: Parsl's configuration.
        """
        self._packed = {label: pack_settings(label, settings) for label, (settings, _) in workers.items()}
        self._early = {label: count for label, (_, count) in workers.items()}
        methods = [(_Hosted(kind, self._packed[label]), {'executors': [label]}) for kind, label in routes.items()]
        ParslTaskServer.__init__(self, methods, queues, config)
        ReportingServer.__init__(self, queues, routes.keys())
        self._kernel: Any = None

    def _setup(self) -> None:
        self._forget_keys()  # of a start that was killed
        # It warns every two seconds while blocks are idle, but not yet for long enough to be given back.
        logging.getLogger(HighThroughputExecutor.__module__).setLevel(logging.ERROR)
        self._kernel = parsl.load(self.config)
        logger.info('Parsl started; its own logs are in %s', self._kernel.run_dir)
        for label, packed in self._packed.items():
            self._warm(label, packed)

    def _warm(self, label: str, packed: bytes) -> None:
        """Have workers of an executor start their processes. Idle workers are given one task each."""
        app = parsl.python_app(warm_hosted, executors=[label])
        for _ in range(self._early[label]):
            app(packed).add_done_callback(partial(_log_warmth, label))

    def _submit(self, task: Result, topic: str) -> Future[Any]:
        task.mark_start_task_submission()
        app, _ = self.methods_[task.method]
        future: Future[Any] = app(pack_task(str(task.method), task))
        return future

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


class _Hosted(PythonMethod):
    """What Colmena knows as a method, and a worker as a call: workers of Parsl need not import Colmena."""

    def __init__(self, kind: str, packed: bytes) -> None:
        super().__init__(run_hosted, name=kind)
        self._call = (run_hosted, packed, kind)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, self._call


def make_server(plan: ServerPlan) -> ParslServer:
    """The task server of a plan.

    Raises:
        EngineRefusedError: If the site, or where the run directory is, cannot be used; the message says what to change.
    """
    routes = plan.routes()
    used = sorted(set(routes.values()))
    # Their environment is that of Parsl's workers.
    workers = {label: (plan.workers(label), _started_early(plan.site.executors[label])) for label in used}
    try:
        config = make_config(with_address(plan.site), used, plan.directory)
    except ConfigurationError as error:
        raise EngineRefusedError(str(error)) from None
    return ParslServer(plan.queues, routes, workers, config)


def _started_early(executor: Executor) -> int:
    """How many workers are started before there are tasks for them.

    None on nodes of a batch system, which would all be asked for at once, whatever the work is.
    """
    return executor.worker_count() if isinstance(executor.provider, LocalProvider) else 0


def _log_warmth(label: str, future: Any) -> None:
    error = future.exception()
    if error is not None:
        logger.warning('A worker of %s could not be warmed up: %s', label, error)
    else:
        seconds = ', '.join(f'{module} {spent:.1f} s' for module, spent in future.result().items())
        logger.info('A worker of %s is warm: %s', label, seconds)
