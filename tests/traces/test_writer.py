from __future__ import annotations

import errno
import json
import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from scoutbee.contracts.errors import FailureKind
from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import read, read_all
from scoutbee.traces.records import EventRecord, SelectionRecord, TrainingRecord
from scoutbee.traces.writer import TraceWriter


def selection(number: int) -> SelectionRecord:
    return SelectionRecord(ranking=number, models=['g1m0'], scored=10, kept=5, observations=0, taken=0, seconds=0.1)


def test_all_streams_share_one_sequence_that_a_reopened_directory_continues(tmp_path: Path):
    with TraceWriter(tmp_path) as writer:
        writer.event('driver', 'started', 'It starts.')
        assert writer.write(selection(1)).seq == 2
    with TraceWriter(tmp_path) as writer:
        assert writer.last_seq == 2
        writer.event('driver', 'resumed', 'It goes on.')
        assert writer.write(selection(2)).seq == 4
    assert [record.seq for record in read_all(tmp_path)] == [1, 2, 3, 4]


def test_a_record_is_in_the_file_when_write_returns(tmp_path: Path):
    writer = TraceWriter(tmp_path, sync=True)
    writer.event('trainer', 'training_started', 'Training.', level='warning', generation=1)
    (line,) = (tmp_path / 'events.jsonl').read_text().splitlines()
    written = json.loads(line)
    assert (written['agent'], written['level'], written['facts']) == ('trainer', 'warning', {'generation': 1})
    writer.close()


def test_numbers_that_json_lacks_become_null_and_come_back_as_nan(tmp_path: Path):
    record = TrainingRecord(
        task_id='t', method='train', success=True, timestamps={'created': 1.0, 'compute_started': math.nan},
        spans={'running': math.inf}, generation=1, member=0, observations=5, metrics={'loss': math.nan},
    )  # fmt: skip
    with TraceWriter(tmp_path) as writer:
        writer.write(record)
    line = json.loads((tmp_path / 'training-results.jsonl').read_text())
    assert line['metrics'] == {'loss': None}
    (back,) = read(tmp_path, TrainingRecord)
    assert back.timestamps['created'] == 1.0
    assert math.isnan(back.timestamps['compute_started'])
    assert math.isnan(back.spans['running'])
    assert math.isnan(back.metrics['loss'])


def test_facts_of_any_kind_are_written_as_the_nearest_plain_data(tmp_path: Path):
    facts = {
        'small': np.float32(0.5), 'row': np.int64(7), 'rows': np.arange(3), 'bad': np.array([1.0, np.nan]),
        'yes': np.True_, 'odd': 'a\udc80', 'raw': b'\xff!', 'kind': FailureKind.LOST, 'path': Path('/tmp/x'),
        'set': {1}, 'pair': (1, 2.5), 'nested': {3: {'x': math.inf}}, 'none': None,
    }  # fmt: skip
    with TraceWriter(tmp_path) as writer:
        writer.write(EventRecord(agent='a', event='e', message='m', facts=facts))
    (back,) = read(tmp_path, EventRecord)
    assert back.facts == {
        'small': 0.5, 'row': 7, 'rows': [0, 1, 2], 'bad': [1.0, None], 'yes': True, 'odd': 'a\\udc80', 'raw': '\\xff!',
        'kind': 'lost', 'path': '/tmp/x', 'set': [1], 'pair': [1, 2.5], 'nested': {'3': {'x': None}}, 'none': None,
    }  # fmt: skip


def test_dataclasses_and_unknown_objects_can_be_facts(tmp_path: Path, objective_like):
    with TraceWriter(tmp_path) as writer:
        writer.event('a', 'e', 'm', objective=objective_like, odd=np.float32(1))
    (back,) = read(tmp_path, EventRecord)
    assert back.facts['objective']['name'] == 'ip'


@pytest.fixture
def objective_like():
    from scoutbee.contracts.candidates import Objective

    return Objective('ip', 'eV')


def test_threads_never_share_a_number_or_mix_their_lines(tmp_path: Path):
    with TraceWriter(tmp_path) as writer:

        def work(name: str) -> None:
            for i in range(200):
                writer.event(name, 'tick', 'x' * 50, i=i)

        threads = [threading.Thread(target=work, args=(f't{i}',)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    records = list(read(tmp_path, EventRecord))
    assert [record.seq for record in records] == list(range(1, 1201))
    for name in {record.agent for record in records}:
        assert [r.facts['i'] for r in records if r.agent == name] == list(range(200))


def test_the_half_line_of_a_crash_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with TraceWriter(tmp_path) as writer:
        for _ in range(3):
            writer.event('a', 'e', 'm')
    path = tmp_path / 'events.jsonl'
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"schema_version":1,"seq":4,"mess')
    with TraceWriter(tmp_path) as writer:
        assert writer.last_seq == 3
        writer.event('a', 'after', 'm')
    assert [record.seq for record in read(tmp_path, EventRecord)] == [1, 2, 3, 4]
    assert path.read_bytes().startswith(whole)
    assert (tmp_path / 'events.torn').read_bytes() == b'{"schema_version":1,"seq":4,"mess\n'
    assert 'half-written' in caplog.text


def test_a_file_that_is_nothing_but_half_a_long_line(tmp_path: Path):
    (tmp_path / 'events.jsonl').write_bytes(b'{"x":"' + b'y' * 200_000)
    with TraceWriter(tmp_path) as writer:
        writer.event('a', 'e', 'm' * 200_000)
    with TraceWriter(tmp_path) as writer:
        assert writer.last_seq == 1


def test_a_ledger_that_ends_in_something_else_is_not_continued(tmp_path: Path):
    (tmp_path / 'events.jsonl').write_text('{"seq": 1}\nhello\n')
    with pytest.raises(TraceError, match=r'events\.jsonl is not a record'):
        TraceWriter(tmp_path)


class FullDisk:
    """The operating system's write, on a disk that takes so many more bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.write = os.write

    def __call__(self, fd: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, 'No space left on device')
        written = self.write(fd, bytes(data)[: self.room])
        self.room -= written
        return written


def test_a_full_disk_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    writer = TraceWriter(tmp_path)
    writer.event('a', 'before', 'm')
    with monkeypatch.context() as patch:
        patch.setattr(os, 'write', FullDisk(room=40))
        with pytest.raises(TraceError, match=r'events\.jsonl: the disk is full'):
            writer.event('a', 'lost', 'm')
    assert [record.event for record in read(tmp_path, EventRecord)] == ['before']
    writer.event('a', 'after', 'm')
    writer.close()
    records = list(read(tmp_path, EventRecord))
    assert [record.event for record in records] == ['before', 'after']
    assert records[0].seq < records[1].seq


def test_a_half_record_that_could_not_be_taken_back_at_once_is_before_the_next(tmp_path: Path, monkeypatch):
    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.EIO, 'no')

    writer = TraceWriter(tmp_path)
    writer.event('a', 'before', 'm')
    with monkeypatch.context() as patch:
        patch.setattr(os, 'write', FullDisk(room=40))
        patch.setattr(os, 'ftruncate', refuse)
        with pytest.raises(TraceError):
            writer.event('a', 'lost', 'm')
    assert [record.event for record in read(tmp_path, EventRecord)] == ['before']
    writer.event('a', 'after', 'm')
    writer.close()
    assert [record.event for record in read(tmp_path, EventRecord)] == ['before', 'after']


def test_a_disk_that_fails_on_closing_says_so_and_leaves_nothing_open(tmp_path: Path, monkeypatch):
    writer = TraceWriter(tmp_path)
    writer.event('a', 'e', 'm')
    writer.write(selection(1))
    before = len(os.listdir('/proc/self/fd')) if Path('/proc/self/fd').exists() else None

    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, 'Input/output error')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', refuse)
        with pytest.raises(TraceError, match='Input/output error'):
            writer.close()
    if before is not None:
        assert len(os.listdir('/proc/self/fd')) == before - 2
    writer.close()


def test_a_closed_trace_refuses_records(tmp_path: Path):
    with TraceWriter(tmp_path) as writer:
        pass
    with pytest.raises(TraceError, match='was closed'):
        writer.event('a', 'e', 'm')


def test_a_directory_that_cannot_be_made_is_a_clear_message(tmp_path: Path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(TraceError, match='Cannot write the trace in'):
        TraceWriter(tmp_path / 'file' / 'run')


def test_listeners_hear_events_and_cannot_hurt(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    heard: list[EventRecord] = []

    def listen(record: EventRecord) -> None:
        heard.append(record)
        raise RuntimeError('the terminal went away')

    with TraceWriter(tmp_path, listener=listen) as writer:
        writer.event('a', 'one', 'm')
        writer.write(selection(1))
        writer.event('a', 'two', 'm')
    assert [(record.event, record.seq) for record in heard] == [('one', 1), ('two', 3)]
    assert 'the campaign goes on' in caplog.text


def test_a_listener_may_itself_write(tmp_path: Path):
    writer = TraceWriter(tmp_path)
    writer.listener = lambda record: record.event == 'one' and writer.event('view', 'seen', 'm')
    writer.event('a', 'one', 'm')
    writer.close()
    assert [record.event for record in read(tmp_path, EventRecord)] == ['one', 'seen']
