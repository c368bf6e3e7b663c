"""Molecules as hashed counts of circular fragments and a row of descriptors: some 250 bytes each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError

HASH_SIZE = 65_536
"""Columns that fragments are hashed to: as many as two bytes can number."""

_TYPES = {'offsets': np.int64, 'columns': np.uint16, 'counts': np.uint8, 'descriptors': np.float32}


@dataclass(frozen=True, eq=False)
class FingerprintFeatures:
    """Fragments and descriptors of ``n`` molecules.

    Fragments are a sparse matrix by rows: those of molecule ``i`` are the entries from ``offsets[i] - offsets[0]`` up
    to ``offsets[i + 1] - offsets[0]``. Offsets need not begin at zero, so that a slice is views alone.

    Attributes:
        offsets: Shape (n + 1,), int64, never falling.
        columns: Hashed fragment of each entry, shape (entries,), uint16.
        counts: How often it occurs (255 where more often), shape (entries,), uint8.
        descriptors: Shape (n, d), float32; ``fingerprint_featurizer.DESCRIPTORS`` names them.

    Raises:
        InputTaskError: If types or shapes are others, or do not fit together.
    """

    offsets: NDArray[np.int64]
    columns: NDArray[np.uint16]
    counts: NDArray[np.uint8]
    descriptors: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, kind in _TYPES.items():
            array = getattr(self, name)
            if array.dtype != kind or array.ndim != (2 if name == 'descriptors' else 1):
                raise InputTaskError(
                    f'Expected fingerprint features with {name} as {np.dtype(kind)}, got {array.dtype} of shape '
                    f'{array.shape}; make the features again.'
                )
        entries = int(self.offsets[-1] - self.offsets[0]) if len(self.offsets) else -1
        lengths = (len(self.offsets) - 1, len(self.columns), len(self.counts))
        if lengths != (len(self.descriptors), entries, entries):
            raise InputTaskError(
                f'Expected fingerprint features of {len(self.descriptors)} molecules with {entries} fragments, got '
                f'offsets for {lengths[0]}, {lengths[1]} columns and {lengths[2]} counts; make the features again.'
            )

    def __len__(self) -> int:
        """Number of molecules, ``n``."""
        return len(self.descriptors)

    def take(self, rows: NDArray[np.int64] | slice) -> FingerprintFeatures:
        """The molecules in these rows; views where rows are a slice of step 1."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._slice(start, max(start, stop))
            rows = np.arange(start, stop, step)
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        rows = np.where(rows < 0, rows + len(self), rows).astype(np.int64)
        begins, sizes = self.offsets[rows] - self.offsets[0], self.offsets[rows + 1] - self.offsets[rows]
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
        entries = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], sizes)
        return FingerprintFeatures(offsets, self.columns[entries], self.counts[entries], self.descriptors[rows])

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Its content by name."""
        return {name: getattr(self, name) for name in _TYPES}

    def _slice(self, start: int, stop: int) -> FingerprintFeatures:
        offsets = self.offsets[start : stop + 1]
        entries = slice(int(offsets[0] - self.offsets[0]), int(offsets[-1] - self.offsets[0]))
        return FingerprintFeatures(offsets, self.columns[entries], self.counts[entries], self.descriptors[start:stop])


def join_fingerprints(parts: list[FingerprintFeatures]) -> FingerprintFeatures:
    """The molecules of all parts, at least one, in order."""
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    return FingerprintFeatures(
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes, dtype=np.int64)]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.descriptors for part in parts]),
    )


def restore_fingerprints(arrays: Mapping[str, NDArray[Any]]) -> FingerprintFeatures:
    """The inverse of ``FingerprintFeatures.arrays``, without copying.

    Raises:
        InputTaskError: If an array is missing, or they do not fit together.
    """
    missing = [name for name in _TYPES if name not in arrays]
    if missing:
        raise InputTaskError(f'Expected fingerprint features with {", ".join(_TYPES)}, got none of {missing}.')
    return FingerprintFeatures(**{name: arrays[name] for name in _TYPES})
