"""The real inference agents against models that come in any order and a task server that does everything."""

import contextlib
import shutil
import tempfile
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scoutbee.agents.board import Board
from scoutbee.agents.context import Context
from scoutbee.agents.inference_launcher import InferenceLauncher
from scoutbee.agents.inference_receiver import InferenceReceiver
from scoutbee.agents.inquiries import Inquiries
from scoutbee.agents.learning import Update
from scoutbee.agents.slots import SlotMover, make_slots
from scoutbee.contracts.control import CANCEL, ROLL_CALL
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.contracts.policy import Policy
from scoutbee.testing.campaign import HillCampaign, evaluate, fit
from scoutbee.testing.clock import Clock
from scoutbee.testing.depot import CountingDepot, MemoryShelf
from scoutbee.testing.queues import QuickQueues
from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord
from scoutbee.traces.replay import replay
from scoutbee.traces.writer import TraceWriter

MEMBERS, CHUNKS, ROWS, SLOTS, LEASE = 3, 3, 2, 2, 100.0
FAILURES = ('input', 'random', 'resource', 'lost', 'killed', 'deadline', 'cancelled')
ROUNDS = 300


class InquiriesMachine(RuleBasedStateMachine):
    """Any order of models, questions, answers and losses; then a world that behaves, and every update ends."""

    @initialize(rerank=st.sampled_from(['model', 'ensemble']), retries=st.integers(0, 1))
    def begin(self, rerank, retries):
        self.patches = pytest.MonkeyPatch()
        self.clock = Clock()
        for module in ('inquiries', 'roll_call'):
            self.patches.setattr(f'scoutbee.agents.{module}.time', self.clock)
        self.run_dir = Path(tempfile.mkdtemp())
        self.traces = TraceWriter(self.run_dir)
        policy = Policy(
            search_size=10, slots={'infer': SLOTS}, rerank=rerank, learning_retries=retries, learning_lease=LEASE,
            roll_call=10.0, losses=2, failed_updates=1000,
        )  # fmt: skip
        self.campaign = HillCampaign(size=CHUNKS * ROWS, chunk_size=ROWS, members=MEMBERS)
        slots = make_slots(policy.slots, policy.prefetch)
        self.board = Board(policy, self.campaign.objective, CHUNKS, threading.Event())
        self.context = Context(
            self.campaign, policy, QuickQueues(), slots, SlotMover(policy, slots, self.traces, self.board.done),
            CountingDepot(), self.traces, MemoryShelf(), self.board,
        )  # fmt: skip
        self.inquiries = Inquiries(policy.learning_lease, policy.losses)
        self.launcher = InferenceLauncher(self.context, self.inquiries)
        self.receiver = InferenceReceiver(self.context, self.inquiries)
        self.held, self.answered = [], []
        self.generation, self.untrained = 0, []
        self.models = {}

    # -- the trainer --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.board.learning.update is None)
    @rule(members=st.sets(st.integers(0, MEMBERS - 1), min_size=1))
    def begin_an_update(self, members):
        self.generation += 1
        self.untrained = sorted(members)
        self.board.learning.begin(Update(self.generation, frozenset(members), 0.0))

    @precondition(lambda self: self.untrained)
    @rule(data=st.data())
    def train(self, data):
        member = self.untrained.pop(data.draw(st.integers(0, len(self.untrained) - 1)))
        x = np.linspace(0, 1, 9)
        version = ModelVersion(self.generation, member)
        self.models[version] = fit((x, x * self.generation), member)
        self.board.learning.accept(TrainedModel(version, self.models[version]))

    @precondition(lambda self: self.untrained)
    @rule()
    def fail_to_train(self):
        self.board.learning.give_up([self.untrained.pop()])

    # -- the agents ---------------------------------------------------------------------------------------------

    def would_ask(self):
        return self.context.slots.available_slots('infer') > 0 and self.launcher._is_needed()

    @precondition(lambda self: self.would_ask())
    @rule()
    def ask(self):
        self.launcher.step()

    @precondition(lambda self: self.would_ask())
    @rule(after=st.sampled_from(['before', 'behind']), what=st.sampled_from(['queue', 'store']))
    def ask_in_vain(self, after, what):
        send = self.context.queues.send_inputs

        def broken(*args, **kwargs):
            if what == 'queue' and after == 'behind':
                send(*args, **kwargs)
            raise ConnectionError('it is gone')

        with pytest.MonkeyPatch.context() as patch:
            if what == 'queue':
                patch.setattr(self.context.queues, 'send_inputs', broken)
            else:
                patch.setattr(self.context.depot, 'lend', broken)
            with contextlib.suppress(ConnectionError):  # a store that is gone matters only where something is lent
                self.launcher.step()

    @rule()
    def hear(self):
        self.receiver.step()

    @rule()
    def ask_the_roll(self):
        self.receiver.roll.hurry()
        self.receiver.step()

    @rule(seconds=st.sampled_from([1.0, 11.0, LEASE + 1]))
    def wait(self, seconds):
        self.clock.now += seconds

    # -- the task server ----------------------------------------------------------------------------------------

    @rule()
    def serve(self):
        self.take()

    def take(self):
        while self.context.queues._requests.qsize():
            _, task = self.context.queues.get_task(timeout=0)
            task.deserialize()
            if task.method == ROLL_CALL:
                self.send(task, tuple(each.task_id for each in self.held if each.task_id in task.args[0]))
            elif task.method == CANCEL:
                self.send(task, ())
            else:
                self.held.append(task)

    def send(self, task, value):
        task.set_result(value, 0.0)
        task.serialize()
        self.context.queues.send_result(task)
        task.deserialize()

    def one_of_those_held(self, data):
        return self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), twice=st.booleans())
    def answer(self, data, twice):
        task = self.one_of_those_held(data)
        predicted = evaluate(*task.args)
        for _ in range(1 + twice):
            self.send(task, predicted)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), value=st.sampled_from([None, np.zeros((7, 2), 'f4'), [[1.0], [1.0, 2.0]]]))
    def answer_nonsense(self, data, value):
        self.send(self.one_of_those_held(data), value)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), kind=st.sampled_from(FAILURES))
    def fail(self, data, kind):
        task = self.one_of_those_held(data)
        task.success = False
        task.task_info['failure'] = {'kind': kind, 'error': kind.title(), 'message': 'as told'}
        task.serialize()
        self.context.queues.send_result(task)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def lose(self, data):
        self.one_of_those_held(data)

    # -- what always holds --------------------------------------------------------------------------------------

    @invariant()
    def every_slot_in_use_is_that_of_a_question(self):
        slots = self.context.slots
        assert slots.allocated_slots('infer') - slots.available_slots('infer') == len(self.inquiries._out)

    @invariant()
    def every_loan_is_that_of_a_chunk_or_of_a_model_being_asked(self):
        models = [inquiry.model.key for inquiry in self.inquiries._models.values()]
        assert set(self.context.depot.lent) == {*models, *(loan.key for loan in self.launcher._lent.values())}

    @invariant()
    def no_model_is_asked_twice_about_a_chunk_at_once(self):
        asked = Counter((version, q.chunk) for q in self.inquiries._out for version in q.versions)
        assert not asked or max(asked.values()) == 1
        for version, inquiry in self.inquiries._models.items():
            assert not any((version, chunk) in asked for chunk in inquiry.lacking)

    @invariant()
    def whatever_an_open_model_lacks_is_out_or_to_be_asked(self):
        asked = {(version, q.chunk) for q in self.inquiries._out for version in q.versions}
        for version, inquiry in self.inquiries._models.items():
            if inquiry.is_open:
                missing = set(self.board.learning.table.missing(version))
                assert missing == inquiry.lacking | {chunk for v, chunk in asked if v == version}

    # -- the end ------------------------------------------------------------------------------------------------

    def teardown(self):
        if not hasattr(self, 'board'):
            return
        try:
            self.behave()
            self.check_what_was_learned()
        finally:
            self.traces.close()
            self.patches.undo()
            shutil.rmtree(self.run_dir)

    def behave(self):
        """Everybody does what they should from now on, and the update comes to its end."""
        for _ in range(ROUNDS):
            if self.board.learning.update is None:
                break
            while self.untrained:
                self.fail_to_train()
            while self.would_ask():
                self.launcher.step()
            self.take()
            while self.held:
                task = self.held.pop(0)
                self.send(task, evaluate(*task.args))
            self.receiver.roll.hurry()
            for _ in range(3 * SLOTS):
                self.receiver.step()
            self.clock.now += 1
        assert self.board.learning.update is None, 'the update hangs'
        self.receiver.step()
        assert not self.inquiries._out
        assert not self.inquiries._models
        self.every_slot_in_use_is_that_of_a_question()
        self.every_loan_is_that_of_a_chunk_or_of_a_model_being_asked()

    def check_what_was_learned(self):
        predictions = self.board.learning.table.newest()
        if predictions.versions:
            expected = evaluate([self.models[version] for version in predictions.versions], self.campaign.grid)
            found = [np.concatenate(chunks) for chunks in predictions.arrays]
            np.testing.assert_array_equal(found, expected)
        answers = [record for record in read(self.run_dir, InferenceRecord) if record.success]
        history = replay(self.run_dir)
        for version, chunks in history.learning.predictions.items():
            for chunk, kept in chunks.items():
                row = self.context.shelf.fetch(kept.file, kept.offset)[kept.row]
                points = self.campaign.grid[ROWS * chunk : ROWS * (chunk + 1)]
                np.testing.assert_array_equal(row, evaluate([self.models[version]], points)[0])
        assert sum(len(record.members) for record in answers) >= CHUNKS * len(predictions.versions)


InquiriesMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=50, suppress_health_check=list(HealthCheck)
)
TestInquiriesMachine = pytest.mark.slow(InquiriesMachine.TestCase)
