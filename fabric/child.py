"""One worker process, as its owner sees it."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import platform
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from .errors import EngineLostError
from .output import Output
from .processes import kill_group

_LOOK_SECONDS = 1.0
"""How often an owner that waits for an answer looks after what it owns."""

_GONE_SECONDS = 5.0

_AHEAD_BYTES = 1 << 15
"""Tasks lie ahead in a process's pipe only while all that it has been given take no more, so that no sender waits."""

_PIPE_BYTES = 4 * _AHEAD_BYTES
"""Room that the kernel is asked for; it counts more than the bytes that are sent."""

_BOOT = (
    'import os, sys; os.setpgid(0, 0); sys.path[:] = sys.argv[3:]; '
    'from scoutbee.fabric.worker_process import main; main(int(sys.argv[1]), int(sys.argv[2]))'
)


@dataclass(frozen=True, eq=False)
class Task:
    """A task for a worker process.

    Attributes:
        kind: Kind of task.
        packed: The task, from ``workers.pack_task``.
    """

    kind: str
    packed: bytes


class Child:
    """A process that leads a process group, the pipe to it, what it was given to do, and what it says.

    It runs the tasks that it is given in turn. Those behind the one that it runs lie in its pipe, so that it goes on by
    itself. One thread gives it the first, waits for answers and buries it; any may hand others ahead.

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
        self._pipe, theirs = _make_pipe()
        self._poll = select.poll()  # the pipe's own makes one for every wait
        self._poll.register(self._pipe.fileno(), select.POLLIN)
        self._lock = threading.RLock()
        self._tasks: deque[Task] = deque()
        self._answered = 0
        self._began = 0.0
        with theirs:
            descriptors = (theirs.fileno(), self._output.notes)
            self._process = subprocess.Popen(
                [sys.executable, '-c', _BOOT, *map(str, descriptors), *sys.path],
                stdin=subprocess.DEVNULL,
                stderr=self._output.descriptor,
                pass_fds=descriptors,
                env={**os.environ, **env},
            )
        self.pid = self._process.pid
        self.title = f'worker {name} (process {self.pid} on {platform.node()})'
        self.is_ready = False
        self.warmth: Mapping[str, float] = {}
        with contextlib.suppress(OSError):  # whoever waits for it learns that it is dead
            self._pipe.send(program)

    def let_go(self) -> tuple[Task, ...]:
        """Take back what it was given and has not answered, oldest first; nothing can be handed ahead any more."""
        with self._lock:
            tasks = tuple(self._tasks)
            self._tasks.clear()
            return tasks

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def get_ready(self, seconds: float) -> bool:
        """Wait until it has imported what it needs; returns whether it has in time."""
        hello = self._receive(time.monotonic() + seconds)
        if hello is None:
            return False
        self.warmth = pickle.loads(hello)
        self.is_ready = True
        return True

    def tasks(self) -> tuple[Task, ...]:
        """What it was given and has not answered, oldest first."""
        with self._lock:
            return tuple(self._tasks)

    def give(self, task: Task) -> None:
        """Give it a task while it has none.

        Raises:
            OSError: If it is dead.
        """
        self._pipe.send_bytes(task.packed)
        with self._lock:
            self._tasks.append(task)
            self._began = time.monotonic()

    def has_room(self, task: Task) -> bool:
        """Whether a task can be put behind those that it has without waiting: there are any, and all are small."""
        tasks = self.tasks()
        return bool(tasks) and sum(len(each.packed) for each in (*tasks, task)) <= _AHEAD_BYTES

    def hand_ahead(self, task: Task) -> bool:
        """Put a task behind those that it has, for any thread.

        Returns:
            Whether that was done: not where it has no room, or is dead.
        """
        with self._lock:
            if not self.has_room(task):
                return False
            try:
                self._pipe.send_bytes(task.packed)
            except OSError:  # whoever waits for its answer learns that it is dead
                return False
            self._tasks.append(task)
            return True

    def seconds(self) -> float:
        """For how long it has been at its oldest task."""
        return time.monotonic() - self._began

    def receive(self, seconds: float | None) -> bytes | None:
        """The answer to its oldest task.

        Args:
            seconds: How long that task may take; None for as long as it likes.

        Returns:
            The answer; None if the task took longer.

        Raises:
            EOFError: If it died; also OSError.
            EngineLostError: If what had started this process is gone.
        """
        answer = self._receive(None if seconds is None else self._began + seconds)
        if answer is not None:
            with self._lock:
                self._tasks.popleft()
                self._answered += 1
                self._began = time.monotonic()
        return answer

    def _receive(self, end: float | None) -> bytes | None:
        """Its next message, or None if none came before ``end`` of the monotonic clock."""
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
    def died_idle(self) -> bool:
        """Whether it had not begun another task than those that it has answered, once it is buried."""
        return self._output.begun <= self._answered

    @property
    def was_told_to_end(self) -> bool:
        """Whether it died of the signal that asks for an orderly end, which tasks that go wrong do not get."""
        return self._process.returncode == -signal.SIGTERM

    def last_words(self) -> str:
        """What it said last under the latest task that it began, as the end of a sentence, once it is buried."""
        text = self._output.tail()
        return f'; it last said: {text}' if text else ''


def _make_pipe() -> tuple[Connection[Any, Any], Connection[Any, Any]]:
    """Both ends of a pipe that holds what is handed ahead, on any system."""
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIPE_BYTES)
    return Connection(ours.detach()), Connection(theirs.detach())


def _fate(code: int | None) -> str:
    if code is None:
        return 'could not be killed'
    if code < 0:
        with contextlib.suppress(ValueError):
            return f'was killed by {signal.Signals(-code).name}'
    return f'exited with status {code}'
