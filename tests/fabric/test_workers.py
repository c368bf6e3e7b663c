"""Worker processes and pools of them: real processes, really killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from functools import partial
from pathlib import Path

import psutil
import pytest
import worker_tasks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoutbee.contracts.errors import FailureKind
from scoutbee.fabric.errors import DeadlineError, EngineLostError, WorkerLostError, WorkerStoppedError
from scoutbee.fabric.failures import engine_kind_of
from scoutbee.fabric.worker_pool import WorkerPool
from scoutbee.fabric.workers import Worker, WorkerSettings, pack_task, read_answer

PATIENCE = 60  # never waited for unless something is broken
PROGRAM = WorkerSettings.pack(worker_tasks.METHODS)
HANG_SECONDS = 2.0
SETTINGS = WorkerSettings(PROGRAM, deadlines={'hang': HANG_SECONDS, 'double': PATIENCE})


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, 'it never came'
        time.sleep(0.02)


def ran(worker, kind, argument=None):
    return read_answer(worker.run(kind, pack_task(kind, argument)))


def is_gone(pid):
    try:
        return psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def worker_processes():
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any('worker_process' in part for part in child.cmdline()):
                found.append(child)
    return found


@pytest.fixture
def worker():
    made = Worker('one', SETTINGS)
    yield made
    made.close()


def test_tasks_run_one_after_the_other_in_one_process(worker):
    assert [ran(worker, 'double', x) for x in (1, 'a')] == [2, 'aa']
    assert ran(worker, 'whoami') == ran(worker, 'whoami') == worker.pid != os.getpid()


def test_what_a_task_raises_is_raised(worker):
    pid = ran(worker, 'whoami')
    with pytest.raises(ValueError, match='too bad'):
        ran(worker, 'fail', 'too bad')
    with pytest.raises((AttributeError, RuntimeError), match='lambda'):
        ran(worker, 'unsendable')
    assert worker.pid == pid


@pytest.mark.parametrize(
    ('how', 'fate'), [('kill', 'killed by SIGKILL'), ('crash', 'killed by SIGSEGV'), ('exit', 'exited with status 3')]
)
def test_a_death_is_told_with_the_evidence_and_costs_one_task(worker, how, fate, capsys):
    pid = ran(worker, 'whoami')
    with pytest.raises(WorkerLostError, match=fate) as caught:
        ran(worker, 'die', how)
    error = caught.value
    assert engine_kind_of(error) is FailureKind.KILLED
    assert (error.pid, error.host) == (pid, os.uname().nodename)
    assert 0 <= error.seconds < PATIENCE
    for word in (str(pid), error.host, 's of die', 'all is lost'):
        assert word in str(error)
    assert ('in die' in str(error)) == (how == 'crash')  # where it crashed
    assert 'all is lost' in capsys.readouterr().err
    assert ran(worker, 'double', 4) == 8
    assert worker.pid != pid


def test_a_worker_that_is_told_to_end_is_held_against_no_task(worker):
    """A batch system does that to all that a job has started, as its time is up or somebody cancels it."""
    with pytest.raises(WorkerStoppedError, match='killed by SIGTERM') as caught:
        ran(worker, 'die', 'stop')
    assert engine_kind_of(caught.value) is FailureKind.LOST


def test_a_task_past_its_deadline_is_killed_with_all_that_it_started(worker, tmp_path):
    ran(worker, 'double', 1)
    with pytest.raises(DeadlineError, match=f'longer than the {HANG_SECONDS:g} s') as caught:
        ran(worker, 'hang', str(tmp_path / 'mark'))
    assert engine_kind_of(caught.value) is FailureKind.DEADLINE
    assert caught.value.seconds >= HANG_SECONDS
    pids = (tmp_path / 'mark').read_text().split()
    assert int(pids[0]) == caught.value.pid
    wait_for(lambda: all(is_gone(pid) for pid in pids))
    assert ran(worker, 'double', 1) == 2


def test_a_process_that_a_task_leaves_behind_dies_with_the_worker(worker, tmp_path):
    with pytest.raises(WorkerLostError, match='status 4'):
        ran(worker, 'leave', str(tmp_path / 'mark'))
    wait_for(lambda: is_gone((tmp_path / 'mark').read_text()))


@pytest.mark.slow
def test_the_time_to_get_ready_is_not_the_tasks():
    worker = Worker('late', WorkerSettings(PROGRAM, modules=('slow_to_import',), deadlines={'double': 2}))
    try:
        assert ran(worker, 'double', 1) == 2
        assert worker.warm()['slow_to_import'] > 2
    finally:
        worker.close()


def test_a_process_that_dies_while_idle_is_replaced(worker):
    pid = ran(worker, 'whoami')
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # until all its threads are gone
    assert ran(worker, 'double', 1) == 2


def test_what_keeps_a_worker_from_starting_is_told_and_held_against_no_task():
    worker = Worker('broken', WorkerSettings(PROGRAM.replace(b'worker_tasks', b'worker_tusks')))
    with pytest.raises(EngineLostError, match=r"(?s)could not be started.*No module named 'worker_tusks'") as caught:
        ran(worker, 'double', 1)
    assert engine_kind_of(caught.value) is FailureKind.LOST
    worker.close()


def test_its_environment_is_set_before_anything_is_imported():
    worker = Worker('warm', WorkerSettings(PROGRAM, {'PYTHONWARNINGS': 'ignore'}, ('colorsys', 'no_such_module')))
    assert set(worker.warm()) == {'colorsys'}
    worker.close()
    with pytest.raises(EngineLostError, match='stopped'):
        worker.warm()


def test_a_worker_and_what_its_task_started_die_with_their_owner(tmp_path):
    mark = tmp_path / 'mark'
    env = {**os.environ, 'PYTHONPATH': str(Path(__file__).parent)}
    code = f'import worker_tasks; worker_tasks.own({str(mark)!r})'
    with subprocess.Popen([sys.executable, '-c', code], env=env) as owner:
        wait_for(mark.exists)
        owner.kill()
    wait_for(lambda: all(is_gone(pid) for pid in mark.read_text().split()))


def test_a_pool_that_is_closed_decides_every_task():
    pool = WorkerPool('pool', 2, SETTINGS)
    assert pool.submit('double', 1).result(PATIENCE) == 2
    futures = [pool.submit('hang', '/dev/null/none') for _ in range(6)]
    pool.close()
    assert not wait(futures, PATIENCE).not_done
    with pytest.raises(EngineLostError, match='stopped'):
        pool.submit('double', 1)


ACTIONS = st.lists(
    st.one_of(
        st.sampled_from(['double', 'die', 'fail', 'kill']),
        st.tuples(st.just('cancel'), st.integers(0, 30)),
    ),
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS, closes=st.booleans())
def test_whatever_happens_every_task_is_decided_and_no_worker_is_lost(actions, closes):
    pool = WorkerPool('any', 2, SETTINGS)
    futures = []
    for action in actions:
        if action == 'kill':
            for child in worker_processes()[:1]:
                child.kill()
                wait_for(partial(is_gone, child.pid))
        elif action in worker_tasks.METHODS:
            futures.append(pool.submit(action, {'double': 1, 'die': 'exit', 'fail': 'no'}[action]))
        elif futures:
            futures[action[1] % len(futures)].cancel()
    try:
        if not closes:
            assert not wait(futures, PATIENCE).not_done
            assert [f.result(PATIENCE) for f in [pool.submit('double', x) for x in range(4)]] == [0, 2, 4, 6]
    finally:
        pool.close()
    assert not wait(futures, PATIENCE).not_done
