"""How long tasks take, as far as that decides how many of them go to a worker at once."""

from __future__ import annotations

from collections.abc import Sequence

_FORGOTTEN = 0.02

_SHORT_SECONDS = 1.0
"""A task may wait for so long behind another, though a second worker may come free before that."""

_COVER_SECONDS = 0.02
"""While all that a worker has takes no longer, it is given more, so that whoever feeds it need not hurry."""

_MOST = 16


class Pace:
    """What a task of each kind takes: the longest counts for a long time, so that what varies is not called short."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, kind: str, seconds: float) -> None:
        """A task took so long."""
        self._seconds[kind] = max(seconds, (1 - _FORGOTTEN) * self._seconds.get(kind, 0.0))

    def seconds(self, kind: str) -> float | None:
        """What one takes; None if none has come back."""
        return self._seconds.get(kind)

    def allows(self, ahead_of: Sequence[str], kind: str) -> bool:
        """Whether a task may be handed to a worker that has others.

        Args:
            ahead_of: Kinds of those that it has; at least one.
            kind: Kind of the task.
        """
        known = [self._seconds.get(each) for each in (*ahead_of, kind)]
        seconds = [each for each in known if each is not None]
        if len(seconds) < len(known) or len(ahead_of) >= _MOST:
            return False
        return sum(seconds) <= _COVER_SECONDS or (len(ahead_of) == 1 and max(seconds) <= _SHORT_SECONDS)
