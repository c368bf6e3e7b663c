"""Who hands out the machines of a site, as settings a person can write."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_CLOCK = re.compile(r'(\d{1,3}):([0-5]\d):([0-5]\d)')


class FabricSettings(BaseModel):
    """Base of every part of a site: unknown keys are refused."""

    model_config = ConfigDict(extra='forbid', frozen=True)


class LocalProvider(FabricSettings):
    """Workers on the machine of the driver."""

    type: Literal['local'] = 'local'


class _BatchProvider(FabricSettings):
    """Blocks of nodes from a batch system. Each block is one job."""

    account: str | None = Field(None, description='Project that pays.')
    walltime: str = Field('01:00:00', description='How long a block may run, as HH:MM:SS.')
    nodes_per_block: int = Field(1, ge=1, description='Nodes in each block.')
    min_blocks: int = Field(0, ge=0, description='Blocks kept even while there is nothing to do.')
    max_blocks: int = Field(1, ge=1, description='Blocks at once, at most; they come and go with the work.')
    drain_minutes: float = Field(
        5, ge=0, description='A block takes no new task in so many minutes before the end of its walltime.'
    )
    scheduler_options: str = Field('', description='Further lines for the head of the job script, as they are.')

    @model_validator(mode='after')
    def _fits(self) -> _BatchProvider:
        if _CLOCK.fullmatch(self.walltime) is None:
            raise ValueError(f'walltime is {self.walltime!r}; expected HH:MM:SS, as in 01:00:00')
        if self.min_blocks > self.max_blocks:
            raise ValueError(f'min_blocks is {self.min_blocks}, which is more than the {self.max_blocks} of max_blocks')
        if self.drain_minutes * 60 >= self.walltime_seconds:
            raise ValueError(
                f'drain_minutes is {self.drain_minutes:g}, which is not less than the walltime of {self.walltime}'
            )
        return self

    @property
    def walltime_seconds(self) -> int:
        """How long a block may run, in seconds."""
        hours, minutes, seconds = (int(part) for part in self.walltime.split(':'))
        return 3600 * hours + 60 * minutes + seconds


class SlurmProvider(_BatchProvider):
    """Blocks from Slurm."""

    type: Literal['slurm']
    partition: str | None = Field(None, description='Partition.')
    qos: str | None = Field(None, description='Quality of service.')
    constraint: str | None = Field(None, description='Features that its nodes must have.')
    exclusive: bool = Field(True, description='Whether blocks have their nodes to themselves.')


class PBSProProvider(_BatchProvider):
    """Blocks from PBS Pro."""

    type: Literal['pbspro']
    queue: str | None = Field(None, description='Queue.')
    cpus_per_node: int = Field(1, ge=1, description='Processors to ask for on each node (ncpus).')
    select_options: str = Field('', description='What else to ask for on each node (ngpus=4, say).')


BatchProvider = SlurmProvider | PBSProProvider

Provider = Annotated[LocalProvider | SlurmProvider | PBSProProvider, Field(discriminator='type')]
"""Who hands out machines."""
