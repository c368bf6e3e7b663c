"""Depots: how the driver lends large objects to tasks."""

from __future__ import annotations

import pickle
import secrets
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Protocol

from proxystore.store import Store

from scoutbee.contracts.errors import InputTaskError
from scoutbee.contracts.storage import Depot, Loan

from .address import OUR_KEYS
from .connectors.base import Key
from .stores import Places, TopicStore, close_store, open_store


class RunDepot(Depot, Protocol):
    """A depot as the driver sees it, which opens and closes it and reports on it."""

    @property
    def stores(self) -> Mapping[str, str]:
        """Name of the store of each topic that has one, as the queues want it."""
        ...

    @property
    def thresholds(self) -> Mapping[str, int | None]:
        """Threshold of each topic that has a store, as the queues want it."""
        ...

    @property
    def secrets(self) -> frozenset[str]:
        """What the stores need that must not be shown."""
        ...

    @property
    def created(self) -> int:
        """Objects stored so far by the driver."""
        ...

    @property
    def evicted(self) -> int:
        """Objects evicted so far by the driver."""
        ...

    def recall(self) -> None:
        """Evict whatever is lent, because nobody will take it back any more."""
        ...

    def leaked(self) -> int:
        """How many objects the stores hold now."""
        ...

    def close(self) -> None:
        """Remove what is left and close the stores."""
        ...


class DirectDepot:
    """Sends every object with its task: for tests, and for campaigns without ProxyStore."""

    stores: ClassVar[Mapping[str, str]] = {}
    thresholds: ClassVar[Mapping[str, int | None]] = {}
    secrets: ClassVar[frozenset[str]] = frozenset()
    created: ClassVar[int] = 0
    evicted: ClassVar[int] = 0

    def lend(self, topic: str, obj: Any) -> Loan:
        """Make an object available to tasks of a topic.

        Raises:
            InputTaskError: If it cannot be pickled.
        """
        return Loan(ref=obj, key=None, size=len(_pickle(topic, obj)))

    def reclaim(self, loan: Loan) -> None:
        """Nothing was stored, so there is nothing to evict."""

    def recall(self) -> None:
        """Nothing was stored, so there is nothing to evict."""

    def leaked(self) -> int:
        """Nothing can be left behind."""
        return 0

    def close(self) -> None:
        """Nothing to close."""


class ProxyDepot:
    """Puts large objects into the store of their topic and lends a proxy; small ones go with their task.

    A proxy that was lent is never evicted by being resolved: every attempt at a task, and every task of a group, can
    use it until it is reclaimed. Safe to use from several threads.

    Attributes:
        stores: Name of the store of each topic, as the queues want it.
        thresholds: Threshold of each topic, as the queues want it.
        secrets: What the stores need that must not be shown.
        created: Objects stored so far by the driver.
        evicted: Objects evicted so far by the driver.
    """

    def __init__(self, places: Places, topics: Mapping[str, TopicStore]) -> None:
        """Open the stores.

        Args:
            places: Where stores can be made.
            topics: How the objects of each topic travel; topics not named here have no store.

        Raises:
            ConfigurationError: If a backend cannot be used.
        """
        self.created = 0
        self.evicted = 0
        self._lock = threading.Lock()
        self._lent: dict[str, tuple[Store[Any], Key]] = {}
        self._open: dict[str, Store[Any]] = {}
        self.thresholds: Mapping[str, int | None] = {topic: kept.threshold for topic, kept in topics.items()}
        try:
            for topic, settings in topics.items():
                self._open[topic] = open_store(places, topic, settings)
        except BaseException:
            self.close()
            raise
        self.stores: Mapping[str, str] = {topic: store.name for topic, store in self._open.items()}
        self.secrets = frozenset().union(*(store.connector.secrets for store in self._open.values()))

    def __enter__(self) -> ProxyDepot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lend(self, topic: str, obj: Any) -> Loan:
        """Make an object available to tasks of a topic.

        Args:
            topic: The topic; one without a store gets the object itself.
            obj: What to lend; it must not be changed while it is lent.

        Raises:
            InputTaskError: If it cannot be pickled.
            OutOfReachError: If the store has been out of reach for too long.
        """
        data = _pickle(topic, obj)
        store, threshold = self._open.get(topic), self.thresholds.get(topic)
        if store is None or threshold is None or len(data) < threshold:
            return Loan(ref=obj, key=None, size=len(data))
        key = store.put(data, serializer=_as_it_is)
        name = f'{topic}/{key.name}'
        with self._lock:
            self._lent[name] = (store, key)
            self.created += 1
        return Loan(ref=store.proxy_from_key(key, deserializer=pickle.loads), key=name, size=len(data))

    def reclaim(self, loan: Loan) -> None:
        """The last user is done: evict the object. Harmless if it was already.

        Raises:
            OutOfReachError: If the store has been out of reach for too long; the object then still counts as leaked.
        """
        with self._lock:
            lent = self._lent.pop(loan.key, None) if loan.key is not None else None
        if lent is None:
            return
        store, key = lent
        store.evict(key)
        with self._lock:
            self.evicted += 1

    def recall(self) -> None:
        """Evict whatever is lent, because nobody will take it back any more.

        Raises:
            OutOfReachError: If a store has been out of reach for too long.
        """
        with self._lock:
            names = list(self._lent)
        for name in names:
            self.reclaim(Loan(ref=None, key=name, size=0))

    def leaked(self) -> int:
        """How many objects the stores hold now, those that workers put there among them.

        Asked at the end of a campaign, when everything should have been evicted.

        Raises:
            OutOfReachError: If a store is out of reach.
        """
        return sum(sum(1 for _ in store.connector.names()) for store in self._open.values())

    def close(self) -> None:
        """Remove every object of this run and close the stores; they cannot be used any more."""
        stores, self._open = self._open, {}
        for store in stores.values():
            close_store(store)


def make_depot(places: Places, topics: Mapping[str, TopicStore]) -> RunDepot:
    """The depot for some topics' settings: without any, objects go with their tasks (``--no-proxystore``).

    Raises:
        ConfigurationError: If a backend cannot be used.
    """
    return ProxyDepot(places, topics) if topics else DirectDepot()


def new_run_name() -> str:
    """A name for the keys of a run, as ``Places`` wants it, that no other run has."""
    return f'{OUR_KEYS}{secrets.token_hex(8)}'


def _pickle(topic: str, obj: Any) -> bytes:
    try:
        return pickle.dumps(obj, protocol=5)
    except Exception as error:  # pickle lets through whatever an object's own methods raise
        raise InputTaskError(
            f'Expected an object that can be pickled for topic {topic}, got a {type(obj).__name__}: {error}'
        ) from error


def _as_it_is(data: bytes) -> bytes:
    return data
