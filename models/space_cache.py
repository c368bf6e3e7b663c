"""A search space's features, computed once and kept on disk as memory-mapped arrays.

An entry is a folder named by a hash of what went in: the inputs in their order, and the featurizer's name and version.
It appears under its name only when it is whole, by a rename; until then its pieces wait beside it (``space_parts``).
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError, InputTaskError, TaskError

from .array_folders import bytes_of, digest_of, map_arrays, write_arrays
from .space_files import UNUSABLE, SpaceFiles, split_arrays
from .space_parts import PREFIX, SpaceParts
from .surrogate import Features, FeatureSource, Featurizer, Progress, silent
from .texts import Texts

FORMAT_VERSION = 2
"""Part of the hash: raise it when the folder's layout changes."""

_DAY = 86_400.0
_LEFT_FOR_SECONDS = {'.building-*': _DAY, '.damaged-*': _DAY, f'{PREFIX}*': 30 * _DAY}
"""How long what a process left behind may be of use: what is unfinished can be gone on with."""


class NothingUsable(InputTaskError):
    """Not one input has features, so that there is nothing to stand in for the others."""


@dataclass(frozen=True)
class FeaturedSpace:
    """Features of ``n`` inputs, some of which are stand-ins: row ``i`` is input ``i``, whatever is wrong with others.

    Attributes:
        features: Features of the inputs, ``n``, or of the stand-in where an input has none.
        unusable: Which inputs have none; shape (unusable,), int64, sorted.
        files: Where these are kept.
    """

    features: Features
    unusable: NDArray[np.int64]
    files: SpaceFiles


def cached_space(
    featurizer: Featurizer, inputs: Sequence[str], cache_dir: Path, progress: Progress = silent
) -> FeaturedSpace:
    """Features of ``n`` inputs, from the cache where it has them.

    Args:
        featurizer: What makes them.
        inputs: The search space, in its order.
        cache_dir: Folder of the cache; made if it is not there.
        progress: Told how far the work is; called at least at its end, also when the cache has it all.

    Raises:
        NothingUsable: If there are inputs and not one of them has features.
        ConfigurationError: If the cache folder cannot be written.
    """
    texts = Texts.of(inputs)
    entry = Path(cache_dir).absolute() / content_hash(featurizer, texts)
    space = _restored(featurizer, entry, len(texts))
    if space is None:
        try:
            space = _made(featurizer, texts, entry, progress)
        except OSError as error:
            raise ConfigurationError(
                f'Expected a cache folder with room to write in, got {error.strerror or error} for {cache_dir}; '
                'free some space or choose another folder.'
            ) from error
    progress(len(texts), len(texts))
    return space


def cached_bytes(featurizer: FeatureSource, inputs: Sequence[str], cache_dir: Path) -> int | None:
    """Bytes of the features of all inputs, told from the cache alone; None where it has none. Nothing is changed.

    Args:
        featurizer: What would make them.
        inputs: The search space, in its order.
        cache_dir: Folder of the cache.
    """
    return bytes_of(Path(cache_dir) / content_hash(featurizer, inputs))


def content_hash(featurizer: FeatureSource, inputs: Sequence[str]) -> str:
    """Name of the cache's entry for these inputs: 32 hexadecimal digits after the featurizer's name."""
    texts = Texts.of(inputs)
    digest = hashlib.sha256(f'{FORMAT_VERSION}\n{featurizer.name}\n{len(texts)}\n'.encode())
    digest.update(texts.offsets.astype('<i8').data)
    digest.update(texts.content.data)
    return f'{"".join(c if c.isalnum() or c in "-_." else "-" for c in featurizer.name)}-{digest.hexdigest()[:32]}'


def _restored(featurizer: FeatureSource, entry: Path, size: int) -> FeaturedSpace | None:
    """The entry; None where there is none, or it is damaged (and then moved out of the way)."""
    if not entry.is_dir():
        return None
    try:
        arrays, unusable = split_arrays(map_arrays(entry))
        features = featurizer.restore(arrays)
        if len(features) != size:
            raise ValueError(f'{len(features)} rows instead of {size}')
        return FeaturedSpace(features, unusable, SpaceFiles(str(entry), digest_of(entry), featurizer))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, TaskError):
        _discard(entry)
        return None


def _made(featurizer: Featurizer, texts: Texts, entry: Path, progress: Progress) -> FeaturedSpace:
    """The entry, made of its pieces, or by another process in the meantime."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    _sweep(entry.parent)
    parts = SpaceParts(entry.parent / f'{PREFIX}{entry.name}', featurizer, texts)
    with parts.held(progress):
        space = _restored(featurizer, entry, len(texts))
        if space is None:
            features, unusable = _complete(featurizer, parts, len(texts), progress)
            _store(features, unusable, entry)
            del features  # What was made is dropped for its memory-mapped copy, which workers here share.
            space = _restored(featurizer, entry, len(texts))
        parts.remove()
    if space is None:
        raise ConfigurationError(f'What was written to {entry} could not be read again; choose another cache folder.')
    return space


def _complete(
    featurizer: Featurizer, parts: SpaceParts, count: int, progress: Progress
) -> tuple[Features, NDArray[np.int64]]:
    """Features of all inputs, with a stand-in for those that have none."""
    screened = parts.screen(progress)
    unusable = screened.unusable
    if not len(unusable):
        return screened.features, unusable
    if len(unusable) == count:
        parts.remove()
        raise NothingUsable(f'Expected at least one input that has features, got {count:,} that have none.')
    usable = np.ones(count, dtype=bool)
    usable[unusable] = False
    # Row of each input in the features; the first stands in for what has none.
    rows = np.where(usable, np.cumsum(usable) - 1, 0)
    features: Features = screened.features
    return features.take(rows), unusable


def _store(features: Features, unusable: NDArray[np.int64], entry: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix='.building-', dir=entry.parent))
    try:
        write_arrays(building, {**features.arrays(), UNUSABLE: unusable})
        try:
            building.rename(entry)
        except OSError:
            if not entry.is_dir():
                raise
            # Another process was faster, where there are no locks; its entry holds the same.
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _discard(entry: Path) -> None:
    """Move a damaged entry away before deleting it, so that no other process sees half of it."""
    try:
        trash = Path(tempfile.mkdtemp(prefix='.damaged-', dir=entry.parent))
        entry.rename(trash / entry.name)
    except OSError:
        return
    shutil.rmtree(trash, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Delete what processes that died left behind and nobody came back for."""
    for pattern, seconds in _LEFT_FOR_SECONDS.items():
        for left in folder.glob(pattern):
            try:
                abandoned = time.time() - left.stat().st_mtime > seconds
            except OSError:
                continue
            if abandoned and left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            elif abandoned:
                left.unlink(missing_ok=True)
