"""What can be seen of a campaign while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .candidates import Observation


@dataclass(frozen=True)
class Progress:
    """One look at a running campaign. Counts are since the campaign began, resumptions included.

    Attributes:
        search_size: Simulations that must succeed.
        submitted: Simulations sent, resubmissions not counted.
        in_flight: Simulations sent and not yet back.
        succeeded: Candidates with an observation.
        failed: Candidates given up.
        quarantined: Candidates given up because they took workers down.
        resubmitted: Attempts that were lost and sent again.
        found: Candidates that reached the threshold.
        best: Best observation so far.
        buffered: Candidates ready in the buffer.
        generation: Newest generation of models that has ranked; None before the first ranking.
        rankings: Rankings made.
        updating: Whether models are being trained or asked.
        trained: Models trained in the running update, and how many there will be.
        inferred: Inference tasks done in the running update, and how many there will be.
        busy: Slots in use by kind, and how many there are.
        elapsed: Seconds since this process began the campaign.
    """

    search_size: int
    submitted: int = 0
    in_flight: int = 0
    succeeded: int = 0
    failed: int = 0
    quarantined: int = 0
    resubmitted: int = 0
    found: int = 0
    best: Observation | None = None
    buffered: int = 0
    generation: int | None = None
    rankings: int = 0
    updating: bool = False
    trained: tuple[int, int] = (0, 0)
    inferred: tuple[int, int] = (0, 0)
    busy: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    elapsed: float = 0.0
