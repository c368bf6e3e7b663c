from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.analysis import Run
from scoutbee.analysis.fates import count, fates
from scoutbee.analysis.trouble import attempts, given_up, group_failures, slowest
from scoutbee.traces.reader import read_all
from scoutbee.traces.records import EventRecord, FailureRecord, Record, SimulationRecord, TrainingRecord
from scoutbee.traces.replay import replay_records
from scoutbee.traces.writer import TraceWriter


def simulation(key: str, outcome: str = 'observed', **more) -> SimulationRecord:
    fields = {
        'task_id': f't-{key}', 'method': 'simulate', 'success': outcome == 'observed', 'timestamps': {}, 'spans': {},
        'key': key, 'args': [], 'outcome': outcome, 'value': 1.0 if outcome == 'observed' else None,
    }  # fmt: skip
    return SimulationRecord(**{**fields, **more})


def failed(key: str, message: str, outcome: str = 'failed', error: str = 'InputTaskError') -> SimulationRecord:
    failure = FailureRecord(kind='input', error=error, message=message, traceback=f'Traceback of {key}')
    return simulation(key, outcome, failure=failure)


def sent(key: str, attempt: int = 1, event: str = 'submitted') -> EventRecord:
    facts = {'key': key, 'row': None, 'args': [], 'choice': {}, 'attempt': attempt}
    return EventRecord(agent='simulation launcher', event=event, message='', facts=facts)


def run_of(folder: Path, *records: Record) -> Run:
    with TraceWriter(folder) as writer:
        for record in records:
            writer.write(record)
    return Run(folder)


def test_failures_are_grouped_by_cause_whatever_the_candidate(tmp_path: Path):
    run = run_of(
        tmp_path,
        failed('CC', 'Cannot embed CC after 10 tries.'),
        failed('CCO', 'Cannot embed CCO after 20 tries.', 'retried'),
        failed('N', 'N has an odd number of electrons.'),
        simulation('x', 'failed'),
        simulation('y'),
        TrainingRecord(
            task_id='t', method='train', success=False, timestamps={}, spans={}, generation=1, member=0, observations=1,
            failure=FailureRecord(kind='lost', error='LeaseExpired', message='no result'),
        ),
    )  # fmt: skip
    groups = group_failures(run.tasks)
    assert [(group.task, group.error, group.count, dict(group.outcomes), group.subject) for group in groups] == [
        ('simulate', 'InputTaskError', 2, {'failed': 1, 'retried': 1}, 'CC'),
        ('simulate', 'InputTaskError', 1, {'failed': 1}, 'N'),
        ('simulate', 'no reason given', 1, {'failed': 1}, 'x'),
        ('train', 'LeaseExpired', 1, {}, 't'),
    ]
    assert groups[0].example == 'Cannot embed CC after 10 tries.'
    assert groups[0].traceback == 'Traceback of CC'
    assert groups[2].traceback is None


def test_attempts_and_candidates_given_up(tmp_path: Path):
    run = run_of(
        tmp_path,
        sent('a'), failed('a', 'chance', 'retried'), sent('a', 2), simulation('a'),
        sent('b'), sent('b', 2, 'resubmitted'), failed('b', 'killed', 'quarantined', 'WorkerDied'),
        sent('c'), failed('c', 'bad'),
    )  # fmt: skip
    assert dict(attempts(run.tasks, run.submissions).to_numpy().tolist()) == {
        'submitted': 3, 'repeated': 1, 'resubmitted': 1, 'observed': 1, 'retried': 1, 'quarantined': 1, 'failed': 1,
    }  # fmt: skip
    columns = ['key', 'outcome', 'failure_error']
    assert given_up(run.tasks)[columns].to_numpy().tolist() == [
        ['b', 'quarantined', 'WorkerDied'],
        ['c', 'failed', 'InputTaskError'],
    ]


def test_the_slowest_of_each_kind(tmp_path: Path):
    records = [
        simulation(str(seconds), timestamps={'compute_started': 100.0, 'compute_ended': 100.0 + seconds})
        for seconds in range(1, 201)
    ]
    found = slowest(run_of(tmp_path, simulation('never ran', 'failed'), *records).tasks)
    assert found['key'].tolist() == ['200', '199']
    assert found['run'].tolist() == [200.0, 199.0]
    assert found['times_median'].iloc[0] == pytest.approx(200 / 100.5)


keys = st.sampled_from('abc')
steps = st.one_of(
    st.builds(sent, keys, st.integers(1, 3)),
    st.builds(sent, keys, st.integers(1, 3), st.sampled_from(['resubmitted', 'copied'])),
    st.builds(lambda key: EventRecord(agent='a', event='withdrawn', message='', facts={'key': key}), keys),
    st.builds(simulation, keys, st.sampled_from(['observed', 'failed', 'quarantined', 'retried', 'withdrawn'])),
    st.builds(
        lambda generation, success: TrainingRecord(
            task_id='t', method='train', success=success, timestamps={}, spans={}, generation=generation, member=0,
            observations=1, model_file='m',
        ),
        st.integers(0, 2), st.booleans(),
    ),
    st.just(None).map(lambda _: EventRecord(agent='a', event='resumed', message='')),
)  # fmt: skip


@settings(max_examples=80)
@given(st.lists(steps, max_size=12))
def test_counts_are_those_of_a_replay(records: list[Record]):
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp())
    try:
        run = run_of(folder, *records)
        history = replay_records(read_all(folder))
        found = count(run.tasks, run.submissions, run.events)
        assert (found.submitted, found.succeeded, found.failed, found.quarantined) == (
            history.submitted, len(history.observations), len(history.failed), len(history.quarantined),
        )  # fmt: skip
        assert (found.lost_and_resubmitted, found.retrains, found.resumed) == (
            history.lost_and_resubmitted, history.learning.retrains, history.resumed,
        )  # fmt: skip
        ends = fates(run.tasks, run.submissions, run.events)
        assert set(ends.loc[ends['fate'] == 'observed', 'key']) == {o.candidate.key for o in history.observations}
    finally:
        shutil.rmtree(folder)
