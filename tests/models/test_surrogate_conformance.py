"""What every surrogate must do, whatever it is inside."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from scoutbee.contracts.errors import InputTaskError, TaskError
from scoutbee.models.artifacts import load_artifact, save_artifact
from scoutbee.models.registry import SURROGATES, make_surrogate
from scoutbee.models.surrogate import TrainingData
from scoutbee.models.tasks import infer


def rmse(predicted, values):
    return np.sqrt(np.mean((predicted - values) ** 2))


def predict(case, model, features):
    """What one model predicts, shape (n,)."""
    return case.surrogate.predict([model], features)[0]


@pytest.fixture(scope='module')
def ensemble(case, model):
    """Members on the same data, a later generation of one, and one on less data: whoever may be asked together."""
    members = [case.surrogate.train(case.data(), member=member, seed=1) for member in (1, 2)]
    later = case.surrogate.train(case.data(np.arange(60)), member=1, seed=1)
    return [model, *members, later]


def same(left, right):
    return left.arrays.keys() == right.arrays.keys() and all(
        np.array_equal(array, right.arrays[name]) for name, array in left.arrays.items()
    )


def test_is_found_by_its_name(case):
    assert case.surrogate.name in SURROGATES
    assert type(make_surrogate(case.surrogate.name)) is type(case.surrogate)


def test_learns_something(case, model):
    features, values = case.held_out()
    predicted = predict(case, model, features)
    guess = rmse(case.values[: case.trained].mean(), values)
    assert rmse(predicted, values) < 0.9 * guess


def test_same_seed_member_and_data_give_the_same_model(case, model):
    again = case.surrogate.train(case.data(), member=0, seed=1)
    features, _ = case.held_out()
    assert same(model, again)
    np.testing.assert_array_equal(predict(case, again, features), predict(case, model, features))


def test_members_differ_and_so_measure_uncertainty(case, model):
    features, _ = case.held_out()
    members = [model, *(case.surrogate.train(case.data(), member=member, seed=1) for member in (1, 2))]
    predictions = np.stack([predict(case, member, features) for member in members])
    assert (predictions.std(axis=0) > 0).mean() > 0.99


def test_models_asked_together_say_what_each_says_alone(case, ensemble):
    together = case.surrogate.predict(ensemble, case.features)
    assert together.shape == (len(ensemble), len(case.features))
    assert together.dtype == np.float32
    spread = max(1.0, float(np.abs(together).max()))
    for row, member in zip(together, ensemble, strict=True):
        np.testing.assert_allclose(row, predict(case, member, case.features), rtol=1e-5, atol=1e-5 * spread)
    np.testing.assert_allclose(
        case.surrogate.predict(ensemble[::-1], case.features), together[::-1], rtol=1e-5, atol=1e-5 * spread
    )


def test_a_task_for_several_models_has_one_row_for_each(case, ensemble):
    features, _ = case.held_out()
    together = infer(ensemble[:2], features)
    assert together.shape == (2, len(features))
    np.testing.assert_array_equal(together, case.surrogate.predict(ensemble[:2], features))


def test_one_bad_model_among_good_ones_is_refused(case, ensemble):
    with pytest.raises(InputTaskError, match=case.surrogate.name):
        case.surrogate.predict([ensemble[0], replace(ensemble[1], surrogate='another')], case.features)


def test_no_models_give_no_predictions(case):
    assert case.surrogate.predict([], case.features).shape == (0, len(case.features))


def test_predictions_are_finite_numbers_one_for_each(case, model):
    predicted = predict(case, model, case.features)
    assert predicted.shape == (len(case.features),)
    assert predicted.dtype == np.float32
    assert np.isfinite(predicted).all()
    assert np.ptp(predicted) > 0


def test_no_candidates_give_no_predictions(case, model):
    assert predict(case, model, case.features.take(slice(0, 0))).shape == (0,)


def test_chunks_do_not_change_predictions(case, model):
    whole = predict(case, model, case.features)
    chunks = [case.features.take(slice(start, start + 77)) for start in range(0, len(case.features), 77)]
    parts = np.concatenate([predict(case, model, chunk) for chunk in chunks])
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-5)


def test_order_of_candidates_does_not_change_predictions(case, model):
    rows = np.random.default_rng(0).permutation(len(case.features))
    whole = predict(case, model, case.features)
    np.testing.assert_allclose(predict(case, model, case.features.take(rows)), whole[rows], rtol=1e-5, atol=1e-5)


def test_a_model_travels_as_pickle_and_as_file(case, model, tmp_path):
    save_artifact(tmp_path / 'g1m0.npz', model)
    features, _ = case.held_out()
    expected = infer([model], features)
    for copy in (pickle.loads(pickle.dumps(model)), load_artifact(tmp_path / 'g1m0.npz', case.surrogate.name)):
        assert same(model, copy)
        np.testing.assert_array_equal(infer([copy], features), expected)


def test_configuration_is_plain_data_and_metrics_are_numbers(model):
    assert json.loads(json.dumps(model.config)) == model.config
    assert all(np.isfinite(value) for value in model.metrics.values())


def test_a_model_of_another_surrogate_is_refused(case, model):
    with pytest.raises(InputTaskError, match=case.surrogate.name):
        case.surrogate.predict([replace(model, surrogate='another')], case.features)


def test_a_model_that_lost_an_array_is_refused(case, model):
    arrays = dict(model.arrays)
    arrays.pop(next(iter(arrays)))
    with pytest.raises(InputTaskError):
        case.surrogate.predict([replace(model, arrays=arrays)], case.features)


def test_starting_from_an_earlier_model_is_accepted(case, model):
    later = case.surrogate.train(case.data(), member=0, seed=1, previous=model)
    features, values = case.held_out()
    assert rmse(predict(case, later, features), values) < rmse(values.mean(), values)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(case, bad):
    values = case.values[:20].copy()
    values[7] = bad
    with pytest.raises(InputTaskError, match='finite'):
        TrainingData(case.features.take(slice(0, 20)), values)


@pytest.mark.parametrize('member', [0, 1])
@pytest.mark.parametrize('count', [1, 2, 12])
def test_few_observations_give_sane_predictions_or_a_typed_error(case, count, member):
    try:
        few = case.surrogate.train(case.data(np.arange(count)), member=member, seed=1)
    except TaskError:
        return
    predicted = predict(case, few, case.features)
    assert np.isfinite(predicted).all()
    assert np.abs(predicted - case.values.mean()).max() < 50 * case.values.std()


@pytest.mark.parametrize('member', [0, 1])
def test_constant_values_are_predicted_or_refused(case, member):
    data = TrainingData(case.features.take(slice(0, 40)), np.full(40, 3.25))
    try:
        flat = case.surrogate.train(data, member=member, seed=1)
    except TaskError:
        return
    np.testing.assert_allclose(predict(case, flat, case.features), 3.25, atol=0.2)


def test_duplicates_are_learned_from(case):
    rows = np.repeat(np.arange(30), 4)
    twice = case.surrogate.train(case.data(rows), member=0, seed=1)
    assert np.isfinite(predict(case, twice, case.features)).all()


def test_features_are_restored_from_their_arrays(case, model):
    arrays = {name: np.asarray(array) for name, array in case.features.take(slice(10, 60)).arrays().items()}
    restored = case.surrogate.featurizer.restore(arrays)
    assert len(restored) == 50
    assert all(np.shares_memory(restored.arrays()[name], array) for name, array in arrays.items() if array.size)
    np.testing.assert_allclose(
        predict(case, model, restored),
        predict(case, model, case.features)[10:60],
        rtol=1e-5,
        atol=1e-5,
    )


def test_the_name_of_features_says_which_and_is_stable(case):
    assert case.surrogate.featurizer.name == make_surrogate(case.surrogate.name).featurizer.name


@pytest.mark.parametrize('bad', [['not a candidate'], ['', None, 'C1CC'], []])
def test_what_has_no_features_is_found_in_one_pass_and_costs_only_itself(case, bad):
    good = case.inputs[:5]
    mixed = [bad[0], *good[:3], *bad[1:], *good[3:]] if bad else good
    found = case.surrogate.featurizer.screen(mixed)
    assert [mixed[row] for row in found.unusable] == bad
    assert (found.fault is None) == (not bad)
    clean = case.surrogate.featurizer.featurize(good).arrays()
    for name, array in found.features.arrays().items():
        np.testing.assert_array_equal(array, clean[name])


def test_nothing_usable_is_no_features(case):
    found = case.surrogate.featurizer.screen(['?', None])
    assert (len(found.features), found.unusable.tolist()) == (0, [0, 1])


@pytest.mark.parametrize('bad', ['not a candidate', None, ''])
def test_what_has_no_features_is_refused(case, bad):
    with pytest.raises(InputTaskError):
        case.surrogate.featurizer.featurize([case.inputs[0], bad])
