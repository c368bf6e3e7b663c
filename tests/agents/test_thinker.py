"""Whole campaigns through the real Thinker, with everything that can fail failing."""

import itertools
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoutbee.agents.thinker import Thinker
from scoutbee.contracts.errors import InputTaskError, ResourceTaskError
from scoutbee.contracts.policy import Policy
from scoutbee.testing.campaign import HillCampaign, fit
from scoutbee.testing.depot import CountingDepot, MemoryShelf
from scoutbee.testing.inline import run_inline
from scoutbee.testing.queues import ThreadQueues
from scoutbee.testing.server import ThreadTaskServer
from scoutbee.traces.reader import read
from scoutbee.traces.records import EventRecord, SelectionRecord, SimulationRecord
from scoutbee.traces.replay import replay
from scoutbee.traces.writer import TraceWriter


def policy(**changes):
    settings = {'search_size': 30, 'buffer_size': 10, 'retrain_frequency': 8, 'grace': 1.0}
    return Policy(**{**settings, **changes})


def observed(run_dir):
    return [r.key for r in read(run_dir, SimulationRecord) if r.outcome == 'observed']


def assert_nothing_is_left(run):
    assert not run.depot.lent
    assert not run.thinker.board.flights


def fail_every(nth, topic, error):
    """Interference that fails every nth request of a topic."""
    seen = []

    def interfere(task):
        if task.topic == topic:
            seen.append(task)
            if len(seen) % nth == 0:
                raise error

    return interfere


def test_a_campaign_learns_its_way_to_the_top(tmp_path):
    run = run_inline(HillCampaign(), policy(), tmp_path)
    assert run.outcome.status == 'completed'
    keys = observed(tmp_path)
    assert len(keys) == len(set(keys)) == 30
    assert len(run.thinker.context.campaign.told) == 30
    assert_nothing_is_left(run)
    progress = run.thinker.progress()
    assert (progress.succeeded, progress.search_size) == (30, 30)
    assert progress.best.value > 0.45  # the best of what was known before is 0.05


def test_a_campaign_ends_at_its_goal(tmp_path):
    campaign = HillCampaign(size=40, threshold=0.9, goal_found=1)
    run = run_inline(campaign, policy(search_size=40), tmp_path)
    assert run.outcome.status == 'completed'
    assert run.thinker.board.counts.found >= 1


def test_a_campaign_out_of_candidates_is_exhausted(tmp_path):
    run = run_inline(HillCampaign(size=12), policy(), tmp_path)
    assert run.outcome.status == 'exhausted'
    assert len(observed(tmp_path)) == 12
    assert_nothing_is_left(run)


def test_a_saved_ensemble_ranks_before_anything_is_trained(tmp_path):
    saved = HillCampaign()
    artifacts = [fit(saved._known, member) for member in range(2)]
    run_inline(HillCampaign(saved=artifacts), policy(search_size=4), tmp_path)
    assert next(iter(read(tmp_path, SelectionRecord))).models[0] == 'g0m0'


def test_seeds_keep_workers_busy_before_the_first_ranking(tmp_path):
    run = run_inline(HillCampaign(known=0, seeds=12), policy(), tmp_path)
    assert run.outcome.status == 'completed'
    assert observed(tmp_path)[:4]
    assert run.thinker.board.rankings > 0


@pytest.mark.parametrize('error', [RuntimeError('boom'), ResourceTaskError('no memory')])
@pytest.mark.parametrize('topic', ['simulate', 'train', 'infer'])
def test_tasks_that_raise_now_and_then_cost_nothing_but_time(tmp_path, topic, error):
    run = run_inline(HillCampaign(), policy(), tmp_path, interfere=fail_every(3, topic, error))
    assert run.outcome.status == 'completed'
    assert len(observed(tmp_path)) == 30
    assert_nothing_is_left(run)


@pytest.mark.parametrize('topic', ['train', 'infer'])
def test_learning_that_never_works_ends_the_campaign_with_a_reason(tmp_path, topic):
    run = run_inline(HillCampaign(), policy(), tmp_path, interfere=fail_every(1, topic, RuntimeError('boom')))
    assert run.outcome.status == 'failed'
    assert 'updates of the models' in run.outcome.reason
    assert_nothing_is_left(run)


def test_learning_that_stops_working_leaves_the_campaign_on_its_last_ranking(tmp_path):
    seen = []

    def interfere(task):
        if task.topic == 'train':
            seen.append(task)
            if len(seen) > 2:
                raise RuntimeError('boom')

    run = run_inline(HillCampaign(), policy(failed_updates=50), tmp_path, interfere=interfere)
    assert run.outcome.status == 'completed'
    assert {m for s in read(tmp_path, SelectionRecord) for m in s.models} == {'g1m0', 'g1m1'}


def test_simulations_that_never_work_end_the_campaign_with_the_cause(tmp_path):
    interfere = fail_every(1, 'simulate', InputTaskError('not a molecule'))
    run = run_inline(HillCampaign(), policy(), tmp_path, interfere=interfere)
    assert run.outcome.status == 'failed'
    assert 'InputTaskError' in run.outcome.reason
    assert_nothing_is_left(run)


def test_lost_simulations_come_back(tmp_path):
    lost = set()

    def interfere(task):
        if task.topic == 'simulate' and len(lost) < 5 and task.task_info['key'] not in lost:
            lost.add(task.task_info['key'])
            return 'lose'
        return None

    run = run_inline(HillCampaign(), policy(simulation_lease=0.3), tmp_path, interfere=interfere)
    assert run.outcome.status == 'completed'
    assert run.thinker.board.counts.resubmitted == 5
    keys = observed(tmp_path)
    assert lost <= set(keys)
    assert len(keys) == len(set(keys)) == 30


def test_simulations_that_vanish_come_back_within_a_roll_call(tmp_path):
    lost = set()

    def interfere(task):
        if task.topic == 'simulate' and len(lost) < 5 and task.task_info['key'] not in lost:
            lost.add(task.task_info['key'])
            return 'lose'
        return None

    run = run_inline(HillCampaign(), policy(roll_call=0.1), tmp_path, interfere=interfere)
    assert run.outcome.status == 'completed'
    assert run.thinker.board.counts.resubmitted == 5
    assert lost <= set(observed(tmp_path))
    assert_nothing_is_left(run)


def test_what_waits_and_is_ranked_out_is_called_back_and_the_rest_is_as_ever(tmp_path):
    changes = {'search_size': 60, 'prefetch': 8, 'buffer_size': 2}
    run = run_inline(HillCampaign(seeds=200), policy(**changes), tmp_path, interfere=taking(0.02), workers=2)
    assert run.outcome.status == 'completed'
    withdrawn = [r.key for r in read(tmp_path, SimulationRecord) if r.outcome == 'withdrawn']
    assert withdrawn
    keys = observed(tmp_path)
    assert len(keys) == len(set(keys)) == 60
    history = replay(tmp_path)
    assert history.submitted == run.thinker.board.counts.submitted
    assert sorted(history.taken_rows) == sorted(run.thinker.board.snapshot().taken_rows)
    assert not run.depot.lent


def test_a_straggler_at_the_end_is_overtaken_by_its_copy(tmp_path):
    go_on, slow = threading.Event(), []

    def interfere(task):
        if task.topic == 'simulate' and task.task_info['key'] == 'x11' and not slow:
            slow.append(task)
            go_on.wait(30)

    campaign = HillCampaign(size=12, seeds=12)
    run = run_inline(campaign, policy(search_size=12, speculate=True), tmp_path, interfere=interfere)
    go_on.set()
    assert run.outcome.status == 'completed'
    assert [e.facts['key'] for e in read(tmp_path, EventRecord) if e.event == 'copied'] == ['x11']
    assert len(observed(tmp_path)) == 12


def taking(seconds):
    """Interference that makes every simulation take so long."""
    never = threading.Event()
    return lambda task: never.wait(seconds) and None if task.topic == 'simulate' else None


def test_a_campaign_short_of_time_stops_launching_and_ends_early(tmp_path):
    run = run_inline(HillCampaign(), policy(max_hours=2 / 3600), tmp_path, interfere=taking(0.2))
    assert run.outcome.status == 'exhausted'
    assert '--resume' in run.outcome.reason
    assert_nothing_is_left(run)
    assert 0 < len(observed(tmp_path)) < 30


def test_a_wall_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    jumps = itertools.cycle([0.0, 1e6, -1e6])
    clock = time.time
    monkeypatch.setattr(time, 'time', lambda: clock() + next(jumps))
    run = run_inline(HillCampaign(), policy(), tmp_path)
    assert run.outcome.status == 'completed'
    assert len(observed(tmp_path)) == 30
    assert_nothing_is_left(run)


def test_an_interrupt_keeps_what_finishes_in_the_grace_period(tmp_path):
    started, go_on = threading.Semaphore(0), threading.Event()

    def interfere(task):
        if task.topic == 'simulate':
            started.release()
            go_on.wait(10)

    run = interrupted_run(tmp_path, interfere, started, lambda thinker: go_on.set())
    assert run.outcome.status == 'interrupted'
    assert len(observed(tmp_path)) == 2
    assert not run.board.flights


def test_a_second_interrupt_waits_for_nothing(tmp_path):
    started, go_on = threading.Semaphore(0), threading.Event()

    def interfere(task):
        if task.topic == 'simulate':
            started.release()
            go_on.wait(10)

    run = interrupted_run(tmp_path, interfere, started, lambda thinker: thinker.interrupt(), grace=1000)
    go_on.set()
    assert run.outcome.status == 'interrupted'
    assert observed(tmp_path) == []
    assert len(replay(tmp_path).unfinished) == 2
    assert not run.context.depot.lent


def interrupted_run(run_dir, interfere, started, then, grace=10.0):
    campaign, queues = HillCampaign(), ThreadQueues()
    with TraceWriter(run_dir) as traces, ThreadTaskServer(queues, campaign.tasks(), 4, interfere):
        thinker = Thinker(queues, campaign, policy(grace=grace), traces, CountingDepot(), MemoryShelf())
        thinker.start()
        for _ in range(2):
            assert started.acquire(timeout=10)
        thinker.interrupt()
        then(thinker)
        thinker.join(10)
        assert not thinker.is_alive()
        return thinker


def test_a_dead_task_server_ends_the_campaign(tmp_path):
    campaign = HillCampaign()
    with TraceWriter(tmp_path) as traces:
        thinker = Thinker(ThreadQueues(), campaign, policy(), traces, CountingDepot(), MemoryShelf())
        thinker.start()
        thinker.fail('The task server is gone.')
        thinker.join(10)
        assert not thinker.is_alive()
        assert (thinker.outcome.status, thinker.outcome.reason) == ('failed', 'The task server is gone.')
        assert not thinker.context.depot.lent


def test_an_agent_in_trouble_ends_the_campaign_with_its_last_error(tmp_path, monkeypatch):
    campaign = HillCampaign()

    def broken(*args):
        raise RuntimeError('a bug in the campaign')

    monkeypatch.setattr(campaign, 'rank', broken)
    monkeypatch.setattr('scoutbee.agents.agent._PAUSE', 0.001)
    run = run_inline(campaign, policy(grace=0), tmp_path)
    assert run.outcome.status == 'failed'
    assert 'buffer manager' in run.outcome.reason
    assert 'a bug in the campaign' in run.outcome.reason
    assert any(e.event == 'trouble' for e in read(tmp_path, EventRecord))


def test_a_trace_that_cannot_be_written_ends_the_campaign_at_once(tmp_path, monkeypatch):
    from scoutbee.traces.errors import TraceError

    write = TraceWriter.write

    def full(self, record):
        if isinstance(record, SimulationRecord):
            raise TraceError('the disk is full')
        return write(self, record)

    monkeypatch.setattr(TraceWriter, 'write', full)
    run = run_inline(HillCampaign(), policy(), tmp_path)
    assert run.outcome.status == 'failed'
    assert 'the disk is full' in run.outcome.reason
    assert run.thinker.board.counts.succeeded == 0


def resume(run_dir, campaign, shelf=None, **changes):
    queues, depot = ThreadQueues(), CountingDepot()
    history = replay(run_dir)
    with TraceWriter(run_dir) as traces, ThreadTaskServer(queues, campaign.tasks()):
        thinker = Thinker(queues, campaign, policy(**changes), traces, depot, shelf or MemoryShelf())
        thinker.resume(history)
        thinker.start()
        thinker.join(30)
        assert not thinker.is_alive()
    assert not depot.lent
    return thinker


def test_a_resumed_campaign_goes_on_where_it_stopped(tmp_path):
    run_inline(HillCampaign(), policy(search_size=12), tmp_path)
    before = observed(tmp_path)
    campaign = HillCampaign()
    thinker = resume(tmp_path, campaign, search_size=20)
    assert thinker.outcome.status == 'completed'
    keys = observed(tmp_path)
    assert keys[: len(before)] == before
    assert len(keys) == len(set(keys)) == 20
    assert len(campaign.told) == 20
    history = replay(tmp_path)
    assert (history.resumed, history.submitted) == (1, 20)
    assert {version.member for version in history.learning.models} == {0, 1}


def test_what_was_in_flight_is_simulated_again_first(tmp_path):
    started, go_on = threading.Semaphore(0), threading.Event()

    def interfere(task):
        if task.topic == 'simulate':
            started.release()
            go_on.wait(10)

    interrupted_run(tmp_path, interfere, started, lambda thinker: thinker.interrupt(), grace=1000)
    go_on.set()
    owed = [work.candidate.key for work in replay(tmp_path).unfinished]
    thinker = resume(tmp_path, HillCampaign(), search_size=10)
    assert set(observed(tmp_path)[:2]) == set(owed)
    assert thinker.board.counts.resubmitted == 2
    assert thinker.board.counts.submitted == 10


def test_a_campaign_that_was_complete_is_complete_at_once(tmp_path):
    run_inline(HillCampaign(), policy(search_size=12), tmp_path)
    thinker = resume(tmp_path, HillCampaign(), search_size=12)
    assert thinker.outcome.status == 'completed'
    assert 'done before' in thinker.outcome.reason
    assert len(observed(tmp_path)) == 12


def test_a_campaign_that_cannot_even_begin_ends_with_the_reason(tmp_path, monkeypatch):
    campaign = HillCampaign()

    def broken():
        raise RuntimeError('no seeds')

    monkeypatch.setattr(campaign, 'seeds', broken)
    run = run_inline(campaign, policy(), tmp_path)
    assert run.outcome.status == 'failed'
    assert 'no seeds' in run.outcome.reason


def test_a_campaign_without_models_can_be_resumed(tmp_path):
    with TraceWriter(tmp_path) as traces:
        traces.event('thinker', 'started', 'and died at once')
    assert resume(tmp_path, HillCampaign(), search_size=5).outcome.status == 'completed'


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_fails_the_campaign_ends_and_no_slot_loan_or_candidate_is_lost(tmp_path_factory, data):
    faults = data.draw(
        st.lists(st.sampled_from(['', '', '', 'lose', 'random', 'input', 'lost']), min_size=1, max_size=40)
    )
    rerank = data.draw(st.sampled_from(['model', 'ensemble']))
    pause = data.draw(st.sampled_from(['none', 'refill', 'launch']))
    prefetch = data.draw(st.integers(0, 3))
    lock, turn = threading.Lock(), iter(faults)

    def interfere(task):
        with lock:
            fault = next(turn, '')
        if fault == 'lose':
            return 'lose'
        if fault:
            kinds = {'random': RuntimeError, 'input': InputTaskError, 'resource': ResourceTaskError}
            raise kinds[fault]('chosen by chance')
        return None

    run_dir = tmp_path_factory.mktemp('run')
    run = run_inline(
        HillCampaign(size=60),
        policy(
            search_size=20, rerank=rerank, pause_during_update=pause, prefetch=prefetch,
            simulation_lease=0.2, learning_lease=0.2, failure_minimum=100, grace=0.5,
        ),
        run_dir,
        interfere=interfere,
    )  # fmt: skip
    assert run.outcome.status in {'completed', 'failed', 'exhausted'}
    keys = observed(run_dir)
    assert len(keys) == len(set(keys))
    assert not run.depot.lent
    history = replay(run_dir)
    assert len(history.observations) == run.thinker.board.counts.succeeded
    assert history.submitted == run.thinker.board.counts.submitted
    slots = run.thinker.context.slots
    held = slots.allocated_slots('simulate') - slots.available_slots('simulate')
    assert held == len(run.thinker.board.flights)


def test_agents_import_neither_tensorflow_nor_chemistry_nor_a_workflow_engine():
    heavy = {'tensorflow', 'keras', 'rdkit', 'tblite', 'ase', 'parsl', 'sklearn', 'globus_compute_sdk'}
    code = (
        'import sys, scoutbee.agents.thinker, scoutbee.testing.inline, scoutbee.testing.campaign; '
        f'print(*({heavy!r} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
