"""Threads that share the blocks of one piece of work after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

T = TypeVar('T')


class Team:
    """The calling thread and some more, which live until the ``with`` block ends.

    Attributes:
        threads: How many they are.
    """

    def __init__(self, threads: int) -> None:
        """Args: threads: How many, at least 1; those beyond the calling one start when there is work for them."""
        self.threads = threads
        self._others = ThreadPoolExecutor(max(threads - 1, 1))

    def share(self, blocks: Iterable[T], work: Callable[[T, int], None]) -> None:
        """Call ``work`` with each block, and the number of the thread it runs in, from 0; returns when all is done.

        Whoever is free takes the next block, so that no thread waits for one whose core has something else to do.
        """
        waiting = deque(blocks)

        def take_turns(thread: int) -> None:
            while True:
                try:
                    block = waiting.popleft()
                except IndexError:
                    return
                work(block, thread)

        others = [self._others.submit(take_turns, thread) for thread in range(1, min(self.threads, len(waiting)))]
        try:
            take_turns(0)
        finally:
            for other in others:
                other.result()

    def __enter__(self) -> Team:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._others.shutdown()
