"""Why simulation slots stood empty."""

from __future__ import annotations

from collections import deque

_KEPT = 4096


class WaitLog:
    """When the launcher could not launch, and why; times are on the monotonic clock."""

    def __init__(self) -> None:
        self._spans: deque[tuple[float, float, str]] = deque(maxlen=_KEPT)

    def note(self, cause: str, start: float, end: float) -> None:
        """From ``start`` to ``end`` nothing was launched because of ``cause``; spans come in order."""
        if self._spans and self._spans[-1][1:] == (start, cause):
            start = self._spans.pop()[0]
        self._spans.append((start, end, cause))

    def since(self, start: float) -> dict[str, float]:
        """Seconds since ``start``, by cause."""
        seconds: dict[str, float] = {}
        for began, ended, cause in reversed(self._spans):
            if ended <= start:
                break
            seconds[cause] = seconds.get(cause, 0.0) + ended - max(began, start)
        return {cause: round(waited, 6) for cause, waited in seconds.items()}
