"""What happened in a campaign so far, as its ledger tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.candidates import Candidate, Observation
from scoutbee.contracts.learning import ModelVersion

from .records import SelectionRecord


def _no_rows() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Unfinished:
    """A candidate that was sent and has neither an observation nor been given up.

    Attributes:
        candidate: The candidate, with the arguments it was last sent with.
        attempt: Newest attempt that was sent, from 1.
        task_id: Task of that attempt, where its submission says so.
        in_flight: Whether an attempt had not come back; False where a failure called for a retry not sent yet.
        failures: Attempts that came back failed, losses left out.
        losses: Attempts that were lost: resubmissions, and failures of kind ``lost`` that none has followed yet.
        owes_resubmission: Whether the newest attempt is known to be lost and was not sent again yet.
        kinds: Attempts that came back failed, by kind of failure.
    """

    candidate: Candidate
    attempt: int
    task_id: str | None
    in_flight: bool = True
    failures: int = 0
    losses: int = 0
    owes_resubmission: bool = False
    kinds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Tries:
    """Attempts at one training or inference that came to nothing.

    Attributes:
        attempt: Number of the newest of them, from 1; 0 before the first.
        failures: How many failed.
        losses: How many were lost, or called back, through no fault of the work.
    """

    attempt: int = 0
    failures: int = 0
    losses: int = 0


Work = tuple[ModelVersion, int | None]
"""A piece of learning: the training of a version, or its predictions of one chunk."""


@dataclass(frozen=True)
class KeptChunk:
    """Predictions of one model for one chunk that were recorded.

    Attributes:
        file: Where they are kept, relative to the run directory; None where they could not be.
        offset: Where in that file the answer begins that they are part of, in bytes.
        row: Which of its rows they are.
    """

    file: str | None
    offset: int | None
    row: int


@dataclass(frozen=True)
class Basis:
    """What was known when something was decided.

    Attributes:
        observations: How many observations there were.
        taken_rows: Rows of the search space that counted as taken, in the order sent; shape (taken,), int64.
        models: Newest trained model of each member, and its file relative to the run directory.
        generation: Training rounds started.
    """

    observations: int = 0
    taken_rows: NDArray[np.int64] = field(default_factory=_no_rows)
    models: Mapping[ModelVersion, str] = field(default_factory=dict)
    generation: int = 0


@dataclass(frozen=True)
class Round:
    """A training round that was started.

    Attributes:
        generation: Its number, from 1.
        members: Ensemble members that take part.
        started: When it began, seconds since the epoch.
        rows: Size of the data it learns from.
        basis: What was known when it was planned.
    """

    generation: int
    members: frozenset[int]
    started: float
    rows: int
    basis: Basis


@dataclass(frozen=True)
class MoveHistory:
    """Slots that were moved.

    Attributes:
        move: Place of the move in the policy.
        on: What called for it.
        times: How often that had happened then.
        source: Pool the slots came from.
        target: Pool they went to.
        count: How many.
    """

    move: int
    on: str
    times: int
    source: str
    target: str
    count: int


@dataclass(frozen=True)
class LearningHistory:
    """What was learned so far.

    Attributes:
        models: Newest trained model of each member, and its file relative to the run directory.
        trained: Every model that was trained, and its file.
        round: The newest training round; None before the first.
        decided_on: Observations seen by the newest decision about training, whether a round was started or put off;
            None before the first.
        retrains: Training rounds that produced a model.
        left_out: Models that were given up: their training or asking them failed too often.
        tries: What came to nothing of the newest round.
        predictions: Chunks that were predicted, by model; of each member those of the model in the newest ranking and
            of later ones.
        failed_updates: Updates in a row that came to nothing, up to the last that was recorded.
        failed_generation: Generation of that one; None if a ranking by a later model was made since.
    """

    models: Mapping[ModelVersion, str] = field(default_factory=dict)
    trained: Mapping[ModelVersion, str] = field(default_factory=dict)
    round: Round | None = None
    decided_on: int | None = None
    retrains: int = 0
    left_out: frozenset[ModelVersion] = frozenset()
    tries: Mapping[Work, Tries] = field(default_factory=dict)
    predictions: Mapping[ModelVersion, Mapping[int, KeptChunk]] = field(default_factory=dict)
    failed_updates: int = 0
    failed_generation: int | None = None


@dataclass(frozen=True)
class History:
    """What happened in a campaign so far.

    Attributes:
        observations: In the order they were recorded.
        unfinished: In the order they were last sent.
        failed: Keys of candidates given up, in order.
        quarantined: Keys of candidates given up because they took workers down, in order.
        taken_keys: Keys of all candidates that were ever sent and not called back.
        taken_rows: Their rows in the search space, where they have one, in the order sent; shape (taken,), int64.
        withdrawn: Candidates that were called back before they began and not sent since, in that order.
        submitted: Candidates sent; further attempts at one are not counted.
        lost_and_resubmitted: Attempts that were lost and sent again.
        learning: What was learned.
        rankings: Rankings made.
        last_selection: The newest of them.
        selection_basis: What that one was made on.
        slot_moves: Slots that were moved, in order.
        happened: How often there was what slots can move on: ``training``, ``trained`` and ``ranking``.
        resumed: Times the campaign was taken up again.
        started: When the first record was written, seconds since the epoch.
        seconds: How long drivers worked on it, from the first record of each to its last.
        last_seq: Sequence number of the last one; 0 in an empty directory.
    """

    observations: tuple[Observation, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    failed: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    taken_keys: frozenset[str] = frozenset()
    taken_rows: NDArray[np.int64] = field(default_factory=_no_rows)
    withdrawn: tuple[Candidate, ...] = ()
    submitted: int = 0
    lost_and_resubmitted: int = 0
    learning: LearningHistory = field(default_factory=LearningHistory)
    rankings: int = 0
    last_selection: SelectionRecord | None = None
    selection_basis: Basis = field(default_factory=Basis)
    slot_moves: tuple[MoveHistory, ...] = ()
    happened: Mapping[str, int] = field(default_factory=dict)
    resumed: int = 0
    started: float | None = None
    seconds: float = 0.0
    last_seq: int = 0
