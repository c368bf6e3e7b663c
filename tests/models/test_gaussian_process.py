"""The Gaussian process: it must find the shape of a rugged function, and its draws must be posterior draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from scoutbee.contracts.errors import ConfigurationError, InputTaskError
from scoutbee.models.ensemble import Ensemble
from scoutbee.models.gaussian_process import GaussianProcess
from scoutbee.models.gaussian_process_kernel import Kernel, sample_prior
from scoutbee.models.posterior import Draw
from scoutbee.models.registry import make_surrogate
from scoutbee.models.surrogate import TrainingData
from scoutbee.models.vectors import VectorFeaturizer, Vectors


def trained(function, count, seed, member=0, settings=None):
    points = np.random.default_rng(seed).uniform(-32.768, 32.768, (count, 4))
    surrogate = GaussianProcess(**(settings or {'restarts': 1}))
    return surrogate, surrogate.train(TrainingData(Vectors(points), function(points)), member=member, seed=seed)


@pytest.mark.parametrize('seed', [0, 1, 2])
@pytest.mark.parametrize('count', [50, 100, 200])
def test_it_orders_what_it_has_not_seen_of_ackley(ackley_function, count, seed):
    surrogate, model = trained(ackley_function, count, seed)
    points = np.random.default_rng(100 + seed).uniform(-32.768, 32.768, (1000, 4))
    predicted = surrogate.predict([model], Vectors(points))[0]
    assert not Ensemble([[predicted]]).constant_members()
    assert spearmanr(predicted, ackley_function(points))[0] > 0.45


def test_each_coordinate_may_have_its_own_length_scale():
    _, model = trained(lambda points: points[:, 0] ** 2, 60, 0, settings={'anisotropic': True})
    scales = model.arrays['length_scales']
    assert scales.shape == (4,)
    assert scales[1:].min() > 3 * scales[0]


@pytest.mark.slow
def test_draws_are_of_the_posterior():
    rng = np.random.default_rng(3)
    points = rng.uniform(-2, 2, (25, 1))
    values = np.sin(2 * points[:, 0]) + rng.normal(0, 0.1, 25)
    data = TrainingData(Vectors(points), values)
    surrogate = GaussianProcess(restarts=0)
    asked = Vectors(np.array([[-6.0], [-1.0], [0.3], [2.5], [9.0]]))
    models = [surrogate.train(data, member=member, seed=0) for member in range(121)]
    draws = surrogate.predict(models, asked).astype(np.float64)
    np.testing.assert_allclose(draws.std(axis=0), exact_std(models[0], asked.points), rtol=0.3)
    np.testing.assert_allclose(draws.mean(axis=0), draws[0], atol=1e-5)


def exact_std(model, points):
    """Standard deviation of the posterior by its closed form."""
    arrays = model.arrays
    kernel = Kernel(arrays['length_scales'], float(arrays['amplitude']), float(arrays['noise']))
    scaled = (points - arrays['centre']) / arrays['widths']
    covariance = kernel(arrays['points'], arrays['points']) + kernel.noise * np.eye(len(arrays['points']))
    cross = kernel(scaled, arrays['points'])
    variance = kernel.amplitude - np.einsum('ij,ji->i', cross, np.linalg.solve(covariance, cross.T))
    return float(arrays['scale']) * np.sqrt(variance)


def test_waves_of_the_prior_have_the_covariance_of_the_kernel():
    kernel = Kernel(np.array([0.7, 1.4]), 2.0, 0.1)
    points = np.array([[0.0, 0.0], [0.4, 0.1], [1.0, -1.0], [0.0, 3.0]])
    rng = np.random.default_rng(0)
    functions = np.stack([sample_prior(kernel, 2, 256, rng)(points) for _ in range(4000)])
    np.testing.assert_allclose(functions.T @ functions / 4000, kernel(points, points), atol=0.15)


def test_the_kernel_is_matern_five_halves():
    kernel = Kernel(np.array([2.0]), 3.0, 0.1)
    scaled = np.sqrt(5) * 1.5 / 2.0
    expected = 3.0 * (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    assert kernel(np.array([[0.0]]), np.array([[1.5]]))[0, 0] == pytest.approx(expected)


def test_hyperparameters_come_from_a_part_and_all_observations_count(ackley_function):
    _, model = trained(ackley_function, 150, 0, settings={'restarts': 0, 'fit_size': 50})
    assert len(model.arrays['points']) == 150


def test_coordinates_on_very_different_scales_do_not_matter(ackley_function):
    points = np.random.default_rng(0).uniform(-32.768, 32.768, (120, 4))
    stretch, shift = np.array([1e-6, 1.0, 1e3, 1e6]), np.array([0, 5.0, -1e4, 1e7])
    surrogate = GaussianProcess(restarts=0)
    plain, moved = (
        surrogate.predict(
            [surrogate.train(TrainingData(some.take(slice(0, 60)), ackley_function(points[:60])), member=0, seed=0)],
            some,
        )
        for some in (Vectors(points), Vectors(points * stretch + shift))
    )
    np.testing.assert_allclose(plain, moved, rtol=1e-3)


def test_points_of_another_dimension_are_refused(ackley_function):
    surrogate, model = trained(ackley_function, 20, 0)
    with pytest.raises(InputTaskError, match='4 coordinates'):
        surrogate.predict([model], Vectors(np.zeros((3, 5))))


def test_points_that_are_not_finite_are_refused(ackley_function):
    surrogate, model = trained(ackley_function, 20, 0)
    with pytest.raises(InputTaskError, match='finite'):
        surrogate.predict([model], Vectors(np.full((3, 4), np.nan)))


@pytest.mark.parametrize('settings', [{'restarts': -1}, {'fit_size': 1}, {'prior_features': 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        make_surrogate('gaussian_process', settings)


@pytest.mark.parametrize(
    ('inputs', 'message'),
    [
        ([[1.0, 2.0], [1.0]], 'coordinates as the first'),
        ([[1.0, 2.0], [1.0, float('nan')]], 'finite'),
        ([[1.0], 'far away'], 'sequence of numbers'),
        ([[1.0], 4.0], 'sequence of numbers'),
        ([[]], 'sequence of numbers'),
    ],
)
def test_what_is_not_a_point_is_named(inputs, message):
    with pytest.raises(InputTaskError, match=message):
        VectorFeaturizer().featurize(inputs)


@pytest.mark.parametrize('arrays', [{}, {'points': np.zeros(3)}, {'points': np.zeros((2, 2), dtype=np.float32)}])
def test_arrays_that_are_not_points_are_refused(arrays):
    with pytest.raises(InputTaskError, match='points'):
        VectorFeaturizer().restore(arrays)


def test_members_are_the_mean_and_mirrored_draws():
    assert [Draw.of(member) for member in range(5)] == [
        Draw(0, 0.0),
        Draw(1, 1.0),
        Draw(1, -1.0),
        Draw(2, 1.0),
        Draw(2, -1.0),
    ]
    with pytest.raises(ValueError, match='member'):
        Draw.of(-1)
