"""Trained models as files: one model a ``.npz`` file, with its configuration as JSON inside and no pickles.

A file is an ordinary NumPy archive. Member ``header`` is UTF-8 JSON as bytes; members ``array_0``, ``array_1``, … are
the arrays in the header's order (their own names may be any text). The archive's checksums notice damage. Members are
not compressed, so that no file can hold more than its size.
"""

from __future__ import annotations

import json
import math
import os
import re
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError, InputTaskError
from scoutbee.contracts.learning import ModelArtifact, ModelVersion

from .registry import make_surrogate
from .surrogate import Surrogate

FORMAT = 'scoutbee-model'
FORMAT_VERSION = 1

_VERSIONED = re.compile(r'g(\d+)m(\d+)\.npz')
_ANOTHER = 'give another file, or train a new model by leaving it out'


def artifact_file_name(version: ModelVersion) -> str:
    """Name of the file a run keeps a model version in (``g3m0.npz``); ``load_ensemble`` understands it."""
    return f'{version}.npz'


def save_artifact(path: str | os.PathLike[str], artifact: ModelArtifact) -> None:
    """Write a model to a file. A reader sees the old file or the whole new one, whatever happens meanwhile.

    Raises:
        ConfigurationError: If the configuration is not plain data, or an array holds Python objects.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    arrays = {name: np.asarray(array) for name, array in artifact.arrays.items()}
    header = _header(path, artifact, arrays)
    members: dict[str, Any] = {f'array_{i}': array for i, array in enumerate(arrays.values())}
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f'.{path.name}.', delete=False) as file:
        try:
            np.savez(file, header=np.frombuffer(header, dtype=np.uint8), **members)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def load_artifact(path: str | os.PathLike[str], surrogate: str | None = None) -> ModelArtifact:
    """Read a model from a file.

    Args:
        path: The file.
        surrogate: Name of the surrogate that is to use it; any if not given.

    Raises:
        ConfigurationError: If the file is not there, not whole, not a Scoutbee model, of another format version, or
            another surrogate's.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # To open a pipe is to wait for its writer.
        raise ConfigurationError(f'Expected a model file, got {path}, which is something else; {_ANOTHER}.')
    try:
        artifact = _read(path)
    except ConfigurationError:
        raise
    except OSError as error:
        raise ConfigurationError(
            f'The model file {path} cannot be read ({error.strerror or error}); {_ANOTHER}.'
        ) from error
    except Exception as error:  # a damaged or hand-made archive can make its readers raise anything
        raise ConfigurationError(
            f'The file {path} is not a Scoutbee model, or is damaged or not whole '
            f'({type(error).__name__}: {str(error)[:200]}); {_ANOTHER}.'
        ) from error
    _check_use(path, artifact, surrogate)
    return artifact


def load_ensemble(path: str | os.PathLike[str], surrogate: Surrogate | None = None) -> list[ModelArtifact]:
    """Read an ensemble: one file, or all the models of a folder, one artifact a member.

    Of a folder that a run wrote (files named by model version), the newest version of each member is taken; of any
    other folder every ``.npz`` file, ordered by name. A run directory stands for the ``models`` folder in it.

    Args:
        path: The file or folder.
        surrogate: What is to use it; any if not given.

    Raises:
        ConfigurationError: If nothing is there, or a file cannot be used.
    """
    path = Path(path)
    if not path.is_dir():
        return [_load_fitting(path, surrogate)]
    folder = path / 'models' if not any(path.glob('*.npz')) and (path / 'models').is_dir() else path
    files = _newest(sorted(folder.glob('*.npz')))
    if not files:
        raise ConfigurationError(f'Expected model files (*.npz) in the folder {folder}, found none; {_ANOTHER}.')
    return [_load_fitting(file, surrogate) for file in files]


def _load_fitting(path: Path, surrogate: Surrogate | None) -> ModelArtifact:
    """A model that the surrogate can predict with, from the features it makes."""
    if surrogate is None:
        return load_artifact(path)
    artifact = load_artifact(path, surrogate.name)
    try:
        own = make_surrogate(artifact.surrogate, artifact.config.get('settings', {}))
        own.check(artifact)
    except (InputTaskError, ConfigurationError) as error:
        raise ConfigurationError(f'The model file {path} cannot be used: {error}') from error
    if own.featurizer.name != surrogate.featurizer.name:
        raise ConfigurationError(
            f'Expected a model of the features {surrogate.featurizer.name} in {path}, got one of '
            f'{own.featurizer.name}; give the surrogate the settings of that model, or {_ANOTHER}.'
        )
    return artifact


def _read(path: Path) -> ModelArtifact:
    """The model in a file; raises whatever a foreign or damaged file makes it raise."""
    with path.open('rb') as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
        if not stored or sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError('it holds more than its size')
        header = _check_header(path, json.loads(_member(archive, 'header').tobytes().decode()))
        arrays = {name: _member(archive, f'array_{i}') for i, name in enumerate(header['arrays'])}
    metrics = {name: float(value) for name, value in header['metrics'].items()}
    return ModelArtifact(header['surrogate'], header['config'], arrays, metrics)


def _member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """An array of the archive, all of whose bytes are there and checked."""
    stream = BytesIO(archive.read(f'{name}.npy'))
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, by_columns, dtype = readers[np.lib.format.read_magic(stream)](stream)
    values = stream.read()
    if dtype.hasobject or len(values) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f'{name} holds Python objects, or too much or too little')
    array: NDArray[Any] = np.frombuffer(values, dtype=dtype).reshape(shape, order='F' if by_columns else 'C').copy()
    return array


def _header(path: Path, artifact: ModelArtifact, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise ConfigurationError(f'Expected plain arrays to save in {path}, got Python objects in {objects}.')
    header = {
        'format': FORMAT,
        'version': FORMAT_VERSION,
        'surrogate': artifact.surrogate,
        'config': artifact.config,
        'metrics': {name: float(value) for name, value in artifact.metrics.items()},
        'arrays': list(arrays),
    }
    try:
        return json.dumps(header).encode()
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f'Expected plain data as configuration of a model for {path}: {error}.') from error


def _check_header(path: Path, header: Any) -> dict[str, Any]:
    if not isinstance(header, dict) or header.get('format') != FORMAT:
        raise ValueError('no header of ours')
    if header.get('version') != FORMAT_VERSION:
        raise ConfigurationError(
            f'The model file {path} has format version {header.get("version")!r}, and this Scoutbee reads version '
            f'{FORMAT_VERSION}; {_ANOTHER}.'
        )
    shapes = {'surrogate': str, 'config': dict, 'metrics': dict, 'arrays': list}
    if not all(isinstance(header.get(key), kind) for key, kind in shapes.items()) or not isinstance(
        header['config'].get('settings', {}), dict
    ):
        raise ValueError('header incomplete')
    return header


def _check_use(path: Path, artifact: ModelArtifact, surrogate: str | None) -> None:
    if surrogate is not None and artifact.surrogate != surrogate:
        raise ConfigurationError(
            f'Expected a model of the surrogate {surrogate!r} in {path}, got one of {artifact.surrogate!r}; '
            f'choose that surrogate, or {_ANOTHER}.'
        )
    for name, array in artifact.arrays.items():
        if array.dtype.kind == 'f' and np.isnan(array).any():
            raise ConfigurationError(f'The model file {path} holds NaN in {name!r}; {_ANOTHER}.')


def _newest(files: list[Path]) -> list[Path]:
    versions = [_VERSIONED.fullmatch(file.name) for file in files]
    if not all(versions):
        return files
    newest: dict[int, tuple[int, Path]] = {}
    for file, match in zip(files, versions, strict=True):
        if match is not None:
            generation, member = int(match[1]), int(match[2])
            newest[member] = max(newest.get(member, (-1, file)), (generation, file))
    return [newest[member][1] for member in sorted(newest)]
