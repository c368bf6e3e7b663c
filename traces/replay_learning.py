"""What was learned, as the ledger is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.learning import ModelVersion

from .history import Basis, KeptChunk, LearningHistory, MoveHistory, Round, Tries, Work
from .records import EventRecord, InferenceRecord, SelectionRecord, TrainingRecord
from .replay_events import (
    INFERENCE_FAILED,
    RECONSIDERED,
    SLOTS_MOVED,
    TRAINING_FAILED,
    TRAINING_SKIPPED,
    UPDATE_FAILED,
    fact,
)


@dataclass
class _Decision:
    """Something decided on ``taken`` rows, of which the last may be in the ledger only after it."""

    observations: int
    taken: int
    models: dict[ModelVersion, str]
    generation: int
    rows: NDArray[np.int64]
    reconsidered: Sequence[int] = ()

    def basis(self, rows: NDArray[np.int64]) -> Basis:
        known = (self.rows if len(self.rows) >= self.taken else rows)[: self.taken]
        if self.reconsidered:
            known = known[~np.isin(known, self.reconsidered)]
        return Basis(self.observations, known, self.models, self.generation)


class LearningLedger:
    """Models, their predictions, and slot moves, while records are read."""

    def __init__(self) -> None:
        self.rankings = 0
        self.last_selection: SelectionRecord | None = None
        self.moves: list[MoveHistory] = []
        self.happened = {'training': 0, 'trained': 0, 'ranking': 0}
        self._newest: dict[int, tuple[ModelVersion, str]] = {}
        self._trained: dict[ModelVersion, str] = {}
        self._round: tuple[int, frozenset[int], float, int] | None = None
        self._round_decision = _nothing()
        self._selection = _nothing()
        self._reconsidered: tuple[int, Sequence[int]] = (0, ())
        self._untrained: set[int] = set()
        self._decided_on: int | None = None
        self._retrained: set[int] = set()
        self._left_out: set[ModelVersion] = set()
        self._tries: dict[Work, Tries] = {}
        self._predictions: dict[ModelVersion, dict[int, KeptChunk]] = {}
        self._failed_updates = 0
        self._failed_generation: int | None = None
        self.handlers: Mapping[str, Callable[[EventRecord], None]] = {
            RECONSIDERED: self._was_reconsidered,
            TRAINING_SKIPPED: self._skipped,
            TRAINING_FAILED: self._training_failed,
            INFERENCE_FAILED: self._failed,
            UPDATE_FAILED: self._update_failed,
            SLOTS_MOVED: self._slots_moved,
        }

    def history(self, rows: NDArray[np.int64]) -> LearningHistory:
        """What was learned. ``rows`` are all that were taken, in order."""
        started = None
        if self._round is not None:
            started = Round(*self._round, self._round_decision.basis(rows))
        return LearningHistory(
            models=self._models(),
            trained=dict(self._trained),
            round=started,
            decided_on=self._decided_on,
            retrains=len(self._retrained),
            left_out=frozenset(self._left_out),
            tries=dict(self._tries),
            predictions={version: dict(chunks) for version, chunks in self._predictions.items()},
            failed_updates=self._failed_updates,
            failed_generation=self._failed_generation,
        )

    def selection_basis(self, rows: NDArray[np.int64]) -> Basis:
        """What the newest ranking was made on."""
        return self._selection.basis(rows)

    def started(self, record: EventRecord, rows: NDArray[np.int64]) -> None:
        """Take in a training round that begins, with ``rows`` taken so far."""
        generation = int(fact(record, 'generation'))
        if self._round is not None and generation <= self._round[0]:
            return
        members = frozenset(int(member) for member in fact(record, 'members'))
        self._round_decision = self._decision(int(fact(record, 'observations')), int(fact(record, 'taken')), rows)
        self._round = (generation, members, float(fact(record, 'started')), int(fact(record, 'rows')))
        self._decided_on = self._round_decision.observations
        self._untrained = set(members)
        self._tries.clear()
        self.happened['training'] += 1

    def trained(self, record: TrainingRecord) -> None:
        """Take in a training that came back."""
        if not record.success:
            return
        if record.generation > 0:
            self._retrained.add(record.generation)
        version = ModelVersion(record.generation, record.member)
        newest = self._newest.get(record.member)
        if record.model_file is not None:
            self._trained[version] = record.model_file
            if newest is None or newest[0] <= version:
                self._newest[record.member] = (version, record.model_file)
        self._settle_training(version)

    def inferred(self, record: InferenceRecord) -> None:
        """Take in an inference that came back."""
        if record.success:
            for row, member in enumerate(record.members):
                chunks = self._predictions.setdefault(ModelVersion(record.generation, member), {})
                chunks[record.chunk] = KeptChunk(record.file, record.offset, row)

    def selected(self, record: SelectionRecord, rows: NDArray[np.int64]) -> None:
        """Take in a ranking, with ``rows`` taken so far."""
        self.rankings = max(self.rankings, record.ranking)
        self.happened['ranking'] = self.rankings
        self.last_selection = record
        self._selection = self._decision(record.observations, record.taken, rows)
        ranking, reconsidered = self._reconsidered
        if ranking == record.ranking:
            self._selection.reconsidered = reconsidered
        versions = {version.member: version for version in map(ModelVersion.parse, record.models)}
        for version in list(self._predictions):
            if version.member in versions and version < versions[version.member]:
                del self._predictions[version]
        failed = self._failed_generation
        if failed is not None and any(version.generation > failed for version in versions.values()):
            self._failed_updates, self._failed_generation = 0, None

    def _decision(self, observations: int, taken: int, rows: NDArray[np.int64]) -> _Decision:
        generation = self._round[0] if self._round is not None else 0
        return _Decision(observations, taken, self._models(), generation, rows)

    def _models(self) -> dict[ModelVersion, str]:
        return dict(self._newest[member] for member in sorted(self._newest))

    def _was_reconsidered(self, record: EventRecord) -> None:
        rows = [int(row) for row in fact(record, 'rows')]
        self._reconsidered = (int(fact(record, 'ranking')), rows)

    def _skipped(self, record: EventRecord) -> None:
        self._decided_on = int(fact(record, 'observations'))

    def _training_failed(self, record: EventRecord) -> None:
        self._failed(record)
        if record.facts.get('given_up'):
            for version in _versions(record):
                self._settle_training(version)

    def _failed(self, record: EventRecord) -> None:
        facts, versions = record.facts, _versions(record)
        tries = Tries(int(fact(record, 'attempt')), int(fact(record, 'failures')), int(fact(record, 'losses')))
        self._tries.update({(version, facts.get('chunk')): tries for version in versions})
        if facts.get('given_up'):
            self._left_out.update(versions)

    def _settle_training(self, version: ModelVersion) -> None:
        if self._round is None or version.generation != self._round[0] or not self._untrained:
            return
        self._untrained.discard(version.member)
        if not self._untrained:
            self.happened['trained'] += 1

    def _update_failed(self, record: EventRecord) -> None:
        self._failed_updates = int(fact(record, 'in_a_row'))
        self._failed_generation = int(fact(record, 'generation'))

    def _slots_moved(self, record: EventRecord) -> None:
        self.moves.append(
            MoveHistory(
                move=int(fact(record, 'move')),
                on=str(fact(record, 'on')),
                times=int(fact(record, 'times')),
                source=str(fact(record, 'source')),
                target=str(fact(record, 'target')),
                count=int(fact(record, 'count')),
            )
        )


def _versions(record: EventRecord) -> list[ModelVersion]:
    """The models of a training or an inference that failed; the first is always of one."""
    members = record.facts['members'] if 'members' in record.facts else [fact(record, 'member')]
    return [ModelVersion(int(fact(record, 'generation')), int(member)) for member in members]


def _nothing() -> _Decision:
    return _Decision(0, 0, {}, 0, np.empty(0, dtype=np.int64))
