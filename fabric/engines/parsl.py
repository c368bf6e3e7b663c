"""The engine for real campaigns: Parsl's high-throughput executors, on this machine or others."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import parsl
from colmena.task_server.parsl import ParslTaskServer
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider

from ..methods import TaskMethod, preload
from ..queues import SecureRedisQueues
from ..sites import Executor, Site
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

_STATUS_SECONDS = 2
_CLEANUP_SECONDS = 8.0


class ParslServer(ReportingServer, ParslTaskServer):
    """Colmena's Parsl task server that answers every task and does not wait when it is told to stop."""

    def __init__(
        self,
        queues: SecureRedisQueues,
        methods: Mapping[str, tuple[TaskMethod, str]],
        config: Config,
        modules: Mapping[str, tuple[str, ...]],
        workers: Mapping[str, int],
    ) -> None:
        """Prepare the server; ``_setup`` starts Parsl.

        Args:
            queues: Where tasks come from and results go.
            methods: Each method and the label of the executor that runs it.
            config: Parsl's configuration.
            modules: Modules that the workers of each executor import as they start.
            workers: Number of workers of each executor.
        """
        apps = [(method, {'executors': [label]}) for method, label in methods.values()]
        super().__init__(apps, queues, config)
        self._modules = dict(modules)
        self._workers = dict(workers)
        self._kernel: Any = None

    def _setup(self) -> None:
        self._kernel = parsl.load(self.config)
        logger.info('Parsl started; its own logs are in %s', self._kernel.run_dir)
        for label, modules in self._modules.items():
            if modules:
                self._warm(label, modules)

    def _warm(self, label: str, modules: tuple[str, ...]) -> None:
        """Have every worker of an executor import modules. Idle workers are given one task each."""
        app = parsl.python_app(preload, executors=[label])
        for _ in range(self._workers[label]):
            app(modules).add_done_callback(partial(_log_warmth, label))

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
        if self._kernel is None:
            return
        cleaner = threading.Thread(target=self._kernel.cleanup, name='parsl-cleanup', daemon=True)
        cleaner.start()
        cleaner.join(_CLEANUP_SECONDS)
        if cleaner.is_alive():
            logger.warning('Parsl did not clean up within %g s', _CLEANUP_SECONDS)


def make_server(plan: ServerPlan) -> ParslServer:
    """The task server of a plan."""
    routes = {kind: plan.site.executor_for(kind)[0] for kind in plan.methods}
    methods = {kind: (TaskMethod(kind, plan.methods[kind]), label) for kind, label in routes.items()}
    used = sorted(set(routes.values()))
    return ParslServer(
        plan.queues,
        methods,
        make_config(plan.site, used, plan.directory),
        {label: plan.modules(label) for label in used},
        {label: plan.site.executors[label].worker_count() for label in used},
    )


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
        # Parsl's scripts are found on the path only where the environment was activated.
        launch_cmd=DEFAULT_LAUNCH_CMD.replace('process_worker_pool.py', shlex.join(_script('process_worker_pool')), 1),
        interchange_launch_cmd=_script('interchange'),
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


def _script(name: str) -> list[str]:
    """Command that runs one of Parsl's scripts, which are on the path only where the environment was activated."""
    script = Path(sys.executable).with_name(f'{name}.py')
    if script.exists():
        return [sys.executable, str(script)]
    return [sys.executable, '-m', f'parsl.executors.high_throughput.{name}']


def _log_warmth(label: str, future: Any) -> None:
    error = future.exception()
    if error is not None:
        logger.warning('A worker of %s could not be warmed up: %s', label, error)
    else:
        seconds = ', '.join(f'{module} {spent:.1f} s' for module, spent in future.result().items())
        logger.info('A worker of %s is warm: %s', label, seconds)
