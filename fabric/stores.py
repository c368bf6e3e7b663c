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
from .connectors.base import Connector
from .connectors.directory import DirectoryConnector
from .connectors.redis import LockedRedisConnector
from .errors import OutOfReachError
from .journal import Journal
from .link import PATIENCE

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopicStore:
    """How large objects of a topic travel.

    Attributes:
        backend: Name of a backend, one of ``BACKENDS``.
        threshold: Size in bytes, pickled, from which an object is stored; None for never.
    """

    backend: str
    threshold: int | None


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
        patience: How many seconds a store may be out of reach.
        journal: File in which is noted what is kept where nothing can list it.
    """

    run: str
    address: RedisAddress | None = None
    directory: Path | None = None
    host: str = '127.0.0.1'
    globus_config: Path | None = None
    endpoints: tuple[str, ...] = ()
    patience: float = PATIENCE
    journal: Path | None = None

    @property
    def own_directory(self) -> Path | None:
        """The part of the directory that is this run's alone."""
        return None if self.directory is None else self.directory / self.run.replace(':', '-')

    def open_journal(self) -> Journal | None:
        """The journal, if there is to be one."""
        return None if self.journal is None else Journal(self.journal)


def _redis(places: Places, topic: str) -> Connector:
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


def _file(places: Places, topic: str) -> Connector:
    if places.own_directory is None:
        raise ConfigurationError(f'Topic {topic} has the backend file, but no directory was given (--ps-file-dir).')
    connector = DirectoryConnector(str(places.own_directory / topic))
    try:
        connector.make()
    except OSError as error:
        raise ConfigurationError(
            f'Topic {topic} has the backend file, but its directory cannot be made: {error}. Correct --ps-file-dir.'
        ) from None
    return connector


def _zmq(places: Places, topic: str) -> Connector:
    from .connectors.zeromq import ZeroMQConnector

    return ZeroMQConnector.serve(places.host, places.patience)


def _endpoint(places: Places, topic: str) -> Connector:
    from .connectors.endpoint import PeerEndpointConnector

    if not places.endpoints:
        raise ConfigurationError(f'Topic {topic} has the backend endpoint, but none was named (--ps-endpoints).')
    return PeerEndpointConnector(places.endpoints, places.patience, places.open_journal())


def _globus(places: Places, topic: str) -> Connector:
    from .connectors.globus import GlobusFolderConnector
    from .connectors.globus_collections import read_collections

    if places.globus_config is None:
        raise ConfigurationError(
            f'Topic {topic} has the backend globus, but no file with its collections was given (--ps-globus-config).'
        )
    collections = {number: given.model_dump() for number, given in read_collections(places.globus_config).items()}
    folder = f'{places.run}-{topic}'.replace(':', '-')
    connector = GlobusFolderConnector(collections, folder, journal=places.open_journal())
    connector.make()
    return connector


BACKENDS: Mapping[str, Callable[[Places, str], Connector]] = {
    'redis': _redis,
    'file': _file,
    'zmq': _zmq,
    'endpoint': _endpoint,
    'globus': _globus,
}
"""What makes the connector of each backend in the driver's process, for a topic."""


def open_store(places: Places, topic: str, settings: TopicStore) -> Store[Any]:
    """Make and register the store of a topic.

    Raises:
        ConfigurationError: If there is no such backend, or it cannot be used.
    """
    if settings.backend not in BACKENDS:
        known = ', '.join(BACKENDS)
        raise ConfigurationError(f'Topic {topic} has the backend {settings.backend!r}; expected one of {known}.')
    try:
        connector = BACKENDS[settings.backend](places, topic)
    except OutOfReachError as error:
        raise ConfigurationError(
            f'Topic {topic} has the backend {settings.backend}, which cannot be used: {error}'
        ) from None
    # Workers keep what they will use again themselves (``object_cache``). Proxies must not hold the object itself.
    store = Store(f'{places.run}:{topic}', connector, cache_size=0, populate_target=False)
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
