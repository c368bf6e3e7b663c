"""Run directories that something has got at: what is whole is read, the rest is told in words, nothing else happens."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.driver.settings_layers import load_settings
from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import read, read_all
from scoutbee.traces.records import (
    RECORDS,
    EventRecord,
    FailureRecord,
    InferenceRecord,
    SelectionRecord,
    SimulationRecord,
    TrainingRecord,
)
from scoutbee.traces.replay import replay
from scoutbee.traces.summary import SUMMARY_FILE, Summary, read_summary, write_summary
from scoutbee.traces.writer import TraceWriter

TASK = {'task_id': 't', 'method': 'm', 'success': True, 'timestamps': {'created': 1.5}, 'spans': {'running': 0.25}}


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with some records of every kind."""
    run_dir = tmp_path_factory.mktemp('whole')
    with TraceWriter(run_dir) as writer:
        for i in range(4):
            writer.event('launcher', 'ticked', 'It ticks.', row=i, args=[0.5])
            failure = FailureRecord(kind='input', error='E', message='no') if i % 2 else None
            writer.write(
                SimulationRecord(**TASK, key=f'k{i}', args=[i], outcome='observed', value=0.5 * i, failure=failure)
            )
            writer.write(TrainingRecord(**TASK, generation=1, member=i, observations=8, metrics={'loss': 0.5}))
            writer.write(InferenceRecord(**TASK, generation=1, members=[i], chunk=0, rows=10))
            writer.write(
                SelectionRecord(
                    ranking=i + 1,
                    models=['g1m0'],
                    scored=9,
                    kept=3,
                    observations=8,
                    taken=0,
                    seconds=0.1,
                    top=[{'k': 1}],
                )
            )
    write_summary(
        run_dir,
        Summary(campaign='c', site='s', status='failed', reason='r', seed=None, wall_seconds=1.0, simulations={}),
    )
    return run_dir


@pytest.fixture(scope='module')
def copy(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place to put damaged copies of its files."""
    return Path(shutil.copytree(whole, tmp_path_factory.mktemp('copy') / 'run'))


def read_everything(run_dir: Path) -> tuple[list[int], list[str]]:
    """The seqs that can be read, and what is said of the rest; checks that a strict reading agrees."""
    said: list[str] = []
    records = list(read_all(run_dir, skipped=said))
    if said:
        with pytest.raises(TraceError, match=r'line \d+: .*\.$'):
            list(read_all(run_dir))
    else:
        assert len(list(read_all(run_dir))) == len(records)
    for sentence in said:
        assert str(run_dir) in sentence
        assert '\n' not in sentence
        assert len(sentence) < 2_000
    return [record.seq for record in records], said


def mutate(content: bytes, seed: int) -> bytes:
    """One of the things that happen to files."""
    draw = random.Random(seed)
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del data[at : at + draw.randint(1, 40)]
        elif kind == 2:
            data[at:at] = draw.randbytes(draw.randint(1, 20))
        elif kind == 3:
            data[at:at] = draw.choice(
                [b'\n', b'\0' * 512, b'NaN', b'1e999', b'null', b'[' * 5_000, b'9' * 5_000, b'\r']
            )
        elif kind == 4:
            start = draw.randrange(len(data) + 1)
            data[at:at] = data[start : start + draw.randint(1, 600)]
        else:
            del data[at:]
    return bytes(data)


@settings(max_examples=300)
@given(kind=st.sampled_from(RECORDS), seed=st.integers(0, 2**32))
def test_a_damaged_file_costs_its_own_lines_only(whole: Path, copy: Path, kind, seed: int):
    name = f'{kind.stream}.jsonl'
    content = (whole / name).read_bytes()
    (copy / name).write_bytes(mutate(content, seed))
    try:
        seqs, _ = read_everything(copy)
        others = {record.seq for other in RECORDS if other is not kind for record in read(whole, other)}
        assert others <= set(seqs)
        own = [record.seq for record in read(copy, kind, skipped=[])]
        assert own == sorted(set(own))
    finally:
        (copy / name).write_bytes(content)


@settings(max_examples=200)
@given(kind=st.sampled_from(RECORDS), content=st.binary(max_size=300), lines=st.booleans())
def test_arbitrary_bytes_hold_no_records(copy: Path, whole: Path, kind, content: bytes, lines: bool):
    name = f'{kind.stream}.jsonl'
    (copy / name).write_bytes(content + b'\n' if lines else content)
    try:
        _, said = read_everything(copy)
        assert len(said) == (content + b'\n' if lines else content).count(b'\n')
    finally:
        shutil.copy(whole / name, copy / name)


@settings(max_examples=150)
@given(kind=st.sampled_from(RECORDS), seed=st.integers(0, 2**32))
def test_a_damaged_ledger_is_replayed_and_continued_or_refused(whole: Path, copy: Path, kind, seed: int):
    name = f'{kind.stream}.jsonl'
    (copy / name).write_bytes(mutate((whole / name).read_bytes(), seed))
    try:
        with contextlib.suppress(TraceError):
            replay(copy)
        with contextlib.suppress(TraceError):
            TraceWriter(copy).close()
    finally:
        shutil.copy(whole / name, copy / name)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_summary_is_read_or_refused(whole: Path, copy: Path, seed: int):
    (copy / SUMMARY_FILE).write_bytes(mutate((whole / SUMMARY_FILE).read_bytes(), seed))
    with contextlib.suppress(TraceError):
        assert isinstance(read_summary(copy), Summary)


@pytest.mark.parametrize('order', [[1, 1], [1, 2, 2, 3], [1, 2, 3, 1, 2, 3], [2, 1], [3, 0], [1, -5]])
def test_a_line_that_does_not_follow_is_named_and_counts_nothing_twice(tmp_path: Path, order: list[int]):
    lines = [EventRecord(seq=seq, agent='a', event='e', message='m').model_dump_json() + '\n' for seq in order]
    (tmp_path / 'events.jsonl').write_text(''.join(lines))
    seqs, said = read_everything(tmp_path)
    assert seqs == sorted(set(seqs))
    assert len(seqs) + len(said) == len(order)
    assert all('seq' in sentence for sentence in said)


@pytest.mark.parametrize('version', [0, 3, 99, '1', 1.5, [1]])
def test_lines_of_another_schema_version_say_so(tmp_path: Path, version: object):
    record = json.loads(EventRecord(seq=1, agent='a', event='e', message='m').model_dump_json())
    (tmp_path / 'events.jsonl').write_text(json.dumps({**record, 'schema_version': version}) + '\n')
    with pytest.raises(TraceError, match='schema'):
        list(read(tmp_path, EventRecord))


@pytest.mark.parametrize('line', [b'[' * 100_000, b'{"seq":' * 50_000, b'9' * 10_000, b'{"a":' + b'1' * 5_000 + b'}'])
@pytest.mark.parametrize('last', [False, True])
def test_deep_and_endless_lines_are_only_bad_lines(tmp_path: Path, line: bytes, last: bool):
    good = EventRecord(seq=1, agent='a', event='e', message='m').model_dump_json().encode()
    (tmp_path / 'events.jsonl').write_bytes(b'\n'.join([good, line] if last else [line, good]) + b'\n')
    seqs, said = read_everything(tmp_path)
    assert (seqs, len(said)) == ([1], 1)
    if last:
        with pytest.raises(TraceError, match='not a record'):
            TraceWriter(tmp_path)


@pytest.mark.parametrize('seq', ['1e999', 'Infinity', '"7"', 'true', '-1', '1.5', 'null', '[]'])
def test_a_ledger_whose_last_number_is_none_is_not_continued(tmp_path: Path, seq: str):
    (tmp_path / 'events.jsonl').write_text(f'{{"seq": {seq}}}\n')
    with pytest.raises(TraceError, match='not a record with a sequence number'):
        TraceWriter(tmp_path)


PARAMS = b'campaign: ackley\nsearch_size: 5\nackley:\n  points: 10\npolicy:\n  slots: {reserve: 0}\nnull: ~\n'


@settings(max_examples=60)
@given(content=st.one_of(st.binary(max_size=200), st.integers(0, 2**32).map(lambda seed: mutate(PARAMS, seed))))
def test_arbitrary_params_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    run_dir = tmp_path_factory.mktemp('run')
    (run_dir / 'params.yaml').write_bytes(content)
    for flags in (['--config', str(run_dir / 'params.yaml')], ['--resume', str(run_dir)]):
        with contextlib.suppress(ConfigurationError):
            load_settings(flags)
