"""Who hands out the machines of a site, as settings a person can write."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_CLOCK = re.compile(r'\d{1,3}:[0-5]\d:00')
"""Slurm is told whole minutes."""


class FabricSettings(BaseModel):
    """Base of every part of a site: unknown keys are refused."""

    model_config = ConfigDict(extra='forbid', frozen=True)


class LocalProvider(FabricSettings):
    """Workers on the machine of the driver."""

    type: Literal['local'] = 'local'

    @property
    def machines(self) -> int:
        """Machines at once, at most."""
        return 1


def _quoted(walltime: Any) -> Any:
    if isinstance(walltime, int):
        raise ValueError('expected HH:MM:SS in quotes, as in "10:00:00"; without them YAML makes it a number')
    return walltime


def _from_environment(account: Any) -> Any:
    if not (isinstance(account, str) and account.startswith('$')):
        return account
    name = account.removeprefix('$')
    if not os.environ.get(name):
        raise ValueError(f'expected the project that pays in the environment: {name}=..., which is not set')
    return os.environ[name]


class _BatchProvider(FabricSettings):
    """Blocks of nodes from a batch system. Each block is one job."""

    account: Annotated[str | None, BeforeValidator(_from_environment)] = Field(
        None, min_length=1, description='Project that pays; $NAME is taken from the environment.'
    )
    walltime: Annotated[str, BeforeValidator(_quoted)] = Field(
        '01:00:00', description='How long a block may run, as HH:MM:SS, in whole minutes.'
    )
    nodes_per_block: int = Field(1, ge=1, description='Nodes in each block.')
    min_blocks: int = Field(0, ge=0, description='Blocks kept even while there is nothing to do.')
    max_blocks: int = Field(1, ge=1, description='Blocks at once, at most; they come and go with the work.')
    drain_minutes: float = Field(
        5,
        ge=0,
        description='A block takes no new task in so many minutes before the end of its walltime: about as long as the '
        'longest task, which is otherwise cut off there and sent again.',
    )
    scheduler_options: str = Field(
        '', description='Further lines for the head of the job script, as they are: #SBATCH or #PBS, and options.'
    )

    _directive: ClassVar[str]

    @model_validator(mode='after')
    def _fits(self) -> _BatchProvider:
        if _CLOCK.fullmatch(self.walltime) is None or not self.walltime_seconds:
            raise ValueError(f'walltime is {self.walltime!r}; expected HH:MM:00, as in 01:00:00')
        if self.min_blocks > self.max_blocks:
            raise ValueError(f'min_blocks is {self.min_blocks}, which is more than the {self.max_blocks} of max_blocks')
        if self.drain_minutes * 60 >= self.walltime_seconds:
            raise ValueError(
                f'drain_minutes is {self.drain_minutes:g}, which is not less than the walltime of {self.walltime}'
            )
        for line in self.scheduler_options.splitlines():
            if line.strip() and not line.startswith(f'{self._directive} '):
                raise ValueError(
                    f'scheduler_options has the line {line!r}; expected {self._directive} at its start, without which '
                    'the batch system takes it, and all options after it, for commands'
                )
        return self

    @property
    def machines(self) -> int:
        """Machines at once, at most."""
        return self.nodes_per_block * self.max_blocks

    @property
    def walltime_seconds(self) -> int:
        """How long a block may run, in seconds."""
        hours, minutes, seconds = (int(part) for part in self.walltime.split(':'))
        return 3600 * hours + 60 * minutes + seconds

    @property
    def drain_seconds(self) -> int:
        """How long a block takes new tasks, in seconds from its start; at least 1."""
        return max(1, int(self.walltime_seconds - 60 * self.drain_minutes))


class SlurmProvider(_BatchProvider):
    """Blocks from Slurm."""

    type: Literal['slurm']
    _directive: ClassVar[str] = '#SBATCH'
    partition: str | None = Field(None, min_length=1, description='Partition.')
    qos: str | None = Field(None, min_length=1, description='Quality of service.')
    constraint: str | None = Field(None, min_length=1, description='Features that its nodes must have.')
    exclusive: bool = Field(True, description='Whether blocks have their nodes to themselves.')
    gpus_per_node: int = Field(0, ge=0, description='GPUs to ask for on each node.')


class PBSProProvider(_BatchProvider):
    """Blocks from PBS Pro."""

    type: Literal['pbspro']
    _directive: ClassVar[str] = '#PBS'
    queue: str | None = Field(None, min_length=1, description='Queue.')
    cpus_per_node: int = Field(1, ge=1, description='Processors to ask for on each node (ncpus).')
    select_options: str = Field('', description='What else to ask for on each node (ngpus=4, say).')
    mpiexec: Literal['cray', 'mpich', 'openmpi'] = Field(
        'cray', description='Whose mpiexec starts the workers of blocks of several nodes.'
    )


BatchProvider = SlurmProvider | PBSProProvider

Provider = Annotated[LocalProvider | SlurmProvider | PBSProProvider, Field(discriminator='type')]
"""Who hands out machines."""

PROVIDERS: Mapping[str, type[FabricSettings]] = {
    'local': LocalProvider,
    'slurm': SlurmProvider,
    'pbspro': PBSProProvider,
}
"""The settings of each provider, by its type."""
