"""Three hosts on one machine, made from network namespaces, with a router between them that is their firewall.

The driver and the CPU host reach each other. The GPU host reaches the driver on the ports of the task channel alone;
whatever else it sends is dropped without a word, as firewalls do. All of them have the same file system.

```
driver 10.77.1.2 ── router ── cpu 10.77.2.2
                      └────── gpu 10.77.3.2
```
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil

HOSTS = {'driver': '10.77.1.2', 'cpu': '10.77.2.2', 'gpu': '10.77.3.2'}

TASK_PORTS = range(54_000, 55_000)
"""Where Parsl's interchanges listen for workers."""

_PREFIX = 'scoutbee'
_ENTER = 'hostname "$0" && exec "$@"'

_CONNECT = (
    'import socket, sys\n'
    'with socket.socket() as probe:\n'
    '    probe.settimeout(2)\n'
    '    sys.exit(probe.connect_ex((sys.argv[1], int(sys.argv[2]))) != 0)'
)


def why_not() -> str | None:
    """Why three hosts cannot be made here; None if they can."""
    if sys.platform != 'linux' or os.geteuid() != 0:
        return 'needs root on Linux, to make network namespaces'
    missing = [name for name in ('ip', 'ss', 'unshare', 'hostname') if shutil.which(name) is None]
    if missing:
        return f'needs {" and ".join(missing)} (iproute2, util-linux, hostname)'
    probe = f'{_PREFIX}{os.getpid()}-probe'
    made = subprocess.run(['ip', 'netns', 'add', probe], capture_output=True, text=True, check=False)
    if made.returncode:
        return f'cannot make network namespaces: {made.stderr.strip()}'
    _ip('netns', 'del', probe)
    return None


class ThreeHosts:
    """The hosts; a context manager that makes and removes them, with whatever runs there."""

    def __init__(self) -> None:
        self._mark = f'{_PREFIX}{os.getpid()}'
        self._router = f'{self._mark}-router'

    def __enter__(self) -> ThreeHosts:
        _remove_those_of_the_dead()
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in _namespaces():
            if name.startswith(f'{self._mark}-'):
                _remove(name)

    def command(self, host: str, *words: str) -> tuple[str, ...]:
        """A command as it is run on a host, which also has the name of the host."""
        return ('ip', 'netns', 'exec', self._namespace(host), 'unshare', '--uts', 'sh', '-c', _ENTER, host, *words)

    def launch_prefix(self, host: str) -> str:
        """The same as a site has it."""
        return shlex.join(self.command(host))

    def reaches(self, host: str, address: str, port: int) -> bool:
        """Whether a connection from a host comes about."""
        command = self.command(host, sys.executable, '-c', _CONNECT, address, str(port))
        return subprocess.run(command, check=False).returncode == 0

    def listening(self, host: str) -> set[tuple[str, int]]:
        """Addresses and ports at which anything listens on a host."""
        listed = _run('ip', 'netns', 'exec', self._namespace(host), 'ss', '--no-header', '-ltn').splitlines()
        places = (line.split()[3].rpartition(':') for line in listed)
        return {(address.strip('[]').removeprefix('::ffff:'), int(port)) for address, _, port in places}

    @contextlib.contextmanager
    def cut_off(self, host: str) -> Iterator[None]:
        """The cable of a host is out."""
        _ip('-n', self._router, 'link', 'set', host, 'down')
        try:
            yield
        finally:
            _ip('-n', self._router, 'link', 'set', host, 'up')

    def _namespace(self, host: str) -> str:
        return f'{self._mark}-{host}'

    def _make(self) -> None:
        _ip('netns', 'add', self._router)
        for host, address in HOSTS.items():
            self._join(host, address)
        _run('ip', 'netns', 'exec', self._router, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward')
        rules = ('iif', 'gpu', 'to', HOSTS['driver'], 'ipproto', 'tcp', 'dport', f'{TASK_PORTS[0]}-{TASK_PORTS[-1]}')
        _ip('-n', self._router, 'rule', 'add', *rules, 'lookup', 'main', 'pref', '100')
        _ip('-n', self._router, 'rule', 'add', 'iif', 'gpu', 'blackhole', 'pref', '101')

    def _join(self, host: str, address: str) -> None:
        """Make a host with a cable to the router."""
        namespace = self._namespace(host)
        gateway = re.sub(r'\.\d+$', '.1', address)
        _ip('netns', 'add', namespace)
        _ip('-n', self._router, 'link', 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
        for where, link, own in ((self._router, host, gateway), (namespace, 'eth0', address)):
            _ip('-n', where, 'address', 'add', f'{own}/24', 'dev', link)
            _ip('-n', where, 'link', 'set', link, 'up')
            _ip('-n', where, 'link', 'set', 'lo', 'up')
        _ip('-n', namespace, 'route', 'add', 'default', 'via', gateway)


def _namespaces() -> list[str]:
    listed = _ip('netns', 'list').splitlines()
    return [line.split()[0] for line in listed if line.strip()]


def _remove(namespace: str) -> None:
    for pid in _ip('netns', 'pids', namespace).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    _ip('netns', 'del', namespace)


def _remove_those_of_the_dead() -> None:
    """Remove what a test left that was killed."""
    for name in _namespaces():
        owner = re.fullmatch(rf'{_PREFIX}(\d+)-\w+', name)
        if owner is not None and not psutil.pid_exists(int(owner[1])):
            with contextlib.suppress(RuntimeError):  # another process that tests was faster
                _remove(name)


def _ip(*words: str) -> str:
    return _run('ip', *words)


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f'{shlex.join(words)}: {done.stderr.strip()}')
    return done.stdout
