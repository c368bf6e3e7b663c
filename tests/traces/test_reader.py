from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import read, read_all
from scoutbee.traces.records import EventRecord, SelectionRecord, TrainingRecord
from scoutbee.traces.writer import TraceWriter


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    with TraceWriter(tmp_path) as writer:
        for i in range(3):
            writer.event('a', f'e{i}', 'm')
            writer.write(
                SelectionRecord(ranking=i + 1, models=[], scored=1, kept=1, observations=0, taken=0, seconds=0.0)
            )
    return tmp_path


def put(run_dir: Path, number: int, line: bytes) -> None:
    """Replace a line of the events, counted from 1."""
    path = run_dir / 'events.jsonl'
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1] = line + b'\n'
    path.write_bytes(b''.join(lines))


def test_streams_merge_into_the_order_they_were_written(run_dir: Path):
    records = list(read_all(run_dir))
    assert [record.seq for record in records] == [1, 2, 3, 4, 5, 6]
    assert [type(record) for record in records] == [EventRecord, SelectionRecord] * 3
    assert {type(record) for record in read_all(run_dir, kinds=[EventRecord])} == {EventRecord}


def test_a_file_that_is_not_there_holds_nothing(run_dir: Path):
    assert list(read(run_dir, TrainingRecord)) == []


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(TraceError, match='is not a run directory'):
        list(read(tmp_path / 'nowhere', EventRecord))


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path):
    (tmp_path / 'events.jsonl').mkdir()
    with pytest.raises(TraceError, match=r'Cannot read .*events\.jsonl'):
        list(read(tmp_path, EventRecord))


def test_every_cut_of_the_last_line_is_left_out(run_dir: Path):
    path = run_dir / 'events.jsonl'
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for missing in range(1, last + 1):
        path.write_bytes(whole[: len(whole) - missing])
        assert [record.event for record in read(run_dir, EventRecord)] == ['e0', 'e1']


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        (b'hello', 'one JSON object'),
        (b'\x00' * 100, 'one JSON object'),
        (b'\xff\xfe', 'one JSON object'),
        (b'[1]', 'not a EventRecord'),
        (b'{"schema_version":1,"agent":"a","event":"e"}', 'message: Field required'),
        (b'{"schema_version":1,"agent":"a","event":"e","message":"m","who":1}', 'who'),
        (b'{"schema_version":1,"time":"x","agent":"a","event":"e","message":"m"}', 'time'),
        (b'{"schema_version":1,"time":null,"agent":7,"event":"e","message":"m"}', 'agent'),
    ],
)
def test_a_bad_line_in_the_middle_is_named_or_skipped(run_dir: Path, line: bytes, said: str):
    put(run_dir, 2, line)
    with pytest.raises(TraceError, match=r'events\.jsonl, line 2') as caught:
        list(read(run_dir, EventRecord))
    assert said in str(caught.value)
    skipped: list[str] = []
    assert [record.event for record in read(run_dir, EventRecord, skipped=skipped)] == ['e0', 'e2']
    assert len(skipped) == 1
    assert said in skipped[0]


def test_another_schema_version_is_told_from_damage(run_dir: Path):
    put(run_dir, 1, b'{"schema_version":9,"seq":1,"agent":"a","colour":"blue"}')
    with pytest.raises(TraceError, match='schema version 9, but this Scoutbee reads versions 1 and 2'):
        list(read_all(run_dir))


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(TraceError('It broke.')))
    assert isinstance(error, TraceError)
    assert str(error) == 'It broke.'
