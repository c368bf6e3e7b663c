"""The trainer, the inference launcher, the inference receiver and the buffer manager, one event at a time."""

import time

import numpy as np
import pytest

from scoutbee.agents.buffer_manager import BufferManager
from scoutbee.agents.inference_launcher import InferenceLauncher
from scoutbee.agents.inference_receiver import InferenceReceiver
from scoutbee.agents.inquiries import Inquiries
from scoutbee.agents.learning import Update
from scoutbee.agents.predictions import PredictionTable
from scoutbee.agents.trainer import Trainer
from scoutbee.contracts.candidates import Candidate, Observation
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.testing.campaign import HillCampaign, evaluate, fit
from scoutbee.traces.reader import read
from scoutbee.traces.records import EventRecord, InferenceRecord, SelectionRecord, TrainingRecord


def train(data, args):
    return fit(data, *args)


def events(context, name):
    return [e for e in read(context.traces.run_dir, EventRecord) if e.event == name]


def observe(context, n):
    start = len(context.board.observations)
    for i in range(start, start + n):
        context.board.observe(Observation(Candidate(f'x{i}', (i / 50,), i), i / 50, {}))


def trained(context, generation=1, members=(0, 1)):
    """Pretend that an update has just been trained."""
    learning = context.board.learning
    learning.generation = generation
    learning.begin(Update(generation, frozenset(members), time.time()))
    x = np.linspace(0, 1, 9)
    for member in members:
        learning.accept(TrainedModel(ModelVersion(generation, member), fit((x, x), member)))


def inference(context):
    inquiries = Inquiries(context.policy.learning_lease, context.policy.losses)
    return InferenceLauncher(context, inquiries), InferenceReceiver(context, inquiries)


def run_round(context, trainer, answer, value=train):
    trainer.step()
    while context.board.learning.update is None or not context.board.learning.update.is_trained:
        trainer.step()
        answer(context, value)


class TestTrainer:
    def test_trains_every_member_on_one_copy_of_the_data(self, make_context, answer):
        context = make_context(slots={'train': 2})
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        trainer.step()
        first, second = (context.queues.get_task(timeout=1)[1] for _ in range(2))
        assert [t.task_info['member'] for t in (first, second)] == [0, 1]
        assert list(context.depot.lent.values()).count('train') == 3  # the data, and the arguments of each

    def test_new_models_are_saved_recorded_and_passed_on(self, make_context, answer):
        context = make_context()
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        trainer.step()
        answer(context, train)
        trainer.step()  # takes the first model, which frees the slot
        assert len(context.board.learning.fresh) == 1  # passed on before the second is trained
        trainer.step()
        answer(context, train)
        trainer.step()
        assert sorted(context.board.learning.models) == [0, 1]
        assert not context.depot.lent
        assert context.slots.available_slots('train') == 1
        records = list(read(context.traces.run_dir, TrainingRecord))
        assert [(r.member, r.model_file) for r in records] == [(0, 'models/g1m0.npz'), (1, 'models/g1m1.npz')]
        assert all('loss' in r.metrics for r in records)

    def test_on_shared_workers_the_first_model_is_asked_before_the_others_are_trained_and_they_together(
        self, make_context, answer
    ):
        context = make_context(HillCampaign(members=3, chunk_size=200), share_learners=True, rerank='model')
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        launcher, receiver = inference(context)
        trainer.step()
        trainer.step()
        answer(context, train)
        trainer.step()  # takes the first model
        trainer.step()  # and holds the second training back
        launcher.step()
        assert answer(context, evaluate).task_info['members'] == [0]
        receiver.step()
        assert context.board.rankings_asked == 1
        for member in (1, 2):
            trainer.step()
            launcher.step()  # holds back whoever is trained: there is more to train
            assert answer(context, train).task_info['member'] == member
            trainer.step()
        launcher.step()
        assert answer(context, evaluate).task_info['members'] == [1, 2]
        receiver.step()
        assert context.board.rankings_asked == 2
        assert context.board.learning.update is None

    def test_on_shared_workers_all_are_trained_first_where_only_all_together_rank(self, make_context, answer):
        context = make_context(HillCampaign(members=2, chunk_size=200), share_learners=True, rerank='ensemble')
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        launcher, _ = inference(context)
        trainer.step()
        for _ in range(2):
            trainer.step()
            launcher.step()
            assert answer(context, train).topic == 'train'
            trainer.step()
        launcher.step()
        assert answer(context, evaluate).task_info['members'] == [0, 1]

    def test_shared_workers_that_have_nothing_to_train_ask_meanwhile(self, make_context, answer):
        shared = {'share_learners': True, 'rerank': 'ensemble', 'slots': {'train': 2, 'infer': 2}}
        context = make_context(HillCampaign(members=3, chunk_size=200), **shared)
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        launcher, _ = inference(context)
        trainer.step()
        trainer.step()
        answer(context, train)
        answer(context, train)
        for _ in range(3):
            trainer.step()  # takes two models and sends the third training, which one worker is enough for
        launcher.step()
        tasks = [context.queues.get_task(timeout=1)[1] for _ in range(2)]
        assert [task.method for task in tasks] == ['train', 'infer']

    def test_enough_new_observations_are_a_reason_and_are_remembered_during_an_update(self, make_context):
        context = make_context(retrain_frequency=4)
        observe(context, 3)
        assert context.board.training_reason() is None
        observe(context, 1)
        assert context.board.training_reason() is not None
        context.board.learning.begin(Update(1, frozenset({0}), 0.0))
        context.board.learning.trained_on = 4
        observe(context, 4)
        assert context.board.training_reason() is None
        context.board.learning.give_up([0])
        context.board.learning.finish_if_over()
        assert context.board.training_reason() == '4 new observations'

    @pytest.mark.parametrize(
        ('kind', 'attempts'), [('random', 3), ('deadline', 3), ('killed', 3), ('lost', 5), ('input', 1)]
    )
    def test_a_training_that_keeps_failing_leaves_its_member_out(self, make_context, answer, kind, attempts):
        context = make_context(HillCampaign(members=1), learning_retries=2, losses=5)
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        for _ in range(attempts):
            trainer.step()
            answer(context, failure={'kind': kind, 'error': 'Boom', 'message': 'no'})
            trainer.step()
        assert context.board.learning.update.failed == {0}
        assert not context.board.learning.fresh
        assert not context.depot.lent
        assert len(events(context, 'training_failed')) == attempts

    def test_what_is_not_a_model_is_refused(self, make_context, answer):
        context = make_context(HillCampaign(members=1))
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        trainer.step()
        answer(context, 'a stale model')
        trainer.step()
        assert context.board.learning.update.failed == {0}

    def test_a_model_that_cannot_be_saved_is_trained_again(self, make_context, answer, monkeypatch):
        context = make_context(HillCampaign(members=1))
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)

        def full(model):
            raise OSError('No space left on device')

        monkeypatch.setattr(context.shelf, 'save', full)
        trainer.step()
        trainer.step()
        answer(context, train)
        trainer.step()
        monkeypatch.undo()
        trainer.step()
        answer(context, train)
        trainer.step()
        assert 0 in context.board.learning.models
        assert 'No space left' in events(context, 'training_failed')[0].message

    def test_a_lost_training_is_sent_again_and_its_late_model_is_not_taken_twice(self, make_context, answer):
        context = make_context(HillCampaign(members=1), learning_lease=1e-9)
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        trainer.step()  # sent, and lost at once
        assert context.slots.available_slots('train') == 1
        object.__setattr__(context.policy, 'learning_lease', 100.0)
        trainer._send_what_fits()
        answer(context, train)  # the late first attempt
        trainer.step()
        assert not context.board.learning.models
        answer(context, train)
        trainer.step()
        assert 0 in context.board.learning.models

    def test_with_nothing_to_learn_from_it_waits(self, make_context):
        context = make_context(HillCampaign(known=0))
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        assert context.board.learning.update is None
        assert context.board.training_reason() is None

    def test_a_send_that_fails_keeps_the_request(self, make_context, answer, monkeypatch):
        context = make_context(HillCampaign(members=1))
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()

        def broken(*args, **kwargs):
            raise ConnectionError('Redis is gone')

        monkeypatch.setattr(context.queues, 'send_inputs', broken)
        with pytest.raises(ConnectionError):
            trainer.step()
        monkeypatch.undo()
        assert context.slots.available_slots('train') == 1
        trainer.step()
        answer(context, train)
        trainer.step()
        assert 0 in context.board.learning.models

    def test_at_the_end_everything_lent_is_taken_back(self, make_context):
        context = make_context()
        context.board.learning.training_wanted = 'begin'
        trainer = Trainer(context)
        trainer.step()
        trainer.step()
        assert context.depot.lent
        trainer.abandon()
        trainer.abandon()
        assert not context.depot.lent


class TestInference:
    def test_each_model_is_lent_once_and_each_chunk_once_for_all_models(self, make_context, answer):
        context = make_context(HillCampaign(size=100, chunk_size=50), slots={'infer': 8})
        trained(context)
        launcher, receiver = inference(context)
        for _ in range(3):
            launcher.step()
        assert context.depot.created == 2 + 2
        for _ in range(2):
            answer(context, evaluate)
            receiver.step()
        assert set(context.depot.lent.values()) == {'infer'}
        assert len(context.depot.lent) == 2  # only the chunks are kept for the next models
        assert context.slots.available_slots('infer') == 8
        assert context.board.learning.update is None
        launcher.abandon()
        assert not context.depot.lent

    def test_all_models_that_are_ready_are_asked_together(self, make_context, answer):
        context = make_context(HillCampaign(members=3, chunk_size=100), slots={'infer': 8})
        trained(context, members=(0, 1, 2))
        launcher, receiver = inference(context)
        launcher.step()
        launcher.step()
        infos = [answer(context, evaluate).task_info for _ in range(2)]
        assert [(info['members'], info['chunk']) for info in infos] == [([0, 1, 2], 0), ([0, 1, 2], 1)]
        receiver.step()
        receiver.step()
        records = list(read(context.traces.run_dir, InferenceRecord))
        assert [(r.members, r.chunk, r.rows) for r in records] == [([0, 1, 2], 0, 100), ([0, 1, 2], 1, 100)]
        arrays = context.board.learning.table.newest().arrays
        assert [[len(chunk) for chunk in chunks] for chunks in arrays] == [[100, 100]] * 3
        assert context.board.rankings_asked == 1

    def test_a_model_that_comes_later_joins_and_what_it_missed_is_made_up(self, make_context, answer):
        context = make_context(HillCampaign(members=3, chunk_size=50))
        learning = context.board.learning
        learning.begin(Update(1, frozenset({0, 1, 2}), time.time()))
        launcher, receiver = inference(context)
        asked, rankings = [], []
        for member in (0, 1, None, 2, None, None, None):
            if member is not None:
                x = np.linspace(0, 1, 9)
                learning.accept(TrainedModel(ModelVersion(1, member), fit((x, x), member)))
            launcher.step()
            info = answer(context, evaluate).task_info
            asked.append((info['chunk'], info['members']))
            receiver.step()
            rankings.append(context.board.rankings_asked)
        assert asked[:4] == [(0, [0]), (1, [0, 1]), (2, [0, 1]), (3, [0, 1, 2])]
        assert asked[4:] == [(0, [1, 2]), (2, [2]), (1, [2])]
        assert rankings == [0, 0, 0, 1, 2, 2, 3]
        assert learning.update is None

    @pytest.mark.parametrize(('rerank', 'rankings'), [('model', 2), ('ensemble', 1)])
    def test_a_ranking_is_asked_for_after_each_model_or_after_all(self, make_context, answer, rerank, rankings):
        context = make_context(rerank=rerank, slots={'infer': 8})
        learning = context.board.learning
        learning.begin(Update(1, frozenset({0, 1}), time.time()))
        launcher, receiver = inference(context)
        x = np.linspace(0, 1, 9)
        for member in (0, 1):
            learning.accept(TrainedModel(ModelVersion(1, member), fit((x, x), member)))
            for _ in range(4):
                launcher.step()
                answer(context, evaluate)
                receiver.step()
        assert context.board.rankings_asked == rankings
        assert len(list(read(context.traces.run_dir, InferenceRecord))) == 8

    def test_a_failed_inference_is_asked_again(self, make_context, answer):
        context = make_context(HillCampaign(members=1, chunk_size=200))
        trained(context, members=(0,))
        launcher, receiver = inference(context)
        launcher.step()
        answer(context, failure={'kind': 'random', 'error': 'Boom', 'message': 'no'})
        receiver.step()
        launcher.step()
        assert answer(context, evaluate).task_info['attempt'] == 2
        receiver.step()
        assert context.board.learning.update is None
        assert context.board.rankings_asked == 1

    def test_one_bad_model_is_found_and_left_out_and_costs_the_others_nothing(self, make_context, answer):
        context = make_context(HillCampaign(members=3, chunk_size=100), learning_retries=0)
        trained(context, members=(0, 1, 2))
        launcher, receiver = inference(context)
        asked = []

        def fails_with_the_second(task):
            return {'kind': 'input', 'error': 'Boom', 'message': 'no'} if 1 in task.task_info['members'] else None

        while context.board.learning.update is not None:
            launcher.step()
            task = answer(context, evaluate, fails_with_the_second)
            asked.append((task.task_info['members'], task.task_info['chunk'], task.task_info['attempt']))
            receiver.step()
        assert asked == [([0, 1, 2], 0, 1), ([0], 0, 2), ([1], 0, 2), ([2], 0, 2), ([0, 2], 1, 1)]
        assert [v.member for v in context.board.learning.table.newest().versions] == [0, 2]
        assert [e.facts['given_up'] for e in events(context, 'inference_failed')] == [False, True]
        assert context.slots.available_slots('infer') == 1
        assert len(context.depot.lent) == 2  # the chunks

    def test_updates_that_come_to_nothing_end_the_campaign(self, make_context, answer):
        context = make_context(HillCampaign(members=1, chunk_size=200), learning_retries=0, failed_updates=2, grace=0)
        launcher, receiver = inference(context)
        for generation in (1, 2):
            trained(context, generation, members=(0,))
            launcher.step()
            answer(context, failure={'kind': 'input', 'error': 'Boom', 'message': 'no'})
            receiver.step()
        assert context.board.outcome.status == 'failed'
        assert '2 updates' in context.board.outcome.reason

    def test_a_lost_question_gives_its_slot_back_and_is_asked_again(self, make_context, answer):
        context = make_context(HillCampaign(members=1, chunk_size=200), learning_lease=1e-9)
        trained(context, members=(0,))
        launcher, receiver = inference(context)
        launcher.step()
        receiver.step()
        assert context.slots.available_slots('infer') == 1
        launcher.step()
        receiver_late = answer(context, evaluate)
        assert receiver_late.task_info['attempt'] == 1
        receiver.step()
        assert context.board.rankings_asked == 0  # the late answer is not taken: its question is out again

    def test_a_question_to_a_model_that_was_given_up_is_not_sent(self, make_context):
        context = make_context(HillCampaign(members=1), slots={'infer': 1})
        trained(context, members=(0,))
        launcher, _ = inference(context)
        launcher.step()
        launcher._inquiries.close(ModelVersion(1, 0))
        context.slots.release('infer')
        launcher.step()
        assert context.slots.available_slots('infer') == 1

    def test_a_send_that_fails_keeps_the_question(self, make_context, answer, monkeypatch):
        context = make_context(HillCampaign(members=1, chunk_size=200))
        trained(context, members=(0,))
        launcher, receiver = inference(context)

        def broken(*args, **kwargs):
            raise ConnectionError('Redis is gone')

        monkeypatch.setattr(context.queues, 'send_inputs', broken)
        with pytest.raises(ConnectionError):
            launcher.step()
        monkeypatch.undo()
        launcher.step()
        answer(context, evaluate)
        receiver.step()
        assert context.board.rankings_asked == 1

    def test_without_a_free_slot_it_waits_and_forgets_nothing(self, make_context, answer):
        context = make_context(HillCampaign(members=1, chunk_size=100))
        trained(context, members=(0,))
        launcher, receiver = inference(context)
        launcher.step()
        context.board.done.set()
        launcher.step()
        context.board.done.clear()
        answer(context, evaluate)
        receiver.step()
        launcher.step()
        answer(context, evaluate)
        receiver.step()
        assert context.board.rankings_asked == 1


def test_older_predictions_stand_until_new_ones_are_complete():
    table = PredictionTable(2)
    old, new = ModelVersion(1, 0), ModelVersion(2, 0)
    assert not table.file(old, 0, np.zeros(2))
    assert table.file(old, 1, np.zeros(2))
    assert not table.file(new, 1, np.ones(2))
    assert table.filed(new) == 1
    assert table.newest().versions == (old,)
    assert table.file(new, 0, np.ones(2))
    assert np.array(table.newest().arrays).tolist() == [[[1, 1], [1, 1]]]
    assert not table.file(old, 0, np.zeros(2))


def test_what_was_handed_out_stays_as_it_was():
    table = PredictionTable(1)
    versions = [ModelVersion(1, member) for member in (0, 1, 2)]
    for version in versions:
        table.file(version, 0, np.full(2, version.member))
    first = table.newest()
    newer = ModelVersion(2, 1)
    table.file(newer, 0, np.full(2, 50))
    assert table.newest().versions == (versions[0], newer, versions[2])
    assert [chunks[0][0] for chunks in table.newest().arrays] == [0, 50, 2]
    assert first.versions == tuple(versions)
    assert [chunks[0][0] for chunks in first.arrays] == [0, 1, 2]


def test_what_is_no_number_for_each_row_is_kept_as_it_came():
    table = PredictionTable(2)
    counts = [np.arange(10), np.array([0.1])]
    for chunk, values in enumerate(counts):
        table.file(ModelVersion(1, 0), chunk, values)
    assert all(kept is given for kept, given in zip(table.newest().arrays[0], counts, strict=True))


class TestBufferManager:
    def predicted(self, context):
        table = context.board.learning.table
        for chunk in context.campaign.chunks():
            table.file(ModelVersion(1, 0), chunk.index, chunk.data.astype('f4'))
        context.board.ask_for_ranking(time.time())

    def test_a_ranking_is_on_disk_before_its_candidates_are_ready(self, make_context):
        context = make_context(HillCampaign(size=20, chunk_size=20))
        self.predicted(context)
        BufferManager(context).step()
        (selection,) = read(context.traces.run_dir, SelectionRecord)
        assert (selection.ranking, selection.models, selection.kept, selection.scored) == (1, ['g1m0'], 4, 20)
        assert selection.top[0]['key'] == 'x19'
        assert selection.top[0]['mean'] == pytest.approx(1.0)
        assert context.board.take(lambda c: None).candidate.key == 'x19'

    def test_what_was_taken_is_dropped(self, make_context):
        context = make_context(HillCampaign(size=20, chunk_size=20))
        context.board.buffer.mark_handed_out(['x19', 'x18'])
        self.predicted(context)
        BufferManager(context).step()
        (selection,) = read(context.traces.run_dir, SelectionRecord)
        assert [t['key'] for t in selection.top] == ['x17', 'x16', 'x15', 'x14']

    def test_a_low_buffer_is_refilled_unless_the_policy_holds_it_back(self, make_context):
        context = make_context(HillCampaign(size=20, chunk_size=20), pause_during_update='refill')
        self.predicted(context)
        manager = BufferManager(context)
        manager.step()
        for _ in range(3):
            context.board.take(lambda c: None)
        context.board.learning.begin(Update(1, frozenset({0}), 0.0))
        manager.step()
        assert len(context.board.buffer) == 1
        context.board.learning.give_up([0])
        context.board.learning.finish_if_over()
        manager.step()
        assert len(context.board.buffer) == 4

    def test_when_nothing_is_left_it_first_learns_from_what_is_new_then_ends(self, make_context):
        context = make_context()
        observe(context, 1)
        manager = BufferManager(context)
        manager.step()
        assert context.board.training_reason() == 'nothing is left to simulate'
        assert context.board.outcome is None
        context.board.learning.training_wanted = None
        context.board.learning.trained_on = 1
        manager.step()
        assert context.board.outcome.status == 'exhausted'
        assert 'after 1 of 10' in context.board.outcome.reason

    def test_a_ranking_that_raises_is_still_due(self, make_context, monkeypatch):
        context = make_context(HillCampaign(size=20, chunk_size=20))
        self.predicted(context)
        manager = BufferManager(context)

        def broken(*args):
            raise RuntimeError('a bug in the campaign')

        monkeypatch.setattr(context.campaign, 'rank', broken)
        with pytest.raises(RuntimeError):
            manager.step()
        monkeypatch.undo()
        manager.step()
        assert context.board.rankings == 1

    def test_a_warning_of_the_ranking_is_told(self, make_context, monkeypatch):
        context = make_context(HillCampaign(size=20, chunk_size=20))
        self.predicted(context)
        rank = context.campaign.rank

        def warn(*args):
            ranking = rank(*args)
            return type(ranking)(ranking.candidates, ranking.scored, ('predictions are constant',))

        monkeypatch.setattr(context.campaign, 'rank', warn)
        BufferManager(context).step()
        assert events(context, 'ranking_warning')[0].message == 'predictions are constant'
