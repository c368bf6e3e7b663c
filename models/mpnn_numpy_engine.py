"""The network with its optimizer for processors, in numpy and BLAS, without Keras."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from .blas_threads import one_blas_thread
from .freed_memory import keep_freed_memory
from .graphs import MoleculeGraphs
from .mpnn_batches import make_batch
from .mpnn_gradients import Differentiator
from .mpnn_inference import predict_scaled
from .mpnn_weights import CLIP_NORM, weight_shapes

Floats = NDArray[np.float32]

_FIRST_DECAY, _SECOND_DECAY, _EPSILON = 0.9, 0.999, 1e-7


class NumpyEngine:
    """A network that is trained; see ``mpnn_training.Engine``."""

    def __init__(self, width: int, steps: int, dropout: float, weight_decay: float) -> None:
        """Make the variables; arguments as for ``mpnn_engine.Engine``."""
        keep_freed_memory()
        self._steps = steps
        self._decay = weight_decay
        self._shapes = weight_shapes(width, steps)
        size = sum(map(math.prod, self._shapes.values()))
        # All weights lie in one array, so that the optimizer's step is ten operations and not ten for each of them.
        self._flat, self._slopes, self._first, self._second = (np.zeros(size, dtype=np.float32) for _ in range(4))
        self._weights = self._named(self._flat)
        self._differentiator = Differentiator(self._weights, self._named(self._slopes), steps, dropout)
        self._done = 0
        self._rng = np.random.default_rng(0)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Use a thread only: products as small as these take longer on several."""
        # Where exp overflows a gate is shut, as it should be; what is no longer finite is found by who trains.
        with one_blas_thread(), np.errstate(over='ignore', invalid='ignore'):
            yield

    def load(self, weights: Mapping[str, Floats]) -> None:
        """Set the network's weights, by the names and shapes of ``mpnn_weights.weight_shapes``."""
        for name, array in self._weights.items():
            array[:] = weights[name]

    def weights(self) -> dict[str, Floats]:
        """The network's weights, by name."""
        return {name: array.copy() for name, array in self._weights.items()}

    def restart(self, seed: int) -> None:
        """Forget what the optimizer and the dropout remember of earlier trainings."""
        self._first[:] = 0
        self._second[:] = 0
        self._done = 0
        self._rng = np.random.default_rng(seed)

    def step(self, graphs: MoleculeGraphs, targets: Floats, learning_rate: float) -> float:
        """One optimization step on targets of shape (m,); returns the mean squared error before it."""
        loss = self._differentiator.loss(make_batch(graphs), targets, self._rng)
        self._optimize(learning_rate)
        return loss

    def predict(self, graphs: MoleculeGraphs) -> Floats:
        """Scaled predictions, shape (n,)."""
        predicted: Floats = predict_scaled([self._weights], self._steps, graphs)[0]
        return predicted

    def _optimize(self, learning_rate: float) -> None:
        """A step of AdamW (Loshchilov and Hutter, ICLR 2019) with gradients cut to ``CLIP_NORM``."""
        slopes = self._slopes
        norm = float(np.sqrt(slopes @ slopes))
        if norm > CLIP_NORM:
            slopes *= np.float32(CLIP_NORM / norm)
        self._done += 1
        self._first += (slopes - self._first) * np.float32(1 - _FIRST_DECAY)
        self._second += (slopes * slopes - self._second) * np.float32(1 - _SECOND_DECAY)
        rate = learning_rate * math.sqrt(1 - _SECOND_DECAY**self._done) / (1 - _FIRST_DECAY**self._done)
        self._flat *= np.float32(1 - self._decay * learning_rate)
        self._flat -= np.float32(rate) * self._first / (np.sqrt(self._second) + np.float32(_EPSILON))

    def _named(self, flat: Floats) -> dict[str, Floats]:
        """Views of a flat array, by name."""
        sizes = [math.prod(shape) for shape in self._shapes.values()]
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        return {n: p.reshape(s) for (n, s), p in zip(self._shapes.items(), parts, strict=True)}
