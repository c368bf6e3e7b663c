"""A linear model of molecular graphs that is fitted and asked within seconds, by numpy alone.

Value = intercept + sum over environments of weight x log(1 + count) + sum over kinds of atom of weight x scaled share
among the heavy atoms, with normal priors on the weights whose strengths come from the data (``ridge_evidence``). The
shares let a property of the whole molecule depend on how densely it carries a kind of atom.

On 1,000 molecules with GFN2-xTB ionization potentials (cross-validated by ten) it has an RMSE of 0.17 eV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import TaskError

from .environment_counts import Counts, Vocabulary
from .graphs import MoleculeGraphs
from .opening import spread_rows
from .ridge_evidence import most_evident
from .surrogate import TrainingData

Array = NDArray[np.float64]

EVIDENCE_OBSERVATIONS = 500
"""From so many the strengths of the priors are found."""

LARGEST_Z = 6.0
"""Scaled shares end here, so that an outlandish molecule is not extrapolated to without limit."""

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
    def fit(cls, data: TrainingData[MoleculeGraphs]) -> EnvironmentRidge:
        """Fit it to what is known: time and memory grow with the cube and the square of the number of observations.

        Raises:
            TaskError: If the weights do not come out finite.
        """
        values = data.values
        vocabulary = Vocabulary(data.features)
        counts = vocabulary.count(data.features)
        logs, shares = _log_counts(counts, vocabulary.size), _shares(counts, vocabulary.kinds)
        means, scales = shares.mean(axis=0), shares.std(axis=0)
        scales[scales < 1e-9] = 1.0  # the same in all, so that it tells nothing
        scaled = _scaled(shares, means, scales)
        intercept = float(values.mean())
        environment_weights, share_weights = _weights(logs, scaled, values - intercept)
        return cls(vocabulary, intercept, environment_weights, means, scales, share_weights)

    def predict(self, graphs: MoleculeGraphs) -> NDArray[np.float32]:
        """Predicted values, shape (n,)."""
        predicted = np.empty(len(graphs), dtype=np.float32)
        for start in range(0, len(graphs), _BLOCK):
            part = slice(start, min(start + _BLOCK, len(graphs)))
            predicted[part] = self._predict(self.vocabulary.count(graphs.take(part)))
        return predicted

    def _predict(self, counts: Counts) -> Array:
        terms = self.environment_weights[counts.columns] * np.log1p(counts.counts)
        environments = np.bincount(counts.molecules, terms, minlength=counts.size)
        scaled = _scaled(_shares(counts, self.vocabulary.kinds), self.share_means, self.share_scales)
        predicted: Array = self.intercept + environments + scaled @ self.share_weights
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


def _weights(logs: Array, scaled: Array, targets: Array) -> tuple[Array, Array]:
    """Weights of both groups of inputs, shapes (k,) and (k0 + 1,), by the dual form: n is smaller than k."""
    rows = spread_rows(len(targets), EVIDENCE_OBSERVATIONS)
    some_logs, some_scaled = logs[rows], scaled[rows]
    evidence = most_evident(some_logs @ some_logs.T, some_scaled @ some_scaled.T, targets[rows])
    products = logs @ logs.T + evidence.descriptor_variance * (scaled @ scaled.T)
    products[np.diag_indices_from(products)] += evidence.alpha
    try:
        dual = np.linalg.solve(products, targets)
    except np.linalg.LinAlgError as error:
        raise TaskError(f'Expected weights of {len(targets)} observations, but: {error}.') from error
    if not np.isfinite(dual).all():
        raise TaskError(f'Expected finite weights of {len(targets)} observations, got some that are not.')
    return logs.T @ dual, evidence.descriptor_variance * (scaled.T @ dual)
