"""The board on which agents leave each other word: one lock, one condition, and all they share."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from scoutbee.contracts.campaign import Snapshot
from scoutbee.contracts.candidates import Candidate, Objective
from scoutbee.contracts.policy import Policy
from scoutbee.contracts.storage import Loan

from .buffer import Attempt
from .bulletin import Outcome
from .candidacies import Candidacies
from .flights import Flight
from .horizon import Horizon
from .learning import Learning

__all__ = ['Board', 'Outcome']

COPY_AFTER = 2.0
"""A simulation out for longer than this many medians may be sent a second time, where the policy says so."""

KNOWN_RUN_TIMES = 10
"""Simulations that must have come back before the time of another is compared with their median."""


class Board(Candidacies):
    """Everything the agents share. Every public method may be called from any agent."""

    def __init__(self, policy: Policy, objective: Objective, n_chunks: int, done: threading.Event) -> None:
        """Args are what the campaign and its policy say; ``done`` is Colmena's event that ends the Thinker."""
        super().__init__(policy, objective, done)
        self.learning = Learning(n_chunks)
        self.horizon = Horizon(policy.max_hours)
        self.rankings = 0
        self.ranked_generation: int | None = None
        self.rankings_asked = 0
        self.rankings_answered = 0
        self.ranking_since: float | None = None

    # -- launching ----------------------------------------------------------------------------------------------

    @property
    def wants_more(self) -> bool:
        """Whether the campaign still needs candidates beyond those under way."""
        return self.counts.succeeded + len(self.open) < self.policy.search_size

    @property
    def may_launch(self) -> bool:
        """Whether the launcher may send the next candidate now."""
        return self.hold_up() is None

    def hold_up(self) -> str | None:
        """Why nothing may be launched, or None if something may.

        ``complete``: no more is wanted. ``horizon``: it would not be done in the time allowed. ``paused``: the models
        are waited for. ``buffer``: nothing is ready.
        """
        if not self.buffer.has_repeats and not self.wants_more:
            return 'complete'
        if not self.horizon.allows(self.run_times):
            return 'horizon'
        if self._is_paused:
            return 'paused'
        return 'buffer' if self.buffer.is_empty else None

    @property
    def _is_paused(self) -> bool:
        """Whether launching waits for the models: from the moment they should learn until they have ranked."""
        if self.policy.pause_during_update != 'launch':
            return False
        return (
            self.learning.update is not None
            or self.ranking_is_due
            or self.training_reason() is not None
            or self.is_deciding  # it may be the result that calls for training
        )

    def take(self, lend: Callable[[Candidate], Loan]) -> Flight | None:
        """Take the best candidate from the buffer and count it as in flight; None if none may be launched.

        Args:
            lend: Lends a candidate's arguments; called without the lock. If it raises, the attempt is due again.
        """
        with self.lock:
            attempt = self.buffer.pop() if self.may_launch else None
            if attempt is None:
                return None
            self._open(attempt)
        return self._fly(attempt, lend)

    def worth_a_copy(self) -> Flight | None:
        """The slowest simulation that may be sent a second time.

        None where something else can be launched or nothing may be, or where none is out for longer than
        ``COPY_AFTER`` medians that has no copy yet.
        """
        with self.lock:
            blocked = self.hold_up()
            nothing_left = blocked == 'complete' or (blocked == 'buffer' and self.buffer.is_spent)
            if not nothing_left or not self.horizon.allows(self.run_times):
                return None
            slowest, limit = self.flights.slowest_alone(), self._medians(COPY_AFTER)
            return slowest if slowest is not None and slowest.seconds_out() > limit else None

    def copy(self, slow: Flight, loan: Loan) -> Flight | None:
        """Count a second attempt beside a flight as in flight; None if that is not worth it any more."""
        with self.lock:
            if not self.flights.may_be_copied(slow):
                return None
            number = self.flights.next_number(slow.attempt)
            return self.flights.add(Attempt(slow.candidate, number, is_copy=True), loan, self.policy.simulation_lease)

    def stragglers(self) -> list[Flight]:
        """Flights that take far longer than those that came back, oldest first; each is told once."""
        with self.lock:
            return self.flights.stragglers(self._medians(self.policy.straggler))

    def _medians(self, count: float) -> float:
        """So many medians of the seconds that those took which came back; infinite where too few have."""
        median = self.run_times.median()
        return math.inf if median is None or len(self.run_times) < KNOWN_RUN_TIMES else count * median

    def is_out_of_time(self) -> bool:
        """Whether the time that is left suffices for nothing more, and nothing is out."""
        with self.lock:
            is_learning = self.learning.update is not None or self.ranking_is_due
            if self.horizon.hours is None or self.is_awaiting or is_learning:
                return False
            blocked = self.hold_up()
            return blocked == 'horizon' or (
                blocked == 'buffer' and self.buffer.is_spent and self._training_is_too_long()
            )

    # -- learning -----------------------------------------------------------------------------------------------

    @property
    def unlearned(self) -> int:
        """Observations made since the last training round began."""
        return len(self.observations) - self.learning.trained_on

    def ask_for_ranking(self, since: float | None) -> None:
        """A ranking can be made, of an update that began at ``since`` (seconds since the epoch)."""
        with self.lock:
            self.rankings_asked += 1
            self.ranking_since = since
            self.notify()

    @property
    def ranking_is_due(self) -> bool:
        """Whether a ranking was asked for and none has been made since."""
        return self.rankings_asked > self.rankings_answered

    def training_reason(self) -> str | None:
        """Why a training round should start now, or None; what came during an update is thereby remembered."""
        learning = self.learning
        if learning.update is not None or self._training_is_too_long():
            return None
        if learning.training_wanted is not None:
            return learning.training_wanted
        if self.unlearned >= self.policy.retrain_frequency:
            return f'{self.unlearned} new observations'
        return None

    def _training_is_too_long(self) -> bool:
        return not self.horizon.allows(self.learning.run_times)

    def snapshot(self, reconsidered: Collection[Candidate] = ()) -> Snapshot:
        """What is known now, as the campaign is shown it; the rows of what is reconsidered do not count as taken."""
        with self.lock:
            taken = self._rows.view()
            if reconsidered:
                taken = taken[~np.isin(taken, [c.row for c in reconsidered if c.row is not None])]
            return Snapshot(
                observations=tuple(self.observations),
                taken_rows=taken,
                models=dict(self.learning.models),
                generation=self.learning.generation,
            )

    def is_starved(self) -> bool:
        """Whether nothing is ready, under way, or being learned."""
        return (
            self.buffer.is_spent
            and not self.open  # in flight, or back and not yet counted: follow-ups may come of it
            and self.learning.update is None
            and not self.ranking_is_due
            and self.training_reason() is None
        )

    def facts(self) -> dict[str, Any]:
        """The counts, for an event's record."""
        with self.lock:
            return {**vars(self.counts), 'in_flight': len(self.flights), 'buffered': len(self.buffer)}
