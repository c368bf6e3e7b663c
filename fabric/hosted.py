"""One worker of ours under a process that belongs to a workflow engine.

A task that crashes, hangs or exits then costs our process and not the engine's, and comes back at once with the
evidence. The engine's process calls this from its own thread and imports nothing that tasks need.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping

from .workers import Worker, WorkerSettings


class _Place:
    """The worker of this process; one at a time, because one task runs at a time."""

    def __init__(self) -> None:
        self._packed = b''
        self._worker: Worker | None = None

    def worker(self, packed: bytes) -> Worker:
        if self._worker is None or packed != self._packed:
            if self._worker is not None:
                self._worker.close()
            name, settings = pickle.loads(packed)
            self._packed, self._worker = packed, Worker(name, settings)
        return self._worker


_place = _Place()


def pack_settings(name: str, settings: WorkerSettings) -> bytes:
    """A worker's name and settings as the functions below take them."""
    return pickle.dumps((name, settings))


def run_hosted(packed: bytes, kind: str, task: bytes) -> bytes:
    """Run a task in the worker of this process; see ``Worker.run``.

    Args:
        packed: From ``pack_settings``. The same worker serves for as long as it is the same.
        kind: Kind of task.
        task: From ``pack_task``.
    """
    return _place.worker(packed).run(kind, task)


def warm_hosted(packed: bytes) -> Mapping[str, float]:
    """Have the worker of this process ready for tasks; see ``Worker.warm``."""
    return _place.worker(packed).warm()
