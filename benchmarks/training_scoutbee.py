"""Scoutbee as a contender in training: what its workers run, one member after the other or each in a thread.

python training_scoutbee.py SMILES_FILE WIDTH STEPS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from contenders import serve, timed

from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.mpnn import Mpnn
from scoutbee.models.surrogate import TrainingData


def main() -> None:
    """Serve trainings, from graphs made before."""
    path, width, steps = sys.argv[1:]
    smiles = Path(path).read_text().split()

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        count, held, epochs = request['molecules'], request['held_out'], request['epochs']
        model = Mpnn(
            width=int(width), steps=int(steps), num_epochs=epochs, batch_size=request['batch'], patience=epochs,
            validation_fraction=held / (count + held),
        )  # fmt: skip
        values = np.random.default_rng(0).normal(size=count + held)
        known = TrainingData(GraphFeaturizer(processes=1).featurize(smiles[: count + held]), values)

        def work() -> None:
            with ThreadPoolExecutor(request['threads']) as pool:
                list(pool.map(lambda member: model.train(known, member=member, seed=0), range(request['members'])))

        return timed(work)

    serve(answer)


if __name__ == '__main__':
    main()
