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
from .mpnn_gradients import Differentiator
from .mpnn_inference import predict_scaled
from .mpnn_weights import CLIP_NORM, weight_shapes
from .mpnn_wiring import WiredMolecules

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

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
        # All weights lie in one array, so that the optimizer's step is a dozen operations and not as many for each.
        self._flat, self._slopes, self._spare, self._first, self._second = np.zeros((5, size), dtype=np.float32)
        self._weights = self._named(self._flat)
        self._differentiator = Differentiator(self._weights, self._named(self._slopes), steps, dropout)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Use a thread only: products as small as these take longer on several."""
        # Where exp overflows a gate is shut, as it should be; what is no longer finite is found by who trains.
        with one_blas_thread(), np.errstate(over='ignore', invalid='ignore'):
            yield

    def begin(self, weights: Mapping[str, Floats], graphs: MoleculeGraphs, held_out: Rows, seed: int) -> None:
        """Begin a training: find once what all its steps and epochs need of the molecules."""
        for name, array in self._weights.items():
            array[:] = weights[name]
        self._first[:] = 0
        self._second[:] = 0
        self._done = 0
        self._rng = np.random.Generator(np.random.SFC64(seed))
        self._molecules = WiredMolecules(graphs)
        self._watched = graphs.take(held_out)

    def weights(self) -> dict[str, Floats]:
        """The network's weights, by name."""
        return {name: array.copy() for name, array in self._weights.items()}

    def step(self, rows: Rows, targets: Floats, learning_rate: float) -> float:
        """One optimization step on some molecules; returns the mean squared error before it."""
        loss = self._differentiator.loss(self._molecules.batch(rows), targets, self._rng)
        self._optimize(learning_rate)
        return loss

    def validate(self) -> Floats:
        """Scaled predictions for the molecules held out."""
        # On its own thread: the other cores are others' while it trains.
        predicted: Floats = predict_scaled([self._weights], self._steps, self._watched, threads=1)[0]
        return predicted

    def _optimize(self, learning_rate: float) -> None:
        """A step of AdamW (Loshchilov and Hutter, ICLR 2019) with gradients cut to ``CLIP_NORM``."""
        slopes, spare, first, second = self._slopes, self._spare, self._first, self._second
        norm = math.sqrt(slopes @ slopes)
        if norm > CLIP_NORM:
            slopes *= np.float32(CLIP_NORM / norm)
        self._done += 1
        # In place, and with moments that are sums and not yet means: what makes means of them is in the last factors.
        first *= np.float32(_FIRST_DECAY)
        first += slopes
        second *= np.float32(_SECOND_DECAY)
        second += np.multiply(slopes, slopes, out=spare)
        scale = math.sqrt(1 - _SECOND_DECAY)
        np.sqrt(second, out=spare)
        spare += np.float32(_EPSILON / scale)
        np.divide(first, spare, out=spare)
        rate = learning_rate * math.sqrt(1 - _SECOND_DECAY**self._done) / (1 - _FIRST_DECAY**self._done)
        spare *= np.float32(rate * (1 - _FIRST_DECAY) / scale)
        self._flat *= np.float32(1 - self._decay * learning_rate)
        self._flat -= spare

    def _named(self, flat: Floats) -> dict[str, Floats]:
        """Views of a flat array, by name."""
        sizes = [math.prod(shape) for shape in self._shapes.values()]
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        return {n: p.reshape(s) for (n, s), p in zip(self._shapes.items(), parts, strict=True)}
