"""How one message-passing network is trained: split, schedule, early stopping, best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConvergenceTaskError

from .graphs import MoleculeGraphs

SPLIT_FROM = 10
"""Observations from which some are held out; fewer are all trained on, and watched on themselves."""

_WARM_UP_STEPS = 50


class Engine(Protocol):
    """A network with its optimizer. Weights by the names and shapes of ``mpnn_weights.weight_shapes``."""

    def reserved(self) -> AbstractContextManager[None]:
        """What to hold from ``begin`` on, while it is in use."""
        ...

    def begin(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        graphs: MoleculeGraphs,
        held_out: NDArray[np.int64],
        seed: int,
    ) -> None:
        """Begin a training; nothing is remembered of earlier ones.

        Args:
            weights: Where to start.
            graphs: All molecules, ``n``.
            held_out: Rows to validate on.
            seed: Seed of the dropout.
        """
        ...

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """A copy of the network's weights."""
        ...

    def step(self, rows: NDArray[np.int64], targets: NDArray[np.float32], learning_rate: float) -> float:
        """One optimization step on some molecules; returns the mean squared error before it.

        Args:
            rows: Which molecules, ``m``, each at most once.
            targets: Their scaled values, shape (m,).
            learning_rate: How far to go.
        """
        ...

    def validate(self) -> NDArray[np.float32]:
        """Scaled predictions for the molecules held out, in the order of their rows."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train; the settings of ``mpnn.Mpnn`` of the same names."""

    learning_rate: float
    num_epochs: int
    batch_size: int
    patience: int
    time_limit_seconds: float | None

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step: rising at first, then half a cosine down to nothing at the last step."""
        warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
        return self.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * step / steps))


@dataclass(frozen=True)
class Fit:
    """What training came to.

    Attributes:
        weights: Those of the best epoch, by name.
        metrics: ``epochs`` run, ``best_epoch``, scaled ``train_loss`` of the last epoch, ``validation_rmse`` in the
            values' unit, ``timed_out`` 0 or 1.
    """

    weights: dict[str, NDArray[np.float32]]
    metrics: dict[str, float]


def split(count: int, fraction: float, member: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on and rows to validate on.

    All members of an ensemble share one shuffled order and hold out consecutive parts of it in turn, as in
    cross-validation, so that together they learn from everything.

    Args:
        count: Observations.
        fraction: Share held out.
        member: Which member.
        seed: Seed of the campaign.
    """
    order = np.random.default_rng([seed, count]).permutation(count)
    if count < SPLIT_FROM or fraction <= 0:
        return order, order
    folds = max(2, round(1 / fraction))
    held = np.arange(count) % folds == member % folds
    return order[~held], order[held]


def fit(
    engine: Engine,
    weights: Mapping[str, NDArray[np.float32]],
    graphs: MoleculeGraphs,
    targets: NDArray[np.float32],
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    schedule: Schedule,
    rng: np.random.Generator,
) -> Fit:
    """Train from given weights, and return those of the epoch with the lowest validation error.

    Args:
        engine: The network, reserved by the caller.
        weights: Where to start.
        graphs: All observed molecules, ``n``.
        targets: Their scaled values, shape (n,).
        rows: Rows to train on and rows to validate on.
        schedule: How long and how fast.
        rng: Shuffles the batches and seeds the dropout.

    Raises:
        ConvergenceTaskError: If the loss, the predictions or the weights are not finite.
    """
    started = time.monotonic()
    training, validation = rows
    engine.begin(weights, graphs, validation, int(rng.integers(2**31)))
    best, best_epoch, best_error, loss = dict(weights), -1, math.inf, math.nan
    total = schedule.num_epochs * -(-len(training) // schedule.batch_size)
    step, epoch, late = 0, -1, False
    while epoch + 1 < schedule.num_epochs and epoch - best_epoch < schedule.patience and not late:
        epoch += 1
        losses = []
        for chosen in _shuffled(training, schedule.batch_size, rng):
            squared = engine.step(chosen, targets[chosen], schedule.rate(step, total))
            losses.append(_finite(squared, 'loss', epoch))
            step += 1
            late = _is_late(started, schedule.time_limit_seconds)
            if late:
                break
        loss = float(np.mean(losses))
        residuals = engine.validate() - targets[validation]
        error = _finite(float(np.sqrt(np.mean(residuals**2))), 'validation error', epoch)
        if error < best_error:
            best, best_epoch, best_error = engine.weights(), epoch, error
    for name, array in best.items():
        _finite(float(np.abs(array).max()), f'weight {name!r}', best_epoch)
    metrics = {'epochs': epoch + 1, 'best_epoch': best_epoch + 1, 'train_loss': loss, 'timed_out': float(late)}
    return Fit(best, {**metrics, 'validation_rmse': best_error})


def _shuffled(rows: NDArray[np.int64], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The rows in random batches of nearly equal sizes, at most ``size`` rows each."""
    return iter(np.array_split(rng.permutation(rows), -(-len(rows) // size)))


def _is_late(started: float, limit: float | None) -> bool:
    return limit is not None and time.monotonic() - started >= limit


def _finite(value: float, what: str, epoch: int) -> float:
    if not math.isfinite(value):
        raise ConvergenceTaskError(
            f'Training diverged: the {what} is {value} in epoch {epoch + 1}; use a smaller learning rate.'
        )
    return value
