"""All models of an ensemble over the same molecules: what is shared is done once, and every core has its part."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .blas_threads import one_blas_thread
from .featurizing import usable_cores
from .graphs import MoleculeGraphs
from .mpnn_environments import find_environments
from .mpnn_kernel import Kernel, Workspace

Floats = NDArray[np.float32]

PIECE_ATOMS = 1 << 18
"""Atoms looked at together, some 12,000 molecules of MOSES: more share more environments, and take more memory, at a
width of 64 at most 300 MB a thread."""

_SMALL_PIECE_ATOMS = 1 << 13
"""Atoms below which another thread does not pay."""


def predict_scaled(
    members: Sequence[Mapping[str, Floats]], steps: int, graphs: MoleculeGraphs, threads: int | None = None
) -> Floats:
    """Scaled predictions of several networks, shape (models, n).

    Args:
        members: Weights of each, by the names of ``mpnn_weights.weight_shapes``.
        steps: Their rounds of messages.
        graphs: The molecules, ``n``.
        threads: Threads to use; ``usable_threads()`` if not given.
    """
    predicted = np.empty((len(members), len(graphs)), dtype=np.float32)
    kernels = [Kernel(weights, steps) for weights in members]
    threads = threads or usable_threads()
    pieces = _pieces(graphs, threads)

    def work(turn: int) -> None:
        space = Workspace()
        for piece in pieces[turn::threads]:
            environments = find_environments(graphs.take(piece), steps)
            for row, kernel in zip(predicted, kernels, strict=True):
                row[piece] = kernel.predict(environments, space)

    # Threads over molecules leave no core idle; BLAS's own would, and would fight with them.
    with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(min(threads, len(pieces)))))
    return predicted


def usable_threads() -> int:
    """Threads that the site gives this process: ``OMP_NUM_THREADS``, else as many as it may use cores."""
    told = os.environ.get('OMP_NUM_THREADS', '')
    return int(told) if told.isdigit() and int(told) else usable_cores()


def _pieces(graphs: MoleculeGraphs, threads: int) -> list[slice]:
    """The molecules in order, in pieces of about equally many atoms: as many for each thread."""
    atoms = len(graphs.atoms)
    turns = -(-atoms // (PIECE_ATOMS * threads))
    count = min(turns * threads, -(-atoms // _SMALL_PIECE_ATOMS))
    cuts = np.searchsorted(graphs.atom_offsets, np.linspace(0, atoms, count + 1)[1:-1].astype(np.int64))
    bounds = np.unique(np.concatenate([[0], cuts, [len(graphs)]])).tolist()
    return [slice(start, stop) for start, stop in pairwise(bounds)]
