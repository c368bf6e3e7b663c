"""Sealed messages on lists of a Redis server, several at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from .link import RedisLink
from .seals import Seal

logger = logging.getLogger(__name__)

_LARGEST = 512 * 1024 * 1024 - 1024
_PORTION = 16 * 1024 * 1024


class SealedMail:
    """Seals what is sent and opens what is taken; what was not sealed with our secret is dropped unread.

    It can be pickled, and then holds the secret.

    Attributes:
        seal: The seal.
        dropped: Messages that were thrown away, as counted in this process.
    """

    def __init__(self, seal: Seal) -> None:
        """Args: seal: The seal."""
        self.seal = seal
        self.dropped = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {'seal': self.seal}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state['seal'])  # type: ignore[misc]

    def send(self, link: RedisLink, name: str, messages: Sequence[bytes]) -> None:
        """Append messages to a list.

        Args:
            link: Where.
            name: Name of the list.
            messages: At least one.

        Raises:
            ValueError: If one is too large for Redis; then none is sent.
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        sealed = [self.seal.close(name, message) for message in messages]
        largest = max(map(len, sealed))
        if largest > _LARGEST:
            raise ValueError(
                f'A message of {largest} bytes is too large for Redis (512 MiB); '
                'let ProxyStore carry large objects (--ps-threshold).'
            )
        for portion in _portions(sealed):
            link.run(lambda client, portion=portion: client.rpush(name, *portion))  # type: ignore[misc]

    def take(self, link: RedisLink, name: str, timeout: float | None, most: int) -> list[memoryview]:
        """Take the oldest messages of ours off a list, waiting for the first of them if need be.

        Args:
            link: Where.
            name: Name of the list.
            timeout: Longest wait in seconds, fractions and zero included; None waits for ever.
            most: How many to take at most.

        Returns:
            The messages, oldest first; none if none came in time.

        Raises:
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while sealed := link.pop(name, None if deadline is None else deadline - time.monotonic(), most):
            messages = [message for each in sealed if (message := self._open(name, each)) is not None]
            if messages:
                return messages
        return []

    def drop(self, reason: str) -> None:
        """Count a message that nothing can be done with."""
        with self._lock:
            self.dropped += 1
        logger.warning('Dropped a message: %s', reason)

    def _open(self, name: str, sealed: bytes) -> memoryview | None:
        message = self.seal.open(name, sealed)
        if message is None:
            self.drop(f'it was not sealed by this campaign ({len(sealed)} bytes on {name})')
        return message


def _portions(messages: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Messages in the portions in which they are sent: one may be large, several together may not."""
    portion: list[bytes] = []
    size = 0
    for message in messages:
        if portion and size + len(message) > _PORTION:
            yield portion
            portion, size = [], 0
        portion.append(message)
        size += len(message)
    yield portion
