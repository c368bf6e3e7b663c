"""A task server on threads of this process, which can be told to lose, delay and break tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from colmena.exceptions import KillSignalException, TimeoutException
from colmena.models import Result
from colmena.queue.base import ColmenaQueues

from scoutbee.fabric.failures import kind_of, mark_failed
from scoutbee.fabric.methods import TaskMethod, task_functions

Interference = Callable[[Result], Any]
"""Sees every request before it runs.

It may return ``'lose'`` to have it vanish, raise to have it fail with that error, or block to delay it.
"""


class ThreadTaskServer:
    """Runs a campaign's functions on threads. A context manager."""

    def __init__(
        self,
        queues: ColmenaQueues,
        tasks: Mapping[str, Callable[..., Any]],
        workers: int = 4,
        interfere: Interference | None = None,
    ) -> None:
        """Args: queues and functions to serve, number of threads, and what goes wrong."""
        self._queues = queues
        self._methods = {kind: TaskMethod(kind, function) for kind, function in task_functions(tasks).items()}
        self._interfere = interfere
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix='worker')
        self._thread = threading.Thread(target=self._serve, name='task-server', daemon=True)

    def __enter__(self) -> ThreadTaskServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queues.send_kill_signal()
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _serve(self) -> None:
        while True:
            try:
                _, task = self._queues.get_task(timeout=60)
            except KillSignalException:
                return
            except TimeoutException:
                continue
            self._pool.submit(self._run, task)

    def _run(self, task: Result) -> None:
        try:
            if self._interfere is not None and self._interfere(task) == 'lose':
                return
            task = self._methods[str(task.method)](task)
        except Exception as error:
            mark_failed(task, error, kind_of(error))
        self._queues.send_result(task)
