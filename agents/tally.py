"""Counts of candidates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counts:
    """Candidates by what became of them, resumptions included."""

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    quarantined: int = 0
    resubmitted: int = 0
    found: int = 0
