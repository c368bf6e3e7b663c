"""Features of a search space that are not all there yet: each piece is kept as soon as it is made.

Whoever is killed loses the pieces that were being made, and nothing else: the next one goes on from what is there. A
lock keeps two processes from doing the same work; the second looks on, and finds it done or takes over.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import TaskError

from .featurizing import pieces_of
from .space_files import UNUSABLE, split_arrays
from .surrogate import Featurizer, Progress, Screening
from .texts import Texts

PREFIX = '.unfinished-'

_LOOK_SECONDS = 0.5
_ENDING = '.npz'


class SpaceParts:
    """The pieces of one search space that were made so far.

    A piece is one file, named by its rows, which appears when it is whole and carries checksums (an ``.npz`` is a zip
    archive, which checks them when it is read). One that is damaged is made again.
    """

    def __init__(self, folder: Path, featurizer: Featurizer, inputs: Texts) -> None:
        """Args: folder: Where they are kept; featurizer: What makes them; inputs: The search space."""
        self.folder = folder
        self._featurizer = featurizer
        self._inputs = inputs
        self._pieces = pieces_of(len(inputs), featurizer.piece) or [slice(0, 0)]

    @contextmanager
    def held(self, progress: Progress) -> Iterator[None]:
        """Keep every other process away, after waiting for the one that is at work; told of its progress.

        Raises:
            OSError: If the folder cannot be written.
        """
        # Stays when the work is done: who deletes it may delete it under the eyes of one who waits for it.
        with self.folder.with_name(f'{self.folder.name}.lock').open('w') as file:
            while not _locked(file):
                progress(self._done(), len(self._inputs))
                time.sleep(_LOOK_SECONDS)
            yield

    def screen(self, progress: Progress) -> Screening[Any]:
        """All pieces as one: those that are there, and those that are missing, which are made and kept.

        Raises:
            OSError: If one cannot be written.
        """
        parts = {number: part for number in range(len(self._pieces)) if (part := self._read(number)) is not None}
        missing = [number for number in range(len(self._pieces)) if number not in parts]
        done = len(self._inputs) - sum(self._size(number) for number in missing)
        progress(done, len(self._inputs))
        made = self._featurizer.screen_pieces(self._inputs, [self._pieces[number] for number in missing])
        for number, part in zip(missing, made, strict=True):
            self._write(number, part)
            parts[number] = part
            done += self._size(number)
            progress(done, len(self._inputs))
        ordered = [parts[number] for number in range(len(self._pieces))]
        unusable = [piece.start + part.unusable for piece, part in zip(self._pieces, ordered, strict=True)]
        return Screening(self._featurizer.join([part.features for part in ordered]), np.concatenate(unusable))

    def remove(self) -> None:
        """Forget all pieces."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _size(self, number: int) -> int:
        piece = self._pieces[number]
        return int(piece.stop - piece.start)

    def _path(self, number: int) -> Path:
        piece = self._pieces[number]
        return self.folder / f'rows-{piece.start}-{piece.stop}{_ENDING}'

    def _done(self) -> int:
        return sum(self._size(number) for number in range(len(self._pieces)) if self._path(number).exists())

    def _read(self, number: int) -> Screening[Any] | None:
        try:
            with np.load(self._path(number), allow_pickle=False) as kept:
                arrays, unusable = split_arrays(dict(kept))
            part = Screening(self._featurizer.restore(arrays), unusable)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, TaskError):
            return None
        return part if len(part.features) + len(part.unusable) == self._size(number) else None

    def _write(self, number: int, part: Screening[Any]) -> None:
        arrays: dict[str, NDArray[Any]] = {**part.features.arrays(), UNUSABLE: part.unusable}
        self.folder.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix='.', suffix=_ENDING, dir=self.folder)
        try:
            with os.fdopen(handle, 'wb') as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            os.replace(name, self._path(number))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _locked(file: IO[str]) -> bool:
    """Whether the lock is held now; also where the file system knows no locks, as some on clusters do not."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
