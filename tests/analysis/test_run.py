"""A run directory as tables: the same rows that the checking reader finds, whatever the files hold."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.analysis import Run
from scoutbee.traces.encoding import encode
from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import read
from scoutbee.traces.records import (
    EventRecord,
    FailureRecord,
    InferenceRecord,
    Record,
    SelectionRecord,
    SimulationRecord,
    TrainingRecord,
)

# -- random ledgers ------------------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=True, allow_infinity=False, width=32)
times = st.floats(0, 2e9)
words = st.text(st.characters(codec='utf-8'), max_size=8)
counts = st.integers(0, 2**53)
maybe = st.none() | words
timestamps = st.dictionaries(st.sampled_from(['created', 'compute_started', 'compute_ended', 'odd']), times)
spans = st.dictionaries(st.sampled_from(['running', 'resolve_proxies', 'odd']), st.floats(0, 1e6))
choices = st.fixed_dictionaries(
    {}, optional={'ranking': counts | words, 'mean': numbers | counts, 'std': st.none() | numbers, 'why': words}
)
failures = st.none() | st.builds(FailureRecord, kind=words, error=words, message=words, traceback=maybe)
task = {
    'seq': counts, 'time': times, 'task_id': words, 'method': words, 'success': st.booleans(), 'failure': failures,
    'timestamps': timestamps, 'spans': spans, 'sizes': st.dictionaries(st.sampled_from(['inputs', 'value']), counts),
    'worker': maybe, 'host': maybe, 'worker_info': st.dictionaries(st.sampled_from(['pid', 'rank']), counts | words),
    'attempt': st.integers(1, 9),
}  # fmt: skip
simulations = st.builds(
    SimulationRecord, **task, key=words, row=st.none() | counts, args=st.lists(words | numbers, max_size=2),
    choice=choices, outcome=st.sampled_from(['observed', 'retried', 'failed', 'duplicate', 'withdrawn']),
    value=st.none() | numbers, output=st.none() | st.dictionaries(words, numbers, max_size=2),
)  # fmt: skip
trainings = st.builds(
    TrainingRecord, **task, generation=counts, member=counts, observations=counts, model_file=maybe,
    metrics=st.dictionaries(st.sampled_from(['loss', 'epochs']), numbers),
)  # fmt: skip
inferences = st.builds(
    InferenceRecord, **task, generation=counts, members=st.lists(counts, max_size=3), chunk=counts, rows=counts,
    file=maybe, offset=st.none() | counts,
)  # fmt: skip
selections = st.builds(
    SelectionRecord, seq=counts, time=times, ranking=counts, models=st.lists(st.just('g3m1'), max_size=2),
    scored=counts, kept=counts, observations=counts, taken=counts, seconds=times, started=st.none() | times,
    warnings=st.lists(words, max_size=2), top=st.lists(st.fixed_dictionaries({'key': words}), max_size=2),
)  # fmt: skip
events = st.builds(
    EventRecord, seq=counts, time=times, agent=words, event=st.sampled_from(['submitted', 'noted']), message=words,
    level=st.sampled_from(['info', 'warning']),
    facts=st.dictionaries(st.sampled_from(['key', 'attempt', 'waited']), counts | words | numbers),
)  # fmt: skip


def _less(line: bytes, dropped: int) -> bytes:
    data = json.loads(line)
    names = [name for name in data if name != 'time']  # without one a record is of the moment it is read
    del data[names[dropped % len(names)]]
    return json.dumps(data).encode() + b'\n'


def _changed(line: bytes, changed: int, value: object) -> bytes:
    data = json.loads(line)
    names = [name for name in data if name != 'schema_version']
    data[names[changed % len(names)]] = value
    return json.dumps(data).encode() + b'\n'


odd_values = st.sampled_from([None, True, 'x', '3', 1.0, 2.5, -1, [], [1], {}, {'a': 1}, {'a': None}, {'a': 'x'}])
damage = st.one_of(
    st.just(lambda line: line),
    st.just(lambda line: b'garbage\n'),
    st.just(lambda line: b'[1]\n'),
    st.just(lambda line: b'\n'),
    st.just(lambda line: b'\xff' + line),
    st.integers(0, 40).map(lambda n: lambda line: _less(line, n)),
    st.integers(0, 40).map(lambda n: lambda line: line[:-2] + b',"colour":"blue"}\n' if n % 2 else line[n % 7 :]),
    st.tuples(st.integers(0, 40), odd_values).map(lambda pair: lambda line: _changed(line, *pair)),
)


def files(records: st.SearchStrategy[Record]) -> st.SearchStrategy[bytes]:
    """A file of the ledger: mostly good lines, some damaged, perhaps half a line at the end."""
    return st.builds(_file, st.lists(st.tuples(records, damage), max_size=5), st.booleans(), st.booleans())


def _file(pairs: list[tuple[Record, Any]], rises: bool, is_torn: bool) -> bytes:
    for number, (record, _) in enumerate(pairs, start=1):
        record.seq = number if rises else record.seq
    whole = b''.join(damaged(encode(record)) for record, damaged in pairs)
    return whole + (b'{"schema_version":1,"se' if is_torn else b'')


def same(found: Any, expected: Any) -> bool:
    if expected is None or (isinstance(expected, float) and math.isnan(expected)):
        return bool(pd.isna(found))
    return bool(found == expected)


def check_rows(table: pd.DataFrame, records: list[Any], fields: dict[str, Any]) -> None:
    assert len(table) == len(records)
    for name, of in fields.items():
        for found, record in zip(table[name], records, strict=True):
            assert same(found, of(record)), (name, found, of(record))


def field(name: str) -> Any:
    return lambda record: getattr(record, name)


def held(name: str, key: str) -> Any:
    return lambda record: getattr(record, name).get(key)


TASK_FIELDS = {
    **{name: field(name) for name in ('seq', 'time', 'task_id', 'success', 'attempt', 'worker', 'host')},
    **{name: held('timestamps', name) for name in ('created', 'compute_started', 'compute_ended')},
    **{f'{name}_seconds': held('spans', name) for name in ('running', 'resolve_proxies')},
    **{f'{name}_bytes': held('sizes', name) for name in ('inputs', 'value')},
    **{
        f'failure_{name}': lambda record, name=name: record.failure and getattr(record.failure, name)
        for name in ('kind', 'error', 'message', 'traceback')
    },
}  # fmt: skip


@settings(max_examples=50)
@given(files(simulations), files(trainings), files(inferences), files(selections), files(events))
def test_it_finds_the_rows_that_the_checking_reader_finds(
    simulated: bytes, trained: bytes, inferred: bytes, selected: bytes, noted: bytes
):
    folder = Path(tempfile.mkdtemp())
    try:
        contents = {
            SimulationRecord: simulated, TrainingRecord: trained, InferenceRecord: inferred,
            SelectionRecord: selected, EventRecord: noted,
        }  # fmt: skip
        for kind, content in contents.items():
            (folder / f'{kind.stream}.jsonl').write_bytes(content)
        told: list[str] = []
        expected = {kind: list(read(folder, kind, skipped=told)) for kind in contents}
        run = Run(folder)
        tasks = {kind: run.tasks[run.tasks['kind'] == kind] for kind in ('simulate', 'train', 'infer')}
        by_seq = {kind: sorted(records, key=lambda r: r.seq) for kind, records in expected.items()}
        check_rows(tasks['simulate'], by_seq[SimulationRecord], {
            **TASK_FIELDS, 'key': field('key'), 'row': field('row'), 'outcome': field('outcome'),
            'value': field('value'),
        })  # fmt: skip
        more = {'generation': field('generation')}
        check_rows(tasks['train'], by_seq[TrainingRecord], {
            **TASK_FIELDS, **more, **{name: field(name) for name in ('member', 'observations', 'model_file')},
        })  # fmt: skip
        check_rows(tasks['infer'], by_seq[InferenceRecord], {
            **TASK_FIELDS, **more, 'members': lambda r: ' '.join(map(str, r.members)),
            **{name: field(name) for name in ('chunk', 'rows', 'file', 'offset')},
        })  # fmt: skip
        plain = ('seq', 'time', 'ranking', 'scored', 'kept', 'observations', 'taken', 'seconds', 'started')
        check_rows(run.selections, expected[SelectionRecord], {
            **{name: field(name) for name in plain}, 'models': lambda r: ' '.join(r.models),
        })  # fmt: skip
        plain = ('seq', 'time', 'agent', 'event', 'level', 'message')
        check_rows(run.events, expected[EventRecord], {name: field(name) for name in plain})
        for text, record in zip(run.events['facts'], expected[EventRecord], strict=True):
            assert json.loads(text) == json.loads(encode(record))['facts']
        assert sorted(run.skipped) == sorted(told)
        assert all(isinstance(table, pd.DataFrame) for table in run.tables.values())
    finally:
        shutil.rmtree(folder)


# -- whole directories ---------------------------------------------------------------------------------------------


def test_a_run_reads_as_tidy_tables(synthetic):
    run = Run(synthetic(count=60, failures=3, chunks=2).write())
    assert run.tasks['seq'].is_monotonic_increasing
    assert set(run.tasks['kind']) == {'simulate', 'train', 'infer'}
    assert run.tasks['created'].between(1.7e9, 1.8e9).all()
    assert len(run.observations) == 60
    assert run.observations['order'].tolist() == list(range(1, 61))
    assert len(run.submissions) == 63
    assert (run.submissions['waited_buffer'] >= 0).all()
    assert (run.submissions['waited_paused'] == 0).all()
    assert run.tops.groupby('ranking')['place'].max().eq(20).all()
    assert run.models['version'].iloc[0] == 'g1m0'
    assert 'metric_val_loss' in run.models
    assert json.loads(run.events['facts'].iloc[1])['attempt'] == 1
    last = run.observations.iloc[-1]
    assert run.output(last['line_offset'])['ip_ev'] == last['value']
    assert run.skipped == []


def test_what_came_from_a_cache_did_not_move(synthetic):
    run = Run(synthetic(count=60, chunks=2).write())
    asked = run.tasks[run.tasks['kind'] == 'infer']
    first = asked[(asked['generation'] == 1) & (asked['members'] == '0')]
    assert (first['cache_misses'] == 1).all()
    assert (first['object_bytes_in'] == 2_000_000).all()
    later = asked.drop(first.index)
    assert (later['cache_hits'] == 1).all()
    assert (later['object_bytes_in'] == 0).all()
    assert run.objects['moved'].sum() == len(first)


def test_an_empty_directory_has_empty_tables(tmp_path: Path):
    run = Run(tmp_path)
    assert all(len(table) == 0 for table in run.tables.values())
    assert run.summary is None
    assert run.params == {}
    assert run.objective.maximize


def test_a_directory_that_is_not_there(tmp_path: Path):
    with pytest.raises(TraceError, match='is not a run directory'):
        Run(tmp_path / 'nowhere')


def test_another_schema_version_says_so(synthetic):
    run_dir = synthetic().write(30)
    path = run_dir / 'simulation-results.jsonl'
    path.write_bytes(path.read_bytes().replace(b'"schema_version":2', b'"schema_version":9', 1))
    with pytest.raises(TraceError, match='schema version 9, but this Scoutbee reads versions 1 and 2'):
        _ = Run(run_dir).tasks


def test_a_table_is_read_when_it_is_asked_for(synthetic):
    run_dir = synthetic().write()
    run = Run(run_dir)
    (run_dir / 'simulation-results.jsonl').unlink()
    assert not (run.tasks['kind'] == 'simulate').any()


def test_every_cut_of_a_growing_file_reads(synthetic):
    run_dir = synthetic(count=8, failures=0).write()
    path = run_dir / 'simulation-results.jsonl'
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        run = Run(run_dir)
        assert len(run.tasks) == sum(end <= cut for end in ends)
        assert run.skipped == []


def test_numbers_too_large_for_a_column_do_not_stop_it(synthetic):
    run_dir = synthetic(count=5, failures=0).write()
    path = run_dir / 'simulation-results.jsonl'
    path.write_bytes(path.read_bytes().replace(b'"row":3', b'"row":' + b'9' * 30))
    assert Run(run_dir).tasks['row'].max() == pytest.approx(1e30)


def test_importing_it_imports_nothing_heavy():
    code = 'import sys; from scoutbee.analysis import Run; print(*sys.modules)'
    loaded = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.split()
    assert not {'pandas', 'pyarrow', 'matplotlib', 'rdkit', 'scipy'} & set(loaded)


def test_sessions_follow_the_order_of_the_ledger_and_not_the_clock(tmp_path: Path):
    from scoutbee.traces.writer import TraceWriter

    with TraceWriter(tmp_path) as writer:
        for time, event in ((100, 'started'), (110, 'noted'), (50, 'resumed'), (70, 'noted'), (60, 'noted')):
            writer.write(EventRecord(time=time, agent='a', event=event, message=''))
    sessions = Run(tmp_path).sessions
    assert sessions[['session', 'first_seq', 'start', 'end']].to_numpy().tolist() == [[1, 1, 100, 110], [2, 3, 50, 70]]
    assert np.isfinite(sessions.to_numpy()).all()
