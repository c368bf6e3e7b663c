"""Objects as files in a directory that driver and workers share."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from proxystore.serialize import BytesLike

from ..errors import StoreLostError
from .base import Connector, Key


class DirectoryConnector(Connector):
    """Keeps objects in a directory."""

    backend: ClassVar[str] = 'file'

    def __init__(self, store_dir: str) -> None:
        """Args: store_dir: The directory. Only ``make`` makes it: a worker that does not see it does not share it."""
        self._directory = Path(store_dir).absolute()

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._directory})'

    def make(self) -> None:
        """Make the directory, readable by its owner alone, if it is not there.

        Raises:
            OSError: If it cannot be made.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def config(self) -> dict[str, Any]:
        """Arguments that make a connector to the same store."""
        return {'store_dir': str(self._directory)}

    @classmethod
    def where(cls, config: Mapping[str, Any]) -> str:
        """The directory."""
        return str(config['store_dir'])

    def exists(self, key: Key) -> bool:
        """Whether the object is there."""
        return (self._directory / key.name).exists()

    def evict(self, key: Key) -> None:
        """Remove the object; harmless if it is gone."""
        (self._directory / key.name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """Names of the objects that are stored now, halves left by workers that died among them."""
        try:
            return iter(os.listdir(self._directory))
        except FileNotFoundError:
            return iter(())

    def clear(self) -> None:
        """Remove them all, and the directory."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def close(self) -> None:
        """Nothing to close; the objects stay."""

    def _read(self, key: Key) -> BytesLike | None:
        try:
            return (self._directory / key.name).read_bytes()
        except FileNotFoundError:
            self._check()
            return None

    def _write(self, data: BytesLike) -> tuple[str, tuple[str, ...]]:
        name = uuid.uuid4().hex
        half = self._directory / f'{name}.part'
        try:
            half.write_bytes(data)
            half.replace(self._directory / name)  # so that nobody ever reads half an object
        except OSError:
            with contextlib.suppress(OSError):
                half.unlink()
            self._check()
            raise
        return name, ()

    def _check(self) -> None:
        if not self._directory.is_dir():
            raise StoreLostError(
                f'There is no folder {self._directory} here. The backend file needs one that the driver shares with '
                'all its workers: name it with --ps-file-dir, or choose another backend.'
            )
