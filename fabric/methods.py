"""A campaign's function as a worker runs it: nothing it does can keep its result from coming back."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from colmena.models import Result
from colmena.models.methods import PythonMethod

from scoutbee.contracts.campaign import SIMULATE, TRAIN
from scoutbee.contracts.errors import FailureKind, InputTaskError

from .failures import kind_of, mark_failed
from .messages import worker_information
from .moves import fetch, store_value
from .object_cache import ObjectCache

_PARSL_TAGS = ('PARSL_WORKER_RANK', 'PARSL_WORKER_POOL_ID', 'PARSL_WORKER_BLOCK_ID')
_KILOBYTE = 1 if sys.platform == 'darwin' else 1024  # the unit of ru_maxrss


@dataclass(frozen=True)
class Spread:
    """Calls a function with one of its arguments, a tuple, spread out.

    The agents lend what may be large as one object, so the arguments of a candidate arrive as one.

    Attributes:
        function: What to call.
        position: Which argument to spread.
    """

    function: Callable[..., Any]
    position: int

    @property
    def __name__(self) -> str:
        return name_of(self.function)

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        before, after = arguments[: self.position], arguments[self.position + 1 :]
        return self.function(*before, *arguments[self.position], *after)


def task_functions(tasks: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """A campaign's ``tasks()`` in the form in which the agents send them arguments.

    These are ``simulate(candidate.args)``, ``train(data, request.args)`` and ``infer(artifacts, chunk_data)``,
    while the campaign's functions take the arguments of candidates and requests one by one.
    """
    spread = {SIMULATE: 0, TRAIN: 1}
    return {kind: Spread(task, spread[kind]) if kind in spread else task for kind, task in tasks.items()}


def worker_methods(functions: Mapping[str, Callable[..., Any]], cache_bytes: int) -> dict[str, TaskMethod]:
    """Functions, by kind of task, as the processes of one executor are to run them.

    Args:
        functions: The functions.
        cache_bytes: What each process may keep of its inputs. Those of a simulation are used but once, so they are
            never kept; the chunks of the search space, the models and the training set are.
    """
    cache = ObjectCache(cache_bytes)
    return {
        kind: TaskMethod(kind, function, None if kind == SIMULATE else cache) for kind, function in functions.items()
    }


def name_of(function: Callable[..., Any]) -> str:
    """A function's name, found through partials."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    return str(getattr(function, '__name__', type(function).__name__))


class TaskMethod(PythonMethod):
    """Runs a function under the name of its kind of task.

    The function gets plain objects: proxies among its arguments, or in a tuple among them, are fetched first. Arguments
    that come from a store may be kept for later tasks of the same worker, so it must not change them.

    Whatever fails (reading the inputs, the function, packing what it returned) becomes a classed failure in
    ``result.task_info['failure']``. ``result.worker_info`` tells where it ran and what it used.
    """

    def __init__(self, kind: str, function: Callable[..., Any], cache: ObjectCache | None = None) -> None:
        """Wrap a function.

        Args:
            kind: Kind of task, which is the name of the method.
            function: Importable on a worker: module-level, or a partial of such with plain arguments.
            cache: What the worker keeps of its inputs; nothing if not given.
        """
        super().__init__(function, name=kind)
        self._cache = cache

    def __call__(self, result: Result) -> Result:
        """Run one task; returns the same result, filled in. Never raises."""
        usage = _Usage()
        result.mark_compute_started()
        try:
            self._unpack(result)
            self._run(result)
        except BaseException as error:  # a task that calls sys.exit() must not take its worker with it
            result.value = None
            mark_failed(result, error, kind_of(error))
        result.mark_compute_ended()
        result.worker_info = worker_information(usage.report())
        self._pack(result)
        return result

    def _unpack(self, result: Result) -> None:
        """Make the inputs plain objects."""
        result.time.deserialize_inputs = result.deserialize()
        args, kwargs = result.inputs
        started = time.perf_counter()
        args = tuple(fetch(args, result, self._cache))
        kwargs = dict(zip(kwargs, fetch(tuple(kwargs.values()), result, self._cache), strict=True))
        if result.time.proxy:
            result.time.additional['resolve_proxies'] = time.perf_counter() - started
        result.inputs = (args, kwargs)

    def _run(self, result: Result) -> None:
        started = time.perf_counter()
        inputs = result.inputs
        # The inputs are dropped whatever ``keep_inputs`` says: the driver has them, and lent ones are large.
        result.keep_inputs = False
        try:
            output = self.function(*inputs[0], **inputs[1])
        finally:
            result.time.running = time.perf_counter() - started
        result.set_result(output, result.time.running)

    def _pack(self, result: Result) -> None:
        result.inputs = ((), {})
        started = time.perf_counter()
        try:
            store_value(result)
            result.serialize()
        except Exception as error:
            told = _unsendable(self.name, result.value, error)
            result.value = None
            mark_failed(result, told, kind_of(told))
            result.serialize()
        result.time.serialize_results = time.perf_counter() - started


class _Usage:
    """What a task uses of its machine."""

    def __init__(self) -> None:
        self._cpu = _cpu_seconds()

    def report(self) -> dict[str, Any]:
        tags = {tag: os.environ[tag] for tag in _PARSL_TAGS if tag in os.environ}
        return {
            'hostname': platform.node(),
            'pid': os.getpid(),
            'cpu_seconds': round(_cpu_seconds() - self._cpu, 6),
            'peak_rss_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE,
            'versions': dict(_versions()),
            **tags,
        }


def _unsendable(kind: str, value: Any, error: Exception) -> Exception:
    """The error of a value that could not be packed: the task's own fault where pickle says so."""
    if kind_of(error) in (FailureKind.RESOURCE, FailureKind.UNREACHABLE):
        return error
    told = InputTaskError(
        f'What {kind} returned (a {type(value).__name__}) cannot be sent back: {type(error).__name__}: {error}. '
        'Return plain data, arrays or dataclasses.'
    )
    told.__cause__ = error
    return told


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@functools.cache
def _versions() -> Mapping[str, str]:
    found = {'python': platform.python_version()}
    for package in ('scoutbee', 'colmena', 'proxystore', 'parsl', 'numpy'):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
