"""What the page is sent, in sections of plain data that change at different times.

However long a campaign, a section stays small: progress at 400 moments, 1,200 observations, 1,500 of those that were
among the best when they came, 480 bins of use, latencies at 100 moments, and the newest 600 lines of the story.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.progress import Progress

from ..chance import random_choice
from .discoveries import Entry
from .drawings import can_draw
from .follower import Follower
from .latency import STAGES

CURVE_POINTS = 60
"""Numbers of draws at which random choice is worked out."""

_PROGRESS = (
    'submitted', 'succeeded', 'failed', 'quarantined', 'resubmitted', 'found', 'in_flight', 'buffered', 'generation',
    'rankings', 'updating', 'trained', 'inferred', 'busy', 'search_size',
)  # fmt: skip

_ENTRY = ('at', 'number', 'key', 'value', 'mean', 'std', 'generation', 'ranking', 'is_best')
_DOT = ('at', 'number', 'value', 'mean', 'generation')


class Sections:
    """Makes the sections of one follower. Used by the thread that polls it."""

    def __init__(self, follower: Follower) -> None:
        """Make nothing yet.

        Args:
            follower: What is shown.
        """
        self._follower = follower
        self._chance: tuple[object, dict[str, Any] | None] = (None, None)
        self._forget()

    def make(self) -> dict[str, Any]:
        """All sections, by name."""
        if self._life != self._follower.life:
            self._forget()
        makers: Mapping[str, Callable[[], Any]] = {
            'run': self._run,
            'now': self._now,
            'timeline': self._timeline,
            'best': self._best,
            'seen': self._seen,
            'busy': self._busy,
            'latency': self._latency,
            'story': self._story,
            'chance': self._random_choice,
        }
        return {name: make() for name, make in makers.items()}

    def _forget(self) -> None:
        self._life = self._follower.life
        self._drawable: bool | None = None

    def _run(self) -> dict[str, Any]:
        follower, facts = self._follower, self._follower.facts
        objective = facts.objective
        return {
            'life': follower.life,
            'name': follower.run_dir.resolve().name,
            'campaign': facts.campaign,
            'site': facts.site,
            'seed': facts.seed,
            'objective': {
                'name': objective.name,
                'unit': objective.unit,
                'maximize': objective.maximize,
                'threshold': objective.threshold,
            },
            'sessions': [{'began': session.began, 'at': session.at} for session in follower.state.clock.sessions],
            'drawable': self._is_drawable(),
        }

    def _is_drawable(self) -> bool:
        entrants = self._follower.state.discoveries.entrants
        if self._drawable is None and entrants:
            self._drawable = can_draw(entrants[0].key)
        return bool(self._drawable)

    def _now(self) -> dict[str, Any]:
        follower = self._follower
        progress = follower.state.progress(follower.now())
        phase = follower.phase()
        ending = follower.state.ending if phase == 'ended' else None
        return {
            **_progress(progress),
            'phase': phase,
            'status': ending.status if ending else phase,
            'reason': ending.reason if ending else follower.trouble,
            'at': _short(follower.state.clock.now),
            'heard': follower.state.clock.newest,
            'read': round(follower.share_read, 3),
            'records': follower.state.records,
            'left': _short(follower.state.time_left().estimate(progress)) if phase == 'running' else None,
        }

    def _timeline(self) -> dict[str, Any]:
        rows = self._follower.state.frames.rows
        moments = [_progress(progress) for _, progress in rows]
        return {
            'at': [_short(at) for at, _ in rows],
            **{name: [moment[name] for moment in moments] for name in _PROGRESS},
        }

    def _best(self) -> dict[str, Any]:
        return _columns(self._follower.state.discoveries.entrants, _ENTRY)

    def _seen(self) -> dict[str, Any]:
        return _columns([entry for _, entry in self._follower.state.discoveries.dots.rows], _DOT)

    def _busy(self) -> dict[str, Any]:
        follower, state = self._follower, self._follower.state
        is_running = follower.phase() == 'running'
        until = state.clock.at(follower.now()) if is_running else state.clock.now
        workers = state.busy.busy(max(until, state.clock.now), state.running() if is_running else {})
        return {'width': state.busy.width, 'workers': {kind: workers[kind] for kind in KINDS if kind in workers}}

    def _latency(self) -> dict[str, Any]:
        latencies = self._follower.state.latencies
        rows = [*latencies.snapshots.rows, (self._follower.state.clock.now, latencies.percentiles())]
        return {
            'stages': STAGES,
            'counts': latencies.counts,
            'at': [_short(at) for at, _ in rows],
            'percentiles': [percentiles for _, percentiles in rows],
        }

    def _story(self) -> dict[str, Any]:
        story = self._follower.state.story
        names = ('seq', 'at', 'time', 'level', 'topic', 'text')
        return {'count': story.count, **_columns(story.lines, names)}

    def _random_choice(self) -> dict[str, Any] | None:
        facts = self._follower.facts
        size = self._follower.state.progress(0.0).search_size
        if self._chance[0] != (size, facts.reference_values):
            self._chance = ((size, facts.reference_values), self._curve(size))
        return self._chance[1]

    def _curve(self, size: int) -> dict[str, Any] | None:
        facts = self._follower.facts
        if not facts.reference_values or size < 1:
            return None
        draws = np.unique(np.geomspace(1, size, CURVE_POINTS).round().astype(int))
        chance = random_choice(facts.reference_values, draws.tolist(), facts.objective)
        curves = {'mean': chance.best_mean, 'low': chance.best_low, 'high': chance.best_high}
        return {
            'draws': draws.tolist(),
            'level': chance.level,
            'known': len(facts.reference_values),
            **{name: [_short(float(value)) for value in values] for name, values in curves.items()},
        }


def _progress(progress: Progress) -> dict[str, Any]:
    return {name: getattr(progress, name) for name in _PROGRESS}


def _columns(rows: list[Entry] | list[Any], names: tuple[str, ...]) -> dict[str, list[Any]]:
    return {name: [_short(getattr(row, name)) for row in rows] for name in names}


def _short(value: Any) -> Any:
    """A number with as many digits as a page can show."""
    return float(f'{value:.7g}') if isinstance(value, float) and abs(value) < 1e8 else value
