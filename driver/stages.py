"""How long each stage of a start took, counted from the moment the process began: what came before Python included."""

from __future__ import annotations

import time

import psutil


class Stages:
    """Names the stretches of time between calls, the first of which began with the process."""

    def __init__(self) -> None:
        self._last = psutil.Process().create_time()
        self._seconds: dict[str, float] = {}

    def done(self, name: str) -> None:
        """The stage of this name ends now, and the next begins."""
        now = time.time()
        self._seconds[name] = now - self._last
        self._last = now

    def __str__(self) -> str:
        """As ``2.75 s: imports 1.50 s, campaign 1.25 s``."""
        parts = ', '.join(f'{name} {seconds:.2f} s' for name, seconds in self._seconds.items())
        return f'{sum(self._seconds.values()):.2f} s: {parts}'
