"""The padded Keras network as a contender in training: ``fit`` on a data set fed by a Python generator.

python training_padded.py SMILES_FILE WIDTH STEPS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from contenders import serve, timed
from padded_keras import PaddedMolecules, network

from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.keras_backend import keras
from scoutbee.models.mpnn_weights import initial_weights


def main() -> None:
    """Serve trainings, from graphs made before, in batches as large as Scoutbee's."""
    path, width, steps = sys.argv[1:]
    smiles = Path(path).read_text().split()
    made = network(int(width), int(steps), initial_weights(int(width), int(steps), np.random.default_rng(0)), 0.1)
    made.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-4, global_clipnorm=1.0), 'mse')

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        count, held, batch = request['molecules'], request['held_out'], request['batch']
        graphs = GraphFeaturizer(processes=1).featurize(smiles[: count + held])
        targets = np.random.default_rng(0).normal(size=count + held).astype(np.float32)
        # The largest of all, so that both data sets are padded alike and nothing is compiled twice.
        padded = PaddedMolecules(graphs)
        learned = padded.batches(batch, targets, slice(0, count))
        watched = padded.batches(batch, targets, slice(count, count + held))

        def work() -> None:
            for _ in range(request['members']):
                made.fit(learned, epochs=request['epochs'], validation_data=watched, verbose=0)

        return timed(work)

    serve(answer)


if __name__ == '__main__':
    main()
