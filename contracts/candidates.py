"""What is searched: candidates, and what was learned about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Choice:
    """Why a candidate stands where it does in a ranking.

    Attributes:
        ranking: Number of the ranking that chose it; 0 is the order the campaign started with.
        score: Value of the acquisition function; higher is better.
        mean: Predicted value, in the objective's unit, averaged over the ensemble.
        std: Standard deviation of the prediction over the ensemble, same unit; None for a single model.
        generation: Newest generation among the models that predicted it.
    """

    ranking: int
    score: float | None = None
    mean: float | None = None
    std: float | None = None
    generation: int | None = None

    def facts(self) -> dict[str, float | int]:
        """What is known of it, as the trace keeps it."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Candidate:
    """One thing that could be simulated.

    Attributes:
        key: Identity. Two candidates with the same key are the same simulation, and only one of them is run.
        args: Positional arguments of the campaign's ``simulate`` function: plain data that JSON can hold, so that
            the trace can replay it.
        row: Row in the campaign's search space, where it has one; lets a ranking drop what was taken without
            looking at keys.
        choice: Why it was chosen.
    """

    key: str
    args: tuple[Any, ...]
    row: int | None = None
    choice: Choice = field(default_factory=lambda: Choice(ranking=0))


@dataclass(frozen=True)
class Observation:
    """What a simulation found out about a candidate.

    Attributes:
        candidate: The candidate.
        value: The objective's value in its unit, or None for campaigns that have no single number.
        record: All the simulation returned, as plain data that JSON can hold.
    """

    candidate: Candidate
    value: float | None
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Objective:
    """What the campaign looks for.

    Attributes:
        name: Name of the quantity, in the field's own words.
        unit: Its unit; empty for a pure number.
        maximize: Whether larger is better.
        threshold: Value from which a candidate counts as found, if any.
    """

    name: str
    unit: str
    maximize: bool = True
    threshold: float | None = None

    @property
    def sign(self) -> float:
        """1.0 where larger is better, -1.0 where smaller is."""
        return 1.0 if self.maximize else -1.0

    def is_found(self, value: float | None) -> bool:
        """Whether a value reaches the threshold (never, where there is none)."""
        if value is None or self.threshold is None:
            return False
        return self.sign * value >= self.sign * self.threshold
