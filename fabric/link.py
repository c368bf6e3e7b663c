"""A connection to Redis that bears the server being away for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import redis
import tenacity

from .address import RedisAddress
from .errors import QueuesLostError

logger = logging.getLogger(__name__)

T = TypeVar('T')

_ANSWER_SECONDS = (4.0, 20.0)
"""A server that is silent for as long as the patience is out of reach, but not before the first and after the second.

A connection to one that stands still, or behind a cable that is out, does not break.
"""

_PROBE_SECONDS = 2.0
"""The same for one that is known to be out of reach, and is asked whether it is back."""

_READ_BYTES = 1 << 20
"""Large values are read in parts of this size: redis-py's own are so small that reading takes twice as long."""

_SLICE = 0.25
"""Part of what a silent server is given that a blocking command waits at most."""

_SHORTEST_WAIT = 0.001
"""To Redis a wait of zero lasts for ever, so shorter ones than this do not wait at all."""

_LOST = (redis.ConnectionError, redis.TimeoutError, OSError)
_TROUBLE = (*_LOST, redis.ResponseError)

_CANNOT_WRITE = 'MISCONF'
"""How a server begins its answer while it cannot write its data to disk, which is full, say."""

PATIENCE = 60.0
"""How many seconds a server may be out of reach, unless told otherwise."""

_FORGET_SECONDS = 30.0
"""A server that nobody has tried to reach for so long may have been back since."""


class _Reach:
    """Since when a server is out of reach of this process: what one link finds out, all links to it know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._tried = 0.0
        self.reason = ''

    def away_seconds(self) -> float | None:
        """For how long the server has been away; None while it is there, for all that is known."""
        with self._lock:
            if self._since is None or time.monotonic() - self._tried > _FORGET_SECONDS:
                return None
            return time.monotonic() - self._since

    def mark_away(self, address: RedisAddress, error: Exception) -> None:
        known = self.away_seconds() is not None
        with self._lock:
            self._tried = time.monotonic()
            if not known:
                self._since = self._tried
                self.reason = str(error)
                logger.warning('Redis at %s is out of reach: %s', address, error)

    def mark_back(self, address: RedisAddress) -> None:
        if self._since is None:
            return
        with self._lock:
            if self._since is not None:
                logger.warning('Redis at %s is back after %.1f s', address, time.monotonic() - self._since)
                self._since = None


_reaches: dict[tuple[str, int], _Reach] = {}


class RedisLink:
    """Runs commands on a server, again and again while it is away, until it has been away for too long.

    Safe to use from several threads; a thread that waits does not hold up the others.
    """

    def __init__(self, address: RedisAddress, patience: float = PATIENCE) -> None:
        """Connects when first used.

        Args:
            address: Where the server is.
            patience: How many seconds the server may be out of reach.
        """
        self.address = address
        self.patience = patience
        shortest, longest = _ANSWER_SECONDS
        answer = min(max(patience, shortest), longest)
        self._slice = answer * _SLICE
        self._client = address.connect(socket_timeout=answer, socket_read_size=_READ_BYTES)
        self._probe = address.connect(socket_timeout=_PROBE_SECONDS, socket_connect_timeout=_PROBE_SECONDS)
        self._reach = _reaches.setdefault((address.host, address.port), _Reach())

    def close(self) -> None:
        """Close every connection; the link opens new ones if it is used again."""
        self._client.close()
        self._probe.close()

    @property
    def is_away(self) -> bool:
        """Whether the server was out of reach when this process last tried, over this link or another."""
        return self._reach.away_seconds() is not None

    def check_patience(self) -> None:
        """See that the server has not been away for too long.

        Raises:
            QueuesLostError: If it has been out of reach for longer than the patience.
        """
        seconds = self._reach.away_seconds()
        if seconds is not None and seconds > self.patience:
            raise QueuesLostError(
                f'Redis at {self.address} has been out of reach for more than {self.patience:g} s. '
                f'Bring it back and resume the campaign. What it came to: {self._reach.reason}'
            )

    def run_once(self, command: Callable[[redis.Redis], T]) -> T:
        """Run a command that is worth no waiting, at the end of a campaign say.

        Raises:
            QueuesLostError: If the server is out of reach; one that is known to be is not tried.
        """
        if not self.is_away:
            try:
                return self._once(command)
            except _TROUBLE as error:
                if not _is_away(error):
                    raise
        raise QueuesLostError(f'Redis at {self.address} is out of reach.')

    def run(self, command: Callable[[redis.Redis], T], within: float | None = None) -> T | None:
        """Run a command, repeating it while the server is away.

        Because a command whose answer got lost is repeated too, it may take effect twice.

        Args:
            command: What to do with the client.
            within: Give up after this many seconds and return None, so that the caller can look around; if not
                given, go on until the patience ends.

        Raises:
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        try:
            return self._once(command)
        except _TROUBLE as error:
            if not _is_away(error):
                raise
        self.check_patience()
        return self._again(command, within)

    def _again(self, command: Callable[[redis.Redis], T], within: float | None) -> T | None:
        started = time.monotonic()

        def is_over(_: tenacity.RetryCallState) -> bool:
            return within is not None and time.monotonic() - started >= within

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_away),
            wait=tenacity.wait_exponential(multiplier=0.05, max=1.0) + tenacity.wait_random(0, 0.05),
            stop=is_over,
            before_sleep=lambda _: self.check_patience(),
        )
        try:
            answer: T = attempts(self._once, command)
            return answer
        except tenacity.RetryError:
            self.check_patience()
            return None

    def pop(self, queue: str, timeout: float | None, most: int = 1) -> list[bytes]:
        """Take the oldest messages off a list, waiting for the first of them if need be.

        Args:
            queue: Name of the list.
            timeout: Longest wait in seconds, fractions and zero included; None waits for ever.
            most: How many to take at most, of those that are there.

        Returns:
            The messages, oldest first; none if none came in time.

        Raises:
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = self._slice if deadline is None else min(deadline - time.monotonic(), self._slice)
            messages = self.run(partial(_pop_once, queue=queue, timeout=left, most=most), within=max(left, 0.0))
            if messages:
                return messages
            if deadline is not None and time.monotonic() >= deadline:
                return []

    def _once(self, command: Callable[[redis.Redis], T]) -> T:
        try:
            if self.is_away:
                self._probe.ping()
            answer = command(self._client)
        except Exception as error:
            if _is_away(error):
                self._reach.mark_away(self.address, error)
            raise
        self._reach.mark_back(self.address)
        return answer


def _is_away(error: BaseException) -> bool:
    if isinstance(error, redis.ResponseError):
        return str(error).startswith(_CANNOT_WRITE)
    # A refused password is a ConnectionError to redis-py, but waiting does not help against it.
    return isinstance(error, _LOST) and not isinstance(error, redis.AuthenticationError)


def _pop_once(client: redis.Redis, queue: str, timeout: float, most: int) -> list[bytes]:
    # Those that are there are taken at once, or else one is waited for: the command that does both is younger than
    # servers in use (Redis 7).
    there: Any = client.lpop(queue, most)
    if there or timeout <= _SHORTEST_WAIT:
        return there or []
    awaited: Any = client.blpop([queue], timeout=timeout)
    return [] if awaited is None else [awaited[1]]
