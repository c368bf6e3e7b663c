"""Objects in the memory of the driver, which workers reach over ZeroMQ."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import zmq
from proxystore.serialize import BytesLike

from ..errors import StoreLostError
from ..link import PATIENCE
from .base import Connector, Key
from .shelf import Shelf
from .zeromq_server import CLEAR, DROP, HAS, NAMES, NO, PART, READ, WRITE, ShelfAddress, ShelfServer, packed, unpacked

_ANSWER_SECONDS = 10.0
"""A request that was not answered for so long is made again, over a connection of its own."""


class ZeroMQConnector(Connector):
    """Keeps objects in the process that made it by ``serve``, and reaches them from any other.

    They are gone when that process ends.
    """

    backend: ClassVar[str] = 'zmq'

    def __init__(
        self,
        host: str,
        port: int,
        server_key: str,
        client_key: str,
        client_secret: str,
        patience: float = PATIENCE,
    ) -> None:
        """Connects when first used.

        Args:
            host: Name or IP address of the server.
            port: Its TCP port.
            server_key: Its public key.
            client_key: The public key of its clients.
            client_secret: Their secret key.
            patience: How many seconds the server may be out of reach.
        """
        self._address = ShelfAddress(host, port, server_key, client_key, client_secret)
        self._patience = patience
        self._remote = RemoteShelf(self._address, patience)
        self._server: ShelfServer | None = None
        self._owner = os.getpid()

    @classmethod
    def serve(cls, host: str, patience: float = PATIENCE) -> ZeroMQConnector:
        """A connector with a server in this process.

        Args:
            host: IP address of this machine at which workers reach it.
            patience: How many seconds workers may find it out of reach.

        Raises:
            ConfigurationError: If nothing can listen there.
        """
        server = ShelfServer(host)
        made = cls(**asdict(server.address), patience=patience)
        made._server = server
        return made

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._address})'

    def config(self) -> dict[str, Any]:
        """Arguments that make a connector to the same store; the secret key is among them."""
        return {**asdict(self._address), 'patience': self._patience}

    @classmethod
    def where(cls, config: Mapping[str, Any]) -> str:
        """Where the driver listens."""
        return f'{config["host"]}:{config["port"]}'

    @property
    def secrets(self) -> frozenset[str]:
        """The secret key of the clients."""
        return frozenset({self._address.client_secret})

    def exists(self, key: Key) -> bool:
        """Whether the object is there."""
        return self._shelf.has(key.name)

    def evict(self, key: Key) -> None:
        """Remove the object; harmless if it is gone."""
        self._shelf.drop(key.name)

    def names(self) -> Iterator[str]:
        """Names of the objects that are stored now, halves left by workers that died among them."""
        return iter(self._shelf.names())

    def clear(self) -> None:
        """Remove them all."""
        self._shelf.clear()

    def close(self) -> None:
        """Close the connections; a server of this process ends, and all objects with it."""
        self._remote.close()
        if self._server is not None and os.getpid() == self._owner:
            self._server.stop()

    @property
    def _shelf(self) -> Shelf | RemoteShelf:
        # The owner needs no connection to itself. A process that it forked has but a copy of the shelf.
        if self._server is not None and os.getpid() == self._owner:
            return self._server.shelf
        return self._remote

    def _read(self, key: Key) -> BytesLike | None:
        return self._shelf.read(key.name)

    def _write(self, data: BytesLike) -> tuple[str, tuple[str, ...]]:
        name = uuid.uuid4().hex
        self._shelf.write(name, data)
        return name, ()


class RemoteShelf:
    """The shelf of another process. Every thread and every process that uses it has connections of its own."""

    def __init__(self, address: ShelfAddress, patience: float) -> None:
        """Args: address: Where its server is. patience: How many seconds that may be out of reach."""
        self._address = address
        self._patience = patience
        self._idle: list[zmq.Socket[Any]] = []
        self._process = os.getpid()

    def read(self, name: str) -> BytesLike | None:
        """The object of a name, or None."""
        found, *rest = self._ask(READ, name.encode(), packed(0))
        if found.bytes == NO:
            return None
        data = bytearray(unpacked(rest[0].bytes))
        have = _put(data, 0, rest[1])
        while have < len(data):
            found, *rest = self._ask(READ, name.encode(), packed(have))
            if found.bytes == NO:
                return None
            have += _put(data, have, rest[1])
        return data

    def write(self, name: str, data: BytesLike) -> None:
        """Keep an object."""
        view, start = memoryview(data), 0
        while True:
            part = view[start : start + PART]
            if self._ask(WRITE, name.encode(), packed(start), packed(len(view)), part)[0].bytes == NO:
                raise StoreLostError(f'The zmq store at {self._address} was emptied while an object was being stored.')
            start += len(part)
            if start >= len(view):
                return

    def has(self, name: str) -> bool:
        """Whether there is an object of a name."""
        return self._ask(HAS, name.encode())[0].bytes != NO

    def drop(self, name: str) -> None:
        """Forget an object; harmless if there is none."""
        self._ask(DROP, name.encode())

    def names(self) -> list[str]:
        """Names of all objects."""
        return self._ask(NAMES)[1].bytes.decode().split()

    def clear(self) -> None:
        """Forget all objects."""
        self._ask(CLEAR)

    def close(self) -> None:
        """Close the connections; new ones are made if it is used again."""
        while (socket := self._take()) is not None:
            socket.close(linger=0)

    def _ask(self, *request: BytesLike) -> list[zmq.Frame]:
        """Make a request, again and again while no answer comes; every request may be made twice."""
        end = time.monotonic() + self._patience
        while True:
            socket = self._take() or self._connect()
            try:
                answer = _answer(socket, request, max(min(_ANSWER_SECONDS, end - time.monotonic()), 0.0))
            except BaseException:
                socket.close(linger=0)
                raise
            if answer:
                self._idle.append(socket)
                return answer
            socket.close(linger=0)
            if time.monotonic() >= end:
                raise StoreLostError(
                    f'The zmq store at {self._address} has not answered for {self._patience:g} s: the driver that '
                    'keeps it has ended, or this machine does not reach it.'
                )

    def _take(self) -> zmq.Socket[Any] | None:
        if os.getpid() != self._process:  # connections do not survive a fork; what was idle is the parent's
            self._idle, self._process = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self) -> zmq.Socket[Any]:
        address = self._address
        socket: zmq.Socket[Any] = zmq.Context.instance().socket(zmq.REQ)
        socket.setsockopt(zmq.IPV6, ':' in address.host)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.CURVE_SERVERKEY, address.server_key.encode())
        socket.setsockopt(zmq.CURVE_PUBLICKEY, address.client_key.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, address.client_secret.encode())
        socket.connect(address.url)
        return socket


def _answer(socket: zmq.Socket[Any], request: Sequence[BytesLike], seconds: float) -> list[zmq.Frame]:
    """The answer to a request, or nothing if none came in time."""
    limit = int(1000 * seconds)
    # Who was refused by the server has nobody to send to, and would wait for ever.
    socket.setsockopt(zmq.SNDTIMEO, limit)
    try:
        socket.send_multipart(request, copy=False)
    except zmq.Again:
        return []
    return socket.recv_multipart(copy=False) if socket.poll(limit) else []


def _put(data: bytearray, start: int, part: zmq.Frame) -> int:
    """Copy a part into its place; returns how long it is."""
    size = len(part.buffer)
    data[start : start + size] = part.buffer
    return size
