"""All models of an ensemble over the same molecules: what is shared is done once, and every core has its part."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .blas_threads import one_blas_thread
from .featurizing import usable_cores
from .freed_memory import keep_freed_memory
from .graphs import MoleculeGraphs
from .mpnn_environments import find_environments
from .mpnn_kernel import Kernel, Workspace
from .team import Team

Floats = NDArray[np.float32]

PIECE_ATOMS = 1 << 19
"""Atoms looked at together, some 24,000 molecules of MOSES: more share more environments, and take more memory, at a
width of 64 some 150 MB that the process keeps for the next task."""

_WORKSPACES: deque[Workspace] = deque()
"""Those that nobody uses. Getting that much memory anew costs as much as a model's prediction."""


def predict_scaled(
    members: Sequence[Mapping[str, Floats]], steps: int, graphs: MoleculeGraphs, threads: int | None = None
) -> Floats:
    """Scaled predictions of several networks, shape (models, n).

    What a model predicts does not depend on the others, nor on the threads, to the last bit.

    Args:
        members: Weights of each, by the names of ``mpnn_weights.weight_shapes``.
        steps: Their rounds of messages.
        graphs: The molecules, ``n``.
        threads: Threads to use; ``usable_threads()`` if not given.
    """
    keep_freed_memory()
    predicted = np.empty((len(members), len(graphs)), dtype=np.float32)
    kernels = [Kernel(weights, steps) for weights in members]
    # BLAS's own threads would fight with the team's.
    with one_blas_thread(), Team(threads or usable_threads()) as team, _workspace() as space:
        for piece in _pieces(graphs):
            environments = find_environments(graphs.take(piece), steps)
            for row, kernel in zip(predicted, kernels, strict=True):
                row[piece] = kernel.predict(environments, space, team)
    return predicted


def usable_threads() -> int:
    """Threads that the site gives this process: ``OMP_NUM_THREADS``, else as many as it may use cores."""
    told = os.environ.get('OMP_NUM_THREADS', '')
    return int(told) if told.isdigit() and int(told) else usable_cores()


@contextmanager
def _workspace() -> Iterator[Workspace]:
    """One that nobody else uses meanwhile."""
    try:
        space = _WORKSPACES.pop()
    except IndexError:
        space = Workspace()
    try:
        yield space
    finally:
        _WORKSPACES.append(space)


def _pieces(graphs: MoleculeGraphs) -> list[slice]:
    """The molecules in order, in pieces of about equally many atoms."""
    atoms = len(graphs.atoms)
    count = -(-atoms // PIECE_ATOMS)
    cuts = np.searchsorted(graphs.atom_offsets, np.linspace(0, atoms, count + 1)[1:-1].astype(np.int64))
    bounds = np.unique(np.concatenate([[0], cuts, [len(graphs)]])).tolist()
    return [slice(start, stop) for start, stop in pairwise(bounds)]
