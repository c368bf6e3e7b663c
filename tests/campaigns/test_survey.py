"""What is told of a search space before its features are made."""

from __future__ import annotations

import gzip

import pytest

from scoutbee.campaigns import survey as module
from scoutbee.campaigns.molecule_space import read_molecule_space
from scoutbee.campaigns.survey import Survey, survey_molecules
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.models.registry import make_surrogate

FEATURIZER = make_surrogate('fingerprint').featurizer
COLUMN = 'ip_adiabatic_ev'


@pytest.fixture
def files(tmp_path):
    space, known = tmp_path / 'space.smi.gz', tmp_path / 'known.csv'
    space.write_bytes(gzip.compress(b'# some\nCCO\nCCN\nCCO\nnot a molecule\n\nc1ccccc1\nXx\n'))
    known.write_text(f'smiles,{COLUMN}\nCCO,14.4\nCCCC,13.0\n')
    return space, known


def test_a_small_space_is_read(files, tmp_path):
    found = survey_molecules(*files, COLUMN, FEATURIZER, tmp_path / 'cache')
    # CCO, CCN, benzene, and two that only look like molecules, which is seen later.
    assert found == Survey(candidates=5, known=2, feature_bytes=None)
    assert not (tmp_path / 'cache').exists()


def test_the_features_in_the_cache_are_weighed(files, tmp_path):
    space, _ = read_molecule_space(*files, COLUMN, FEATURIZER, tmp_path / 'cache', lambda sentence: None)
    weight = sum(array.nbytes for array in space.features.arrays().values()) / len(space.features)
    found = survey_molecules(*files, COLUMN, FEATURIZER, tmp_path / 'cache')
    assert found.feature_bytes == pytest.approx(weight, rel=0.05)
    assert found.candidates == space.size
    assert survey_molecules(files[0], None, COLUMN, FEATURIZER, tmp_path / 'cache').feature_bytes is None


def test_a_damaged_cache_tells_nothing(files, tmp_path):
    read_molecule_space(*files, COLUMN, FEATURIZER, tmp_path / 'cache', lambda sentence: None)
    (manifest,) = (tmp_path / 'cache').rglob('manifest.json')
    for text in ('', '[]', '{"arrays": 3}', '{"arrays": {"a": {}}}'):
        manifest.write_text(text)
        assert survey_molecules(*files, COLUMN, FEATURIZER, tmp_path / 'cache').feature_bytes is None


def test_the_lines_of_a_large_space_are_only_counted(files, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'READ_UP_TO', 5)
    assert survey_molecules(*files, COLUMN, FEATURIZER, tmp_path / 'cache') == Survey(8, 2, None, is_read=False)


def test_a_file_that_cannot_be_used_is_refused(files, tmp_path):
    with pytest.raises(ConfigurationError, match='training_set: expected a column other'):
        survey_molecules(*files, 'other', FEATURIZER, tmp_path / 'cache')
