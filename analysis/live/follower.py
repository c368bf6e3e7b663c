"""Follows one run by reading its files, and nothing else."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from scoutbee.traces.errors import TraceError

from .driver_sign import DriverSign
from .facts import read_facts, stamp_of
from .glimpses import Glimpse
from .pacing import Pacer
from .state import CampaignState
from .tail import LedgerTail, ReplacedError

Phase = Literal['awaited', 'starting', 'running', 'ended', 'stopped', 'gone', 'unreadable']
"""Not there yet; a driver but no records; at work; ended in order; its driver is gone without a word; the directory is
gone; written by another version of Scoutbee, or not to be read for another reason."""

HEARD_SECONDS = 15.0
"""A run whose newest record is no older than this is taken to be at work, whatever its driver's signs say."""

MOST_HELD = 5000
"""Records that are read before they are due, at most about."""


class Follower:
    """The state of a run, brought up to date by :meth:`poll`. Not thread-safe: one thread polls and looks."""

    def __init__(self, run_dir: Path, *, pacer: Pacer | None = None, wall: Callable[[], float] = time.time) -> None:
        """Read nothing yet.

        Args:
            run_dir: The run directory, which need not exist yet.
            pacer: Says when records are due, where they are not taken as they come.
            wall: The time, in seconds since the epoch.
        """
        self.run_dir = Path(run_dir)
        self.facts = read_facts(self.run_dir)
        self.trouble: str | None = None
        """Why the run cannot be read, in a sentence."""
        self.life = 0
        """How often the run was begun anew under this name."""
        self._wall = wall
        self._pacer = pacer
        self._sign = DriverSign(self.run_dir, wall)
        self._stamp: tuple[int, ...] | None = None
        self._start_over()

    @property
    def share_read(self) -> float:
        """How much of the ledger has been read, 0 to 1."""
        return self._tail.share_read

    @property
    def is_behind(self) -> bool:
        """Whether more of the ledger is there than has been read."""
        return self._tail.is_behind and self.trouble is None and len(self._held) < MOST_HELD

    def poll(self) -> bool:
        """Read on, a few megabytes at most.

        Returns:
            Whether there was anything new.
        """
        changed = self._look_at_facts()
        if self.trouble is not None:
            return changed
        try:
            if len(self._held) < MOST_HELD:
                self._held.extend(self._tail.read())
        except ReplacedError:
            if self.run_dir.is_dir():
                self._start_over()
            return True
        except TraceError as error:
            self.trouble = str(error)
            return True
        taken = self._take_what_is_due()
        for problem in self._tail.problems:
            self.state.note(problem)
        changed = changed or taken or bool(self._tail.problems)
        self._tail.problems.clear()
        return changed

    def phase(self) -> Phase:
        """How the run stands."""
        if self.trouble is not None:
            return 'unreadable'
        if not self.run_dir.is_dir():
            return 'gone' if self.state.records else 'awaited'
        if self._held:
            return 'running'
        if self.state.ending is not None:
            return 'ended'
        if self._is_driven():
            return 'running' if self.state.records else 'starting'
        return 'stopped' if self.state.records else 'awaited'

    def now(self) -> float:
        """The moment that the run stands at, in seconds since the epoch: the present while it is at work."""
        newest = self.state.clock.newest
        played = self._pacer.moment() if self._pacer is not None and self._held else None
        if played is not None:
            return played
        return self._wall() if self.phase() == 'running' or newest is None else newest

    def _take_what_is_due(self) -> bool:
        taken = False
        while self._held and (self._pacer is None or self._pacer.is_due(self._held[0])):
            self._take(self._held.popleft())
            taken = True
        return taken

    def _take(self, record: Glimpse) -> None:
        try:
            self.state.take(record)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            # The facts of events and the choices of candidates have no schema; one that is odd ends no watch.
            self.state.note(f'The record with seq {record.seq} holds what was not expected there ({error}).')

    def _is_driven(self) -> bool:
        newest = self.state.clock.newest
        return self._sign.is_there() or (newest is not None and self._wall() - newest < HEARD_SECONDS)

    def _look_at_facts(self) -> bool:
        stamp = stamp_of(self.run_dir)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        if not any(stamp):
            return False  # gone, or not there yet: what was known of it is kept
        self.facts = read_facts(self.run_dir)
        self.state.search_size = self.facts.search_size
        if self.facts.objective != self.state.objective:
            self._start_over()  # what was found so far was judged by a guess
        return True

    def _start_over(self) -> None:
        self.life += 1
        self._tail = LedgerTail(self.run_dir)
        self._held: deque[Glimpse] = deque()
        self.state = CampaignState(self.facts.objective, self.facts.search_size)
