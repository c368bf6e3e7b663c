"""Scoutbee as a contender: its featurizer, and the joint prediction that its workers run.

python inference_scoutbee.py SMILES_FILE WIDTH STEPS
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from contenders import serve, timed

from scoutbee.contracts.learning import ModelArtifact
from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.graphs import MoleculeGraphs
from scoutbee.models.mpnn import Mpnn
from scoutbee.models.mpnn_environments import find_environments
from scoutbee.models.mpnn_kernel import BLOCK
from scoutbee.models.mpnn_weights import initial_weights
from scoutbee.models.tasks import infer


class Predictor:
    """Untrained networks, which take as long as trained ones."""

    def __init__(self, smiles: list[str], width: int, steps: int) -> None:
        """Keep the molecules."""
        self._smiles = smiles
        self._model = Mpnn(width=width, steps=steps)
        self._graphs = cache(lambda count: GraphFeaturizer().featurize(smiles[:count]))

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Time a prediction, or tell what it would take at best."""
        count = request['molecules']
        if request['source'] == 'limit':
            return self._limit(self._graphs(count))
        networks = [untrained(self._model, member) for member in range(request['models'])]
        if request['source'] == 'smiles':
            return timed(lambda: infer(networks, GraphFeaturizer().featurize(self._smiles[:count])))
        graphs = self._graphs(count)
        return timed(lambda: infer(networks, graphs))

    def _limit(self, graphs: MoleculeGraphs) -> Mapping[str, float]:
        """Multiplications and additions of the dense layers, and how many of them a core does in a second."""
        width, steps = self._model.width, self._model.steps
        last = find_environments(graphs, steps)
        shared = sum(len(step.own) for step in last.steps)
        layer = 2 * width * width
        return {
            'atoms': len(graphs.atoms) / len(graphs),
            'shared': shared / len(graphs.atoms) / steps,
            'flop': (2 * steps * layer + layer) * len(graphs.atoms) / len(graphs) + layer,
            'flop_shared': (2 * layer * shared + layer * len(last.steps[-1].own)) / len(graphs) + layer,
            'flop_per_second': _multiplications(width),
        }


def untrained(model: Mpnn, member: int) -> ModelArtifact:
    """A model as training starts with it, but for an output that is not zero."""
    rng = np.random.default_rng(member)
    weights = initial_weights(model.width, model.steps, rng)
    weights['output_kernel'] = rng.normal(0.0, 0.2, weights['output_kernel'].shape).astype(np.float32)
    config = {'settings': model.model_dump(mode='json'), 'features': model.featurizer.name}
    return ModelArtifact(model.name, config, {**weights, 'target_scale': np.array([12.0, 0.4])})


def _multiplications(width: int) -> float:
    """Floating-point operations a second of one core, multiplying blocks as the network does; the best of many."""
    from threadpoolctl import threadpool_limits

    rows, kernel = np.ones((BLOCK, width), np.float32), np.ones((width, width), np.float32)
    out = np.empty_like(rows)

    def seconds(work: Callable[[], Any]) -> float:
        start = time.perf_counter()
        for _ in range(100):
            work()
        return (time.perf_counter() - start) / 100

    with threadpool_limits(1):
        return 2 * rows.size * width / min(seconds(lambda: np.matmul(rows, kernel, out=out)) for _ in range(50))


def main() -> None:
    """Serve predictions."""
    path, width, steps = sys.argv[1:]
    serve(Predictor(Path(path).read_text().split(), int(width), int(steps)).answer)


if __name__ == '__main__':
    main()
