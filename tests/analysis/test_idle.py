"""A small run, written out so that every number can be checked by eye.

Two simulation workers, ``w1`` and ``w2``, and one, ``g``, that trains and infers; a driver works from 0 to 30 s. One
column is one second; ``=`` is a task, ``i`` its worker waiting for inputs::

    second  0         10        20        30
    w1      ....======...i=====...........      a 4-10, b 14-19 (inputs 13-14)
    w2      ......==============....====..      c 6-20, d 24-28
    g       ..........====..==............      training 10-14, inference 16-18
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.analysis import Run
from scoutbee.analysis.idle import CAUSES, by_cause, idle_times, machine_use
from scoutbee.analysis.latency import STAGES, stages, waterfall
from scoutbee.analysis.machine import busy_spans, busy_workers, peak, slot_use
from scoutbee.traces.records import EventRecord, InferenceRecord, Record, SimulationRecord, TrainingRecord
from scoutbee.traces.writer import TraceWriter

WORKERS = {'simulate': 2, 'train': 1, 'infer': 1}


def task(task_id: str, worker: str | None, **times: float) -> dict[str, Any]:
    inputs, time = times.pop('inputs', 0.0), times.pop('time')
    return {
        'task_id': task_id, 'method': 'm', 'success': True, 'worker': worker, 'time': time, 'timestamps': times,
        'spans': {'resolve_proxies': inputs, 'serialize_results': 0.25},
    }  # fmt: skip


def simulation(key: str, worker: str | None, **times: float) -> SimulationRecord:
    return SimulationRecord(**task(key, worker, **times), key=key, args=[], outcome='observed', value=1.0)


def sent(key: str, time: float, **waited: float) -> EventRecord:
    facts = {'key': key, 'row': None, 'args': [], 'choice': {}, 'attempt': 1, 'waited': waited}
    return EventRecord(time=time, agent='simulation launcher', event='submitted', message='', facts=facts)


def began_training(time: float) -> EventRecord:
    facts = {'generation': 1, 'members': [0], 'observations': 1, 'started': time}
    return EventRecord(time=time, agent='trainer', event='training_started', message='', facts=facts)


def moments(
    created: float, received: float, started: float, ended: float, back: float, time: float
) -> dict[str, float]:
    return {
        'created': created, 'input_received': received, 'compute_started': started, 'compute_ended': ended,
        'result_received': back, 'time': time,
    }  # fmt: skip


def by_hand() -> list[Record]:
    return [
        EventRecord(time=0, agent='thinker', event='started', message=''),
        sent('a', 1.0, buffer=1.0),
        simulation('a', 'w1', **moments(1, 2, 4, 10, 10.5, 11)),
        sent('b', 11.5, buffer=0.25, paused=0.5),
        simulation('b', 'w1', **moments(11.5, 12, 13, 19, 19.5, 20), inputs=1.0),
        sent('c', 1.0),
        simulation('c', 'w2', **moments(1, 2, 6, 20, 21, 21.5)),
        sent('d', 22.0, paused=8.0),  # longer than this worker was idle: the slot was free before
        simulation('d', 'w2', **moments(22, 23, 24, 28, 29, 30)),
        began_training(8.0),
        TrainingRecord(
            **task('t', 'g', **moments(9, 9.5, 10, 14, 14.25, 14.5)), generation=1, member=0, observations=1
        ),
        InferenceRecord(
            **task('i', 'g', **moments(15, 15.5, 16, 18, 18.25, 18.5)), generation=1, members=[0], chunk=0, rows=9
        ),
    ]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return written(tmp_path, by_hand())


def written(folder: Path, records: list[Record]) -> Run:
    with TraceWriter(folder) as writer:
        for record in sorted(records, key=lambda record: record.time):
            writer.write(record)
    return Run(folder)


def idle_of(run: Run, workers: dict[str, int]) -> Any:
    spans = busy_spans(run.tasks, run.sessions, workers)
    return spans, idle_times(
        spans, run.sessions, workers, submissions=run.submissions, events=run.events, models=run.models
    )


def causes_of(row: Any) -> dict[str, float]:
    return {cause: row[cause] for cause in CAUSES if row[cause]}


def test_every_idle_second_of_the_small_run_has_the_cause_worked_out_by_hand(run: Run):
    _, idle = idle_of(run, WORKERS)
    gaps = {(row['worker'], row['start'], row['end']): causes_of(row) for row in idle.to_dict('records')}
    assert gaps == {
        # The launcher says it waited 1 s for a candidate; the rest was before the worker's first task.
        ('w1', 0, 4): {'buffer': 1.0, 'startup': 3.0},
        # a ended at 10, its result was there at 10.5; b was created at 11.5, taken at 12, begun at 13, ran at 14.
        ('w1', 10, 14): {
            'notification': 0.5, 'buffer': 0.25, 'paused': 0.5, 'thinker': 0.25, 'queue': 0.5, 'dispatch': 1.0,
            'inputs': 1.0,
        },
        ('w1', 19, 30): {'end_of_run': 11.0},
        ('w2', 0, 6): {'startup': 6.0},
        # c's result was there at 21, d was created at 22: all of that second the launcher was paused.
        ('w2', 20, 24): {'notification': 1.0, 'paused': 1.0, 'queue': 1.0, 'dispatch': 1.0},
        ('w2', 28, 30): {'end_of_run': 2.0},
        # Training was not due before 8.
        ('g', 0, 10): {'not_due': 8.0, 'startup': 2.0},
        # The training's result was there at 14.25, its model recorded at 14.5, the question created at 15.
        ('g', 14, 16): {'notification': 0.25, 'not_due': 0.25, 'thinker': 0.5, 'queue': 0.5, 'dispatch': 0.5},
        ('g', 18, 30): {'end_of_run': 12.0},
    }  # fmt: skip


def test_the_use_of_its_workers_is_as_worked_out_by_hand(run: Run):
    spans, idle = idle_of(run, WORKERS)
    use = machine_use(spans, idle).set_index('pool')
    assert use.loc['simulate', ['workers', 'busy_seconds', 'idle_seconds']].tolist() == [2, 6 + 5 + 14 + 4, 31]
    assert use.loc['train+infer', ['workers', 'busy_seconds', 'idle_seconds']].tolist() == [1, 6, 24]
    assert use.loc['simulate', 'utilization'] == pytest.approx(29 / 60)
    slots = slot_use(spans, idle, run.sessions, WORKERS)
    assert slots['simulate'].utilization == pytest.approx(29 / 60)
    assert (slots['simulate'].workers, slots['simulate'].idle_seconds.median) == (2, 4.0)
    assert slots['train'].utilization == pytest.approx(4 / 30)
    assert slots['train'].idle_seconds.median is None
    assert slots['infer'].idle_seconds.median == 2.0


def test_the_life_of_its_tasks_is_as_worked_out_by_hand(run: Run):
    made = stages(run.tasks).set_index(run.tasks['task_id'])
    assert made.loc['b', list(STAGES)].tolist() == [0.5, 1.0, 1.0, 5.0, 0.25, 0.25, 0.5]
    assert made.loc['b', 'total'] == 8.5
    assert made['clipped'].tolist() == [0] * 6
    table = waterfall(made).set_index(['kind', 'stage'])
    assert table.loc[('simulate', 'queue'), 'median'] == 1.0  # of 1, 0.5, 1, 1
    assert table.loc[('simulate', 'run'), 'p95'] == pytest.approx(14 - 0.15 * 8)  # between 6 and 14
    assert table.loc[('simulate', 'queue'), 'count'] == 4


def test_without_the_launchers_word_its_waits_are_the_thinkers(tmp_path: Path):
    records = [record for record in by_hand() if not (isinstance(record, EventRecord) and 'waited' in record.facts)]
    _, idle = idle_of(written(tmp_path, records), WORKERS)
    total = by_cause(idle).loc['simulate']
    assert total['seconds'] == 31
    assert total['thinker'] == 1.0 + 1.0
    assert total[['buffer', 'paused', 'horizon', 'complete']].sum() == 0


def test_time_between_sessions_is_no_ones(tmp_path: Path):
    records = by_hand()
    records += [
        EventRecord(time=100, agent='thinker', event='resumed', message=''),
        sent('e', 101.0),
        simulation('e', 'w3', **moments(101, 102, 103, 109, 109.5, 110)),
    ]
    run = written(tmp_path, records)
    assert run.sessions[['start', 'end']].to_numpy().tolist() == [[0, 30], [100, 110]]
    spans, idle = idle_of(run, {'simulate': 2})
    second = idle[idle['session'] == 1]
    assert [causes_of(row) for row in second.to_dict('records')] == [
        {'startup': 3.0}, {'end_of_run': 1.0}, {'unused': 10.0},
    ]  # fmt: skip
    assert slot_use(spans, idle, run.sessions, {'simulate': 2})['simulate'].utilization == pytest.approx(35 / 80)


def test_a_worker_that_replaces_a_dead_one_takes_its_seat(tmp_path: Path):
    records = [
        EventRecord(time=0, agent='thinker', event='started', message=''),
        simulation('a', 'old', **moments(1, 1, 1, 4, 4, 4)),
        simulation('b', 'new', **moments(5, 5, 5, 8, 8, 8)),
        EventRecord(time=10, agent='thinker', event='ended', message=''),
    ]
    run = written(tmp_path, records)
    _, idle = idle_of(run, {'simulate': 1})
    assert by_cause(idle).loc['simulate', 'seconds'] == 4
    assert idle['position'].tolist() == ['first', 'between', 'last']
    _, idle = idle_of(run, {})
    assert by_cause(idle).loc['simulate', 'seconds'] == 14, 'two workers, as far as anyone knows'


def test_workers_added_later_count(tmp_path: Path):
    records: list[Record] = [EventRecord(time=0, agent='thinker', event='started', message='')]
    records += [simulation(key, key, **moments(0, 0, 0, 10, 10, 10)) for key in 'abc']
    run = written(tmp_path, records)
    spans, idle = idle_of(run, {'simulate': 1})
    use = slot_use(spans, idle, run.sessions, {'simulate': 1})['simulate']
    assert (use.workers, use.utilization) == (3, 1.0)


def test_a_task_whose_worker_is_not_known_is_busy_and_nowhere_idle(tmp_path: Path):
    records = [
        EventRecord(time=0, agent='thinker', event='started', message=''),
        simulation('a', None, **moments(1, 1, 2, 6, 8, 8)),
        simulation('b', None, created=1.0, time=8.0),
        EventRecord(time=8, agent='thinker', event='ended', message=''),
    ]
    run = written(tmp_path, records)
    spans, idle = idle_of(run, {'simulate': 1})
    assert spans['seat'].tolist() == [-1]
    assert idle['unused'].tolist() == [8.0]
    assert slot_use(spans, idle, run.sessions, {'simulate': 1})['simulate'].utilization == 0.5


def test_nothing_ran(tmp_path: Path):
    run = Run(tmp_path)
    spans, idle = idle_of(run, {'simulate': 2})
    assert len(idle) == 0
    assert peak(spans) == 0
    assert slot_use(spans, idle, run.sessions, {'simulate': 2})['simulate'].utilization is None
    assert len(machine_use(spans, idle)) == 0


def test_a_clock_that_is_set_back_gives_no_negative_time(tmp_path: Path):
    """An hour is taken off every clock after the first result of ``w1``."""
    records = by_hand()
    for record in records:
        if record.time > 11:
            record.time -= 3600
            if isinstance(record, (SimulationRecord, TrainingRecord, InferenceRecord)):
                record.timestamps = {
                    name: time - 3600 if time > 11 else time for name, time in record.timestamps.items()
                }
    with TraceWriter(tmp_path) as writer:
        for record in records:
            writer.write(record)
    run = Run(tmp_path)
    spans, idle = idle_of(run, WORKERS)
    assert (idle[['seconds', *CAUSES]] >= 0).all().all()
    assert (spans['busy_until'] >= spans['busy_from']).all()
    made = stages(run.tasks)
    assert not (made[[*STAGES, 'total']] < 0).any().any()
    assert made['clipped'].sum() > 0
    assert slot_use(spans, idle, run.sessions, WORKERS)['simulate'].utilization <= 1


clock = st.integers(0, 40).map(float) | st.just(float('nan'))
tasks = st.tuples(
    st.sampled_from(['simulate', 'train']), st.sampled_from(['u', 'v', 'x', None]), clock, clock, clock, clock, clock,
    st.floats(0, 5), st.booleans(),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(tasks, max_size=8), st.integers(0, 3), st.floats(0, 9))
def test_idle_and_busy_time_of_every_seat_add_up_to_the_sessions(made: list[Any], workers: int, waited: float):
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp())
    try:
        with TraceWriter(folder) as writer:
            writer.write(EventRecord(time=0, agent='a', event='started', message=''))
            for number, (kind, worker, created, received, started, length, back, inputs, resumes) in enumerate(made):
                times = {
                    'created': created, 'input_received': received, 'compute_started': started,
                    'compute_ended': started + length, 'result_received': back,
                }  # fmt: skip
                fields = task(str(number), worker, time=number * 5.0, inputs=inputs, **times)
                fields['timestamps'] = {name: time for name, time in times.items() if not np.isnan(time)}
                if resumes:
                    writer.write(EventRecord(time=number * 5.0, agent='a', event='resumed', message=''))
                if kind == 'train':
                    writer.write(TrainingRecord(**fields, generation=1, member=number, observations=1))
                else:
                    writer.write(sent(str(number), number * 5.0, buffer=waited))
                    writer.write(SimulationRecord(**fields, key=str(number), args=[], outcome='observed', value=1.0))
        run = Run(folder)
        spans, idle = idle_of(run, {'simulate': workers, 'train': 1})
        assert idle['seconds'].to_numpy() == pytest.approx(idle[list(CAUSES)].sum(axis=1).to_numpy(), abs=1e-9)
        assert (idle[['seconds', *CAUSES]].to_numpy() >= 0).all()
        seats = ['session', 'pool', 'seat']
        placed = spans[spans['seat'] >= 0]
        busy = (placed['busy_until'] - placed['busy_from']).groupby([placed[name] for name in seats]).sum()
        total = idle.groupby(seats)['seconds'].sum().add(busy, fill_value=0.0)
        length = (run.sessions['end'] - run.sessions['start']).to_numpy()
        for (session, _, _), seconds in total.items():
            assert seconds == pytest.approx(length[session], abs=1e-9)
    finally:
        shutil.rmtree(folder)


pairs = st.lists(
    st.floats(0, 100).flatmap(lambda start: st.floats(start, 100).map(lambda end: (start, end))), max_size=15
)


@given(pairs)
def test_busy_workers_add_up_to_busy_time(made: list[tuple[float, float]]):
    import pandas as pd

    spans = pd.DataFrame(made, columns=['started', 'ended'], dtype=np.float64)
    edges, busy = busy_workers(spans.assign(ready=spans['started']), 0, 100, bins=37)
    assert np.sum(busy * np.diff(edges)) == pytest.approx(sum(end - start for start, end in made), abs=1e-6)
    assert np.all(busy <= peak(spans) + 1e-6)
