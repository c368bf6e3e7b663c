"""Sites: where tasks run, as settings a person can write."""

from __future__ import annotations

import importlib.resources
import math
import os
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.policy import Kind

from .providers import FabricSettings, LocalProvider, Provider

EngineName = Literal['local', 'parsl', 'globus']

_CGROUP_QUOTA = Path('/sys/fs/cgroup/cpu.max')


class Executor(FabricSettings):
    """A group of equal workers."""

    kinds: tuple[Kind, ...] = Field(min_length=1, description='Kinds of task it runs.')
    workers: int | Literal['cores'] = Field(1, description='Workers on each machine, or as many as its cores allow.')
    cores_per_worker: float = Field(1, gt=0, description='Cores that one worker takes.')
    env: dict[str, str] = Field(default_factory=dict, description='Environment variables of its workers.')
    worker_init: str = Field('', description='Shell commands to run before its workers start (parsl only).')
    preload: tuple[str, ...] = Field((), description='Modules that its workers import as they start.')
    cache_mb: float = Field(
        1024, ge=0, description='Memory for what a worker keeps from one task for later ones, in megabytes.'
    )
    accelerators: int | tuple[str, ...] = Field(
        0, description='Accelerators of each machine, how many or by name; each worker is given its own (parsl only).'
    )
    launch_prefix: str = Field(
        '', description='Command before the one that starts its workers, such as that of a container (parsl only).'
    )
    endpoint: str | None = Field(None, description='Globus Compute endpoint that has its workers (globus only).')
    provider: Provider = Field(default_factory=LocalProvider, description='Who hands out its machines (parsl only).')

    @model_validator(mode='after')
    def _has_workers(self) -> Executor:
        if isinstance(self.workers, int) and self.workers < 1:
            raise ValueError(f'workers is {self.workers}; expected at least 1, or "cores"')
        return self

    def worker_count(self) -> int:
        """How many workers there are, once the cores are counted."""
        if isinstance(self.workers, int):
            return self.workers
        return max(1, int(usable_cores() / self.cores_per_worker))


class Site(FabricSettings):
    """Where a campaign runs."""

    name: str = Field(pattern=r'^[a-z0-9][a-z0-9_-]*$', description='Name, as in --site.')
    description: str = Field('', description='What it is, in a sentence.')
    engine: EngineName = Field('parsl', description='What runs the tasks.')
    address: str | None = Field(
        None, min_length=1, description="Address of the driver's machine as workers reach it; loopback if not given."
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

    def executor_for(self, kind: str) -> tuple[str, Executor]:
        """Name and settings of the executor that runs a kind of task."""
        return next((name, executor) for name, executor in self.executors.items() if kind in executor.kinds)

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
    folder = importlib.resources.files('scoutbee.configs') / 'sites'
    return sorted(entry.name.removesuffix('.yaml') for entry in folder.iterdir() if entry.name.endswith('.yaml'))


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
    file = importlib.resources.files('scoutbee.configs') / 'sites' / f'{name}.yaml'
    return _parse(f'configs/sites/{name}.yaml', file.read_text(encoding='utf-8'))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f'The site file {path} cannot be read: {error}.') from None


def _parse(file: str, text: str) -> Site:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f'The site file {file} is not YAML: {" ".join(str(error).split())}') from None
    if not isinstance(content, dict):
        raise ConfigurationError(
            f'The site file {file} holds {_shown(content)}; expected fields such as name, engine and executors.'
        )
    try:
        return Site.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(_explain(file, error)) from None


def _explain(file: str, error: ValidationError) -> str:
    problems = []
    for detail in error.errors(include_url=False):
        field = '.'.join(str(part) for part in detail['loc'])
        message = detail['msg'].removeprefix('Value error, ')
        if detail['type'] == 'extra_forbidden':
            known = ', '.join(_fields_beside(detail['loc']))
            message = f'there is no such field; expected one of {known}'
        came = '' if isinstance(detail['input'], dict) else f' is {_shown(detail["input"])}'
        problems.append(f'{field}{came}: {message}' if field else message)
    return f'The site file {file} is not right: {"; ".join(problems)}.'


def _fields_beside(location: tuple[int | str, ...]) -> list[str]:
    models: dict[int, type[BaseModel]] = {1: Site, 3: Executor}
    return list(models.get(len(location), LocalProvider).model_fields)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
