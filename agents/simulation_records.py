"""Simulations that came back, or never will, as the trace keeps them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from colmena.models import Result

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Candidate, Observation
from scoutbee.contracts.errors import Failure
from scoutbee.traces.records import FailureRecord, SimulationRecord

from .flights import Flight
from .results import task_fields

Outcome = Literal['observed', 'retried', 'failed', 'quarantined', 'duplicate', 'withdrawn']


def record_of(
    result: Result,
    candidate: Candidate,
    number: int,
    outcome: Outcome,
    *,
    observation: Observation | None = None,
    failure: Failure | None = None,
) -> SimulationRecord:
    """The record of a result.

    Args:
        result: It.
        candidate: Its candidate, with the arguments that were sent.
        number: Which attempt it was.
        outcome: What became of the candidate.
        observation: What was read from it, where that counts.
        failure: Why it failed, where it did.
    """
    return SimulationRecord(
        **task_fields(result, failure),
        **_fields_of(candidate, number, outcome),
        value=observation.value if observation is not None else None,
        output=dict(observation.record) if observation is not None else None,
    )


def record_of_loss(flight: Flight, outcome: Outcome, failure: Failure) -> SimulationRecord:
    """The record of an attempt of which no result came."""
    return SimulationRecord(
        task_id=flight.task_id or '',
        method=SIMULATE,
        success=False,
        failure=FailureRecord(**{**asdict(failure), 'kind': failure.kind.value}),
        timestamps={},
        spans={},
        **_fields_of(flight.candidate, flight.attempt.number, outcome),
    )


def _fields_of(candidate: Candidate, number: int, outcome: Outcome) -> dict[str, Any]:
    return {
        'key': candidate.key,
        'row': candidate.row,
        'args': list(candidate.args),
        'choice': candidate.choice.facts(),
        'attempt': number,
        'outcome': outcome,
    }
