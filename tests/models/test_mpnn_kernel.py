"""The network in numpy against the same network in Keras, and what its predictions stand on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.models import mpnn_inference, mpnn_kernel
from scoutbee.models.equal_keys import first_equal, first_numbers, scatter_bits
from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.mpnn_batches import make_batch
from scoutbee.models.mpnn_environments import find_environments
from scoutbee.models.mpnn_gradients import Differentiator
from scoutbee.models.mpnn_inference import predict_scaled
from scoutbee.models.mpnn_weights import initial_weights
from scoutbee.models.mpnn_wiring import WiredMolecules
from scoutbee.models.team import Team

STRANGE = ['C', '[Xe]', '[Na+].[Cl-]', 'FS(F)(F)(F)(F)F', 'C[N+](C)(C)C.[I-]', 'c1ccc2ccccc2c1', 'C#CC1CCC1', 'OO', 'O']


@pytest.fixture(scope='module')
def graphs(molecules):
    return GraphFeaturizer(processes=1).featurize([*STRANGE, *molecules[0]])


def random_weights(width, steps, seed):
    rng = np.random.default_rng(seed)
    weights = initial_weights(width, steps, rng)
    return {n: rng.normal(0, 0.2, a.shape).astype(np.float32) if 'b' in n[-6:] else a for n, a in weights.items()} | {
        'output_kernel': rng.normal(0, 0.3, (width, 1)).astype(np.float32)
    }


@given(st.lists(st.integers(0, 20) | st.integers(0, 2**64 - 1)))
def test_the_first_equal_key_is_found(numbers):
    keys = np.array(numbers, dtype=np.uint64)
    expected = [numbers.index(number) for number in numbers]
    assert first_equal(keys).tolist() == first_equal(scatter_bits(keys)).tolist() == expected


@given(st.lists(st.integers(0, 9)))
def test_the_first_equal_number_is_found(numbers):
    found = first_numbers(np.array(numbers, dtype=np.int64), 10)
    assert found.tolist() == [numbers.index(number) for number in numbers]


def test_keys_are_as_different_as_their_numbers():
    keys = scatter_bits(np.arange(10_000))
    assert len(np.unique(keys)) == 10_000
    assert keys.all()


def neighbourhood(graphs, atom, steps):
    """What lies around an atom, as nested plain data."""
    bonds = list(zip(graphs.begins.tolist(), graphs.ends.tolist(), graphs.bonds.tolist(), strict=True))
    owner = np.searchsorted(graphs.atom_offsets, atom, side='right') - 1
    start, own = int(graphs.atom_offsets[owner]), bonds[graphs.bond_offsets[owner] : graphs.bond_offsets[owner + 1]]

    def look(place, steps):
        code = int(graphs.atoms[start + place])
        if not steps:
            return (code,)
        seen = [(kind, look(b if a == place else a, steps - 1)) for a, b, kind in own if place in (a, b)]
        return (look(place, steps - 1), tuple(sorted(seen)))

    return look(int(atom) - start, steps)


@pytest.mark.parametrize('steps', [1, 2, 3])
def test_atoms_share_an_environment_exactly_if_all_around_them_is_equal(graphs, steps):
    for start in range(0, 60, 12):
        some = graphs.take(slice(start, start + 12))
        found = find_environments(some, steps).atoms.tolist()
        seen = [neighbourhood(some, atom, steps) for atom in range(len(some.atoms))]
        assert len(set(found)) == len(set(seen)) == len(set(zip(found, seen, strict=True)))


def test_molecules_that_come_again_cost_nothing(graphs):
    again = graphs.take(np.tile(np.arange(20), 5))
    once = find_environments(graphs.take(slice(0, 20)), 4)
    many = find_environments(again, 4)
    assert [len(step.own) for step in many.steps] == [len(step.own) for step in once.steps]


@pytest.mark.parametrize(('width', 'steps'), [(64, 4), (16, 2), (20, 1)])
def test_all_models_predict_what_each_predicts_alone(graphs, width, steps):
    members = [random_weights(width, steps, seed) for seed in range(3)]
    together = predict_scaled(members, steps, graphs)
    assert together.shape == (3, len(graphs))
    assert together.dtype == np.float32
    for member, row in zip(members, together, strict=True):
        assert np.array_equal(predict_scaled([member], steps, graphs)[0], row)


def test_pieces_change_nothing_but_rounding(graphs, monkeypatch):
    members = [random_weights(16, 3, seed) for seed in range(2)]
    whole = predict_scaled(members, 3, graphs, threads=1)
    monkeypatch.setattr(mpnn_inference, 'PIECE_ATOMS', 300)
    assert np.allclose(predict_scaled(members, 3, graphs, threads=1), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('width', [16, 64])
def test_threads_change_nothing_at_all(graphs, monkeypatch, width):
    monkeypatch.setattr(mpnn_kernel, 'BLOCK', 64)
    members = [random_weights(width, 3, seed) for seed in range(2)]
    alone = predict_scaled(members, 3, graphs, threads=1)
    for threads in (2, 5):
        assert np.array_equal(predict_scaled(members, 3, graphs, threads), alone)


def test_what_fails_in_a_thread_fails():
    def work(block, thread):
        if block == 7:
            raise ValueError('seven')

    with Team(3) as team, pytest.raises(ValueError, match='seven'):
        team.share(range(50), work)


def test_a_team_does_each_block_once():
    done = [0] * 500

    def work(block, thread):
        assert 0 <= thread < 4
        done[block] += 1

    with Team(4) as team:
        for _ in range(3):
            team.share(range(500), work)
        team.share([], work)
    assert done == [3] * 500


@pytest.mark.parametrize('count', [0, 1])
def test_few_molecules_or_none_are_predicted(graphs, count):
    members = [random_weights(16, 2, seed) for seed in range(2)]
    assert predict_scaled(members, 2, graphs.take(slice(0, count))).shape == (2, count)


@pytest.mark.parametrize('steps', [1, 2])
@pytest.mark.parametrize('dropout', [0.0, 0.3])
def test_gradients_are_the_slopes_of_the_loss(graphs, steps, dropout):
    weights = random_weights(8, steps, 0)
    gradients = {name: np.zeros_like(array) for name, array in weights.items()}
    batch = WiredMolecules(graphs).batch(np.arange(12)[::-1])
    targets = np.random.default_rng(1).normal(size=12).astype(np.float32)
    rng = np.random.default_rng(2)

    def loss(at, into):
        return Differentiator(at, into, steps, dropout).loss(batch, targets, np.random.default_rng(3))

    loss(weights, gradients)
    ignored = {name: np.zeros_like(array) for name, array in weights.items()}
    for name, array in weights.items():
        direction = rng.normal(size=array.shape).astype(np.float32)
        up, down = (loss({**weights, name: array + sign * 1e-3 * direction}, ignored) for sign in (1, -1))
        slope = float((gradients[name] * direction).sum())
        assert (up - down) / 2e-3 == pytest.approx(slope, rel=0.05, abs=0.02), name


def test_a_share_is_dropped_and_made_up_for():
    """The output is the mean of what the mask leaves of ones, so the loss tells how much that is."""
    weights = {name: np.zeros_like(array) for name, array in random_weights(64, 1, 0).items()}
    weights['value_bias'] += 1
    weights['hidden_bias'] += 30  # far up, where the rectifier is the number itself
    weights['hidden_kernel'] += np.eye(64, dtype=np.float32)
    weights['output_kernel'] += 1 / 64
    gradients = {name: np.zeros_like(array) for name, array in weights.items()}
    batch = WiredMolecules(GraphFeaturizer(processes=1).featurize(['CO'])).batch(np.arange(1))
    rng, differentiator = np.random.default_rng(0), Differentiator(weights, gradients, 1, 0.1)
    target = np.array([30], dtype=np.float32)
    outputs = np.sqrt([differentiator.loss(batch, target, rng) for _ in range(500)])
    assert np.mean(outputs) == pytest.approx(1, abs=0.01)
    assert np.std(outputs) == pytest.approx(np.sqrt(0.1 / 0.9 / 64), rel=0.2)


@pytest.mark.slow
def test_predictions_and_gradients_are_those_of_keras(graphs):
    import tensorflow as tf

    from scoutbee.models.mpnn_network import MessagePassing

    weights = random_weights(64, 4, 3)
    network = MessagePassing(64, 4, 0.0)
    network.flat.assign(np.concatenate([weights[name].reshape(-1) for name in network.shapes]))
    batch = make_batch(graphs)
    targets = np.random.default_rng(0).normal(size=len(graphs)).astype(np.float32)
    with tf.GradientTape() as tape:
        predicted = network(batch)
        loss = tf.reduce_mean(tf.square(predicted - targets[:, None]))
    expected = predicted.numpy()[:, 0]
    assert np.abs(predict_scaled([weights], 4, graphs)[0] - expected).max() < 1e-4 * np.abs(expected).max()
    gradients = {name: np.zeros_like(array) for name, array in weights.items()}
    wired = WiredMolecules(graphs).batch(np.arange(len(graphs)))
    found = Differentiator(weights, gradients, 4, 0.0).loss(wired, targets, np.random.default_rng(0))
    assert found == pytest.approx(float(loss), rel=1e-4)
    slopes = tape.gradient(loss, network.flat).numpy()
    ends = np.cumsum([0, *(gradients[name].size for name in network.shapes)])
    for name, (start, stop) in zip(network.shapes, pairwise(ends), strict=True):
        scale = np.abs(slopes[start:stop]).max()
        assert np.abs(gradients[name].reshape(-1) - slopes[start:stop]).max() < 1e-3 * scale, name
