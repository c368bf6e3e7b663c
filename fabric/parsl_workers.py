"""What the workers of a Parsl manager are forked from: a process that has imported what they need, once for all.

Imported by that process, ``multiprocessing``'s fork server, before it forks. It dies with the manager, and what it
forked dies with it, so that no task goes on that nobody waits for.
"""

import os
from importlib import import_module

from . import bare_parsl, hosted  # noqa: F401 - before all that imports Parsl; and what tasks call
from .processes import die_with_parent

_server = os.getpid()


def _die_with_server() -> None:
    if os.getppid() == _server:  # not for what they fork themselves
        die_with_parent()


die_with_parent()
os.register_at_fork(after_in_child=_die_with_server)
import_module('parsl.executors.high_throughput.process_worker_pool')
