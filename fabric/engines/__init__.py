"""Engines: what runs tasks. Each is a Colmena task server in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoutbee.contracts.errors import ConfigurationError

from ..queues import SecureRedisQueues
from ..sites import Site
from .base import Engine, ServerPlan

__all__ = ['ENGINES', 'Engine', 'make_engine']


def _make_local(plan: ServerPlan) -> Any:
    from .local import make_server

    return make_server(plan)


def _make_parsl(plan: ServerPlan) -> Any:
    from .parsl import make_server

    return make_server(plan)


ENGINES: Mapping[str, Callable[[ServerPlan], Any]] = {'local': _make_local, 'parsl': _make_parsl}
"""What makes each engine's task server. Called in the server's process, so the driver imports no engine."""


def make_engine(
    site: Site,
    name: str | None,
    methods: Mapping[str, Callable[..., Any]],
    queues: SecureRedisQueues,
    run_dir: Path,
    preload: Mapping[str, Sequence[str]] | None = None,
    deadlines: Mapping[str, float] | None = None,
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

    Raises:
        ConfigurationError: If there is no such engine.
    """
    chosen = name or site.engine
    if chosen not in ENGINES:
        raise ConfigurationError(f'There is no engine {chosen!r}; expected one of {", ".join(sorted(ENGINES))}.')
    directory = run_dir.absolute() / 'engine'
    directory.mkdir(parents=True, exist_ok=True)
    modules = {kind: tuple(names) for kind, names in (preload or {}).items()}
    own = site.model_copy(update={'engine': chosen})
    plan = ServerPlan(own, dict(methods), queues, directory, modules, dict(deadlines or {}))
    return Engine(ENGINES[chosen], plan)
