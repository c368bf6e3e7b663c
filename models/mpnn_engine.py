"""The network with its optimizer for accelerators, in Keras.

A built one is what a warm worker keeps, so that only its first task traces the mathematics.

TensorFlow has a step of its own here, traced once for every size of batch; other backends go through Keras's.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graphs import MoleculeGraphs
from .keras_backend import compiles_shapes, keras
from .mpnn_batches import BATCH_COLUMNS, Batch, make_batch, pad_batch, pieces
from .mpnn_network import MessagePassing
from .mpnn_weights import CLIP_NORM

PREDICT_BATCH = 4096
"""Molecules asked about at once on an accelerator, which fewer would not keep busy."""

_FLOATS = ('sizes',)


class Engine:
    """A network that is trained; see ``mpnn_training.Engine``."""

    def __init__(self, width: int, steps: int, dropout: float, weight_decay: float) -> None:
        """Build the network. Arguments as for ``MessagePassing``, and the share of weights that decays a step."""
        self._lock = threading.RLock()
        self._network = MessagePassing(width, steps, dropout)
        self._optimizer = keras.optimizers.AdamW(1e-3, weight_decay=weight_decay, global_clipnorm=CLIP_NORM)
        self._optimizer.build(self._network.trainable_variables)
        backend = keras.backend.backend()
        make = _tensorflow_functions if backend == 'tensorflow' else _keras_functions
        self._step, self._predict = make(self._network, self._optimizer)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Wait for other threads of this process to be done with it."""
        with self._lock:
            yield

    def load(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the network's weights, by the names and shapes of ``mpnn_weights.weight_shapes``."""
        self._network.flat.assign(np.concatenate([weights[name].reshape(-1) for name in self._network.shapes]))

    def begin(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        graphs: MoleculeGraphs,
        held_out: NDArray[np.int64],
        seed: int,
    ) -> None:
        """Begin a training; nothing is remembered of earlier ones."""
        self.load(weights)
        for variable in self._optimizer.variables:
            variable.assign(np.zeros(variable.shape, dtype=variable.dtype))
        self._network.seeds.state.assign(np.array([seed % 2**32, 0], dtype=self._network.seeds.state.dtype))
        self._graphs, self._held_out = graphs, graphs.take(held_out)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The network's weights, by name."""
        flat = np.asarray(self._network.flat.numpy())
        sizes = [math.prod(shape) for shape in self._network.shapes.values()]
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        return {n: p.reshape(s).copy() for (n, s), p in zip(self._network.shapes.items(), parts, strict=True)}

    def step(self, rows: NDArray[np.int64], targets: NDArray[np.float32], learning_rate: float) -> float:
        """One optimization step on some molecules; returns the mean squared error before it."""
        self._optimizer.learning_rate = learning_rate
        return float(self._step(make_batch(self._graphs.take(rows)), targets[:, None]))

    def validate(self) -> NDArray[np.float32]:
        """Scaled predictions for the molecules held out."""
        predicted: NDArray[np.float32] = self.predict_together([self.weights()], self._held_out)[0]
        return predicted

    def predict_together(
        self, members: Sequence[Mapping[str, NDArray[np.float32]]], graphs: MoleculeGraphs
    ) -> NDArray[np.float32]:
        """Scaled predictions of several networks' weights, shape (models, n); a batch is made once for all of them."""
        parts = [np.empty((len(members), 0), dtype=np.float32)]
        for piece in pieces(graphs, PREDICT_BATCH):
            batch = make_batch(piece)
            rows = np.empty((len(members), len(piece)), dtype=np.float32)
            for row, weights in zip(rows, members, strict=True):
                self.load(weights)
                row[:] = np.asarray(self._predict(batch))[: len(piece), 0]
            parts.append(rows)
        return np.concatenate(parts, axis=1)


@lru_cache(maxsize=8)
def engine(width: int, steps: int, dropout: float, weight_decay: float) -> Engine:
    """The process's engine for these settings, built the first time."""
    return Engine(width, steps, dropout, weight_decay)


_Functions = tuple[Callable[[Batch, NDArray[np.float32]], Any], Callable[[Batch], Any]]


def _tensorflow_functions(network: MessagePassing, optimizer: Any) -> _Functions:
    import tensorflow as tf

    def spec(name: str) -> Any:
        shape = (None, BATCH_COLUMNS[name]) if name in BATCH_COLUMNS else (None,)
        return tf.TensorSpec(shape, tf.float32 if name in _FLOATS else tf.int32, name=name)

    names = ('atom_codes', 'bond_codes', 'atoms', 'bonds', 'sources', 'targets', 'molecules', 'sizes')
    batch_spec = {name: spec(name) for name in names}

    def step(batch: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(network(batch, training=True) - targets))
        optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
        return loss

    def predict(batch: Any) -> Any:
        return network(batch, training=False)

    target_spec = tf.TensorSpec((None, 1), tf.float32)
    traced_step = tf.function(step, input_signature=[batch_spec, target_spec], autograph=False)
    traced_predict = tf.function(predict, input_signature=[batch_spec], autograph=False)
    return traced_step, lambda batch: traced_predict(batch).numpy()


def _keras_functions(network: MessagePassing, optimizer: Any) -> _Functions:
    loss = keras.losses.MeanSquaredError(reduction='mean_with_sample_weight')
    network.compile(optimizer=optimizer, loss=loss, jit_compile='auto' if compiles_shapes() else False)

    def prepare(batch: Batch) -> Batch:
        return pad_batch(batch, _padded_molecules(len(batch['sizes']))) if compiles_shapes() else batch

    def step(batch: Batch, targets: NDArray[np.float32]) -> Any:
        prepared = prepare(batch)
        rows = len(prepared['sizes'])
        padded, weights = np.zeros((rows, 1), dtype=np.float32), np.zeros(rows, dtype=np.float32)
        padded[: len(targets)], weights[: len(targets)] = targets, 1.0
        return network.train_on_batch(prepared, padded, sample_weight=weights)

    return step, lambda batch: network.predict_on_batch(prepare(batch))


def _padded_molecules(count: int) -> int:
    return 1 << (count - 1).bit_length()
