"""How many simulations are kept ready beyond the workers."""

from __future__ import annotations

from scoutbee.contracts.campaign import SIMULATE

from .context import Context

_WAIT_SECONDS = 1.0
"""One simulation is kept ready for each worker, unless it would wait for longer than this until its turn comes …"""

_COVER_SECONDS = 0.1
"""… and more of them while all that are ready for a worker take no longer than this: a decision may take as long."""

_MOST = 16
"""But no more than so many for a worker."""

_KNOWN = 8
_NEWEST_SHARE = 0.1


class Ahead:
    """Keeps simulations ready beyond the workers, as many as the policy says or as suit how long they take.

    A worker that is done should find its next task at hand, rather than wait until its result has come to the driver,
    a decision was made and a task has travelled back. But what is sent was chosen by what was known then. So there are
    as many as hide the way, where simulations are short, and none where they are long.
    """

    def __init__(self, context: Context) -> None:
        """Args: context: The parts of the running campaign."""
        self._context = context
        self._is_fixed = context.policy.prefetch is not None
        self._seconds = 0.0
        self._known = 0

    def note(self, seconds: float) -> None:
        """A simulation took a worker so long."""
        if self._is_fixed or not seconds >= 0:  # not a number where the worker could not tell
            return
        self._known += 1
        self._seconds += max(_NEWEST_SHARE, 1 / self._known) * (seconds - self._seconds)
        if self._known >= _KNOWN:
            workers = self._context.simulation_workers()
            count = int(workers * ready_for_each(self._seconds))
            self._context.slots.set_ahead(SIMULATE, min(count, self._context.policy.buffer_size // 2))


def ready_for_each(seconds: float) -> float:
    """How many simulations to keep ready for each worker where one takes so long."""
    if seconds * _MOST <= _COVER_SECONDS:
        return _MOST
    return max(min(1.0, _WAIT_SECONDS / seconds), _COVER_SECONDS / seconds)
