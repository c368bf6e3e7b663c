"""Rows of a search space that travel as the name of the files they are in, to workers that see the same files.

What arrives at a worker are the features themselves, memory-mapped: all workers of a machine and the driver share one
copy, and nothing of it goes through a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ResourceTaskError, TaskError

from .array_folders import map_arrays
from .surrogate import Features, FeatureSource

UNUSABLE = 'space_unusable'
"""Name of the array that tells which rows hold a stand-in."""


@dataclass(frozen=True)
class SpaceFiles:
    """Where the features of a search space are kept.

    Attributes:
        folder: The folder, as an absolute path.
        digest: What ``array_folders.digest_of`` said of it, so that nobody takes other features for these.
        featurizer: What restores the features of its arrays.
    """

    folder: str
    digest: str
    featurizer: FeatureSource


@dataclass(frozen=True)
class SpaceRows:
    """Some rows of a search space; unpickling it gives their ``Features``.

    Attributes:
        files: Where they are kept.
        start: The first of them.
        stop: The row after the last.
    """

    files: SpaceFiles
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __reduce__(self) -> tuple[Any, ...]:
        return open_rows, (self.files, self.start, self.stop)


def open_rows(files: SpaceFiles, start: int, stop: int) -> Features:
    """The features of some rows, memory-mapped; the files are opened and checked once in a process.

    Raises:
        ResourceTaskError: If this process cannot see the files, or they hold something else.
    """
    return _opened(files).take(slice(start, stop))


def split_arrays(arrays: Mapping[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """The arrays of the features in a folder, and which rows are unusable."""
    return {name: array for name, array in arrays.items() if name != UNUSABLE}, np.asarray(arrays[UNUSABLE])


@lru_cache(maxsize=2)
def _opened(files: SpaceFiles) -> Features:
    try:
        arrays, _ = split_arrays(map_arrays(Path(files.folder), files.digest))
        return files.featurizer.restore(arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, TaskError) as error:
        raise ResourceTaskError(
            f'Expected to find the features of the search space in {files.folder}, where the driver keeps them, got '
            f'{error}; workers on the machine of the driver must see its cache folder, unchanged.'
        ) from error
