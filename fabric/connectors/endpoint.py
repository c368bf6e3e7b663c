"""Objects in ProxyStore's endpoints, which pass them on from machine to machine.

An endpoint lets in whoever reaches its port: its machine must keep others from that; digests show what they changed.
Nor can it list what it keeps. So this connector knows only what was stored and evicted through it, which is what the
driver lends, but not what a worker stored whose result never came back: that stays in the endpoint of the worker until
the endpoint ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import requests
import tenacity
from proxystore.serialize import BytesLike
from proxystore.utils.environment import home_dir, hostname
from requests.adapters import HTTPAdapter

from scoutbee.contracts.errors import ConfigurationError

from ..errors import StoreLostError
from ..journal import Journal, Note
from ..link import PATIENCE
from .base import Connector, Key

if TYPE_CHECKING:
    from proxystore.connectors.endpoint import EndpointConnector, EndpointKey
    from proxystore.endpoint.config import EndpointConfig

T = TypeVar('T')

_CONNECT_SECONDS = 5.0

_SLOWEST = 200_000
"""Bytes in a second that even slow peers pass on: an endpoint says nothing until it has the whole object."""


class PeerEndpointConnector(Connector):
    """Keeps objects in the endpoint of this machine, and reaches those of its peers through it."""

    backend: ClassVar[str] = 'endpoint'

    def __init__(self, endpoints: Sequence[str], patience: float = PATIENCE, journal: Journal | None = None) -> None:
        """Find the endpoint of this machine.

        Args:
            endpoints: Ids of the endpoints of all machines, this one's among them.
            patience: How many seconds the endpoint may be out of reach.
            journal: Where to note what is stored; for the driver.

        Raises:
            ConfigurationError: If none of the endpoints runs on this machine; it says how to start one.
        """
        self._endpoints = [str(endpoint) for endpoint in endpoints]
        self._patience = patience
        self._journal = journal
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ...]] = {}
        home = _home_of(self._endpoints)
        self._url = _url(home)
        self._place = (home.uuid,)
        self._longest = home.storage.max_object_size
        self._limit = _Limit()
        self._connector = _connect(home, self._limit)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._url})'

    def config(self) -> dict[str, Any]:
        """Arguments that make a connector to the same endpoints on any of their machines."""
        return {'endpoints': self._endpoints, 'patience': self._patience}

    @classmethod
    def where(cls, config: Mapping[str, Any]) -> str:
        """The ids of the endpoints."""
        return ' and '.join(config['endpoints'])

    def exists(self, key: Key) -> bool:
        """Whether the object is there."""
        return self._exists(key.name, key.place)

    def evict(self, key: Key) -> None:
        """Remove the object; harmless if it is gone."""
        self._evict(key.name, key.place)

    def names(self) -> Iterator[str]:
        """Names of those objects stored through this connector that are still there."""
        return iter([name for name, place in self._all_known() if self._exists(name, place, tries=1)])

    def clear(self) -> None:
        """Remove every object stored through this connector."""
        for name, place in self._all_known():
            self._evict(name, place, tries=1)

    def close(self) -> None:
        """Close the connections; the objects stay."""
        self._connector.close()

    def adopt(self, name: str, place: tuple[str, ...]) -> None:
        """Know an object of an earlier driver as if it had been stored through this connector."""
        with self._lock:
            self._known[name] = place

    def _read(self, key: Key) -> BytesLike | None:
        theirs = _theirs(key.name, key.place)
        found: BytesLike | None = self._ask(lambda: self._connector.get(theirs), key.size)
        return found

    def _write(self, data: BytesLike) -> tuple[str, tuple[str, ...]]:
        if len(data) > self._longest:
            raise ConfigurationError(
                f'An object of {len(data)} bytes is too large for the ProxyStore endpoint at {self._url}, which takes '
                f'up to {self._longest}. Raise max_object_size in its config.toml, or choose another backend.'
            )
        theirs = self._connector.new_key()
        name = theirs.object_id
        if self._journal is not None:
            self._journal.note(Note(self.backend, name, self._place, self.config()))
        self.adopt(name, self._place)
        self._ask(lambda: self._connector.set(theirs, data), len(data))
        return name, self._place

    def _exists(self, name: str, place: tuple[str, ...], tries: int | None = None) -> bool:
        theirs = _theirs(name, place)
        return bool(self._ask(lambda: self._connector.exists(theirs), tries=tries))

    def _evict(self, name: str, place: tuple[str, ...], tries: int | None = None) -> None:
        theirs = _theirs(name, place)
        self._ask(lambda: self._connector.evict(theirs), tries=tries)
        with self._lock:
            was_ours = self._known.pop(name, None) is not None
        if was_ours and self._journal is not None:
            self._journal.strike(self.backend, name)

    def _all_known(self) -> list[tuple[str, tuple[str, ...]]]:
        with self._lock:
            return list(self._known.items())

    def _ask(self, call: Callable[[], T], size: int = 0, tries: int | None = None) -> T:
        """Ask the endpoint, again and again while it or the peer that it asks cannot be reached.

        Args:
            call: What to ask.
            size: Bytes that move.
            tries: How often at most; until the patience ends if not given.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_away),
            wait=tenacity.wait_exponential(multiplier=0.05, max=1.0),
            stop=tenacity.stop_after_attempt(tries) if tries else tenacity.stop_after_delay(self._patience),
            reraise=True,
        )
        self._limit.seconds = self._patience + size / _SLOWEST
        try:
            return attempts(call)
        except Exception as error:
            if not _is_away(error):
                raise
            raise StoreLostError(
                f'The ProxyStore endpoint at {self._url}, or the peer that it asked, is out of reach: '
                f'{_reason(error)} (`proxystore-endpoint list` shows those of a machine).'
            ) from None


def _theirs(name: str, place: tuple[str, ...]) -> EndpointKey:
    from proxystore.connectors.endpoint import EndpointKey

    return EndpointKey(name, *place)


class _Limit(threading.local):
    """How long this thread waits for an answer."""

    seconds = PATIENCE


class _Impatient(HTTPAdapter):
    """Waits for an answer no longer than it is told."""

    def __init__(self, limit: _Limit) -> None:
        self._limit = limit
        super().__init__()

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs['timeout'] = (_CONNECT_SECONDS, self._limit.seconds)
        return super().send(*args, **kwargs)


def _connect(home: EndpointConfig, limit: _Limit) -> EndpointConnector:
    from proxystore.connectors.endpoint import EndpointConnector

    # Given but the one that was found to answer, because ProxyStore stops at the first that does not.
    connector = EndpointConnector([home.uuid])
    connector._session.mount('http://', _Impatient(limit))  # it would wait for ever
    return connector


def _home_of(endpoints: Sequence[str]) -> EndpointConfig:
    """The one of some endpoints that runs on this machine."""
    from proxystore.endpoint.config import get_configs

    ours = [config for config in get_configs(home_dir()) if config.uuid in endpoints]
    for config in ours:
        if _answers(config):
            return config
    raise ConfigurationError(_how_to_start(endpoints, ours))


def _answers(config: EndpointConfig) -> bool:
    if config.host is None:
        return False
    try:
        answer = requests.get(f'{_url(config)}/endpoint', timeout=_CONNECT_SECONDS, proxies={'http': ''})
        return answer.ok and answer.json()['uuid'] == config.uuid
    except (requests.RequestException, ValueError, KeyError):
        return False


def _how_to_start(endpoints: Sequence[str], ours: Sequence[EndpointConfig]) -> str:
    host = hostname()
    if ours:
        told = ' and '.join(f'{config.name} ({config.uuid})' for config in ours)
        name = ours[0].name
        return (
            f'The ProxyStore endpoint {told} of host {host} does not answer. Start it there: '
            f'`proxystore-endpoint start {name}`.'
        )
    return (
        f'None of the ProxyStore endpoints {", ".join(endpoints)} is one of host {host} (looked in {home_dir()}). '
        'On each machine, `pip install "scoutbee[endpoints]"`, then `proxystore-endpoint configure NAME` and '
        '`proxystore-endpoint start NAME`, and name the ids of all of them in --ps-endpoints.'
    )


def _url(config: EndpointConfig) -> str:
    return f'http://{config.host}:{config.port}'


def _is_away(error: BaseException) -> bool:
    """Whether waiting may help: nothing answers, or what answers cannot reach the peer."""
    from proxystore.connectors.endpoint import EndpointConnectorError

    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return True
    if isinstance(error, AssertionError):  # ProxyStore's, where nothing answers and so there is no status to report
        return isinstance(error.__context__, requests.RequestException)
    if isinstance(error, EndpointConnectorError):
        answer = getattr(error.__cause__, 'response', None)
        return answer is None or answer.status_code >= 500
    return False


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error.__context__ or error
    return type(cause).__name__ if isinstance(cause, requests.ConnectionError) else ' '.join(str(cause).split())[:300]
