"""Worker processes of our own: one pipe each, so that a worker that dies loses its own task and no other."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from ..failures import WorkerLostError
from ..methods import preload
from ..processes import ignore_interrupts, on_parent_death

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = (0.0, 0.5, 2.0, 10.0)
"""Pauses before a worker is started again that has died so many times without finishing a task."""

_environment_lock = threading.Lock()

Task = tuple[str, Any]
"""Name of a method and its argument."""


@dataclass(frozen=True)
class WorkerSettings:
    """How the workers of a pool are started.

    Attributes:
        methods: What they can run, by name.
        env: Environment variables, set before anything is imported.
        modules: Modules imported as they start.
    """

    methods: Mapping[str, Callable[[Any], Any]]
    env: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()


class WorkerPool:
    """Equal workers that take tasks from one queue. Threads of the pool wait for them; none is shared with others."""

    def __init__(self, name: str, count: int, settings: WorkerSettings) -> None:
        """Start the workers.

        Args:
            name: Name of the pool, for logs.
            count: How many workers.
            settings: How they are started.
        """
        self.name = name
        self._settings = settings
        self._tasks: queue.Queue[tuple[Task, Future[Any]] | None] = queue.Queue()
        self._closing = threading.Event()
        self._slots = [_Slot(self, index) for index in range(count)]

    def submit(self, method: str, argument: Any) -> Future[Any]:
        """Queue a task; its future fails with ``WorkerLostError`` if the worker dies under it."""
        future: Future[Any] = Future()
        self._tasks.put(((method, argument), future))
        return future

    def close(self) -> None:
        """Kill the workers at once; tasks that run or wait are left unanswered."""
        self._closing.set()
        for slot in self._slots:
            self._tasks.put(None)
            slot.kill()

    # What the slots see of the pool.

    @property
    def is_closing(self) -> bool:
        """Whether the workers are being killed on purpose."""
        return self._closing.is_set()

    def next_task(self) -> tuple[Task, Future[Any]] | None:
        """Wait for a task; None when the pool closes."""
        item = self._tasks.get()
        return None if self.is_closing else item

    def pause(self, seconds: float) -> None:
        """Wait, unless the pool closes."""
        self._closing.wait(seconds)

    def start_worker(self, index: int) -> tuple[SpawnProcess, Connection]:
        """A new worker process and the pipe to it."""
        ours, theirs = get_context('spawn').Pipe()
        process = SpawnProcess(target=_work, args=(theirs, self._settings), name=f'{self.name}-{index}', daemon=True)
        with _environment(self._settings.env):
            process.start()
        theirs.close()
        return process, ours


class _Slot:
    """The place of one worker, and the thread that feeds it and replaces it when it dies."""

    def __init__(self, pool: WorkerPool, index: int) -> None:
        self._pool = pool
        self._index = index
        self._deaths = 0
        self._lock = threading.Lock()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        threading.Thread(target=self._feed, name=f'{pool.name}-{index}', daemon=True).start()

    def kill(self) -> None:
        with self._lock:
            if self._process is not None and self._process.is_alive():
                self._process.kill()

    def _feed(self) -> None:
        self._start()  # before the first task, so that it is warm by then
        while True:
            item = self._pool.next_task()
            if item is None:
                return
            task, future = item
            if future.set_running_or_notify_cancel():
                self._run(task, future)

    def _start(self) -> None:
        self._pool.pause(_PAUSE_SECONDS[min(self._deaths, len(_PAUSE_SECONDS) - 1)])
        with self._lock:
            if not self._pool.is_closing:
                self._process, self._pipe = self._pool.start_worker(self._index)

    def _run(self, task: Task, future: Future[Any]) -> None:
        if self._process is None or not self._process.is_alive():
            if self._pipe is not None:
                self._pipe.close()
            self._start()
        process, pipe = self._process, self._pipe
        if process is None or pipe is None:
            return
        try:
            pipe.send(task)
            connection.wait([pipe, process.sentinel])
            succeeded, answer = pipe.recv()
        except (EOFError, OSError) as error:
            self._bury(future, error)
            return
        except Exception as error:  # a task that cannot be packed, or an answer that cannot be unpacked
            future.set_exception(error)
            return
        self._deaths = 0
        if succeeded:
            future.set_result(answer)
        else:
            future.set_exception(answer)

    def _bury(self, future: Future[Any], error: Exception) -> None:
        """The worker died under its task: say so, unless the pool killed it, and start another."""
        process, pipe = self._process, self._pipe
        assert process is not None
        assert pipe is not None
        process.kill()  # it may be alive with a broken pipe
        process.join()
        pipe.close()
        if self._pool.is_closing:
            return
        self._deaths += 1
        logger.warning('Worker %s (process %s) died: %s', process.name, process.pid, _fate(process))
        future.set_exception(WorkerLostError(f'Worker {process.name} (process {process.pid}) died: {_fate(process)}.'))
        self._start()


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Give the processes started inside some environment variables."""
    with _environment_lock:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _fate(process: SpawnProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f'killed by {signal.Signals(-code).name}'
    return f'exit status {code}'


def _work(pipe: Connection, settings: WorkerSettings) -> None:
    """What a worker process does."""
    on_parent_death(lambda: os._exit(1))
    ignore_interrupts()
    preload(settings.modules)
    while True:
        try:
            method, argument = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[bool, Any] = (True, settings.methods[method](argument))
        except Exception as error:
            answer = (False, error)
        pipe.send(answer)
