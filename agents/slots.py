"""Slots: how many tasks of each kind may run, and how they move between kinds."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping

from colmena.thinker.resources import ResourceCounter

from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.policy import Policy, SlotMove, Slots
from scoutbee.traces.writer import TraceWriter

_RESERVE = 'reserve'
_CHECK = 0.1


class SlotCounter(ResourceCounter):
    """Colmena's counter, with an ``acquire`` that never loses a slot.

    Colmena's own drops a slot that is granted in the moment the time runs out, and looks for the end of the campaign
    only once a second.
    """

    def acquire(
        self, task: str | None, n_slots: int, timeout: float = -1.0, cancel_if: threading.Event | None = None
    ) -> bool:
        """Reserve slots of one kind; all of them or none.

        Args:
            task: The kind; None for slots that no kind has.
            n_slots: How many.
            timeout: Longest wait in seconds; negative to wait without a limit.
            cancel_if: Give up when this is set.

        Returns:
            Whether they are reserved.
        """
        deadline = time.monotonic() + timeout if timeout >= 0 else math.inf

        def is_hopeless() -> bool:
            return time.monotonic() >= deadline or (cancel_if is not None and cancel_if.is_set())

        def wait() -> float:
            return max(0.0, min(_CHECK, deadline - time.monotonic()))

        turn = self._availability_lock[task]
        while not turn.acquire(timeout=wait()):
            if is_hopeless():
                return False
        reserved = 0
        try:
            while reserved < n_slots:
                if self._availability[task].acquire(timeout=wait()):
                    reserved += 1
                elif is_hopeless():
                    break
        finally:
            turn.release()
        if reserved == n_slots:
            return True
        self.release(task, reserved)
        return False


def make_slots(slots: Slots, prefetch: int) -> SlotCounter:
    """A resource counter with the policy's slots handed to their kinds; the reserve stays unallocated.

    Args:
        slots: Slots of each kind.
        prefetch: Simulations to keep queued beyond the workers; they need slots of their own.
    """
    counts = {'simulate': slots.simulate + prefetch, 'train': slots.train, 'infer': slots.infer}
    counter = SlotCounter(sum(counts.values()) + slots.reserve, list(KINDS))
    for kind, count in counts.items():
        counter.reallocate(None, kind, count)
    return counter


class SlotMover:
    """Carries out the policy's slot moves, each in the background: it waits for slots in use to come free."""

    def __init__(self, policy: Policy, counter: ResourceCounter, traces: TraceWriter, done: threading.Event) -> None:
        """Args are the parts of the Thinker it acts on."""
        self._moves = policy.slot_moves
        self._counter = counter
        self._traces = traces
        self._done = done
        self._happened: Counter[str] = Counter()

    def catch_up(self, happened: Mapping[str, int]) -> None:
        """On resume: take the events of before as having happened, and repeat the moves that came of them."""
        for event, times in happened.items():
            self._happened[event] = times
            for move in self._moves:
                if move.on == event and move.nth is not None and move.nth <= times:
                    self._start(move)

    def happened(self, event: str) -> None:
        """Carry out the moves that an event calls for."""
        self._happened[event] += 1
        for move in self._moves:
            if move.on == event and move.nth in (None, self._happened[event]):
                self._start(move)

    def _start(self, move: SlotMove) -> None:
        source = None if move.source == _RESERVE else move.source
        target = None if move.target == _RESERVE else move.target
        held = self._counter.unallocated_slots if source is None else self._counter.allocated_slots(source)
        count = min(move.count, held)
        if count == 0 or source == target:
            return
        self._traces.event(
            'thinker',
            'slots_moved',
            f'{count} slot(s) go from {move.source} to {move.target} as they come free.',
            source=move.source,
            target=move.target,
            count=count,
            on=move.on,
        )
        self._counter.reallocate(source, target, count, block=False, cancel_if=self._done)
