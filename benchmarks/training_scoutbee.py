"""Scoutbee as a contender in training: what its workers run, one member after the other or each in a thread.

python training_scoutbee.py SMILES_FILE WIDTH STEPS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from timeit import repeat
from typing import Any

import numpy as np
from contenders import serve, timed

from scoutbee.models.blas_threads import one_blas_thread
from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.graphs import MoleculeGraphs
from scoutbee.models.mpnn import Mpnn
from scoutbee.models.surrogate import TrainingData


class Learner:
    """Trains from graphs made before."""

    def __init__(self, smiles: list[str], width: int, steps: int) -> None:
        """Keep the molecules, and the size of the network."""
        self._smiles = smiles
        self._width, self._steps = width, steps

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a training takes, or must take."""
        count, held, epochs = request['molecules'], request['held_out'], request['epochs']
        graphs = GraphFeaturizer(processes=1).featurize(self._smiles[: count + held])
        if request.get('limit'):
            return self._limit(graphs, count, request['batch'])
        model = Mpnn(
            width=self._width, steps=self._steps, num_epochs=epochs, batch_size=request['batch'], patience=epochs,
            validation_fraction=held / (count + held),
        )  # fmt: skip
        known = TrainingData(graphs, np.random.default_rng(0).normal(size=count + held))

        def work() -> None:
            with ThreadPoolExecutor(request['threads']) as pool:
                list(pool.map(lambda member: model.train(known, member=member, seed=0), range(request['members'])))

        return timed(work)

    def _limit(self, graphs: MoleculeGraphs, count: int, batch: int) -> Mapping[str, float]:
        """Multiplications and additions of an epoch's dense layers, and how many of them a core does in a second."""
        learned = int(graphs.atom_offsets[count])
        watched = len(graphs.atoms) - learned
        an_atom = (2 * self._steps + 1) * 2 * self._width**2
        # The slopes of a product are two products.
        return {
            'flop': (3 * learned + watched) * an_atom,
            'flop_per_second': _multiplications(max(1, learned * batch // count), self._width),
        }


def _multiplications(rows: int, width: int) -> float:
    """Floating-point operations a second of one core, multiplying a batch's atoms as the network does; the best."""
    atoms, kernel = np.ones((rows, width), np.float32), np.ones((width, width), np.float32)
    out = np.empty_like(atoms)
    with one_blas_thread():
        # Short runs, many of them: one at least is not interrupted.
        seconds = min(repeat(lambda: np.matmul(atoms, kernel, out=out), number=5, repeat=400)) / 5
    return 2 * atoms.size * width / seconds


def main() -> None:
    """Serve trainings."""
    path, width, steps = sys.argv[1:]
    serve(Learner(Path(path).read_text().split(), int(width), int(steps)).answer)


if __name__ == '__main__':
    main()
