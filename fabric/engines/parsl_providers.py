"""Parsl's providers of machines, made from the settings of an executor."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parsl import providers
from parsl.launchers import MpiExecLauncher, SimpleLauncher, SrunLauncher
from parsl.launchers.base import Launcher

from ..providers import BatchProvider, PBSProProvider, SlurmProvider
from ..sites import Executor

_COMMAND_SECONDS = 60
"""How long a command of a batch system may take; busy ones are slow to answer."""

# One manager on each node, free to use all that the job has there; when one is done the others go on.
_SRUN_OPTIONS = '--cpu-bind=none --kill-on-bad-exit=0 --wait=0'
_MPIEXEC_OPTIONS: Mapping[str, tuple[str, str]] = {
    'cray': ('--cpu-bind', '--ppn 1'),
    'mpich': ('-bind-to', '-ppn 1'),
    'openmpi': ('--bind-to', '--map-by ppr:1:node'),
}

_NO_STRANGE_SCRATCH = '[ -d "${TMPDIR:-/tmp}" ] || unset TMPDIR'
"""Slurm gives jobs the environment of who submits them, whose temporary folder is not on other machines."""

_FORGOTTEN = 'Invalid job id'


class ForgetfulSlurmProvider(providers.SlurmProvider):
    """Parsl's provider for Slurm, which knows that Slurm forgets jobs a few minutes after they end.

    Asked for such a job alone, ``squeue`` fails, and Parsl would believe for ever that the job runs.
    """

    def execute_wait(self, cmd: str, timeout: int | None = None) -> tuple[int, str, str]:
        """Run a command; returns its exit status, what it said, and what it said on standard error."""
        status, out, err = super().execute_wait(cmd, timeout)
        return (0, '', '') if status and _FORGOTTEN in err and cmd.startswith('squeue') else (status, out, err)


PARSL_PROVIDERS: Mapping[str, type[Any]] = {'slurm': ForgetfulSlurmProvider, 'pbspro': providers.PBSProProvider}
"""Parsl's class for each batch system."""


def make_provider(settings: Executor, directory: Path, classes: Mapping[str, type[Any]] = PARSL_PROVIDERS) -> Any:
    """Parsl's provider of the machines of an executor.

    Args:
        settings: The executor.
        directory: Where jobs of a batch system start, and leave what they write without saying where.
        classes: The class to use for each batch system.
    """
    asked = settings.provider
    if isinstance(asked, SlurmProvider):
        return classes[asked.type](**_common(settings, asked, directory), **_slurm(settings, asked))
    if isinstance(asked, PBSProProvider):
        return classes[asked.type](**_common(settings, asked, directory), **_pbspro(asked))
    return providers.LocalProvider(
        worker_init=_preamble(settings), init_blocks=0, min_blocks=1, max_blocks=1, launcher=SimpleLauncher()
    )


def _common(settings: Executor, asked: BatchProvider, directory: Path) -> dict[str, Any]:
    return {
        'worker_init': f'cd {directory}\n{_NO_STRANGE_SCRATCH}\n{_preamble(settings)}',
        'walltime': asked.walltime,
        'nodes_per_block': asked.nodes_per_block,
        'init_blocks': 0,  # what is kept at least, and what the work asks for, comes without it
        'min_blocks': asked.min_blocks,
        'max_blocks': asked.max_blocks,
        'cmd_timeout': _COMMAND_SECONDS,
    }


def _slurm(settings: Executor, asked: SlurmProvider) -> dict[str, Any]:
    launcher: Launcher = SimpleLauncher() if asked.nodes_per_block == 1 else SrunLauncher(overrides=_SRUN_OPTIONS)
    return {
        'account': asked.account,
        'partition': asked.partition,
        'qos': asked.qos,
        'constraint': asked.constraint,
        'exclusive': asked.exclusive,
        'cores_per_node': None if asked.exclusive else settings.cores_per_machine(),
        'gpus_per_node': asked.gpus_per_node or None,
        'scheduler_options': asked.scheduler_options.strip(),
        'launcher': launcher,
    }


def _pbspro(asked: PBSProProvider) -> dict[str, Any]:
    bind, options = _MPIEXEC_OPTIONS[asked.mpiexec]
    several = MpiExecLauncher(bind_cmd=bind, overrides=options)
    # Not by their own settings, which Parsl makes options of qsub: the script is to say all that is asked for.
    named = {'-A': asked.account, '-q': asked.queue}
    lines = [f'#PBS {option} {value}' for option, value in named.items() if value is not None]
    return {
        'cpus_per_node': asked.cpus_per_node,
        'select_options': asked.select_options,
        'scheduler_options': '\n'.join([*lines, asked.scheduler_options.strip()]),
        'launcher': SimpleLauncher() if asked.nodes_per_block == 1 else several,
    }


def _preamble(settings: Executor) -> str:
    """What the shell does on a machine before it starts the workers there."""
    exports = {**settings.env, 'PYTHONPATH': os.pathsep.join(_own_paths())}
    lines = [f'export {name}={shlex.quote(value)}' for name, value in exports.items()]
    return '\n'.join([*lines, settings.worker_init.strip()]).strip()


def _own_paths() -> list[str]:
    """Where this process looks for modules beyond its installation, so that workers find the same ones."""
    installed = (sys.prefix, sys.base_prefix)
    return [path for path in sys.path if os.path.exists(path) and not path.startswith(installed)]
