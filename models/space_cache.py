"""A search space's features, computed once and kept on disk as memory-mapped arrays.

An entry is a folder named by a hash of what went in: the inputs in their order, and the featurizer's name and version.
It holds one ``.npy`` file an array and ``manifest.json`` with their checksums. It appears under its name only when it
is whole, by a rename, so processes that share a cache folder need no lock: at worst two compute the same entry.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError, TaskError

from .surrogate import Features, FeatureSource, Progress, silent

FORMAT_VERSION = 1
"""Part of the hash: raise it when the folder's layout changes."""

_MANIFEST = 'manifest.json'
_ABANDONED_SECONDS = 86_400.0


def cached_features(
    featurizer: FeatureSource, inputs: Sequence[str], cache_dir: Path, progress: Progress = silent
) -> Features:
    """Features of ``n`` inputs, from the cache where it has them.

    Args:
        featurizer: What makes them.
        inputs: The search space, in its order.
        cache_dir: Folder of the cache; made if it is not there.
        progress: Told how far the work is; called at least at its end, also when the cache has it all.

    Raises:
        InputTaskError: If an input has no features.
        ConfigurationError: If the cache folder cannot be written.
    """
    entry = Path(cache_dir) / content_hash(featurizer, inputs)
    features = _restore(featurizer, entry, len(inputs))
    if features is None:
        progress(0, len(inputs))
        made = featurizer.featurize(inputs, progress)
        try:
            _store(made.arrays(), len(made), entry)
        except OSError as error:
            raise ConfigurationError(
                f'Expected a cache folder with room to write in, got {error.strerror or error} for {cache_dir}; '
                'free some space or choose another folder.'
            ) from error
        # What was just made is dropped for its memory-mapped copy, which other processes on this machine share.
        features = _restore(featurizer, entry, len(inputs)) or made
    progress(len(inputs), len(inputs))
    return features


def cached_bytes(featurizer: FeatureSource, inputs: Sequence[str], cache_dir: Path) -> int | None:
    """Bytes of the features of all inputs, told from the cache alone; None where it has none. Nothing is changed.

    Args:
        featurizer: What would make them.
        inputs: The search space, in its order.
        cache_dir: Folder of the cache.
    """
    manifest = Path(cache_dir) / content_hash(featurizer, inputs) / _MANIFEST
    try:
        return sum(int(told['bytes']) for told in json.loads(manifest.read_bytes())['arrays'].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def content_hash(featurizer: FeatureSource, inputs: Sequence[str]) -> str:
    """Name of the cache's entry for these inputs: 32 hexadecimal digits after the featurizer's name."""
    digest = hashlib.sha256(f'{FORMAT_VERSION}\n{featurizer.name}\n{len(inputs)}\n'.encode())
    for text in inputs:
        raw = text.encode('utf-8', 'surrogatepass')
        digest.update(b'%d:' % len(raw))
        digest.update(raw)
    return f'{"".join(c if c.isalnum() or c in "-_." else "-" for c in featurizer.name)}-{digest.hexdigest()[:32]}'


def _restore(featurizer: FeatureSource, entry: Path, size: int) -> Features | None:
    """The entry's features; None where there is no entry, or it is damaged (which is then moved out of the way)."""
    if not entry.is_dir():
        return None
    try:
        features = featurizer.restore(_load(entry))
        if len(features) != size:
            raise ValueError(f'{len(features)} rows instead of {size}')
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, TaskError):
        _discard(entry)
        return None
    return features


def _load(entry: Path) -> dict[str, NDArray[Any]]:
    manifest = json.loads((entry / _MANIFEST).read_text())
    arrays: dict[str, NDArray[Any]] = {}
    for name, told in manifest['arrays'].items():
        array = np.load(entry / told['file'], mmap_mode='r' if told['bytes'] else None, allow_pickle=False)
        if _checksum(array) != told['crc32']:
            raise ValueError(f'{told["file"]} is not what was written')
        arrays[name] = array
    return arrays


def _store(arrays: Mapping[str, NDArray[Any]], size: int, entry: Path) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    _sweep(entry.parent)
    building = Path(tempfile.mkdtemp(prefix='.building-', dir=entry.parent))
    try:
        manifest: dict[str, Any] = {'size': size, 'arrays': {}}
        for index, (name, array) in enumerate(arrays.items()):
            file = f'{index}-{name}.npy' if name.isidentifier() else f'{index}.npy'
            _write(building / file, array)
            manifest['arrays'][name] = {'file': file, 'bytes': int(array.nbytes), 'crc32': _checksum(array)}
        (building / _MANIFEST).write_text(json.dumps(manifest))
        try:
            building.rename(entry)
        except OSError:
            if not entry.is_dir():
                raise
            # Another process was faster; its entry holds the same.
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _write(path: Path, array: NDArray[Any]) -> None:
    with path.open('wb') as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _checksum(array: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data) if array.nbytes else 0


def _discard(entry: Path) -> None:
    """Move a damaged entry away before deleting it, so that no other process sees half of it."""
    try:
        trash = Path(tempfile.mkdtemp(prefix='.damaged-', dir=entry.parent))
        entry.rename(trash / entry.name)
    except OSError:
        return
    shutil.rmtree(trash, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Delete what processes that died left unfinished a day ago or earlier."""
    for pattern in ('.building-*', '.damaged-*'):
        for left in folder.glob(pattern):
            try:
                abandoned = time.time() - left.stat().st_mtime > _ABANDONED_SECONDS
            except OSError:
                continue
            if abandoned:
                shutil.rmtree(left, ignore_errors=True)
