"""Sites: where tasks run, as settings a person can write."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, NonNegativeInt, ValidationError, model_validator

from scoutbee.configs import SITES
from scoutbee.configs.strict_yaml import StrictLoader, problem_of
from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.policy import Kind

from .providers import FabricSettings, LocalProvider, PBSProProvider, Provider, SlurmProvider
from .site_errors import explain, shown

EngineName = Literal['local', 'parsl', 'globus']
VariableName = Annotated[str, Field(pattern=r'^[A-Za-z_][A-Za-z0-9_]*$')]

_CGROUP_QUOTA = Path('/sys/fs/cgroup/cpu.max')


def _names(value: Any) -> Any:
    return [str(name) for name in value] if isinstance(value, (list, tuple)) else value


class Executor(FabricSettings):
    """A group of equal workers."""

    kinds: tuple[Kind, ...] = Field(min_length=1, description='Kinds of task it runs.')
    workers: int | Literal['cores'] = Field(1, description='Workers on each machine, or as many as its cores allow.')
    cores_per_worker: float = Field(1, gt=0, description='Cores that one worker takes.')
    env: dict[VariableName, str] = Field(default_factory=dict, description='Environment variables of its workers.')
    worker_init: str = Field(
        '',
        description="Shell commands to run before its workers start (parsl only). The workers run the driver's own "
        'Python by its path, so that must be on a file system that their machine shares; what is done here changes '
        'libraries and variables, not the Python.',
    )
    preload: tuple[str, ...] = Field((), description='Modules that its workers import as they start.')
    cache_mb: float = Field(
        1024, ge=0, description='Memory for what a worker keeps from one task for later ones, in megabytes.'
    )
    accelerators: Annotated[NonNegativeInt | tuple[str, ...], BeforeValidator(_names)] = Field(
        0,
        description='Accelerators of each machine, how many or by name; each worker is given one. If a machine has '
        'fewer NVIDIA GPUs, as many workers share each (parsl only).',
    )
    launch_prefix: str = Field(
        '',
        description='Command before the one that starts the workers of a machine, such as that of a container, in '
        "which the driver's Python must have its usual path (parsl only).",
    )
    endpoint: str | None = Field(
        None, min_length=1, description='Globus Compute endpoint that has its workers (globus only).'
    )
    provider: Provider = Field(default_factory=LocalProvider, description='Who hands out its machines (parsl only).')

    @model_validator(mode='after')
    def _has_workers(self) -> Executor:
        if isinstance(self.workers, int) and self.workers < 1:
            raise ValueError(f'workers is {self.workers}; expected at least 1, or "cores"')
        if self.workers == 'cores' and not isinstance(self.provider, LocalProvider):
            raise ValueError(
                f'workers is "cores", but the cores of a node from {self.provider.type} are not known here; say how '
                'many workers each node is to have'
            )
        return self

    @model_validator(mode='after')
    def _each_worker_has_an_accelerator(self) -> Executor:
        names = self.accelerator_names()
        if not names:
            return self
        if len(set(names)) < len(names):
            raise ValueError(
                f'accelerators names one twice ({", ".join(names)}); if workers are to share NVIDIA GPUs, give a '
                'number, such as 8 for two workers on each of four'
            )
        if self.workers != len(names):
            raise ValueError(
                f'workers is {shown(self.workers)}, but there are {len(names)} accelerators, and each worker is given '
                'one; expected as many of the ones as of the others'
            )
        gpus = self.provider.gpus_per_node if isinstance(self.provider, SlurmProvider) else 0
        if gpus and len(names) % gpus:
            raise ValueError(f'accelerators is {len(names)}, but gpus_per_node of the provider is {gpus}')
        return self

    @model_validator(mode='after')
    def _fits_its_nodes(self) -> Executor:
        provider = self.provider
        if isinstance(provider, PBSProProvider) and provider.cpus_per_node < self.cores_per_machine():
            raise ValueError(
                f'cpus_per_node of the provider is {provider.cpus_per_node}, but {self.workers} workers with '
                f'cores_per_worker {self.cores_per_worker:g} take {self.cores_per_machine()}'
            )
        return self

    def accelerator_names(self) -> tuple[str, ...]:
        """Names of each machine's accelerators; empty if there are none."""
        if isinstance(self.accelerators, int):
            return tuple(str(index) for index in range(self.accelerators))
        return self.accelerators

    def workers_per_machine(self) -> int:
        """How many workers each machine has, once the cores are counted."""
        if isinstance(self.workers, int):
            return self.workers
        return max(1, int(usable_cores() / self.cores_per_worker))

    def cores_per_machine(self) -> int:
        """How many cores the workers of a machine take."""
        return math.ceil(self.workers_per_machine() * self.cores_per_worker)

    def worker_count(self) -> int:
        """How many workers there are in total, with as many machines as there may be at once."""
        return self.workers_per_machine() * self.provider.machines


_USERS: dict[str, tuple[EngineName, ...]] = {
    'worker_init': ('parsl',),
    'accelerators': ('parsl',),
    'launch_prefix': ('parsl',),
    'provider': ('parsl',),
    'endpoint': ('globus',),
}
"""Engines that heed a field of an executor; those that are not here are heeded by all."""


class Site(FabricSettings):
    """Where a campaign runs."""

    name: str = Field(pattern=r'^[a-z0-9][a-z0-9_-]*$', description='Name, as in --site.')
    description: str = Field('', description='What it is, in a sentence.')
    engine: EngineName = Field('parsl', description='What runs the tasks.')
    address: str | None = Field(
        None,
        min_length=1,
        description="Address of the driver's machine as workers reach it, or the name of its network interface. If not "
        'given it is loopback, or for nodes of a batch system what the name of the machine stands for.',
    )
    executors: dict[str, Executor] = Field(min_length=1, description='Groups of workers, by name.')

    @model_validator(mode='after')
    def _each_kind_has_one_executor(self) -> Site:
        for kind in KINDS:
            names = [name for name, executor in self.executors.items() if kind in executor.kinds]
            if len(names) != 1:
                found = ' and '.join(names) or 'none'
                raise ValueError(f'expected exactly one executor with {kind!r} among its kinds, got {found}')
        return self

    @model_validator(mode='after')
    def _engine_heeds_all(self) -> Site:
        problems = [problem for name in self.executors for problem in self._unheeded(name)]
        if problems:
            raise ValueError('; '.join(problems))
        return self

    def _unheeded(self, name: str) -> Iterator[str]:
        executor = self.executors[name]
        for field, users in _USERS.items():
            default = Executor.model_fields[field].get_default(call_default_factory=True)
            if self.engine not in users and getattr(executor, field) != default:
                yield (
                    f'executors.{name}.{field} is heeded by the engine {" or ".join(users)} alone, but the engine is '
                    f'{self.engine}; leave it out, or choose that engine'
                )
        if self.engine == 'globus' and executor.workers == 'cores':
            yield (
                f'executors.{name}.workers is "cores", but the cores of a Globus Compute endpoint are not known here; '
                'say how many workers it has'
            )

    def changed(self, **fields: Any) -> Site:
        """A copy with other values, which must fit as those of a file must.

        Raises:
            ConfigurationError: If they do not.
        """
        try:
            return Site.model_validate(self.model_copy(update=fields).model_dump())
        except ValidationError as error:
            raise ConfigurationError(f'The site {self.name} does not fit: {explain(error, Site, Executor)}.') from None

    def executor_for(self, kind: str) -> tuple[str, Executor]:
        """Name and settings of the executor that runs a kind of task."""
        return next((name, executor) for name, executor in self.executors.items() if kind in executor.kinds)

    def sees_driver_files(self, kind: str) -> bool:
        """Whether the workers of a kind surely see the files of the driver's machine: they run on it, in no container.

        Others may see some of them; that is not known here.
        """
        _, executor = self.executor_for(kind)
        on_its_machine = self.engine == 'local' or (
            self.engine == 'parsl' and isinstance(executor.provider, LocalProvider)
        )
        return on_its_machine and not executor.launch_prefix

    def workers(self, kind: str) -> int:
        """How many workers a kind of task has; kinds on one executor share its workers."""
        return self.executor_for(kind)[1].worker_count()


def usable_cores() -> int:
    """Cores that this process may use, after affinity and the container's quota; at least 1."""
    affinity = getattr(os, 'sched_getaffinity', None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:
        quota, period = _CGROUP_QUOTA.read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass  # no such file, or "max": no quota
    return max(1, cores)


def site_names() -> list[str]:
    """Names of the sites that come with Scoutbee."""
    return sorted(path.stem for path in SITES.glob('*.yaml'))


def load_site(name_or_path: str | Path) -> Site:
    """Read a site.

    Args:
        name_or_path: Name of a site that comes with Scoutbee, or path of a YAML file.

    Raises:
        ConfigurationError: If there is no such site or its file is not right; the message names file, field, what
            came and what would do.
    """
    path = Path(name_or_path)
    if path.suffix in {'.yaml', '.yml'} or len(path.parts) > 1:
        return _parse(str(path), _read(path))
    name = str(name_or_path)
    if name not in site_names():
        raise ConfigurationError(
            f'There is no site {name!r}; expected one of {", ".join(site_names())}, or the path of a YAML file.'
        )
    return _parse(f'configs/sites/{name}.yaml', _read(SITES / f'{name}.yaml'))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f'The site file {path} cannot be read: {error}.') from None


def _parse(file: str, text: str) -> Site:
    try:
        content = yaml.load(text, Loader=StrictLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f'The site file {file} is not YAML: {problem_of(error)}.') from None
    if not isinstance(content, dict):
        raise ConfigurationError(
            f'The site file {file} holds {shown(content)}; expected fields such as name, engine and executors.'
        )
    try:
        return Site.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(f'The site file {file} is not right: {explain(error, Site, Executor)}.') from None
