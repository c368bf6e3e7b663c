"""What both sides of the data fabric's benchmark stand on.

Both are on one Redis server. Colmena's queues and ProxyStore's Redis connector take no password, so the default user of
that server needs none while the benchmark runs; Scoutbee logs in as a user of its own.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from scoutbee.contracts.campaign import KINDS
from scoutbee.fabric.address import RedisAddress
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.sites import Site

NONE = 'none'
"""The backend that is none: each object travels with each of its tasks."""

GLOBUS = 'globus'
"""The backend that is stood in for: its figures are those of a copy of a file, and of no network."""

EXECUTOR = 'workers'

_CACHE_MB = 400
"""Enough for a set of objects, and less than usual, so that the sets before it do not fill the memory."""

_USER = 'scoutbee'
_LARGEST = 1_000_000_000


@dataclass(frozen=True)
class Ground:
    """What both sides stand on.

    Attributes:
        address: The Redis server, as Scoutbee uses it.
        folder: Where files go.
        engine: What runs the tasks, ``local`` or ``parsl``.
        workers: How many workers.
        endpoints: Ids of the ProxyStore endpoints, where any run.
        globus_config: File with the collections of the stand-in for Globus, where it is used.
        env: What the workers have in their environment.
        preload: What the workers import as they start.
    """

    address: RedisAddress
    folder: Path
    engine: str
    workers: int
    endpoints: tuple[str, ...] = ()
    globus_config: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()


@contextmanager
def open_ground(folder: Path, engine: str, workers: int, backend: str) -> Iterator[Ground]:
    """Start what both sides of a backend stand on.

    Args:
        folder: Where files go; made.
        engine: What runs the tasks.
        workers: How many workers.
        backend: How objects travel. Globus is stood in for.
    """
    folder.mkdir()
    with ExitStack() as stack:
        yield Ground(
            address=stack.enter_context(_open_server()),
            folder=folder,
            engine=engine,
            workers=workers,
            **_STARTED.get(backend, _start_nothing)(folder / 'ground', stack),
        )


@contextmanager
def _open_server() -> Iterator[RedisAddress]:
    with EmbeddedRedis() as server:
        address = replace(server.address, username=_USER)
        with server.address.connect() as client:
            client.execute_command('ACL', 'SETUSER', _USER, 'on', f'>{address.password}', '~*', '&*', '+@all')
            client.execute_command('ACL', 'SETUSER', 'default', 'nopass')
        yield address


def _start_nothing(folder: Path, stack: ExitStack) -> dict[str, Any]:
    return {}


def _start_endpoint(folder: Path, stack: ExitStack) -> dict[str, Any]:
    from scoutbee.testing.peer_endpoints import PeerEndpoints

    running = stack.enter_context(PeerEndpoints(folder, largest=_LARGEST))
    stack.enter_context(patch.dict(os.environ, running.endpoints[0].environment))
    return {'endpoints': running.ids}


def _start_globus(folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Two sites with a collection each; that of the workers is on a host of another name."""
    from scoutbee.testing.globus_transfer import HOST, GlobusTransfer

    here, workers = socket.gethostname(), 'site-of-workers'
    service = stack.enter_context(GlobusTransfer(folder))
    service.log_in()
    config = service.add_sites({re.escape(here): folder / 'here', workers: folder / 'there'})
    return {'globus_config': config, 'env': {HOST: workers}, 'preload': ('scoutbee.testing.globus_transfer',)}


_STARTED: Mapping[str, Callable[[Path, ExitStack], dict[str, Any]]] = {
    'endpoint': _start_endpoint,
    GLOBUS: _start_globus,
}
"""What starts what a backend needs beside the Redis server; returns what that adds to the ground."""


def site_of(ground: Ground) -> Site:
    """A site with the workers of a ground, all of one executor."""
    executor = {
        'kinds': KINDS,
        'workers': ground.workers,
        'env': ground.env,
        'preload': ground.preload,
        'cache_mb': _CACHE_MB,
    }
    return Site.model_validate({'name': 'benchmark', 'engine': ground.engine, 'executors': {EXECUTOR: executor}})
