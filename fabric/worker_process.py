"""What a worker process does."""

from __future__ import annotations

import faulthandler
import importlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from .output import Notes
from .processes import end_with_pipe, ignore_interrupts


def main(descriptor: int, notes: int) -> None:
    """Run tasks until the owner is gone.

    Args:
        descriptor: Our end of the pipe to the owner, who sends what can be run and which modules to import, is told
            how long they took, and then sends tasks, which are answered in turn.
        notes: The file for notes of the owner's ``Output``.
    """
    sys.argv[:] = ['scoutbee-worker']
    pipe: Connection[Any, Any] = Connection(descriptor)
    os.set_inheritable(descriptor, False)
    begun = Notes(notes)
    ignore_interrupts()
    faulthandler.enable()
    end_with_pipe(descriptor)
    try:
        program, modules = pipe.recv()
        seconds = preload(modules)
        methods = pickle.loads(program)
        pipe.send(seconds)
        while True:
            task = pipe.recv_bytes()
            begun.begin()
            pipe.send_bytes(_answer(methods, task))
            del task  # not while waiting for the next
    except (EOFError, ConnectionError):
        return


def preload(modules: Iterable[str]) -> dict[str, float]:
    """Import modules ahead of the tasks that need them; returns the seconds each took.

    One that cannot be imported is left out: the task that needs it says so better than this could.
    """
    seconds = {}
    for module in modules:
        started = time.perf_counter()
        try:
            importlib.import_module(module)
        except Exception as error:
            print(f'scoutbee: {module} could not be imported ahead of time: {error!r}', file=sys.stderr)
            continue
        seconds[module] = time.perf_counter() - started
    return seconds


def _answer(methods: Mapping[str, Callable[[Any], Any]], task: bytes) -> bytes:
    try:
        kind, argument = pickle.loads(task)
        return pickle.dumps((True, methods[kind](argument)))
    except Exception as error:
        return _error(error)


def _error(error: Exception) -> bytes:
    try:
        packed = pickle.dumps((False, error))
        pickle.loads(packed)
    except Exception:
        return pickle.dumps((False, RuntimeError(f'{type(error).__name__}: {error}')))
    return packed
