"""The simulation launcher and the simulation receiver, one event at a time."""

import pytest
from colmena.exceptions import TimeoutException

from scoutbee.agents.simulation_launcher import SimulationLauncher
from scoutbee.agents.simulation_receiver import SimulationReceiver
from scoutbee.contracts.candidates import Candidate
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
    context = make_context()
    launcher, _ = ready(context)
    launcher.step()
    _, task = context.queues.get_task(timeout=1)
    assert task.task_info == {'key': 'x0', 'attempt': 1}
    (event,) = events(context, 'submitted')
    assert (event.facts['key'], event.facts['args'], event.facts['row']) == ('x0', [0.0], 0)
    assert event.time < task.timestamp.created
    assert free(context) == 1


def test_with_nothing_to_simulate_the_slot_comes_back_when_the_campaign_ends(make_context):
    context = make_context()
    launcher, _ = ready(context, 0)
    context.board.end('completed', 'enough')
    launcher.step()
    assert free(context) == 2


def test_a_candidate_that_could_not_be_sent_is_due_again_and_nothing_is_held(make_context, monkeypatch):
    context = make_context()
    launcher, _ = ready(context)

    def broken(*args, **kwargs):
        raise ConnectionError('Redis is gone')

    monkeypatch.setattr(context.queues, 'send_inputs', broken)
    with pytest.raises(ConnectionError):
        launcher.step()
    assert free(context) == 2
    assert not context.depot.lent
    monkeypatch.undo()
    launcher.step()
    assert context.queues.get_task(timeout=1)[1].task_info == {'key': 'x0', 'attempt': 1}
    assert context.board.counts.submitted == 1


def test_no_more_is_launched_than_the_search_needs(make_context):
    context = make_context(search_size=1)
    launcher, _ = ready(context)
    launcher.step()
    assert not context.board.may_launch


def test_a_result_frees_its_slot_and_becomes_a_durable_observation(make_context, answer):
    context = make_context()
    launcher, receiver = ready(context)
    launcher.step()
    answer(context, {'height': 0.5})
    receiver.step()
    assert free(context) == 2
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
    ('kind', 'retries'), [('input', 0), ('convergence', 0), ('random', 2), ('resource', 2), ('killed', 1), ('lost', 3)]
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
    from scoutbee.agents.learning import Update

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

    monkeypatch.setattr('scoutbee.agents.simulation_receiver.SimulationRecord', broken)
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
