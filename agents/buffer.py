"""Candidates that are ready to be simulated, in the order in which they will be."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, KeysView
from dataclasses import dataclass

from scoutbee.contracts.candidates import Candidate


@dataclass(frozen=True)
class Attempt:
    """A candidate about to be simulated for the ``number``-th time.

    Attributes:
        candidate: It.
        number: From 1.
        after_loss: Whether it replaces an attempt that was lost.
        is_copy: Whether it runs beside another that takes long.
        is_owed: Whether an observation called for it, so that no ranking may call it back.
    """

    candidate: Candidate
    number: int = 1
    after_loss: bool = False
    is_copy: bool = False
    is_owed: bool = False


class CandidateBuffer:
    """Three lanes: attempts to repeat, follow-ups of observations, and the top of the newest ranking.

    The first two hold work the campaign is owed and survive a new ranking; the third is replaced by it. The ranking
    itself stays behind as an iterator, from which the third lane is refilled. What was given back, because a ranking
    preferred others, leaves again when a ranking brings it up, or when there is nothing else. No key is handed out
    twice, except to repeat an attempt, or after it was given back; a key is never in the lane of repeats twice.
    Not thread-safe: its owner holds a lock.
    """

    def __init__(self, size: int) -> None:
        """Args: size: How many candidates of a ranking to keep ready."""
        self.size = size
        self._repeats: OrderedDict[str, Attempt] = OrderedDict()
        self._follow_ups: deque[Candidate] = deque()
        self._ranked: deque[Candidate] = deque()
        self._given_back: OrderedDict[str, Candidate] = OrderedDict()
        self._waiting: set[str] = set()
        self._handed_out: set[str] = set()
        self._source: Iterator[Candidate] = iter(())
        self._source_is_dry = True

    def __len__(self) -> int:
        ready = len(self._repeats) + len(self._follow_ups) + len(self._ranked)
        if self._source_is_dry:
            ready += sum(key not in self._waiting for key in self._given_back)
        return ready

    @property
    def has_repeats(self) -> bool:
        """Whether an attempt is to be repeated."""
        return bool(self._repeats)

    def repeating(self) -> KeysView[str]:
        """Keys of the candidates of which an attempt is to be repeated."""
        return self._repeats.keys()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is ready."""
        if self._repeats or self._follow_ups or self._ranked:
            return False
        return not (self._source_is_dry and self._given_back)  # with empty lanes, nothing of it waits in them

    @property
    def is_low(self) -> bool:
        """Whether fewer than half of the ranked candidates are left and there are more to be had."""
        return not self._source_is_dry and 2 * len(self._ranked) < self.size

    @property
    def is_spent(self) -> bool:
        """Whether nothing is ready and nothing more can be drawn from the ranking."""
        return self._source_is_dry and self.is_empty

    def was_handed_out(self, key: str) -> bool:
        """Whether the candidate was taken from the buffer before, in this process or a resumed one."""
        return key in self._handed_out

    def mark_handed_out(self, keys: Iterable[str]) -> None:
        """Count candidates as taken: on resume, and what is known without being simulated."""
        for key in keys:
            self._hand_out(key)

    def give_back(self, candidate: Candidate) -> None:
        """Count a candidate as not handed out after all."""
        self._handed_out.discard(candidate.key)
        self._given_back[candidate.key] = candidate

    def repeat(self, attempt: Attempt) -> None:
        """Put an attempt that must be repeated before everything else; it replaces another at the same candidate."""
        self._repeats[attempt.candidate.key] = attempt
        self._hand_out(attempt.candidate.key)

    def drop_repeat(self, key: str) -> None:
        """Repeat no attempt at this candidate."""
        self._repeats.pop(key, None)

    def follow_up(self, candidates: Iterable[Candidate]) -> int:
        """Add candidates that an observation called for; returns how many were new."""
        fresh = [c for c in candidates if self._admit(c)]
        self._follow_ups.extend(fresh)
        return len(fresh)

    def replace(self, source: Iterator[Candidate]) -> list[Candidate]:
        """Drop what was ranked before, take a new ranking, and fill up; returns what is now ready, best first."""
        self._waiting.difference_update(c.key for c in self._ranked)
        self._ranked.clear()
        self._source = source
        self._source_is_dry = False
        self.refill()
        return list(self._ranked)

    def refill(self) -> int:
        """Fill the ranked lane up to its size; returns how many were added."""
        added = 0
        while len(self._ranked) < self.size:
            candidate = next(self._source, None)
            if candidate is None:
                self._source_is_dry = True
                break
            if self._admit(candidate):
                self._ranked.append(candidate)
                added += 1
        return added

    def pop(self) -> Attempt | None:
        """The next candidate to simulate, or None if nothing is ready."""
        if self._repeats:
            return self._repeats.popitem(last=False)[1]
        if self._follow_ups:
            return self._first(self._follow_ups.popleft(), is_owed=True)
        if self._ranked:
            return self._first(self._ranked.popleft())
        if self._given_back and self._source_is_dry:
            return self._first(next(iter(self._given_back.values())))
        return None

    def _first(self, candidate: Candidate, *, is_owed: bool = False) -> Attempt:
        self._waiting.discard(candidate.key)
        self._hand_out(candidate.key)
        return Attempt(candidate, is_owed=is_owed)

    def _hand_out(self, key: str) -> None:
        self._handed_out.add(key)
        self._given_back.pop(key, None)

    def _admit(self, candidate: Candidate) -> bool:
        if candidate.key in self._handed_out or candidate.key in self._waiting:
            return False
        self._waiting.add(candidate.key)
        return True
