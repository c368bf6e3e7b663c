"""Search spaces nobody would write on purpose: every line is used, repeated or rejected in words, in sane time."""

import csv
import os
import subprocess
import sys

import pytest

from scoutbee.campaigns.molecules import make_molecules
from scoutbee.campaigns.options import LearningOptions, MoleculesOptions
from scoutbee.campaigns.rejects import Rejects
from scoutbee.campaigns.rows import MAX_SMILES
from scoutbee.campaigns.smiles_files import read_molecules
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.driver.cli import main

FINGERPRINT = LearningOptions(surrogate='fingerprint', surrogate_settings={'processes': 1})


@pytest.fixture
def make(tmp_path):
    """Makes a molecules campaign of the bytes of a search space; returns it, what was told and what was rejected."""

    def make(content, name='space.smi', cache=None, **options):
        path = tmp_path / name
        path.write_bytes(content)
        told = []
        options = MoleculesOptions(search_space=path, learning=FINGERPRINT, **options)
        campaign = make_molecules(options, cache or tmp_path / 'cache', told.append)
        return campaign, told, rejected(tmp_path / 'cache' / 'rejected' / 'search_space-space.csv')

    return make


def rejected(path):
    if not path.exists():
        return {}
    with path.open(newline='') as file:
        return {int(row['line']): row['reason'] for row in csv.DictReader(file)}


def usable(campaign):
    return campaign.space.size - len(campaign.space.unusable)


def test_carriage_returns_alone_do_not_hide_lines(make):
    """Files of old programs end lines so: what follows the first must not pass for its name."""
    with pytest.raises(ConfigurationError, match='1 with carriage returns inside'):
        make(b'CCO\rO\rN\r' + b'CN')
    campaign, _, reasons = make(b'C\nCCO\rO\nN\r\r\n')
    assert (usable(campaign), set(reasons)) == (2, {2})
    with pytest.raises(ConfigurationError, match='header with a column smiles'):
        make(b'smiles,name\rCCO,a\rO,b\n', 'space.csv')


@pytest.mark.parametrize(
    ('header', 'said'),
    [
        (b'smiles,' + b'a,' * 40_000, 'longer than'),
        (b'smiles,\xe9', 'not UTF-8'),
        (b'smiles,\0', 'NUL'),
        ('smiles,name'.encode('utf-16'), 'not UTF-8'),
    ],
)
def test_a_header_that_cannot_be_read_is_refused_and_the_next_line_is_not_taken_for_one(make, header, said):
    with pytest.raises(ConfigurationError, match=rf'header with a column smiles .*space\.csv, got a line .*{said}'):
        make(header + b'\nsmiles\nCCO\n', 'space.csv')


def test_a_comment_before_a_header_may_be_in_any_encoding(make):
    campaign, _, reasons = make(b'# caf\xe9\nsmiles\nCCO\nO\n', 'space.csv')
    assert (usable(campaign), set(reasons)) == (2, {1})


def test_a_smiles_that_would_take_minutes_is_rejected(make):
    """RDKit takes time in the square of its length: 64 kB of carbon take 20 s, of benzene more than a minute."""
    long = [b'C' * 60_000, b'c1ccccc1' * 7_000, b'C(' * 20_000 + b'C' + b')' * 20_000, b'C' * (MAX_SMILES + 1)]
    campaign, _, reasons = make(b'\n'.join([b'CCO', *long, b'C' * 400, b'O']))
    assert usable(campaign) == 3
    assert set(reasons) == {2, 3, 4, 5}
    assert all('SMILES longer than' in reason for reason in reasons.values())


@pytest.mark.parametrize('kind', ['pipe', 'folder', 'device'])
def test_what_is_no_ordinary_file_is_refused_and_not_waited_for(tmp_path, kind):
    path = tmp_path / 'space.smi'
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'folder':
        path.mkdir()
    else:
        path.symlink_to('/dev/zero')
    with pytest.raises(ConfigurationError, match=f'search_space: expected a file that can be read.* {kind}'):
        read_molecules(path, 'search_space', Rejects(None))


def test_another_value_of_the_same_molecule_is_rejected_not_forgotten(tmp_path):
    path = tmp_path / 'known.csv'
    path.write_text('smiles,ip\nCCO,10\nO,12\nCCO,10.0\nCCO,11\n')
    with Rejects(tmp_path / 'rejected.csv') as rejects:
        found = read_molecules(path, 'training_set', rejects, 'ip')
    assert dict(zip(found.smiles, found.values, strict=True)) == {'CCO': 10.0, 'O': 12.0}
    assert found.duplicates == 1
    assert rejected(rejects.path) == {5: 'with another value for a molecule that has one'}


@pytest.mark.parametrize('text', ['1_000', '\u0661', '0x1', '1,5', 'True'])
def test_only_plain_numbers_are_values(tmp_path, text):
    path = tmp_path / 'known.csv'
    path.write_text(f'smiles;ip\nCCO;10\nO;{text}\n')
    found = read_molecules(path, 'training_set', Rejects(None), 'ip')
    assert found.values.tolist() == [10.0]


def test_a_cache_that_cannot_be_written_is_said(make, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigurationError, match='XDG_CACHE_HOME'):
        make(b'CCO\n!\n', cache=tmp_path / 'file')


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs a device that is always full')
def test_a_full_disk_under_the_rejects_is_said(tmp_path):
    path = tmp_path / 'rejected.csv'

    def reject_one():
        with Rejects(path) as rejects:
            path.symlink_to('/dev/full')
            rejects.add(1, 'ugly', b'x')

    with pytest.raises(ConfigurationError, match='No space left'):
        reject_one()


def test_a_long_name_is_no_obstacle(make):
    campaign, *_ = make(b'CCO\n!\n', 'x' * 240 + '.smi')
    assert usable(campaign) == 1


MANY = {
    'identical': b'CCO\n' * 1_000_000,
    'bad': b'CCO\n' + b'C(\n' * 200_000,
    'one line of ten megabytes': b'CCO\n' + b'C' * 10_000_000 + b'\nO',
    'ten megabytes without an end': b'C' * 10_000_000,
    'ten megabytes of brackets': b'CCO\n' + b'[(' * 5_000_000,
}


@pytest.mark.slow
@pytest.mark.parametrize('content', MANY.values(), ids=MANY)
def test_much_of_the_same_costs_little_memory(tmp_path, content):
    """In a process that may use 100 MB beyond what the imports take, and 60 s of processor time."""
    path = tmp_path / 'space.smi'
    path.write_bytes(content)
    code = (
        'import resource, sys\n'
        'from pathlib import Path\n'
        'from scoutbee.campaigns.rejects import Rejects\n'
        'from scoutbee.campaigns.smiles_files import read_molecules\n'
        'from scoutbee.contracts.errors import ConfigurationError\n'
        'folder = Path(sys.argv[1])\n'
        'used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()\n'
        'resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000,) * 2)\n'
        'resource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n'
        'with Rejects(folder / "rejected.csv") as rejects:\n'
        '    try:\n'
        '        found = read_molecules(folder / "space.smi", "search_space", rejects)\n'
        '        print(len(found) + found.duplicates + found.rejected)\n'
        '    except ConfigurationError as error:\n'
        '        print(rejects.count)\n'
    )
    done = subprocess.run([sys.executable, '-c', code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == content.count(b'\n') + (not content.endswith(b'\n'))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('content', 'name', 'said'),
    [
        (b'', 'space.smi', 'which is empty'),
        (b'!\nC(\n', 'space.smi', '2 lines that cannot be used'),
        (b'C1CC\nF(C)(C)C\n', 'space.smi', '2 lines that cannot be used'),
        (b'name\nx\n', 'space.csv', 'column smiles'),
        (b'\x1f\x8b\x08\0', 'space.smi.gz', 'gzip archive that is damaged'),
    ],
)
def test_a_person_gets_one_line_and_nothing_is_started(tmp_path, monkeypatch, capsys, content, name, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = tmp_path / name
    path.write_bytes(content)
    flags = ['--campaign', 'molecules', '--search-space', str(path), '--surrogate', 'fingerprint', '--quiet']
    assert main(flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / 'runs').exists()
