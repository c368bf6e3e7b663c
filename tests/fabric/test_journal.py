"""What is noted before it is put where nothing can list it."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.fabric.journal import Journal, Note

NAMES = st.text(max_size=5)
CONFIG = {'endpoints': ['a', 'b'], 'patience': 1.5}


def note(name):
    return Note('endpoint', name, ('here',), CONFIG)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), NAMES), max_size=20), st.data())
def test_what_was_written_whole_before_a_crash_stands_unless_it_was_struck(tmp_path_factory, steps, draw):
    file = tmp_path_factory.mktemp('journal') / 'objects'
    journal, standing = Journal(file), [{}]
    for is_put, name in steps:
        left = dict(standing[-1])
        if is_put:
            journal.note(note(name))
            left[name] = note(name)
        else:
            journal.strike('endpoint', name)
            left.pop(name, None)
        standing.append(left)
    assert {each.name: each for each in journal.standing()} == standing[-1]
    written = file.read_bytes() if steps else b''
    cut = written[: draw.draw(st.integers(0, len(written)))]
    file.write_bytes(cut)
    whole = cut.count(b'\n')
    found = {each.name: each for each in journal.standing()}
    # The last line may be whole but for its end.
    assert found in (standing[whole], standing[min(whole + 1, len(steps))])


def test_several_threads_may_write_through_several_objects(tmp_path):
    file = tmp_path / 'engine' / 'objects'
    journals = [Journal(file), Journal(file)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: journals[number % 2].note(note(str(number))), range(200)))
        list(pool.map(lambda number: journals[number % 2].strike('endpoint', str(number)), range(0, 200, 2)))
    assert {int(each.name) for each in Journal(file).standing()} == set(range(1, 200, 2))


def test_a_journal_that_was_never_written_is_empty(tmp_path):
    journal = Journal(tmp_path / 'none')
    assert journal.standing() == []
    journal.remove()
