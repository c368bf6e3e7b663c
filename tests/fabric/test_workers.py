"""Worker processes and pools of them: real processes, really killed."""

import contextlib
import os
import signal
import subprocess
import sys
from concurrent.futures import wait
from functools import partial
from pathlib import Path

import psutil
import pytest
import worker_tasks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import PATIENCE, wait_for

from scoutbee.contracts.errors import FailureKind
from scoutbee.fabric.child import Task
from scoutbee.fabric.errors import DeadlineError, EngineLostError, WorkerLostError, WorkerStoppedError
from scoutbee.fabric.failures import engine_kind_of
from scoutbee.fabric.worker_pool import WorkerPool
from scoutbee.fabric.workers import Worker, WorkerSettings, pack_task, read_answer

PROGRAM = WorkerSettings.pack(worker_tasks.METHODS)
HANG_SECONDS = 2.0
SETTINGS = WorkerSettings(PROGRAM, deadlines={'hang': HANG_SECONDS, 'double': PATIENCE, 'doze': 7})
LARGE = bytes(3_000_000)


def ran(worker, kind, argument=None):
    return read_answer(worker.run(kind, pack_task(kind, argument)))


def task_of(kind, argument=None):
    return Task(kind, pack_task(kind, argument))


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


class TestTasksHandedAhead:
    def test_they_run_in_turn_in_the_same_process(self, worker):
        tasks = [task_of('whoami'), task_of('fail', 'so be it'), task_of('whoami')]
        worker.give(tasks[0])
        assert all(worker.hand_ahead(task) for task in tasks[1:])
        first, second, third = [worker.answer() for _ in tasks]
        assert [first[0], second[0], third[0]] == tasks
        assert read_answer(first[1]) == read_answer(third[1]) == worker.pid
        with pytest.raises(ValueError, match='so be it'):
            read_answer(second[1])
        assert worker.tasks() == ()
        assert worker.left_over() == []

    def test_only_behind_others_and_only_small_ones(self, worker):
        assert not worker.hand_ahead(task_of('double', 1))
        worker.give(task_of('double', 1))
        assert not worker.hand_ahead(task_of('double', LARGE))
        worker.answer()
        worker.give(task_of('double', LARGE))
        assert not worker.hand_ahead(task_of('double', 1))
        assert read_answer(worker.answer()[1]) == 2 * LARGE

    def test_no_sender_waits_however_many_there_are(self, worker, tmp_path):
        worker.give(task_of('gate', str(tmp_path / 'open')))
        count = 0
        while worker.hand_ahead(task_of('double', LARGE[:4000])):
            count += 1
        (tmp_path / 'open').touch()
        assert count > 1
        assert read_answer(worker.answer()[1]) == worker.pid
        assert [len(read_answer(worker.answer()[1])) for _ in range(count)] == [8000] * count

    @pytest.mark.parametrize('how', ['kill', 'crash', 'exit'])
    def test_a_death_costs_the_task_that_ran_and_none_that_lay_ahead(self, worker, how):
        tasks = [task_of('say', ('first words', 1)), task_of('die', how), task_of('double', 1), task_of('double', 2)]
        worker.give(tasks[0])
        assert all(worker.hand_ahead(task) for task in tasks[1:])
        assert read_answer(worker.answer()[1]) is None
        task, error = worker.answer()
        assert task is tasks[1]
        assert isinstance(error, WorkerLostError)
        assert 's of die' in str(error)
        assert 'all is lost' in str(error)
        assert 'first words' not in str(error)
        assert worker.left_over() == tasks[2:]
        assert not worker.hand_ahead(tasks[2])

    def test_a_deadline_costs_the_task_that_ran_and_none_that_lay_ahead(self, worker, tmp_path):
        tasks = [task_of('hang', str(tmp_path / 'mark')), task_of('double', 1)]
        worker.give(tasks[0])
        assert worker.hand_ahead(tasks[1])
        task, error = worker.answer()
        assert task is tasks[0]
        assert isinstance(error, DeadlineError)
        assert worker.left_over() == tasks[1:]

    @pytest.mark.slow
    def test_the_time_of_one_that_lay_ahead_runs_from_when_it_begins(self, worker):
        tasks = [task_of('doze', 4), task_of('doze', 4)]
        worker.give(tasks[0])
        assert worker.hand_ahead(tasks[1])
        assert [read_answer(worker.answer()[1]) for _ in tasks] == [None, None]

    def test_one_that_its_process_never_began_is_run_by_another(self, worker):
        pid = ran(worker, 'whoami')
        os.kill(pid, signal.SIGSTOP)
        tasks = [task_of('whoami'), task_of('whoami')]
        worker.give(tasks[0])
        assert worker.hand_ahead(tasks[1])
        os.kill(pid, signal.SIGKILL)
        answers = [worker.answer() for _ in tasks]
        assert [task for task, _ in answers] == tasks
        assert {read_answer(answer) for _, answer in answers} == {worker.pid} != {pid}

    def test_long_speech_is_passed_on_and_the_end_of_it_remembered(self, worker, capsys):
        worker.give(task_of('say', ('before', 20_000)))
        assert worker.hand_ahead(task_of('say', ('after', 20_000)))
        assert worker.hand_ahead(task_of('die', 'exit'))
        *_, (_, error) = [worker.answer() for _ in range(3)]
        assert str(error).endswith('it last said: all is lost.')
        said = capsys.readouterr().err
        assert (said.count('before'), said.count('after'), said.count('all is lost')) == (20_000, 20_000, 1)


def test_a_pool_that_is_closed_decides_every_task():
    pool = WorkerPool('pool', 2, SETTINGS)
    assert pool.submit('double', 1).result(PATIENCE) == 2
    futures = [pool.submit('hang', '/dev/null/none') for _ in range(6)]
    pool.close()
    assert not wait(futures, PATIENCE).not_done
    with pytest.raises(EngineLostError, match='stopped'):
        pool.submit('double', 1)


@pytest.fixture
def pool():
    """Of one worker, which is known to be quick."""
    made = WorkerPool('quick', 1, SETTINGS)
    for kind, argument in (('double', 1), ('gate', None)):
        made.submit(kind, argument).result(PATIENCE)
    yield made
    made.close()


class TestShortTasksInAPool:
    def test_the_next_is_handed_ahead_and_counts_as_begun(self, pool, tmp_path):
        at_gate = pool.submit('gate', str(tmp_path / 'open'))
        wait_for(at_gate.running)
        ahead, waiting = pool.submit('double', 2), [pool.submit('double', x) for x in range(40)]
        wait_for(ahead.running)
        assert not ahead.cancel()
        assert waiting[-1].cancel()
        assert not at_gate.done()
        (tmp_path / 'open').touch()
        assert ahead.result(PATIENCE) == 4
        assert [future.result(PATIENCE) for future in waiting[:-1]] == [2 * x for x in range(39)]

    def test_what_lay_ahead_of_a_death_is_run_by_another_process(self, pool, tmp_path):
        at_gate = pool.submit('gate', str(tmp_path / 'open'))
        wait_for(at_gate.running)
        others = [pool.submit('double', x) for x in range(5)]
        wait_for(others[0].running)
        (tmp_path / 'part').write_text('die')
        (tmp_path / 'part').rename(tmp_path / 'open')
        with pytest.raises(WorkerLostError, match='exited with status 3'):
            at_gate.result(PATIENCE)
        assert [other.result(PATIENCE) for other in others] == [0, 2, 4, 6, 8]

    def test_nothing_is_handed_ahead_of_what_is_long_or_unknown(self, pool, tmp_path):
        unknown = pool.submit('doze', 0)
        assert unknown.result(PATIENCE) is None
        hanging = pool.submit('hang', str(tmp_path / 'mark'))
        wait_for((tmp_path / 'mark').exists)
        assert pool.submit('double', 1).cancel()
        with pytest.raises(DeadlineError):
            hanging.result(PATIENCE)

    def test_large_tasks_and_answers_pass_each_other(self, pool):
        futures = [pool.submit('double', LARGE if x % 3 else x) for x in range(12)]
        assert [future.result(PATIENCE) for future in futures] == [2 * (LARGE if x % 3 else x) for x in range(12)]

    def test_closing_decides_what_lies_ahead(self, pool, tmp_path):
        futures = [pool.submit('gate', str(tmp_path / 'open')), *[pool.submit('double', x) for x in range(40)]]
        wait_for(futures[1].running)
        pool.close()
        for future in futures:
            with pytest.raises(EngineLostError, match='stopped'):
                future.result(0)


ARGUMENTS = {'double': 1, 'die': 'exit', 'fail': 'no', 'doze': 3600}
STEPS = st.one_of(
    st.tuples(st.sampled_from([*ARGUMENTS, 'double', 'kill']), st.integers(1, 8)),
    st.tuples(st.just('double large'), st.just(1)),
    st.tuples(st.just('cancel'), st.integers(0, 60)),
)


def check_outcome(kind, future, kills):
    """It is decided, and bears no more than what happened to its own process."""
    if future.cancelled():
        return
    error = future.exception(0)
    allowed = {'double': (), 'die': WorkerLostError, 'fail': ValueError, 'doze': DeadlineError}[kind]
    assert error is None or isinstance(error, allowed) or (kills and isinstance(error, WorkerLostError))
    assert (error is None) == (kind == 'double') or kills


@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, max_size=12), closes=st.booleans())
def test_whatever_happens_every_task_is_decided_and_no_worker_is_lost(steps, closes):
    deadlines = {'doze': 0.5, 'double': PATIENCE}
    pool = WorkerPool('any', 2, WorkerSettings(PROGRAM, deadlines=deadlines))
    given, kills = [], 0
    for step, number in steps:
        if step == 'kill':
            for child in worker_processes()[:1]:
                kills += 1
                child.kill()
                wait_for(partial(is_gone, child.pid))
        elif step == 'cancel':
            if given:
                given[number % len(given)][1].cancel()
        elif step == 'double large':
            given.append(('double', pool.submit('double', LARGE)))
        else:
            given += [(step, pool.submit(step, ARGUMENTS[step])) for _ in range(1 if step == 'doze' else number)]
    futures = [future for _, future in given]
    try:
        if not closes:
            assert not wait(futures, PATIENCE).not_done
            for kind, future in given:
                check_outcome(kind, future, kills)
            assert [f.result(PATIENCE) for f in [pool.submit('double', x) for x in range(4)]] == [0, 2, 4, 6]
    finally:
        pool.close()
    assert not wait(futures, PATIENCE).not_done
