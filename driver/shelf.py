"""Where a run keeps its trained models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.models.artifacts import artifact_file_name, load_artifact, save_artifact

MODELS_FOLDER = 'models'


class ModelFolder:
    """Keeps every trained model as a file in ``models/`` of the run directory."""

    def __init__(self, run_dir: Path) -> None:
        """Args: run_dir: The run directory."""
        self._run_dir = run_dir

    def save(self, model: TrainedModel) -> str:
        """Save a model durably.

        Returns:
            Its file, relative to the run directory.

        Raises:
            OSError: If it cannot be written.
        """
        file = f'{MODELS_FOLDER}/{artifact_file_name(model.version)}'
        save_artifact(self._run_dir / file, model.artifact)
        return file

    def load(self, files: Mapping[ModelVersion, str]) -> list[TrainedModel]:
        """Load models that were saved before.

        Args:
            files: File of each version, relative to the run directory.

        Raises:
            ConfigurationError: If a file is missing, damaged or of another version.
        """
        return [TrainedModel(version, load_artifact(self._run_dir / file)) for version, file in files.items()]
