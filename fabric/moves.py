"""How a worker comes by the objects that its task was lent, and leaves a large value for the driver."""

from __future__ import annotations

import functools
import pickle
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from colmena.models import Result
from proxystore.proxy import Proxy, get_factory
from proxystore.store import get_or_create_store
from proxystore.store.config import ConnectorConfig

from .connectors.base import Key
from .errors import InputsUnreachableError, ValueNotStoredError
from .object_cache import ObjectCache

_NOTHING = object()

_AT_ONCE = 8
"""Objects that a worker fetches at once."""


def fetch(arguments: Sequence[Any], result: Result, cache: ObjectCache | None) -> list[Any]:
    """Arguments of a task as the objects they stand for, proxies in a tuple or a list among them included.

    How many bytes each has, how long it took, and whether the worker still had it, goes into ``result.time.proxy``.

    Args:
        arguments: The arguments; what is no proxy stays as it is.
        result: The task.
        cache: Where to look first, and to keep the objects; None for neither.

    Raises:
        InputsUnreachableError: If an object cannot be fetched; it names topic, backend, host, and where it looked.
    """
    groups = [value if type(value) in (tuple, list) else (value,) for value in arguments]
    proxies = [value for group in groups for value in group if type(value) is Proxy]
    if len(proxies) < 2:
        objects = [_fetch_one(proxy, result, cache) for proxy in proxies]
    else:  # most of the time goes into waiting for the store, so all are waited for at once
        objects = list(_threads().map(lambda proxy: _fetch_one(proxy, result, cache), proxies))
    found = iter(objects)
    plain = [[next(found) if type(value) is Proxy else value for value in group] for group in groups]
    return [
        type(value)(group) if type(value) in (tuple, list) else group[0]
        for value, group in zip(arguments, plain, strict=True)
    ]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Threads that stay, because some stores keep a connection for each."""
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix='fetch')


def _fetch_one(proxy: Proxy[Any], result: Result, cache: ObjectCache | None) -> Any:
    factory: Any = get_factory(proxy)
    key: Key = factory.key
    started = time.perf_counter()
    obj = _NOTHING if cache is None else cache.get(key, _NOTHING)
    is_hit = obj is not _NOTHING
    if not is_hit:
        try:
            obj = factory.resolve()
        except Exception as error:
            raise InputsUnreachableError(
                f'Inputs of topic {result.topic!r} could not be fetched on host {platform.node()} '
                f'from {_told(factory.store_config.connector)}: {type(error).__name__}: {error}'
            ) from error
        if cache is not None:
            cache.keep(key, obj, key.size)
    _record(result, 'in', key, time.perf_counter() - started, is_hit)
    return obj


def store_value(result: Result) -> None:
    """Leave the value of a task in the store of its topic, if it is large, and a proxy in its place.

    Raises:
        ValueNotStoredError: If the store cannot be used; it names topic, backend, host, and where it is.
        Exception: Whatever the value's own methods raise when it is pickled.
    """
    config, threshold = result.proxystore_config, result.proxystore_threshold
    result.proxystore_name = result.proxystore_config = None  # so that Colmena does not store it as well
    if config is None or threshold is None or result.value is None:
        return
    data = pickle.dumps(result.value, protocol=pickle.HIGHEST_PROTOCOL)
    if len(data) < threshold:
        return
    started = time.perf_counter()
    try:
        store = get_or_create_store(config)
        key = store.put(data, serializer=_as_it_is)
    except Exception as error:
        raise ValueNotStoredError(
            f'The value of a task of topic {result.topic!r} could not be stored from host {platform.node()} '
            f'in {_told(config.connector)}: {type(error).__name__}: {error}'
        ) from error
    _record(result, 'out', key, time.perf_counter() - started, is_hit=False)
    result.message_sizes['value'] = len(data)
    # Whoever reads it takes it out of the store.
    result.value = store.proxy_from_key(key, evict=True, deserializer=pickle.loads)


def _record(result: Result, direction: str, key: Key, seconds: float, is_hit: bool) -> None:
    moves = result.time.proxy.setdefault(key.name, {})
    moves[direction] = {'bytes': key.size, 'seconds': seconds, 'hit': is_hit, 'time': time.time()}


def _told(connector: ConnectorConfig) -> str:
    """A store in a few words; of its settings only those are shown that are no secrets."""
    kind: Any = connector.get_connector_type()
    return f'the backend {kind.backend} ({kind.where(connector.options)})'


def _as_it_is(data: bytes) -> bytes:
    return data
