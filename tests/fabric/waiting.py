"""Waiting for what comes by itself."""

import time
from collections.abc import Callable

PATIENCE = 150.0
"""Seconds; never waited for unless something is broken."""


def wait_for(condition: Callable[[], object]) -> None:
    """Look again and again until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, 'it never came'
        time.sleep(0.02)
