"""How often a campaign learns, what that takes in tasks, and how long on so many workers."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

from scoutbee.campaigns.options import LearningOptions
from scoutbee.contracts.policy import Policy


@dataclass(frozen=True)
class Rounds:
    """What a campaign over a fixed search space will do, if nothing fails.

    Attributes:
        remaining: Simulations that are still to succeed.
        between: Simulations between two trainings.
        count: Training rounds, at most; fewer where an update takes longer than those simulations.
        is_first_at_once: Whether the first round, or the first ranking by given models, comes before any simulation.
        members: Models trained in a round.
        chunks: Pieces of the search space that each model is asked about.
        chunk_size: Candidates in a piece, at most.
        passes: How often a round goes through all pieces, at most: models that are ready together are asked together.
    """

    remaining: int
    between: int
    count: int
    is_first_at_once: bool
    members: int
    chunks: int
    chunk_size: int
    passes: int

    @property
    def questions(self) -> int:
        """Inference tasks of a round, at most."""
        return self.passes * self.chunks


def plan_rounds(
    policy: Policy, learning: LearningOptions, candidates: int, known: int, done: int, has_models: bool
) -> Rounds:
    """What is ahead of a campaign.

    Args:
        policy: What its agents do when.
        learning: How it learns.
        candidates: Size of the search space.
        known: Values known before the campaign.
        done: Simulations that have succeeded already, of a run that goes on.
        has_models: Whether it starts from models trained before.
    """
    every, size = policy.retrain_frequency, policy.search_size
    # A round comes with every multiple of the frequency below the size of the search, from zero on.
    first = max(1 if has_models else 0, math.ceil((learning.minimum_observations - known) / every))
    is_first_at_once = not done and (has_models or first == 0)
    if done:
        first = max(first, done // every + 1)
    chunk_size = min(learning.candidates_per_task, candidates)
    return Rounds(
        remaining=max(0, size - done),
        between=min(every, size),
        count=max(0, math.ceil(size / every) - first),
        is_first_at_once=is_first_at_once,
        members=learning.model_count,
        chunks=math.ceil(candidates / chunk_size),
        chunk_size=chunk_size,
        passes=_passes(policy, learning.model_count),
    )


def _passes(policy: Policy, members: int) -> int:
    """With workers of their own, models are asked as they are trained; shared ones ask the first, then the others."""
    if not policy.share_learners:
        return members
    return min(members, 2) if policy.rerank == 'model' else 1


@dataclass(frozen=True)
class Learners:
    """Who learns.

    Attributes:
        train: Trainings at once.
        infer: Inference tasks at once.
        shared: Workers that do both; 0 where each kind has its own.
    """

    train: int
    infer: int
    shared: int = 0


def update_seconds(rounds: Rounds, learners: Learners, train_seconds: float, infer_seconds: float) -> float:
    """Time from the start of a training round until its last model has predicted everything.

    Args:
        rounds: What is trained and asked.
        learners: By whom.
        train_seconds: Time of one training.
        infer_seconds: Time in which one model is asked about one chunk. Asked together they take less, which is left
            out.
    """
    if learners.shared:
        return _in_turns(rounds, learners.shared, train_seconds, infer_seconds)
    trained = _ends([0.0] * learners.train, [0.0] * rounds.members, train_seconds)
    asked = [end for end in trained for _ in range(rounds.chunks)]
    return max(_ends([0.0] * learners.infer, asked, infer_seconds))


def _in_turns(rounds: Rounds, workers: int, train_seconds: float, infer_seconds: float) -> float:
    """Workers that do both train as many models as they are and ask these, then train all others and ask those."""
    first = min(workers, rounds.members)
    return sum(
        math.ceil(models / workers) * train_seconds + math.ceil(rounds.chunks / workers) * models * infer_seconds
        for models in (first, rounds.members - first)
    )


def _ends(free: list[float], ready: list[float], seconds: float) -> list[float]:
    """When tasks end that become ready at these times, in rising order, and take the first worker that is free."""
    ends = []
    for moment in ready:
        end = max(heapq.heappop(free), moment) + seconds
        heapq.heappush(free, end)
        ends.append(end)
    return ends
