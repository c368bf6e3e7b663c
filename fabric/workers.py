"""Worker processes of our own: each runs one task at a time, and its death costs that task and no other.

Nothing here imports Colmena or what tasks need, because it also runs where a workflow engine's worker does no more
than look after one of ours.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .child import Child
from .errors import DeadlineError, EngineLostError, WorkerLostError, WorkerStoppedError

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = (0.0, 0.0, 0.5, 2.0, 10.0)
"""Pauses before a process is started anew when so many have died in a row without finishing a task."""

_START_SECONDS = 600.0
"""A process that takes longer to import what it needs will not be ready at all."""

_TRIES = 3
"""So many processes may die before one is given a task that waits."""


@dataclass(frozen=True)
class WorkerSettings:
    """How worker processes are started and what they may do.

    Attributes:
        program: What they can run: a mapping of kinds to functions of one argument, pickled, so that only they
            import it.
        env: Environment variables, set before anything is imported.
        modules: Modules imported as they start.
        deadlines: How long a task of each kind may run, in seconds.
        idle_seconds: How long a process without a task is kept where it would outlive the campaign; None for as long
            as what owns it lives.
    """

    program: bytes
    env: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    deadlines: Mapping[str, float] = field(default_factory=dict)
    idle_seconds: float | None = None

    @staticmethod
    def pack(methods: Mapping[str, Callable[[Any], Any]]) -> bytes:
        """The ``program`` of some functions, which must be importable on a worker."""
        return pickle.dumps(dict(methods))


def pack_task(kind: str, argument: Any) -> bytes:
    """A task as a worker takes it."""
    return pickle.dumps((kind, argument))


def read_answer(answer: bytes) -> Any:
    """What a task returned.

    Raises:
        Exception: What the task raised.
    """
    succeeded, value = pickle.loads(answer)
    if not succeeded:
        raise value
    return value


def pack_error(error: Exception) -> bytes:
    """An error as ``read_answer`` takes it; it must be one that can be pickled."""
    return pickle.dumps((False, error))


class Worker:
    """The place of one worker process, which is replaced when it dies.

    The process leads a process group, so that what a task starts can be killed with it, and dies with its owner.
    One thread uses a worker; only ``stop`` may be called from another.
    """

    def __init__(self, name: str, settings: WorkerSettings) -> None:
        """Args: name: Name for logs and errors. settings: How its processes are started."""
        self.name = name
        self._settings = settings
        self._child: Child | None = None
        self._deaths = 0
        self._closing = threading.Event()
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Id of the process, or None if none was started."""
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Start a process if none lives; does not wait until it is ready, but pauses if others died in a row.

        Raises:
            EngineLostError: If the worker was closed.
            OSError: If no process can be started.
        """
        child = self._child
        if child is not None:
            if child.is_alive():
                return
            logger.warning('%s died while it was idle: it %s', child.title, self._bury(child))
        self._closing.wait(self._pause())
        with self._lock:
            if self._closing.is_set():
                raise EngineLostError(f'Worker {self.name} was stopped.')
            self._child = Child(self.name, (self._settings.program, self._settings.modules), self._settings.env)

    def warm(self) -> Mapping[str, float]:
        """Wait until the process is ready for tasks; returns the seconds that each module took to import.

        Raises:
            EngineLostError: If it cannot be made ready, with the reason.
            OSError: If no process can be started.
        """
        return self._ready().warmth

    def run(self, kind: str, task: bytes) -> bytes:
        """Run a task and wait for its end.

        Args:
            kind: Kind of task, which has the deadline. Its time runs from when a process that is ready is given it.
            task: The task, from ``pack_task``.

        Returns:
            The answer, for ``read_answer``.

        Raises:
            WorkerLostError: If the process died under the task.
            WorkerStoppedError: If it was told to end.
            DeadlineError: If the task ran past its deadline.
            EngineLostError: If no process could be made ready, or this one lost its purpose.
            OSError: If no process can be started.
        """
        child = self._begin(task)
        started = time.monotonic()
        try:
            answer = child.receive(self._settings.deadlines.get(kind))
        except (EOFError, OSError):
            raise self._lost(child, kind, time.monotonic() - started) from None
        except EngineLostError:
            self._bury(child)
            raise
        if answer is None:
            raise self._overdue(child, kind, time.monotonic() - started)
        self._deaths = 0
        return answer

    def stop(self) -> None:
        """Kill the process at once, and start none any more."""
        self._closing.set()
        with self._lock:
            if self._child is not None:
                self._child.kill()

    def close(self) -> None:
        """Stop, and let go of what is left."""
        self.stop()
        if self._child is not None:
            self._bury(self._child)

    def _ready(self) -> Child:
        self.start()
        child = self._child
        assert child is not None
        if child.is_ready:
            return child
        try:
            in_time = child.get_ready(_START_SECONDS)
        except (EOFError, OSError):
            in_time = True
        if child.is_ready:
            return child
        fate = self._bury(child)
        self._check_open()
        why = f'it {fate}' if in_time else f'it was not ready within {_START_SECONDS:g} s'
        raise EngineLostError(f'{child.title} could not be started: {why}{child.last_words()}.')

    def _begin(self, task: bytes) -> Child:
        """Give a task to a process that is ready; one that has died before that is replaced."""
        for tries_left in reversed(range(_TRIES)):
            try:
                child = self._ready()
            except EngineLostError:
                self._check_open()
                if not tries_left:
                    raise
                continue
            with contextlib.suppress(OSError):
                child.send(task)
                return child
            self._bury(child)
        raise EngineLostError(f'The processes of worker {self.name} die before they are given a task.')

    def _lost(self, child: Child, kind: str, seconds: float) -> Exception:
        fate = self._bury(child)
        self._check_open()
        self._start_early()
        message = f'{child.title} {fate} after {seconds:.1f} s of {kind}{child.last_words()}.'
        logger.warning('%s', message)
        what = WorkerStoppedError if child.was_told_to_end else WorkerLostError
        return what(message, platform.node(), child.pid, seconds)

    def _overdue(self, child: Child, kind: str, seconds: float) -> Exception:
        fate = self._bury(child)
        self._check_open()
        self._deaths = 0  # nothing is wrong with the place
        self._start_early()
        message = (
            f'{kind} ran for {seconds:.1f} s, longer than the {self._settings.deadlines[kind]:g} s that it may take, '
            f'so {child.title} {fate} with all it had started{child.last_words()}.'
        )
        logger.warning('%s', message)
        return DeadlineError(message, platform.node(), child.pid, seconds)

    def _bury(self, child: Child) -> str:
        """See to it that nothing is left of a process; returns what became of it."""
        with self._lock:
            self._child = None
            self._deaths += 1
            return child.bury()

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise EngineLostError(f'Worker {self.name} was stopped.')

    def _start_early(self) -> None:
        """Have the next process warm up while there is nothing to do; the next task says what keeps it from it."""
        if not self._pause():
            with contextlib.suppress(OSError, EngineLostError):
                self.start()

    def _pause(self) -> float:
        return _PAUSE_SECONDS[min(self._deaths, len(_PAUSE_SECONDS) - 1)]
