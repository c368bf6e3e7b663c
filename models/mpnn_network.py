"""The message-passing network in Keras operations, which every backend has. Importing this module imports Keras."""

from __future__ import annotations

import itertools
import math
from typing import Any

from .keras_backend import compiles_shapes, keras
from .mpnn_weights import HEADS, weight_shapes

ops = keras.ops


class MessagePassing(keras.Model):  # type: ignore[misc]
    """Graphs in, one scaled number a molecule out.

    An atom starts as the sum of what its properties stand for. In each step it gets, over each of its bonds, the
    rectified sum of its neighbour and the bond (GINE, Hu et al., ICLR 2020, "Strategies for pre-training graph neural
    networks"), and adds to itself what two dense layers make of that. Attention then weighs the atoms of a molecule
    against each other: an ionization potential is a property of the place the electron leaves, not a sum over atoms.
    """

    def __init__(self, width: int, steps: int, dropout: float) -> None:
        """Make the variables; their values are set by whoever trains or loads it.

        Args:
            width: Numbers that describe an atom; a multiple of ``HEADS``.
            steps: Rounds of messages.
            dropout: Share of numbers dropped while training.
        """
        super().__init__(name='message_passing')
        self.steps = steps
        self.rate = dropout
        self.shapes = weight_shapes(width, steps)
        # All weights are one variable: an optimizer's step is then ten operations and not ten for each of them,
        # which on small batches takes longer than the mathematics.
        self.flat = self.add_weight(
            shape=(sum(map(math.prod, self.shapes.values())),), initializer='zeros', name='flat'
        )
        self.seeds = keras.random.SeedGenerator(0)
        self.built = True

    def call(self, batch: dict[str, Any], training: bool = False) -> Any:
        """Scaled predictions, shape (m, 1), for a batch of ``mpnn_batches``."""
        weights = self._unflatten()
        atoms = ops.take(embed(weights['atom_table'], batch['atom_codes']), batch['atoms'], axis=0)
        # A product with ones and zeros, not a look-up: there are a dozen kinds of bonds, and in so small a table the
        # gradient of a look-up takes three times as long.
        kinds = ops.arange(ops.shape(batch['bond_codes'])[0], dtype='int32')
        chosen = ops.cast(ops.equal(ops.expand_dims(batch['bonds'], 1), kinds), 'float32')
        for step in range(self.steps):
            bonds = ops.matmul(chosen, embed(weights[f'bond_table_{step}'], batch['bond_codes']))
            messages = ops.relu(ops.take(atoms, batch['sources'], axis=0) + bonds)
            received = segment_sum(messages, batch['targets'], ops.shape(batch['atoms'])[0])
            inner = ops.silu(dense(weights, 'inner', atoms + received, f'_{step}'))
            atoms = atoms + self._drop(dense(weights, 'outer', inner, f'_{step}'), training)
        molecules = self._drop(read_out(weights, atoms, batch), training)
        return dense(weights, 'output', ops.silu(dense(weights, 'hidden', molecules)))

    def _unflatten(self) -> dict[str, Any]:
        ends = list(itertools.accumulate(map(math.prod, self.shapes.values())))
        parts = ops.split(self.flat, ends[:-1])
        return {name: ops.reshape(part, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def _drop(self, x: Any, training: bool) -> Any:
        return keras.random.dropout(x, self.rate, seed=self.seeds) if training and self.rate else x


def read_out(weights: dict[str, Any], atoms: Any, batch: dict[str, Any]) -> Any:
    """Molecules, shape (m, width), as the attention's weighted means of their atoms, shape (a, width)."""
    owners, count, width = batch['molecules'], ops.shape(batch['sizes'])[0], atoms.shape[1]
    # Bounded, so that no softmax over a molecule can overflow and none needs its maximum.
    scores = ops.exp(10.0 * ops.tanh(dense(weights, 'score', atoms) / 10.0))
    values = ops.reshape(dense(weights, 'value', atoms), (-1, HEADS, width // HEADS))
    weighted = ops.reshape(values * ops.expand_dims(scores, 2), (-1, width))
    totals = ops.repeat(segment_sum(scores, owners, count), width // HEADS, axis=1)
    return segment_sum(weighted, owners, count) / totals


def embed(table: Any, codes: Any) -> Any:
    """Sums of a table's rows, shape (codes, width), for codes of several columns, shape (codes, columns)."""
    return ops.sum(ops.take(table, codes, axis=0), axis=1)


def dense(weights: dict[str, Any], name: str, x: Any, suffix: str = '') -> Any:
    """A dense layer without activation."""
    return ops.matmul(x, weights[f'{name}_kernel{suffix}']) + weights[f'{name}_bias{suffix}']


def segment_sum(data: Any, owners: Any, count: Any) -> Any:
    """Sums of the rows of each owner, shape (count, …); ``owners`` rise, and each of ``count`` has a row."""
    # TensorFlow's sum over rising owners is three times faster than the other, and takes no count; JAX wants one that
    # it knows when it compiles.
    return ops.segment_sum(data, owners, num_segments=count if compiles_shapes() else None, sorted=True)
