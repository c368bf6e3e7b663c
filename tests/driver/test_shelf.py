"""Models and predictions on disk."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.learning import ModelArtifact, ModelVersion, TrainedModel
from scoutbee.driver.shelf import DamagedPredictionsError, RunShelf
from scoutbee.testing.depot import MemoryShelf

VERSION = ModelVersion(3, 1)
MODEL = TrainedModel(VERSION, ModelArtifact('parabola', {'a': 1}, {'weights': np.arange(3.0)}, {'loss': 0.5}))


@pytest.fixture(params=[RunShelf, MemoryShelf])
def shelf(request, tmp_path):
    return request.param(tmp_path) if request.param is RunShelf else request.param()


class TestEveryShelf:
    def test_a_model_comes_back(self, shelf):
        loaded = shelf.load(VERSION, shelf.save(MODEL))
        assert loaded.version == VERSION
        assert loaded.artifact.config == {'a': 1}
        assert loaded.artifact.arrays['weights'].tolist() == [0, 1, 2]

    def test_predictions_of_any_chunk_come_back_in_any_order(self, shelf):
        chunks = [np.full(n + 1, n, dtype='f4') for n in range(4)]
        places = [shelf.keep(VERSION, chunk) for chunk in chunks]
        for chunk, place in reversed(list(zip(chunks, places, strict=True))):
            assert np.array_equal(shelf.fetch(*place), chunk)

    def test_what_is_not_there_is_refused(self, shelf):
        with pytest.raises(ConfigurationError):
            shelf.load(VERSION, 'models/g3m1.npz')
        file, offset = shelf.keep(VERSION, np.zeros(2))
        with pytest.raises((DamagedPredictionsError, ConfigurationError), match='predictions'):
            shelf.fetch(file, offset + 1000)
        with pytest.raises((DamagedPredictionsError, ConfigurationError), match='predictions'):
            shelf.fetch('predictions/g9m9.npy', 0)

    def test_only_older_models_of_the_same_member_are_discarded(self, shelf):
        versions = [ModelVersion(1, 0), ModelVersion(2, 0), ModelVersion(3, 0), ModelVersion(1, 1)]
        places = {version: shelf.keep(version, np.zeros(1)) for version in versions}
        shelf.discard_predictions([ModelVersion(2, 0)])
        with pytest.raises((DamagedPredictionsError, ConfigurationError)):
            shelf.fetch(*places[ModelVersion(1, 0)])
        for version in versions[1:]:
            assert shelf.fetch(*places[version]).shape == (1,)


def test_what_a_crash_left_between_two_chunks_is_skipped(tmp_path):
    shelf = RunShelf(tmp_path)
    first = shelf.keep(VERSION, np.arange(5.0))
    with (tmp_path / first[0]).open('ab') as file:
        file.write(b'\x93NUMPY half of a chu')
    second = RunShelf(tmp_path).keep(VERSION, np.arange(7.0))
    assert shelf.fetch(*first).tolist() == list(range(5))
    assert shelf.fetch(*second).tolist() == list(range(7))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=arrays.arrays(st.sampled_from(['f4', 'f8', 'i8']), st.integers(0, 20)), data=st.data())
def test_damage_is_noticed_wherever_it_is(tmp_path_factory, values, data):
    run_dir = tmp_path_factory.mktemp('run')
    shelf = RunShelf(run_dir)
    file, offset = shelf.keep(VERSION, values)
    content = bytearray((run_dir / file).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    assert np.load(io.BytesIO(content[offset:])).tobytes() == values.tobytes()
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    (run_dir / file).write_bytes(content)
    with pytest.raises(DamagedPredictionsError):
        shelf.fetch(file, offset)


def test_python_objects_are_not_kept(tmp_path):
    with pytest.raises(ValueError, match='Object arrays'):
        RunShelf(tmp_path).keep(VERSION, np.array([{}], dtype=object))


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    shelf = RunShelf(tmp_path)
    shelf.keep(ModelVersion(1, 1), np.zeros(1))
    (tmp_path / 'predictions' / 'notes.npy').write_bytes(b'mine')
    shelf.discard_predictions([VERSION])
    assert [path.name for path in (tmp_path / 'predictions').iterdir()] == ['notes.npy']


def test_a_run_without_predictions_has_nothing_to_discard(tmp_path):
    RunShelf(tmp_path).discard_predictions([VERSION])
    assert list(tmp_path.iterdir()) == []
