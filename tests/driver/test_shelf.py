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
        places = [shelf.keep(3, chunk) for chunk in chunks]
        for chunk, place in reversed(list(zip(chunks, places, strict=True))):
            assert np.array_equal(shelf.fetch(*place), chunk)

    def test_what_is_not_there_is_refused(self, shelf):
        with pytest.raises(ConfigurationError):
            shelf.load(VERSION, 'models/g3m1.npz')
        file, offset = shelf.keep(3, np.zeros(2))
        with pytest.raises((DamagedPredictionsError, ConfigurationError), match='predictions'):
            shelf.fetch(file, offset + 1000)
        with pytest.raises((DamagedPredictionsError, ConfigurationError), match='predictions'):
            shelf.fetch('predictions/g9.npy', 0)

    def test_only_generations_that_have_no_say_any_more_are_discarded(self, shelf):
        places = {generation: shelf.keep(generation, np.zeros((2, 1))) for generation in range(5)}
        shelf.discard_predictions([ModelVersion(1, 1), ModelVersion(3, 0)])
        for generation in (0, 2):
            with pytest.raises((DamagedPredictionsError, ConfigurationError)):
                shelf.fetch(*places[generation])
        for generation in (1, 3, 4):
            assert shelf.fetch(*places[generation]).shape == (2, 1)


def test_what_a_crash_left_between_two_chunks_is_skipped(tmp_path):
    shelf = RunShelf(tmp_path)
    first = shelf.keep(3, np.arange(5.0))
    with (tmp_path / first[0]).open('ab') as file:
        file.write(b'\x93NUMPY half of a chu')
    second = RunShelf(tmp_path).keep(3, np.arange(7.0))
    assert shelf.fetch(*first).tolist() == list(range(5))
    assert shelf.fetch(*second).tolist() == list(range(7))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=arrays.arrays(st.sampled_from(['f4', 'f8', 'i8']), st.integers(0, 20)), data=st.data())
def test_damage_is_noticed_wherever_it_is(tmp_path_factory, values, data):
    run_dir = tmp_path_factory.mktemp('run')
    shelf = RunShelf(run_dir)
    file, offset = shelf.keep(3, values)
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
        RunShelf(tmp_path).keep(3, np.array([{}], dtype=object))


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    shelf = RunShelf(tmp_path)
    shelf.keep(1, np.zeros(1))
    (tmp_path / 'predictions' / 'notes.npy').write_bytes(b'mine')
    shelf.discard_predictions([VERSION])
    assert [path.name for path in (tmp_path / 'predictions').iterdir()] == ['notes.npy']


def test_a_run_without_predictions_has_nothing_to_discard(tmp_path):
    RunShelf(tmp_path).discard_predictions([VERSION])
    assert list(tmp_path.iterdir()) == []
