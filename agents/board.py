"""The board on which agents leave each other word: one lock, one condition, and all they share."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.campaign import Snapshot
from scoutbee.contracts.candidates import Candidate, Objective, Observation
from scoutbee.contracts.policy import Policy
from scoutbee.contracts.storage import Loan

from .buffer import Attempt, CandidateBuffer
from .learning import Learning


@dataclass(frozen=True)
class Flight:
    """A simulation that was sent and is not back."""

    attempt: Attempt
    deadline: float
    loan: Loan


@dataclass
class Counts:
    """Candidates by what became of them, resumptions included."""

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    quarantined: int = 0
    resubmitted: int = 0
    found: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended: a status of ``summary.json`` and the reason in one line."""

    status: str
    reason: str


@dataclass
class _Rows:
    """Row numbers that only grow in number; a view costs nothing."""

    values: NDArray[np.int64] = field(default_factory=lambda: np.empty(64, dtype=np.int64))
    used: int = 0

    def append(self, row: int) -> None:
        if self.used == len(self.values):
            self.values = np.concatenate([self.values, np.empty_like(self.values)])
        self.values[self.used] = row
        self.used += 1

    def view(self) -> NDArray[np.int64]:
        return self.values[: self.used]


class Board:
    """Everything the agents share. Every public method may be called from any agent."""

    def __init__(self, policy: Policy, objective: Objective, n_chunks: int, done: threading.Event) -> None:
        """Args are what the campaign and its policy say; ``done`` is Colmena's event that ends the Thinker."""
        self.policy = policy
        self.objective = objective
        self.done = done
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self.buffer = CandidateBuffer(policy.buffer_size)
        self.learning = Learning(n_chunks)
        self.counts = Counts()
        self.observations: list[Observation] = []
        self.best: Observation | None = None
        self.flights: dict[str, Flight] = {}
        self.open: dict[str, Candidate] = {}
        self.finished: set[str] = set()
        self.kills: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.rankings = 0
        self.ranked_generation: int | None = None
        self.rankings_asked = 0
        self.rankings_answered = 0
        self.ranking_since: float | None = None
        self.outcome: Outcome | None = None
        self.started = time.monotonic()
        self._rows = _Rows()
        self._drain_until = float('inf')

    # -- waiting ------------------------------------------------------------------------------------------------

    def wait(self, ready: Callable[[], bool], timeout: float = 1.0) -> bool:
        """Wait until something holds, the campaign ends or the time is up; returns whether it holds."""
        with self.lock:
            self._changed.wait_for(lambda: ready() or self.done.is_set(), timeout)
            return ready()

    def notify(self) -> None:
        """Wake every agent that waits for a change."""
        with self.lock:
            self._changed.notify_all()

    # -- the end ------------------------------------------------------------------------------------------------

    def end(self, status: str, reason: str, *, grace: float = 0.0) -> bool:
        """End the campaign; the first call says why. Returns whether this was it."""
        with self.lock:
            if self.outcome is not None:
                return False
            self.outcome = Outcome(status, reason)
            self._drain_until = time.monotonic() + grace
            self.done.set()
            self._changed.notify_all()
            return True

    def stop_draining(self) -> None:
        """Wait for nothing more that is in flight."""
        with self.lock:
            self._drain_until = 0.0

    @property
    def is_drained(self) -> bool:
        """Whether the campaign has ended and nothing more is waited for."""
        with self.lock:
            return self.done.is_set() and (not self.flights or time.monotonic() >= self._drain_until)

    # -- candidates ---------------------------------------------------------------------------------------------

    @property
    def wants_more(self) -> bool:
        """Whether the campaign still needs candidates beyond those under way."""
        return self.counts.succeeded + len(self.open) < self.policy.search_size

    @property
    def may_launch(self) -> bool:
        """Whether the launcher may send the next candidate now."""
        return not self._is_paused and (self.buffer.has_repeats or (self.wants_more and len(self.buffer) > 0))

    @property
    def _is_paused(self) -> bool:
        """Whether launching waits for the models: from the moment they should learn until they have ranked."""
        if self.policy.pause_during_update != 'launch':
            return False
        return self.learning.update is not None or self.ranking_is_due or self.training_reason() is not None

    def take(self, lend: Callable[[Candidate], Loan]) -> Attempt | None:
        """Take the best candidate from the buffer and count it as in flight; None if none may be launched."""
        with self.lock:
            attempt = self._pop()
            if attempt is None:
                return None
            candidate = attempt.candidate
            deadline = time.monotonic() + self.policy.simulation_lease
            self.flights[candidate.key] = Flight(attempt, deadline, lend(candidate))
            if candidate.key not in self.open:
                self.open[candidate.key] = candidate
                self.counts.submitted += 1
                self.mark_row(candidate.row)
            if attempt.after_loss:
                self.counts.resubmitted += 1
            self._changed.notify_all()
            return attempt

    def _pop(self) -> Attempt | None:
        while self.may_launch:
            attempt = self.buffer.pop()
            # A repeat is pointless once a late result of an earlier attempt has arrived after all.
            if attempt is None or attempt.candidate.key not in self.finished:
                return attempt
        return None

    def mark_row(self, row: int | None) -> None:
        """Count a row of the search space as taken."""
        if row is not None:
            self._rows.append(row)

    def land(self, key: str, number: int) -> Flight | None:
        """A result came back: end that very attempt's flight; None if it was not in flight."""
        with self.lock:
            flight = self.flights.get(key)
            if flight is None or flight.attempt.number != number:
                return None
            del self.flights[key]
            self._changed.notify_all()
            return flight

    def overdue(self) -> list[Flight]:
        """End the flights whose lease has run out, oldest first, and return them."""
        now = time.monotonic()
        with self.lock:
            late = []
            for key, flight in self.flights.items():  # in order of launch, so of deadline
                if flight.deadline > now:
                    break
                late.append(key)
            return [self.flights.pop(key) for key in late]

    def repeat(self, attempt: Attempt, *, lost: bool) -> None:
        """Queue a further attempt at a candidate, before everything else."""
        with self.lock:
            self.buffer.repeat(Attempt(attempt.candidate, attempt.number + 1, after_loss=lost))
            self._changed.notify_all()

    def observe(self, observation: Observation, follow_ups: Iterable[Candidate] = ()) -> None:
        """Count an observation that is on disk."""
        with self.lock:
            self._finish(observation.candidate.key)
            self.observations.append(observation)
            self.counts.succeeded += 1
            if self.objective.is_found(observation.value):
                self.counts.found += 1
            if observation.value is not None and (self.best is None or self._beats_best(observation.value)):
                self.best = observation
            self.buffer.follow_up(follow_ups)
            self._changed.notify_all()

    def _beats_best(self, value: float) -> bool:
        assert self.best is not None
        assert self.best.value is not None
        return self.objective.sign * value > self.objective.sign * self.best.value

    def give_up(self, key: str, cause: str, *, quarantined: bool) -> None:
        """Count a candidate that will have no observation."""
        with self.lock:
            self._finish(key)
            self.causes[cause] += 1
            if quarantined:
                self.counts.quarantined += 1
            else:
                self.counts.failed += 1
            self._changed.notify_all()

    def _finish(self, key: str) -> None:
        self.open.pop(key, None)
        self.finished.add(key)

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
            self._changed.notify_all()

    @property
    def ranking_is_due(self) -> bool:
        """Whether a ranking was asked for and none has been made since."""
        return self.rankings_asked > self.rankings_answered

    def training_reason(self) -> str | None:
        """Why a training round should start now, or None; what came during an update is thereby remembered."""
        learning = self.learning
        if learning.update is not None:
            return None
        if learning.training_wanted is not None:
            return learning.training_wanted
        if self.unlearned >= self.policy.retrain_frequency:
            return f'{self.unlearned} new observations'
        return None

    def snapshot(self) -> Snapshot:
        """What is known now, as the campaign is shown it."""
        with self.lock:
            return Snapshot(
                observations=tuple(self.observations),
                taken_rows=self._rows.view(),
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
