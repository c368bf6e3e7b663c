"""A campaign that goes on from its ledger: what is there counts, and only what is missing is computed."""

import shutil
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoutbee.agents.inference_launcher import InferenceLauncher
from scoutbee.agents.inference_receiver import InferenceReceiver
from scoutbee.agents.inquiries import Inquiries
from scoutbee.agents.resuming import Resumption
from scoutbee.agents.trainer import Trainer
from scoutbee.contracts.candidates import Candidate, Choice
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.contracts.policy import Policy, SlotMove
from scoutbee.testing.campaign import HillCampaign, evaluate, fit, hill
from scoutbee.testing.depot import MemoryShelf
from scoutbee.testing.inline import run_inline
from scoutbee.traces.encoding import encode
from scoutbee.traces.reader import read, read_all
from scoutbee.traces.records import (
    EventRecord,
    FailureRecord,
    InferenceRecord,
    SelectionRecord,
    SimulationRecord,
    TrainingRecord,
)
from scoutbee.traces.replay import replay, replay_records

SIZE, CHUNK = 20, 10


class Ledger:
    """Writes what agents write, into a list and onto a shelf."""

    def __init__(self, shelf):
        self.shelf = shelf
        self.records = []
        self.weights = fit(HillCampaign(size=SIZE)._known, 0)

    def event(self, name, **facts):
        self.records.append(EventRecord(agent='a', event=name, message='m', facts=facts))

    def round(self, generation, members=(0, 1), observations=0):
        self.event(
            'training_started', generation=generation, members=list(members), observations=observations, taken=0,
            rows=8 + observations, started=100.0 + generation,
        )  # fmt: skip

    def trained(self, generation, member):
        file = self.shelf.save(TrainedModel(ModelVersion(generation, member), self.weights))
        self.records.append(
            TrainingRecord(
                task_id='t', method='train', success=True, timestamps={}, spans={}, generation=generation,
                member=member, observations=8, model_file=file,
            )
        )  # fmt: skip

    def predicted(self, generation, member, *chunks):
        for chunk in chunks:
            values = evaluate([self.weights], np.linspace(0, 1, SIZE)[CHUNK * chunk : CHUNK * (chunk + 1)])
            file, offset = self.shelf.keep(generation, values)
            self.records.append(
                InferenceRecord(
                    task_id='i', method='infer', success=True, timestamps={}, spans={}, generation=generation,
                    members=[member], chunk=chunk, rows=CHUNK, file=file, offset=offset,
                )
            )  # fmt: skip

    def ranked(self, number, *models):
        self.records.append(
            SelectionRecord(
                ranking=number, models=list(models), scored=SIZE, kept=4, observations=0, taken=0, seconds=0.1
            )
        )

    def sent(self, row, attempt=1, again=False):
        self.event(
            'resubmitted' if again else 'submitted', key=f'x{row}', row=row, args=[row / (SIZE - 1)],
            choice=Choice(1).facts(), attempt=attempt,
        )  # fmt: skip

    def back(self, row, outcome, attempt=1, kind=None):
        failure = FailureRecord(kind=kind, error='Boom', message='no') if kind else None
        output = hill(row / (SIZE - 1)) if outcome == 'observed' else None
        self.records.append(
            SimulationRecord(
                task_id='s', method='simulate', success=not kind, failure=failure, timestamps={}, spans={},
                attempt=attempt, key=f'x{row}', row=row, args=[row / (SIZE - 1)], choice=Choice(1).facts(),
                outcome=outcome, output=output, value=output['height'] if output else None,
            )
        )  # fmt: skip

    def complete_round(self, generation, ranking):
        self.round(generation)
        for member in (0, 1):
            self.trained(generation, member)
            self.predicted(generation, member, 0, 1)
        self.ranked(ranking, f'g{generation}m0', f'g{generation}m1')


@pytest.fixture
def set_out(make_context):
    """Put fresh agents where a ledger ends; returns their context, what is left to train, and the ledger."""

    def make(write, campaign=None, **policy):
        context = make_context(campaign or HillCampaign(size=SIZE, chunk_size=CHUNK), **policy)
        ledger = Ledger(context.shelf)
        write(ledger)
        rest = Resumption(context, replay_records(ledger.records)).restore()
        return context, rest

    return make


def warnings(context):
    return [e.event for e in read(context.traces.run_dir, EventRecord) if e.level == 'warning']


def next_keys(context, n):
    attempts = [context.board.buffer.pop() for _ in range(n)]
    return [attempt.candidate.key for attempt in attempts if attempt is not None]


def asked(context):
    """Questions that the inference launcher sends now."""
    inquiries = Inquiries(100.0, 10)
    launcher = InferenceLauncher(context, inquiries)
    sent = []
    while context.board.learning.fresh or inquiries.has_questions():
        launcher.step()
        info = context.queues.get_task(timeout=1)[1].task_info
        context.slots.release('infer')
        sent.append((info['generation'], info['members'], info['chunk'], info['attempt']))
    return sent


def test_nothing_before_is_a_beginning(set_out):
    context, rest = set_out(lambda ledger: None, HillCampaign(size=SIZE, seeds=3))
    assert rest is None
    assert context.board.training_reason() == 'the campaign begins'
    assert next_keys(context, 4) == ['x0', 'x1', 'x2']


def test_training_that_was_put_off_is_not_asked_for_again(set_out):
    context, _ = set_out(lambda ledger: ledger.event('training_skipped', observations=0))
    assert context.board.training_reason() is None


def test_of_a_round_under_way_only_what_is_missing_is_trained_and_asked(set_out):
    def write(ledger):
        ledger.round(1)
        ledger.trained(1, 0)
        ledger.predicted(1, 0, 1)
        ledger.event('training_failed', generation=1, member=1, attempt=2, failures=1, losses=1)

    context, rest = set_out(write)
    update = context.board.learning.update
    assert (update.generation, update.trained, update.predicted, update.started) == (1, {0}, set(), 101.0)
    assert (rest.generation, rest.members, rest.plan.size) == (1, {1}, 8)
    assert asked(context) == [(1, [0], 0, 1)]
    assert context.board.learning.answered == 1
    trainer = Trainer(context)
    trainer.resume(rest)
    trainer._send_what_fits()
    task = context.queues.get_task(timeout=1)[1]
    assert (task.task_info['member'], task.task_info['attempt']) == (1, 3)


def test_a_member_that_was_given_up_stays_so(set_out):
    def write(ledger):
        ledger.round(1)
        ledger.trained(1, 0)
        ledger.event('training_failed', generation=1, member=1, attempt=1, failures=1, losses=0, given_up=True)

    context, rest = set_out(write)
    assert rest is None
    assert context.board.learning.update.failed == {1}


def test_the_buffer_is_that_of_the_last_ranking_without_what_was_taken(set_out):
    def write(ledger):
        ledger.complete_round(1, ranking=1)

    whole, _ = set_out(write)
    order = next_keys(whole, SIZE)
    assert len(order) == 4  # the buffer's size; more of the ranking waits behind
    rows = [int(key[1:]) for key in order]

    def go_on(ledger):
        write(ledger)
        ledger.sent(rows[0])
        ledger.sent(rows[1])
        ledger.back(rows[0], 'observed')

    context, _ = set_out(go_on)
    board = context.board
    assert board.learning.update is None
    assert not board.ranking_is_due
    assert (board.rankings, board.ranked_generation, board.learning.generation) == (1, 1, 1)
    assert list(read(context.traces.run_dir, SelectionRecord)) == []  # it is not made anew
    again = board.buffer.pop()
    assert (again.candidate.key, again.number, again.after_loss) == (order[1], 2, True)
    assert next_keys(context, 2) == order[2:]


def test_what_was_called_back_can_be_chosen_again(set_out):
    def write(ledger):
        ledger.complete_round(1, ranking=1)
        ledger.sent(3)
        ledger.event('withdrawn', key='x3')

    context, _ = set_out(write, buffer_size=SIZE)
    assert context.board.counts.submitted == 0
    assert 'x3' in next_keys(context, SIZE)


@pytest.mark.parametrize('rerank', ['model', 'ensemble'])
def test_a_ranking_that_was_due_is_due(set_out, rerank):
    def write(ledger):
        ledger.complete_round(1, ranking=1)
        ledger.round(2)
        ledger.trained(2, 0)
        ledger.predicted(2, 0, 0, 1)

    context, _ = set_out(write, rerank=rerank)
    assert context.board.ranking_is_due == (rerank == 'model')
    assert [str(v) for v in context.board.learning.table.newest().versions] == ['g2m0', 'g1m1']
    assert context.board.learning.update.predicted == {0}


def test_an_update_that_was_over_but_not_ranked_is_closed_and_ranked(set_out):
    def write(ledger):
        ledger.round(1)
        for member in (0, 1):
            ledger.trained(1, member)
            ledger.predicted(1, member, 0, 1)

    context, rest = set_out(write, rerank='ensemble')
    assert rest is None
    InferenceReceiver(context, Inquiries(100.0, 10)).step()
    assert context.board.learning.update is None
    assert context.board.ranking_is_due
    assert context.board.ranking_since == 101.0


def test_updates_that_failed_in_a_row_are_remembered(set_out):
    def write(ledger):
        ledger.round(1, members=(0,))
        ledger.event('training_failed', generation=1, member=0, attempt=3, failures=3, losses=0, given_up=True)

    context, _ = set_out(write)
    InferenceReceiver(context, Inquiries(100.0, 10)).step()
    assert context.board.learning.failed_updates == 1

    def go_on(ledger):
        write(ledger)
        ledger.event('update_failed', generation=1, in_a_row=1)

    context, _ = set_out(go_on)
    assert context.board.learning.update is None
    assert context.board.learning.failed_updates == 1


def test_predictions_that_cannot_be_read_are_asked_for_again(set_out):
    def write(ledger):
        ledger.complete_round(1, ranking=1)
        del ledger.shelf.predictions[1][2]

    context, rest = set_out(write)
    assert rest is None
    assert warnings(context) == ['predictions_unreadable']
    assert asked(context) == [(1, [1], 0, 1)]


def test_predictions_of_an_older_model_that_still_stands_are_asked_for_again(set_out):
    def write(ledger):
        ledger.complete_round(1, ranking=1)
        ledger.round(2, members=(0,))
        ledger.trained(2, 0)
        ledger.predicted(2, 0, 0, 1)
        ledger.ranked(2, 'g2m0', 'g1m1')
        ledger.shelf.predictions[1].clear()

    context, _ = set_out(write)
    assert asked(context) == [(1, [1], 0, 1), (1, [1], 1, 1)]
    assert context.board.learning.models[1].version == ModelVersion(1, 1)


def test_a_model_that_cannot_be_read_is_trained_again_if_it_is_needed(set_out):
    def write(ledger):
        ledger.round(1)
        for member in (0, 1):
            ledger.trained(1, member)
        ledger.predicted(1, 0, 0, 1)
        ledger.shelf.models.clear()

    context, rest = set_out(write)
    assert rest.members == {1}  # the other one has predicted all there is
    assert set(warnings(context)) == {'model_unreadable'}


def test_failures_of_a_candidate_are_remembered_and_the_drivers_end_is_not_among_them(set_out):
    def write(ledger):
        ledger.sent(3)
        ledger.back(3, 'retried', kind='random')
        ledger.sent(3, attempt=2)
        ledger.back(3, 'retried', attempt=2, kind='killed')
        ledger.sent(3, attempt=3, again=True)

    context, _ = set_out(write)
    board = context.board
    assert (board.kills['x3'], board.losses['x3']) == (1, 2)
    assert {kind.value: n for kind, n in board.failures['x3'].items()} == {'random': 1}
    attempt = board.buffer.pop()
    assert (attempt.number, attempt.after_loss) == (4, True)


def test_slots_stand_as_they_stood_after_their_moves(set_out):
    moves = (SlotMove(on='ranking', nth=1, source='train', target='simulate', count=1),)

    def write(ledger):
        ledger.complete_round(1, ranking=1)
        ledger.event('slots_moved', move=0, on='ranking', times=1, source='train', target='simulate', count=1)

    context, _ = set_out(write, slots={'simulate': 2, 'train': 2}, slot_moves=moves)
    assert context.slots.allocated_slots('simulate') == 3
    context.mover.happened('ranking')
    assert context.slots.allocated_slots('simulate') == 3


def test_a_saved_ensemble_is_asked_only_what_it_has_not_answered(set_out):
    campaign = HillCampaign(size=SIZE, chunk_size=CHUNK)
    saved = [fit(campaign._known, member) for member in (0, 1)]

    context, _ = set_out(
        lambda ledger: ledger.predicted(0, 1, 0), HillCampaign(size=SIZE, chunk_size=CHUNK, saved=saved)
    )
    assert asked(context) == [(0, [0, 1], 1, 1), (0, [0], 0, 1)]


class TestRollCalls:
    """The test plays the task server: it takes tasks, and says which it holds."""

    def lost(self, context):
        """Take a task and lose it; then answer the roll call."""
        task = context.queues.get_task(timeout=1)[1]
        self.answer_roll(context, held=())
        return task

    def answer_roll(self, context, held):
        roll = context.queues.get_task(timeout=1)[1]
        assert roll.method == 'roll_call'
        roll.deserialize()
        roll.set_result(held)
        roll.serialize()
        context.queues.send_result(roll)

    def test_a_training_that_nobody_holds_is_sent_again_and_that_is_not_its_fault(self, make_context, answer):
        context = make_context(HillCampaign(members=1), learning_retries=0, losses=3)
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        for _ in range(2):
            trainer.roll.hurry()
            trainer.step()
            self.lost(context)
            trainer.step()
        trainer.step()
        answer(context, lambda data, args: fit(data, *args))
        trainer.step()
        assert 0 in context.board.learning.models
        assert context.slots.available_slots('train') == 1

    def test_a_training_that_is_lost_again_and_again_is_given_up(self, make_context):
        context = make_context(HillCampaign(members=1), losses=2)
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        for _ in range(2):
            trainer.roll.hurry()
            trainer.step()
            self.lost(context)
            trainer.step()
        assert context.board.learning.update.failed == {0}

    def test_a_question_that_nobody_holds_is_asked_again(self, make_context, answer):
        context = make_context(HillCampaign(members=1, chunk_size=200), learning_retries=0)
        inquiries = Inquiries(100.0, 10)
        launcher, receiver = InferenceLauncher(context, inquiries), InferenceReceiver(context, inquiries)
        Resumption(context, replay_records(self.one_model(context))).restore()
        launcher.step()
        receiver.roll.hurry()
        receiver.step()
        self.lost(context)
        receiver.step()
        launcher.step()
        assert answer(context, evaluate).task_info['attempt'] == 2
        receiver.step()
        assert context.board.ranking_is_due

    def one_model(self, context):
        ledger = Ledger(context.shelf)
        ledger.round(1, members=(0,))
        ledger.trained(1, 0)
        return ledger.records

    def test_the_other_questions_to_a_model_that_is_given_up_are_called_back(self, make_context, answer):
        context = make_context(HillCampaign(members=1, chunk_size=100), slots={'infer': 2}, learning_retries=0)
        inquiries = Inquiries(100.0, 10)
        launcher, receiver = InferenceLauncher(context, inquiries), InferenceReceiver(context, inquiries)
        Resumption(context, replay_records(self.one_model(context))).restore()
        launcher.step()
        launcher.step()
        answer(context, failure={'kind': 'random', 'error': 'Boom', 'message': 'no'})
        waiting = context.queues.get_task(timeout=1)[1]
        receiver.step()
        request = context.queues.get_task(timeout=1)[1]
        request.deserialize()
        assert (request.method, request.args) == ('cancel', ((waiting.task_id,),))
        assert context.slots.available_slots('infer') == 2


def policy(**changes):
    return Policy(**{'search_size': 24, 'buffer_size': 8, 'retrain_frequency': 6, 'grace': 1.0, **changes})


@pytest.fixture(scope='module')
def long_run(tmp_path_factory):
    """A campaign on several workers in which tasks fail and vanish now and then."""
    run_dir = tmp_path_factory.mktemp('long')
    lock, count = threading.Lock(), Counter()

    def interfere(task):
        with lock:
            count['all'] += 1
            turn = count['all'] % 11
        if turn == 5:
            raise RuntimeError('chosen by number')
        return 'lose' if turn == 9 else None

    run = run_inline(HillCampaign(size=60), policy(roll_call=0.1), run_dir, interfere=interfere)
    assert run.outcome.status == 'completed'
    return list(read_all(run_dir)), run.shelf


def copy(shelf):
    twin = MemoryShelf()
    twin.models = dict(shelf.models)
    twin.predictions = {generation: dict(answers) for generation, answers in shelf.predictions.items()}
    return twin


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), more=st.integers(0, 6))
def test_any_beginning_of_a_ledger_can_be_gone_on_with(tmp_path_factory, long_run, share, more):
    records, shelf = long_run
    run_dir = tmp_path_factory.mktemp('resumed')
    for record in records[: round(share * len(records))]:
        with (run_dir / f'{record.stream}.jsonl').open('ab') as file:
            file.write(encode(record))
    before = replay(run_dir)
    run = run_inline(HillCampaign(size=60), policy(search_size=24 + more), run_dir, resume=copy(shelf))
    assert run.outcome.status == 'completed'
    assert not run.depot.lent
    after = replay(run_dir)
    assert after.observations[: len(before.observations)] == before.observations
    assert len(after.observations) == run.thinker.board.counts.succeeded == 24 + more
    observed = Counter(r.key for r in read(run_dir, SimulationRecord) if r.outcome == 'observed')
    assert set(observed.values()) == {1}
    assert {u.candidate.key for u in before.unfinished} <= {*observed, *after.failed, *after.quarantined}
    assert after.submitted == run.thinker.board.counts.submitted
    trained = Counter((r.generation, r.member) for r in read(run_dir, TrainingRecord) if r.success)
    assert set(trained.values()) <= {1}
    shutil.rmtree(run_dir)


def test_a_candidate_of_an_older_run_keeps_its_arguments(set_out):
    context, _ = set_out(lambda ledger: ledger.sent(7))
    assert context.board.open['x7'] == Candidate('x7', (7 / (SIZE - 1),), 7, Choice(1))
