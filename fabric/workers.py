"""Worker processes of our own: each runs one task at a time, and its death costs that task and no other.

Those that it was handed ahead had not begun, which is known for certain, and go to another process.

Nothing here imports Colmena or what tasks need, because it also runs where a workflow engine's worker does no more
than look after one of ours.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .child import Child, Task
from .errors import DeadlineError, EngineLostError, WorkerLostError, WorkerStoppedError

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = (0.0, 0.0, 0.5, 2.0, 10.0)
"""Pauses before a process is started anew when so many have died in a row without finishing a task."""

_START_SECONDS = 600.0
"""A process that takes longer to import what it needs will not be ready at all."""

_TRIES = 3
"""So many processes may die before one begins a task that waits."""


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
    One thread uses a worker; only ``stop``, ``tasks``, ``has_room`` and
    ``hand_ahead`` may be called from others.
    """

    def __init__(self, name: str, settings: WorkerSettings) -> None:
        """Args: name: Name for logs and errors. settings: How its processes are started."""
        self.name = name
        self._settings = settings
        self._child: Child | None = None
        self._left: list[Task] = []
        self._deaths = 0
        self._idle_deaths = 0
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
            self._check_open()
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
            Exception: What ``give`` raises, or ``answer`` returns.
        """
        self.give(Task(kind, task))
        _, answer = self.answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tasks(self) -> tuple[Task, ...]:
        """What its process was given and has not answered, oldest first."""
        child = self._child
        return child.tasks() if child is not None else ()

    def give(self, task: Task) -> None:
        """Give a task to a process that is ready and has none; one that has died before that is replaced.

        Raises:
            EngineLostError: If no process could be made ready.
            OSError: If no process can be started.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                child = self._ready()
            except EngineLostError:
                self._check_open()
                if not tries_left:
                    raise
                continue
            with contextlib.suppress(OSError):
                child.give(task)
                return
            self._bury(child)
        raise EngineLostError(f'The processes of worker {self.name} die before they are given a task.')

    def has_room(self, task: Task) -> bool:
        """Whether a task could be handed ahead: the process has others, and all are small."""
        child = self._child
        return child is not None and child.has_room(task)

    def hand_ahead(self, task: Task) -> bool:
        """Have a task lie ready behind those that the process has; returns whether it does.

        The time until its deadline runs from when the one before it is answered. Whoever uses this asks for
        ``left_over`` after each answer.
        """
        child = self._child
        return child is not None and child.hand_ahead(task)

    def answer(self) -> tuple[Task, bytes | Exception]:
        """Wait for the oldest task to end.

        Returns:
            The task, and its answer, for ``read_answer``, or why there is none:

            * ``WorkerLostError`` if the process died under the task;
            * ``WorkerStoppedError`` if it was told to end;
            * ``DeadlineError`` if the task ran past its deadline;
            * ``EngineLostError`` if this process lost its purpose, or those that are to run the task die before they
              begin it;
            * ``OSError`` if no process can be started.
        """
        child = self._child
        assert child is not None
        task = child.tasks()[0]
        fault: Exception | None = None
        try:
            answer = child.receive(self._settings.deadlines.get(task.kind))
        except Exception as error:
            answer, fault = None, error
        if answer is None:
            return self._end(child, fault)
        self._deaths = self._idle_deaths = 0
        return task, answer

    def left_over(self) -> list[Task]:
        """Take back what was handed ahead to a process that is gone; asked for after every answer.

        None of it had begun, but for one that did in the very moment in which the one before it was killed for its
        deadline.
        """
        left, self._left = self._left, []
        return left

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

    def _end(self, child: Child, fault: Exception | None) -> tuple[Task, bytes | Exception]:
        """End a process in whose task something went wrong, unless that was no more than its deadline (None)."""
        seconds = child.seconds()
        fate = self._bury(child)
        task = self._left.pop(0)
        if self._closing.is_set():
            return task, self._stopped()
        if fault is not None and not isinstance(fault, (EOFError, OSError)):
            return task, fault
        if fault is not None and child.died_idle:
            return self._again(task)
        self._idle_deaths = 0
        evidence = platform.node(), child.pid, seconds
        error: Exception
        if fault is None:
            self._deaths = 0  # nothing is wrong with the place
            error = DeadlineError(self._overdue(child, fate, task.kind, seconds), *evidence)
        else:
            message = f'{child.title} {fate} after {seconds:.1f} s of {task.kind}{child.last_words()}.'
            error = (WorkerStoppedError if child.was_told_to_end else WorkerLostError)(message, *evidence)
        logger.warning('%s', error)
        self._start_early()
        return task, error

    def _again(self, task: Task) -> tuple[Task, bytes | Exception]:
        """Give a task that had not begun to another process, with those behind it, and wait for its end."""
        self._idle_deaths += 1
        if self._idle_deaths >= _TRIES:
            return task, EngineLostError(f'The processes of worker {self.name} die before they begin a task.')
        try:
            self.give(task)
        except (EngineLostError, OSError) as error:
            return task, error
        self._left = [each for each in self._left if not self.hand_ahead(each)]
        return self.answer()

    def _overdue(self, child: Child, fate: str, kind: str, seconds: float) -> str:
        return (
            f'{kind} ran for {seconds:.1f} s, longer than the {self._settings.deadlines[kind]:g} s that it may take, '
            f'so {child.title} {fate} with all it had started{child.last_words()}.'
        )

    def _bury(self, child: Child) -> str:
        """See to it that nothing is left of a process but its tasks; returns what became of it."""
        with self._lock:
            self._child = None
            self._deaths += 1
            self._left += child.let_go()
            return child.bury()

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise self._stopped()

    def _stopped(self) -> EngineLostError:
        return EngineLostError(f'Worker {self.name} was stopped.')

    def _start_early(self) -> None:
        """Have the next process warm up while there is nothing to do; the next task says what keeps it from it."""
        if not self._pause():
            with contextlib.suppress(OSError, EngineLostError):
                self.start()

    def _pause(self) -> float:
        return _PAUSE_SECONDS[min(self._deaths, len(_PAUSE_SECONDS) - 1)]
