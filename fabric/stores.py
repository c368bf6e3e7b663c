"""ProxyStore stores: one for each topic that has a backend."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxystore.store import Store, register_store, unregister_store

from scoutbee.contracts.errors import ConfigurationError

from .address import RedisAddress
from .connectors import DirectoryConnector, LockedRedisConnector
from .link import PATIENCE

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopicStore:
    """How large objects of a topic travel.

    Attributes:
        backend: Name of a backend, one of ``BACKENDS``.
        threshold: Size in bytes, pickled, from which an object is stored; None for never.
        cache_size: How many objects each worker keeps for later tasks of the topic; 0 for none.
    """

    backend: str
    threshold: int | None
    cache_size: int = 16


@dataclass(frozen=True)
class Places:
    """Where stores can be made.

    Attributes:
        run: Name of the run, unique; of letters, digits and ``:_-``.
        address: The campaign's Redis server.
        directory: Directory that driver and workers share.
        host: Address of the driver's machine as workers reach it.
        globus_config: File with the Globus collections to keep objects in.
        endpoints: Ids of the ProxyStore endpoints of the driver's machine and of its workers'.
        patience: How many seconds the Redis server may be out of reach.
    """

    run: str
    address: RedisAddress | None = None
    directory: Path | None = None
    host: str = '127.0.0.1'
    globus_config: Path | None = None
    endpoints: tuple[str, ...] = ()
    patience: float = PATIENCE

    @property
    def own_directory(self) -> Path | None:
        """The part of the directory that is this run's alone."""
        return None if self.directory is None else self.directory / self.run.replace(':', '-')


def _redis(places: Places, topic: str) -> LockedRedisConnector:
    address = places.address
    if address is None:
        raise ConfigurationError(f'Topic {topic} has the backend redis, but no Redis server was given.')
    return LockedRedisConnector(
        address.host,
        address.port,
        f'{places.run}:{topic}',
        username=address.username,
        password=address.password,
        tls=address.tls,
        ca_file=address.ca_file,
        patience=places.patience,
    )


def _file(places: Places, topic: str) -> DirectoryConnector:
    if places.own_directory is None:
        raise ConfigurationError(f'Topic {topic} has the backend file, but no directory was given (--ps-file-dir).')
    try:
        return DirectoryConnector(str(places.own_directory / topic))
    except OSError as error:
        raise ConfigurationError(
            f'Topic {topic} has the backend file, but its directory cannot be made: {error}. Correct --ps-file-dir.'
        ) from None


BACKENDS: Mapping[str, Callable[[Places, str], Any]] = {'redis': _redis, 'file': _file}
"""What makes the connector of each backend. It must keep ProxyStore's ``Connector`` and ``connectors.Listing``."""


def open_store(places: Places, topic: str, settings: TopicStore) -> Store[Any]:
    """Make and register the store of a topic.

    Raises:
        ConfigurationError: If there is no such backend, or it cannot be used.
    """
    if settings.backend not in BACKENDS:
        known = ', '.join(sorted(BACKENDS))
        raise ConfigurationError(f'Topic {topic} has the backend {settings.backend!r}; expected one of {known}.')
    connector = BACKENDS[settings.backend](places, topic)
    # Its figures (seconds to fetch, to unpickle) end up in the trace. Proxies must not hold the object itself.
    store = Store(
        f'{places.run}:{topic}', connector, cache_size=settings.cache_size, metrics=True, populate_target=False
    )
    register_store(store)
    return store


def close_store(store: Store[Any]) -> None:
    """Unregister a store and remove all it holds; a server that is gone took that with it."""
    unregister_store(store)
    try:
        store.connector.clear()
    except Exception as error:
        logger.warning('What the store %s holds could not be removed: %s', store.name, error)
    store.close()
