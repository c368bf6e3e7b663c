"""A task server on threads of this process, which can be told to lose, delay and break tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from colmena.models import Result
from colmena.queue.base import ColmenaQueues

from scoutbee.fabric.engines.server import ReportingServer
from scoutbee.fabric.failures import kind_of, mark_failed
from scoutbee.fabric.methods import TaskMethod, task_functions

Interference = Callable[[Result], Any]
"""Sees every request before it runs.

It may return ``'lose'`` to have it vanish, raise to have it fail with that error, or block to delay it.
"""


class ThreadTaskServer:
    """Runs a campaign's functions on threads. A context manager.

    It answers roll calls and calls tasks back as the engines do. A task begins when a thread takes it, so before the
    interference sees it; one that is made to vanish is held by nobody.
    """

    def __init__(
        self,
        queues: ColmenaQueues,
        tasks: Mapping[str, Callable[..., Any]],
        workers: int = 4,
        interfere: Interference | None = None,
    ) -> None:
        """Args: queues and functions to serve, number of threads, and what goes wrong."""
        self._queues = queues
        self._server = _ThreadServer(queues, tasks, workers, interfere)
        self._thread = threading.Thread(target=self._server.listen_and_launch, name='task-server', daemon=True)

    def __enter__(self) -> ThreadTaskServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queues.send_kill_signal()
        self._thread.join()
        self._server.close()


class _ThreadServer(ReportingServer):
    def __init__(
        self,
        queues: ColmenaQueues,
        tasks: Mapping[str, Callable[..., Any]],
        workers: int,
        interfere: Interference | None,
    ) -> None:
        self._methods = {kind: TaskMethod(kind, function) for kind, function in task_functions(tasks).items()}
        self._interfere = interfere
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix='worker')
        super().__init__(queues, self._methods.keys())

    def close(self) -> None:
        """What is unfinished stays unanswered."""
        self.held.forget_all()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, task: Result, topic: str) -> Future[Result]:
        return self._pool.submit(self._run, task)

    def _run(self, task: Result) -> Result:
        try:
            if self._interfere is not None and self._interfere(task) == 'lose':
                self.held.forget(task.task_id)
                return task
            return self._methods[str(task.method)](task)
        except Exception as error:
            mark_failed(task, error, kind_of(error))
            return task
