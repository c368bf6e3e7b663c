"""The two sides of the data fabric's benchmark: Scoutbee as a campaign runs it, and plain Colmena.

Both are on one Redis server. Colmena's queues and ProxyStore's Redis connector take no password, so the default user of
that server needs none while the benchmark runs; Scoutbee logs in as a user of its own.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch

import psutil
import redis
from colmena.models import Result
from colmena.queue.base import ColmenaQueues
from colmena.queue.redis import RedisQueues
from colmena.task_server.base import BaseTaskServer
from data_fabric_tasks import look
from proxystore.connectors.file import FileConnector
from proxystore.connectors.redis import RedisConnector
from proxystore.store import Store, register_store, unregister_store
from proxystore.store.utils import get_key

from scoutbee.contracts.campaign import INFER, KINDS
from scoutbee.contracts.storage import Loan
from scoutbee.fabric.address import RedisAddress
from scoutbee.fabric.depots import make_depot, new_run_name
from scoutbee.fabric.engines import make_engine
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.sites import Site
from scoutbee.fabric.stores import Places, TopicStore

NONE = 'none'
"""The backend that is none: each object travels with each of its tasks."""

GLOBUS = 'globus'
"""The backend that is stood in for: its figures are those of a copy of a file, and of no network."""

THRESHOLD = 1000
"""Every object is at least so large, in bytes, and no result is."""

_EXECUTOR = 'workers'
_HITS = 'store.get.cache_hits'
_USER = 'scoutbee'
_PATIENCE = 120
_LARGEST = 1_000_000_000
_STOP_SECONDS = 20.0


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


@dataclass(frozen=True)
class Inputs:
    """How a task came by its object.

    Attributes:
        seconds: From its worker having its message to its function having its object.
        is_hit: Whether its worker had the object in its cache.
    """

    seconds: float
    is_hit: bool


class Rig(ABC):
    """One side, running inside its block."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Rig:
        try:
            self._start(self._stack)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @abstractmethod
    def lend(self, obj: Any) -> Any:
        """Make an object available; returns what ``send`` and ``reclaim`` want."""

    @abstractmethod
    def reclaim(self, lent: Any) -> None:
        """Take an object back."""

    @abstractmethod
    def send(self, lent: Any, number: int) -> None:
        """Send a task that looks at a lent object; its result has the number in its ``task_info``."""

    def receive(self) -> Result:
        """The next result.

        Raises:
            RuntimeError: If its task failed.
        """
        result = self._queues.get_result(INFER, timeout=_PATIENCE)
        if result is None or not result.success:
            raise RuntimeError(f'A task of {type(self).__name__} failed: {result and result.failure_info}')
        return result

    @abstractmethod
    def inputs(self, result: Result) -> Inputs:
        """How the task of a result came by its object; asked once for each, in the order they were received."""

    _queues: ColmenaQueues

    @abstractmethod
    def _start(self, stack: ExitStack) -> None:
        """Start all that is needed; the stack stops it."""


class Scoutbee(Rig):
    """Depot, queues and engine as the driver puts them together."""

    def __init__(self, ground: Ground, backend: str) -> None:
        """Args: ground: What it stands on. backend: How objects travel."""
        super().__init__()
        self._ground = ground
        self._backend = backend

    def _start(self, stack: ExitStack) -> None:
        ground = self._ground
        folder = ground.folder / f'scoutbee-{self._backend}'
        folder.mkdir()
        places = Places(
            new_run_name(),
            ground.address,
            folder / 'objects',
            globus_config=ground.globus_config,
            endpoints=ground.endpoints,
        )
        topics = {} if self._backend == NONE else {INFER: TopicStore(self._backend, THRESHOLD)}
        self._depot = make_depot(places, topics)
        stack.callback(self._depot.close)
        queues = SecureRedisQueues(
            ground.address, KINDS, prefix=places.run, stores=self._depot.stores, thresholds=self._depot.thresholds
        )
        self._queues = queues
        stack.callback(queues.disconnect)
        stack.callback(queues.flush)
        engine = stack.enter_context(make_engine(_site(ground), None, {INFER: look}, queues, folder))
        engine.wait_until_ready()

    def lend(self, obj: Any) -> Loan:
        """Lend an object of the topic."""
        return self._depot.lend(INFER, obj)

    def reclaim(self, lent: Loan) -> None:
        """Take the object back."""
        self._depot.reclaim(lent)

    def send(self, lent: Loan, number: int) -> None:
        """Send a task."""
        self._queues.send_inputs(lent.ref, method=INFER, topic=INFER, task_info={'number': number})

    def inputs(self, result: Result) -> Inputs:
        """What the worker noted down."""
        seconds = result.time.deserialize_inputs + result.time.additional.get('resolve_proxies', 0.0)
        return Inputs(seconds, any(moves['in']['hit'] for moves in result.time.proxy.values()))


class _PatientQueues(RedisQueues):
    """Colmena's own queues, which wait for a message however long it takes.

    By itself redis-py 8 hangs up after 5 s without an answer and repeats the command: a task server that is idle for a
    minute then dies, and a large message that is on its way is lost.
    """

    def connect(self) -> None:
        """Connect as Colmena does, without a limit of time."""
        if not self.redis_client:
            self.redis_client = redis.Redis(self.hostname, self.port, decode_responses=True, socket_timeout=None)


class PlainColmena(Rig):
    """Colmena's own queues and task server, and ProxyStore's own connector and cache, as they are released.

    Each object is put into the store once and its proxy sent again and again, which is how the original application
    treats the chunks of its search space.
    """

    def __init__(self, ground: Ground, backend: str) -> None:
        """Args: ground: What it stands on. backend: How objects travel, one of ``PEERS``."""
        super().__init__()
        self._ground = ground
        self._backend = backend
        self._store: Store[Any] | None = None
        self._counts: dict[tuple[int, str], int] = {}

    def _start(self, stack: ExitStack) -> None:
        ground = self._ground
        folder = ground.folder / f'colmena-{self._backend}'
        folder.mkdir()
        name = f'colmena-{secrets.token_hex(8)}'
        connector = PEERS[self._backend](ground)
        if connector is not None:
            self._store = Store(name, connector, metrics=True)
            register_store(self._store)
            stack.callback(unregister_store, name)
            stack.callback(self._store.close)
        self._queues = _PatientQueues(
            [INFER],
            hostname=ground.address.host,
            port=ground.address.port,
            prefix=name,
            keep_inputs=False,
            proxystore_name=None if self._store is None else name,
            proxystore_threshold=None if self._store is None else THRESHOLD,
        )
        stack.callback(self._queues.flush)
        server = _SERVERS[ground.engine](self._queues, ground, folder)
        stack.callback(_end, server)
        server.start()
        stack.callback(self._queues.send_kill_signal)

    def lend(self, obj: Any) -> Any:
        """Put the object into the store, where there is one."""
        return obj if self._store is None else self._store.proxy(obj)

    def reclaim(self, lent: Any) -> None:
        """Evict the object."""
        if self._store is not None:
            self._store.evict(get_key(lent))

    def send(self, lent: Any, number: int) -> None:
        """Send a task."""
        self._queues.send_inputs(lent, method=look.__name__, topic=INFER, task_info={'number': number})

    def inputs(self, result: Result) -> Inputs:
        """What Colmena noted down, and what the function waited. ProxyStore's counts go on from task to task."""
        is_hit = False
        for key, figures in result.time.proxy.items():
            count = figures['counters'].get(_HITS, 0)
            is_hit = count > self._counts.get((result.value.process, key), 0)
            self._counts[result.value.process, key] = count
        return Inputs(result.time.deserialize_inputs + result.time.async_resolve_proxies + result.value.seconds, is_hit)


def _endpoint(ground: Ground) -> Any:
    from proxystore.connectors.endpoint import EndpointConnector

    return EndpointConnector(ground.endpoints)


PEERS: Mapping[str, Callable[[Ground], Any]] = {
    NONE: lambda ground: None,
    'redis': lambda ground: RedisConnector(ground.address.host, ground.address.port),
    'file': lambda ground: FileConnector(str(ground.folder / 'colmena-objects')),
    'endpoint': _endpoint,
}
"""What makes ProxyStore's own connector for a backend; the others have none that needs nothing but ProxyStore."""


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
            **_STARTED.get(backend, lambda folder, stack: {})(folder / 'ground', stack),
        )


@contextmanager
def _open_server() -> Iterator[RedisAddress]:
    with EmbeddedRedis() as server:
        address = replace(server.address, username=_USER)
        with server.address.connect() as client:
            client.execute_command('ACL', 'SETUSER', _USER, 'on', f'>{address.password}', '~*', '&*', '+@all')
            client.execute_command('ACL', 'SETUSER', 'default', 'nopass')
        yield address


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


def _site(ground: Ground) -> Site:
    executor = {'kinds': KINDS, 'workers': ground.workers, 'env': ground.env, 'preload': ground.preload}
    return Site.model_validate({'name': 'benchmark', 'engine': ground.engine, 'executors': {_EXECUTOR: executor}})


def _local_server(queues: ColmenaQueues, ground: Ground, folder: Path) -> BaseTaskServer:
    from colmena.task_server.local import LocalTaskServer

    return LocalTaskServer(queues, [look], threads=False, num_workers=ground.workers)


def _parsl_server(queues: ColmenaQueues, ground: Ground, folder: Path) -> BaseTaskServer:
    from colmena.task_server.parsl import ParslTaskServer

    from scoutbee.fabric.engines.parsl_config import make_config

    return ParslTaskServer([look], queues, make_config(_site(ground), [_EXECUTOR], folder))


_SERVERS: Mapping[str, Callable[[ColmenaQueues, Ground, Path], BaseTaskServer]] = {
    'local': _local_server,
    'parsl': _parsl_server,
}


def _end(server: BaseTaskServer) -> None:
    """Wait for a task server that was told to stop, and kill what is left of it."""
    left = [] if server.pid is None else psutil.Process(server.pid).children(recursive=True)
    server.join(_STOP_SECONDS)
    if server.is_alive():
        server.kill()
        server.join()
    for process in psutil.wait_procs(left, timeout=_STOP_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
