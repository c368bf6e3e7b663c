"""Objects as files that Globus copies between machines which share neither network nor file system.

The run has a folder of its own below that of each collection, so that nothing else is ever removed. What is stored
anywhere arrives in all collections; this connector lists what is in the one of its own machine, and so does not see
what a worker elsewhere stored as long as Globus has not copied it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from proxystore.serialize import BytesLike
from proxystore.utils.environment import hostname

from scoutbee.contracts.errors import ConfigurationError

from ..errors import StoreLostError
from ..journal import Journal, Note
from .base import Connector, Key
from .globus_collections import Collection
from .globus_service import asking, check_task, log_in, make_folder, remove_folders

if TYPE_CHECKING:
    from proxystore.connectors.globus import GlobusConnector, GlobusKey

TRANSFER_SECONDS = 600.0
"""How long a transfer may take, unless told otherwise: of a user's tasks Globus runs a few at a time."""


class GlobusFolderConnector(Connector):
    """Keeps objects in a folder of each collection."""

    backend: ClassVar[str] = 'globus'

    def __init__(
        self,
        collections: Mapping[str, Mapping[str, str]],
        folder: str,
        patience: float = TRANSFER_SECONDS,
        journal: Journal | None = None,
    ) -> None:
        """Log in with the tokens of this machine.

        Args:
            collections: The collections, by id; each has the fields of ``globus_collections.Collection``.
            folder: Name of the run's folder in each of them.
            patience: How many seconds a transfer may take.
            journal: Where to note the folder; for the driver.

        Raises:
            ConfigurationError: If no collection is this machine's, or nobody has logged in here; it says how.
            StoreLostError: If Globus cannot be reached.
        """
        self._collections = {number: Collection.model_validate(given) for number, given in collections.items()}
        self._folder = folder
        self._patience = patience
        self._journal = journal
        self._here = self._find_here()
        self._local = Path(self._collections[self._here].local_path).expanduser() / folder
        self._client = log_in(list(self._collections))
        self._connector = asking(self._connect)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._local})'

    def make(self) -> None:
        """Make the folder in every collection, which also shows that they can be used.

        Raises:
            ConfigurationError: If it cannot be made somewhere.
        """
        if self._journal is not None:
            self._journal.note(Note(self.backend, self._folder, (), self.config()))
        try:
            self._local.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number, path in self._elsewhere():
                make_folder(self._client, number, path)
        except (OSError, StoreLostError) as error:
            raise ConfigurationError(
                f'The backend globus cannot make its folder {self._folder} in all collections: {error} '
                'Correct --ps-globus-config.'
            ) from None

    def config(self) -> dict[str, Any]:
        """Arguments that make a connector to the same folders on any machine that has one of the collections."""
        collections = {number: collection.model_dump() for number, collection in self._collections.items()}
        return {'collections': collections, 'folder': self._folder, 'patience': self._patience}

    @classmethod
    def where(cls, config: Mapping[str, Any]) -> str:
        """The folders."""
        folder = config['folder']
        places = (f'{number}:{given["endpoint_path"]}/{folder}' for number, given in config['collections'].items())
        return ' and '.join(places)

    def exists(self, key: Key) -> bool:
        """Whether the object is there."""
        return bool(asking(lambda: self._connector.exists(_theirs(key))))

    def evict(self, key: Key) -> None:
        """Remove the object; harmless if it is gone. Its copies follow soon."""
        with contextlib.suppress(FileNotFoundError):  # another thread was quicker
            asking(lambda: self._connector.evict(_theirs(key)))

    def names(self) -> Iterator[str]:
        """Names of the objects that are in the collection of this machine now."""
        try:
            return iter(os.listdir(self._local))
        except FileNotFoundError:
            return iter(())

    def clear(self) -> None:
        """Remove the folder from every collection."""
        shutil.rmtree(self._local, ignore_errors=True)
        remove_folders(self._client, self._elsewhere(), self._seconds)
        if self._journal is not None:
            self._journal.strike(self.backend, self._folder)

    def close(self) -> None:
        """Nothing to close; the objects stay."""

    def _read(self, key: Key) -> BytesLike | None:
        found: BytesLike | None = asking(lambda: self._connector.get(_theirs(key)))
        if found is None:
            for task in key.place:
                check_task(self._client, task, self._seconds)
        return found

    def _write(self, data: BytesLike) -> tuple[str, tuple[str, ...]]:
        key = asking(lambda: self._connector.put(data))
        return key.filename, tuple(key.task_id)

    def _connect(self) -> GlobusConnector:
        from proxystore.connectors.globus import GlobusConnector

        folders = {
            number: {
                'host_regex': collection.host_regex,
                'endpoint_path': os.path.join(collection.endpoint_path, self._folder),
                'local_path': os.path.join(collection.local_path, self._folder),
            }
            for number, collection in self._collections.items()
        }
        # Unless it is told not to, it removes the folders as it is closed.
        return GlobusConnector(folders, clear=False, timeout=self._seconds)

    def _find_here(self) -> str:
        """Id of the collection of this machine."""
        host = hostname()
        found = next((number for number, collection in self._collections.items() if collection.is_on(host)), None)
        if found is None:
            patterns = ' nor '.join(collection.host_regex for collection in self._collections.values())
            raise ConfigurationError(
                f'No collection of --ps-globus-config is on host {host}: its name fits neither {patterns}. Correct '
                'host_regex, or add a collection of this host.'
            )
        return found

    def _elsewhere(self) -> Iterator[tuple[str, str]]:
        """The folder in every collection but that of this machine: the collection's id, and Globus' path."""
        for number, collection in self._collections.items():
            if number != self._here:
                yield number, os.path.join(collection.endpoint_path, self._folder)

    @property
    def _seconds(self) -> int:
        return max(1, int(self._patience))


def _theirs(key: Key) -> GlobusKey:
    from proxystore.connectors.globus import GlobusKey

    return GlobusKey(key.name, key.place)
