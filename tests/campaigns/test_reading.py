"""Reading files of molecules: whatever a file holds, every line is accounted for and nothing crashes."""

import csv
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.campaigns.lines import MAX_LINE_BYTES, iterate_lines
from scoutbee.campaigns.rejects import Rejects
from scoutbee.campaigns.smiles_files import read_molecules
from scoutbee.contracts.errors import ConfigurationError


@pytest.fixture
def write(tmp_path):
    def write(content, name='space.smi'):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, value_column=None):
    rejects = Rejects(path.parent / 'rejected.csv')
    with rejects:
        return read_molecules(path, 'search_space', rejects, value_column), rejects


def read_or_refuse(path, value_column=None):
    try:
        return *read(path, value_column), ''
    except ConfigurationError as refusal:
        return None, None, str(refusal)


def rejected_lines(rejects):
    with rejects.path.open(newline='') as file:
        return [(int(row['line']), row['reason']) for row in csv.DictReader(file)]


def test_smiles_come_in_order_with_names_ignored(write):
    found, rejects = read(write('CCO ethanol\nc1ccccc1\tbenzene\n\n# a comment\nO\n'))
    assert list(found.smiles) == ['CCO', 'c1ccccc1', 'O']
    assert list(found.lines) == [1, 2, 5]
    assert (found.blanks, rejects.count) == (2, 0)
    assert not rejects.path.exists()


@pytest.mark.parametrize('content', ['smiles name\nCCO x\n', '\ufeffsmiles\r\nCCO\r\n', '\ufeffCCO\n', 'CCO'])
def test_header_mark_and_line_endings_of_other_programs_do_no_harm(write, content):
    assert list(read(write(content))[0].smiles) == ['CCO']


@pytest.mark.parametrize(
    'content',
    [
        'id,SMILES,split\n1,CCO,train\n2,O,test\n',
        'smiles;id\nCCO;1\nO;2\n',
        'id\tsmiles\n\tCCO\n2\tO\n',
        'name,smiles\n"ethanol, pure",CCO\n"a ""b""",O\n',
        '# written by hand\nsmiles\nCCO\nO\n',
    ],
)
def test_a_table_is_read_by_its_smiles_column(write, content):
    assert list(read(write(content, 'space.csv'))[0].smiles) == ['CCO', 'O']


def test_a_row_without_smiles_is_rejected(write):
    found, rejects = read(write('smiles,name\nCCO,a\n,b\n" ",c\n', 'space.csv'))
    assert list(found.smiles) == ['CCO']
    assert rejects.summary() == '2 without a SMILES'


def test_gzip_is_seen_from_the_content_not_from_the_name(write):
    packed = gzip.compress(b'CCO\nO\n', mtime=0)
    assert list(read(write(packed, 'space.smi.gz'))[0].smiles) == ['CCO', 'O']
    assert list(read(write(packed, 'space.smi'))[0].smiles) == ['CCO', 'O']
    assert list(read(write(b'CCO\nO\n', 'other.smi.gz'))[0].smiles) == ['CCO', 'O']


def test_unreadable_lines_are_skipped_and_written_down_with_the_reason(write):
    lines = [
        b'CCO',
        b'\xff\xfe\x80',
        b'C\0C',
        b'C' * 10_000_000,
        b'hello! world',
        b'C(C',
        b'CC]',
        b'=HYPERLINK("x")',
        b'O',
    ]
    found, rejects = read(write(b'\n'.join(lines)))
    assert list(found.smiles) == ['CCO', 'O']
    assert list(found.lines) == [1, 9]
    reasons = dict(rejected_lines(rejects))
    assert set(reasons) == {2, 3, 4, 5, 6, 7, 8}
    assert 'UTF-8' in reasons[2]
    assert 'NUL' in reasons[3]
    assert 'longer' in reasons[4]
    assert 'bracket' in reasons[6]
    text = rejects.path.read_text()
    assert '\0' not in text
    assert "'=HYPERLINK" in text  # A spreadsheet must not run it.


def test_rejected_lines_of_an_earlier_reading_do_not_stay(write):
    path = write('CCO\n!\n')
    _, rejects = read(path)
    assert rejects.path.exists()
    path.write_text('CCO\n')
    read(path)
    assert not rejects.path.exists()


def test_many_identical_lines_are_one_molecule(write):
    found, _ = read(write(b'CCO\n' * 100_000))
    assert (len(found), found.duplicates) == (1, 99_999)


def test_a_stray_quotation_mark_costs_one_line(write):
    found, rejects = read(write('smiles,name\nCCO,"oops\nO,x\nN,"y"\n', 'space.csv'))
    assert list(found.smiles[-2:]) == ['O', 'N']
    assert rejects.count <= 1


def test_values_come_with_their_molecules_and_missing_ones_are_rejected(write):
    table = 'smiles,ip_ev\nCCO,10.5\nO,nan\nN,\nC,inf\nCC,twelve\nCN,1e1\nCCO,10.50\nCO,1,2\nCF,1_0\n'
    found, rejects = read(write(table, 'known.csv'), 'ip_ev')
    assert list(found.smiles) == ['CCO', 'CN']
    assert found.values.tolist() == [10.5, 10.0]
    assert found.duplicates == 1
    assert [line for line, _ in rejected_lines(rejects)] == [3, 4, 5, 6, 9, 10]


@pytest.mark.parametrize(
    ('content', 'name', 'told'),
    [
        ('', 'space.smi', ['search_space', 'empty']),
        ('\n\n', 'space.smi', ['search_space', 'none']),
        ('!\n?\n', 'space.smi', ['search_space', '2 lines', 'rejected.csv']),
        ('', 'space.csv', ['header', 'smiles']),
        ('name,value\nx,1\n', 'space.csv', ['smiles', 'name, value']),
        ('smiles\n', 'space.csv', ['at least one molecule']),
        ('CCO\n', 'space.txt', ['.smi', '.csv.gz', 'space.txt']),
        (gzip.compress(b'CCO\n' * 9999, mtime=0)[:-9], 'space.smi.gz', ['gzip', 'damaged']),
        (gzip.compress(b'CCO\n', mtime=0) + b'garbage', 'space.smi.gz', ['gzip', 'damaged']),
        (b'\x1f\x8bnonsense', 'space.smi.gz', ['gzip', 'damaged']),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(write, content, name, told):
    path = write(content, name)
    with pytest.raises(ConfigurationError) as refusal:
        read(path)
    assert str(path) in str(refusal.value)
    for words in told:
        assert words in str(refusal.value)


def test_values_of_a_file_without_columns_are_refused(write):
    with pytest.raises(ConfigurationError, match=r'\.csv file with the columns smiles and ip_ev'):
        read(write('CCO\n'), 'ip_ev')
    with pytest.raises(ConfigurationError, match=r'column ip_ev in the header of .* columns smiles, other'):
        read(write('smiles,other\nCCO,1\n', 'known.csv'), 'ip_ev')


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    folder = tmp_path / 'folder.smi'
    folder.mkdir()
    for path in (tmp_path / 'gone.smi', folder):
        with pytest.raises(ConfigurationError, match='search_space: expected a file that can be read'):
            read_molecules(path, 'search_space', Rejects(None))


def test_rejects_can_be_counted_without_a_file():
    with Rejects(None) as rejects:
        rejects.add(1, 'ugly', b'x')
        rejects.add(2, 'ugly')
    assert rejects.count == 2
    assert rejects.summary() == '2 ugly'


LINES = st.one_of(
    st.sampled_from(
        [b'CCO', b'CCO name', b'', b'  ', b'# x', b'c1ccccc1', b'C(', b'\xff', b'\0', b'"', b'C,1', b'C,"']
    ),
    st.binary(max_size=20).filter(lambda line: b'\n' not in line),
)


@settings(max_examples=200)
@given(lines=st.lists(LINES, max_size=30), last=st.booleans(), table=st.booleans(), packed=st.booleans())
def test_every_line_is_accepted_rejected_repeated_or_blank(tmp_path_factory, lines, last, table, packed):
    lines = [b'smiles,value', *lines] if table else lines
    content = b'\n'.join(lines) + (b'\n' if last and lines else b'')
    path = tmp_path_factory.mktemp('lines') / ('space.csv' if table else 'space.smi')
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    total = content.count(b'\n') + (not content.endswith(b'\n') and bool(content))
    found, rejects, refusal = read_or_refuse(path, 'value' if table else None)
    if found is None:
        assert str(path) in refusal
        return
    assert len(found) + found.rejected + found.duplicates + found.blanks == total
    assert rejects.count == found.rejected
    assert len(set(found.smiles)) == len(found) == len(found.lines)
    if rejects.count:
        assert len(rejected_lines(rejects)) == rejects.count


@settings(max_examples=100)
@given(content=st.binary(max_size=400), name=st.sampled_from(['a.smi', 'a.csv', 'a.smi.gz', 'a.csv.gz']))
def test_arbitrary_bytes_are_read_or_refused_in_words(tmp_path_factory, content, name):
    path = tmp_path_factory.mktemp('bytes') / name
    path.write_bytes(content)
    found, _, refusal = read_or_refuse(path)
    assert found or refusal.startswith('search_space: ')


@settings(max_examples=50)
@given(lengths=st.lists(st.integers(0, 3 * MAX_LINE_BYTES), min_size=1, max_size=30))
def test_lines_across_blocks_keep_their_numbers(tmp_path_factory, lengths):
    path = tmp_path_factory.mktemp('blocks') / 'a.smi'
    path.write_bytes(b''.join(b'C' * length + b'\n' for length in lengths))
    found = list(iterate_lines(path, 'search_space'))
    assert [number for number, _ in found] == list(range(1, len(lengths) + 1))
    assert [None if line is None else len(line) for _, line in found] == [
        None if length > MAX_LINE_BYTES else length for length in lengths
    ]
