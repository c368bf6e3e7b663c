"""Engines: what runs tasks. Each is a Colmena task server in a process of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from scoutbee.contracts.errors import ConfigurationError

from .. import lean_proxystore  # noqa: F401 - before all that imports Colmena
from ..queues import SecureRedisQueues
from ..server_process import ServerProcess
from ..sites import Site
from .base import Engine, ServerPlan

__all__ = ['ENGINES', 'Engine', 'make_engine']


def import_engine(name: str) -> ModuleType:
    """Import an engine, as its task server's process does; returns its module.

    Args:
        name: One of ``ENGINES``.
    """
    if name == 'parsl':
        from .. import lean_parsl  # noqa: F401 - before all that imports Parsl
    return import_module(f'.{name}', __package__)


def _make_local(plan: ServerPlan) -> Any:
    return import_engine('local').make_server(plan)


def _make_parsl(plan: ServerPlan) -> Any:
    return import_engine('parsl').make_server(plan)


def _make_globus(plan: ServerPlan) -> Any:
    return import_engine('globus').make_server(plan)


ENGINES: dict[str, Callable[[ServerPlan], Any]] = {'local': _make_local, 'parsl': _make_parsl, 'globus': _make_globus}
"""What makes each engine's task server. Called in the server's process, so the driver imports no engine."""


def make_engine(
    site: Site,
    name: str | None,
    methods: Mapping[str, Callable[..., Any]],
    queues: SecureRedisQueues,
    run_dir: Path,
    preload: Mapping[str, Sequence[str]] | None = None,
    deadlines: Mapping[str, float] | None = None,
    process: ServerProcess | None = None,
) -> Engine:
    """An engine, not yet started.

    Args:
        site: Where tasks run.
        name: Which engine; the site's own if not given.
        methods: The functions to serve, by kind; see ``methods.task_functions``.
        queues: Where tasks come from and results go.
        run_dir: The campaign's run directory; the engine writes into ``engine`` in it.
        preload: Modules that workers import as they start, by kind, so that the first task does not wait for them.
        deadlines: How long a task may run, in seconds, by kind. Past it, it is killed with all that it has started.
        process: The process of its first task server, where it was started ahead of time.

    Raises:
        ConfigurationError: If there is no such engine, or the site lacks what it needs.
    """
    chosen = name or site.engine
    if chosen not in ENGINES:
        raise ConfigurationError(f'There is no engine {chosen!r}; expected one of {", ".join(sorted(ENGINES))}.')
    if chosen == 'globus':
        _check_endpoints(site, methods)
    directory = run_dir.absolute() / 'engine'
    directory.mkdir(parents=True, exist_ok=True)
    modules = {kind: tuple(names) for kind, names in (preload or {}).items()}
    own = site.model_copy(update={'engine': chosen})
    plan = ServerPlan(own, dict(methods), queues, directory, modules, dict(deadlines or {}))
    return Engine(ENGINES[chosen], plan, process)


def _check_endpoints(site: Site, kinds: Iterable[str]) -> None:
    for name, executor in dict(site.executor_for(kind) for kind in kinds).items():
        where = f'executor {name} of the site {site.name}'
        if executor.endpoint is None:
            raise ConfigurationError(
                f'The engine globus needs an endpoint for the {where}, which has none: give --qc-endpoint and '
                '--ml-endpoint, or say `endpoint` in the file of the site.'
            )
        try:
            uuid.UUID(executor.endpoint)
        except ValueError:
            raise ConfigurationError(
                f'The endpoint of the {where} is {executor.endpoint!r}; expected the id that '
                '`globus-compute-endpoint list` shows, such as 4b116d3c-1703-4f8f-9f6f-39921e5864df.'
            ) from None
