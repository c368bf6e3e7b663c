from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.contracts.candidates import Candidate, Choice
from scoutbee.contracts.learning import ModelVersion
from scoutbee.traces.errors import TraceError
from scoutbee.traces.records import (
    EventRecord,
    FailureRecord,
    InferenceRecord,
    Record,
    SelectionRecord,
    SimulationRecord,
    TrainingRecord,
)
from scoutbee.traces.replay import replay, replay_records
from scoutbee.traces.writer import TraceWriter


def event(name: str, **facts: Any) -> EventRecord:
    return EventRecord(agent='a', event=name, message='m', facts=facts)


def sent(key: str, *, attempt: int = 1, again: bool = False, **more: Any) -> EventRecord:
    facts = {'key': key, 'row': int(key), 'args': [key, [1, 2]], 'choice': asdict(Choice(2, score=1.5, generation=1))}
    facts |= {'attempt': attempt, 'task_id': f'{key}-{attempt}'} | more
    return event('resubmitted' if again else 'submitted', **facts)


def back(key: str, outcome: str, *, attempt: int = 1, value: float | None = None, kind: str | None = None):
    failure = FailureRecord(kind=kind or 'random', error='TaskError', message='No.') if outcome != 'observed' else None
    return SimulationRecord(
        task_id=f'{key}-{attempt}', method='simulate', success=failure is None, failure=failure, timestamps={},
        spans={}, attempt=attempt, key=key, row=int(key), args=[key, [1, 2]],
        choice=asdict(Choice(2, score=1.5, generation=1)), outcome=outcome,
        value=value, output={'x': 1} if value is not None else None,
    )  # fmt: skip


def trained(generation: int, member: int, *, success: bool = True) -> TrainingRecord:
    return TrainingRecord(
        task_id='t', method='train', success=success, timestamps={}, spans={}, generation=generation, member=member,
        observations=4, model_file=f'models/g{generation}m{member}.npz' if success else None,
    )  # fmt: skip


def ranked(number: int) -> SelectionRecord:
    return SelectionRecord(ranking=number, models=['g1m0'], scored=9, kept=3, seconds=0.1)


def through_disk(run_dir: Path, *records: Record):
    with TraceWriter(run_dir) as writer:
        for record in records:
            writer.write(record)
    return replay(run_dir)


def test_an_empty_directory_has_no_history(tmp_path: Path):
    history = replay(tmp_path)
    assert history.observations == history.unfinished == ()
    assert history.submitted == history.generation == history.rankings == history.last_seq == 0
    assert history.taken_rows.shape == (0,)
    assert history.started is None


def test_observations_come_back_with_their_candidates_in_order(tmp_path: Path):
    history = through_disk(
        tmp_path, sent('3'), sent('1'), back('1', 'observed', value=1.5), back('3', 'observed', value=2.5)
    )
    assert [(o.candidate.key, o.value, o.record) for o in history.observations] == [
        ('1', 1.5, {'x': 1}),
        ('3', 2.5, {'x': 1}),
    ]
    assert history.observations[0].candidate == Candidate('1', ('1', [1, 2]), 1, Choice(2, score=1.5, generation=1))
    assert history.unfinished == ()
    assert history.taken_rows.tolist() == [3, 1]
    assert history.taken_keys == {'1', '3'}


def test_what_is_on_its_way_is_unfinished_in_the_order_it_was_sent(tmp_path: Path):
    history = through_disk(
        tmp_path, sent('1'), sent('2'), sent('3'), back('2', 'observed', value=0.0), sent('1', attempt=2, again=True)
    )
    assert [(u.candidate.key, u.attempt, u.task_id) for u in history.unfinished] == [('3', 1, '3-1'), ('1', 2, '1-2')]
    assert all(u.in_flight for u in history.unfinished)
    assert history.submitted == 3
    assert history.lost_and_resubmitted == 1


def test_failures_and_losses_are_counted_apart(tmp_path: Path):
    history = through_disk(
        tmp_path,
        sent('1'),
        back('1', 'retried'),
        sent('1', attempt=2),
        back('1', 'retried', attempt=2, kind='lost'),  # Its worker died under it ...
        sent('1', attempt=3, again=True),  # ... and this is for that.
        sent('1', attempt=4, again=True),  # Its lease ran out.
        sent('2'),
        back('2', 'retried'),
    )
    one, two = history.unfinished
    assert (one.attempt, one.failures, one.losses, one.in_flight) == (4, 1, 2, True)
    assert (two.attempt, two.failures, two.losses, two.in_flight) == (1, 1, 0, False)
    assert history.submitted == 2
    assert history.lost_and_resubmitted == 2


def test_a_late_failure_of_an_older_attempt_leaves_the_newer_in_flight():
    history = replay_records([sent('1'), sent('1', attempt=2, again=True), back('1', 'retried')])
    assert history.unfinished[0].in_flight


def test_candidates_given_up(tmp_path: Path):
    history = through_disk(tmp_path, sent('1'), sent('2'), back('1', 'failed'), back('2', 'quarantined', kind='lost'))
    assert history.failed == ('1',)
    assert history.quarantined == ('2',)
    assert history.unfinished == ()


def test_late_and_double_results_change_nothing():
    once = [sent('1'), back('1', 'observed', value=1.0)]
    late = [
        back('1', 'observed', value=9.0), back('1', 'failed'), back('1', 'retried'), back('1', 'duplicate', value=9.0),
        sent('1', attempt=2),
    ]  # fmt: skip
    history = replay_records(once + late)
    assert [o.value for o in history.observations] == [1.0]
    assert history.failed == history.unfinished == ()


def test_an_observation_outweighs_an_earlier_verdict():
    history = replay_records([sent('1'), back('1', 'failed'), back('1', 'observed', value=1.0)])
    assert history.failed == ()
    assert len(history.observations) == 1


def test_results_without_their_submission_still_count():
    history = replay_records([back('1', 'observed', value=1.0), back('2', 'retried')])
    assert history.submitted == 2
    assert history.taken_rows.tolist() == [1, 2]
    assert [u.candidate.key for u in history.unfinished] == ['2']


def test_models_rounds_and_rankings(tmp_path: Path):
    history = through_disk(
        tmp_path,
        trained(0, 0),
        event('training_started', generation=1, observations=4, members=2),
        trained(1, 0),
        trained(1, 1),
        ranked(1),
        ranked(2),
        event('training_started', generation=2, observations=8, members=2),
        trained(2, 1),
        trained(2, 0, success=False),
        event('resumed'),
        event('something_else', key=1),
    )
    assert history.models == {
        ModelVersion(1, 0): 'models/g1m0.npz',
        ModelVersion(2, 1): 'models/g2m1.npz',
    }
    assert (history.generation, history.members, history.observations_at_training) == (2, 2, 8)
    assert history.retrains == 2
    assert history.rankings == 2
    assert history.last_selection is not None
    assert history.last_selection.ranking == 2
    assert history.resumed == 1
    assert history.last_seq == 11
    assert history.started is not None
    assert history.ended is not None
    assert history.started <= history.ended


def test_inference_records_are_not_needed(tmp_path: Path):
    record = InferenceRecord(
        task_id='i', method='infer', success=True, timestamps={}, spans={}, generation=1, member=0, chunk=0, rows=10
    )
    assert through_disk(tmp_path, record).last_seq == 0


def test_an_event_that_lacks_what_it_needs_is_named():
    with pytest.raises(TraceError, match="'submitted' with seq 0 lacks the fact 'args'"):
        replay_records([event('submitted', key='1', attempt=1)])


def test_choices_of_a_newer_scoutbee_are_read_as_far_as_they_are_known():
    record = sent('1', choice={'ranking': 3, 'mood': 'good'})
    assert replay_records([record]).unfinished[0].candidate.choice == Choice(3)


# A ledger that agents could have written: each step is something that may happen next.


@st.composite
def ledgers(draw: st.DrawFn) -> list[Record]:
    records: list[Record] = []
    flying: dict[str, int] = {}
    finished: set[str] = set()
    generation = ranking = 0
    for step in range(draw(st.integers(0, 40))):
        moves = ['send', 'train', 'rank', 'resume'] + (['observe', 'fail', 'retry', 'lose', 'double'] if flying else [])
        move = draw(st.sampled_from(moves))
        key = draw(st.sampled_from(sorted(flying))) if flying else ''
        if move == 'send':
            flying[str(step)] = 1
            records.append(sent(str(step)))
        elif move == 'observe':
            records.append(back(key, 'observed', attempt=flying.pop(key), value=float(step)))
            finished.add(key)
        elif move == 'fail':
            records.append(back(key, draw(st.sampled_from(['failed', 'quarantined'])), attempt=flying.pop(key)))
            finished.add(key)
        elif move == 'retry':
            records.append(back(key, 'retried', attempt=flying[key]))
            flying[key] += 1
            records.append(sent(key, attempt=flying[key]))
        elif move == 'lose':
            flying[key] += 1
            records.append(sent(key, attempt=flying[key], again=True))
        elif move == 'double' and finished:
            records.append(back(draw(st.sampled_from(sorted(finished))), 'duplicate', value=0.0))
        elif move == 'train':
            generation += 1
            records += [event('training_started', generation=generation, observations=step, members=1)]
            records += [trained(generation, 0, success=draw(st.booleans()))]
        elif move == 'rank':
            ranking += 1
            records.append(ranked(ranking))
        else:
            records.append(event('resumed'))
    return records


@given(ledgers())
def test_any_beginning_of_a_ledger_replays_to_a_state_that_adds_up(records: list[Record]):
    before = None
    for length in range(len(records) + 1):
        history = replay_records(records[:length])
        ended = {o.candidate.key for o in history.observations} | {*history.failed} | {*history.quarantined}
        waiting = {u.candidate.key for u in history.unfinished}
        assert not ended & waiting
        assert ended | waiting == history.taken_keys
        counts = len(history.observations) + len(history.failed) + len(history.quarantined)
        assert history.submitted == counts + len(history.unfinished) == len(history.taken_rows)
        if before is not None:
            assert history.observations[: len(before.observations)] == before.observations
            assert history.generation >= before.generation
            assert history.rankings >= before.rankings
        before = history


@settings(max_examples=30, deadline=None)
@given(ledgers(), st.integers(0, 4), st.floats(0, 1))
def test_files_cut_anywhere_replay(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], which: int, share: float
):
    run_dir = tmp_path_factory.mktemp('run')
    whole = through_disk(run_dir, *records)
    files = sorted(run_dir.glob('*.jsonl'))
    if files:
        path = files[which % len(files)]
        content = path.read_bytes()
        path.write_bytes(content[: round(share * len(content))])
    cut = replay(run_dir)
    assert cut.observations == whole.observations[: len(cut.observations)]
    assert cut.taken_keys <= whole.taken_keys
    with TraceWriter(run_dir) as writer:
        writer.event('driver', 'resumed', 'On.')
    assert replay(run_dir).last_seq == writer.last_seq
