import pickle
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import numpy as np
import psutil
import pytest

from scoutbee.contracts.errors import ConfigurationError, ResourceTaskError
from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.space_cache import NothingUsable, cached_bytes, cached_space, content_hash
from scoutbee.models.space_files import SpaceRows
from scoutbee.models.surrogate import Screening

BAD = '?'


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


@dataclass(unsafe_hash=True)
class LengthFeaturizer:
    """Looks at two texts at a time; texts with a question mark have no features."""

    name: str = 'lengths-1'
    piece: int = 2
    seen: list = field(default_factory=list, hash=False)

    def screen_pieces(self, inputs, pieces):
        for piece in pieces:
            texts = list(inputs[piece])
            self.seen.extend(texts)
            usable = [text for text in texts if BAD not in text]
            unusable = [row for row, text in enumerate(texts) if BAD in text]
            lengths = Lengths(np.array([len(text) for text in usable], dtype=np.int64))
            yield Screening(lengths, np.array(unusable, dtype=np.int64))

    def join(self, parts):
        return Lengths(np.concatenate([part.values for part in parts]))

    def restore(self, arrays):
        return Lengths(arrays['values'])


INPUTS = ['a', 'bcd', 'ef', 'ghij', 'k']
LENGTHS = [1, 3, 2, 4, 1]


def entries(folder):
    return [path.name for path in folder.iterdir() if not path.name.endswith('.lock')]


def test_the_second_time_nothing_is_computed(tmp_path):
    featurizer = LengthFeaturizer()
    for _ in range(2):
        assert cached_space(featurizer, INPUTS, tmp_path).features.values.tolist() == LENGTHS
    assert featurizer.seen == INPUTS


def test_restored_arrays_are_memory_maps(tmp_path):
    space = cached_space(LengthFeaturizer(), INPUTS, tmp_path)
    assert isinstance(space.features.values, np.memmap)
    assert cached_bytes(LengthFeaturizer(), INPUTS, tmp_path) == 5 * 8


def test_what_has_no_features_is_remembered_and_stood_in_for(tmp_path):
    inputs = [BAD, BAD, 'ab', BAD, 'c']
    for _ in range(2):
        space = cached_space(LengthFeaturizer(), inputs, tmp_path)
        assert space.features.values.tolist() == [2, 2, 2, 2, 1]
        assert space.unusable.tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    'other', [['a', 'bc', 'def'], ['bcd', 'a', 'ef'], ['a', 'bcd'], ['abcd', '', 'ef'][::2], ['a1:b']]
)
def test_other_inputs_are_another_entry(other):
    some = INPUTS[:3]
    assert content_hash(LengthFeaturizer(), some) != content_hash(LengthFeaturizer(), other)
    assert content_hash(LengthFeaturizer(), some) != content_hash(LengthFeaturizer('lengths-2'), some)


def test_names_of_featurizers_cannot_leave_the_folder(tmp_path):
    cached_space(LengthFeaturizer('../up/and away'), INPUTS, tmp_path / 'cache')
    assert [path.name for path in tmp_path.iterdir()] == ['cache']


def damage_cut(entry):
    array = next(entry.glob('*values.npy'))
    array.write_bytes(array.read_bytes()[:-3])


def damage_flip(entry):
    array = next(entry.glob('*values.npy'))
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)


def damage_manifest(entry):
    (entry / 'manifest.json').write_text('{"arrays": 3')


def damage_missing(entry):
    next(entry.glob('*values.npy')).unlink()


def damage_empty(entry):
    shutil.rmtree(entry)
    entry.mkdir()


DAMAGES = [damage_cut, damage_flip, damage_manifest, damage_missing, damage_empty]


@pytest.mark.parametrize('damage', DAMAGES)
def test_a_damaged_entry_is_made_again(tmp_path, damage):
    featurizer = LengthFeaturizer()
    cached_space(featurizer, INPUTS, tmp_path)
    entry = tmp_path / content_hash(featurizer, INPUTS)
    damage(entry)
    for _ in range(2):
        assert cached_space(featurizer, INPUTS, tmp_path).features.values.tolist() == LENGTHS
    assert featurizer.seen == INPUTS * 2
    assert entries(tmp_path) == [entry.name]


def test_many_at_once_get_the_same_and_one_does_the_work(tmp_path):
    together = threading.Barrier(6)
    featurizer = LengthFeaturizer()
    results = []

    def work():
        together.wait(30)
        results.append(cached_space(featurizer, INPUTS, tmp_path).features.values.tolist())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [LENGTHS] * 6
    assert featurizer.seen == INPUTS
    assert len(entries(tmp_path)) == 1


class Interrupted(LengthFeaturizer):
    """Is interrupted in its last piece."""

    def screen_pieces(self, inputs, pieces):
        for number, part in enumerate(super().screen_pieces(inputs, pieces)):
            if number == len(pieces) - 1:
                raise KeyboardInterrupt
            yield part


def leave_unfinished(folder):
    """The pieces that an interrupted process leaves: those of the first four inputs."""
    with pytest.raises(KeyboardInterrupt):
        cached_space(Interrupted(), INPUTS, folder)
    return sorted(folder.glob('.unfinished-*/rows-*'))


def test_who_was_interrupted_goes_on_from_there(tmp_path):
    assert len(leave_unfinished(tmp_path)) == 2
    featurizer, told = LengthFeaturizer(), []
    space = cached_space(featurizer, INPUTS, tmp_path, lambda *seen: told.append(seen))
    assert space.features.values.tolist() == LENGTHS
    assert featurizer.seen == INPUTS[4:]
    assert told == [(4, 5), (5, 5), (5, 5)]
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize('content', [b'', b'PK', b'x' * 300])
def test_a_damaged_piece_is_made_again(tmp_path, content):
    first, _ = leave_unfinished(tmp_path)
    raw = first.read_bytes()
    place = len(raw) // 2
    first.write_bytes(content or raw[:place] + bytes([raw[place] ^ 0xFF]) + raw[place + 1 :])
    featurizer = LengthFeaturizer()
    assert cached_space(featurizer, INPUTS, tmp_path).features.values.tolist() == LENGTHS
    assert featurizer.seen in (INPUTS[:2] + INPUTS[4:], INPUTS[4:])  # a byte that nothing depends on may be the one


def test_inputs_without_features_leave_nothing_behind(tmp_path):
    with pytest.raises(NothingUsable):
        cached_space(LengthFeaturizer(), [BAD, BAD, BAD], tmp_path)
    assert entries(tmp_path) == []


def test_a_cache_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / 'cache').write_text('')
    with pytest.raises(ConfigurationError, match='cache'):
        cached_space(LengthFeaturizer(), INPUTS, tmp_path / 'cache')


def test_graphs_report_progress_and_come_back(tmp_path):
    told = []
    piece = GraphFeaturizer.piece
    smiles = ['CCO', 'C', 'c1ccccc1'] * (piece // 3 + 50)
    first = cached_space(GraphFeaturizer(), smiles, tmp_path, lambda *seen: told.append(seen))
    second = cached_space(GraphFeaturizer(), smiles, tmp_path, lambda *seen: told.append(seen))
    assert told[0] == (0, len(smiles))
    assert (piece, len(smiles)) in told
    assert told[-2:] == [(len(smiles), len(smiles))] * 2
    for name, array in first.features.arrays().items():
        assert np.array_equal(array, second.features.arrays()[name])


def test_no_inputs_are_no_features(tmp_path):
    for _ in range(2):
        assert len(cached_space(GraphFeaturizer(), [], tmp_path).features) == 0


@pytest.mark.slow
def test_a_killed_process_leaves_what_it_has_made(tmp_path):
    """As soon as a piece is there, the process is killed: its helpers end, and what was made is not made again."""
    program = (
        'import sys; from pathlib import Path\n'
        'from scoutbee.models.graph_featurizer import GraphFeaturizer\n'
        'from scoutbee.models.space_cache import cached_space\n'
        'smiles = ["C" * (n % 9 + 1) + "N" * (n // 9) + "O" for n in range(120)] * 250\n'
        'if __name__ == "__main__":\n'
        '    def told(done, total):\n'
        '        print(done, flush=True)\n'
        '    cached_space(GraphFeaturizer(processes=2), smiles, Path(sys.argv[1]), told)\n'
    )
    script = tmp_path / 'program.py'
    script.write_text(program)
    command = [sys.executable, str(script), str(tmp_path / 'cache')]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        made = next(int(line) for line in process.stdout if int(line) > 0)
        helpers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(helpers) >= 2
    assert psutil.wait_procs(helpers, timeout=60)[1] == []
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    told = [int(line) for line in again.stdout.split()]
    assert told[0] >= made
    assert told[-1] == 30_000


def test_rows_travel_as_the_name_of_their_files(tmp_path):
    space = cached_space(LengthFeaturizer(), INPUTS, tmp_path)
    packed = pickle.dumps(SpaceRows(space.files, 1, 4))
    assert len(packed) < 1_000
    assert pickle.loads(packed).values.tolist() == LENGTHS[1:4]


@pytest.mark.parametrize('damage', [*DAMAGES, shutil.rmtree])
def test_rows_of_files_that_are_not_there_or_not_the_same_are_refused_in_words(tmp_path, damage):
    inputs = [*INPUTS, damage.__name__]  # files are opened once in a process
    space = cached_space(LengthFeaturizer(), inputs, tmp_path)
    packed = pickle.dumps(SpaceRows(space.files, 0, 2))
    damage(tmp_path / content_hash(LengthFeaturizer(), inputs))
    with pytest.raises(ResourceTaskError, match=r'features of the search space in .*, where the driver keeps them'):
        pickle.loads(packed)
