"""How large objects are lent to tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Loan:
    """An object made available to tasks.

    Attributes:
        ref: What to pass to the task: a proxy that finds the object, or the object itself where it is small.
        key: Identifies the loan to the depot; None where nothing was stored.
        size: Size in bytes of the object, serialized.
    """

    ref: Any
    key: str | None
    size: int


class Depot(Protocol):
    """Lends objects to tasks, by topic, and takes them back when their last user is done."""

    def lend(self, topic: str, obj: Any) -> Loan:
        """Make an object available to tasks of a topic, under one owner."""
        ...

    def reclaim(self, loan: Loan) -> None:
        """The last user is done: evict the object. Harmless if it was already."""
        ...
