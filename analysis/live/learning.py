"""The update of the models that is under way, as the ledger tells of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from scoutbee.traces.replay_events import INFERENCE_FAILED, TRAINING_FAILED, TRAINING_STARTED, UPDATE_FAILED

from .clock import ENDED, STARTED
from .glimpses import Event, Inferred, Selected, Trained

_VERSION = re.compile(r'g(\d+)m\d+$')
_FAILED = (TRAINING_FAILED, INFERENCE_FAILED)


@dataclass
class _Update:
    generation: int
    members: int
    trained: set[int] = field(default_factory=set)
    answered: dict[int, set[int]] = field(default_factory=dict)
    given_up: set[int] = field(default_factory=set)


class LearningView:
    """How far the models are."""

    def __init__(self) -> None:
        """Nothing is learned yet."""
        self.rankings = 0
        self.generation: int | None = None
        """Newest generation behind the last ranking."""
        self.chunks = 0
        """Parts of the search space that each model is asked about, as far as is known."""
        self._update: _Update | None = None

    @property
    def updating(self) -> bool:
        """Whether an update is under way."""
        return self._update is not None

    @property
    def trained(self) -> tuple[int, int]:
        """Models trained in the update, and how many there will be."""
        update = self._update
        return (0, 0) if update is None else (len(update.trained), update.members)

    @property
    def inferred(self) -> tuple[int, int]:
        """Answers of the models of the update, and how many there will be."""
        update = self._update
        if update is None:
            return 0, 0
        answered = sum(map(len, update.answered.values()))
        return answered, (update.members - len(update.given_up)) * self.chunks

    def to_train(self) -> int:
        """Models that are not trained yet."""
        update = self._update
        return 0 if update is None else max(0, update.members - len(update.trained | update.given_up))

    def to_infer(self) -> int:
        """Parts of the search space that a trained model is still to be asked about."""
        update = self._update
        if update is None:
            return 0
        answered = [update.answered.get(member, set()) for member in update.trained - update.given_up]
        return max(0, self.chunks - len(set.intersection(*answered))) if answered else 0

    def hear(self, record: Event) -> None:
        """Updates begin, fail and end with events."""
        facts = record.facts
        if record.event == STARTED:
            self._set_out(facts)
        elif record.event == TRAINING_STARTED:
            self._update = _Update(int(facts.get('generation', 0)), len(facts.get('members', ())))
        elif record.event in (ENDED, UPDATE_FAILED):
            self._update = None
        elif record.event in _FAILED and facts.get('given_up'):
            self._give_up(facts)

    def _set_out(self, facts: dict[str, Any]) -> None:
        """Models that were there before are asked first of all, and an update that was cut short goes on."""
        self.chunks = int(facts.get('chunks', self.chunks))
        asked = facts.get('asked') or {}
        self._update = None
        if asked.get('members'):
            trained = set(asked.get('trained', ()))
            self._update = _Update(int(asked.get('generation', 0)), len(asked['members']), trained)

    def _give_up(self, facts: dict[str, Any]) -> None:
        if self._update is not None and facts.get('generation') == self._update.generation:
            members = facts.get('members', [facts.get('member', -1)])  # the second where a training failed
            self._update.given_up.update(int(member) for member in members)

    def take_trained(self, record: Trained) -> None:
        """A training came back."""
        if record.success and self._update is not None and self._update.generation == record.generation:
            self._update.trained.add(record.member)

    def take_inferred(self, record: Inferred) -> None:
        """An inference came back."""
        self.chunks = max(self.chunks, record.chunk + 1)
        if record.success and self._update is not None and self._update.generation == record.generation:
            for member in record.members:
                self._update.answered.setdefault(member, set()).add(record.chunk)

    def take_selected(self, record: Selected) -> None:
        """A ranking was made; with the answers of all models it ends their update."""
        self.rankings = max(self.rankings, record.ranking)
        generations = [int(match[1]) for version in record.models if (match := _VERSION.search(version))]
        self.generation = max(generations, default=self.generation)
        if self._update is not None and self._is_over(self._update):
            self._update = None

    def _is_over(self, update: _Update) -> bool:
        done = {member for member, chunks in update.answered.items() if len(chunks) >= self.chunks}
        return len(done | update.given_up) >= update.members
