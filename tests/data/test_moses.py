"""Fetching the set: from a made wheel offline, and once for real."""

import gzip
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee import data
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.data import moses, moses_wheel
from scoutbee.data.molecule_files import read_molecules, sample, write_molecules

MOLECULES = [f'{"C" * (1 + i)}O' for i in range(40)]


def _make_wheel(path, text, member=moses_wheel.MEMBER):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(member, gzip.compress(text.encode()))
    return path


@pytest.fixture
def wheel(tmp_path):
    return _make_wheel(tmp_path / 'molsets.whl', '\n'.join(['SMILES', *MOLECULES]) + '\n')


@pytest.mark.parametrize('name', ['all.smi', 'all.smi.gz', 'all.csv', 'all.csv.gz'])
def test_all_molecules_come_out_in_their_order(tmp_path, wheel, name):
    out = tmp_path / 'new' / name
    assert moses.fetch(out, wheel=wheel, expected=40) == 40
    assert list(read_molecules(out)) == MOLECULES


def test_a_sample_leaves_out_what_is_excluded_and_repeats(tmp_path, wheel):
    known = tmp_path / 'known.smi'
    write_molecules(known, MOLECULES[:10])
    first, again, other = (tmp_path / name for name in ('a.smi.gz', 'b.smi.gz', 'c.smi.gz'))
    for out, seed in ((first, 1), (again, 1), (other, 2)):
        moses.fetch(out, size=20, seed=seed, exclude=known, wheel=wheel, expected=40)
    drawn = list(read_molecules(first))
    assert len(set(drawn)) == 20
    assert set(drawn) <= set(MOLECULES[10:])
    assert first.read_bytes() == again.read_bytes()
    assert drawn != list(read_molecules(other))


@given(st.lists(st.text('CNO', min_size=1, max_size=3)), st.integers(0, 5), st.randoms())
def test_a_sample_depends_on_neither_order_nor_repetition(molecules, seed, random):
    distinct = sorted(set(molecules))
    shuffled = molecules + molecules[:3]
    random.shuffle(shuffled)
    for size in {0, len(distinct) // 2, len(distinct)}:
        drawn = sample(shuffled, size, seed)
        assert drawn == sample(distinct, size, seed)
        assert len(set(drawn)) == size


def test_too_few_molecules_to_sample_is_an_error(tmp_path, wheel):
    with pytest.raises(ConfigurationError, match='at least 41'):
        moses.fetch(tmp_path / 'a.smi', size=41, wheel=wheel, expected=40)


def test_a_wrong_count_leaves_nothing_behind(tmp_path, wheel):
    out = tmp_path / 'out' / 'a.smi.gz'
    with pytest.raises(moses_wheel.DownloadError, match='got 40'):
        moses.fetch(out, wheel=wheel)
    assert list(out.parent.iterdir()) == []


def test_a_failure_keeps_the_file_that_was_there(tmp_path, wheel):
    out = tmp_path / 'a.smi'
    out.write_text('C\n')
    with pytest.raises(moses_wheel.DownloadError):
        moses.fetch(out, wheel=wheel, expected=41)
    assert out.read_text() == 'C\n'


@pytest.mark.parametrize('damage', ['no such file', 'not a zip', 'no member', 'no header', 'cut off'])
def test_a_damaged_wheel_is_told(tmp_path, damage):
    path = tmp_path / 'molsets.whl'
    if damage == 'not a zip':
        path.write_bytes(b'not a zip')
    elif damage == 'no member':
        _make_wheel(path, 'SMILES\nC\n', member='other.csv.gz')
    elif damage == 'no header':
        _make_wheel(path, 'C\nCC\n')
    elif damage == 'cut off':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr(moses_wheel.MEMBER, gzip.compress(b'SMILES\n' + b'C\n' * 1000)[:20])
    with pytest.raises(moses_wheel.DownloadError, match=r'molsets'):
        moses.fetch(tmp_path / 'a.smi', wheel=path, expected=1)


def test_offline_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path))
    with pytest.raises(moses_wheel.DownloadError, match='--wheel'):
        moses_wheel.download(tmp_path)


def test_the_command_prints_where_the_file_is(tmp_path, wheel, monkeypatch, capsys):
    monkeypatch.setattr(moses.fetch, '__kwdefaults__', {**moses.fetch.__kwdefaults__, 'expected': 40})
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    assert moses.main(['--wheel', str(wheel)]) == 0
    out = tmp_path / 'cache' / 'scoutbee' / 'moses.smi.gz'
    assert capsys.readouterr().out.strip() == str(out)
    assert list(read_molecules(out)) == MOLECULES
    # A second time nothing is fetched: the wheel is not even looked at.
    assert moses.main(['--wheel', str(tmp_path / 'missing.whl')]) == 0
    assert moses.main(['--wheel', str(tmp_path / 'missing.whl'), '--force']) == 1
    assert 'missing.whl' in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments', [['--sample', '5'], ['--out', 'x.txt'], ['--out', 'x.smi', '--exclude', 'nothing.smi']]
)
def test_bad_input_ends_with_status_2_and_one_line(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert moses.main(arguments) == 2
    captured = capsys.readouterr().err.strip().splitlines()
    assert len(captured) == 1
    assert captured[0].startswith('Error: ')


def test_a_table_without_smiles_is_refused(tmp_path):
    table = tmp_path / 'a.csv'
    table.write_text('name,value\nx,1\n')
    with pytest.raises(ConfigurationError, match='name, value'):
        list(read_molecules(table))


@pytest.mark.slow
def test_the_real_set_gives_the_committed_sample(tmp_path):
    """Downloads 51 MB from the package index."""
    out = tmp_path / 'moses-20k.smi.gz'
    moses.fetch(out, size=20_000, seed=1, exclude=data.path('moses-ip-gfn2.csv'))
    assert list(read_molecules(out)) == list(read_molecules(data.path('moses-20k.smi.gz')))
