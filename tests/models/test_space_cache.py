import shutil
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from scoutbee.contracts.errors import ConfigurationError, InputTaskError
from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.space_cache import cached_features, content_hash
from scoutbee.models.surrogate import silent


@dataclass
class Lengths:
    """Features of a text: its length."""

    values: np.ndarray

    def __len__(self):
        return len(self.values)

    def take(self, rows):
        return Lengths(self.values[rows])

    def arrays(self):
        return {'values': self.values}


@dataclass
class LengthFeaturizer:
    name: str = 'lengths-1'
    calls: list = field(default_factory=list)

    def featurize(self, inputs, progress=silent):
        self.calls.append(len(inputs))
        if '' in inputs:
            raise InputTaskError('empty')
        return Lengths(np.array([len(text) for text in inputs]))

    def restore(self, arrays):
        return Lengths(arrays['values'])


INPUTS = ['a', 'bcd', 'ef']


def test_the_second_time_nothing_is_computed(tmp_path):
    featurizer = LengthFeaturizer()
    for _ in range(2):
        assert cached_features(featurizer, INPUTS, tmp_path).values.tolist() == [1, 3, 2]
    assert featurizer.calls == [3]


def test_restored_arrays_are_memory_maps(tmp_path):
    features = cached_features(LengthFeaturizer(), INPUTS, tmp_path)
    assert isinstance(features.values, np.memmap)


@pytest.mark.parametrize(
    'other', [['a', 'bc', 'def'], ['bcd', 'a', 'ef'], ['a', 'bcd'], ['abcd', '', 'ef'][::2], ['a1:b']]
)
def test_other_inputs_are_another_entry(other):
    assert content_hash(LengthFeaturizer(), INPUTS) != content_hash(LengthFeaturizer(), other)
    assert content_hash(LengthFeaturizer(), INPUTS) != content_hash(LengthFeaturizer('lengths-2'), INPUTS)


def test_names_of_featurizers_cannot_leave_the_folder(tmp_path):
    cached_features(LengthFeaturizer('../up/and away'), INPUTS, tmp_path / 'cache')
    assert [path.name for path in tmp_path.iterdir()] == ['cache']


def damage_cut(entry):
    array = next(entry.glob('*.npy'))
    array.write_bytes(array.read_bytes()[:-3])


def damage_flip(entry):
    array = next(entry.glob('*.npy'))
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)


def damage_manifest(entry):
    (entry / 'manifest.json').write_text('{"arrays": 3')


def damage_missing(entry):
    next(entry.glob('*.npy')).unlink()


def damage_empty(entry):
    shutil.rmtree(entry)
    entry.mkdir()


@pytest.mark.parametrize('damage', [damage_cut, damage_flip, damage_manifest, damage_missing, damage_empty])
def test_a_damaged_entry_is_made_again(tmp_path, damage):
    featurizer = LengthFeaturizer()
    cached_features(featurizer, INPUTS, tmp_path)
    entry = tmp_path / content_hash(featurizer, INPUTS)
    damage(entry)
    for _ in range(2):
        assert cached_features(featurizer, INPUTS, tmp_path).values.tolist() == [1, 3, 2]
    assert featurizer.calls == [3, 3]
    assert [path.name for path in tmp_path.iterdir()] == [entry.name]


def test_many_at_once_get_the_same(tmp_path):
    together = threading.Barrier(6)
    results = []

    class Slow(LengthFeaturizer):
        def featurize(self, inputs, progress=silent):
            together.wait(30)
            return super().featurize(inputs)

    def work():
        results.append(cached_features(Slow(), INPUTS, tmp_path).values.tolist())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[1, 3, 2]] * 6
    assert len(list(tmp_path.iterdir())) == 1


def test_inputs_without_features_leave_nothing_behind(tmp_path):
    with pytest.raises(InputTaskError):
        cached_features(LengthFeaturizer(), ['a', ''], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / 'cache').write_text('')
    with pytest.raises(ConfigurationError, match='cache'):
        cached_features(LengthFeaturizer(), INPUTS, tmp_path / 'cache')


def test_graphs_report_progress_and_come_back(tmp_path):
    told = []
    smiles = ['CCO', 'C', 'c1ccccc1'] * 700
    first = cached_features(GraphFeaturizer(), smiles, tmp_path, lambda *seen: told.append(seen))
    second = cached_features(GraphFeaturizer(), smiles, tmp_path, lambda *seen: told.append(seen))
    assert told[0] == (0, 2100)
    assert (2000, 2100) in told
    assert told[-2:] == [(2100, 2100)] * 2
    for name, array in first.arrays().items():
        assert np.array_equal(array, second.arrays()[name])


def test_no_inputs_are_no_features(tmp_path):
    for _ in range(2):
        assert len(cached_features(GraphFeaturizer(), [], tmp_path)) == 0
