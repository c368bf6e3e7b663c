"""The server of the backend zmq: a thread of the driver's process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import zmq
from proxystore.serialize import BytesLike
from zmq.auth.thread import ThreadAuthenticator

from scoutbee.contracts.errors import ConfigurationError

from .shelf import Shelf

logger = logging.getLogger(__name__)

PART = 1 << 20
"""Longest part of an object in one message, in bytes: so large that few are needed, so small that each arrives soon."""

YES, NO = b'yes', b'no'
READ, WRITE, HAS, DROP, NAMES, CLEAR = b'read', b'write', b'has', b'drop', b'names', b'clear'

_LONGEST_MESSAGE = 2 * PART
_KEEPALIVE_SECONDS = 30

Answer = Sequence[BytesLike]


@dataclass(frozen=True)
class ShelfAddress:
    """A server, and the right to use it.

    Attributes:
        host: Name or IP address.
        port: TCP port.
        server_key: The server's public key.
        client_key: The public key of its clients.
        client_secret: Their secret key, never shown by ``repr``.
    """

    host: str
    port: int
    server_key: str
    client_key: str
    client_secret: str = field(repr=False)

    def __str__(self) -> str:
        return f'{self.host}:{self.port}'

    @property
    def url(self) -> str:
        """The address as ZeroMQ wants it."""
        return _url(self.host, self.port)


class ShelfServer:
    """Lets workers use a shelf of this process, over connections that are encrypted and authenticated both ways.

    ProxyStore's own ZeroMQ server listens on all interfaces, lets in anyone, and unpickles what it is sent; this one
    lets in who has its client key, and never unpickles anything.

    Attributes:
        shelf: The shelf.
        address: Where the server is, with the keys of its clients.
    """

    def __init__(self, host: str) -> None:
        """Start to listen.

        Args:
            host: IP address of this machine to listen at, on a port that is free.

        Raises:
            ConfigurationError: If nothing can listen there.
        """
        self.shelf = Shelf()
        server_key, server_secret = zmq.curve_keypair()
        client_key, client_secret = zmq.curve_keypair()
        # A context of its own, because the keys that are let in are a matter of the context.
        self._context = zmq.Context()
        self._guard = ThreadAuthenticator(self._context)
        self._guard.start()
        self._guard.configure_curve_callback('*', credentials_provider=_OneKey(client_key))
        self._socket = _make_socket(self._context, host, server_secret)
        try:
            self._socket.bind(_url(host, None))
        except zmq.ZMQError as error:
            self._socket.close(linger=0)
            self._end()
            raise ConfigurationError(
                f'The backend zmq cannot listen at {host}: {error}. Name the IP address at which the workers reach '
                'this machine (--driver-address, or address in the site).'
            ) from None
        port = int(self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(':')[2])
        self.address = ShelfAddress(host, port, server_key.decode(), client_key.decode(), client_secret.decode())
        self._verbs: Mapping[bytes, Callable[..., Answer]] = {
            READ: self._read, WRITE: self._write, HAS: self._has, DROP: self._drop, NAMES: self._names,
            CLEAR: self._clear,
        }  # fmt: skip
        self._thread = threading.Thread(target=self._serve, name='object-shelf', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop to listen, and forget all objects. Harmless twice."""
        self._end()
        self._thread.join()
        self.shelf.clear()

    def _end(self) -> None:
        self._guard.stop()
        self._context.term()  # which ends the thread, and waits until it has closed its socket

    def _serve(self) -> None:
        while self._serve_one():
            pass
        self._socket.close(linger=0)

    def _serve_one(self) -> bool:
        """Answer the next request; returns whether there are to be more."""
        try:
            client, _, *request = self._socket.recv_multipart(copy=False)
            self._socket.send_multipart([client, b'', *self._answer(request)], copy=False)
        except zmq.ContextTerminated:
            return False
        except Exception:  # whatever it is, the others are still to be served
            logger.exception('A request to the object shelf could not be answered')
        return True

    def _answer(self, request: Sequence[zmq.Frame]) -> Answer:
        verb, *arguments = request
        return self._verbs[verb.bytes](*arguments)

    def _read(self, name: zmq.Frame, start: zmq.Frame) -> Answer:
        data = self.shelf.read(_text(name))
        if data is None:
            return [NO]
        first = _number(start)
        return [YES, packed(len(data)), memoryview(data)[first : first + PART]]

    def _write(self, name: zmq.Frame, start: zmq.Frame, size: zmq.Frame, data: zmq.Frame) -> Answer:
        kept = self.shelf.write_part(_text(name), _number(start), _number(size), data.buffer)
        return [YES if kept else NO]

    def _has(self, name: zmq.Frame) -> Answer:
        return [YES if self.shelf.has(_text(name)) else NO]

    def _drop(self, name: zmq.Frame) -> Answer:
        self.shelf.drop(_text(name))
        return [YES]

    def _names(self) -> Answer:
        return [YES, '\n'.join(self.shelf.names()).encode()]

    def _clear(self) -> Answer:
        self.shelf.clear()
        return [YES]


class _OneKey:
    """Tells clients that have a key from those that have not."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self._key


def packed(number: int) -> bytes:
    """A number as it stands in a message."""
    return number.to_bytes(8, 'big')


def unpacked(number: bytes) -> int:
    """The number that stands in a message."""
    return int.from_bytes(number, 'big')


def _make_socket(context: zmq.Context[Any], host: str, secret: bytes) -> zmq.Socket[Any]:
    socket: zmq.Socket[Any] = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.IPV6, ':' in host)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, _LONGEST_MESSAGE)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, _KEEPALIVE_SECONDS)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
    return socket


def _url(host: str, port: int | None) -> str:
    return f'tcp://{f"[{host}]" if ":" in host else host}:{"*" if port is None else port}'


def _text(frame: zmq.Frame) -> str:
    return frame.bytes.decode()


def _number(frame: zmq.Frame) -> int:
    return unpacked(frame.bytes)
