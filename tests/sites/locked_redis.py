"""A Redis server with TLS and users, set up by the very commands that docs/security.md gives."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

from scoutbee.fabric.address import RedisAddress
from scoutbee.fabric.own_address import LOOPBACK, can_listen
from scoutbee.fabric.processes import die_with_parent

DOCUMENT = Path(__file__).resolve().parents[2] / 'docs' / 'security.md'
_SECTION = '## A Redis server with TLS and users'
_START_SECONDS = 10.0


def why_not() -> str | None:
    """Why there can be no such server here; None if there can."""
    missing = [program for program in ('redis-server', 'openssl') if shutil.which(program) is None]
    return f'needs {" and ".join(missing)}' if missing else None


class LockedRedis:
    """The server, in a folder; a context manager that starts and stops it.

    Attributes:
        host: Where it is.
        port: Its TLS port; it has no other.
        environment: What the document has a driver export.
    """

    def __init__(self, folder: Path) -> None:
        """Set it up."""
        setup, start, exports, _ = commands(DOCUMENT.read_text(encoding='utf-8'))
        self.host, self.port = LOOPBACK, _free_port()
        for name, value in (('host', self.host), ('port', self.port)):
            setup, replaced = re.subn(rf'^{name}=\S+', f'{name}={value}', setup, flags=re.M)
            assert replaced == 1, f'the document sets {name} {replaced} times'
        _bash(setup, folder)
        self._folder = folder / 'scoutbee-redis'
        self._start = shlex.split(start)
        self.environment = _exported(exports, self._folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        """The password of its user."""
        return (self._folder / 'password').read_text().strip()

    def flags(self) -> tuple[object, ...]:
        """Flags of `run.py` that name it."""
        return ('--redishost', self.host, '--redisport', self.port)

    @property
    def address(self) -> RedisAddress:
        """The server as a driver finds it in its environment."""
        return RedisAddress.from_environment(self.host, self.port, self.environment)

    def held(self) -> list[str]:
        """Keys that it holds."""
        client = self.address.connect()
        try:
            return [key.decode() for key in client.scan_iter(count=1000)]
        finally:
            client.close()

    def __enter__(self) -> LockedRedis:
        log = self._folder / 'log'
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                self._start,
                cwd=self._folder,
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + _START_SECONDS
        while 'Ready to accept connections' not in log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f'The Redis server did not start: {log.read_text()}')
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def commands(document: str) -> list[str]:
    """The blocks of commands of the section, in their order."""
    section = document[document.index(_SECTION) :]
    following = re.search(r'^## ', section[len(_SECTION) :], flags=re.M)
    if following is not None:
        section = section[: len(_SECTION) + following.start()]
    return re.findall(r'^```bash\n(.*?)^```$', section, flags=re.M | re.S)


def _bash(script: str, folder: Path) -> str:
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _exported(exports: str, folder: Path) -> dict[str, str]:
    names = re.findall(r'^export (\w+)=', exports, flags=re.M)
    shown = ''.join(f'printf "%s\\n" "${name}"\n' for name in names)
    return dict(zip(names, _bash(exports + shown, folder).splitlines(), strict=True))


def _free_port() -> int:
    return next(port for port in random.sample(range(20_000, 32_768), 50) if can_listen(LOOPBACK, port))
