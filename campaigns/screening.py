"""Features of everything that has some: what cannot be featurized is found, replaced by a stand-in, and remembered.

A search space keeps its rows that way: row ``i`` of the features is line ``i`` of what was read, whatever was wrong
with some of them, and what was wrong is cached with the features.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError
from scoutbee.models.space_cache import Progress, ReportingFeaturizer, cached_features
from scoutbee.models.surrogate import Features, Featurizer

_UNUSABLE = 'screening_unusable'
_PIECE = 2_000
_PARALLEL_FROM = 8_000
"""Inputs from which more processes pay for the second or two that they take to start."""


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

    def featurize(self, inputs: Sequence[Any]) -> Screened:
        """Features of ``n`` inputs, at once where nothing is wrong with them.

        Raises:
            NothingUsable: If not one of them has any.
        """
        return self.featurize_with_progress(inputs, lambda done, total: None)

    def featurize_with_progress(self, inputs: Sequence[Any], progress: Progress) -> Screened:
        """The same, telling how far it is where the other featurizer can."""
        try:
            return Screened(self._featurize(inputs, progress), np.empty(0, dtype=np.int64))
        except InputTaskError:
            unusable = find_unusable(self.inner, inputs)
        if len(unusable) == len(inputs):
            raise NothingUsable(f'Expected at least one input that has features, got {len(inputs):,} that have none.')
        replaced = list(inputs)
        stand_in = inputs[int(np.setdiff1d(np.arange(len(inputs)), unusable, assume_unique=True)[0])]
        for row in unusable:
            replaced[row] = stand_in
        return Screened(self._featurize(replaced, progress), unusable)

    def _featurize(self, inputs: Sequence[Any], progress: Progress) -> Features:
        if isinstance(self.inner, ReportingFeaturizer):
            return self.inner.featurize_with_progress(inputs, progress)
        return self.inner.featurize(inputs)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Screened:
        """The inverse of ``Screened.arrays``, without copying."""
        inner = {name: array for name, array in arrays.items() if name != _UNUSABLE}
        return Screened(self.inner.restore(inner), np.asarray(arrays[_UNUSABLE]))


def find_unusable(featurizer: Featurizer, inputs: Sequence[Any]) -> NDArray[np.int64]:
    """Rows of the inputs that have no features, sorted; on as many processes as it pays."""
    pieces = [list(inputs[start : start + _PIECE]) for start in range(0, len(inputs), _PIECE)]
    processes = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    check = partial(_unusable_in, featurizer)
    if len(inputs) < _PARALLEL_FROM or processes == 1:
        found = [check(piece) for piece in pieces]
    else:
        # Not forked: the caller may hold threads, and a forked child can deadlock on their locks.
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context('spawn')) as pool:
            found = list(pool.map(check, pieces))
    rows = [number * _PIECE + row for number, bad in enumerate(found) for row in bad]
    return np.array(rows, dtype=np.int64)


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
    screened = cached_features(ScreeningFeaturizer(featurizer), inputs, cache_dir / 'features', progress)
    assert isinstance(screened, Screened)  # What the featurizer restores, whose type the cache cannot know.
    return screened


class _Sentences:
    """Progress in tenths, as sentences, where there is much to do."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        begun = self._told >= 0
        if total < _PARALLEL_FROM or tenth <= self._told or (done == total and not begun):
            return  # Few, told already, or all there from the beginning.
        self._told = tenth
        if done:
            self._report(f'Features: {done:,} of {total:,} candidates have theirs.')
        else:
            self._report(f'Features: computing those of {total:,} candidates; the cache keeps them for the next time.')


def _unusable_in(featurizer: Featurizer, inputs: Sequence[Any]) -> list[int]:
    if _has_features(featurizer, inputs):
        return []
    return [row for row, each in enumerate(inputs) if not _has_features(featurizer, [each])]


def _has_features(featurizer: Featurizer, inputs: Sequence[Any]) -> bool:
    try:
        featurizer.featurize(inputs)
    except InputTaskError:
        return False
    return True
