"""ProxyStore connectors that Scoutbee needs: a locked Redis, and a directory, both of which can say what they hold.

A key carries a digest of its object. Proxies travel in sealed messages, so whoever could write to a store but not to
the queues cannot have a worker unpickle anything either: an object that is not the one its key was made for is refused.

The settings that rebuild a connector on a worker are its ``config()``, and ProxyStore puts them into every proxy. For
Redis they hold the password, so task messages do too; they travel sealed through the locked server or through the
engine's own encrypted channel, and are never logged.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import redis

from .address import RedisAddress
from .errors import TamperedObjectError
from .link import PATIENCE, RedisLink

_SCAN = 1000


class Key(NamedTuple):
    """Finds an object, and tells it from any other."""

    name: str
    digest: str


@runtime_checkable
class Listing(Protocol):
    """A connector that knows what it holds for this run."""

    def names(self) -> Iterator[str]:
        """Names of the objects that are stored now, whoever stored them."""
        ...

    def clear(self) -> None:
        """Remove them all."""
        ...

    # Both are for the end of a campaign: where the store is out of reach they raise at once.


class _Connector(ABC):
    """What both connectors do the same way."""

    def get(self, key: Key) -> bytes | None:
        """The object of a key, or None if it is not there.

        Raises:
            TamperedObjectError: If it is not the object the key was made for.
        """
        data = self._read(key.name)
        if data is not None and _digest(data) != key.digest:
            raise TamperedObjectError(
                f'The object {key.name} in {self!r} is not the one that was stored under this key; it was not read.'
            )
        return data

    def put(self, obj: bytes) -> Key:
        """Store an object; returns its key."""
        key = Key(uuid.uuid4().hex, _digest(obj))
        self._write(key.name, obj)
        return key

    def get_batch(self, keys: Sequence[Key]) -> list[bytes | None]:
        """The objects of several keys."""
        return [self.get(key) for key in keys]

    def put_batch(self, objs: Sequence[bytes]) -> list[Key]:
        """Store several objects."""
        return [self.put(obj) for obj in objs]

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Arguments that make a connector to the same store, on any host that reaches it."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The connector of a ``config()``."""
        return cls(**config)

    @abstractmethod
    def _read(self, name: str) -> bytes | None:
        """The bytes under a name, or None."""

    @abstractmethod
    def _write(self, name: str, data: bytes) -> None:
        """Put bytes under a name."""


class LockedRedisConnector(_Connector):
    """Objects in a Redis server that may want a password and TLS, under a prefix of the run's own."""

    def __init__(
        self,
        host: str,
        port: int,
        prefix: str,
        username: str | None = None,
        password: str | None = None,
        tls: bool = False,
        ca_file: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Connects when first used.

        Args:
            host: Name or IP address.
            port: TCP port.
            prefix: Start of every key; of letters, digits and ``:_-``.
            username: User of Redis' access lists.
            password: Its password.
            tls: Whether to speak TLS.
            ca_file: File with the certificates to trust.
            patience: How many seconds the server may be out of reach.
        """
        self._address = RedisAddress(host, port, username, password, tls, ca_file)
        self._prefix = prefix
        self._link = RedisLink(self._address, patience)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._address}, {self._prefix})'

    def config(self) -> dict[str, Any]:
        """Arguments that make a connector to the same store; the password is among them."""
        address = self._address
        return {
            'host': address.host,
            'port': address.port,
            'prefix': self._prefix,
            'username': address.username,
            'password': address.password,
            'tls': address.tls,
            'ca_file': address.ca_file,
            'patience': self._link.patience,
        }

    def exists(self, key: Key) -> bool:
        """Whether the object is there."""
        return bool(self._link.run(lambda client: client.exists(self._full(key.name))))

    def evict(self, key: Key) -> None:
        """Remove the object; harmless if it is gone."""
        self._link.run(lambda client: client.unlink(self._full(key.name)))

    def names(self) -> Iterator[str]:
        """Names of the objects that are stored now.

        Raises:
            QueuesLostError: If the server is out of reach.
        """
        start = self._full('')
        found = self._link.run_once(lambda client: set(client.scan_iter(match=f'{start}*', count=_SCAN)))
        return (name.decode().removeprefix(start) for name in found)

    def clear(self) -> None:
        """Remove them all.

        Raises:
            QueuesLostError: If the server is out of reach.
        """
        self._link.run_once(lambda client: remove_keys(client, self._full('')))

    def close(self) -> None:
        """Close the connections; the objects stay."""
        self._link.close()

    def _full(self, name: str) -> str:
        return f'{self._prefix}:{name}'

    def _read(self, name: str) -> bytes | None:
        return self._link.run(lambda client: client.get(self._full(name)))  # type: ignore[return-value]

    def _write(self, name: str, data: bytes) -> None:
        self._link.run(lambda client: client.set(self._full(name), bytes(data)))


class DirectoryConnector(_Connector):
    """Objects as files in a directory that driver and workers share."""

    def __init__(self, store_dir: str) -> None:
        """Args: store_dir: The directory; made, readable by its owner alone, if it is not there."""
        self._directory = Path(store_dir).absolute()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._directory})'

    def config(self) -> dict[str, Any]:
        """Arguments that make a connector to the same store."""
        return {'store_dir': str(self._directory)}

    def exists(self, key: Key) -> bool:
        """Whether the object is there."""
        return (self._directory / key.name).exists()

    def evict(self, key: Key) -> None:
        """Remove the object; harmless if it is gone."""
        (self._directory / key.name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """Names of the objects that are stored now, halves left by workers that died among them."""
        try:
            return iter(os.listdir(self._directory))
        except FileNotFoundError:
            return iter(())

    def clear(self) -> None:
        """Remove them all, and the directory."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def close(self) -> None:
        """Nothing to close; the objects stay."""

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        half = self._directory / f'{name}.part'
        try:
            half.write_bytes(data)
            half.replace(self._directory / name)  # so that nobody ever reads half an object
        except OSError:
            with contextlib.suppress(OSError):
                half.unlink()
            raise


def remove_keys(client: redis.Redis, start: str) -> int:
    """Remove every key of a server that starts so; returns how many there were.

    Args:
        client: A client of the server.
        start: Start of the keys; of letters, digits and ``:_-``.
    """
    removed = 0
    while found := list(islice(client.scan_iter(match=f'{start}*', count=_SCAN), _SCAN)):
        removed += int(client.unlink(*found))
    return removed


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
