"""Where a run keeps its trained models and what they predicted."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ScoutbeeError
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.models.artifacts import artifact_file_name, load_artifact, save_artifact

MODELS_FOLDER = 'models'
PREDICTIONS_FOLDER = 'predictions'

_FRAME = struct.Struct('<QI')


class DamagedPredictionsError(ScoutbeeError):
    """Predictions that were kept cannot be read back."""


class RunShelf:
    """Keeps every trained model, and the predictions that a ranking may still need, in files of the run directory.

    ``models/g3m1.npz`` is a model. ``predictions/g3.npy`` holds what the models of that generation predicted: answer
    after answer, in the order they came, each an ordinary ``.npy`` array behind its length and its checksum (8 bytes,
    and 4 of CRC-32, little-endian). Where the arrays begin, and whose their rows are, is in the ledger; what no record
    points at was written by a process that died, and is never read.
    """

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

    def load(self, version: ModelVersion, file: str) -> TrainedModel:
        """Load a model that was saved before.

        Args:
            version: The version it has.
            file: Its file, relative to the run directory.

        Raises:
            ConfigurationError: If the file is missing, damaged or of another version.
        """
        return TrainedModel(version, load_artifact(self._run_dir / file))

    def keep(self, generation: int, values: NDArray[Any]) -> tuple[str, int]:
        """Keep what models that were asked together predicted for one chunk.

        Args:
            generation: Of the models.
            values: Their predictions, shape (models, rows of the chunk, ...).

        Returns:
            The file, relative to the run directory, and where in it they begin, in bytes.

        Raises:
            OSError: If they cannot be written.
            ValueError: If they are Python objects.
        """
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        content = buffer.getvalue()
        file = f'{PREDICTIONS_FOLDER}/g{generation}.npy'
        path = self._run_dir / file
        path.parent.mkdir(exist_ok=True)
        with path.open('ab', buffering=0) as out:
            end = out.seek(0, os.SEEK_END)
            try:
                _write(out, _FRAME.pack(len(content), zlib.crc32(content)) + content)
            except OSError:
                with contextlib.suppress(OSError):
                    out.truncate(end)
                raise
        return file, end + _FRAME.size

    def fetch(self, file: str, offset: int) -> NDArray[Any]:
        """Read back what was kept.

        Args:
            file: The file, relative to the run directory.
            offset: Where in it they begin, in bytes.

        Raises:
            DamagedPredictionsError: If they are not there or not whole.
        """
        path = self._run_dir / file
        try:
            with path.open('rb') as source:
                source.seek(max(offset - _FRAME.size, 0))
                length, checksum = _FRAME.unpack(source.read(_FRAME.size))
                content = source.read(min(length, path.stat().st_size))
            # Checked before it is parsed, because what is damaged may parse, or fail in any way.
            if len(content) != length or zlib.crc32(content) != checksum:
                raise ValueError('they are damaged')
            values: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        except (OSError, ValueError, struct.error) as error:
            raise DamagedPredictionsError(
                f'Expected predictions at byte {offset} of {path}, and they cannot be read: {error}.'
            ) from error
        return values

    def discard_predictions(self, standing: Iterable[ModelVersion]) -> None:
        """Delete the predictions of generations that are superseded.

        Args:
            standing: For each member the version that a ranking on disk stands on. Generations older than the newest
                of them that have no model among them go.

        Raises:
            OSError: If a file cannot be deleted.
        """
        generations = {version.generation for version in standing}
        for path in (self._run_dir / PREDICTIONS_FOLDER).glob('g*.npy'):
            match = re.fullmatch(r'g(\d{1,9})', path.stem)  # else it is not one of ours
            if match and int(match[1]) not in generations and int(match[1]) < max(generations, default=0):
                path.unlink(missing_ok=True)


def _write(out: io.FileIO, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[out.write(rest) or 0 :]
