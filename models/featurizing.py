"""Work that featurizers do piece by piece, on as many processes as it pays."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import numpy as np

from .surrogate import Features, Progress, Screening

F = TypeVar('F', bound=Features)


def screen_in_pieces(
    screen: Callable[[list[Any]], Screening[F]],
    join: Callable[[list[F]], F],
    inputs: Sequence[Any],
    *,
    piece: int,
    processes: int | None,
    parallel_from: int,
    progress: Progress,
) -> Screening[F]:
    """Screen ``n`` inputs in pieces.

    Args:
        screen: Screens one piece; a module-level function, or a ``functools.partial`` of one, since it may run in
            another process.
        join: Makes one of the features of all pieces.
        inputs: What is screened.
        piece: Inputs in a piece.
        processes: Processes to use; as many as this one may use cores, if None.
        parallel_from: Inputs from which more processes pay for the second or two that they take to start.
        progress: Called after each piece.
    """
    pieces = [list(inputs[start : start + piece]) for start in range(0, len(inputs), piece)] or [[]]
    processes = min(processes or usable_cores(), len(pieces))
    # A daemonic process (a worker of multiprocessing's pool) may not have children.
    if processes == 1 or len(inputs) < parallel_from or multiprocessing.current_process().daemon:
        return _join(map(screen, pieces), join, piece, len(inputs), progress)
    # Not forked: the caller may hold threads (Parsl, TensorFlow), and a forked child can deadlock on their locks.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context('spawn')) as pool:
        try:
            return _join(pool.map(screen, pieces), join, piece, len(inputs), progress)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _join(
    parts: Iterable[Screening[F]], join: Callable[[list[F]], F], piece: int, total: int, progress: Progress
) -> Screening[F]:
    features: list[F] = []
    unusable = []
    fault: str | None = None
    for number, part in enumerate(parts):
        features.append(part.features)
        unusable.append(number * piece + part.unusable)
        fault = fault or part.fault
        progress(min((number + 1) * piece, total), total)
    return Screening(join(features), np.concatenate(unusable), fault)
