"""One worker process, as its owner sees it."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import platform
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from multiprocessing import Pipe

from .errors import EngineLostError
from .output import Output
from .processes import kill_group

_LOOK_SECONDS = 1.0
"""How often an owner that waits for an answer looks after what it owns."""

_GONE_SECONDS = 5.0

_BOOT = (
    'import os, sys; os.setpgid(0, 0); sys.path[:] = sys.argv[2:]; '
    'from scoutbee.fabric.worker_process import main; main(int(sys.argv[1]))'
)


class Child:
    """A process that leads a process group, the pipe to it, and what it says on standard error.

    Attributes:
        pid: Its process id.
        title: What to call it.
        is_ready: Whether it has said that it is ready for tasks.
        warmth: Seconds that each module took it to import.
    """

    def __init__(self, name: str, program: tuple[bytes, tuple[str, ...]], env: Mapping[str, str]) -> None:
        """Start it.

        Args:
            name: Name of its place, for logs and errors.
            program: What ``worker_process.main`` is sent first.
            env: Environment variables, set before anything is imported.
        """
        self._owner = os.getppid()
        self._output = Output()
        self._pipe, theirs = Pipe()
        self._poll = select.poll()  # the pipe's own makes one for every wait
        self._poll.register(self._pipe.fileno(), select.POLLIN)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, '-c', _BOOT, str(theirs.fileno()), *sys.path],
                stdin=subprocess.DEVNULL,
                stderr=self._output.descriptor,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **env},
            )
        self.pid = self._process.pid
        self.title = f'worker {name} (process {self.pid} on {platform.node()})'
        self.is_ready = False
        self.warmth: Mapping[str, float] = {}
        with contextlib.suppress(OSError):  # whoever waits for it learns that it is dead
            self._pipe.send(program)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def get_ready(self, seconds: float) -> bool:
        """Wait until it has imported what it needs; returns whether it has in time."""
        hello = self.receive(seconds)
        if hello is None:
            return False
        self.warmth = pickle.loads(hello)
        self.is_ready = True
        return True

    def send(self, task: bytes) -> None:
        """Give it a task.

        Raises:
            OSError: If it is dead.
        """
        self._output.forget()
        self._pipe.send_bytes(task)

    def receive(self, seconds: float | None) -> bytes | None:
        """Its next message, or None if none came in time.

        Raises:
            EOFError: If it died; also OSError.
            EngineLostError: If what had started this process is gone.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            left = _LOOK_SECONDS if end is None else min(_LOOK_SECONDS, end - time.monotonic())
            if self._has_message(left):
                message = self._pipe.recv_bytes()
                self._output.pass_on()
                return message
            if end is not None and time.monotonic() >= end:
                return None
            self._look()

    def _has_message(self, seconds: float) -> bool:
        """Whether it has sent something, or has died; waits so long for it."""
        return bool(self._poll.poll(math.ceil(1000 * max(seconds, 0.0))))

    def _look(self) -> None:
        self._output.pass_on()
        # What a task has started may hold the pipe open.
        if not self.is_alive() and not self._has_message(0.0):
            raise EOFError
        if os.getppid() != self._owner:
            raise EngineLostError(f'What had started process {os.getpid()} on {platform.node()} is gone.')

    def kill(self) -> None:
        """Kill it and what it has started; for any thread."""
        kill_group(self._process)

    def bury(self) -> str:
        """Kill it and what it has started, if need be, and let go of it; returns what became of it."""
        kill_group(self._process)
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that hangs in the kernel cannot be killed
            self._process.wait(_GONE_SECONDS)
        self._output.pass_on()
        self._output.close()
        self._pipe.close()
        return _fate(self._process.returncode)

    @property
    def was_told_to_end(self) -> bool:
        """Whether it died of the signal that asks for an orderly end, which tasks that go wrong do not get."""
        return self._process.returncode == -signal.SIGTERM

    def last_words(self) -> str:
        """What it said last, as the end of a sentence."""
        text = self._output.tail()
        return f'; it last said: {text}' if text else ''


def _fate(code: int | None) -> str:
    if code is None:
        return 'could not be killed'
    if code < 0:
        with contextlib.suppress(ValueError):
            return f'was killed by {signal.Signals(-code).name}'
    return f'exited with status {code}'
