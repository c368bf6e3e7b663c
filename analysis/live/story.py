"""What happened, as lines that people read."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import Literal

from scoutbee.contracts.candidates import Objective

from .clock import ENDED, STARTED
from .discoveries import Entry
from .glimpses import Event, FailureGlimpse, Glimpse, Selected, Simulated, Trained
from .terminal_text import is_told, quantity

Level = Literal['info', 'warning', 'error']
Topic = Literal['campaign', 'found', 'learning', 'trouble']

KEPT = 300
"""Newest lines that are kept, of what went well and of what did not: the one does not push out the other."""

_FATES = {
    'retried': ' It will be tried again.',
    'failed': ' It is given up.',
    'quarantined': ' It is quarantined, because it took workers down.',
}

_LEARNING = ('trainer', 'inference launcher', 'inference receiver', 'buffer manager')


@dataclass(frozen=True)
class Line:
    """One line of the story.

    Attributes:
        seq: Place in the ledger.
        at: Campaign seconds.
        time: Seconds since the epoch.
        level: How bad it is.
        topic: What it is about.
        text: A sentence.
        is_told: Whether ``run.py`` tells it on its terminal, too.
    """

    seq: int
    at: float
    time: float
    level: Level
    topic: Topic
    text: str
    is_told: bool = False


class Story:
    """The newest lines, and how many there were."""

    def __init__(self, objective: Objective) -> None:
        """Nothing happened yet.

        Args:
            objective: What is looked for.
        """
        self.count = 0
        """Lines there were in all."""
        self._objective = objective
        self._good: deque[Line] = deque(maxlen=KEPT)
        self._bad: deque[Line] = deque(maxlen=KEPT)

    @property
    def lines(self) -> list[Line]:
        """What is kept, oldest first."""
        return list(heapq.merge(self._good, self._bad, key=lambda line: line.seq))

    def hear(self, record: Event, at: float) -> None:
        """Tell of an event, if it is worth a line.

        Args:
            record: It.
            at: Its time, campaign seconds.
        """
        told = is_told(record.event)
        if told or record.event in (STARTED, ENDED):
            self._add(Line(record.seq, at, record.time, record.level, _topic_of(record), record.message, told))

    def simulated(self, record: Simulated, at: float, best: Entry | None) -> None:
        """Tell of a simulation that failed, or found the best so far.

        Args:
            record: It.
            at: When it came back, campaign seconds.
            best: Its entry, where it is the best so far.
        """
        if record.failure is not None:
            self._tell(record, at, 'warning', 'trouble', _failure_text(record, record.failure))
        elif best is not None:
            self._tell(record, at, 'info', 'found', self._best_text(best))

    def trained(self, record: Trained, at: float) -> None:
        """Tell of a training; arguments as :meth:`hear`."""
        if record.failure is None:
            text = f'Model g{record.generation}m{record.member} learned from {record.observations:,} observations.'
            self._tell(record, at, 'info', 'learning', text)

    def ranked(self, record: Selected, at: float) -> None:
        """Tell of a ranking; arguments as :meth:`hear`."""
        self._tell(record, at, 'info', 'learning', self._ranking_text(record))

    def note(self, text: str, seq: int, at: float, time: float) -> None:
        """Tell of trouble that no record tells of."""
        self._add(Line(seq, at, time, 'warning', 'trouble', text))

    def _tell(self, record: Glimpse, at: float, level: Level, topic: Topic, text: str) -> None:
        self._add(Line(record.seq, at, record.time, level, topic, text))

    def _add(self, line: Line) -> None:
        self.count += 1
        (self._good if line.level == 'info' else self._bad).append(line)

    def _best_text(self, best: Entry) -> str:
        unit = self._objective.unit
        text = f'New best: {quantity(best.value, unit)}, {best.key}'
        if best.mean is not None:
            spread = '' if best.std is None else f' ± {best.std:.2g}'
            text += f' (predicted {quantity(best.mean, unit)}{spread})'
        return f'{text}. It is simulation {best.number}.'

    def _ranking_text(self, record: Selected) -> str:
        models = f'{len(record.models)} model' + ('' if len(record.models) == 1 else 's')
        text = f'Ranking {record.ranking}: {record.scored:,} candidates compared by {models}'
        if record.top:
            first = record.top[0]
            mean = first.get('mean')
            expected = '' if mean is None else f', expected at {quantity(float(mean), self._objective.unit)}'
            text += f'; first is {first.get("key")}{expected}'
        return text + '.'


def _topic_of(record: Event) -> Topic:
    if record.level != 'info':
        return 'trouble'
    return 'learning' if record.agent in _LEARNING else 'campaign'


def _failure_text(record: Simulated, failure: FailureGlimpse) -> str:
    message = failure.message.strip().split('\n', 1)[0][:300].rstrip('.')
    return f'{record.key} failed ({failure.error}: {message}).{_FATES.get(record.outcome, "")}'
