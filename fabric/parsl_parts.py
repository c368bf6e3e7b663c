"""Parsl's own processes, started so that none of them stays when what it cannot do without has died.

By itself an interchange outlives the process that submits to it, and a manager outlives the process in which it keeps
its books: it then goes on telling that it is well, and computes nothing. Both count silence by the wall clock: set
ahead, it would have them give each other up.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import threading
import time
from multiprocessing import connection

from .processes import die_with_parent

_PACKAGE = 'parsl.executors.high_throughput'
_BOOKKEEPER = 'SyncManager'
_LOOK_SECONDS = 0.5
_ENDING_SECONDS = 5.0
"""A manager that ends in order ends its bookkeeper a moment before itself."""


def interchange() -> None:
    """Be an interchange, which dies with the process that started it."""
    die_with_parent()
    _measure_steadily()
    _import_parsl()
    runpy.run_module(f'{_PACKAGE}.interchange', run_name='__main__', alter_sys=True)


def process_worker_pool() -> None:
    """Be a manager, which dies with its bookkeeper; its block is then replaced as if it had died first."""
    threading.Thread(target=_die_with_bookkeeper, name='bookkeeper-watch', daemon=True).start()
    _measure_steadily()
    _import_parsl()
    runpy.run_module(f'{_PACKAGE}.process_worker_pool', run_name='__main__', alter_sys=True)


def _import_parsl() -> None:
    from . import lean_parsl  # noqa: F401


def _measure_steadily() -> None:
    """Have this process, but none that it forks, tell the time by a clock that nobody sets."""
    wall = time.time
    began = wall() - time.monotonic()
    time.time = lambda: began + time.monotonic()
    os.register_at_fork(after_in_child=lambda: setattr(time, 'time', wall))


def _die_with_bookkeeper() -> None:
    keeper = None
    while keeper is None:
        time.sleep(_LOOK_SECONDS)
        keeper = next((c for c in multiprocessing.active_children() if c.name.startswith(_BOOKKEEPER)), None)
    connection.wait([keeper.sentinel])
    time.sleep(_ENDING_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
