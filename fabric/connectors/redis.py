"""Objects in a Redis server that may want a password and TLS, under a prefix of the run's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar

import redis
from proxystore.serialize import BytesLike

from ..address import RedisAddress
from ..link import PATIENCE, RedisLink
from .base import Connector, Key

_SCAN = 1000


class LockedRedisConnector(Connector):
    """Keeps objects in a Redis server."""

    backend: ClassVar[str] = 'redis'

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

    @classmethod
    def where(cls, config: Mapping[str, Any]) -> str:
        """Where the server is."""
        return f'{config["host"]}:{config["port"]}'

    @property
    def secrets(self) -> frozenset[str]:
        """The password."""
        return frozenset({self._address.password} if self._address.password else ())

    def exists(self, key: Key) -> bool:
        """Whether the object is there."""
        return bool(self._link.run(lambda client: client.exists(self._full(key.name))))

    def evict(self, key: Key) -> None:
        """Remove the object; harmless if it is gone."""
        self._link.run(lambda client: client.unlink(self._full(key.name)))

    def names(self) -> Iterator[str]:
        """Names of the objects that are stored now."""
        start = self._full('')
        found = self._link.run_once(lambda client: set(client.scan_iter(match=f'{start}*', count=_SCAN)))
        return (name.decode().removeprefix(start) for name in found)

    def clear(self) -> None:
        """Remove them all."""
        self._link.run_once(lambda client: remove_keys(client, self._full('')))

    def close(self) -> None:
        """Close the connections; the objects stay."""
        self._link.close()

    def _full(self, name: str) -> str:
        return f'{self._prefix}:{name}'

    def _read(self, key: Key) -> BytesLike | None:
        found: BytesLike | None = self._link.run(lambda client: client.get(self._full(key.name)))
        return found

    def _write(self, data: BytesLike) -> tuple[str, tuple[str, ...]]:
        name = uuid.uuid4().hex
        self._link.run(lambda client: client.set(self._full(name), bytes(data)))
        return name, ()


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
