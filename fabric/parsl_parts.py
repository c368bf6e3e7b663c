"""Parsl's own processes, started so that none of them stays when what it cannot do without has died.

By itself an interchange outlives the process that submits to it, and a manager outlives the process in which it keeps
its books: it then goes on telling that it is well, and computes nothing; so its books are kept in memory. Both count
silence by the wall clock: set ahead, it would have them give each other up.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import multiprocessing
import os
import runpy
import sys
import tempfile
import time
from importlib import import_module
from multiprocessing import forkserver

from . import bare_parsl  # noqa: F401 - before all that imports Parsl
from .parsl_books import Books
from .processes import die_with_parent

_PACKAGE = 'parsl.executors.high_throughput'
_FORKED = 'scoutbee.fabric.parsl_workers'

_LONGEST_FOLDER = 70
"""Bytes of the path of the temporary folder in which a fork server can listen; systems allow a socket some hundred."""


def interchange() -> None:
    """Be an interchange, which dies with the process that started it."""
    die_with_parent()
    _measure_steadily()
    _run('interchange')


def process_worker_pool() -> None:
    """Be a manager."""
    # Elsewhere than on Linux workers would not die with what they were forked from.
    if sys.platform == 'linux' and len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_FOLDER:
        _fork_workers()
    _share_books()
    _measure_steadily()
    _list_no_packages()
    _run('process_worker_pool')


def _run(name: str) -> None:
    runpy.run_module(f'{_PACKAGE}.{name}', run_name='__main__', alter_sys=True)


def _fork_workers() -> None:
    """Have the workers forked from a process that imports what they need once for all.

    Parsl starts an interpreter for each, which imports it all anew. That process begins to import at once.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([_FORKED])
    forkserver.ensure_running()
    import_module('parsl.multiprocessing').SpawnContext = context  # type: ignore[attr-defined]


def _list_no_packages() -> None:
    """Parsl has each manager tell which packages are installed, which nobody here asks for: reading that takes long."""
    importlib.metadata.distributions = lambda **_: ()


def _measure_steadily() -> None:
    """Have this process, but none that it forks, tell the time by a clock that nobody sets."""
    wall = time.time
    began = wall() - time.monotonic()
    time.time = lambda: began + time.monotonic()
    os.register_at_fork(after_in_child=lambda: setattr(time, 'time', wall))


def _share_books() -> None:
    """Have the manager and its workers keep their books in memory that they share, rather than in another process."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('--max_workers_per_node', type=float, required=True)
    workers = parser.parse_known_args()[0].max_workers_per_node
    context = import_module('parsl.multiprocessing').SpawnContext
    context.Manager = lambda: Books(context, int(workers))
