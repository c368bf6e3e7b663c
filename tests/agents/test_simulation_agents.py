"""The simulation launcher and the simulation receiver, one event at a time."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from colmena.exceptions import TimeoutException
from colmena.models import Result

from scoutbee.agents.ahead import ready_for_each
from scoutbee.agents.buffer_manager import BufferManager
from scoutbee.agents.learning import Update
from scoutbee.agents.simulation_launcher import SimulationLauncher
from scoutbee.agents.simulation_receiver import SimulationReceiver
from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.control import CANCEL, ROLL_CALL
from scoutbee.contracts.learning import ModelVersion
from scoutbee.testing.campaign import HillCampaign
from scoutbee.traces.reader import read
from scoutbee.traces.records import EventRecord, SimulationRecord


def ready(context, n=4):
    context.board.buffer.replace(Candidate(f'x{i}', (i / 10,), i) for i in range(n))
    return SimulationLauncher(context), SimulationReceiver(context)


def events(context, name):
    return [e for e in read(context.traces.run_dir, EventRecord) if e.event == name]


def results(context):
    return list(read(context.traces.run_dir, SimulationRecord))


def free(context):
    return context.slots.available_slots('simulate')


def lost(error='WorkerLost'):
    return {'kind': 'lost', 'error': error, 'message': 'the worker died'}


def test_a_free_slot_takes_the_best_candidate_and_writes_it_down_before_it_is_sent(make_context):
    context = make_context(slots={'simulate': 1})
    launcher, _ = ready(context)
    launcher.step()
    _, task = context.queues.get_task(timeout=1)
    assert task.task_info == {'key': 'x0', 'attempt': 1}
    (event,) = events(context, 'submitted')
    assert (event.facts['key'], event.facts['args'], event.facts['row']) == ('x0', [0.0], 0)
    assert event.time < task.timestamp.created
    assert free(context) == 0


def test_with_nothing_to_simulate_the_slot_comes_back_when_the_campaign_ends(make_context):
    context = make_context()
    launcher, _ = ready(context, 0)
    context.board.end('completed', 'enough')
    launcher.step()
    assert free(context) == 2


def test_a_candidate_that_could_not_be_sent_is_due_again_and_nothing_is_held(make_context, monkeypatch):
    context = make_context(slots={'simulate': 1})
    launcher, _ = ready(context)

    def broken(*args, **kwargs):
        raise ConnectionError('Redis is gone')

    monkeypatch.setattr(context.queues, 'send_inputs', broken)
    with pytest.raises(ConnectionError):
        launcher.step()
    assert free(context) == 1
    assert not context.depot.lent
    monkeypatch.undo()
    launcher.step()
    assert context.queues.get_task(timeout=1)[1].task_info == {'key': 'x0', 'attempt': 1}
    assert context.board.counts.submitted == 1


def test_free_slots_are_filled_together_by_what_was_written_down_before(make_context):
    context = make_context(slots={'simulate': 3})
    launcher, _ = ready(context, 2)
    launcher.step()
    tasks = [context.queues.get_task(timeout=0)[1] for _ in range(2)]
    assert [task.task_info['key'] for task in tasks] == ['x0', 'x1']
    told = events(context, 'submitted')
    assert [event.facts['key'] for event in told] == ['x0', 'x1']
    assert max(event.time for event in told) < min(task.timestamp.created for task in tasks)
    assert free(context) == 1
    assert [flight.task_id for flight in context.board.flights] == [task.task_id for task in tasks]


def test_what_was_gathered_is_sent_although_the_next_cannot_be_lent(make_context, monkeypatch):
    context = make_context(slots={'simulate': 3})
    launcher, _ = ready(context)
    lend = context.depot.lend

    def broken(topic, arguments):
        if arguments == (0.1,):
            raise ConnectionError('the store is gone')
        return lend(topic, arguments)

    monkeypatch.setattr(context.depot, 'lend', broken)
    with pytest.raises(ConnectionError):
        launcher.step()
    assert context.queues.get_task(timeout=0)[1].task_info == {'key': 'x0', 'attempt': 1}
    assert free(context) == 2
    monkeypatch.undo()
    launcher.step()
    assert context.queues.get_task(timeout=0)[1].task_info == {'key': 'x1', 'attempt': 1}


def test_a_result_that_cannot_be_dealt_with_does_not_take_others_with_it(make_context, answer):
    context = make_context(slots={'simulate': 2})
    launcher, receiver = ready(context)
    launcher.step()
    answer(context, {'height': 0.5})
    answer(context, {'height': 0.7})
    odd = Result(((), {}), method='simulate', topic='simulate')
    context.queues.send_result(odd)
    with pytest.raises(KeyError):
        receiver.step()
    assert [o.value for o in context.board.observations] == [0.5, 0.7]
    assert free(context) == 2


def test_short_simulations_are_kept_ready_and_long_ones_are_not():
    assert ready_for_each(0.0) == ready_for_each(0.001) == 16
    assert ready_for_each(0.05) == 2
    assert ready_for_each(0.2) == ready_for_each(1.0) == 1
    assert ready_for_each(86.0) == pytest.approx(1 / 86)


def test_more_is_sent_once_simulations_are_known_to_be_short(make_context, answer):
    context = make_context(HillCampaign(size=60, chunk_size=60), search_size=60, buffer_size=40, slots={'simulate': 2})
    launcher, receiver = ready(context, 40)
    for _ in range(8):
        launcher.step()
        answer(context, {'height': 0.5})
        receiver.step()
    launcher.step()
    assert len(context.board.flights) == 2 + 20
    assert context.simulation_workers() == 2


def test_no_more_is_launched_than_the_search_needs(make_context):
    context = make_context(search_size=1)
    launcher, _ = ready(context)
    launcher.step()
    assert not context.board.may_launch


def test_a_result_frees_its_slot_and_becomes_a_durable_observation(make_context, answer):
    context = make_context(slots={'simulate': 1})
    launcher, receiver = ready(context)
    launcher.step()
    answer(context, {'height': 0.5})
    receiver.step()
    assert free(context) == 1
    assert not context.depot.lent
    assert [o.value for o in context.board.observations] == [0.5]
    (record,) = results(context)
    assert (record.key, record.outcome, record.value, record.output) == ('x0', 'observed', 0.5, {'height': 0.5})
    assert record.timestamps['compute_ended'] >= record.timestamps['compute_started']


def test_the_last_result_completes_the_campaign(make_context, answer):
    context = make_context(search_size=1)
    launcher, receiver = ready(context)
    launcher.step()
    answer(context, {'height': 0.5})
    receiver.step()
    assert context.board.outcome.status == 'completed'
    assert receiver.is_finished()


def test_a_goal_completes_the_campaign_early(make_context, answer):
    context = make_context(HillCampaign(threshold=0.4, goal_found=1))
    launcher, receiver = ready(context)
    launcher.step()
    answer(context, {'height': 0.5})
    receiver.step()
    assert context.board.outcome.status == 'completed'
    assert '1 points' in context.board.outcome.reason
    assert context.board.counts.found == 1


@pytest.mark.parametrize(
    ('kind', 'retries'),
    [('input', 0), ('convergence', 0), ('random', 2), ('resource', 2), ('deadline', 1), ('killed', 1), ('lost', 3)],
)
def test_what_helps_against_a_failure_decides_how_often_it_is_tried(make_context, answer, kind, retries):
    context = make_context(simulation_retries=2, worker_kills=2, losses=4)
    launcher, receiver = ready(context, 1)
    for _ in range(retries + 1):
        launcher.step()
        answer(context, failure={'kind': kind, 'error': 'Bad', 'message': 'it failed'})
        receiver.step()
    with pytest.raises(TimeoutException):
        context.queues.get_task(timeout=0)
    assert context.board.buffer.is_spent
    assert free(context) == 2
    assert [r.outcome for r in results(context)] == ['retried'] * retries + [
        'quarantined' if kind in ('killed', 'lost') else 'failed'
    ]
    counts = context.board.counts
    assert (counts.failed, counts.quarantined) == ((0, 1) if kind in ('killed', 'lost') else (1, 0))
    assert counts.resubmitted == (retries if kind in ('killed', 'lost') else 0)
    assert len(events(context, 'resubmitted')) == counts.resubmitted


def test_an_output_the_campaign_refuses_is_a_failure_not_an_observation(make_context, answer):
    context = make_context()
    launcher, receiver = ready(context)
    launcher.step()
    answer(context, {'height': float('nan')})
    receiver.step()
    assert context.board.observations == []
    assert results(context)[0].failure.error == 'InputTaskError'


def test_an_output_the_campaign_cannot_read_at_all_is_tried_again(make_context, answer):
    context = make_context()
    launcher, receiver = ready(context)
    launcher.step()
    answer(context, 'not a mapping')
    receiver.step()
    assert results(context)[0].outcome == 'retried'


def test_a_lost_simulation_gives_its_slot_back_and_is_sent_again(make_context, answer):
    context = make_context(simulation_lease=1e-9)
    launcher, receiver = ready(context, 1)
    launcher.step()
    context.queues.get_task(timeout=1)
    receiver.step()
    assert free(context) == 2
    assert not context.depot.lent
    launcher.step()
    assert context.queues.get_task(timeout=1)[1].task_info == {'key': 'x0', 'attempt': 2}
    assert (context.board.counts.submitted, context.board.counts.resubmitted) == (1, 1)


def test_a_late_result_of_a_lost_attempt_counts_and_the_repeat_is_dropped(make_context, answer):
    context = make_context(simulation_lease=1e-9)
    launcher, receiver = ready(context, 1)
    launcher.step()
    receiver.step()
    answer(context, {'height': 0.5})
    receiver.step()
    assert [o.value for o in context.board.observations] == [0.5]
    assert context.board.take(lambda c: None) is None
    assert free(context) == 2


def test_the_second_of_two_results_is_a_duplicate_and_frees_its_own_slot(make_context, answer):
    context = make_context(simulation_lease=1e-9)
    launcher, receiver = ready(context, 1)
    launcher.step()
    first = context.queues.get_task(timeout=1)[1]
    receiver.step()
    object.__setattr__(context.policy, 'simulation_lease', 100.0)
    launcher.step()
    answer(context, {'height': 0.5})
    receiver.step()
    first.deserialize()
    first.set_result({'height': 0.5}, 0.01)
    first.serialize()
    context.queues.send_result(first)
    receiver.step()
    assert len(context.board.observations) == 1
    assert [r.outcome for r in results(context)] == ['observed', 'duplicate']
    assert free(context) == 2


def test_a_late_failure_of_an_attempt_that_is_repeated_says_nothing(make_context, answer):
    context = make_context(simulation_lease=1e-9)
    launcher, receiver = ready(context, 1)
    launcher.step()
    receiver.step()
    answer(context, failure=lost())
    receiver.step()
    assert context.board.counts.quarantined == 0
    assert len(context.board.buffer) == 1


def test_too_many_failures_end_the_campaign_with_the_commonest_cause(make_context, answer):
    context = make_context(failure_minimum=3, failure_share=0.5, grace=0)
    launcher, receiver = ready(context, 4)
    for error in ('Odd', 'ScfError', 'ScfError'):
        launcher.step()
        answer(context, failure={'kind': 'input', 'error': error, 'message': 'no'})
        receiver.step()
    assert context.board.outcome.status == 'failed'
    assert 'ScfError (2 times)' in context.board.outcome.reason


def test_a_failure_without_a_class_is_taken_for_chance(make_context):
    context = make_context()
    launcher, receiver = ready(context, 1)
    launcher.step()
    _, task = context.queues.get_task(timeout=1)
    task.success = False
    context.queues.send_result(task)
    receiver.step()
    assert results(context)[0].failure.kind == 'random'
    assert results(context)[0].outcome == 'retried'


def test_when_the_time_is_up_the_campaign_ends(make_context):
    context = make_context(max_hours=1e-9)
    _, receiver = ready(context)
    receiver.step()
    assert context.board.outcome.status == 'exhausted'
    assert 'time' in context.board.outcome.reason


def test_an_observation_counts_even_if_the_campaign_fails_on_it(make_context, answer, monkeypatch):
    context = make_context()
    launcher, receiver = ready(context)

    def broken(observation):
        raise RuntimeError('a bug in the campaign')

    monkeypatch.setattr(context.campaign, 'follow_ups', broken)
    launcher.step()
    answer(context, {'height': 0.5})
    with pytest.raises(RuntimeError):
        receiver.step()
    assert context.board.counts.succeeded == 1


def test_a_store_that_cannot_evict_costs_no_result(make_context, answer, monkeypatch):
    context = make_context()
    launcher, receiver = ready(context)

    def broken(loan):
        raise OSError('disk gone')

    monkeypatch.setattr(context.depot, 'reclaim', broken)
    launcher.step()
    answer(context, {'height': 0.5})
    receiver.step()
    assert context.board.counts.succeeded == 1
    assert events(context, 'reclaim_failed')


def test_nothing_is_launched_while_models_are_updated_if_the_policy_says_so(make_context):
    context = make_context(pause_during_update='launch')
    ready(context)
    assert context.board.may_launch
    context.board.learning.begin(Update(1, frozenset({0}), 0.0))
    assert not context.board.may_launch


def test_a_result_that_cannot_be_recorded_is_tried_again_and_then_given_up(make_context, answer, monkeypatch):
    context = make_context(simulation_retries=1)
    launcher, receiver = ready(context, 1)

    def broken(*args, **kwargs):
        raise ValueError('no such field')

    monkeypatch.setattr('scoutbee.agents.simulation_records.SimulationRecord', broken)
    for _ in range(2):
        launcher.step()
        answer(context, {'height': 0.5})
        with pytest.raises(ValueError, match='no such field'):
            receiver.step()
    assert context.board.counts.failed == 1
    assert context.board.is_starved()


def test_the_campaign_does_not_starve_while_a_result_is_read(make_context, answer):
    context = make_context()
    launcher, _ = ready(context, 1)
    launcher.step()
    context.board.land('x0', 1)
    assert not context.board.is_starved()


# -- attempts that fail for a reason ---------------------------------------------------------------------------


class AdjustableHill(HillCampaign):
    """Knows two other settings."""

    def adjust(self, candidate, tried):
        return replace(candidate, args=(candidate.args[0], f'setting {tried}')) if tried < 3 else None


def failure(kind):
    return {'kind': kind, 'error': 'Bad', 'message': 'it failed'}


def test_what_does_not_converge_is_tried_with_other_settings_until_there_are_none(make_context, answer):
    context = make_context(AdjustableHill(), simulation_retries=0)
    launcher, receiver = ready(context, 1)
    for _ in range(3):
        launcher.step()
        answer(context, failure=failure('convergence'))
        receiver.step()
    assert [e.facts['args'] for e in events(context, 'submitted')] == [[0.0], [0.0, 'setting 1'], [0.0, 'setting 2']]
    assert [(r.outcome, r.args[1:]) for r in results(context)] == [
        ('retried', []), ('retried', ['setting 1']), ('failed', ['setting 2'])
    ]  # fmt: skip


def test_other_settings_that_converge_give_an_observation_that_says_which(make_context, answer):
    context = make_context(AdjustableHill())
    launcher, receiver = ready(context, 1)
    launcher.step()
    answer(context, failure=failure('convergence'))
    receiver.step()
    launcher.step()
    answer(context, {'height': 0.5})
    receiver.step()
    (observation,) = context.board.observations
    assert observation.candidate.args == (0.0, 'setting 1')
    assert results(context)[-1].args == [0.0, 'setting 1']


def test_kinds_of_failure_are_counted_apart(make_context, answer):
    context = make_context(AdjustableHill(), simulation_retries=1, deadline_retries=1)
    launcher, receiver = ready(context, 1)
    for kind in ('random', 'deadline', 'convergence', 'lost', 'deadline'):
        launcher.step()
        answer(context, failure=failure(kind))
        receiver.step()
    assert [r.outcome for r in results(context)] == ['retried'] * 4 + ['failed']


# -- attempts that vanish --------------------------------------------------------------------------------------


def answer_roll(context, held=()):
    """Play the task server for a roll call."""
    _, request = context.queues.get_task(timeout=1)
    assert request.method == ROLL_CALL
    request.deserialize()
    request.set_result(tuple(held), 0.0)
    request.serialize()
    context.queues.send_result(request)


def test_what_the_task_server_does_not_hold_is_lost_within_one_roll_call(make_context):
    context = make_context(roll_call=1e-9)
    launcher, receiver = ready(context, 2)
    launcher.step()
    launcher.step()
    kept, _ = (context.queues.get_task(timeout=1)[1] for _ in range(2))
    receiver.step()
    answer_roll(context, held=[kept.task_id])
    receiver.step()
    (event,) = events(context, 'lost')
    assert event.facts['key'] == 'x1'
    assert 'does not hold it' in event.facts['why']
    assert (free(context), len(context.depot.lent)) == (1, 1)
    launcher.step()
    assert events(context, 'resubmitted')[0].facts['attempt'] == 2
    assert context.board.counts.failed == 0


def test_what_has_come_back_before_the_roll_call_is_answered_is_not_lost(make_context, answer):
    context = make_context(roll_call=1e-9)
    launcher, receiver = ready(context, 1)
    launcher.step()
    receiver.step()
    answer(context, {'height': 0.5})
    answer_roll(context)
    receiver.step()
    receiver.step()
    assert not events(context, 'lost')
    assert context.board.counts.succeeded == 1


def test_a_candidate_that_is_lost_again_and_again_is_quarantined_with_a_record(make_context):
    context = make_context(simulation_lease=1e-9, losses=3)
    launcher, receiver = ready(context, 1)
    for _ in range(3):
        launcher.step()
        receiver.step()
    (record,) = results(context)
    assert (record.outcome, record.failure.kind, record.attempt) == ('quarantined', 'lost', 3)
    assert context.board.counts.quarantined == 1
    assert context.board.is_starved()
    assert free(context) == 2


# -- what takes long --------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    for module in ('flights', 'horizon'):
        monkeypatch.setattr(f'scoutbee.agents.{module}.time', SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def out_for_long(context, clock, seconds=6.0):
    """Ten simulations took a second, and one more takes so much longer; returns the agents."""
    for _ in range(10):
        context.board.ran(1.0)
    launcher, receiver = ready(context, 1)
    launcher.step()
    clock.now += seconds
    return launcher, receiver


def test_a_straggler_is_reported_once(make_context, clock):
    context = make_context(straggler=5)
    _, receiver = out_for_long(context, clock)
    receiver.step()
    receiver.step()
    (event,) = events(context, 'straggler')
    assert event.level == 'warning'
    assert event.facts == {'key': 'x0', 'attempt': 1, 'seconds': 6.0, 'median': 1.0}


def test_a_straggler_gets_a_copy_where_nothing_else_is_left_and_the_first_result_counts(make_context, clock, answer):
    context = make_context(speculate=True)
    launcher, receiver = out_for_long(context, clock)
    launcher.step()
    (copied,) = events(context, 'copied')
    assert (copied.facts['key'], copied.facts['attempt'], copied.facts['args']) == ('x0', 2, [0.0])
    first = context.queues.get_task(timeout=1)[1]
    answer(context, {'height': 0.5})
    receiver.step()
    assert len(context.board.observations) == 1
    assert context.queues.get_task(timeout=1)[1].method == CANCEL
    first.deserialize()
    first.set_result({'height': 0.5}, 0.01)
    first.serialize()
    context.queues.send_result(first)
    receiver.step()
    assert [(r.outcome, r.attempt) for r in results(context)] == [('observed', 2), ('duplicate', 1)]
    assert (free(context), context.board.counts.submitted, context.board.counts.resubmitted) == (2, 1, 0)
    assert not context.depot.lent


def test_a_failure_beside_a_copy_decides_nothing(make_context, clock, answer):
    context = make_context(speculate=True)
    launcher, receiver = out_for_long(context, clock)
    launcher.step()
    for kind in ('input', 'random'):
        answer(context, failure=failure(kind))
        receiver.step()
    assert [r.outcome for r in results(context)] == ['duplicate', 'retried']
    launcher.step()
    assert events(context, 'submitted')[-1].facts['attempt'] == 3


def test_no_copy_is_made_without_leave_or_before_it_takes_long(make_context, clock):
    for changes, seconds in (({}, 6.0), ({'speculate': True}, 1.5)):
        context = make_context(**changes)
        out_for_long(context, clock, seconds)
        assert not changes or context.board.worth_a_copy() is None
        context.board.end('completed', 'enough')


# -- what is called back -----------------------------------------------------------------------------------------


def cancel(context):
    """Play the task server that is asked to call back: nothing but the first two requests has begun."""
    requests = [context.queues.get_task(timeout=0)[1] for _ in range(5)]
    asked = requests.pop()
    assert asked.method == CANCEL
    asked.deserialize()
    (ids,) = asked.args
    for task in requests:
        if task.task_id in ids:
            task.success = False
            task.task_info['failure'] = failure('cancelled')
            context.queues.send_result(task)
    asked.set_result(ids, 0.0)
    asked.serialize()
    context.queues.send_result(asked)
    return len(ids)


def test_what_a_ranking_ranks_out_before_it_began_is_as_if_it_had_never_been_sent(make_context):
    context = make_context(HillCampaign(size=20, chunk_size=20), prefetch=2)
    board = context.board
    launcher, receiver = ready(context, 4)
    for _ in range(4):
        launcher.step()
    board.learning.table.file(ModelVersion(1, 0), 0, np.where(np.arange(20) == 2, 9.0, np.arange(20) / 20))
    board.ask_for_ranking(None)
    BufferManager(context).step()
    (reconsidered,) = events(context, 'reconsidered')
    assert (reconsidered.facts['rows'], reconsidered.facts['outranked']) == ([2, 3], ['x3'])
    receiver.step()
    assert cancel(context) == 1
    receiver.step()
    receiver.step()
    (record,) = results(context)
    assert (record.key, record.outcome) == ('x3', 'withdrawn')
    assert events(context, 'withdrawn')[0].facts['key'] == 'x3'
    assert (board.counts.submitted, sorted(board.open), free(context)) == (3, ['x0', 'x1', 'x2'], 1)
    assert board.snapshot().taken_rows.tolist() == [0, 1, 2]
    assert not board.buffer.was_handed_out('x3')
    launcher.step()
    assert events(context, 'submitted')[-1].facts['key'] == 'x19'


def test_what_has_begun_or_failed_once_is_not_called_back(make_context, answer):
    context = make_context(HillCampaign(size=20, chunk_size=20), prefetch=1, slots={'simulate': 1})
    launcher, receiver = ready(context, 2)
    launcher.step()
    assert [c.key for c in context.board.recallable(1)] == ['x1']
    answer(context, failure=failure('random'))
    receiver.step()
    launcher.step()
    assert [f.key for f in context.board.flights] == ['x1', 'x0']
    assert context.board.recallable(1) == []
    assert context.board.recallable(0)[0].key == 'x1'


# -- the end of the time ------------------------------------------------------------------------------------------


def test_nothing_is_launched_that_would_not_be_done_and_the_campaign_ends_when_all_is_back(make_context, clock, answer):
    context = make_context(max_hours=1.0, slots={'simulate': 1})
    launcher, receiver = ready(context)
    launcher.step()
    clock.now = 3000.0
    answer(context, {'height': 0.5})
    receiver.step()
    assert context.board.hold_up() == 'horizon'
    assert context.board.outcome.status == 'exhausted'
    assert '1 hours' in context.board.outcome.reason
    assert '--resume' in context.board.outcome.reason


def test_what_is_in_flight_is_waited_for_until_the_reserve_begins(make_context, clock):
    context = make_context(max_hours=1.0)
    launcher, receiver = ready(context)
    launcher.step()
    context.board.ran(2000.0)
    clock.now = 3569.0
    receiver.step()
    assert context.board.outcome is None
    clock.now = 3570.5
    receiver.step()
    assert 'is over' in context.board.outcome.reason


def test_no_training_begins_that_would_not_be_done(make_context, clock):
    context = make_context(max_hours=1.0)
    context.board.learning.training_wanted = 'begin'
    assert context.board.training_reason() == 'begin'
    context.board.learning.run_times.add(3000.0)
    assert context.board.training_reason() is None


# -- why slots stood empty -----------------------------------------------------------------------------------------


def test_a_submission_tells_for_what_its_slot_waited(make_context):
    context = make_context(pause_during_update='launch')
    launcher, _ = ready(context, 4)
    context.board.learning.begin(Update(1, frozenset({0}), 0.0))
    working = threading.Thread(target=lambda: [launcher.step(), launcher.step()])
    working.start()
    assert context.board.wait(lambda: False, 0.1) is False
    with context.board.lock:
        context.board.learning.update = None
    context.board.notify()
    working.join(10)
    first, second = events(context, 'submitted')
    assert first.facts['waited']['paused'] >= 0.09
    assert second.facts['waited'].keys() == {'paused'}  # its slot stood empty at the same time
