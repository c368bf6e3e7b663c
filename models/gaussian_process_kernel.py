"""The covariance of a Gaussian process: evaluated, fitted to data, and sampled from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LENGTH_SCALES = (0.1, 100.0)
"""Range searched, in standard deviations of a coordinate: below, nothing could be learned from a neighbour."""

AMPLITUDES = (0.01, 1000.0)
"""Range searched, in variances of the values."""

NOISES = (1e-4, 1.0)
"""Range searched, in variances of the values; the floor keeps the covariance invertible and its predictions smooth."""

_SMOOTHNESS = 2.5


@dataclass(frozen=True)
class Kernel:
    """Matérn 5/2 covariance of normalised points.

    Attributes:
        length_scales: Distance over which values resemble each other in each coordinate, shape (d,).
        amplitude: Variance of the function.
        noise: Variance of an observation about the function.
    """

    length_scales: Array
    amplitude: float
    noise: float

    def __call__(self, left: Array, right: Array) -> Array:
        """Covariance of the function at points (m, d) and (n, d), shape (m, n), without noise."""
        from scipy.spatial.distance import cdist

        distance = cdist(left / self.length_scales, right / self.length_scales)
        distance *= np.sqrt(2 * _SMOOTHNESS)
        covariance: Array = self.amplitude * (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)
        return covariance

    def sample_noise(self, count: int, rng: np.random.Generator) -> Array:
        """Noise of as many observations, shape (count,)."""
        noise: Array = np.sqrt(self.noise) * rng.standard_normal(count)
        return noise


@dataclass(frozen=True)
class Prior:
    """A function drawn from a kernel's prior: a sum of ``m`` waves.

    Attributes:
        frequencies: Shape (m, d).
        phases: Shape (m,).
        weights: Shape (m,).
        amplitude: The kernel's.
    """

    frequencies: Array
    phases: Array
    weights: Array
    amplitude: float

    def __call__(self, points: Array) -> Array:
        """Values at points of shape (n, d), shape (n,)."""
        waves = points @ self.frequencies.T
        waves += self.phases
        values: Array = np.cos(waves, out=waves) @ self.weights
        values *= np.sqrt(2.0 * self.amplitude / len(self.weights))
        return values


def sample_prior(kernel: Kernel, dimension: int, features: int, rng: np.random.Generator) -> Prior:
    """Draw a function from a kernel's prior.

    The spectrum of a Matérn kernel of smoothness v is Student's t with 2 v degrees of freedom (Rasmussen & Williams,
    eq. 4.15).

    Args:
        kernel: The kernel.
        dimension: Coordinates of a point.
        features: Waves to make it of.
        rng: Source of what is drawn.
    """
    freedom = 2 * _SMOOTHNESS
    normal = rng.standard_normal((features, dimension))
    stretch = np.sqrt(freedom / rng.chisquare(freedom, size=(features, 1)))
    phases = rng.uniform(0, 2 * np.pi, size=features)
    return Prior(normal * stretch / kernel.length_scales, phases, rng.standard_normal(features), kernel.amplitude)


def fit_kernel(points: Array, targets: Array, anisotropic: bool, restarts: int, seed: int) -> tuple[Kernel, float]:
    """The kernel under which normalised data are likeliest.

    Fewer than three observations, or values that are all the same, say nothing about a kernel: it is then smooth over
    the width of the data.

    Args:
        points: Shape (n, d).
        targets: Shape (n,).
        anisotropic: Whether each coordinate has its own length scale.
        restarts: Further starts of the search.
        seed: Seed of where these are.

    Returns:
        The kernel, and the logarithm of its marginal likelihood (0 where nothing was fitted).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    dimension = points.shape[1]
    start = np.ones(dimension if anisotropic else 1)
    if len(points) < 3 or not targets.any():
        return Kernel(np.ones(dimension), 1.0, 0.01), 0.0
    form = ConstantKernel(1.0, AMPLITUDES) * Matern(start, LENGTH_SCALES, nu=_SMOOTHNESS) + WhiteKernel(0.1, NOISES)
    process = GaussianProcessRegressor(form, alpha=0.0, n_restarts_optimizer=restarts, random_state=seed)
    with warnings.catch_warnings():
        # A hyperparameter at the end of its range is an answer here ("no noise", "this coordinate does not matter").
        warnings.simplefilter('ignore', ConvergenceWarning)
        process.fit(points, targets)
    fitted = process.kernel_
    scales = np.broadcast_to(np.asarray(fitted.k1.k2.length_scale, dtype=np.float64), (dimension,)).copy()
    kernel = Kernel(scales, float(fitted.k1.k1.constant_value), float(fitted.k2.noise_level))
    return kernel, float(process.log_marginal_likelihood_value_)
