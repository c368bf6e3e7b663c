import json
import os
import subprocess
import sys

import numpy as np
import pytest

from scoutbee.contracts.errors import ConfigurationError, ConvergenceTaskError, InputTaskError
from scoutbee.contracts.learning import ModelArtifact
from scoutbee.models.artifacts import load_artifact, save_artifact
from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.mpnn import Mpnn
from scoutbee.models.mpnn_training import Schedule, split
from scoutbee.models.mpnn_weights import check_weights, initial_weights, rescale_output
from scoutbee.models.registry import make_surrogate
from scoutbee.models.surrogate import TrainingData

CHAINS = ['C' * n + tail for n in range(1, 11) for tail in ('O', 'N', 'Cl', 'C=O', 'C#N', 'c1ccccc1')]
VALUES = np.array([10.0 + 0.05 * s.count('C') - 2.0 * ('N' in s) + 1.5 * ('Cl' in s) - ('c' in s) for s in CHAINS])
graphs_of = GraphFeaturizer(processes=1).featurize
SMALL = Mpnn(width=16, steps=2, num_epochs=30, batch_size=8, learning_rate=5e-3)


def chains(rows=slice(None)):
    return TrainingData(graphs_of(CHAINS[rows]), VALUES[rows])


@pytest.mark.parametrize('count', [10, 23, 100])
def test_members_hold_out_different_parts_that_cover_all(count):
    held = [split(count, 0.25, member, seed=1) for member in range(4)]
    for training, validation in held:
        assert sorted(np.concatenate([training, validation]).tolist()) == list(range(count))
    assert sorted(np.concatenate([validation for _, validation in held]).tolist()) == list(range(count))
    assert split(count, 0.25, 0, seed=1)[0].tolist() == held[0][0].tolist()
    assert split(count, 0.25, 0, seed=2)[0].tolist() != held[0][0].tolist()


@pytest.mark.parametrize('count', [1, 2, 9])
def test_few_observations_are_all_trained_on(count):
    training, validation = split(count, 0.1, 3, seed=0)
    assert sorted(training.tolist()) == sorted(validation.tolist()) == list(range(count))


def test_the_learning_rate_rises_and_falls():
    rates = [Schedule(0.1, 1, 1, 1, None).rate(step, 400) for step in range(400)]
    assert max(rates) <= 0.1
    assert 0 < rates[0] < rates[20] < rates[60] > rates[200] > rates[399] >= 0


def test_weights_that_do_not_fit_are_refused_by_name():
    weights = initial_weights(8, 1, np.random.default_rng(0))
    assert check_weights(weights, 8, 1).keys() == weights.keys()
    with pytest.raises(InputTaskError, match='bond_table_1'):
        check_weights(weights, 8, 2)
    with pytest.raises(InputTaskError, match='finite'):
        check_weights({**weights, 'output_bias': np.array([np.nan])}, 8, 1)
    with pytest.raises(InputTaskError, match='output_bias'):
        check_weights({**weights, 'output_bias': np.zeros(2)}, 8, 1)


def test_rescaled_weights_predict_the_same():
    weights = initial_weights(8, 1, np.random.default_rng(0))
    weights['output_kernel'] = np.ones((8, 1), dtype=np.float32)
    hidden = np.linspace(-1, 1, 8)

    def predicted(weights, mean, deviation):
        return (hidden @ weights['output_kernel'] + weights['output_bias']) * deviation + mean

    before, after = (
        predicted(weights, 12.0, 0.4),
        predicted(rescale_output(weights, (12.0, 0.4), (11.0, 0.7)), 11.0, 0.7),
    )
    assert np.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize('settings', [{'width': 6}, {'learning_rate': 0}, {'num_epochs': 0}, {'dropout': 1.0}])
def test_settings_out_of_range_are_refused_by_name(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        make_surrogate('mpnn', settings)


def test_importing_it_imports_no_heavy_library():
    code = (
        'import sys\n'
        'import scoutbee.models.tasks, scoutbee.models.mpnn, scoutbee.models.artifacts, scoutbee.models.space_cache\n'
        'assert not {"keras", "tensorflow", "rdkit", "sklearn"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.slow
def test_it_learns_what_it_is_shown_and_survives_a_file(tmp_path):
    artifact = SMALL.train(chains(), member=0, seed=0)
    json.dumps(artifact.config)
    save_artifact(tmp_path / 'model.npz', artifact)
    loaded = load_artifact(tmp_path / 'model.npz', 'mpnn')
    predicted = SMALL.predict([artifact], chains().features)[0]
    assert predicted.dtype == np.float32
    assert np.corrcoef(predicted, VALUES)[0, 1] > 0.95
    assert np.array_equal(SMALL.predict([loaded], chains().features)[0], predicted)
    assert artifact.metrics['validation_rmse'] < VALUES.std()


@pytest.mark.slow
def test_a_prediction_does_not_depend_on_its_neighbours():
    artifact = SMALL.train(chains(), member=0, seed=0)
    features = graphs_of(['C', 'O', '[Xe]', *CHAINS * 6])
    together = SMALL.predict([artifact], features)[0]
    for row in (0, 1, 2, 5, len(features) - 1):
        assert SMALL.predict([artifact], features.take(slice(row, row + 1)))[0] == pytest.approx(
            together[row], abs=1e-4
        )
    assert SMALL.predict([artifact], features.take(slice(0, 0))).shape == (1, 0)


@pytest.mark.slow
def test_the_same_seed_and_member_give_the_same_model_and_others_others():
    first, other, again = (SMALL.train(chains(), member=m, seed=5) for m in (0, 1, 0))
    for name, array in first.arrays.items():
        assert np.array_equal(array, again.arrays[name]), name
    assert not np.array_equal(first.arrays['output_kernel'], other.arrays['output_kernel'])
    predicted = SMALL.predict([first, other], chains().features)
    assert np.std(predicted, axis=0).min() > 0


@pytest.mark.slow
def test_threads_change_no_bit_of_a_model():
    code = (
        'import hashlib, numpy as np\n'
        'from scoutbee.models.graph_featurizer import GraphFeaturizer\n'
        'from scoutbee.models.mpnn import Mpnn\n'
        'from scoutbee.models.surrogate import TrainingData\n'
        'smiles = ["C" * n + e for n in range(1, 21) for e in ("O", "N", "c1ccccc1")]\n'
        'known = TrainingData(GraphFeaturizer(processes=1).featurize(smiles), np.arange(60.0))\n'
        'model = Mpnn(num_epochs=2, batch_size=24).train(known, member=0, seed=0)\n'
        'print(hashlib.sha256(b"".join(a.tobytes() for a in model.arrays.values())).hexdigest())'
    )
    digests = {
        subprocess.run(
            [sys.executable, '-c', code],
            check=True,
            capture_output=True,
            env={**os.environ, 'OMP_NUM_THREADS': threads},
        ).stdout
        for threads in ('1', '2', '3')
    }
    assert len(digests) == 1


@pytest.mark.slow
@pytest.mark.parametrize('count', [1, 2, 5])
def test_a_handful_of_observations_trains(count):
    data = chains(slice(0, count))
    predicted = SMALL.predict([SMALL.train(data, member=0, seed=0)], chains().features)[0]
    assert np.isfinite(predicted).all()
    assert np.abs(predicted[:count] - data.values).max() < np.ptp(VALUES)


@pytest.mark.slow
def test_constant_values_are_learned_as_that_constant():
    data = TrainingData(chains().features, np.full(len(CHAINS), 12.5))
    predicted = SMALL.predict([SMALL.train(data, member=0, seed=0)], chains().features)[0]
    assert np.allclose(predicted, 12.5, atol=1e-3)


@pytest.mark.slow
def test_values_of_any_scale_are_learned():
    for factor, shift in ((1e-6, 0.0), (1e6, -1e9)):
        data = TrainingData(chains().features, VALUES * factor + shift)
        predicted = SMALL.predict([SMALL.train(data, member=0, seed=0)], data.features)[0]
        assert np.corrcoef(predicted, data.values)[0, 1] > 0.9


@pytest.mark.slow
def test_a_warm_start_goes_on_from_the_last_model():
    warm = SMALL.model_copy(update={'num_epochs': 1, 'learning_rate': 1e-9})
    last = SMALL.train(chains(), member=0, seed=0)
    more = TrainingData(graphs_of([*CHAINS, 'CCS']), np.append(VALUES, 30.0))
    went_on = warm.train(more, member=0, seed=0, previous=last)
    assert went_on.metrics['warm_started'] == 1
    assert np.allclose(warm.predict([went_on], chains().features), SMALL.predict([last], chains().features), atol=1e-3)
    scratch = SMALL.train(chains(), member=0, seed=0)
    assert np.array_equal(scratch.arrays['atom_table'], last.arrays['atom_table'])
    with pytest.raises(InputTaskError, match='wide'):
        Mpnn(width=32).train(chains(), member=0, seed=0, previous=last)


@pytest.mark.slow
def test_training_that_diverges_is_an_error_and_leaves_the_next_one_alone():
    before = SMALL.train(chains(), member=0, seed=0)
    wild = VALUES.copy()
    wild[3] = 1e300
    with pytest.raises((ConvergenceTaskError, InputTaskError)):
        SMALL.train(TrainingData(chains().features, np.where(VALUES > 10, 1e308, -1e308)), member=0, seed=0)
    after = SMALL.train(chains(), member=0, seed=0)
    assert np.array_equal(before.arrays['output_kernel'], after.arrays['output_kernel'])


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_an_error(monkeypatch):
    from scoutbee.models.mpnn_numpy_engine import NumpyEngine

    monkeypatch.setattr(NumpyEngine, 'step', lambda *args: float('nan'))
    with pytest.raises(ConvergenceTaskError, match='learning rate'):
        SMALL.train(chains(), member=0, seed=0)


@pytest.mark.slow
def test_a_time_limit_and_patience_end_training_with_a_usable_model():
    limited = SMALL.model_copy(update={'time_limit_seconds': 1e-6})
    artifact = limited.train(chains(), member=0, seed=0)
    assert (artifact.metrics['epochs'], artifact.metrics['timed_out']) == (1, 1)
    assert np.isfinite(limited.predict([artifact], chains().features)).all()
    impatient = SMALL.model_copy(update={'patience': 1, 'learning_rate': 0.9, 'num_epochs': 200})
    metrics = impatient.train(chains(), member=0, seed=0).metrics
    assert metrics['epochs'] == metrics['best_epoch'] + 1 < 200


@pytest.mark.slow
def test_models_that_are_not_its_own_are_refused():
    artifact = SMALL.train(chains(slice(0, 5)), member=0, seed=0)
    features = chains().features
    for strange in (
        ModelArtifact('fingerprint', artifact.config, artifact.arrays),
        ModelArtifact('mpnn', {**artifact.config, 'features': 'older'}, artifact.arrays),
        ModelArtifact('mpnn', {**artifact.config, 'settings': {'width': 8, 'steps': 2}}, artifact.arrays),
        ModelArtifact('mpnn', {**artifact.config, 'settings': {'size': 8}}, artifact.arrays),
        ModelArtifact('mpnn', artifact.config, {n: a for n, a in artifact.arrays.items() if n != 'target_scale'}),
    ):
        with pytest.raises(InputTaskError):
            SMALL.predict([strange], features)


@pytest.mark.slow
@pytest.mark.parametrize('functions', ['_tensorflow_functions', '_keras_functions'])
def test_the_network_of_accelerators_learns_too(functions):
    code = (
        'import sys, numpy as np\n'
        'from scoutbee.models import mpnn_engine, mpnn_training as t, mpnn_weights as w\n'
        'from scoutbee.models.graph_featurizer import GraphFeaturizer\n'
        'mpnn_engine._tensorflow_functions = getattr(mpnn_engine, sys.argv[1])\n'
        'smiles = ["C" * n + e for n in range(1, 9) for e in ("O", "N")]\n'
        'y = np.array([float("O" in s) for s in smiles], dtype=np.float32)\n'
        'rng = np.random.default_rng(0); rows = np.arange(16)\n'
        'e = mpnn_engine.engine(16, 2, 0.0, 0.0); g = GraphFeaturizer(1).featurize(smiles)\n'
        'first = w.initial_weights(16, 2, rng)\n'
        'fit = t.fit(e, first, g, y, (rows, rows), t.Schedule(0.01, 40, 8, 40, None), rng)\n'
        'together = e.predict_together([fit.weights, first], g)\n'
        'assert np.abs(together[0] - y).max() < 0.2, together\n'
        'assert np.all(together[1] == 0), together'
    )
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code, functions], check=True, env={**os.environ})
