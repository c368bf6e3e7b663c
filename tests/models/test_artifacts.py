import contextlib
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.learning import ModelArtifact, ModelVersion
from scoutbee.models.artifacts import artifact_file_name, load_artifact, load_ensemble, save_artifact


def model(value=1.0, surrogate='mpnn'):
    arrays = {
        'file': np.full((2, 3), value),
        'a/b': np.arange(4, dtype=np.int16),
        'empty': np.empty((0, 2), np.float32),
    }
    return ModelArtifact(surrogate, {'settings': {'width': 8}}, arrays, {'seconds': 1.5})


def same(one, other):
    return (
        (one.surrogate, one.config, one.metrics) == (other.surrogate, other.config, other.metrics)
        and list(one.arrays) == list(other.arrays)
        and all(one.arrays[n].dtype == other.arrays[n].dtype for n in one.arrays)
        and all(np.array_equal(one.arrays[n], other.arrays[n]) for n in one.arrays)
    )


def test_a_model_comes_back_as_it_was_saved(tmp_path):
    save_artifact(tmp_path / 'deep' / 'model.npz', model())
    assert same(load_artifact(tmp_path / 'deep' / 'model.npz', 'mpnn'), model())


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / 'model.npz'
    save_artifact(path, model(1.0))
    save_artifact(path, model(2.0))
    assert same(load_artifact(path), model(2.0))
    assert [file.name for file in tmp_path.iterdir()] == ['model.npz']


@pytest.mark.parametrize(
    ('artifact', 'said'),
    [
        (ModelArtifact('mpnn', {'settings': object()}, {}), 'plain data'),
        (ModelArtifact('mpnn', {}, {'odd': np.array([object()])}), 'odd'),
    ],
)
def test_what_is_not_plain_data_is_refused_and_nothing_is_written(tmp_path, artifact, said):
    with pytest.raises(ConfigurationError, match=said):
        save_artifact(tmp_path / 'model.npz', artifact)
    assert list(tmp_path.iterdir()) == []


@given(share=st.floats(0, 0.999))
def test_a_truncated_file_is_refused_by_name(tmp_path_factory, share):
    path = tmp_path_factory.mktemp('m') / 'model.npz'
    save_artifact(path, model())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ConfigurationError, match=r'model\.npz'):
        load_artifact(path)


@given(place=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp('m') / 'model.npz'
    save_artifact(path, model())
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1 << bit
    path.write_bytes(content)
    try:
        loaded = load_artifact(path)
    except ConfigurationError:
        return
    assert same(loaded, model())


@pytest.mark.parametrize('content', [b'', b'not a model', b'\x80\x04N.', b'PK\x05\x06' + bytes(18)])
def test_a_foreign_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / 'foreign.npz'
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r'foreign\.npz'):
        load_artifact(path)


def test_an_ordinary_array_and_an_ordinary_archive_are_refused(tmp_path):
    np.save(tmp_path / 'a.npy', np.arange(3))
    np.savez(tmp_path / 'b.npz', x=np.arange(3))
    for name in ('a.npy', 'b.npz'):
        with pytest.raises(ConfigurationError, match='not a Scoutbee model'):
            load_artifact(tmp_path / name)


def with_header(path, **changes):
    header = {'format': 'scoutbee-model', 'version': 1, 'surrogate': 'mpnn', 'config': {}, 'metrics': {}, 'arrays': []}
    text = json.dumps({**header, **changes}).encode()
    np.savez(path, header=np.frombuffer(text, dtype=np.uint8))


def test_another_format_version_is_named(tmp_path):
    with_header(tmp_path / 'new.npz', version=99)
    with pytest.raises(ConfigurationError, match='format version 99'):
        load_artifact(tmp_path / 'new.npz')


@pytest.mark.parametrize('changes', [{'format': 'other'}, {'config': None}, {'arrays': ['missing']}, {'surrogate': 3}])
def test_an_incomplete_header_is_refused(tmp_path, changes):
    with_header(tmp_path / 'odd.npz', **changes)
    with pytest.raises(ConfigurationError, match=r'odd\.npz'):
        load_artifact(tmp_path / 'odd.npz')


def test_another_surrogate_and_nan_weights_are_refused(tmp_path):
    save_artifact(tmp_path / 'other.npz', model(surrogate='fingerprint'))
    with pytest.raises(ConfigurationError, match="'fingerprint'"):
        load_artifact(tmp_path / 'other.npz', 'mpnn')
    save_artifact(tmp_path / 'nan.npz', model(np.nan))
    with pytest.raises(ConfigurationError, match='NaN'):
        load_artifact(tmp_path / 'nan.npz')


def test_pickles_inside_are_never_loaded(tmp_path):
    path = tmp_path / 'evil.npz'
    with_header(path, arrays=['x'])
    np.save(tmp_path / 'x.npy', np.array([object()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, 'a') as archive:
        archive.write(tmp_path / 'x.npy', 'array_0.npy')
    with pytest.raises(ConfigurationError, match=r'evil\.npz'):
        load_artifact(path)


def large():
    """A model of some kilobytes, so that an archive's reader does not see all of an array at once."""
    return ModelArtifact('mpnn', {}, {'weights': np.arange(4096.0).reshape(64, 64)})


@pytest.mark.slow
def test_every_cut_and_every_damage_to_what_describes_an_array_is_refused_or_harmless(tmp_path):
    """All bits of the first 200 bytes of each part of the archive, and of its directory at the end."""
    path = tmp_path / 'model.npz'
    save_artifact(path, large())
    whole = path.read_bytes()
    parts = [at for at in range(len(whole)) if whole.startswith(b'PK', at)]
    assert len(parts) == 5  # Two members, each twice, and the end of the directory.
    for part in parts:
        for at in range(part, min(part + 200, len(whole))):
            flipped = [whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for bit in range(8)]
            for changed in (whole[:at], *flipped):
                path.write_bytes(changed)
                with contextlib.suppress(ConfigurationError):
                    assert same(load_artifact(path), large())


def npy(shape, descr='<f8', data=b''):
    text = repr({'descr': descr, 'fortran_order': False, 'shape': shape}).ljust(117) + '\n'
    return b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text.encode() + data


@pytest.mark.parametrize(
    'member',
    [
        npy((10**15,)),
        npy((10**30, 10**30)),
        npy((-1,)),
        npy((2,), data=bytes(8)),
        npy((1,), data=bytes(16)),
        npy((2,), '|O', pickle.dumps([1, 2])),
        npy((1,), '|V0'),
        b'\x93NUMPY\x03\x00' + npy((1,), data=bytes(8))[8:],
        b'\x93NUMPY\x01\x00\xff\xff{',
        b'\x93NUMPY\x01\x00\x05\x00[(((\n',
        b'',
        b'\x80\x04N.',
    ],
)
def test_an_array_that_claims_to_be_what_it_is_not_is_refused(tmp_path, member):
    path = tmp_path / 'odd.npz'
    with_header(path, arrays=['x'])
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('array_0.npy', member)
    with pytest.raises(ConfigurationError, match=r'odd\.npz'):
        load_artifact(path)


def test_a_file_that_unpacks_to_more_than_its_size_is_refused_unread(tmp_path):
    """An eighth of a megabyte that would be an eighth of a gigabyte."""
    path = tmp_path / 'bomb.npz'
    with_header(path, arrays=['x'])
    with zipfile.ZipFile(path, 'a', zipfile.ZIP_DEFLATED) as archive, archive.open('array_0.npy', 'w') as member:
        member.write(npy((2**24,)))
        for _ in range(128):
            member.write(bytes(2**20))
    assert path.stat().st_size < 2**18
    tracemalloc.start()
    with pytest.raises(ConfigurationError, match=r'bomb\.npz .* holds more than its size'):
        load_artifact(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24


def test_a_header_nested_without_end_is_refused(tmp_path):
    np.savez(tmp_path / 'deep.npz', header=np.frombuffer(b'[' * 200_000, dtype=np.uint8))
    with pytest.raises(ConfigurationError, match=r'deep\.npz'):
        load_artifact(tmp_path / 'deep.npz')


@pytest.mark.parametrize('kind', ['pipe', 'folder'])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, kind):
    path = tmp_path / 'models' / 'g1m0.npz'
    path.parent.mkdir()
    os.mkfifo(path) if kind == 'pipe' else path.mkdir()
    with pytest.raises(ConfigurationError, match=r'g1m0\.npz'):
        load_ensemble(tmp_path)


def test_an_ensemble_of_a_run_is_the_newest_version_of_each_member(tmp_path):
    for generation, member, value in [(1, 0, 1.0), (10, 0, 2.0), (2, 0, 3.0), (1, 1, 4.0), (3, 11, 5.0)]:
        save_artifact(tmp_path / 'models' / artifact_file_name(ModelVersion(generation, member)), model(value))
    for given_path in (tmp_path, tmp_path / 'models'):
        assert [m.arrays['file'][0, 0] for m in load_ensemble(given_path)] == [2.0, 4.0, 5.0]


def test_an_ensemble_of_any_other_folder_is_all_its_models_by_name(tmp_path):
    for name, value in [('b', 2.0), ('a', 1.0), ('g1m0', 3.0)]:
        save_artifact(tmp_path / f'{name}.npz', model(value))
    assert [m.arrays['file'][0, 0] for m in load_ensemble(tmp_path)] == [1.0, 2.0, 3.0]
    assert len(load_ensemble(tmp_path / 'a.npz')) == 1


def test_no_models_is_said(tmp_path):
    with pytest.raises(ConfigurationError, match='found none'):
        load_ensemble(tmp_path)
    with pytest.raises(ConfigurationError, match='nowhere'):
        load_ensemble(tmp_path / 'nowhere')
