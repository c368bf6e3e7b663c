"""Watches over a running campaign: what it stands on is started again where that helps, and its end is bounded."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from scoutbee.agents.thinker import Thinker
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.engines import Engine
from scoutbee.fabric.errors import EngineError, QueuesLostError
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.traces.errors import TraceError

from .interrupts import Interrupts

logger = logging.getLogger(__name__)

RESTARTS = 5
"""How often a server that dies is started again without a result in between, before the campaign ends."""

WINDOW_SECONDS = 3600.0
"""Deaths that lie further back do not count: over days there may be many, each with a reason of its own."""

_LOOK = 0.25
_END_SECONDS = 30.0
"""How long, beyond the grace period, the agents may take to end before the driver goes on without them."""

_END_AT_ONCE_SECONDS = 3.0


class Deaths:
    """How often a server died of late with nothing to show for it."""

    def __init__(self, window_seconds: float = WINDOW_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        """Args: window_seconds: How far back deaths count. now: A clock, in seconds."""
        self._window = window_seconds
        self._now = now
        self._times: deque[float] = deque()
        self._received = 0

    def count(self, received: int) -> int:
        """Note one more death; returns how many there were within the window since the last result.

        Args:
            received: Results received so far.
        """
        if received > self._received:
            self._received = received
            self._times.clear()
        self._times.append(self._now())
        while self._times[0] < self._times[-1] - self._window:
            self._times.popleft()
        return len(self._times)


def interrupt(thinker: Thinker) -> None:
    """End a campaign because a person asked for it: once to keep what is in flight, twice at once."""
    first = thinker.outcome is None
    thinker.interrupt()
    if not first:
        return
    flying = thinker.progress().in_flight
    with suppress(TraceError):
        thinker.traces.event(
            'driver',
            'interrupted',
            f'Interrupted: nothing more is launched, and the {flying} simulations in flight have '
            f'{thinker.context.policy.grace:g} s to finish. Interrupt again to end at once.',
            level='warning',
            in_flight=flying,
        )


class Watch:
    """Waits for the end of a campaign and keeps its servers up. Used in the main thread, on which these depend."""

    def __init__(
        self,
        thinker: Thinker,
        engine: Engine,
        queues: SecureRedisQueues,
        redis: EmbeddedRedis | None,
        interrupts: Interrupts,
    ) -> None:
        """Args: what to watch; ``redis`` is None where the server is someone else's."""
        self._thinker = thinker
        self._engine = engine
        self._queues = queues
        self._redis = redis
        self._interrupts = interrupts
        self._engine_deaths = Deaths()
        self._redis_deaths = Deaths()
        self._was_away = False
        self._refusal: str | None = None
        self._ending_since: float | None = None
        self._hurried_since: float | None = None

    def until_the_end(self) -> bool:
        """Wait until the campaign has ended.

        Returns:
            Whether the agents have. Where not, something holds one of them up, and the process must be ended without.

        Raises:
            ConfigurationError: If the task server will not do as it is configured, and nothing has come of the run yet.
        """
        while self._thinker.is_alive():
            self._thinker.join(_LOOK)
            if not self._thinker.is_alive():
                break
            try:
                self._look()
            except TraceError as error:
                self._thinker.fail(f'The trace could not be written: {error}')
            if self._is_late():
                logger.error('The agents do not end; the driver goes on without them.')
                return False
        if self._refusal is not None and not self._queues.received:
            raise ConfigurationError(self._refusal)
        return True

    def _look(self) -> None:
        self._look_after_redis()
        self._look_after_messages()
        if self._thinker.outcome is None:
            self._look_after_patience()
            self._look_after_engine()

    def _look_after_redis(self) -> None:
        server = self._redis
        if server is None or server.is_alive():
            return
        deaths = self._redis_deaths.count(self._queues.received)
        logger.error('The Redis server died. Its log ends: %s', server.log_tail())
        if deaths > RESTARTS:
            self._redis = None
            self._thinker.fail(f'The Redis server died {deaths} times without a result in between.')
            return
        try:
            server.start()
        except EngineError as error:
            self._redis = None
            self._thinker.fail(str(error))
            return
        self._tell('redis_restarted', 'The Redis server died and was started again, with what it held.', deaths=deaths)
        self._was_away = True

    def _look_after_messages(self) -> None:
        """A server that was away may have come back without what it held."""
        was_away, self._was_away = self._was_away, self._queues.is_away
        if was_away and not self._was_away:
            self._thinker.call_roll()

    def _look_after_patience(self) -> None:
        try:
            self._queues.check_patience()
        except QueuesLostError as error:
            self._thinker.fail(str(error))

    def _look_after_engine(self) -> None:
        engine = self._engine
        if engine.alive() or self._queues.is_away:  # without Redis it would only die again
            return
        self._refusal = engine.refusal
        if self._refusal is not None:
            self._thinker.fail(self._refusal)
            return
        deaths = self._engine_deaths.count(self._queues.received)
        tail = engine.log_tail()
        logger.error('The task server died. Its log ends:\n%s', tail)
        if deaths > RESTARTS:
            self._thinker.fail(
                f'The task server died {deaths} times without a result in between; its log is {engine.log_file}.'
            )
            return
        try:
            engine.start()
        except EngineError as error:
            self._thinker.fail(str(error))
            return
        self._tell('task_server_died', 'The task server died and was started again.', deaths=deaths, log=tail)
        self._thinker.call_roll()

    def _tell(self, event: str, message: str, **facts: object) -> None:
        self._thinker.traces.event('driver', event, message, level='warning', **facts)

    def _is_late(self) -> bool:
        """Whether the agents have had the time they may take to end."""
        if self._thinker.outcome is None:
            return False
        now = time.monotonic()
        self._ending_since = self._ending_since or now
        if self._interrupts.count > 1:
            self._hurried_since = self._hurried_since or now
        if self._hurried_since is not None and now - self._hurried_since > _END_AT_ONCE_SECONDS:
            return True
        return now - self._ending_since > self._thinker.context.policy.grace + _END_SECONDS
