"""Strengths of the priors of a linear model with two groups of inputs, from the data themselves.

The model is ``y ~ N(0, scale * (F + descriptor_variance * D + alpha * I))``, where ``F`` and ``D`` are the inner
products of the observations' inputs in each group, shape (n, n). ``scale`` follows in closed form; the
others come from a grid, as the evidence is flat about its top (MacKay, 1992, doi:10.1162/neco.1992.4.3.415).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0)
DESCRIPTOR_VARIANCES = (0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class Evidence:
    """What the data say about the priors.

    Attributes:
        descriptor_variance: Prior variance of the second group's weights, relative to the first's.
        alpha: Variance of the noise, relative to the first group's weights; the ridge's strength.
        scale: Prior variance of the first group's weights, in the square of the values' unit.
        log_likelihood: Logarithm of the evidence, without its constant.
        leave_one_out_rmse: Error for each observation of the model fitted to the others, in the values' unit.
    """

    descriptor_variance: float
    alpha: float
    scale: float
    log_likelihood: float
    leave_one_out_rmse: float


def most_evident(
    fragments: Array,
    descriptors: Array,
    targets: Array,
    alphas: Sequence[float] = ALPHAS,
    descriptor_variances: Sequence[float] = DESCRIPTOR_VARIANCES,
) -> Evidence:
    """The priors under which the data are likeliest.

    Args:
        fragments: Inner products in the first group, shape (n, n).
        descriptors: Inner products in the second group, shape (n, n).
        targets: Centred values, shape (n,).
        alphas: Relative variances of the noise to try.
        descriptor_variances: Relative variances of the second group's weights to try.
    """
    found: list[Evidence] = []
    for variance in descriptor_variances:
        eigenvalues, vectors = np.linalg.eigh(fragments + variance * descriptors)
        eigenvalues = np.maximum(eigenvalues, 0.0)
        rotated = vectors.T @ targets
        found += [_evidence(variance, alpha, eigenvalues, vectors, rotated) for alpha in alphas]
    return max(found, key=lambda evidence: evidence.log_likelihood)


def _evidence(variance: float, alpha: float, eigenvalues: Array, vectors: Array, rotated: Array) -> Evidence:
    shrunk = rotated / (eigenvalues + alpha)
    scale = float(rotated @ shrunk) / len(rotated)
    # Values that are all the same have no scale; the smallest number keeps the logarithm finite.
    log_scale = np.log(max(scale, np.finfo(np.float64).tiny))
    likelihood = -0.5 * (len(rotated) * log_scale + float(np.log(eigenvalues + alpha).sum()))
    left_out = (vectors @ shrunk) / ((vectors * vectors) @ (1.0 / (eigenvalues + alpha)))
    return Evidence(variance, alpha, scale, likelihood, float(np.sqrt(np.mean(left_out**2))))
