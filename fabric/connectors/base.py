"""What every connector promises.

A key carries a digest of its object. Proxies travel in sealed messages, so whoever could write to a store but not to
the queues cannot have a worker unpickle anything either: an object that is not the one its key was made for is refused.

The settings that rebuild a connector on a worker are its ``config()``, and ProxyStore puts them into every proxy. Some
hold secrets, so task messages do too; they travel sealed through the locked server or through the engine's own
encrypted channel, and are never logged.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from proxystore.serialize import BytesLike

from ..errors import TamperedObjectError


class Key(NamedTuple):
    """Finds an object, and tells it from any other.

    Attributes:
        name: Its name in the store.
        digest: Digest of its bytes.
        size: How many bytes it has.
        place: What else the backend needs to find it.
    """

    name: str
    digest: str
    size: int
    place: tuple[str, ...] = ()


class Connector(ABC):
    """Keeps objects for one topic of one run. Any of its methods may be called from several threads.

    Where the store cannot be reached they raise ``OutOfReachError``, after as long as the connector is told to bear it.

    Attributes:
        backend: Name of the backend, as in the settings.
    """

    backend: ClassVar[str]

    def get(self, key: Key) -> BytesLike | None:
        """The object of a key, or None if it is not there.

        Raises:
            TamperedObjectError: If it is not the object the key was made for.
        """
        data = self._read(key)
        if data is not None and _digest(data) != key.digest:
            raise TamperedObjectError(
                f'The object {key.name} in {self!r} is not the one that was stored under this key; it was not read.'
            )
        return data

    def put(self, obj: BytesLike) -> Key:
        """Store an object; returns its key."""
        name, place = self._write(obj)
        return Key(name, _digest(obj), len(obj), place)

    def get_batch(self, keys: Sequence[Key]) -> list[BytesLike | None]:
        """The objects of several keys."""
        return [self.get(key) for key in keys]

    def put_batch(self, objs: Sequence[BytesLike]) -> list[Key]:
        """Store several objects."""
        return [self.put(obj) for obj in objs]

    @abstractmethod
    def exists(self, key: Key) -> bool:
        """Whether the object is there."""

    @abstractmethod
    def evict(self, key: Key) -> None:
        """Remove the object; harmless if it is gone."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Arguments that make a connector to the same store, on any host that reaches it."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Connector:
        """The connector of a ``config()``."""
        return cls(**config)

    @classmethod
    @abstractmethod
    def where(cls, config: Mapping[str, Any]) -> str:
        """Where the connector of a ``config()`` looks, in a few words without secrets."""

    @property
    def secrets(self) -> frozenset[str]:
        """What of the ``config()`` must not be shown."""
        return frozenset()

    @abstractmethod
    def names(self) -> Iterator[str]:
        """Names of the objects that are stored now for this topic of this run, as far as the backend can tell.

        For the end of a campaign: where the store is out of reach it raises at once.
        """

    @abstractmethod
    def clear(self) -> None:
        """Remove them all; for the end of a campaign, likewise."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; what outlives this process stays. Harmless twice."""

    @abstractmethod
    def _read(self, key: Key) -> BytesLike | None:
        """The bytes of an object, or None."""

    @abstractmethod
    def _write(self, data: BytesLike) -> tuple[str, tuple[str, ...]]:
        """Keep an object; returns its name and what else is needed to find it."""


def _digest(data: BytesLike) -> str:
    # Processors have instructions for SHA-256, which makes it twice as fast as BLAKE2; of large objects it takes most
    # of the time.
    return hashlib.sha256(data).hexdigest()
