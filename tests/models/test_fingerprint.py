"""The fingerprint surrogate: its features, its error, its uncertainty."""

from __future__ import annotations

import numpy as np
import pytest

from scoutbee.contracts.errors import ConfigurationError, InputTaskError
from scoutbee.models import fingerprint_featurizer
from scoutbee.models.fingerprint import Fingerprint
from scoutbee.models.fingerprint_featurizer import DESCRIPTORS, FingerprintFeaturizer
from scoutbee.models.registry import make_surrogate
from scoutbee.models.ridge_evidence import most_evident
from scoutbee.models.surrogate import TrainingData

SMILES = ['CCO', 'c1ccccc1', 'C', 'CC(=O)Nc1ccc(O)cc1', 'FC(F)(F)c1ccccc1', '[He]']


@pytest.fixture(scope='module')
def features():
    return FingerprintFeaturizer(processes=1).featurize(SMILES)


@pytest.fixture(scope='module')
def known(molecules):
    """The known molecules' features and values."""
    smiles, values = molecules
    return FingerprintFeaturizer(processes=1).featurize(smiles), values


def equal(left, right):
    moved = left.offsets - left.offsets[0], right.offsets - right.offsets[0]
    return np.array_equal(*moved) and all(
        np.array_equal(left.arrays()[name], right.arrays()[name]) for name in ('columns', 'counts', 'descriptors')
    )


def test_descriptors_are_those_they_are_called(features):
    row = dict(zip(DESCRIPTORS, features.descriptors[SMILES.index('CC(=O)Nc1ccc(O)cc1')], strict=True))
    assert row['NumHeavyAtoms'] == 11
    assert row['NumAromaticRings'] == 1
    assert row['lipinskiHBD'] == 2
    assert row['NumAmideBonds'] == 1
    assert row['tpsa'] == pytest.approx(49.33)


def test_fragments_are_counted(features):
    benzene = features.take(np.array([1]))
    assert sorted(benzene.counts.tolist()) == [6, 6, 6]


def test_a_molecule_takes_less_than_300_bytes(known):
    assert sum(array.nbytes for array in known[0].arrays().values()) / len(known[0]) < 300


def test_slices_are_views_and_slices_of_slices_fit(features):
    middle = features.take(slice(1, 5))
    assert np.shares_memory(middle.columns, features.columns)
    assert np.shares_memory(middle.descriptors, features.descriptors)
    assert equal(middle.take(slice(1, 3)), features.take(np.array([2, 3])))


@pytest.mark.parametrize(
    'rows',
    [np.array([4, 0, 0, 2]), np.array([], dtype=np.int64), np.array([-1, -6]), slice(None, None, -2), slice(5, 1)],
)
def test_take_agrees_with_featurizing_the_same_molecules(features, rows):
    taken = features.take(rows)
    smiles = np.array(SMILES, dtype=object)[rows].tolist()
    assert equal(taken, FingerprintFeaturizer(processes=1).featurize(smiles))
    assert equal(features.take(slice(1, 6)).take(np.array([3, 0])), features.take(np.array([4, 1])))


def test_take_accepts_a_mask(features):
    mask = np.array([True, False, False, True, False, True])
    assert equal(features.take(mask), features.take(np.array([0, 3, 5])))


def test_a_row_that_is_not_there_is_an_error(features):
    with pytest.raises(IndexError):
        features.take(np.array([6]))


def test_restore_reads_memory_mapped_arrays_without_copying(features, tmp_path):
    mapped = {}
    for name, array in features.arrays().items():
        np.save(tmp_path / f'{name}.npy', array)
        mapped[name] = np.load(tmp_path / f'{name}.npy', mmap_mode='r')
    restored = FingerprintFeaturizer().restore(mapped)
    assert equal(restored, features)
    assert isinstance(restored.columns, np.memmap)


@pytest.mark.parametrize('damage', ['columns', 'counts', 'descriptors', 'offsets'])
def test_restore_refuses_arrays_that_do_not_fit(features, damage):
    arrays = dict(features.arrays())
    with pytest.raises(InputTaskError, match=damage):
        FingerprintFeaturizer().restore({name: array for name, array in arrays.items() if name != damage})
    with pytest.raises(InputTaskError, match='make the features again'):
        FingerprintFeaturizer().restore({**arrays, damage: arrays[damage][:-1]})
    with pytest.raises(InputTaskError, match=damage):
        FingerprintFeaturizer().restore({**arrays, damage: arrays[damage].astype(np.float16)})


@pytest.mark.parametrize('bad', ['C1CC', 'nonsense', '', None, 7, 'C' * 50 + '('])
def test_the_first_molecule_without_features_is_named(bad):
    with pytest.raises(InputTaskError, match='RDKit can parse'):
        FingerprintFeaturizer(processes=1).featurize(['CCO', bad])


@pytest.mark.slow
def test_processes_do_not_change_features(features, monkeypatch):
    monkeypatch.setattr(fingerprint_featurizer, 'PARALLEL_FROM', 10)
    monkeypatch.setattr(FingerprintFeaturizer, 'piece', 7)
    many = SMILES * 5
    parallel = FingerprintFeaturizer(processes=2).featurize(many)
    assert equal(parallel, features.take(np.tile(np.arange(len(SMILES)), 5)))
    with pytest.raises(InputTaskError, match='nope'):
        FingerprintFeaturizer(processes=2).featurize([*many, 'nope'])


def test_no_molecules_have_no_features():
    assert len(FingerprintFeaturizer().featurize([])) == 0


def test_it_predicts_held_out_ionization_potentials_within_a_quarter_of_an_ev(known):
    features, values = known
    surrogate = Fingerprint()
    model = surrogate.train(TrainingData(features.take(slice(0, 300)), values[:300]), member=0, seed=0)
    errors = surrogate.predict([model], features.take(slice(300, 400)))[0] - values[300:]
    assert np.sqrt(np.mean(errors**2)) < 0.25
    assert np.abs(errors).mean() < 0.2


def test_the_ensemble_mean_is_the_best_fit_and_its_spread_covers_the_truth(known):
    features, values = known
    surrogate = Fingerprint(evidence_size=150)
    data = TrainingData(features.take(slice(0, 300)), values[:300])
    models = [surrogate.train(data, member=member, seed=0) for member in range(9)]
    predictions = surrogate.predict(models, features.take(slice(300, 400)))
    np.testing.assert_allclose(predictions.mean(axis=0), predictions[0], atol=1e-4)
    spread = np.hypot(predictions.std(axis=0), models[0].metrics['noise_std'])
    covered = np.mean(np.abs(predictions[0] - values[300:]) < 2 * spread)
    assert 0.85 < covered <= 1


def test_what_was_never_seen_is_more_uncertain_than_what_was(known):
    features, values = known
    surrogate = Fingerprint(evidence_size=150)
    data = TrainingData(features.take(slice(0, 300)), values[:300])
    strange = surrogate.featurizer.featurize(['C[Si](C)(C)C#CP(=O)(C)C', 'O=[N+]([O-])OCB(O)OI'])
    models = [surrogate.train(data, member=member, seed=0) for member in range(9)]
    seen, unseen = (surrogate.predict(models, some).std(axis=0).mean() for some in (data.features, strange))
    assert unseen > 2 * seen


def test_many_observations_are_fitted_by_iteration_to_the_same_answer(known, monkeypatch):
    features, values = known
    surrogate = Fingerprint(evidence_size=50)
    data = TrainingData(features.take(slice(0, 300)), values[:300])
    exact = surrogate.predict([surrogate.train(data, member=1, seed=0)], features)
    monkeypatch.setattr('scoutbee.models.fingerprint._EXACT_UP_TO', 100)
    iterated = surrogate.predict([surrogate.train(data, member=1, seed=0)], features)
    np.testing.assert_allclose(iterated, exact, atol=2e-3)


def test_a_model_of_another_radius_is_refused(known):
    features, values = known
    model = Fingerprint(radius=1).train(TrainingData(features, values), member=0, seed=0)
    with pytest.raises(InputTaskError, match='radius 2, got one of radius 1'):
        Fingerprint(radius=2).predict([model], features)


@pytest.mark.parametrize('settings', [{'radius': -1}, {'radius': 9}, {'processes': 0}, {'evidence_size': 1}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        make_surrogate('fingerprint', settings)


def test_evidence_finds_the_noise_it_was_given():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(400, 60)), rng.normal(size=(400, 10))
    targets = first @ rng.normal(0, 0.3, 60) + second @ rng.normal(0, 0.3, 10) + rng.normal(0, 0.9, 400)
    evidence = most_evident(first @ first.T, second @ second.T, targets)
    assert evidence.alpha in (3.0, 10.0, 30.0)
    assert np.sqrt(evidence.scale * evidence.alpha) == pytest.approx(0.9, rel=0.15)
    assert evidence.leave_one_out_rmse == pytest.approx(1.0, rel=0.15)
