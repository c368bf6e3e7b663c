"""Training sets as the world makes them: every surrogate learns something finite from them, or says why not."""

import contextlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.contracts.errors import InputTaskError, TaskError
from scoutbee.models.registry import make_surrogate
from scoutbee.models.surrogate import LARGEST_VALUE, TrainingData
from scoutbee.models.tasks import infer

COUNT = 40
RNG = np.random.default_rng(4)
NORMAL = RNG.normal(12.0, 0.5, COUNT)

VALUES = {
    'largest': NORMAL / NORMAL.max() * LARGEST_VALUE,
    'both signs of the largest': np.tile([-LARGEST_VALUE, LARGEST_VALUE], COUNT // 2),
    'one far out': np.r_[NORMAL[:-1], LARGEST_VALUE],
    'constant': np.full(COUNT, 3.25),
    'constant and large': np.full(COUNT, LARGEST_VALUE),
    'zero': np.zeros(COUNT),
    'one of another kind': np.r_[np.zeros(COUNT - 1), 1.0],
    'far from zero': NORMAL + 1e12,
    'too small to be told from zero': NORMAL * 1e-300,
    'denormal': NORMAL * 5e-324,
}


@pytest.mark.parametrize('member', [0, 1])
@pytest.mark.parametrize('values', VALUES.values(), ids=VALUES)
def test_extreme_values_give_finite_predictions(case, values, member):
    with warnings.catch_warnings():
        warnings.simplefilter('error', RuntimeWarning)
        model = case.surrogate.train(TrainingData(case.features.take(slice(0, COUNT)), values), member=member, seed=1)
        predicted = infer([model], case.features)
    assert np.isfinite(predicted).all()
    assert all(np.isfinite(metric) for metric in model.metrics.values())


def test_the_unit_of_the_values_does_not_change_what_is_learned(case):
    """Joules, say, where electronvolts are meant: 1e-19 of the number."""
    predicted = []
    for unit in (1.0, 1.6e-19):
        data = TrainingData(case.features.take(slice(0, COUNT)), unit * case.values[:COUNT])
        predicted.append(infer([case.surrogate.train(data, member=0, seed=1)], case.features)[0] / unit)
    np.testing.assert_allclose(predicted[1], predicted[0], rtol=0.02)


@pytest.mark.parametrize('member', [0, 1])
@pytest.mark.parametrize('different', [1, 10])
def test_the_same_candidate_with_different_values_is_noise(case, different, member):
    rows = np.repeat(np.arange(different), COUNT // different)
    data = TrainingData(case.features.take(rows), NORMAL)
    predicted = infer([case.surrogate.train(data, member=member, seed=1)], case.features)[0]
    assert np.isfinite(predicted).all()


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1.1 * LARGEST_VALUE, -1e308])
def test_values_that_cannot_be_learned_are_refused_in_words(case, bad):
    values = NORMAL.copy()
    values[3] = bad
    with pytest.raises(InputTaskError, match=r'Expected (finite )?values to train on'):
        TrainingData(case.features.take(slice(0, COUNT)), values)


def test_no_row_is_refused_and_one_row_is_enough(case):
    with pytest.raises(InputTaskError, match='at least one observation'):
        TrainingData(case.features.take(slice(0, 0)), NORMAL[:0])
    data = TrainingData(case.features.take(slice(0, 1)), NORMAL[:1])
    assert np.isfinite(infer([case.surrogate.train(data, member=0, seed=1)], case.features)[0]).all()


@settings(max_examples=25)
@given(values=st.lists(st.floats(-LARGEST_VALUE, LARGEST_VALUE), min_size=1, max_size=12), member=st.integers(0, 2))
def test_a_linear_model_of_anything_predicts_or_says_why_not(values, member):
    surrogate = make_surrogate('fingerprint', {'processes': 1})
    features = surrogate.featurizer.featurize(['CCO', 'O', 'N', 'c1ccccc1'] * 3)
    data = TrainingData(features.take(slice(0, len(values))), np.array(values))
    with contextlib.suppress(TaskError):
        assert np.isfinite(infer([surrogate.train(data, member=member, seed=1)], features)).all()
