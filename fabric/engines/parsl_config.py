"""Parsl's configuration, made from a site."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parsl.config import Config
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD

from scoutbee.contracts.errors import ConfigurationError

from ..own_address import LOOPBACK
from ..providers import LocalProvider
from ..sites import Executor, Site
from .parsl_blocks import BlockExecutor
from .parsl_providers import PARSL_PROVIDERS, make_provider

_WATCH_SECONDS = 1
"""How often a manager looks after its workers (this is what notices a dead one) and tells that it is alive."""

_SILENCE_SECONDS = 20
"""A manager that has not been heard of for so long counts as lost."""

_LOOK_SECONDS = 2
"""How often Parsl compares the work with the blocks that it has."""

_IDLE_SECONDS = 300.0
"""A block that nobody has needed for so long is given back, if it is not one of the fewest."""

_MANAGER = 'from scoutbee.fabric.parsl_parts import process_worker_pool; process_worker_pool()'
_INTERCHANGE = (
    'import sys; sys.path[:] = sys.argv[1:]; from scoutbee.fabric.parsl_parts import interchange; interchange()'
)


def make_config(site: Site, labels: Sequence[str], directory: Path) -> Config:
    """Parsl's configuration for a site.

    Args:
        site: The site; see ``reach.with_address``.
        labels: Names of its executors that are wanted.
        directory: Where Parsl may write, and the nodes of batch systems too.

    Raises:
        ConfigurationError: If the directory has a name that Parsl cannot put into its scripts.
    """
    if shlex.quote(str(directory)) != str(directory):
        raise ConfigurationError(
            f'Parsl writes shell scripts with the path of the run directory in them, got {directory}; choose one with '
            'neither spaces nor other characters that mean something to a shell (--runs-dir).'
        )
    return Config(
        executors=[make_executor(label, site, directory) for label in labels],
        run_dir=str(directory / 'parsl'),
        # Parsl's own log would be at debug level and show arguments; its records go to the task server's log.
        initialize_logging=False,
        usage_tracking=0,
        retries=0,
        strategy='htex_auto_scale',
        strategy_period=_LOOK_SECONDS,
        max_idletime=_IDLE_SECONDS,
    )


def make_executor(
    label: str, site: Site, directory: Path, classes: Mapping[str, type[Any]] = PARSL_PROVIDERS
) -> BlockExecutor:
    """Parsl's executor for one of a site.

    Args:
        label: Name of the executor.
        site: The site; see ``reach.with_address``.
        directory: Where Parsl and the nodes may write.
        classes: Parsl's class for each batch system.
    """
    settings = site.executors[label]
    provider = settings.provider
    return BlockExecutor(
        label=label,
        provider=make_provider(settings, directory, classes),
        max_workers_per_node=settings.workers_per_machine(),
        # A worker that is done finds its next task at its manager. Of several managers, one could sit on what another
        # has free workers for.
        prefetch_capacity=settings.worker_count() if provider.machines == 1 else 0,
        cores_per_worker=1e-6,  # the number of workers is decided here, not from what the node has
        available_accelerators=list(settings.accelerator_names()),
        address=site.address or LOOPBACK,
        loopback_address=LOOPBACK,
        encrypted=True,
        heartbeat_period=_WATCH_SECONDS,
        heartbeat_threshold=_SILENCE_SECONDS,
        drain_period=None if isinstance(provider, LocalProvider) else provider.drain_seconds,
        launch_cmd=_launch_command(settings),
        interchange_launch_cmd=[sys.executable, '-c', _INTERCHANGE, *sys.path],
        block_error_handler=False,  # the executor has its own rules
    )


def _launch_command(settings: Executor) -> str:
    """The command that starts the workers of a machine, with blanks for Parsl to fill in."""
    start = f'{settings.launch_prefix.strip()} {shlex.join([sys.executable, "-c", _MANAGER])}'.strip()
    # Parsl fills in the blanks in two rounds.
    escaped = start.replace('{', '{{{{').replace('}', '}}}}')
    command: str = DEFAULT_LAUNCH_CMD.replace('process_worker_pool.py', escaped, 1)
    return command
