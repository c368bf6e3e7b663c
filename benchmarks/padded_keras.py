"""The network of Scoutbee as one would write it with padded batches: what the original application did with Keras.

Every molecule is padded to the largest, and a Python generator hands out one molecule after the other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from contenders import serve, timed
from numpy.typing import NDArray

from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.graphs import ATOM_COLUMNS, BOND_COLUMNS, MoleculeGraphs
from scoutbee.models.keras_backend import keras
from scoutbee.models.mpnn_batches import directed_bonds, table_indices
from scoutbee.models.mpnn_network import MessagePassing, dense, embed
from scoutbee.models.mpnn_weights import HEADS, initial_weights

ops = keras.ops


class PaddedMessagePassing(MessagePassing):
    """``MessagePassing`` over batches of padded molecules, with the same weights and the same predictions."""

    def call(self, batch: dict[str, Any], training: bool = False) -> Any:
        """Scaled predictions, shape (m, 1)."""
        weights = self._unflatten()
        count, size = ops.shape(batch['atoms'])[0], ops.shape(batch['atoms'])[1]
        shift = ops.expand_dims(ops.arange(count, dtype='int32') * size, 1)
        sources, targets = (ops.reshape(batch[name] + shift, (-1,)) for name in ('sources', 'targets'))
        codes = ops.reshape(batch['bonds'], (-1, len(BOND_COLUMNS)))
        atoms = embed(weights['atom_table'], ops.reshape(batch['atoms'], (-1, len(ATOM_COLUMNS))))
        for step in range(self.steps):
            bonds = embed(weights[f'bond_table_{step}'], codes)
            messages = ops.relu(ops.take(atoms, sources, axis=0) + bonds)
            received = ops.segment_sum(messages, targets, num_segments=count * size)
            inner = ops.silu(dense(weights, 'inner', atoms + received, f'_{step}'))
            atoms = atoms + self._drop(dense(weights, 'outer', inner, f'_{step}'), training)
        molecules = self._drop(self._read_out(weights, atoms, batch['sizes'], count, size), training)
        return dense(weights, 'output', ops.silu(dense(weights, 'hidden', molecules)))

    def _read_out(self, weights: dict[str, Any], atoms: Any, sizes: Any, count: Any, size: Any) -> Any:
        there = ops.cast(ops.arange(size, dtype='int32') < ops.expand_dims(sizes, 1), 'float32')
        scores = ops.exp(10.0 * ops.tanh(dense(weights, 'score', atoms) / 10.0))
        scores = ops.reshape(scores, (count, size, HEADS, 1)) * ops.reshape(there, (count, size, 1, 1))
        values = ops.reshape(dense(weights, 'value', atoms), (count, size, HEADS, -1))
        return ops.reshape(ops.sum(values * scores, axis=1) / ops.sum(scores, axis=1), (count, atoms.shape[1]))


class PaddedMolecules:
    """Molecules one by one, and in padded batches, as TensorFlow's data sets make them of a Python generator."""

    def __init__(self, graphs: MoleculeGraphs) -> None:
        """Pad to the largest of these, and one atom more, to which idle bonds lead."""
        self._graphs = graphs
        self._atoms = int(np.diff(graphs.atom_offsets).max()) + 1
        self._bonds = 2 * int(np.diff(graphs.bond_offsets).max()) + 1

    def batches(self, size: int, targets: NDArray[np.float32] | None = None, rows: slice = slice(None)) -> Any:
        """A data set of padded batches of some molecules, with targets of shape (n,) if there are any."""
        fields: dict[str, tuple[int | None, ...]] = {
            'atoms': (None, len(ATOM_COLUMNS)),
            'bonds': (None, len(BOND_COLUMNS)),
            'sources': (None,),
            'targets': (None,),
            'sizes': (),
        }
        spec: Any = {name: tf.TensorSpec(shape, tf.int32) for name, shape in fields.items()}
        lengths = {'atoms': self._atoms, 'bonds': self._bonds, 'sources': self._bonds, 'targets': self._bonds}
        shapes: Any = {name: (lengths[name], *shape[1:]) if name in lengths else () for name, shape in fields.items()}
        idle: Any = dict.fromkeys(fields, 0) | dict.fromkeys(('sources', 'targets'), self._atoms - 1)
        idle = {name: tf.constant(value, tf.int32) for name, value in idle.items()}
        if targets is not None:
            spec, shapes, idle = (spec, tf.TensorSpec((), tf.float32)), (shapes, ()), (idle, tf.constant(0.0))
        return (
            tf.data.Dataset.from_generator(lambda: self._each(targets, rows), output_signature=spec)
            .padded_batch(size, shapes, idle)
            .prefetch(2)
        )

    def _each(self, targets: NDArray[np.float32] | None, rows: slice) -> Iterator[Any]:
        for row in range(*rows.indices(len(self._graphs))):
            molecule = self._graphs.take(slice(row, row + 1))
            directed = directed_bonds(molecule)
            fields = {
                'atoms': table_indices(molecule.atoms, ATOM_COLUMNS),
                'bonds': table_indices(directed.codes, BOND_COLUMNS),
                'sources': directed.sources.astype(np.int32),
                'targets': np.repeat(np.arange(len(molecule.atoms), dtype=np.int32), np.diff(directed.offsets)),
                'sizes': np.int32(len(molecule.atoms)),
            }
            yield fields if targets is None else (fields, targets[row])


def network(width: int, steps: int, weights: Mapping[str, NDArray[np.float32]], dropout: float = 0.0) -> Any:
    """A padded network with these weights."""
    made = PaddedMessagePassing(width, steps, dropout)
    made.flat.assign(np.concatenate([weights[name].reshape(-1) for name in made.shapes]))
    return made


class Predictor:
    """Untrained networks, which take as long as trained ones, asked by ``predict`` of Keras."""

    def __init__(self, smiles: list[str], width: int, steps: int) -> None:
        """Keep the molecules, and make one network, whose weights stand for any."""
        self._smiles = smiles
        self._network = network(width, steps, initial_weights(width, steps, np.random.default_rng(0)))

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Time a prediction, of one model after the other."""
        smiles, featurizer = self._smiles[: request['molecules']], GraphFeaturizer(processes=1)
        graphs = featurizer.featurize(smiles)

        def work() -> None:
            made = featurizer.featurize(smiles) if request['source'] == 'smiles' else graphs
            for _ in range(request['models']):
                self._network.predict(PaddedMolecules(made).batches(256), verbose=0)

        self._network.predict(PaddedMolecules(graphs.take(slice(0, 512))).batches(256), verbose=0)
        return timed(work)


def main() -> None:
    """Serve predictions."""
    path, width, steps = sys.argv[1:]
    serve(Predictor(Path(path).read_text().split(), int(width), int(steps)).answer)


if __name__ == '__main__':
    main()
