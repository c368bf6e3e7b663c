"""Workers of ours under a process that belongs to a workflow engine; here, this one."""

import time

import psutil
import pytest
import worker_tasks

from scoutbee.contracts.errors import InputTaskError
from scoutbee.fabric.errors import EngineLostError, WorkerLostError
from scoutbee.fabric.hosted import answer_hosted, pack_settings, run_bundle, run_hosted, warm_hosted
from scoutbee.fabric.workers import WorkerSettings, pack_task, read_answer

PATIENCE = 60
PROGRAM = WorkerSettings.pack(worker_tasks.METHODS)


def ran(packed, kind, argument=None):
    return read_answer(run_hosted(packed, kind, pack_task(kind, argument)))


def answered(packed, kind, argument=None):
    return read_answer(answer_hosted(packed, kind, pack_task(kind, argument)))


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_each_settings_have_a_worker_that_stays():
    first = pack_settings('first', WorkerSettings(PROGRAM, idle_seconds=PATIENCE))
    second = pack_settings('second', WorkerSettings(PROGRAM, idle_seconds=PATIENCE))
    warm_hosted(first)
    pids = [ran(packed, 'whoami') for packed in (first, second, first, second)]
    assert pids[:2] == pids[2:]
    assert len(set(pids)) == 2


def test_a_worker_that_is_idle_for_long_is_ended_and_another_takes_the_next_task():
    packed = pack_settings('idle', WorkerSettings(PROGRAM, idle_seconds=0.1))
    pid = ran(packed, 'whoami')
    deadline = time.monotonic() + PATIENCE
    while not is_gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ran(packed, 'whoami') != pid


def test_what_is_raised_comes_back_in_the_answer():
    packed = pack_settings('told', WorkerSettings(PROGRAM, idle_seconds=PATIENCE))
    assert answered(packed, 'double', 21) == 42
    with pytest.raises(ValueError, match='so it is'):
        answered(packed, 'fail', 'so it is')
    with pytest.raises(WorkerLostError) as told:
        answered(packed, 'die', 'exit')
    assert 'exited with status 3' in str(told.value)
    assert told.value.pid > 0


def test_an_answer_that_cannot_be_carried_is_an_error():
    packed = pack_settings('large', WorkerSettings(PROGRAM, idle_seconds=PATIENCE))
    with pytest.raises(InputTaskError, match=r'What double returned takes 10\.8 MB on the way'):
        answered(packed, 'double', bytes(4_000_000))


def test_a_bundle_is_answered_task_by_task_and_a_death_costs_one():
    packed = pack_settings('bundle', WorkerSettings(PROGRAM, idle_seconds=PATIENCE))
    large = bytes(3_000_000)
    tasks = [('double', 1), ('die', 'exit'), ('double', large), ('fail', 'so it is'), ('double', 2), ('double', 3)]
    answers, seconds = run_bundle(packed, [(kind, pack_task(kind, argument)) for kind, argument in tasks])
    assert [read_answer(answers[n]) for n in (0, 2, 4, 5)] == [2, 2 * large, 4, 6]
    for number, error in ((1, WorkerLostError), (3, ValueError)):
        with pytest.raises(error):
            read_answer(answers[number])
    assert seconds > 0


def test_a_bundle_that_no_process_can_be_started_for_is_answered():
    program = PROGRAM.replace(b'worker_tasks', b'worker_tusks')
    packed = pack_settings('broken bundle', WorkerSettings(program, idle_seconds=PATIENCE))
    answers, _ = run_bundle(packed, [('double', pack_task('double', 1))])
    with pytest.raises(EngineLostError, match='could not be started'):
        read_answer(answers[0])
