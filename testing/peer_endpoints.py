"""ProxyStore endpoints on this machine, each as if it were on a machine of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from scoutbee.fabric.processes import die_with_parent

START_SECONDS = 60.0
"""How long its start is waited for, which on a busy machine is mostly imports."""

_LOOPBACK = '127.0.0.1'
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class PeerEndpoint:
    """One endpoint.

    Attributes:
        id: Its id.
        home: ProxyStore's folder on its machine, which has it configured.
        port: Where it listens on loopback.
        process: Its process.
    """

    id: str
    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process on its machine has in its environment."""
        return {'PROXYSTORE_HOME': str(self.home)}

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


class PeerEndpoints:
    """Some endpoints, peers of each other if there are several; a context manager.

    They run as ``proxystore-endpoint start`` runs them, and find each other through a ``proxystore-relay``.
    """

    def __init__(self, folder: Path, count: int = 1, largest: int | None = None) -> None:
        """Prepare.

        Args:
            folder: Where their configurations and logs are kept.
            count: How many.
            largest: Size in bytes of the largest object that they take; as ProxyStore sets it if not given.
        """
        self._folder = folder
        self._count = count
        self._storage = {} if largest is None else {'max_object_size': largest}
        self._relay: subprocess.Popen[bytes] | None = None
        self.endpoints: list[PeerEndpoint] = []

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all."""
        return tuple(endpoint.id for endpoint in self.endpoints)

    def __enter__(self) -> PeerEndpoints:
        try:
            relay = self._start_relay() if self._count > 1 else None
            self.endpoints = [self._start(f'peer{number}', relay) for number in range(self._count)]
            for endpoint in self.endpoints:
                self._wait(f'http://{_LOOPBACK}:{endpoint.port}/endpoint', endpoint.process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill all of them, and the relay."""
        for endpoint in self.endpoints:
            endpoint.stop()
        if self._relay is not None:
            self._relay.kill()
            self._relay.wait()

    def _start_relay(self) -> str:
        port = _free_port()
        self._relay = self._run('proxystore-relay', '--host', _LOOPBACK, '--port', str(port))
        self._wait_for_port(port, self._relay)
        return f'ws://{_LOOPBACK}:{port}'

    def _start(self, name: str, relay: str | None) -> PeerEndpoint:
        from proxystore.endpoint.config import (
            EndpointConfig,
            EndpointRelayConfig,
            EndpointStorageConfig,
            write_config,
        )

        home, port, number = self._folder / name, _free_port(), str(uuid.uuid4())
        # Without servers that tell them their address in the world, which on loopback they need not know.
        peering = EndpointRelayConfig(address=relay, ice_servers=[])
        storage = EndpointStorageConfig(**self._storage)
        config = EndpointConfig(
            name=name, uuid=number, port=port, host=_LOOPBACK, host_type='static', relay=peering, storage=storage
        )
        write_config(config, str(home / name))
        process = self._run('proxystore-endpoint', 'start', '--no-detach', name, home=home)
        return PeerEndpoint(number, home, port, process)

    def _run(self, command: str, *arguments: str, home: Path | None = None) -> subprocess.Popen[bytes]:
        program = Path(sys.executable).with_name(command)
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f'{command}.log').open('ab') as log:
            return subprocess.Popen(
                [str(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **({} if home is None else {'PROXYSTORE_HOME': str(home)})},
                preexec_fn=die_with_parent,
            )

    def _wait(self, url: str, process: subprocess.Popen[bytes]) -> None:
        for _ in self._patiently(process):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=START_SECONDS):
                return

    def _wait_for_port(self, port: int, process: subprocess.Popen[bytes]) -> None:
        for _ in self._patiently(process):
            with contextlib.suppress(OSError), socket.create_connection((_LOOPBACK, port), timeout=START_SECONDS):
                return

    def _patiently(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        end = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < end:
            yield
            time.sleep(_LOOK_SECONDS)
        logs = '\n'.join(log.read_text(errors='replace')[-2000:] for log in self._folder.glob('*.log'))
        raise RuntimeError(f'An endpoint or its relay could not be started. What they said:\n{logs}')


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
