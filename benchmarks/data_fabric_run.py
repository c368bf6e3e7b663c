"""Passes over a set of objects, and what each task of a pass took."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
from colmena.models import Result
from data_fabric_rigs import THRESHOLD, Rig
from data_fabric_tasks import Look
from pydantic import BaseModel, ConfigDict

READY_SECONDS = 0.1
"""Inputs that are there so soon count as ready; the limit of the original application's authors."""

_WARM_SECONDS = 120.0


class Passes(BaseModel):
    """What one side did with a set of objects. The axes of the tables are passes and the tasks of a pass.

    Attributes:
        lend_seconds: To make each object available, once.
        wall_seconds: Of each pass, from its first task to its last result.
        task_seconds: Of each task, from sending it to its result.
        input_seconds: Of each task, from its worker having its message to its function having its object.
        hits: Whether each task found its object in its worker's cache.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    lend_seconds: list[float]
    wall_seconds: list[float]
    task_seconds: list[list[float]]
    input_seconds: list[list[float]]
    hits: list[list[bool]]


def make_objects(count: int, size: int, seed: int) -> list[Any]:
    """Arrays of random bytes.

    Args:
        count: How many.
        size: Size of each, in bytes.
        seed: The same seed makes the same arrays.
    """
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, size, dtype=np.uint8) for _ in range(count)]


def run_passes(rig: Rig, objects: Sequence[Any], passes: int, in_flight: int) -> Passes:
    """Send a task for each object, as many times as there are passes, and take the objects back.

    Args:
        rig: What carries them; it runs.
        objects: Arrays of bytes.
        passes: How often each is used.
        in_flight: How many tasks are out at a time: a task is sent for each that comes back.

    Raises:
        RuntimeError: If a task fails or has seen another object.
    """
    lend_seconds: list[float] = []
    with _lent(rig, objects, lend_seconds) as lent:
        checksums = [zlib.crc32(data) for data in objects]
        done = [_Pass(rig, lent, checksums).run(in_flight) for _ in range(passes)]
    return Passes(
        lend_seconds=lend_seconds,
        wall_seconds=[each.wall_seconds for each in done],
        task_seconds=[each.task_seconds for each in done],
        input_seconds=[each.input_seconds for each in done],
        hits=[each.hits for each in done],
    )


def warm_up(rig: Rig, workers: int) -> None:
    """Send small tasks until every worker has done one.

    Raises:
        RuntimeError: If that takes too long.
    """
    end = time.monotonic() + _WARM_SECONDS
    seen: set[int] = set()
    with _lent(rig, make_objects(workers, THRESHOLD, 0), []) as lent:
        while len(seen) < workers:
            if time.monotonic() > end:
                raise RuntimeError(f'{len(seen)} of {workers} workers did something within {_WARM_SECONDS:g} s.')
            for number, each in enumerate(lent):
                rig.send(each, number)
            seen |= {rig.receive().value.process for _ in lent}


@contextmanager
def _lent(rig: Rig, objects: Sequence[Any], seconds: list[float]) -> Iterator[list[Any]]:
    """The objects, lent while the block lasts; appends the seconds that each took."""
    lent: list[Any] = []
    try:
        for data in objects:
            started = time.perf_counter()
            lent.append(rig.lend(data))
            seconds.append(time.perf_counter() - started)
        yield lent
    finally:
        for each in lent:
            rig.reclaim(each)


class _Pass:
    """One task for each object."""

    def __init__(self, rig: Rig, lent: Sequence[Any], checksums: Sequence[int]) -> None:
        self._rig = rig
        self._lent = lent
        self._checksums = checksums
        self._sent = [0.0] * len(lent)
        self.wall_seconds = 0.0
        self.task_seconds = [0.0] * len(lent)
        self.input_seconds = [0.0] * len(lent)
        self.hits = [False] * len(lent)

    def run(self, in_flight: int) -> _Pass:
        started = time.perf_counter()
        waiting = iter(range(len(self._lent)))
        for number in islice(waiting, in_flight):
            self._send(number)
        for _ in self._lent:
            result = self._rig.receive()
            self._note(result, time.perf_counter())
            for number in islice(waiting, 1):
                self._send(number)
        self.wall_seconds = time.perf_counter() - started
        return self

    def _send(self, number: int) -> None:
        self._sent[number] = time.perf_counter()
        self._rig.send(self._lent[number], number)

    def _note(self, result: Result, received: float) -> None:
        number, seen = result.task_info['number'], result.value
        assert isinstance(seen, Look)
        if seen.checksum != self._checksums[number]:
            raise RuntimeError(f'Task {number} of {type(self._rig).__name__} has seen an object that is not its own.')
        self.task_seconds[number] = received - self._sent[number]
        inputs = self._rig.inputs(result)
        self.input_seconds[number], self.hits[number] = inputs.seconds, inputs.is_hit
