"""The engine for real campaigns: Parsl's high-throughput executors, on this machine or others."""

from __future__ import annotations

import logging
import os
import shlex
import sys
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
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider

from ..hosted import pack_settings, run_hosted, warm_hosted
from ..queues import SecureRedisQueues
from ..sites import Executor, Site
from ..workers import WorkerSettings, pack_task, read_answer
from .base import ServerPlan
from .server import ReportingServer

logger = logging.getLogger(__name__)

_LOOPBACK = '127.0.0.1'
_WATCH_SECONDS = 1
"""How often a manager looks after its workers (this is what notices a dead one) and tells that it is alive."""

_SILENCE_SECONDS = 20
"""A manager that has not been heard of for so long counts as lost."""

_FAILED_BLOCKS = 5
"""So many failed blocks in a row mean that workers cannot be started at all."""

_MANAGER = 'from scoutbee.fabric.parsl_parts import process_worker_pool; process_worker_pool()'
_INTERCHANGE = (
    'import sys; sys.path[:] = sys.argv[1:]; from scoutbee.fabric.parsl_parts import interchange; interchange()'
)

_STATUS_SECONDS = 2
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
        workers: Mapping[str, tuple[int, WorkerSettings]],
        config: Config,
    ) -> None:
        """Prepare the server; ``_setup`` starts Parsl.

        Args:
            queues: Where tasks come from and results go.
            routes: Label of the executor that runs each method.
            workers: How many workers each executor has, and how the process of each is started.
            config: Parsl's configuration.
        """
        self._packed = {label: pack_settings(label, settings) for label, (_, settings) in workers.items()}
        self._counts = {label: count for label, (count, _) in workers.items()}
        methods = [(_Hosted(kind, self._packed[label]), {'executors': [label]}) for kind, label in routes.items()]
        ParslTaskServer.__init__(self, methods, queues, config)
        ReportingServer.__init__(self, queues, routes.keys())
        self._kernel: Any = None

    def _setup(self) -> None:
        self._kernel = parsl.load(self.config)
        logger.info('Parsl started; its own logs are in %s', self._kernel.run_dir)
        for label, packed in self._packed.items():
            self._warm(label, packed)

    def _warm(self, label: str, packed: bytes) -> None:
        """Have every worker of an executor start its process. Idle workers are given one task each."""
        app = parsl.python_app(warm_hosted, executors=[label])
        for _ in range(self._counts[label]):
            app(packed).add_done_callback(partial(_log_warmth, label))

    def _submit(self, task: Result, topic: str) -> Future[Any]:
        task.mark_start_task_submission()
        app, _ = self.methods_[task.method]
        future: Future[Any] = app(pack_task(str(task.method), task))
        return future

    def _read(self, answer: Any) -> Result:
        return super()._read(read_answer(answer))

    def trouble(self) -> str | None:
        """Why Parsl cannot go on: an executor that gave up, or whose interchange died."""
        for executor in self.config.executors:
            if executor.bad_state_is_set:
                return f'The executor {executor.label} gave up: {executor.executor_exception}.'
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
            logger.warning('Parsl did not clean up within %g s', _CLEANUP_SECONDS)


class _Hosted(PythonMethod):
    """What Colmena knows as a method, and a worker as a call: workers of Parsl need not import Colmena."""

    def __init__(self, kind: str, packed: bytes) -> None:
        super().__init__(run_hosted, name=kind)
        self._call = (run_hosted, packed, kind)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, self._call


def make_server(plan: ServerPlan) -> ParslServer:
    """The task server of a plan."""
    routes = plan.routes()
    used = sorted(set(routes.values()))
    # Their environment is that of Parsl's workers.
    workers = {label: (plan.site.executors[label].worker_count(), plan.workers(label)) for label in used}
    return ParslServer(plan.queues, routes, workers, make_config(plan.site, used, plan.directory))


def make_config(site: Site, labels: list[str], directory: Path) -> Config:
    """Parsl's configuration for a site.

    Args:
        site: The site.
        labels: Names of its executors that are wanted.
        directory: Where Parsl may write.
    """
    return Config(
        executors=[_executor(label, site.executors[label]) for label in labels],
        run_dir=str(directory / 'parsl'),
        # Parsl's own log would be at debug level and show arguments; its records go to the task server's log.
        initialize_logging=False,
        usage_tracking=0,
        retries=0,
        strategy='simple',
        strategy_period=_STATUS_SECONDS,
    )


def _executor(label: str, settings: Executor) -> HighThroughputExecutor:
    return HighThroughputExecutor(
        label=label,
        provider=_provider(settings),
        max_workers_per_node=settings.worker_count(),
        cores_per_worker=1e-6,  # the number of workers is decided here, not from what the node has
        address=_LOOPBACK,
        loopback_address=_LOOPBACK,
        encrypted=True,
        heartbeat_period=_WATCH_SECONDS,
        heartbeat_threshold=_SILENCE_SECONDS,
        launch_cmd=DEFAULT_LAUNCH_CMD.replace(
            'process_worker_pool.py', shlex.join([sys.executable, '-c', _MANAGER]), 1
        ),
        interchange_launch_cmd=[sys.executable, '-c', _INTERCHANGE, *sys.path],
        block_error_handler=partial(windowed_error_handler, threshold=_FAILED_BLOCKS),
    )


def _provider(settings: Executor) -> LocalProvider:
    # Keyed by type, so that batch systems join as other builders.
    return {'local': _local_provider}[settings.provider.type](settings)


def _local_provider(settings: Executor) -> LocalProvider:
    exports = [f'export {name}={shlex.quote(value)}' for name, value in settings.env.items()]
    exports.append(f'export PYTHONPATH={shlex.quote(os.pathsep.join(_own_paths()))}')
    lines = [*exports, settings.worker_init]
    return LocalProvider(
        worker_init='\n'.join(line for line in lines if line),
        init_blocks=1,
        min_blocks=1,
        max_blocks=1,
        launcher=SimpleLauncher(),
    )


def _own_paths() -> list[str]:
    """Where this process looks for modules beyond its installation, so that workers find the same ones."""
    installed = (sys.prefix, sys.base_prefix)
    return [path for path in sys.path if path and not path.startswith(installed)]


def _log_warmth(label: str, future: Any) -> None:
    error = future.exception()
    if error is not None:
        logger.warning('A worker of %s could not be warmed up: %s', label, error)
    else:
        seconds = ', '.join(f'{module} {spent:.1f} s' for module, spent in future.result().items())
        logger.info('A worker of %s is warm: %s', label, seconds)
