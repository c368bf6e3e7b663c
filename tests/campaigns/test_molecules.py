"""The molecules campaign: from two files to candidates, with everything that is wrong in them accounted for."""

import gzip
import itertools
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from scoutbee.campaigns.molecules import VALUE_COLUMNS
from scoutbee.campaigns.options import LearningOptions, MoleculesOptions
from scoutbee.campaigns.registry import make_campaign
from scoutbee.contracts.campaign import Adjustable, Snapshot
from scoutbee.contracts.errors import ConfigurationError, TaskError
from scoutbee.contracts.learning import ModelVersion, Predictions
from scoutbee.contracts.policy import Policy
from scoutbee.models.artifacts import save_artifact
from scoutbee.models.registry import make_surrogate
from scoutbee.models.surrogate import TrainingData
from scoutbee.testing.inline import run_inline
from scoutbee.traces.reader import read
from scoutbee.traces.records import SimulationRecord

SPACE = ['CCO', 'c1ccccc1', 'CCN', 'O', 'CC(=O)O', 'C1CC1']
FAST = LearningOptions(surrogate='fingerprint', model_count=2, minimum_observations=2, candidates_per_task=4)


@pytest.fixture
def make(tmp_path):
    def make(space=SPACE, known=None, learning=FAST, **options):
        path = tmp_path / 'space.smi.gz'
        path.write_bytes(gzip.compress('\n'.join(space).encode()))
        training_set = None
        if known is not None:
            training_set = tmp_path / 'known.csv'
            training_set.write_text(known)
        told = []
        options = MoleculesOptions(search_space=path, training_set=training_set, learning=learning, **options)
        return make_campaign('molecules', options, tmp_path / 'cache', told.append), told

    return make


def test_without_training_set_everything_is_a_seed(make):
    campaign, told = make()
    assert sorted(c.key for c in campaign.seeds()) == sorted(SPACE)
    assert campaign.training_round(Snapshot()) is None
    assert len(campaign.reference_values) == 0
    assert told == [told[0]]
    assert '6 molecules' in told[0]


def test_what_the_training_set_knows_is_learned_and_not_simulated_again(make):
    campaign, _ = make(known='smiles,ip_adiabatic_ev\nCCO,14.4\nCCCC,13.0\nO,18.1\n')
    assert campaign.reference_values.tolist() == [14.4, 13.0, 18.1]
    assert {c.key for c in campaign.seeds()} == set(SPACE) - {'CCO', 'O'}
    plan = campaign.training_round(Snapshot())
    tasks = campaign.tasks()
    artifact = tasks['train'](plan.data, *plan.requests[0].args)
    arrays = tuple(tasks['infer']([artifact], chunk.data)[0] for chunk in campaign.chunks())
    assert [len(array) for array in arrays] == [4, 2]
    ranking = campaign.rank(Predictions((ModelVersion(1, 0),), (arrays,)), Snapshot(), 1)
    assert {c.key for c in ranking.candidates} == set(SPACE) - {'CCO', 'O'}


def test_what_chemistry_refuses_is_skipped_told_and_written_down(make):
    space = ['CCO', 'C1CC', 'CCN', 'F(C)(C)C', 'O']
    campaign, told = make(space, known='smiles,ip_adiabatic_ev\nCCO,14.4\nC1CC,13.0\nc1cc,9\n')
    assert campaign.reference_values.tolist() == [14.4]
    assert sorted(c.key for c in campaign.seeds()) == ['CCN', 'O']
    assert [(c.row, c.args) for c in campaign.seeds() if c.key == 'O'] == [(4, ('O',))]
    assert 'search_space: 3 molecules' in told[0]
    assert '2 lines' in told[1]
    path = told[1].split(' listed in ')[1].rstrip('.')
    with open(path) as file:
        assert [line.split(',')[0] for line in file] == ['line', '2', '4']
    assert 'training_set: 1 molecules' in told[2]
    again, told_again = make(space, known='smiles,ip_adiabatic_ev\nCCO,14.4\nC1CC,13.0\nc1cc,9\n')
    assert told_again == told  # What is wrong is cached with the features.
    assert again.space.excluded.tolist() == campaign.space.excluded.tolist()


def test_features_of_clean_rows_do_not_depend_on_bad_ones(make):
    dirty, _ = make(['CCO', 'C1CC', 'CCN'])
    clean, _ = make(['CCO', 'CCN'])
    rows = np.array([0, 2])
    for name, array in dirty.space.features.take(rows).arrays().items():
        np.testing.assert_array_equal(array, clean.space.features.arrays()[name])


def test_a_space_without_a_molecule_is_refused(make):
    with pytest.raises(ConfigurationError, match=r'search_space: .*at least one molecule.*2 not a molecule'):
        make(['C1CC', 'c1cc'])
    with pytest.raises(ConfigurationError, match=r'search_space: .* not known yet'):
        make(['CCO'], known='smiles,ip_adiabatic_ev\nCCO,14.4\n')


@pytest.mark.parametrize(('specification', 'column'), VALUE_COLUMNS.items())
def test_known_values_are_those_of_the_specification(make, specification, column):
    table = f'smiles,{column},other\nCCO,14.4,1\nCCCC,13.0,1\n'
    campaign, _ = make(known=table, qc_specification=specification)
    assert campaign.reference_values.tolist() == [14.4, 13.0]
    assert campaign.tasks()['simulate'].keywords['specification'] == specification
    kind, method = campaign.objective.name.split()[0], campaign.objective.name.split('(')[1]
    assert kind in column
    assert ('IPEA1' in method) == ('ipea1' in column)


def test_known_values_of_another_specification_are_refused(make):
    with pytest.raises(ConfigurationError, match=r'training_set: expected a column ip_vertical_ev .* ip_adiabatic_ev'):
        make(known='smiles,ip_adiabatic_ev\nCCO,14.4\n', qc_specification='xtb-vertical')
    campaign, _ = make(known='smiles,mine\nCCO,14.4\n', value_column='mine')
    assert campaign.reference_values.tolist() == [14.4]
    with pytest.raises(ConfigurationError, match=r'in eV.*from -1 to 0.52'):
        make(known='smiles,ip_adiabatic_ev\nCCO,0.52\nO,-1\n')


def test_the_simulation_can_travel_and_its_result_is_read(make):
    campaign, _ = make(max_steps=7, conformer_seed=3)
    simulate = pickle.loads(pickle.dumps(campaign.tasks()['simulate']))
    assert simulate.keywords == {'specification': 'xtb', 'seed': 3, 'max_steps': 7}
    candidate = next(campaign.seeds())
    assert json.loads(json.dumps(candidate.args)) == [candidate.key]
    observation = campaign.read(candidate, {'ip_ev': 14.5, 'more': 1})
    assert (observation.value, observation.record['more']) == (14.5, 1)
    assert campaign.objective.is_found(observation.value)
    for ip in (None, float('nan'), float('-inf')):
        with pytest.raises(TaskError, match='ip_ev'):
            campaign.read(candidate, {'ip_ev': ip})


@pytest.fixture
def trained():
    """A model that was trained on three molecules."""
    surrogate = make_surrogate('fingerprint', {'processes': 1})
    data = TrainingData(surrogate.featurizer.featurize(['CCO', 'O', 'N']), np.array([14.0, 18.0, 15.0]))
    return surrogate.train(data, member=0, seed=1)


def test_saved_models_rank_at_once(make, tmp_path, trained):
    for member in range(3):
        model = replace(trained, metrics={'member': member})
        save_artifact(tmp_path / 'models' / f'g1m{member}.npz', model)
    campaign, told = make(models=tmp_path / 'models')
    assert [artifact.metrics['member'] for artifact in campaign.initial_models()] == [0, 1]
    assert 'holds 3 models and model_count is 2; 2 are used' in told[0]
    assert not list(campaign.seeds())
    with pytest.raises(ConfigurationError, match='mpnn'):
        make(models=tmp_path / 'models', learning=LearningOptions(surrogate='mpnn'))


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda m: replace(m, surrogate='mpnn'), "surrogate 'fingerprint'"),
        (lambda m: replace(m, arrays={'intercept': m.arrays['intercept']}), 'arrays'),
        (lambda m: replace(m, config={'settings': {'radius': 3}}), 'fingerprint-r2'),
        (lambda m: replace(m, config={'settings': {'radius': 99}}), 'radius'),
        (lambda m: replace(m, config={'settings': {'colour': 1}}), 'colour'),
        (lambda m: replace(m, config={'settings': [1]}), 'not a Scoutbee model'),
    ],
)
def test_a_saved_model_that_does_not_fit_is_refused_at_the_start_by_name(make, tmp_path, trained, change, said):
    save_artifact(tmp_path / 'odd.npz', change(trained))
    with pytest.raises(ConfigurationError, match=r'odd\.npz') as refusal:
        make(models=tmp_path / 'odd.npz')
    assert said in str(refusal.value)


@pytest.mark.slow
def test_bad_molecules_among_many_are_found_by_several_processes(make):
    space = [''.join(atoms) for atoms in itertools.islice(itertools.product('CNO', repeat=9), 8_500)]
    for row in (0, 2_000, 8_499):
        space[row] = 'C1' + space[row]
    learning = LearningOptions(surrogate='mpnn')
    campaign, told = make(space, learning=learning)
    assert campaign.space.unusable.tolist() == [0, 2_000, 8_499]
    assert told[0].startswith('Features: computing those of 8,500')
    assert not [sentence for sentence in make(space, learning=learning)[1] if sentence.startswith('Features')]


def test_what_does_not_converge_is_tried_with_more_effort(make):
    campaign, _ = make(['CCO'])
    assert isinstance(campaign, Adjustable)
    candidate = next(campaign.seeds())
    first = campaign.adjust(candidate, 1)
    second = campaign.adjust(first, 2)
    assert [first.args, second.args] == [('CCO', 'careful'), ('CCO', 'conformer')]
    assert replace(second, args=candidate.args) == candidate
    assert campaign.adjust(second, 3) is None


@pytest.mark.slow
def test_a_molecule_that_does_not_converge_at_first_is_found_out_all_the_same(make, tmp_path):
    campaign, _ = make(['CCO'], max_steps=3)
    run = run_inline(campaign, Policy(search_size=1, simulation_retries=0), tmp_path / 'run', workers=1)
    assert run.outcome.status == 'completed'
    failed, observed = read(tmp_path / 'run', SimulationRecord)
    assert (failed.outcome, failed.failure.kind, failed.failure.error) == ('retried', 'convergence', 'RelaxationError')
    assert (observed.outcome, observed.args) == ('observed', ['CCO', 'careful'])
    assert observed.value == pytest.approx(14.45, abs=0.01)
    assert (observed.output['effort'], observed.output['max_steps']) == ('careful', 30)


@pytest.mark.slow
def test_a_real_molecule_is_simulated_and_read(make):
    campaign, _ = make(['O'])
    candidate = next(campaign.seeds())
    observation = campaign.read(candidate, campaign.tasks()['simulate'](*candidate.args))
    assert observation.value == pytest.approx(18.15, abs=0.1)
