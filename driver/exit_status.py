"""What ``run.py`` tells the shell."""

from __future__ import annotations

from collections.abc import Mapping

COMPLETED = 0
"""The campaign reached its goal, or what was asked for was printed."""

BAD_INPUT = 2
"""Bad input or configuration; nothing was started."""

ENDED_EARLY = 3
"""The campaign ended before its goal, with what it has kept."""

INTERRUPTED = 130
"""Someone pressed Ctrl-C; what was there is kept."""

EXIT_STATUS: Mapping[str, int] = {
    'completed': COMPLETED,
    'exhausted': ENDED_EARLY,
    'failed': ENDED_EARLY,
    'interrupted': INTERRUPTED,
}
"""Exit status by the status in ``summary.json``."""
