"""What a run keeps outside of its files while it lives, and how it is found again when a driver was killed.

Every start of a driver has a name of its own, with which all its keys in Redis and its folder of large objects begin.
The name is written down, in the run directory, before it is used, and beside it what is kept where no name finds it.
Whoever ends the run, or goes on with it, removes what is found; messages of an earlier driver were sealed with a secret
that died with it.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.address import RedisAddress
from scoutbee.fabric.connectors.redis import remove_keys
from scoutbee.fabric.depots import RunDepot, new_run_name
from scoutbee.fabric.errors import OutOfReachError
from scoutbee.fabric.journal import Journal
from scoutbee.fabric.link import RedisLink
from scoutbee.fabric.own_address import LOOPBACK
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.remains import clear_noted
from scoutbee.fabric.stores import Places
from scoutbee.traces.summary import replace_file

logger = logging.getLogger(__name__)

NAMES_FILE = 'engine/names.json'
REDIS_FOLDER = 'engine/redis'
OBJECTS_FOLDER = 'objects'


class _Name(BaseModel):
    """One name, and where things may lie under it."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    name: str
    redis: str | None
    directory: Path


_NAMES = TypeAdapter(list[_Name])


class Leftovers:
    """The names under which a run has things outside of its files."""

    def __init__(self, run_dir: Path) -> None:
        """Args: run_dir: The run directory."""
        self._run_dir = run_dir
        self._file = run_dir / NAMES_FILE
        self._objects = run_dir / OBJECTS_FOLDER

    @property
    def redis_directory(self) -> Path:
        """Where an embedded Redis server of this run keeps its data."""
        return self._run_dir / REDIS_FOLDER

    def begin(
        self,
        address: RedisAddress,
        *,
        is_ours: bool,
        directory: Path | None,
        patience: float,
        host: str | None = None,
        globus_config: Path | None = None,
        endpoints: Sequence[str] = (),
    ) -> Places:
        """A new name, written down, and where things go under it.

        Args:
            address: The Redis server of this start.
            is_ours: Whether the server and all in it end with this driver.
            directory: Directory that driver and workers share; in the run directory if not given.
            patience: How many seconds a store may be out of reach.
            host: Address of this machine as workers reach it; loopback if not given.
            globus_config: File with the Globus collections to keep objects in.
            endpoints: Ids of the ProxyStore endpoints to keep objects in.

        Raises:
            TraceError: If it cannot be written down.
        """
        run = new_run_name()
        places = Places(
            run,
            address,
            directory or self._objects,
            host=host or LOOPBACK,
            globus_config=globus_config,
            endpoints=tuple(endpoints),
            patience=patience,
            journal=self._journal(run),
        )
        assert places.directory is not None
        name = _Name(name=run, redis=None if is_ours else str(address), directory=places.directory)
        self._write([*self._read(), name])
        return places

    def clear(self, address: RedisAddress | None) -> None:
        """Remove what lies under all names so far, and forget the names; one that could not be cleared is kept.

        Args:
            address: The external Redis server that is in reach, if one is.
        """
        names = self._read()
        if not names:
            return
        # In one pass over all, so that what cannot be reached does not keep the rest from being removed.
        kept = [name for name in names if not all([_clear(name, address), _clear_journal(self._journal(name.name))])]
        with contextlib.suppress(OSError):
            self._objects.rmdir()
        if kept:
            self._write(kept)
        else:
            self._file.unlink(missing_ok=True)

    def clear_redis_data(self) -> None:
        """Remove the data of an embedded server that was killed with its driver."""
        shutil.rmtree(self.redis_directory, ignore_errors=True)

    def _journal(self, name: str) -> Path:
        """Where is noted what is kept where the name alone does not find it."""
        return self._file.with_name(f'{name}.objects')

    def _read(self) -> list[_Name]:
        try:
            return _NAMES.validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            logger.warning('%s cannot be read, so what it names is not removed: %s', self._file, error)
            return []

    def _write(self, names: list[_Name]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._file, _NAMES.dump_json(names, indent=2).decode() + '\n')


def count_objects(depot: RunDepot, queues: SecureRedisQueues, *, agents_ended: bool) -> Mapping[str, int]:
    """Objects that were stored and taken out again; asked when the task server is gone.

    A task whose worker never answered may have stored its value, which then is nobody's: something was killed on the
    way. As many objects as there are such tasks are orphans, not leaks. They count as evicted, which is what happens
    next.

    Args:
        depot: What the driver lent.
        queues: What the tasks returned.
        agents_ended: Whether the agents had the time to take back what they had lent.
    """
    try:
        queues.discard_results()
        if not agents_ended:
            depot.recall()
        left = depot.leaked()
    except OutOfReachError as error:
        logger.warning('What is left in the stores is not known: %s', error)
        left = depot.created - depot.evicted
    lent = min(depot.created - depot.evicted, left)
    orphans = min(left - lent, queues.active_count + queues.unheard)
    return {
        'created': depot.created + queues.fetched + orphans,
        'evicted': depot.evicted + queues.fetched + orphans,
        'leaked': left - orphans,
    }


def _clear(name: _Name, address: RedisAddress | None) -> bool:
    own = Places(name.name, directory=name.directory).own_directory
    assert own is not None
    shutil.rmtree(own, ignore_errors=True)
    if name.redis is None:
        return True
    if address is None or str(address) != name.redis:
        logger.warning('What the driver %s left in Redis at %s cannot be removed now.', name.name, name.redis)
        return False
    link = RedisLink(address)
    try:
        removed = link.run_once(lambda client: remove_keys(client, name.name))
    except (redis.RedisError, OutOfReachError) as error:
        logger.warning('What the driver %s left in Redis at %s cannot be removed now: %s', name.name, address, error)
        return False
    finally:
        link.close()
    if removed:
        logger.info('Removed %d keys of %s from Redis', removed, name.name)
    return True


def _clear_journal(path: Path) -> bool:
    if not path.exists():
        return True
    try:
        removed = clear_noted(Journal(path))
    except (ConfigurationError, OutOfReachError, OSError) as error:
        logger.warning('What is noted in %s cannot be removed now: %s', path, error)
        return False
    if removed:
        logger.info('Removed %d things that an earlier driver had left', removed)
    return True
