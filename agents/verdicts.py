"""What a failed attempt means for its candidate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from scoutbee.contracts.campaign import Adjustable
from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.errors import Failure, FailureKind

from .context import Context

LOSSES = frozenset({FailureKind.LOST, FailureKind.KILLED, FailureKind.CANCELLED})
"""Kinds that say nothing against a candidate, unless they come again and again."""

_CHANCE = (FailureKind.RANDOM, FailureKind.RESOURCE, FailureKind.UNREACHABLE)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a candidate.

    Attributes:
        outcome: As the trace names it.
        candidate: It, as it is to be tried again where the outcome is ``retried``.
        is_after_loss: Whether the attempt was lost rather than failed.
    """

    outcome: Literal['retried', 'failed', 'quarantined']
    candidate: Candidate
    is_after_loss: bool = False


class Judge:
    """Counts failures by kind and decides what helps against them, by the policy."""

    def __init__(self, context: Context) -> None:
        """Args: context: The parts of the running campaign."""
        self._context = context
        self._board = context.board
        self._policy = context.policy

    def judge(self, candidate: Candidate, failure: Failure) -> Verdict:
        """Count the failure of an attempt, and decide.

        Args:
            candidate: The candidate, with the arguments of that attempt.
            failure: Why it failed.
        """
        self._count(candidate.key, failure)
        if failure.kind in LOSSES:
            return Verdict('quarantined' if self._is_suspect(candidate.key) else 'retried', candidate, True)
        again = self._another_try(candidate, failure.kind)
        return Verdict('failed', candidate) if again is None else Verdict('retried', again)

    def _count(self, key: str, failure: Failure) -> None:
        with self._board.lock:
            if failure.kind in LOSSES:
                self._board.losses[key] += 1
                self._board.kills[key] += failure.kind is FailureKind.KILLED
            else:
                self._board.failures.setdefault(key, Counter())[failure.kind] += 1

    def _is_suspect(self, key: str) -> bool:
        board = self._board
        return board.kills[key] >= self._policy.worker_kills or board.losses[key] >= self._policy.losses

    def _another_try(self, candidate: Candidate, kind: FailureKind) -> Candidate | None:
        failures = self._board.failures[candidate.key]
        if kind in _CHANCE:
            tried, allowed = sum(failures[each] for each in _CHANCE), self._policy.simulation_retries
        elif kind is FailureKind.DEADLINE:
            tried, allowed = failures[kind], self._policy.deadline_retries
        elif kind is FailureKind.CONVERGENCE:
            return self._adjusted(candidate, failures[kind])
        else:
            return None
        return candidate if tried <= allowed else None

    def _adjusted(self, candidate: Candidate, tried: int) -> Candidate | None:
        campaign = self._context.campaign
        if not isinstance(campaign, Adjustable):
            return None
        with self._context.campaign_lock:
            return campaign.adjust(candidate, tried)
