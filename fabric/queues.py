"""Colmena's Redis queues, with a password, TLS, sealed messages and patience.

What Colmena's own class lacks: a server that wants a password or TLS, waits shorter than a second, a server that is
away for a while, and messages that are not ours. Delivery is not exactly once: a message whose answer was lost is sent
again, and one that a dying process had popped is gone. The agents drop the first kind and have leases for the second.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from colmena.exceptions import KillSignalException, TimeoutException
from colmena.models import ResourceRequirements, Result, SerializationMethod
from colmena.queue.redis import RedisQueues
from proxystore.proxy import Proxy, extract, get_factory
from proxystore.store import get_store
from proxystore.store.utils import get_key

from scoutbee.contracts.control import CONTROLS
from scoutbee.contracts.errors import FailureKind

from .address import OUR_KEYS, RedisAddress
from .failures import failure_kind, mark_failed
from .link import PATIENCE, RedisLink
from .seals import Seal

logger = logging.getLogger(__name__)

_LARGEST = 512 * 1024 * 1024 - 1024
_KILL = 'null'
_UNHEARD = frozenset({FailureKind.LOST, FailureKind.KILLED, FailureKind.DEADLINE})


class SecureRedisQueues(RedisQueues):
    """Queues between one campaign's driver and its task server.

    They can be pickled for a task server's process, and then hold the password and the secret: pass them through
    pipes only. Workers never need them.

    Attributes:
        dropped: Messages that were thrown away because they were not sealed by this campaign or could not be parsed,
            as counted in this process.
        fetched: Values that workers had put in a store and this process has taken out again.
        received: Results of tasks that this process has received, but for those that an engine lost as it died.
        unheard: Tasks of which an engine, not their worker, told the end. Such a worker may have stored a value.
    """

    def __init__(
        self,
        address: RedisAddress,
        topics: Collection[str],
        *,
        secret: bytes | None = None,
        prefix: str | None = None,
        stores: Mapping[str, str] | None = None,
        thresholds: Mapping[str, int | None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Connect to the server.

        Args:
            address: Where the server is.
            topics: Topics of the campaign.
            secret: Secret to seal messages with; random if not given, which suits a driver that starts its own task
                servers.
            prefix: Start of every key; unique to this object if not given.
            stores: Name of the registered ProxyStore store of each topic that has one.
            thresholds: Size in bytes, pickled, from which a worker puts a value into the topic's store; None for never.
            patience: How many seconds the server may be out of reach before an operation gives up.

        Raises:
            ConfigurationError: If the server cannot be used.
        """
        self.address = address
        self.patience = patience
        address.check()
        self.dropped = 0
        self.fetched = 0
        self.received = 0
        self.unheard = 0
        self.redis_client: RedisLink | None = None
        self._seal = Seal(secret)
        self._count_lock = threading.Lock()
        used = {topic: limit for topic, limit in (thresholds or {}).items() if limit is not None}
        super().__init__(
            topics,
            hostname=address.host,
            port=address.port,
            prefix=prefix or f'{OUR_KEYS}{secrets.token_hex(8)}',
            serialization_method=SerializationMethod.PICKLE,
            keep_inputs=False,
            proxystore_name={topic: name for topic, name in (stores or {}).items() if topic in used},
            proxystore_threshold=used,
        )

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        del state['_count_lock']
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._count_lock = threading.Lock()
        super().__setstate__(state)

    def connect(self) -> None:
        """Make the link to the server. It opens connections as they are needed, so the server may be away just now."""
        if self.redis_client is None:
            self.redis_client = RedisLink(self.address, self.patience)

    @property
    def is_away(self) -> bool:
        """Whether the server was out of reach when this process last tried."""
        return self._link.is_away

    def check_patience(self) -> None:
        """See that the server has not been away for too long.

        Raises:
            QueuesLostError: If it has been out of reach for longer than the patience.
        """
        self._link.check_patience()

    def disconnect(self) -> None:
        """Close the connections."""
        link, self.redis_client = self.redis_client, None
        if link is not None:
            link.close()

    def send_inputs(
        self,
        *input_args: Any,
        method: str | None = None,
        input_kwargs: dict[str, Any] | None = None,
        keep_inputs: bool | None = None,
        resources: ResourceRequirements | dict[str, Any] | None = None,
        topic: str = 'default',
        task_info: dict[str, Any] | None = None,
        max_retries: int = 0,
    ) -> str:
        """Send a task; returns its id.

        Unlike Colmena's own, it puts no argument into a store: a depot does that, which knows when to evict it. Only
        what the task returns is stored by size.

        Args:
            input_args: Arguments; proxies stay proxies.
            method: Kind of task.
            input_kwargs: Keyword arguments.
            keep_inputs: Not used: inputs never come back.
            resources: Not used by our engines.
            topic: Topic, which decides where the result is waited for.
            task_info: Comes back with the result; plain data that JSON can hold.
            max_retries: Not used: the agents decide about retries.

        Raises:
            ValueError: If there is no such topic, or the task is too large for Redis.
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        if topic not in self.topics:
            raise ValueError(f'There is no topic {topic!r}; expected one of {", ".join(sorted(self.topics))}.')
        task = Result(
            (input_args, input_kwargs or {}),
            method=method,
            keep_inputs=False,
            serialization_method=self.serialization_method,
            task_info=task_info or {},
            resources=resources or ResourceRequirements(),
            topic=topic,
        )
        task.time.serialize_inputs, _ = task.serialize()
        store = get_store(self.proxystore_name[topic]) if self.proxystore_name[topic] is not None else None
        if store is not None:
            task.proxystore_name = store.name
            task.proxystore_config = store.config()
            task.proxystore_threshold = self.proxystore_threshold[topic]
        self._send_request(task.json(exclude_none=True), topic)
        with self._active_lock:
            self._active_tasks.add(task.task_id)
            self._all_complete.clear()
        logger.debug('Sent a task of %s on topic %s', method, topic)
        return str(task.task_id)

    def get_result(self, topic: str = 'default', timeout: float | None = None) -> Result:
        """Get a completed result, its value fetched where the worker sent a proxy.

        A value that cannot be read here turns the result into a failed one.

        Args:
            topic: Topic of the task.
            timeout: Longest wait in seconds, fractions included; None waits for ever.

        Raises:
            TimeoutException: If none came in time.
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        while True:
            result = self._parse(self._get_result(topic=topic, timeout=timeout), 'a result')
            if result is not None:
                break
        self._read_value(result)
        result.mark_result_received()
        with self._active_lock:
            kind = failure_kind(result)
            self.received += result.method not in CONTROLS and kind is not FailureKind.LOST
            self.unheard += kind in _UNHEARD
            self._active_tasks.discard(result.task_id)
            if not self._active_tasks:
                self._all_complete.set()
        logger.debug('Received a result of %s on topic %s', result.method, topic)
        return result

    def get_task(self, timeout: float | None = None) -> tuple[str, Result]:
        """Get a task, as its server does.

        Raises:
            TimeoutException: If none came in time.
            KillSignalException: If the server is told to stop.
            QueuesLostError: If the Redis server has been out of reach for longer than the patience.
        """
        while True:
            topic, message = self._get_request(timeout)
            task = self._parse(message, 'a request')
            if task is not None:
                task.mark_input_received()
                return topic, task

    def discard_results(self) -> int:
        """Throw away the results that wait, evicting the values they hold in stores; returns how many there were.

        For the end of a campaign, when the task server is gone and nobody listens any more.
        """
        discarded = 0
        for topic in sorted(self.topics):
            while True:
                try:
                    result = self._parse(self._get_result(topic=topic, timeout=0), 'a result')
                except TimeoutException:
                    break
                discarded += 1
                if result is not None:
                    self._discard(result)
        return discarded

    def _discard(self, result: Result) -> None:
        with self._active_lock:
            self._active_tasks.discard(result.task_id)
        self._evict_value(result)

    def flush(self) -> None:
        """Remove every message."""
        names = [self._requests, *(self._results(topic) for topic in self.topics)]
        self._link.run(lambda client: client.delete(*names))

    @property
    def _link(self) -> RedisLink:
        if self.redis_client is None:
            raise ConnectionError('The queues are not connected; call `connect()` first.')
        return self.redis_client

    @property
    def _requests(self) -> str:
        return f'{self.prefix}_requests'

    def _results(self, topic: str) -> str:
        return f'{self.prefix}_{topic}_result'

    # The four calls that Colmena's base class makes; messages are sealed and opened here and nowhere else.

    def _send_request(self, message: str, topic: str) -> None:
        self._send_message(f'{topic}\n{message}', self._requests)

    def _get_request(self, timeout: float | None = None) -> tuple[str, str]:
        topic, _, message = self._get_message(self._requests, timeout).partition('\n')
        if message == _KILL:
            raise KillSignalException
        return topic, message

    def _send_result(self, message: str, topic: str) -> None:
        self._send_message(message, self._results(topic))

    def _get_result(self, topic: str, timeout: float | None = None) -> str:
        return self._get_message(self._results(topic), timeout)

    def _send_message(self, message: str, queue: str) -> None:
        sealed = self._seal.close(queue, message)
        if len(sealed) > _LARGEST:
            raise ValueError(
                f'A message of {len(sealed)} bytes is too large for Redis (512 MiB); '
                'let ProxyStore carry large objects (--ps-threshold).'
            )
        self._link.run(lambda client: client.rpush(queue, sealed))

    def _get_message(self, queue: str, timeout: float | None) -> str:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            sealed = self._link.pop(queue, None if deadline is None else deadline - time.monotonic())
            if sealed is None:
                raise TimeoutException
            message = self._seal.open(queue, sealed)
            if message is not None:
                return message
            self._drop(f'it was not sealed by this campaign ({len(sealed)} bytes on {queue})')

    def _parse(self, message: str, what: str) -> Result | None:
        try:
            return Result.model_validate_json(message)
        except (ValueError, TypeError) as error:  # the second from Colmena, for an object without inputs
            self._drop(f'{what} could not be parsed: {str(error).splitlines()[0]}')
            return None

    def _drop(self, reason: str) -> None:
        with self._count_lock:
            self.dropped += 1
        logger.warning('Dropped a message: %s', reason)

    def _read_value(self, result: Result) -> None:
        try:
            result.time.deserialize_results = result.deserialize()
            if type(result.value) is Proxy:
                result.value = extract(result.value)
                with self._count_lock:
                    self.fetched += 1
        except Exception as error:  # a pickle may raise anything
            result.value = None
            mark_failed(result, error, FailureKind.RESOURCE)

    def _evict_value(self, result: Result) -> None:
        try:
            result.deserialize()
            if type(result.value) is Proxy:
                get_factory(result.value).get_store().evict(get_key(result.value))
                with self._count_lock:
                    self.fetched += 1
        except Exception as error:
            logger.warning('A value that nobody waits for could not be evicted: %s', error)
