"""Colmena's Redis queues, with a password, TLS, sealed messages and patience.

What Colmena's own class lacks: a server that wants a password or TLS, waits shorter than a second, a server that is
away for a while, messages that are not ours, and sending and taking several at once. Delivery is not exactly once: a
message whose answer was lost is sent again, and one that a dying process had popped is gone. The agents drop the first
kind and have leases for the second.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from colmena.exceptions import KillSignalException, TimeoutException
from colmena.models import Result, SerializationMethod
from colmena.queue.redis import RedisQueues
from proxystore.proxy import Proxy, extract, get_factory
from proxystore.store import get_store
from proxystore.store.config import StoreConfig
from proxystore.store.utils import get_key

from scoutbee.contracts.control import CONTROLS
from scoutbee.contracts.errors import FailureKind

from .address import OUR_KEYS, RedisAddress
from .failures import failure_kind, mark_failed
from .link import PATIENCE, RedisLink
from .mail import SealedMail
from .messages import Message, new_message, pack, unpack
from .seals import Seal

logger = logging.getLogger(__name__)

_KILL = b'null'
_UNHEARD = frozenset({FailureKind.LOST, FailureKind.KILLED, FailureKind.DEADLINE})


class SecureRedisQueues(RedisQueues):
    """Queues between one campaign's driver and its task server.

    They can be pickled for a task server's process, and then hold the password and the secret: pass them through
    pipes only. Workers never need them.

    Attributes:
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
        self.fetched = 0
        self.received = 0
        self.unheard = 0
        self.redis_client: RedisLink | None = None
        self._mail = SealedMail(Seal(secret))
        self._count_lock = threading.Lock()
        self._configs: dict[str, StoreConfig] = {}
        self._told_to_stop = False
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
    def dropped(self) -> int:
        """Messages thrown away as they were not sealed by this campaign or could not be parsed, in this process."""
        return self._mail.dropped

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
        resources: Any = None,
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
        return self._send([new_message(method, topic, input_args, input_kwargs or {}, task_info or {})], topic)[0]

    def send_many(
        self, tasks: Sequence[tuple[tuple[Any, ...], dict[str, Any]]], *, method: str, topic: str
    ) -> list[str]:
        """Send several tasks of one kind at once; returns their ids, in order.

        Args:
            tasks: Arguments and ``task_info`` of each, as for ``send_inputs``.
            method: Kind of task.
            topic: Their topic.

        Raises:
            ValueError: If there is no such topic, or one is too large for Redis; then none is sent.
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        return self._send([new_message(method, topic, arguments, {}, info) for arguments, info in tasks], topic)

    def _send(self, tasks: list[Message], topic: str) -> list[str]:
        if topic not in self.topics:
            raise ValueError(f'There is no topic {topic!r}; expected one of {", ".join(sorted(self.topics))}.')
        config, name = self._store_config(topic), self.proxystore_name[topic]
        if config is not None:
            for task in tasks:
                task.proxystore_name, task.proxystore_config = name, config
                task.proxystore_threshold = self.proxystore_threshold[topic]
        head = f'{topic}\n'.encode()
        self._mail.send(self._link, self._requests, [head + pack(task) for task in tasks])
        ids = [str(task.task_id) for task in tasks]
        with self._active_lock:
            self._active_tasks.update(ids)
            self._all_complete.clear()
        return ids

    def _store_config(self, topic: str) -> StoreConfig | None:
        name = self.proxystore_name[topic]
        if name is not None and name not in self._configs:
            store = get_store(name)
            if store is None:
                return None
            self._configs[name] = store.config()
        return None if name is None else self._configs[name]

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
        return self.get_results(topic, timeout, 1)[0]

    def get_results(self, topic: str, timeout: float | None, most: int) -> list[Result]:
        """Get the completed results that wait, or else the next one; see ``get_result``.

        Args:
            topic: Topic of the tasks.
            timeout: Longest wait in seconds for the first; None waits for ever.
            most: How many to take at most.

        Returns:
            At least one, in the order in which they were sent.

        Raises:
            TimeoutException: If none came in time.
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        results: list[Message] = []
        while not results:
            left = None if deadline is None else deadline - time.monotonic()
            messages = self._take(self._results(topic), left, most)
            results = [result for message in messages if (result := self._parse(message, 'a result')) is not None]
        for result in results:
            self._read_value(result)
            result.mark_result_received()
        self._count_received(results)
        return list(results)

    def _count_received(self, results: Sequence[Message]) -> None:
        kinds = [failure_kind(result) for result in results]
        counted = sum(
            r.method not in CONTROLS and k is not FailureKind.LOST for r, k in zip(results, kinds, strict=True)
        )
        with self._active_lock:
            self.received += counted
            self.unheard += sum(kind in _UNHEARD for kind in kinds)
            self._active_tasks.difference_update(result.task_id for result in results)
            if not self._active_tasks:
                self._all_complete.set()

    def get_task(self, timeout: float | None = None) -> tuple[str, Result]:
        """Get a task, as its server does.

        Raises:
            TimeoutException: If none came in time.
            KillSignalException: If the server is told to stop.
            QueuesLostError: If the Redis server has been out of reach for longer than the patience.
        """
        return self.get_tasks(timeout, 1)[0]

    def get_tasks(self, timeout: float | None, most: int) -> list[tuple[str, Result]]:
        """Get the tasks that wait, or else the next one, each with its topic.

        Args:
            timeout: Longest wait in seconds for the first; None waits for ever.
            most: How many to take at most.

        Returns:
            At least one, in the order in which they were sent.

        Raises:
            TimeoutException: If none came in time.
            KillSignalException: If the server is told to stop; what was sent before that is returned first.
            QueuesLostError: If the Redis server has been out of reach for longer than the patience.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        tasks: list[tuple[str, Result]] = []
        while not tasks:
            if self._told_to_stop:
                self._told_to_stop = False
                raise KillSignalException
            left = None if deadline is None else deadline - time.monotonic()
            tasks = self._read_requests(self._take(self._requests, left, most))
        return tasks

    def _read_requests(self, messages: Sequence[memoryview]) -> list[tuple[str, Result]]:
        """The tasks in some messages, up to the one that tells to stop: who has sent that waits for none after it."""
        tasks: list[tuple[str, Result]] = []
        for message in messages:
            topic, _, body = bytes(message).partition(b'\n')
            if body == _KILL:
                self._told_to_stop = True
                break
            task = self._parse(body, 'a request')
            if task is not None:
                task.mark_input_received()
                tasks.append((topic.decode(errors='replace'), task))
        return tasks

    def send_results(self, results: Sequence[Result]) -> None:
        """Send results at once, those of each topic in order.

        Raises:
            ValueError: If one is too large for Redis; then none is sent.
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        by_topic: dict[str, list[bytes]] = {}
        for result in results:
            result.mark_result_sent()
            by_topic.setdefault(str(result.topic), []).append(pack(result))
        for topic, messages in by_topic.items():
            self._mail.send(self._link, self._results(topic), messages)

    def send_result(self, result: Result) -> None:
        """Send a result; see ``send_results``."""
        self.send_results([result])

    def discard_results(self) -> int:
        """Throw away the results that wait, evicting the values they hold in stores; returns how many there were.

        For the end of a campaign, when the task server is gone and nobody listens any more.
        """
        discarded = 0
        for topic in sorted(self.topics):
            while waiting := self._mail.take(self._link, self._results(topic), 0.0, 1):
                for message in waiting:
                    result = self._parse(message, 'a result')
                    discarded += 1
                    if result is not None:
                        self._discard(result)
        return discarded

    def _discard(self, result: Message) -> None:
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

    def _send_request(self, message: str, topic: str) -> None:
        """How Colmena's base class tells the task server to stop."""
        self._mail.send(self._link, self._requests, [f'{topic}\n{message}'.encode()])

    def _take(self, queue: str, timeout: float | None, most: int) -> list[memoryview]:
        messages = self._mail.take(self._link, queue, timeout, most)
        if not messages:
            raise TimeoutException
        return messages

    def _parse(self, message: bytes | memoryview, what: str) -> Message | None:
        try:
            return unpack(message)
        except ValueError as error:
            self._mail.drop(f'{what} could not be parsed: {str(error).splitlines()[0]}')
            return None

    def _read_value(self, result: Message) -> None:
        try:
            result.time.deserialize_results = result.deserialize()
            if type(result.value) is Proxy:
                result.value = extract(result.value)
                with self._count_lock:
                    self.fetched += 1
        except Exception as error:  # a pickle may raise anything
            result.value = None
            mark_failed(result, error, FailureKind.RESOURCE)

    def _evict_value(self, result: Message) -> None:
        try:
            result.deserialize()
            if type(result.value) is Proxy:
                get_factory(result.value).get_store().evict(get_key(result.value))
                with self._count_lock:
                    self.fetched += 1
        except Exception as error:
            logger.warning('A value that nobody waits for could not be evicted: %s', error)
