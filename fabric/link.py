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

_ANSWER_SECONDS = 20.0
_SLICE_SECONDS = 5.0
"""A blocking command waits this long at most, well under what a silent connection is given."""

_SHORTEST_WAIT = 0.001
"""To Redis a wait of zero lasts for ever, so shorter ones than this do not wait at all."""

_LOST = (redis.ConnectionError, redis.TimeoutError, OSError)


class RedisLink:
    """Runs commands on a server, again and again while it is away, until it has been away for too long.

    Safe to use from several threads; a thread that waits does not hold up the others.
    """

    def __init__(self, address: RedisAddress, patience: float) -> None:
        """Connects when first used.

        Args:
            address: Where the server is.
            patience: How many seconds the server may be out of reach.
        """
        self.address = address
        self.patience = patience
        self._client = address.connect(socket_timeout=_ANSWER_SECONDS)
        self._lock = threading.Lock()
        self._away_since: float | None = None

    def close(self) -> None:
        """Close every connection; the link opens new ones if it is used again."""
        self._client.close()

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
        except _LOST as error:
            if not _is_away(error):
                raise
        return self._again(command, within)

    def _again(self, command: Callable[[redis.Redis], T], within: float | None) -> T | None:
        started = time.monotonic()

        def is_over(_: tenacity.RetryCallState) -> bool:
            return within is not None and time.monotonic() - started >= within

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_away),
            wait=tenacity.wait_exponential(multiplier=0.05, max=1.0) + tenacity.wait_random(0, 0.05),
            stop=is_over,
            before_sleep=lambda _: self._check_patience(),
        )
        try:
            answer: T = attempts(self._once, command)
            return answer
        except tenacity.RetryError:
            self._check_patience()
            return None

    def pop(self, queue: str, timeout: float | None) -> bytes | None:
        """Take the oldest message off a list, waiting for one if need be.

        Args:
            queue: Name of the list.
            timeout: Longest wait in seconds, fractions and zero included; None waits for ever.

        Returns:
            The message, or None if none came in time.

        Raises:
            QueuesLostError: If the server has been out of reach for longer than the patience.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE_SECONDS if deadline is None else min(deadline - time.monotonic(), _SLICE_SECONDS)
            message = self.run(partial(_pop_once, queue=queue, timeout=left), within=max(left, 0.0))
            if message is not None:
                return message
            if deadline is not None and time.monotonic() >= deadline:
                return None

    def _once(self, command: Callable[[redis.Redis], T]) -> T:
        try:
            answer = command(self._client)
        except Exception as error:
            if _is_away(error):
                self._mark_away(error)
            raise
        self._mark_back()
        return answer

    def _mark_away(self, error: Exception) -> None:
        with self._lock:
            if self._away_since is None:
                self._away_since = time.monotonic()
                logger.warning('Redis at %s is out of reach: %s', self.address, error)

    def _mark_back(self) -> None:
        if self._away_since is None:
            return
        with self._lock:
            if self._away_since is not None:
                logger.warning('Redis at %s is back after %.1f s', self.address, time.monotonic() - self._away_since)
                self._away_since = None

    def _check_patience(self) -> None:
        since = self._away_since
        if since is not None and time.monotonic() - since > self.patience:
            raise QueuesLostError(
                f'Redis at {self.address} has been out of reach for more than {self.patience:g} s. '
                'Bring it back and resume the campaign.'
            )


def _is_away(error: BaseException) -> bool:
    # A refused password is a ConnectionError to redis-py, but waiting does not help against it.
    return isinstance(error, _LOST) and not isinstance(error, redis.AuthenticationError)


def _pop_once(client: redis.Redis, queue: str, timeout: float) -> bytes | None:
    answer: Any
    if timeout <= _SHORTEST_WAIT:
        answer = client.lpop(queue)
    else:
        popped: Any = client.blpop([queue], timeout=timeout)
        answer = None if popped is None else popped[1]
    return None if answer is None else bytes(answer)
