"""Folders of arrays: one ``.npy`` file an array, and a manifest with their checksums."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MANIFEST = 'manifest.json'


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]], **told: Any) -> None:
    """Write arrays into a folder that is there and empty; they are on the disk when this returns.

    Args:
        folder: The folder.
        arrays: The arrays, by name.
        told: What else the manifest tells; plain data.

    Raises:
        OSError: If it cannot be written.
    """
    manifest: dict[str, Any] = {**told, 'arrays': {}}
    for index, (name, array) in enumerate(arrays.items()):
        file = f'{index}-{name}.npy' if name.isidentifier() else f'{index}.npy'
        with (folder / file).open('wb') as opened:
            np.save(opened, array, allow_pickle=False)
            opened.flush()
            os.fsync(opened.fileno())
        manifest['arrays'][name] = {'file': file, 'bytes': int(array.nbytes), 'crc32': _checksum(array)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def map_arrays(folder: Path, digest: str | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of a folder, memory-mapped, after a look at their checksums.

    Args:
        folder: The folder.
        digest: What ``digest_of`` returned where they were written, if they must be the same.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If something is not what was written, also KeyError, TypeError, AttributeError and EOFError.
    """
    raw = (folder / MANIFEST).read_bytes()
    if digest is not None and _digest(raw) != digest:
        raise ValueError(f'{folder} holds other arrays')
    arrays: dict[str, NDArray[Any]] = {}
    for name, told in json.loads(raw)['arrays'].items():
        array = np.load(folder / told['file'], mmap_mode='r' if told['bytes'] else None, allow_pickle=False)
        if _checksum(array) != told['crc32']:
            raise ValueError(f'{told["file"]} in {folder} is not what was written')
        arrays[name] = array
    return arrays


def digest_of(folder: Path) -> str:
    """A digest of all that a folder holds, by its manifest.

    Raises:
        OSError: If that cannot be read.
    """
    return _digest((folder / MANIFEST).read_bytes())


def bytes_of(folder: Path) -> int | None:
    """Bytes of all arrays of a folder, by its manifest; None where it does not tell."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        return sum(int(array['bytes']) for array in told['arrays'].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _digest(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()


def _checksum(array: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data) if array.nbytes else 0
