"""A Gaussian process on points of a real space, with noise.

Why noise: a process that must pass through every observation takes a rugged function (Ackley's ripples are one unit
apart, its observations ten) for white noise of length scale zero, and then predicts its mean everywhere. With a noise
term the ripples go there, and the process finds the shape beneath.

Mean and covariance are those of Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), eq. 2.23-2.24;
hyperparameters maximise the marginal likelihood by scikit-learn. ``posterior`` says what the members of its ensemble
are; a draw is a whole function, the same for a candidate in whatever chunk it comes, made from random Fourier
features of the prior (Rahimi & Recht, 2007) and corrected at the observations.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError, TaskError
from scoutbee.contracts.learning import ModelArtifact

from .gaussian_process_kernel import Array, Kernel, Prior, fit_kernel, sample_prior
from .posterior import Draw
from .surrogate import TrainingData, alike, expect_model_of
from .vectors import VectorFeaturizer, Vectors

# Points predicted at once: bounds the memory of the covariance with the observations.
_BLOCK = 2_048

_KERNEL_ARRAYS = ('length_scales', 'amplitude', 'noise')
_PRIOR_ARRAYS = ('frequencies', 'phases', 'prior_weights')
_SHARED_ARRAYS = (*_KERNEL_ARRAYS, 'points', 'centre', 'widths')
_ARRAYS = (*_KERNEL_ARRAYS, *_PRIOR_ARRAYS, 'points', 'alpha', 'centre', 'widths', 'mean', 'scale')


@dataclass(frozen=True)
class GaussianProcess:
    """Gaussian process with a Matérn 5/2 kernel and noise; inputs and values are normalised.

    Attributes:
        anisotropic: Whether each coordinate has a length scale of its own.
        restarts: Further starts of the search for hyperparameters, from points drawn at random.
        fit_size: Observations, drawn at random, from which hyperparameters are found; all are then conditioned on.
        prior_features: Fourier features that a draw is made of.

    Raises:
        ValueError: If a setting is out of its range.
    """

    anisotropic: bool = False
    restarts: int = 2
    fit_size: int = 400
    prior_features: int = 1024

    def __post_init__(self) -> None:
        for setting, least in (('restarts', 0), ('fit_size', 10), ('prior_features', 16)):
            if getattr(self, setting) < least:
                raise ValueError(f'expected {setting} to be at least {least}, got {getattr(self, setting)}')

    @property
    def name(self) -> str:
        """``gaussian_process``."""
        return 'gaussian_process'

    @property
    def featurizer(self) -> VectorFeaturizer:
        """Makes its features of sequences of numbers."""
        return VectorFeaturizer()

    def train(
        self, data: TrainingData[Vectors], *, member: int, seed: int, previous: ModelArtifact | None = None
    ) -> ModelArtifact:
        """Train one member.

        Args:
            data: Observations; ``n`` points of ``d`` coordinates.
            member: Which member; see ``posterior``.
            seed: Seed of the campaign.
            previous: Not looked at: hyperparameters are found anew, so that all members agree on them whichever model
                each had before.

        Raises:
            InputTaskError: If the features are not finite points.
            TaskError: If the fit does not come out finite.
        """
        started = time.perf_counter()
        draw = Draw.of(member)
        _check_points(data.features)
        centre, widths = data.features.points.mean(axis=0), _widths(data.features.points)
        points = (data.features.points - centre) / widths
        mean, scale = float(data.values.mean()), _deviation(data.values)
        targets = (data.values - mean) / (scale or 1.0)
        kernel, likelihood = self._fit(points, targets, seed)
        rng = draw.generator(seed, len(points))
        prior = sample_prior(kernel, points.shape[1], self.prior_features, rng)
        alpha = _condition(
            kernel, points, targets - draw.sign * (prior(points) + kernel.sample_noise(len(points), rng))
        )
        if not np.isfinite(alpha).all():
            raise TaskError(f'Expected a finite fit to {len(points)} observations, got one that is not.')
        arrays = {
            'length_scales': kernel.length_scales,
            'amplitude': np.asarray(kernel.amplitude),
            'noise': np.asarray(kernel.noise),
            'frequencies': prior.frequencies,
            'phases': prior.phases,
            'prior_weights': draw.sign * prior.weights,
            'points': points,
            'alpha': alpha,
            'centre': centre,
            'widths': widths,
            'mean': np.asarray(mean),
            'scale': np.asarray(scale),
        }
        metrics = {
            'observations': float(len(points)),
            'log_marginal_likelihood': likelihood,
            'noise_std': scale * float(np.sqrt(kernel.noise)),
            'signal_std': scale * float(np.sqrt(kernel.amplitude)),
            'seconds': time.perf_counter() - started,
        }
        return ModelArtifact(self.name, {'settings': asdict(self)}, arrays, metrics)

    def check(self, artifact: ModelArtifact) -> None:
        """See whether a model can be used; see ``Surrogate.check``.

        Raises:
            InputTaskError: If it cannot.
        """
        expect_model_of(self.name, artifact)
        arrays = artifact.arrays
        if set(arrays) != set(_ARRAYS):
            raise InputTaskError(
                f'Expected a Gaussian process of arrays {sorted(_ARRAYS)}, got {sorted(arrays)}; train it again.'
            )
        points, features = arrays['points'].shape, arrays['phases'].shape
        expected = {
            'alpha': points[:1],
            'frequencies': (*features, *points[1:]),
            'prior_weights': features,
            **dict.fromkeys(('length_scales', 'centre', 'widths'), points[1:]),
            **dict.fromkeys(('amplitude', 'noise', 'mean', 'scale'), ()),
        }
        wrong = {name: arrays[name].shape for name, shape in expected.items() if arrays[name].shape != shape}
        if len(points) != 2 or len(features) != 1 or wrong:
            raise InputTaskError(
                f'Expected the arrays of a Gaussian process to fit {points} points and {features} features, got '
                f'{wrong}; train it again.'
            )

    def predict(self, artifacts: Sequence[ModelArtifact], features: Vectors) -> NDArray[np.float32]:
        """Predicted values, shape (models, n), in the unit of the observations.

        Raises:
            InputTaskError: If an artifact is another surrogate's or damaged, or the points are not finite or have
                another number of coordinates.
        """
        for artifact in artifacts:
            self.check(artifact)
            _check_points(features, artifact.arrays['points'].shape[1])
        predicted = np.empty((len(artifacts), len(features)), dtype=np.float32)
        # Members trained on the same observations share a kernel, whose evaluation is most of the work.
        for places in alike(artifacts, _SHARED_ARRAYS):
            ensemble = [artifacts[place].arrays for place in places]
            for start in range(0, len(features), _BLOCK):
                part = slice(start, start + _BLOCK)
                predicted[places, part] = _predict(ensemble, features.points[part])
        return predicted

    def _fit(self, points: Array, targets: Array, seed: int) -> tuple[Kernel, float]:
        """Hyperparameters; all members find the same, so that they are draws from one posterior."""
        rng = Draw.of(0).generator(seed, len(points))
        if len(points) > self.fit_size:
            rows = np.sort(rng.choice(len(points), self.fit_size, replace=False))
            points, targets = points[rows], targets[rows]
        return fit_kernel(points, targets, self.anisotropic, self.restarts, int(rng.integers(2**31)))


def _predict(ensemble: Sequence[Mapping[str, NDArray[Any]]], points: Array) -> Array:
    """What models of one kernel and the same observations predict for points of shape (n, d), shape (models, n)."""
    shared = ensemble[0]
    kernel = Kernel(shared['length_scales'], float(shared['amplitude']), float(shared['noise']))
    points = (points - shared['centre']) / shared['widths']
    covariance = kernel(points, shared['points'])
    standard = np.empty((len(ensemble), len(points)))
    for row, arrays in zip(standard, ensemble, strict=True):
        # One by one, so that a model says the same to the last bit whoever is asked with it.
        row[:] = covariance @ arrays['alpha']
        if arrays['prior_weights'].any():
            row += Prior(arrays['frequencies'], arrays['phases'], arrays['prior_weights'], kernel.amplitude)(points)
        row *= arrays['scale']
        row += arrays['mean']
    return standard


def _condition(kernel: Kernel, points: Array, residuals: Array) -> Array:
    """Weight of each observation's covariance in the prediction, shape (n,): (K + noise)^-1 of the residuals."""
    from scipy.linalg import cho_factor, cho_solve

    covariance = kernel(points, points)
    covariance[np.diag_indices_from(covariance)] += kernel.noise
    alpha: Array = cho_solve(cho_factor(covariance, lower=True, overwrite_a=True), residuals)
    return alpha


def _widths(points: Array) -> Array:
    """Standard deviation of each coordinate; 1 where it never varies."""
    stds = points.std(axis=0)
    return np.where(stds > 1e-12 * np.abs(points).max(axis=0), stds, 1.0)


def _deviation(values: Array) -> float:
    """Standard deviation of the values; 0 where they differ by rounding alone."""
    std = float(values.std())
    return std if std > 1e-12 * float(np.abs(values).max()) else 0.0


def _check_points(features: Vectors, dimension: int | None = None) -> None:
    if not isinstance(features, Vectors):
        raise InputTaskError(f'Expected points of a real space (Vectors), got {type(features).__name__}.')
    if dimension is not None and len(features) and features.dimension != dimension:
        raise InputTaskError(
            f'Expected points of {dimension} coordinates, as the model was trained on, got {features.dimension}.'
        )
    bad = np.flatnonzero(~np.isfinite(features.points).all(axis=1))
    if len(bad):
        raise InputTaskError(f'Expected finite coordinates, got {features.points[bad[0]]} in point {bad[0]}.')
