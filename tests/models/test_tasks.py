import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from proxystore.proxy import Proxy

from scoutbee.contracts.errors import ConfigurationError, InputTaskError, TaskError
from scoutbee.contracts.learning import ModelArtifact
from scoutbee.models import registry
from scoutbee.models.registry import known_settings, make_surrogate
from scoutbee.models.surrogate import TrainingData
from scoutbee.models.tasks import infer, train


@dataclass(frozen=True)
class Rows:
    """Plain numbers as features."""

    x: np.ndarray

    def __len__(self):
        return len(self.x)


@dataclass(frozen=True)
class Mean:
    """A surrogate that knows no better than the mean, plus a shift."""

    shift: float = 0.0

    def __post_init__(self):
        if self.shift < 0:
            raise ValueError('shift must not be negative')

    def train(self, data, *, member, seed, previous=None):
        assert type(data) is TrainingData
        assert previous is None or type(previous) is ModelArtifact
        start = 0.0 if previous is None else float(previous.arrays['mean'][0])
        value = data.values.mean() + start + member + seed
        return ModelArtifact('mean', {'settings': {'shift': self.shift}}, {'mean': np.array([value])})

    def predict(self, artifacts, features):
        assert type(features) is Rows
        means = np.array([artifact.arrays['mean'][0] for artifact in artifacts])
        predicted = np.where(np.isfinite(features.x), 0.0, np.nan) + means[:, np.newaxis] + self.shift
        return predicted[:, :-1] if self.shift == 99 else predicted


@pytest.fixture(autouse=True)
def _mean_is_registered(monkeypatch):
    classes = {'mean': Mean}
    found = registry.surrogate_class
    monkeypatch.setattr(registry, 'surrogate_class', lambda name: classes.get(name) or found(name))


DATA = TrainingData(Rows(np.arange(3.0)), np.array([1.0, 2.0, 3.0]))


def test_training_and_inference_follow_the_artifact():
    artifact = train(DATA, 'mean', {'shift': 2.0}, 1, 10, None)
    assert artifact.arrays['mean'] == 13.0
    predicted = infer([artifact], Rows(np.zeros(4)))
    assert predicted.dtype == np.float32
    assert predicted.tolist() == [[15.0] * 4]
    assert train(DATA, 'mean', {}, 0, 0, artifact).arrays['mean'] == 15.0


def test_proxies_stand_for_what_they_resolve_to():
    previous = train(DATA, 'mean', {}, 0, 0)
    artifact = train(Proxy(lambda: DATA), 'mean', Proxy(lambda: {'shift': 1.0}), 0, 0, Proxy(lambda: previous))
    assert artifact.arrays['mean'] == 4.0
    assert infer([Proxy(lambda: artifact)], Proxy(lambda: Rows(np.zeros(2)))).tolist() == [[5.0, 5.0]]
    assert pickle.loads(pickle.dumps(artifact)).config == {'settings': {'shift': 1.0}}


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_predictions_that_are_not_finite_are_refused_and_the_row_named(bad):
    artifact = train(DATA, 'mean', {}, 0, 0)
    broken = replace(artifact, arrays={'mean': np.array([bad])})
    with pytest.raises(InputTaskError, match='row 1 of the chunk by model 1 of 1'):
        infer([artifact], Rows(np.array([0.0, bad, 0.0])))
    with pytest.raises(InputTaskError, match=r'got 2 of 4 .* row 0 of the chunk by model 2 of 2'):
        infer([artifact, broken], Rows(np.zeros(2)))


def test_predictions_for_other_candidates_are_refused():
    with pytest.raises(TaskError, match='shape'):
        infer([train(DATA, 'mean', {'shift': 99}, 0, 0)], Rows(np.zeros(3)))


def test_models_with_other_settings_are_asked_together_and_those_of_other_surrogates_are_not():
    models = [train(DATA, 'mean', {'shift': shift}, member, 0) for member, shift in enumerate((0.0, 7.0, 0.0, 1.0))]
    assert infer(models, Rows(np.zeros(2))).tolist() == [[value] * 2 for value in (2.0, 10.0, 4.0, 6.0)]
    with pytest.raises(InputTaskError, match=r"of one surrogate to ask together, got \['mean', 'mpnn'\]"):
        infer([*models, replace(models[0], surrogate='mpnn')], Rows(np.zeros(2)))
    with pytest.raises(InputTaskError, match='got no model'):
        infer([], Rows(np.zeros(2)))


def test_unknown_surrogates_and_settings_are_named_with_what_is_known():
    with pytest.raises(ConfigurationError, match='mpnn'):
        make_surrogate('mpm')
    with pytest.raises(ConfigurationError, match=r"'shfit'.*shift"):
        make_surrogate('mean', {'shfit': 1})
    with pytest.raises(ConfigurationError, match='negative'):
        make_surrogate('mean', {'shift': -1})
    with pytest.raises(ConfigurationError, match=r'width.*got .wide'):
        make_surrogate('mpnn', {'width': 'wide'})
    assert {'width', 'steps', 'learning_rate', 'num_epochs'} <= set(known_settings('mpnn'))


@pytest.mark.parametrize('name', registry.SURROGATES)
def test_every_registered_surrogate_builds_from_its_defaults(name):
    assert make_surrogate(name).name == name
    assert make_surrogate(name).featurizer.name


@pytest.mark.parametrize(
    ('values', 'said'),
    [([1.0], 'one value for each'), ([1.0, np.nan, 2.0], '1 of 3'), ([1.0, np.inf, np.nan], '2 of 3')],
)
def test_training_data_that_cannot_be_learned_from_is_refused(values, said):
    with pytest.raises(InputTaskError, match=said):
        TrainingData(Rows(np.zeros(3)), np.array(values))
    with pytest.raises(InputTaskError, match='at least one'):
        TrainingData(Rows(np.zeros(0)), np.zeros(0))
