"""A running campaign in words: how far it is, what it has found, and how long it may still take."""

from __future__ import annotations

from collections import deque

from scoutbee.contracts.candidates import Objective, Observation
from scoutbee.contracts.progress import Progress

_UNTOLD = frozenset({'submitted', 'resubmitted', 'copied', 'reconsidered', 'withdrawn', 'refilled', 'started', 'ended'})


def is_told(event: str) -> bool:
    """Whether an event of the ledger is worth a line to people.

    Args:
        event: Its name.
    """
    return event not in _UNTOLD


class TimeLeft:
    """Estimates the time left from the pace of the last minutes."""

    def __init__(self, window_seconds: float = 300.0) -> None:
        """Start without knowledge.

        Args:
            window_seconds: How far back the pace is measured.
        """
        self._window = window_seconds
        self._seen: deque[tuple[float, int]] = deque()

    def estimate(self, progress: Progress) -> float | None:
        """Look at the progress once more.

        Returns:
            Seconds left at the present pace, or None while there is no pace yet.
        """
        now = (progress.elapsed, progress.succeeded)
        if not self._seen or now[0] > self._seen[-1][0]:
            self._seen.append(now)
        while len(self._seen) > 2 and self._seen[1][0] < now[0] - self._window:
            self._seen.popleft()
        remaining = progress.search_size - progress.succeeded
        if remaining <= 0:
            return 0.0
        seconds, done = now[0] - self._seen[0][0], now[1] - self._seen[0][1]
        return remaining * seconds / done if done > 0 and seconds > 0 else None


def clock(seconds: float | None) -> str:
    """A duration as people read it: ``0:07``, ``12:30``, ``3:05:00``; a dash where it is not known."""
    if seconds is None:
        return '-'
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f'{hours}:{minutes:02d}:{whole % 60:02d}' if hours else f'{minutes}:{whole % 60:02d}'


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit; a dash where there is none."""
    if value is None:
        return '-'
    return f'{value:#.4g} {unit}'.rstrip()


def best_text(best: Observation | None, objective: Objective) -> str:
    """The best observation: its value and its key."""
    if best is None:
        return '-'
    return f'{quantity(best.value, objective.unit)}  {best.candidate.key}'


def found_text(progress: Progress, objective: Objective) -> str | None:
    """How many candidates reached the threshold, and what it is; None where there is none."""
    if objective.threshold is None:
        return None
    side = 'at or above' if objective.maximize else 'at or below'
    return f'{progress.found} {side} {quantity(objective.threshold, objective.unit)}'


def trouble_text(progress: Progress) -> str | None:
    """What went wrong so far, or None."""
    counts = {
        'failed': progress.failed,
        'quarantined': progress.quarantined,
        'lost and sent again': progress.resubmitted,
    }
    parts = [f'{count} {name}' for name, count in counts.items() if count]
    return ', '.join(parts) or None


def model_text(progress: Progress) -> str:
    """Which models rank, and how far their update is."""
    text = 'no ranking yet' if progress.generation is None else f'generation {progress.generation}'
    if progress.rankings:
        text += f', {progress.rankings} ranking{"s" if progress.rankings > 1 else ""}'
    return text


def update_text(progress: Progress) -> str:
    """How far the running update of the models is."""
    if not progress.updating:
        return 'none running'
    return f'trained {_of(progress.trained)}, inferred {_of(progress.inferred)}'


def busy_text(progress: Progress) -> str:
    """Workers in use, by kind of task."""
    return ', '.join(f'{kind} {_of(counts)}' for kind, counts in progress.busy.items()) or '-'


def plain_line(progress: Progress, objective: Objective, seconds_left: float | None) -> str:
    """All of it on one line, for an output that is no terminal."""
    parts = [
        f'{progress.succeeded}/{progress.search_size} simulations, {progress.in_flight} in flight',
        f'best {best_text(progress.best, objective)}',
        found_text(progress, objective),
        trouble_text(progress),
        f'buffer {progress.buffered}',
        f'models: {model_text(progress)}',
        f'update: {update_text(progress)}' if progress.updating else None,
        f'busy: {busy_text(progress)}',
        f'time left {clock(seconds_left)}',
    ]
    return f'[{clock(progress.elapsed)}] ' + '; '.join(part for part in parts if part)


def _of(counts: tuple[int, int]) -> str:
    return f'{counts[0]}/{counts[1]}'
