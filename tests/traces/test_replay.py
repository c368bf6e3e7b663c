from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.contracts.candidates import Candidate, Choice
from scoutbee.contracts.learning import ModelVersion
from scoutbee.traces.errors import TraceError
from scoutbee.traces.history import History, KeptChunk, MoveHistory, Tries
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


def started(generation: int, observations: int = 0, members: tuple[int, ...] = (0,), taken: int = 0) -> EventRecord:
    return event(
        'training_started', generation=generation, observations=observations, members=list(members), taken=taken,
        rows=observations + 4, started=100.0 + generation,
    )  # fmt: skip


def failed(
    name: str, generation: int, member: int, *others: int, attempt: int = 1, given_up: bool = False, **more: Any
) -> EventRecord:
    who = {'member': member} if name == 'training_failed' else {'members': [member, *others]}
    facts = {'generation': generation, **who, 'attempt': attempt, 'failures': attempt, 'losses': 0}
    return event(name, **facts, given_up=given_up, **more)


def inferred(generation: int, member: int, chunk: int, *others: int, success: bool = True) -> InferenceRecord:
    return InferenceRecord(
        task_id='i', method='infer', success=success, timestamps={}, spans={}, generation=generation,
        members=[member, *others], chunk=chunk, rows=10, file=f'predictions/g{generation}.npy' if success else None,
        offset=100 * chunk if success else None,
    )  # fmt: skip


def trained(generation: int, member: int, *, success: bool = True) -> TrainingRecord:
    return TrainingRecord(
        task_id='t', method='train', success=success, timestamps={}, spans={}, generation=generation, member=member,
        observations=4, model_file=f'models/g{generation}m{member}.npz' if success else None,
    )  # fmt: skip


def ranked(number: int, *models: str, observations: int = 0, taken: int = 0) -> SelectionRecord:
    return SelectionRecord(
        ranking=number, models=list(models or ['g1m0']), scored=9, kept=3, observations=observations, taken=taken,
        seconds=0.1,
    )  # fmt: skip


def through_disk(run_dir: Path, *records: Record):
    with TraceWriter(run_dir) as writer:
        for record in records:
            writer.write(record)
    return replay(run_dir)


def test_an_empty_directory_has_no_history(tmp_path: Path):
    history = replay(tmp_path)
    assert history.observations == history.unfinished == ()
    assert history.submitted == history.rankings == history.last_seq == 0
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


def test_other_settings_of_a_retry_are_those_that_count():
    history = replay_records([sent('1'), back('1', 'retried', kind='convergence'), sent('1', attempt=2, args=['soft'])])
    (work,) = history.unfinished
    assert work.candidate.args == ('soft',)
    assert work.candidate.choice == Choice(2, score=1.5, generation=1)
    assert work.kinds == {'convergence': 1}


def test_a_copy_changes_nothing_but_the_number_of_the_attempt():
    copy = sent('1', attempt=2).model_copy(update={'event': 'copied'})
    history = replay_records([sent('1'), copy, sent('2')])
    assert [(work.candidate.key, work.attempt) for work in history.unfinished] == [('1', 2), ('2', 1)]
    assert (history.submitted, history.lost_and_resubmitted) == (2, 0)
    assert replay_records([sent('1'), copy, back('1', 'retried', attempt=2)]).unfinished[0].in_flight
    assert len(replay_records([sent('1'), copy, back('1', 'observed', value=1.0)]).observations) == 1


@pytest.mark.parametrize('withdrawal', [event('withdrawn', key='1'), back('1', 'withdrawn', kind='cancelled')])
def test_what_was_called_back_is_as_if_never_sent(withdrawal):
    history = replay_records([sent('1'), sent('2'), withdrawal])
    assert history.taken_keys == {'2'}
    assert history.taken_rows.tolist() == [2]
    assert history.submitted == 1
    assert [candidate.key for candidate in history.withdrawn] == ['1']
    history = replay_records([sent('1'), sent('2'), withdrawal, sent('1')])
    assert history.taken_rows.tolist() == [2, 1]
    assert history.withdrawn == ()


def test_models_rounds_and_rankings(tmp_path: Path):
    history = through_disk(
        tmp_path,
        trained(0, 0),
        started(1, 4, (0, 1)),
        trained(1, 0),
        trained(1, 1),
        ranked(1),
        ranked(2),
        started(2, 8, (0, 1)),
        trained(2, 1),
        trained(2, 0, success=False),
        event('resumed'),
        event('something_else', key=1),
    )
    learned = history.learning
    assert learned.models == {
        ModelVersion(1, 0): 'models/g1m0.npz',
        ModelVersion(2, 1): 'models/g2m1.npz',
    }
    assert {str(version) for version in learned.trained} == {'g0m0', 'g1m0', 'g1m1', 'g2m1'}
    assert learned.round is not None
    assert (learned.round.generation, learned.round.members, learned.round.started) == (2, {0, 1}, 102.0)
    assert (learned.round.rows, learned.round.basis.observations, learned.round.basis.generation) == (12, 8, 1)
    assert {str(version) for version in learned.round.basis.models} == {'g1m0', 'g1m1'}
    assert learned.decided_on == 8
    assert learned.retrains == 2
    assert history.rankings == 2
    assert history.last_selection is not None
    assert history.last_selection.ranking == 2
    assert history.happened == {'training': 2, 'trained': 1, 'ranking': 2}
    assert history.resumed == 1
    assert history.last_seq == 11
    assert history.seconds >= 0


def test_only_the_time_in_which_a_driver_was_at_work_counts():
    records = [event('started'), event('ended'), event('resumed'), event('ended')]
    for number, (record, time) in enumerate(zip(records, [100.0, 160.0, 900.0, 907.5], strict=True), start=1):
        record.seq, record.time = number, time
    assert replay_records(records).seconds == 67.5


def test_predictions_of_the_newest_ranking_and_of_later_models_are_known(tmp_path: Path):
    history = through_disk(
        tmp_path, started(1), inferred(1, 0, 0), inferred(1, 0, 1), inferred(1, 1, 0), ranked(1, 'g1m0', 'g1m1'),
        started(2), inferred(2, 0, 1), inferred(2, 0, 0, success=False), ranked(2, 'g2m0', 'g1m1'),
        inferred(3, 1, 0),
    )  # fmt: skip
    assert {str(version): sorted(chunks) for version, chunks in history.learning.predictions.items()} == {
        'g2m0': [1], 'g1m1': [0], 'g3m1': [0],
    }  # fmt: skip
    assert history.learning.predictions[ModelVersion(2, 0)][1] == KeptChunk('predictions/g2.npy', 100, 0)


def test_what_a_decision_was_made_on_is_known_though_more_was_written_before_it():
    before = [sent('1'), sent('2'), sent('3'), back('1', 'observed', value=1.0)]
    history = replay_records([*before, ranked(1, taken=2), sent('4')])
    assert history.selection_basis.taken_rows.tolist() == [1, 2]
    # Its last row was taken before the ranking was made, and written down after it.
    history = replay_records([*before, ranked(1, observations=1, taken=4), sent('4'), sent('5')])
    assert history.selection_basis.taken_rows.tolist() == [1, 2, 3, 4]
    # What waits at the task server was ranked once more.
    history = replay_records([*before, event('reconsidered', ranking=1, rows=[2]), ranked(1, taken=3)])
    assert history.selection_basis.taken_rows.tolist() == [1, 3]
    history = replay_records([*before, event('reconsidered', ranking=1, rows=[2]), ranked(2, taken=3)])
    assert history.selection_basis.taken_rows.tolist() == [1, 2, 3]
    history = replay_records([*before, started(1, observations=1, taken=3), event('withdrawn', key='2')])
    assert history.learning.round is not None
    assert history.learning.round.basis.taken_rows.tolist() == [1, 2, 3]


def test_a_result_beside_another_attempt_counts_only_for_the_workers_it_took_down():
    copy = sent('1', attempt=2).model_copy(update={'event': 'copied'})
    (work,) = replay_records([sent('1'), copy, back('1', 'duplicate', attempt=2, kind='killed')]).unfinished
    assert (work.kinds, work.losses, work.failures, work.in_flight) == ({'killed': 1}, 0, 0, True)
    history = replay_records([sent('1'), event('withdrawn', key='1'), back('1', 'duplicate', value=1.0)])
    assert (history.submitted, history.taken_keys) == (0, set())


def test_what_failed_and_what_was_given_up_is_known():
    history = replay_records(
        [
            started(1, members=(0, 1, 2)),
            failed('training_failed', 1, 0, attempt=2),
            failed('training_failed', 1, 1, attempt=3, given_up=True),
            trained(1, 2),
            failed('inference_failed', 1, 2, chunk=4),
        ]
    )
    learned = history.learning
    assert learned.left_out == {ModelVersion(1, 1)}
    assert learned.tries == {
        (ModelVersion(1, 0), None): Tries(2, 2), (ModelVersion(1, 1), None): Tries(3, 3),
        (ModelVersion(1, 2), 4): Tries(1, 1),
    }  # fmt: skip
    assert history.happened['trained'] == 0


def test_models_that_were_asked_together_have_each_a_row_of_the_answer():
    learning = replay_records(
        [
            started(1, members=(0, 1, 2)),
            inferred(1, 0, 3, 1, 2),
            failed('inference_failed', 1, 0, 1, 2, chunk=4),
            failed('inference_failed', 1, 2, attempt=2, given_up=True, chunk=4),
        ]
    ).learning
    assert {version.member: chunks[3].row for version, chunks in learning.predictions.items()} == {0: 0, 1: 1, 2: 2}
    assert {version.member: tries.attempt for (version, _), tries in learning.tries.items()} == {0: 1, 1: 1, 2: 2}
    assert learning.left_out == {ModelVersion(1, 2)}


def test_a_ledger_in_which_each_model_was_asked_alone_is_read_and_its_predictions_asked_for_again():
    record = json.loads(inferred(1, 2, 0).model_dump_json())
    del record['members']
    old = InferenceRecord.model_validate_json(json.dumps({**record, 'schema_version': 1, 'member': 2, 'seq': 9}))
    facts = {'generation': 1, 'member': 1, 'chunk': 0, 'attempt': 2, 'failures': 2, 'losses': 0}
    learning = replay_records([started(1), event('inference_failed', **facts), old]).learning
    assert learning.predictions == {ModelVersion(1, 2): {0: KeptChunk(None, None, 0)}}
    assert learning.tries == {(ModelVersion(1, 1), 0): Tries(2, 2, 0)}


def test_updates_that_failed_are_counted_until_a_later_model_ranks():
    records = [started(1), event('update_failed', generation=1, in_a_row=1), started(2)]
    records += [event('update_failed', generation=2, in_a_row=2)]
    learned = replay_records(records).learning
    assert (learned.failed_updates, learned.failed_generation) == (2, 2)
    learned = replay_records([*records, ranked(1, 'g1m0')]).learning
    assert (learned.failed_updates, learned.failed_generation) == (2, 2)
    learned = replay_records([*records, ranked(1, 'g3m0')]).learning
    assert (learned.failed_updates, learned.failed_generation) == (0, None)


def test_training_that_was_put_off_is_a_decision_too():
    assert replay_records([]).learning.decided_on is None
    assert replay_records([event('training_skipped', observations=3)]).learning.decided_on == 3


def test_slot_moves_come_back_in_order():
    facts = {'on': 'ranking', 'times': 2, 'source': 'reserve', 'target': 'infer', 'count': 2}
    history = replay_records([event('slots_moved', move=1, **facts), event('slots_moved', move=0, **facts)])
    assert [move.move for move in history.slot_moves] == [1, 0]
    assert history.slot_moves[0] == MoveHistory(1, 'ranking', 2, 'reserve', 'infer', 2)


def test_an_event_that_lacks_what_it_needs_is_named():
    with pytest.raises(TraceError, match="'submitted' with seq 0 lacks the fact 'args'"):
        replay_records([event('submitted', key='1', attempt=1)])


def test_choices_of_a_newer_scoutbee_are_read_as_far_as_they_are_known():
    record = sent('1', choice={'ranking': 3, 'mood': 'good'})
    assert replay_records([record]).unfinished[0].candidate.choice == Choice(3)


# A ledger that agents could have written: each step is something that may happen next.


class Agents:
    """Writes a ledger step by step, and knows what must come of it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.records: list[Record] = []
        self.flying: dict[str, int] = {}
        self.finished: set[str] = set()
        self.generation = self.ranking = self.number = 0
        self.to_train: set[int] = set()
        self.trained: set[int] = set()

    def act(self) -> None:
        moves = [self.send, self.start, self.rank, self.resume, self.skip]
        moves += [self.observe, self.fail, self.retry, self.lose, self.copy, self.withdraw] if self.flying else []
        moves += [self.double] if self.finished else []
        moves += [self.train, self.leave_out] if self.to_train else []
        moves += [self.infer] if self.trained else []
        self.draw(st.sampled_from(moves))()

    def a_key(self) -> str:
        return self.draw(st.sampled_from(sorted(self.flying)))

    def send(self) -> None:
        self.number += 1
        self.flying[str(self.number)] = 1
        self.records.append(sent(str(self.number)))

    def observe(self) -> None:
        key = self.a_key()
        self.records.append(back(key, 'observed', attempt=self.flying.pop(key), value=float(self.number)))
        self.finished.add(key)

    def fail(self) -> None:
        key, outcome = self.a_key(), self.draw(st.sampled_from(['failed', 'quarantined']))
        self.records.append(back(key, outcome, attempt=self.flying.pop(key)))
        self.finished.add(key)

    def retry(self) -> None:
        key = self.a_key()
        self.records.append(back(key, 'retried', attempt=self.flying[key]))
        self.flying[key] += 1
        self.records.append(sent(key, attempt=self.flying[key]))

    def lose(self) -> None:
        key = self.a_key()
        self.flying[key] += 1
        self.records.append(sent(key, attempt=self.flying[key], again=True))

    def copy(self) -> None:
        key = self.a_key()
        self.flying[key] += 1
        self.records.append(sent(key, attempt=self.flying[key]).model_copy(update={'event': 'copied'}))

    def withdraw(self) -> None:
        key = self.a_key()
        self.records.append(back(key, 'withdrawn', attempt=self.flying.pop(key), kind='cancelled'))

    def double(self) -> None:
        key = self.draw(st.sampled_from(sorted(self.finished)))
        self.records.append(back(key, 'duplicate', value=0.0))

    def start(self) -> None:
        self.generation += 1
        self.to_train, self.trained = {0, 1}, set()
        self.records.append(started(self.generation, members=(0, 1)))

    def skip(self) -> None:
        self.records.append(event('training_skipped', observations=0))

    def train(self) -> None:
        member = self.to_train.pop()
        self.trained.add(member)
        self.records.append(trained(self.generation, member))

    def leave_out(self) -> None:
        self.records.append(failed('training_failed', self.generation, self.to_train.pop(), given_up=True))

    def infer(self) -> None:
        member = self.draw(st.sampled_from(sorted(self.trained)))
        self.records.append(inferred(self.generation, member, self.draw(st.integers(0, 2))))

    def rank(self) -> None:
        self.ranking += 1
        self.records.append(ranked(self.ranking, f'g{self.generation}m0', taken=len(self.flying)))

    def resume(self) -> None:
        self.records.append(event('resumed'))


@st.composite
def ledgers(draw: st.DrawFn) -> list[Record]:
    agents = Agents(draw)
    for _ in range(draw(st.integers(0, 40))):
        agents.act()
    return agents.records


def same(one: History, other: History) -> bool:
    """Arrays do not compare, and times differ."""
    return repr(one) == repr(other)


@settings(max_examples=40)
@given(ledgers())
def test_any_beginning_of_a_ledger_replays_to_a_state_that_adds_up(records: list[Record]):
    before = None
    for length in range(len(records) + 1):
        history = replay_records(records[:length])
        ended = {o.candidate.key for o in history.observations} | {*history.failed} | {*history.quarantined}
        waiting = {u.candidate.key for u in history.unfinished}
        withdrawn = {candidate.key for candidate in history.withdrawn}
        assert not ended & waiting
        assert not withdrawn & history.taken_keys
        assert ended | waiting == history.taken_keys
        counts = len(history.observations) + len(history.failed) + len(history.quarantined)
        assert history.submitted == counts + len(history.unfinished) == len(history.taken_rows)
        learned = history.learning
        assert learned.models.items() <= learned.trained.items()
        assert not learned.left_out & learned.trained.keys()
        if before is not None:
            assert history.observations[: len(before.observations)] == before.observations
            assert history.rankings >= before.rankings
            assert all(history.happened[name] >= times for name, times in before.happened.items())
        before = history


@settings(max_examples=50)
@given(ledgers(), st.data())
def test_a_ledger_replays_the_same_from_disk_wherever_its_writing_was_interrupted(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], data: st.DataObject
):
    run_dir = tmp_path_factory.mktemp('run')
    cut = data.draw(st.integers(0, len(records)))
    for part in (records[:cut], records[cut:]):
        with TraceWriter(run_dir) as writer:
            for record in part:
                writer.write(record)
        assert same(replay(run_dir), replay_records(records[: writer.last_seq]))


@settings(max_examples=30)
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
    assert cut.taken_keys <= whole.taken_keys | {candidate.key for candidate in whole.withdrawn}
    with TraceWriter(run_dir) as writer:
        writer.event('driver', 'resumed', 'On.')
    assert replay(run_dir).last_seq == writer.last_seq
