"""Features of everything that has some: what cannot be featurized is found, replaced by a stand-in, and remembered.

A search space keeps its rows that way: row ``i`` of the features is line ``i`` of what was read, whatever was wrong
with some of them, and what was wrong is cached with the features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError
from scoutbee.models.space_cache import cached_bytes, cached_features
from scoutbee.models.surrogate import Features, Featurizer, Progress, silent

_FOLDER = 'features'
_UNUSABLE = 'screening_unusable'
_MANY = 8_000
"""Inputs from which a person may wait long enough to want to know how far it is."""


class NothingUsable(InputTaskError):
    """Not one input has features, so that there is nothing to stand in for the others."""


@dataclass(frozen=True)
class Screened:
    """Features of ``n`` inputs, some of which are stand-ins.

    Attributes:
        features: Features of the inputs, ``n``, or of the stand-in where an input has none.
        unusable: Which inputs have none; shape (unusable,), int64, sorted.
    """

    features: Features
    unusable: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.int64] | slice) -> Screened:
        """The inputs in these rows, in this order."""
        chosen = np.arange(len(self))[rows]
        return Screened(self.features.take(rows), np.flatnonzero(np.isin(chosen, self.unusable)).astype(np.int64))

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Those of the features, and what is unusable."""
        return {**self.features.arrays(), _UNUSABLE: self.unusable}


@dataclass(frozen=True)
class ScreeningFeaturizer:
    """Makes ``Screened`` features by another featurizer.

    Attributes:
        inner: What makes the features.
    """

    inner: Featurizer

    @property
    def name(self) -> str:
        """Name and version of the features."""
        return f'screened-1-{self.inner.name}'

    def featurize(self, inputs: Sequence[Any], progress: Progress = silent) -> Screened:
        """Features of ``n`` inputs, where what has none is stood in for.

        Raises:
            NothingUsable: If not one of them has any.
        """
        found = self.inner.screen(inputs, progress)
        if not len(found.unusable):
            return Screened(found.features, found.unusable)
        if len(found.unusable) == len(inputs):
            raise NothingUsable(f'Expected at least one input that has features, got {len(inputs):,} that have none.')
        usable = np.ones(len(inputs), dtype=bool)
        usable[found.unusable] = False
        # Row of each input in the features; the first stands in for what has none.
        rows = np.where(usable, np.cumsum(usable) - 1, 0)
        return Screened(found.features.take(rows), found.unusable)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Screened:
        """The inverse of ``Screened.arrays``, without copying."""
        inner = {name: array for name, array in arrays.items() if name != _UNUSABLE}
        return Screened(self.inner.restore(inner), np.asarray(arrays[_UNUSABLE]))


def featurize_screened(
    featurizer: Featurizer, inputs: Sequence[Any], cache_dir: Path, report: Callable[[str], None]
) -> Screened:
    """Features of all inputs that have some, from the cache where they were computed before.

    Args:
        featurizer: What makes them.
        inputs: What a person wrote about each candidate.
        cache_dir: Where they are kept.
        report: Told how far it is where it takes long.

    Raises:
        ConfigurationError: If the cache cannot be written.
        NothingUsable: If not one input has features.
    """
    progress = _Sentences(report)
    screened = cached_features(ScreeningFeaturizer(featurizer), inputs, cache_dir / _FOLDER, progress)
    assert isinstance(screened, Screened)  # What the featurizer restores, whose type the cache cannot know.
    return screened


def screened_bytes(featurizer: Featurizer, inputs: Sequence[Any], cache_dir: Path) -> int | None:
    """Bytes of the features of all inputs, where the cache has them.

    Args:
        featurizer: What would make them.
        inputs: What a person wrote about each candidate.
        cache_dir: Where ``featurize_screened`` keeps features.
    """
    return cached_bytes(ScreeningFeaturizer(featurizer), inputs, cache_dir / _FOLDER)


class _Sentences:
    """Progress in tenths, as sentences, where there is much to do."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        begun = self._told >= 0
        if total < _MANY or tenth <= self._told or (done == total and not begun):
            return  # Few, told already, or all there from the beginning.
        self._told = tenth
        if done:
            self._report(f'Features: {done:,} of {total:,} candidates have theirs.')
        else:
            self._report(f'Features: computing those of {total:,} candidates; the cache keeps them for the next time.')
