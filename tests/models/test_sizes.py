"""What features and models are said to weigh, against what they weigh."""

from __future__ import annotations

import gzip
import itertools
import pickle

import numpy as np
import pytest

from scoutbee import data
from scoutbee.contracts.learning import ModelArtifact
from scoutbee.models.mpnn_weights import initial_weights
from scoutbee.models.registry import SURROGATES, make_surrogate
from scoutbee.models.sizes import TYPICAL_FEATURE_BYTES, model_bytes
from scoutbee.models.surrogate import TrainingData

OVERHEAD = 3_000
"""Names, settings and metrics of a model; its arrays are what is computed."""


def molecules(count: int) -> list[str]:
    with gzip.open(data.path('moses-20k.smi.gz'), 'rt') as file:
        return [line.split()[0] for line in itertools.islice(file, count)]


def weight(model: ModelArtifact) -> int:
    return len(pickle.dumps(model, protocol=5))


@pytest.mark.parametrize('surrogate', sorted(TYPICAL_FEATURE_BYTES))
def test_typical_features_weigh_what_is_said(surrogate):
    features = make_surrogate(surrogate).featurizer.featurize(molecules(1_000))
    assert len(pickle.dumps(features, protocol=5)) / 1_000 == pytest.approx(TYPICAL_FEATURE_BYTES[surrogate], rel=0.05)


def test_a_fingerprint_model_weighs_what_is_said():
    surrogate = make_surrogate('fingerprint')
    smiles = molecules(40)
    known = TrainingData(surrogate.featurizer.featurize(smiles), np.linspace(11.0, 14.0, len(smiles)))
    model = surrogate.train(known, member=1, seed=0)
    assert 0 < weight(model) - model_bytes('fingerprint', {}, len(smiles)) < OVERHEAD


def test_a_model_of_environments_weighs_about_what_is_said():
    surrogate = make_surrogate('environments')
    smiles = molecules(400)
    known = TrainingData(surrogate.featurizer.featurize(smiles), np.linspace(11.0, 14.0, len(smiles)))
    model = surrogate.train(known, member=1, seed=0)
    assert weight(model) == pytest.approx(model_bytes('environments', {}, len(smiles)), rel=0.25)


@pytest.mark.parametrize(('points', 'coordinates'), [(20, 2), (300, 4)])
def test_a_gaussian_process_weighs_what_is_said(points, coordinates):
    settings = {'restarts': 0, 'fit_size': 20}
    surrogate = make_surrogate('gaussian_process', settings)
    drawn = np.random.default_rng(0).normal(size=(points, coordinates))
    known = TrainingData(surrogate.featurizer.featurize(drawn.tolist()), drawn.sum(axis=1))
    model = surrogate.train(known, member=1, seed=0)
    assert 0 < weight(model) - model_bytes('gaussian_process', settings, points, coordinates) < OVERHEAD


@pytest.mark.parametrize(('width', 'steps'), [(64, 4), (32, 2)])
def test_a_network_weighs_what_is_said(width, steps):
    weights = initial_weights(width, steps, np.random.default_rng(0))
    model = ModelArtifact('mpnn', {}, {**weights, 'target_scale': np.zeros(2)})
    assert 0 < weight(model) - model_bytes('mpnn', {'width': width, 'steps': steps}, 100) < OVERHEAD


def test_every_surrogate_can_be_weighed():
    assert all(model_bytes(name, {}, observations=10, coordinates=2) > 0 for name in SURROGATES)
