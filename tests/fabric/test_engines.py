"""One suite over every engine. Those that take long to start are marked."""

import os
import signal
import subprocess
import sys

import fabric_tasks
import numpy as np
import psutil
import pytest
from engine_rig import DEADLINE, METHODS, SITE, command_of, failure, rig_of
from waiting import PATIENCE, wait_for

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.engines import make_engine
from scoutbee.fabric.engines.base import EXIT_LOST, Engine, ServerPlan
from scoutbee.fabric.errors import EngineError
from scoutbee.fabric.processes import session_members

NAMES = ['local', pytest.param('parsl', marks=pytest.mark.slow)]
EVERY = [*NAMES, pytest.param('globus', marks=pytest.mark.slow)]


@pytest.fixture(scope='module', params=EVERY)
def rig(request, redis_server, tmp_path_factory):
    with rig_of(request.param, redis_server.address, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
def new_rig(request, address, tmp_path):
    """For tests that break their engine."""
    with rig_of(request.param, address, tmp_path) as made:
        yield made


slow = pytest.mark.slow
breaks_engine = pytest.mark.parametrize('new_rig', NAMES, indirect=True)
breaks_parsl = pytest.mark.parametrize('new_rig', NAMES[1:], indirect=True)


class TestEveryEngine:
    def test_tasks_run_on_the_executor_of_their_kind(self, rig):
        rig.ask('infer', 21)
        rig.ask('simulate', 'well')
        learned, simulated = rig.hear('infer'), rig.hear('simulate')
        assert (learned.success, learned.value['value'], learned.value['threads']) == (True, 42, '7')
        assert simulated.value == {'how': 'well'}
        assert learned.worker_info.pid == learned.value['pid'] != simulated.worker_info.pid

    def test_the_worker_that_learns_stays(self, rig):
        for _ in range(3):
            rig.ask('infer', 1)
        assert len({rig.hear('infer').value['pid'] for _ in range(3)}) == 1

    def test_modules_are_loaded_before_the_first_task(self, rig):
        rig.ask('train', 'colorsys')
        assert rig.hear('train').value == {'loaded': True}

    def test_a_task_that_raises_fails_alone(self, rig):
        rig.ask('simulate', 'convergence')
        assert failure(rig.hear('simulate'))['kind'] == 'convergence'
        rig.ask('simulate', 'unsendable')
        assert failure(rig.hear('simulate'))['kind'] == 'input'

    def test_a_method_that_nobody_serves_is_answered(self, rig):
        rig.queues.send_inputs(1, method='cook', topic='simulate')
        told = failure(rig.hear('simulate'))
        assert told['kind'] == 'input'
        assert 'infer, simulate, train' in told['message']

    def test_a_worker_killed_under_its_task_loses_that_task_alone(self, rig):
        victim = rig.running('victim')
        rig.ask('simulate', 'well')  # on the other worker, at the same time
        assert rig.hear('simulate').success
        victim.kill()
        assert failure(rig.hear('simulate'))['kind'] == 'killed'
        for _ in range(3):
            rig.ask('simulate', 'well')
        assert all(rig.hear('simulate').success for _ in range(3))
        assert rig.engine.alive()

    @pytest.mark.parametrize(
        ('how', 'fate'),
        [('crash', 'was killed by SIGSEGV'), ('die', 'was killed by SIGKILL'), ('exit hard', 'exited with status 3')],
    )
    def test_a_task_that_kills_its_worker_is_told_how(self, rig, how, fate):
        rig.ask('simulate', how)
        result = rig.hear('simulate')
        told = failure(result)
        assert told['kind'] == 'killed'
        pid = result.worker_info.pid
        assert f'(process {pid} on {result.worker_info.hostname}) {fate} after' in told['message']

    @pytest.mark.slow
    def test_a_task_past_its_deadline_is_killed_with_its_children_and_its_place_goes_on(self, rig, tmp_path):
        rig.ask('infer', 1)
        before = rig.hear('infer')
        rig.ask('infer', fabric_tasks.Endless(str(tmp_path / 'mark')))
        result = rig.hear('infer')
        told = failure(result)
        assert told['kind'] == 'deadline'
        assert f'longer than the {DEADLINE:g} s' in told['message']
        assert result.worker_info.pid == before.value['pid']
        assert result.time.running >= DEADLINE
        pids = [int(pid) for pid in (tmp_path / 'mark').read_text().split()]
        assert pids[0] == before.value['pid']
        wait_for(lambda: not {process.pid for process in session_members(rig.engine.pid)} & set(pids))
        rig.ask('infer', 1)
        after = rig.hear('infer')
        assert after.success
        assert after.value['pid'] != before.value['pid']
        assert after.value['parent'] == before.value['parent']  # a worker of Parsl goes on as well

    def test_large_objects_travel_through_the_store(self, rig):
        loan = rig.depot.lend('infer', np.ones(10_000))
        rig.ask('infer', loan.ref)
        result = rig.hear('infer')
        assert result.value['value'].sum() == 20_000
        assert result.time.proxy
        assert rig.queues.fetched == 1
        rig.depot.reclaim(loan)
        assert rig.depot.leaked() == 0

    def test_nothing_listens_beyond_this_machine(self, rig):
        members = [psutil.Process(rig.engine.pid), *session_members(rig.engine.pid)]
        listening = [c for p in members for c in p.net_connections('inet') if c.status == psutil.CONN_LISTEN]
        assert {c.laddr.ip.removeprefix('::ffff:') for c in listening} <= {'127.0.0.1', '::1'}

    def test_a_ctrl_c_leaves_it_alone(self, rig):
        for process in [psutil.Process(rig.engine.pid), *session_members(rig.engine.pid)]:
            if 'spawn_main' in command_of(process):
                assert os.getsid(process.pid) != os.getsid(0)
        os.kill(rig.engine.pid, signal.SIGINT)
        rig.ask('infer', 1)
        assert rig.hear('infer').success


@breaks_engine
def test_it_stops_at_once_with_tasks_running_and_leaves_nothing(new_rig):
    task = new_rig.running('forever')
    members = session_members(new_rig.engine.pid)
    assert task in members
    new_rig.engine.stop()
    assert not new_rig.engine.alive()
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in members)


@slow
@breaks_engine
def test_a_task_server_that_was_killed_can_be_started_anew(new_rig):
    orphan = new_rig.running('orphan')
    os.kill(new_rig.engine.pid, signal.SIGKILL)
    wait_for(lambda: not new_rig.engine.alive())
    assert new_rig.engine.exit_code == -signal.SIGKILL
    new_rig.engine.start()
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    new_rig.ask('infer', 21)
    assert new_rig.hear('infer').value['value'] == 42


SOAK = 1500


@slow
@breaks_engine
def test_thousands_of_tasks_leave_nothing_behind(new_rig):
    def run_many():
        for i in range(SOAK):
            new_rig.ask('simulate', 'well')
            if i >= 8:
                assert new_rig.hear('simulate').success
        for _ in range(8):
            new_rig.hear('simulate')
        members = [psutil.Process(new_rig.engine.pid), *session_members(new_rig.engine.pid)]
        return {p.pid: (p.num_fds(), p.memory_info().rss, p.num_threads()) for p in members}

    run_many()  # until caches are full
    before, after = run_many(), run_many()
    assert set(after) == set(before)
    for pid, (descriptors, memory, threads) in after.items():
        assert (descriptors, threads) == (before[pid][0], before[pid][2])
        assert memory - before[pid][1] < SOAK * 1000  # less than any message that is kept


@slow
@breaks_engine
def test_the_kill_signal_of_the_queues_ends_it(new_rig):
    new_rig.running('forever')
    new_rig.queues.send_kill_signal()
    wait_for(lambda: not new_rig.engine.alive())
    assert new_rig.engine.exit_code == 0


@breaks_parsl
def test_an_interchange_that_dies_loses_its_tasks_and_ends_the_server(new_rig):
    new_rig.running('forever')
    for process in [p for p in session_members(new_rig.engine.pid) if 'interchange' in command_of(p)]:
        process.kill()
    assert failure(new_rig.hear('simulate'))['kind'] == 'lost'
    wait_for(lambda: not new_rig.engine.alive())
    assert new_rig.engine.exit_code == EXIT_LOST
    assert 'interchange' in new_rig.engine.log_tail(60)


def manager_of(task):
    return next(p for p in task.parents() if 'process_worker_pool' in command_of(p))


@slow
@breaks_parsl
def test_a_worker_of_parsl_that_dies_loses_its_task_and_is_replaced(new_rig):
    new_rig.running('forever').parent().kill()
    assert failure(new_rig.hear('simulate'))['kind'] in ('lost', 'killed')
    for _ in range(3):
        new_rig.ask('simulate', 'well')
    assert all(new_rig.hear('simulate').success for _ in range(3))


@breaks_parsl
def test_a_manager_that_dies_loses_its_tasks_and_is_replaced(new_rig):
    task = new_rig.running('forever')
    manager_of(task).kill()
    assert failure(new_rig.hear('simulate'))['kind'] == 'lost'
    psutil.wait_procs([task], PATIENCE)
    assert not task.is_running()  # nobody waits for it
    new_rig.ask('simulate', 'well')
    assert new_rig.hear('simulate').success


@slow
@pytest.mark.parametrize('with_server', [False, True])
@pytest.mark.parametrize('name', NAMES)
def test_it_ends_when_its_driver_is_killed(name, with_server, tmp_path):
    code = f'import fabric_tasks; fabric_tasks.drive({name!r}, {str(tmp_path)!r}, {str(tmp_path / "mark")!r})'
    env = {**os.environ, 'PYTHONPATH': os.path.dirname(fabric_tasks.__file__)}
    with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, env=env) as driver:
        session = int(driver.stdout.readline())
        wait_for((tmp_path / 'mark').exists)
        members = session_members(session)
        assert members
        if with_server:
            os.kill(session, signal.SIGKILL)
        driver.kill()
    wait_for(lambda: not session_members(session))


def test_what_keeps_it_from_starting_is_told(queues, tmp_path):
    engine = Engine(fabric_tasks.impossible, ServerPlan(SITE, METHODS, queues, tmp_path))
    engine.start()
    with pytest.raises(EngineError, match='no such machine'):
        engine.wait_until_ready()
    assert not engine.alive()


def test_an_unknown_engine_is_refused(queues, tmp_path):
    with pytest.raises(ConfigurationError, match='expected one of globus, local, parsl'):
        make_engine(SITE, 'abacus', METHODS, queues, tmp_path)
