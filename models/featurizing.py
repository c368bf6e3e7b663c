"""Work that featurizers do piece by piece, on as many processes as it pays."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection
from typing import Any, TypeVar

import numpy as np

from .surrogate import Features, Featurizer, Progress, Screening

F = TypeVar('F', bound=Features)

_AHEAD = 2
"""Pieces for each process that are handed out before the first of them is done."""

_TURNS = 8
"""Pieces for each process, at least, where nobody keeps them: the last one then waits for little."""

_IMPORTED = ('rdkit.Chem', 'scoutbee.models.graph_featurizer', 'scoutbee.models.fingerprint_featurizer')
"""What the helpers need, imported once for all of them."""

_LONGEST_FOLDER = 70
"""Bytes of the path of the temporary folder in which a fork server can listen; systems allow a socket some hundred."""


def pieces_of(count: int, piece: int) -> list[slice]:
    """Where the pieces of so many inputs are; none of no inputs."""
    return [slice(start, min(start + piece, count)) for start in range(0, count, piece)]


def screen_pieces(
    screen: Callable[[list[Any]], Screening[F]],
    inputs: Sequence[Any],
    pieces: Sequence[slice],
    *,
    processes: int | None,
    parallel_from: int,
) -> Iterator[Screening[F]]:
    """Screen some pieces of the inputs, in their order.

    Args:
        screen: Screens one piece; a module-level function, or a ``functools.partial`` of one, since it may run in
            another process.
        inputs: What the pieces are of.
        pieces: Where they are.
        processes: Processes to use; as many as this one may use cores, if None.
        parallel_from: Inputs from which more processes pay for the second or two that the first of them takes to start.
    """
    processes = min(processes or usable_cores(), len(pieces))
    count = sum(piece.stop - piece.start for piece in pieces)
    # A daemonic process (a worker of multiprocessing's pool) may not have children.
    if processes <= 1 or count < parallel_from or multiprocessing.current_process().daemon:
        yield from (screen(list(inputs[piece])) for piece in pieces)
        return
    # Not forked from this process: it may hold threads (Parsl, TensorFlow), and a child can deadlock on their locks.
    # The server that forks has none, imports once, and stays for the next time until this process ends.
    can_listen = len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_FOLDER
    context = multiprocessing.get_context('forkserver' if can_listen else 'spawn')
    context.set_forkserver_preload(list(_IMPORTED))
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent) as pool:
        waiting = iter(pieces)
        out: deque[Future[Screening[F]]] = deque()
        try:
            while True:
                out.extend(
                    pool.submit(screen, list(inputs[piece]))
                    for piece in itertools.islice(waiting, processes * _AHEAD - len(out))
                )
                if not out:
                    return
                yield out.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def screen_whole(featurizer: Featurizer, inputs: Sequence[Any], progress: Progress) -> Screening[Any]:
    """All inputs in one, told of after each piece, which are at most those of the featurizer."""
    even = -(-len(inputs) // (_TURNS * usable_cores()))
    pieces = pieces_of(len(inputs), max(1, min(featurizer.piece, even))) or [slice(0, 0)]
    parts = []
    for piece, part in zip(pieces, featurizer.screen_pieces(inputs, pieces), strict=True):
        parts.append(part)
        progress(piece.stop, len(inputs))
    return Screening(
        featurizer.join([part.features for part in parts]),
        np.concatenate([piece.start + part.unusable for piece, part in zip(pieces, parts, strict=True)]),
        next((part.fault for part in parts if part.fault is not None), None),
    )


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _end_with_parent() -> None:
    """Have this process end when the one that started it is killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), name='parent-watch', daemon=True).start()


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
