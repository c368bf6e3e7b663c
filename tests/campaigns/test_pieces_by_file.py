"""Workers that see the cache are told rows of its files, and get the same features."""

import pickle

import numpy as np
import pytest

from scoutbee.campaigns.molecules import make_molecules
from scoutbee.campaigns.options import LearningOptions, MoleculesOptions
from scoutbee.fabric.sites import Site, load_site


@pytest.fixture
def chunks(tmp_path):
    """Makes the chunks of a small campaign."""
    (tmp_path / 'space.smi').write_text('\n'.join(f'{"C" * size}O' for size in range(1, 12)) + '\nnot a molecule\n')

    def make(surrogate, by_file):
        learning = LearningOptions(surrogate=surrogate, candidates_per_task=5, features_by_file=by_file)
        options = MoleculesOptions(search_space=tmp_path / 'space.smi', learning=learning)
        return make_molecules(options, tmp_path / 'cache', lambda sentence: None).chunks()

    return make


def unpacked(chunk):
    """The arrays that a worker gets; offsets as sizes, since they may begin anywhere."""
    arrays = pickle.loads(pickle.dumps(chunk.data)).arrays()
    return {name: np.diff(array) if 'offsets' in name else array for name, array in arrays.items()}


@pytest.mark.parametrize('surrogate', ['mpnn', 'fingerprint'])
def test_what_a_worker_unpacks_is_the_same(chunks, surrogate):
    sent, told = chunks(surrogate, by_file=False), chunks(surrogate, by_file=True)
    for one, other in zip(sent, told, strict=True):
        assert (one.index, one.size) == (other.index, other.size)
        expected, came = (unpacked(chunk) for chunk in (one, other))
        for name, array in expected.items():
            np.testing.assert_array_equal(came[name], array)


def with_learners(**fields):
    learners = {'kinds': ['train', 'infer'], **fields.pop('learners', {})}
    return Site.model_validate(
        {'name': 'there', 'executors': {'cpu': {'kinds': ['simulate']}, 'learn': learners}, **fields}
    )


def test_only_workers_on_the_machine_of_the_driver_are_told_files():
    slurm = {'type': 'slurm', 'walltime': '01:00:00'}
    container = {'launch_prefix': 'apptainer exec image.sif'}
    assert load_site('local').sees_driver_files('infer')
    assert with_learners(engine='local').sees_driver_files('infer')
    assert not with_learners(engine='parsl', learners=container).sees_driver_files('infer')
    assert not with_learners(engine='parsl', learners={'provider': slurm}).sees_driver_files('infer')
    assert not with_learners(engine='globus').sees_driver_files('infer')
