"""The other side of the data fabric's benchmark: plain Colmena and ProxyStore."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import redis
from colmena.models import Result
from colmena.queue.base import ColmenaQueues
from colmena.queue.redis import RedisQueues
from colmena.task_server.base import BaseTaskServer
from data_fabric_ground import EXECUTOR, NONE, Ground, site_of
from data_fabric_rigs import Inputs, Rig
from data_fabric_tasks import look
from proxystore.connectors.file import FileConnector
from proxystore.connectors.redis import RedisConnector
from proxystore.store import Store, register_store, unregister_store
from proxystore.store.utils import get_key

from scoutbee.contracts.campaign import INFER

_HITS = 'store.get.cache_hits'
_STOP_SECONDS = 20.0


class _PatientQueues(RedisQueues):  # type: ignore[misc]
    """Colmena's own queues, which wait for a message however long it takes.

    By itself redis-py 8 hangs up after 5 s without an answer and repeats the command, ten times: a task server that has
    nothing to do for a minute then dies.
    """

    redis_client: Any

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
        self._queues = _PatientQueues(
            [INFER], hostname=ground.address.host, port=ground.address.port, prefix=name, keep_inputs=False
        )
        stack.callback(self._queues.flush)
        server = _SERVERS[ground.engine](self._queues, ground, folder)
        stack.callback(_end, server)
        server.start()
        stack.callback(self._queues.send_kill_signal)
        # Not before: workers are forked, and would share the connections of the store that is made here.
        connector = PEERS[self._backend](ground)
        if connector is not None:
            self._store = Store(name, connector, metrics=True)
            register_store(self._store)
            stack.callback(self._store.close)
            stack.callback(unregister_store, name)

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


def _local_server(queues: ColmenaQueues, ground: Ground, folder: Path) -> BaseTaskServer:
    from colmena.task_server.local import LocalTaskServer

    return LocalTaskServer(queues, [look], threads=False, num_workers=ground.workers)


def _parsl_server(queues: ColmenaQueues, ground: Ground, folder: Path) -> BaseTaskServer:
    from colmena.task_server.parsl import ParslTaskServer

    from scoutbee.fabric.engines.parsl_config import make_config

    return ParslTaskServer([look], queues, make_config(site_of(ground), [EXECUTOR], folder))


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
