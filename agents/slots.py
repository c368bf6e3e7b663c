"""Slots: how many tasks of each kind may run, and how they move between kinds."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from colmena.thinker.resources import ResourceCounter

from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.policy import Policy, SlotMove, Slots
from scoutbee.traces.history import MoveHistory
from scoutbee.traces.replay_events import SLOTS_MOVED
from scoutbee.traces.writer import TraceWriter

_RESERVE = 'reserve'
_CHECK = 0.1


class SlotCounter(ResourceCounter):
    """Colmena's counter, with an ``acquire`` that never loses a slot, and that knows since when each is free.

    Colmena's own drops a slot that is granted in the moment the time runs out, and looks for the end of the campaign
    only once a second.
    """

    def __init__(self, total_slots: int, task_types: Sequence[str]) -> None:
        """Args: total_slots: How many there are; task_types: Kinds they can be given to."""
        self._lock = threading.Lock()
        self._ahead: dict[str, int] = dict.fromkeys(task_types, 0)
        self._owed: dict[str | None, int] = dict.fromkeys((None, *task_types), 0)
        self._free_since: dict[str | None, deque[float]] = {kind: deque() for kind in (None, *task_types)}
        super().__init__(total_slots, task_types)

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
        return self._take(task, n_slots, timeout, cancel_if) is not None

    def acquire_oldest(self, task: str, timeout: float, cancel_if: threading.Event) -> float | None:
        """Reserve the slot of a kind that has been free for longest.

        Returns:
            Since when it was free, on the monotonic clock; None if none was to be had in time.
        """
        return self._take(task, 1, timeout, cancel_if)

    def acquire_now(self, task: str) -> float | None:
        """Reserve one more slot of a kind, if one is free and nobody waits for it.

        Returns:
            Since when it was free, on the monotonic clock; None if none was to be had.
        """
        turn = self._availability_lock[task]
        if not turn.acquire(blocking=False):
            return None
        try:
            return self._claim(task, 1) if self._availability[task].acquire(blocking=False) else None
        finally:
            turn.release()

    def set_ahead(self, task: str, count: int) -> None:
        """Have so many slots of a kind beyond those allocated to it; those in use go as they come free."""
        with self._lock:
            more = count - self._ahead[task] - self._owed[task]
            self._ahead[task] = count
            self._owed[task] = max(0, -more)
            while self._owed[task] and self._availability[task].acquire(blocking=False):
                self._owed[task] -= 1
                if self._free_since[task]:
                    self._free_since[task].popleft()
        if more > 0:
            self._freed(task, more)

    def put_back(self, task: str, free_since: float) -> None:
        """Give back a slot that was not used after all: it has been free all along."""
        with self._lock:
            self._free_since[task].appendleft(free_since)
            self._availability[task].release()

    def release(
        self, task: str | None = None, n_slots: int = 1, rerequest: bool = False, timeout: float = -1.0
    ) -> bool | None:
        """Give slots of one kind back, as Colmena's."""
        self._freed(task, n_slots)
        return self.acquire(task, n_slots, timeout) if rerequest else None

    def _take(self, task: str | None, n_slots: int, timeout: float, cancel_if: threading.Event | None) -> float | None:
        deadline = time.monotonic() + timeout if timeout >= 0 else math.inf

        def is_hopeless() -> bool:
            return time.monotonic() >= deadline or (cancel_if is not None and cancel_if.is_set())

        def wait() -> float:
            return max(0.0, min(_CHECK, deadline - time.monotonic()))

        turn = self._availability_lock[task]
        while not turn.acquire(timeout=wait()):
            if is_hopeless():
                return None
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
            return self._claim(task, n_slots)
        for _ in range(reserved):
            self._availability[task].release()
        return None

    def _freed(self, task: str | None, n_slots: int) -> None:
        with self._lock:
            paid = min(self._owed[task], n_slots)
            self._owed[task] -= paid
            n_slots -= paid
            self._free_since[task].extend([time.monotonic()] * n_slots)
            for _ in range(n_slots):
                self._availability[task].release()

    def _claim(self, task: str | None, n_slots: int) -> float:
        """Since when the oldest of the slots just reserved was free; one that was moved here counts from now on."""
        now = time.monotonic()
        with self._lock:
            since = self._free_since[task]
            oldest = since[0] if since else now
            for _ in range(min(n_slots, len(since))):
                since.popleft()
            return oldest


def make_slots(slots: Slots, prefetch: int | None) -> SlotCounter:
    """A resource counter with the policy's slots handed to their kinds; the reserve stays unallocated.

    Args:
        slots: Slots of each kind.
        prefetch: Simulations to keep queued beyond the workers; they need slots of their own. None if ``set_ahead`` is
            to decide.
    """
    counts = {'simulate': slots.simulate + (prefetch or 0), 'train': slots.train, 'infer': slots.infer}
    counter = SlotCounter(sum(counts.values()) + slots.reserve, list(KINDS))
    for kind, count in counts.items():
        counter.reallocate(None, kind, count)
        counter.acquire(kind, count)
        counter.release(kind, count)  # free from this moment
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

    def resume(self, moved: Sequence[MoveHistory], happened: Mapping[str, int]) -> None:
        """Repeat the moves of before, and carry out what was due and not done yet. Call it before a slot is in use.

        Args:
            moved: The moves that are in the ledger, in order.
            happened: How often each event has happened.
        """
        for before in moved:
            self._counter.reallocate(_pool(before.source), _pool(before.target), before.count)
        done = {(before.move, before.on, before.times) for before in moved}
        self._happened.update(happened)
        for event, times in happened.items():
            for number, move in self._called_for(event):
                if (number, event, times) not in done:
                    self._start(number, move)

    def happened(self, event: str) -> None:
        """Carry out the moves that an event calls for."""
        self._happened[event] += 1
        for number, move in self._called_for(event):
            self._start(number, move)

    def _called_for(self, event: str) -> list[tuple[int, SlotMove]]:
        """Moves to make when an event has happened as often as it has, by their place in the policy."""
        times = self._happened[event]
        moves = enumerate(self._moves)
        return [(n, move) for n, move in moves if times and move.on == event and move.nth in (None, times)]

    def _start(self, number: int, move: SlotMove) -> None:
        source, target = _pool(move.source), _pool(move.target)
        held = self._counter.unallocated_slots if source is None else self._counter.allocated_slots(source)
        count = min(move.count, held)
        if count == 0 or source == target:
            return
        self._traces.event(
            'thinker',
            SLOTS_MOVED,
            f'{count} slot(s) go from {move.source} to {move.target} as they come free.',
            source=move.source,
            target=move.target,
            count=count,
            move=number,
            on=move.on,
            times=self._happened[move.on],
        )
        self._counter.reallocate(source, target, count, block=False, cancel_if=self._done)


def _pool(name: str) -> str | None:
    return None if name == _RESERVE else name
