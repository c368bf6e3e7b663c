"""What a resumed campaign reads back from its shelf: models, and what they predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from scoutbee.contracts.errors import ScoutbeeError
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.traces.history import LearningHistory

from .context import Context


class Recollection:
    """Models and predictions of before, read when they are asked for.

    What cannot be read is told, and is not there: the campaign computes it again, or goes on without it.
    """

    def __init__(self, context: Context, learning: LearningHistory) -> None:
        """Args: context: The parts of the campaign; learning: What its ledger tells."""
        self._context = context
        self._learning = learning
        with context.campaign_lock:
            artifacts = context.campaign.initial_models()
        versions = [ModelVersion(0, member) for member in range(len(artifacts))]
        self.initial = {v: TrainedModel(v, artifact) for v, artifact in zip(versions, artifacts, strict=True)}
        """Models of the ensemble that the campaign began with."""
        self._models: dict[ModelVersion, TrainedModel | None] = {**self.initial}
        self._answers: dict[tuple[str, int], NDArray[Any]] = {}

    def model(self, version: ModelVersion) -> TrainedModel | None:
        """A model of the ledger, or of the ensemble that the campaign began with."""
        if version not in self._models:
            self._models[version] = self._load(version)
        return self._models[version]

    def newest_of(self, versions: Mapping[ModelVersion, Any]) -> dict[int, TrainedModel]:
        """By member, the models of these versions that can be read; where a member has none, the one it began with."""
        found = {version.member: model for version, model in self.initial.items()}
        for version in versions:
            model = self.model(version)
            if model is not None:
                found[version.member] = model
        return found

    def chunks(self, version: ModelVersion) -> dict[int, NDArray[Any]]:
        """What is left of the predictions of a model, by chunk."""
        found = {}
        for chunk, kept in self._learning.predictions.get(version, {}).items():
            if kept.file is None or kept.offset is None:
                continue
            try:
                found[chunk] = self._answer(kept.file, kept.offset)[kept.row]
            except (ScoutbeeError, LookupError) as error:
                self._warn('predictions_unreadable', f'{error} Model {version} is asked again.', version, chunk=chunk)
        return found

    def _answer(self, file: str, offset: int) -> NDArray[Any]:
        """What was kept there; the models that answered together come for it one after another."""
        if (file, offset) not in self._answers:
            self._answers[file, offset] = self._context.shelf.fetch(file, offset)
        return self._answers[file, offset]

    def _load(self, version: ModelVersion) -> TrainedModel | None:
        file = self._learning.trained.get(version)
        if file is None:
            return None
        try:
            return self._context.shelf.load(version, file)
        except ScoutbeeError as error:
            self._warn('model_unreadable', f'Model {version} of this run is lost: {error}', version)
            return None

    def _warn(self, event: str, told: str, version: ModelVersion, **facts: int) -> None:
        self._context.traces.event(
            'thinker', event, told, level='warning', generation=version.generation, member=version.member, **facts
        )
