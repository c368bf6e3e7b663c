"""Features of everything that has some, from the cache, while a person who waits for them is told how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scoutbee.models.space_cache import FeaturedSpace, cached_bytes, cached_space
from scoutbee.models.surrogate import Featurizer

_FOLDER = 'features'
_MANY = 8_000
"""Inputs from which a person may wait long enough to want to know how far it is."""

_TELL_SECONDS = 30.0
"""How often one is told, besides at every tenth."""


def featurize_screened(
    featurizer: Featurizer, inputs: Sequence[str], cache_dir: Path, report: Callable[[str], None]
) -> FeaturedSpace:
    """Features of all inputs that have some, from the cache where it has them.

    Args:
        featurizer: What makes them.
        inputs: What a person wrote about each candidate.
        cache_dir: Where they are kept.
        report: Told how far it is where it takes long.

    Raises:
        ConfigurationError: If the cache cannot be written.
        NothingUsable: If not one input has features.
    """
    return cached_space(featurizer, inputs, cache_dir / _FOLDER, _Sentences(report))


def screened_bytes(featurizer: Featurizer, inputs: Sequence[str], cache_dir: Path) -> int | None:
    """Bytes of the features of all inputs, where the cache has them.

    Args:
        featurizer: What would make them.
        inputs: What a person wrote about each candidate.
        cache_dir: Where ``featurize_screened`` keeps features.
    """
    return cached_bytes(featurizer, inputs, cache_dir / _FOLDER)


class _Sentences:
    """Progress in tenths, or twice a minute, as sentences with the time that is left, where there is much to do."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._begun: tuple[float, int] | None = None  # when, and how many were there already
        self._tenth = -1
        self._told = 0.0

    def __call__(self, done: int, total: int) -> None:
        if total < _MANY or (done == total and self._begun is None):
            return  # Few, or all there from the beginning.
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, done
            self._report(_beginning(done, total))
        elif 10 * done // total > self._tenth or now - self._told > _TELL_SECONDS:
            self._report(f'Features: {done:,} of {total:,} candidates have theirs{self._left(now, done, total)}.')
        else:
            return
        self._tenth, self._told = 10 * done // total, now

    def _left(self, now: float, done: int, total: int) -> str:
        assert self._begun is not None
        since, before = self._begun
        if done in (total, before):
            return ''
        seconds = (now - since) * (total - done) / (done - before)
        return f'; about {seconds / 60:.0f} min left' if seconds >= 90 else f'; about {seconds:.0f} s left'


def _beginning(done: int, total: int) -> str:
    kept = 'the cache keeps them for the next time'
    if done:
        return f'Features: going on from {done:,} of {total:,} candidates; {kept}.'
    return f'Features: computing those of {total:,} candidates; {kept}.'
