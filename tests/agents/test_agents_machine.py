"""The real board and simulation agents against a task server that does everything in any order."""

import shutil
import tempfile
import threading
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scoutbee.agents.board import Board
from scoutbee.agents.buffer_manager import BufferManager
from scoutbee.agents.context import Context
from scoutbee.agents.learning import Update
from scoutbee.agents.simulation_launcher import SimulationLauncher
from scoutbee.agents.simulation_receiver import SimulationReceiver
from scoutbee.agents.slots import SlotMover, make_slots
from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.control import CANCEL, ROLL_CALL
from scoutbee.contracts.learning import ModelVersion
from scoutbee.contracts.policy import Policy
from scoutbee.testing.campaign import HillCampaign, hill
from scoutbee.testing.clock import Clock
from scoutbee.testing.depot import CountingDepot, MemoryShelf
from scoutbee.testing.queues import QuickQueues
from scoutbee.traces.reader import read_all
from scoutbee.traces.records import EventRecord, SimulationRecord
from scoutbee.traces.replay import replay
from scoutbee.traces.writer import TraceWriter

SIZE, WORKERS, PREFETCH = 14, 2, 2
FAILURES = ('input', 'random', 'resource', 'convergence', 'lost', 'killed', 'deadline', 'cancelled')
ROUNDS = 400


class AdjustableHill(HillCampaign):
    """Knows one other setting, and sends two follow-ups."""

    def adjust(self, candidate, tried):
        if tried > 1:
            return None
        return Candidate(candidate.key, (*candidate.args, 'careful'), candidate.row, candidate.choice)

    def follow_ups(self, observation):
        super().follow_ups(observation)
        key = observation.candidate.key
        return [Candidate(f'{key}+', (0.5,))] if key in ('x2', 'x5') else []


class ScriptedServer:
    """A task server whose every move is told."""

    def __init__(self, queues):
        self.queues = queues
        self.held = []

    def take(self, *, everything=False):
        while self.queues._requests.qsize():
            _, task = self.queues.get_task(timeout=0)
            task.deserialize()
            if task.method == ROLL_CALL:
                self._answer_control(task, tuple(each.task_id for each in self.held if each.task_id in task.args[0]))
            elif task.method == CANCEL:
                self._answer_control(task, self._call_back(task.args[0]))
            else:
                self.held.append(task)
            if not everything:
                return

    def _call_back(self, ids):
        idle = [task for task in self.held[WORKERS:] if task.task_id in ids]
        for task in idle:
            self.fail(task, 'cancelled')
        return tuple(task.task_id for task in idle)

    def succeed(self, task):
        self._drop(task)
        task.set_result(hill(task.args[0][0]), 0.01)
        self.send(task)

    def fail(self, task, kind):
        self._drop(task)
        task.success = False
        task.task_info['failure'] = {'kind': kind, 'error': kind.title(), 'message': 'as told'}
        self.send(task)

    def lose(self, task):
        self._drop(task)

    def die(self):
        self.held.clear()
        self.queues.flush()

    def _drop(self, task):
        self.held = [each for each in self.held if each is not task]

    def _answer_control(self, task, value):
        task.set_result(value, 0.0)
        self.send(task)

    def send(self, task):
        task.serialize()
        self.queues.send_result(task)
        task.deserialize()


class AgentsMachine(RuleBasedStateMachine):
    """Any order of launches, answers, losses, rankings and time; then a world that behaves, and an end."""

    @initialize(speculate=st.booleans(), search_size=st.integers(2, SIZE), pause=st.sampled_from(['none', 'launch']))
    def begin(self, speculate, search_size, pause):
        self.patches = pytest.MonkeyPatch()
        self.clock = Clock()
        for module in ('flights', 'horizon', 'roll_call'):
            self.patches.setattr(f'scoutbee.agents.{module}.time', self.clock)
        self.patches.setattr('scoutbee.agents.board.KNOWN_RUN_TIMES', 2)
        self.run_dir = Path(tempfile.mkdtemp())
        self.traces = TraceWriter(self.run_dir)
        policy = Policy(
            search_size=search_size, buffer_size=3, prefetch=PREFETCH, slots={'simulate': WORKERS}, speculate=speculate,
            pause_during_update=pause, simulation_lease=100.0, roll_call=10.0, losses=3, failure_minimum=1000,
            retrain_frequency=1000, straggler=3, simulation_retries=1, grace=0,
        )  # fmt: skip
        campaign = AdjustableHill(size=SIZE, chunk_size=SIZE, seeds=SIZE)
        slots = make_slots(policy.slots, policy.prefetch)
        self.board = Board(policy, campaign.objective, 1, threading.Event())
        self.context = Context(
            campaign, policy, QuickQueues(), slots, SlotMover(policy, slots, self.traces, self.board.done),
            CountingDepot(), self.traces, MemoryShelf(), self.board,
        )  # fmt: skip
        self.launcher, self.receiver = SimulationLauncher(self.context), SimulationReceiver(self.context)
        self.manager = BufferManager(self.context)
        # It is only woken where it has something to launch: a wait would last for ever.
        self.patches.setattr(self.launcher, '_wait', lambda: pytest.fail('the launcher has nothing to launch'))
        self.server = ScriptedServer(self.context.queues)
        self.board.buffer.replace(campaign.seeds())
        self.generation = 0

    # -- the agents, each when it would wake ----------------------------------------------------------------

    def has_slot(self):
        return self.context.slots.available_slots('simulate') > 0

    def would_launch(self):
        copy = self.context.policy.speculate and len(self.board.flights) < WORKERS and self.board.worth_a_copy()
        return not self.board.done.is_set() and self.has_slot() and (self.board.may_launch or bool(copy))

    @precondition(lambda self: self.would_launch())
    @rule()
    def launch(self):
        self.launcher.step()

    @precondition(lambda self: self.would_launch())
    @rule()
    def launch_and_serve_all(self):
        while self.would_launch():
            self.launcher.step()
        self.server.take(everything=True)

    @precondition(lambda self: self.would_launch())
    @rule(after=st.sampled_from(['before', 'behind']))
    def launch_while_the_queue_fails(self, after):
        send = self.context.queues.send_inputs

        def broken(*args, **kwargs):
            if after == 'behind':
                send(*args, **kwargs)
            raise ConnectionError('the queue is gone')

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.context.queues, 'send_inputs', broken)
            with pytest.raises(ConnectionError):
                self.launcher.step()

    @precondition(lambda self: self.would_launch())
    @rule()
    def launch_while_the_store_fails(self):
        def broken(topic, obj):
            raise OSError('the disk is full')

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.context.depot, 'lend', broken)
            with pytest.raises(OSError, match='disk'):
                self.launcher.step()

    @rule()
    def receive(self):
        self.receiver.step()

    @rule(count=st.integers(1, 3))
    def receive_what_is_done(self, count):
        """Everything is as it should be, for a while."""
        for _ in range(count):
            self.receiver.step()
            self.server.take(everything=True)
            if self.server.held:
                self.server.succeed(self.server.held[0])
            self.receiver.step()

    @precondition(lambda self: not self.board.done.is_set())
    @rule(seed=st.integers(0, 99))
    def rank(self, seed):
        self.generation += 1
        heights = np.random.default_rng(seed).random(SIZE, dtype=np.float32)
        self.board.learning.table.file(ModelVersion(self.generation, 0), 0, heights)
        self.board.ask_for_ranking(None)
        self.manager.step()

    @precondition(lambda self: not self.board.done.is_set() and self.manager._is_needed())
    @rule()
    def manage(self):
        self.manager.step()

    # -- the task server --------------------------------------------------------------------------------------

    @rule()
    def serve(self):
        self.server.take()

    def running(self, data):
        return self.server.held[data.draw(st.integers(0, min(WORKERS, len(self.server.held)) - 1))]

    @precondition(lambda self: self.server.held)
    @rule(data=st.data())
    def succeed(self, data):
        self.server.succeed(self.running(data))

    @precondition(lambda self: self.server.held)
    @rule(data=st.data(), kind=st.sampled_from(FAILURES))
    def fail(self, data, kind):
        self.server.fail(self.running(data), kind)

    @precondition(lambda self: self.server.held)
    @rule(data=st.data())
    def answer_twice(self, data):
        task = self.running(data)
        self.server.succeed(task)
        self.server.send(task)

    @precondition(lambda self: self.server.held)
    @rule(data=st.data())
    def lose(self, data):
        self.server.lose(self.server.held[data.draw(st.integers(0, len(self.server.held) - 1))])

    @rule()
    def die(self):
        self.server.die()

    # -- time -------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 11.0, 101.0]))
    def wait(self, seconds):
        self.clock.now += seconds

    @precondition(lambda self: not self.board.done.is_set())
    @rule()
    def ask_the_roll(self):
        self.receiver.roll.hurry()
        self.receiver.step()

    # -- what always holds ------------------------------------------------------------------------------------

    @invariant()
    def every_slot_in_use_is_that_of_a_flight(self):
        slots = self.context.slots
        assert slots.allocated_slots('simulate') - slots.available_slots('simulate') == len(self.board.flights)

    @invariant()
    def every_loan_is_that_of_a_flight(self):
        assert set(self.context.depot.lent) == {flight.loan.key for flight in self.board.flights}

    @invariant()
    def every_open_candidate_is_under_way_and_in_one_place(self):
        board = self.board
        assert board.buffer.repeating() <= board.open.keys()
        assert all(board.is_under_way(key) for key in board.open)
        assert all(len(board.flights.of(key)) <= 1 + board.policy.speculate for key in board.open)
        assert not board.is_deciding
        assert not board.buffer.repeating() & {flight.key for flight in board.flights if flight.key in board.open}

    @invariant()
    def the_counts_are_those_of_the_candidates(self):
        counts = self.board.counts
        assert counts.submitted == len(self.board.open) + counts.succeeded + counts.failed + counts.quarantined
        assert counts.succeeded <= self.board.policy.search_size

    # -- the end ------------------------------------------------------------------------------------------------

    def teardown(self):
        if not hasattr(self, 'board'):
            return
        try:
            self.behave()
            self.check_the_ledger()
        finally:
            self.traces.close()
            self.patches.undo()
            shutil.rmtree(self.run_dir)

    def behave(self):
        """Everybody does what they should from now on: the campaign ends, and nothing is left out."""
        for _ in range(ROUNDS):
            if self.board.done.is_set():
                break
            self.learn()
            if self.manager._is_needed():
                self.manager.step()
            while self.would_launch():
                self.launcher.step()
            self.receiver.step()
            self.server.take(everything=True)
            for task in list(self.server.held):
                self.server.succeed(task)
            self.receiver.roll.hurry()
            for _ in range(2 * (WORKERS + PREFETCH)):
                self.receiver.step()
            self.clock.now += 1
        assert self.board.done.is_set(), f'the campaign hangs: {self.board.facts()}'
        assert self.board.outcome.status in ('completed', 'exhausted')
        for invariant_holds in (
            self.every_slot_in_use_is_that_of_a_flight,
            self.every_loan_is_that_of_a_flight,
            self.every_open_candidate_is_under_way_and_in_one_place,
            self.the_counts_are_those_of_the_candidates,
        ):
            invariant_holds()

    def learn(self):
        """Play the learning agents: at once, and to no avail."""
        learning = self.board.learning
        if self.board.training_reason() is None:
            return
        self.generation += 1
        learning.begin(Update(self.generation, frozenset({0}), 0.0))
        learning.trained_on = len(self.board.observations)
        learning.table.file(ModelVersion(self.generation, 0), 0, np.linspace(0, 1, SIZE, dtype=np.float32))
        learning.update.predicted.add(0)
        learning.finish_if_over()
        self.board.ask_for_ranking(None)

    def check_the_ledger(self):
        numbers, observed = defaultdict(list), Counter()
        for record in read_all(self.run_dir):
            if isinstance(record, SimulationRecord):
                observed[record.key] += record.outcome == 'observed'
            elif isinstance(record, EventRecord) and record.event in ('submitted', 'resubmitted', 'copied'):
                numbers[record.facts['key']].append(record.facts['attempt'])
            elif isinstance(record, EventRecord) and record.event == 'withdrawn':
                assert set(numbers.pop(record.facts['key'])) == {1}
        assert all(times <= 1 for times in observed.values())
        for sent in numbers.values():
            assert sent == sorted(sent), 'a candidate was submitted anew without need'
            assert sent[0] == 1
        history = replay(self.run_dir)
        assert [o.candidate.key for o in history.observations] == [o.candidate.key for o in self.board.observations]
        assert history.submitted == self.board.counts.submitted
        assert len(history.failed) == self.board.counts.failed
        assert len(history.quarantined) == self.board.counts.quarantined
        assert not {*history.failed, *history.quarantined} & self.board.open.keys()
        assert sorted(history.taken_rows) == sorted(self.board.snapshot().taken_rows)


AgentsMachine.TestCase.settings = settings(
    max_examples=50, stateful_step_count=60, suppress_health_check=list(HealthCheck)
)
TestAgentsMachine = pytest.mark.slow(AgentsMachine.TestCase)
