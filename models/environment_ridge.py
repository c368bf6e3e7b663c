"""A linear model of molecular graphs that is fitted and asked within seconds, by numpy alone.

Value = intercept + sum over environments of weight x log(1 + count) + sum over kinds of atom of weight x scaled share
among the heavy atoms, with normal priors on the weights whose strengths come from the data (``ridge_evidence``). The
shares let a property of the whole molecule depend on how densely it carries a kind of atom.

On 1,000 molecules with GFN2-xTB ionization potentials (cross-validated by ten) it has an RMSE of 0.17 eV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import TaskError

from .environment_counts import Counts, Vocabulary
from .graphs import MoleculeGraphs
from .opening import spread_rows
from .posterior import Draw
from .ridge_evidence import most_evident
from .surrogate import TrainingData

Array = NDArray[np.float64]

EVIDENCE_OBSERVATIONS = 500
"""From so many the strengths of the priors are found."""

LARGEST_Z = 6.0
"""Scaled shares end here, so that an outlandish molecule is not extrapolated to without limit."""

MEAN = Draw.of(0)

_BLOCK = 4_096
"""Molecules predicted at once: what is used stays in a core's cache."""


@dataclass(frozen=True)
class EnvironmentRidge:
    """A fitted model.

    Attributes:
        vocabulary: The environments it knows, ``k``, of which ``k0`` are kinds of atom.
        intercept: Mean of the observations.
        environment_weights: Shape (k,), for log(1 + count).
        share_means: Mean share of each kind of atom among the observations, and mean number of atoms; shape (k0 + 1,).
        share_scales: Their standard deviations; likewise.
        share_weights: For what is scaled so; likewise.
    """

    vocabulary: Vocabulary
    intercept: float
    environment_weights: Array
    share_means: Array
    share_scales: Array
    share_weights: Array

    @classmethod
    def fit(cls, data: TrainingData[MoleculeGraphs], draw: Draw = MEAN, seed: int = 0) -> EnvironmentRidge:
        """Fit it to what is known: time and memory grow with the cube and the square of the number of observations.

        Args:
            data: What is known.
            draw: Which function of the posterior.
            seed: Seed of the draw.

        Raises:
            TaskError: If the weights do not come out finite.
        """
        values = data.values
        vocabulary = Vocabulary.of(data.features)
        counts = vocabulary.count(data.features)
        logs, shares = _log_counts(counts, vocabulary.size), _shares(counts, vocabulary.kinds)
        means, scales = shares.mean(axis=0), shares.std(axis=0)
        scales[scales < 1e-9] = 1.0  # the same in all, so that it tells nothing
        intercept = float(values.mean())
        environment_weights, share_weights = _weights(
            logs, _scaled(shares, means, scales), values - intercept, draw, seed
        )
        return cls(vocabulary, intercept, environment_weights, means, scales, share_weights)

    def predict(self, graphs: MoleculeGraphs) -> NDArray[np.float32]:
        """Predicted values, shape (n,)."""
        predicted: NDArray[np.float32] = predict_alike([self], graphs)[0]
        return predicted

    def _predict(self, counts: Counts, logs: Array, scaled: Array) -> Array:
        environments = np.bincount(counts.molecules, self.environment_weights[counts.columns] * logs, counts.size)
        predicted: Array = self.intercept + environments + scaled @ self.share_weights
        return predicted


def predict_alike(models: Sequence[EnvironmentRidge], graphs: MoleculeGraphs) -> NDArray[np.float32]:
    """What models that were fitted to the same molecules predict, shape (models, n): environments are counted once.

    Args:
        models: At least one; each predicts the same to the last bit, whichever others are asked with it.
        graphs: The molecules, ``n``.
    """
    vocabulary, means, scales = models[0].vocabulary, models[0].share_means, models[0].share_scales
    predicted = np.empty((len(models), len(graphs)), dtype=np.float32)
    for start in range(0, len(graphs), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(graphs)))
        counts = vocabulary.count(graphs.take(part))
        logs = np.log1p(counts.counts)
        scaled = _scaled(_shares(counts, vocabulary.kinds), means, scales)
        for row, model in zip(predicted, models, strict=True):
            row[part] = model._predict(counts, logs, scaled)
    return predicted


def _log_counts(counts: Counts, size: int) -> Array:
    """Log(1 + count) of each environment, shape (n, k)."""
    logs = np.zeros((counts.size, size))
    logs[counts.molecules, counts.columns] = np.log1p(counts.counts)
    return logs


def _shares(counts: Counts, kinds: int) -> Array:
    """Share of each kind of atom among the heavy atoms, and their number; shape (n, k0 + 1)."""
    shares = np.zeros((counts.size, kinds + 1))
    is_kind = counts.columns < kinds
    molecules = counts.molecules[is_kind]
    shares[molecules, counts.columns[is_kind]] = counts.counts[is_kind] / counts.atoms[molecules]
    shares[:, kinds] = counts.atoms
    return shares


def _scaled(shares: Array, means: Array, scales: Array) -> Array:
    return np.clip((shares - means) / scales, -LARGEST_Z, LARGEST_Z)


def _weights(logs: Array, scaled: Array, targets: Array, draw: Draw, seed: int) -> tuple[Array, Array]:
    """Weights of both groups of inputs, shapes (k,) and (k0 + 1,), by the dual form: n is smaller than k."""
    rows = spread_rows(len(targets), EVIDENCE_OBSERVATIONS)
    some_logs, some_scaled = logs[rows], scaled[rows]
    evidence = most_evident(some_logs @ some_logs.T, some_scaled @ some_scaled.T, targets[rows])
    # A draw from the prior, and noise, which the posterior mean of the residuals corrects; both are 0 for the mean.
    rng = draw.generator(seed, len(targets))
    scale, spread = draw.sign * np.sqrt(evidence.scale), np.sqrt(evidence.descriptor_variance)
    first, second = scale * rng.standard_normal(logs.shape[1]), scale * spread * rng.standard_normal(scaled.shape[1])
    noise = scale * np.sqrt(evidence.alpha) * rng.standard_normal(len(targets))
    products = logs @ logs.T + evidence.descriptor_variance * (scaled @ scaled.T)
    products[np.diag_indices_from(products)] += evidence.alpha
    try:
        dual = np.linalg.solve(products, targets + noise - logs @ first - scaled @ second)
    except np.linalg.LinAlgError as error:
        raise TaskError(f'Expected weights of {len(targets)} observations, but: {error}.') from error
    if not np.isfinite(dual).all():
        raise TaskError(f'Expected finite weights of {len(targets)} observations, got some that are not.')
    return first + logs.T @ dual, second + evidence.descriptor_variance * (scaled.T @ dual)
