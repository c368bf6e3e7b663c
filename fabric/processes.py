"""Processes that must not outlive those they work for.

A task server leads a session of its own. Everything it starts, directly or through shells that have since ended,
stays in that session, so that all of it can be found and ended at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing import connection

import psutil

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == 'linux' else None


_YOUNG, _MIDDLE, _OLD = 20_000, 10, 500
"""Objects, and rounds of the generation before, after which Python looks for cycles; its own are 700, 10 and 10."""


def collect_rarely() -> None:
    """Have Python look through old objects for garbage hardly ever; called when all that is to stay is there.

    Who serves tens of thousands of workers holds millions of objects for as long as their tasks last. Python would look
    through all of them, again and again, for a second or so in which nobody is served, and find nothing: what a task
    leaves is freed by counting references, and cycles die young.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends; does nothing but on Linux.

    Called between fork and exec it holds for the new program. The thread that starts the process must therefore be
    one that lives as long as the process should: normally the main thread.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def on_parent_death(action: Callable[[], None]) -> None:
    """Call ``action`` from a thread of its own when the process that started this one is gone, however it ended.

    For processes started by ``multiprocessing``; it works whichever thread started them.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        connection.wait([sentinel])
        action()

    threading.Thread(target=watch, name='parent-watch', daemon=True).start()


def end_with_pipe(descriptor: int) -> None:
    """Kill the process group that this process leads when the other end of a pipe is closed.

    However the process at the other end ends, the kernel closes it. What a task has started dies with the group.

    Args:
        descriptor: This end of the pipe, on which others may read and write.
    """

    def watch() -> None:
        poller = select.poll()
        poller.register(descriptor, 0)  # a hang-up is reported whatever one asks for
        poller.poll()
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name='pipe-watch', daemon=True).start()


def kill_group(leader: subprocess.Popen[bytes]) -> None:
    """Kill a process and the process group that it leads, if it has made one yet."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.kill()


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the driver, which decides when workers stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def session_members(session: int) -> list[psutil.Process]:
    """Processes of a session, but this one and the resource trackers of ``multiprocessing``.

    A tracker ends by itself once its users have, and must, since it removes the named semaphores they leave.
    """
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) != session or process.pid == os.getpid():
                continue
            if process.status() == psutil.STATUS_ZOMBIE or _is_tracker(process):
                continue
            members.append(process)
    return members


def kill_session(session: int, seconds: float = 5.0) -> int:
    """Kill every process of a session but this one, and wait until they are gone.

    Args:
        session: Id of the session, which is the id of the process that made it.
        seconds: How long to wait for them to go.

    Returns:
        How many there were.
    """
    killed = 0
    for _ in range(3):  # a process that was being started during the first pass is found in the next
        members = session_members(session)
        if not members:
            break
        killed += len(members)
        for process in members:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(members, timeout=seconds)
    return killed


def _is_tracker(process: psutil.Process) -> bool:
    return any('multiprocessing.resource_tracker' in part for part in process.cmdline())
