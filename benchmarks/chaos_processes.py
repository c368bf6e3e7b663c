"""The processes of one run, found from outside: which there are, what each of them is, and killing one.

A run is recognised by what it inherits and not by names: a mark in the environment, and the sessions that its marked
processes lead. So nothing of another run on the machine is ever touched, and what outlives its parent is found too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

import psutil

Kind = Literal['worker', 'Parsl worker', 'manager', 'interchange', 'task server', 'redis', 'driver']
"""What a process is: a worker computes, a Parsl worker hands it tasks; managers and interchanges are Parsl's too."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_MARK = 'SCOUTBEE_BENCHMARK_RUN'
_SERVERS = frozenset({'valkey-server', 'redis-server'})
_POOL = 'process_worker_pool'
_INTERCHANGE = 'parsl: HTEX interchange'
_SPAWNED = 'multiprocessing.spawn'
_FORKED = 'multiprocessing.forkserver'
_WORKER = 'scoutbee.fabric.worker_process'
_GONE_SECONDS = 5.0
_LOOK_SECONDS = 0.01


class RunProcesses:
    """Those that descend from the drivers of one run, whoever their parents are by now.

    Start each driver with ``environment`` and in a session of its own, and tell ``adopt``.
    """

    def __init__(self) -> None:
        self._token = secrets.token_hex(8)
        self._sessions: set[int] = set()
        self._driver: psutil.Process | None = None

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """An environment with the mark of this run."""
        return {**base, _MARK: self._token}

    def adopt(self, driver: int) -> None:
        """The process that drives the run from here on; it leads its session."""
        self._driver = psutil.Process(driver)
        self._sessions.add(driver)

    def members(self) -> list[psutil.Process]:
        """Every process of the run that is there; those that have died and not been reaped are not."""
        table = dict(_table())
        while True:
            grown = len(self._sessions)
            mine = [process for pid, (process, session) in table.items() if self._is_mine(process, session, table)]
            self._sessions.update(table[process.pid][1] for process in mine)
            if len(self._sessions) == grown:
                return mine

    def by_kind(self) -> dict[Kind, list[psutil.Process]]:
        """What works for the present driver, by what it is; kinds of which there is nothing are left out."""
        members = self.members()
        present = self._present_sessions(members)
        found: dict[Kind, list[psutil.Process]] = {}
        for process in members:
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) in present:
                    kind = self.kind(process)
                    if kind is not None:
                        found.setdefault(kind, []).append(process)
        return found

    def _present_sessions(self, members: list[psutil.Process]) -> set[int]:
        """Sessions of the driver and of its children: what an earlier driver left is on its way out."""
        if self._driver is None:
            return set()
        sessions = {self._driver.pid}
        for process in members:
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if process.ppid() == self._driver.pid:
                    sessions.add(os.getsid(process.pid))
        return sessions

    def _is_mine(self, process: psutil.Process, session: int, table: Mapping[int, tuple[psutil.Process, int]]) -> bool:
        if session in self._sessions:
            return True
        with contextlib.suppress(psutil.Error):
            # Processes that write a title of their own overwrite their environment, so parents are asked, too.
            if process.environ().get(_MARK) == self._token:
                return True
            above = table.get(process.ppid())
            return above is not None and above[1] in self._sessions
        return False

    def kind(self, process: psutil.Process) -> Kind | None:
        """What a process of the run is, or None where it is none of these; raises ``psutil.Error`` if it is gone."""
        if process == self._driver:
            return 'driver'
        if process.name() in _SERVERS:
            return 'redis'
        command = process.cmdline()
        if command[:1] == [_INTERCHANGE]:
            return 'interchange'
        if _is_pool(command):
            return 'manager'
        if any(_WORKER in part for part in command):
            return 'worker'
        if any(_FORKED in part for part in command):
            return _forked_kind(process)
        if any(_SPAWNED in part for part in command) and process.ppid() == self._driver_pid:
            return 'task server' if os.getsid(process.pid) == process.pid else None
        return None

    @property
    def _driver_pid(self) -> int | None:
        return None if self._driver is None else self._driver.pid


def kill(process: psutil.Process) -> bool:
    """Kill a process with SIGKILL; returns whether it was alive before and is gone now."""
    try:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        process.kill()
    except psutil.Error:
        return False
    # Not process.wait(), which would reap a child of ours before who started it can ask how it ended.
    deadline = time.monotonic() + _GONE_SECONDS
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return not is_alive(process)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process is there and has not died unreaped."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def describe(process: psutil.Process) -> str:
    """A process in a line, for a person who looks for what was left."""
    try:
        return f'{process.pid} {" ".join(process.cmdline())[:160]}'
    except psutil.Error:
        return f'{process.pid} (gone)'


def _table() -> Iterator[tuple[int, tuple[psutil.Process, int]]]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            session = os.getsid(process.pid)
            if session > 0 and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                yield process.pid, (process, session)


def _is_pool(command: list[str]) -> bool:
    """Whether it is a Parsl manager itself, rather than the shell around it."""
    program = Path(command[0]).name if command else ''  # one that is just ending has none
    return program.startswith('python') and any(_POOL in part for part in command[1:3])


def _forked_kind(process: psutil.Process) -> Kind | None:
    """What a fork server or one that it forked is: a manager has its workers forked."""
    if not any(_is_pool(above.cmdline()) for above in process.parents()[:2]):
        return None
    # What it forks from serves a socket.
    serves = any(Path(str(c.laddr)).name.startswith('listener-') for c in process.net_connections('unix'))
    return 'manager' if serves else 'Parsl worker'
