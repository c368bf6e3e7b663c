"""When Parsl's executors start, and what becomes of tasks for one that has not; Parsl itself is a double here."""

import threading
from concurrent.futures import Future
from types import SimpleNamespace

import parsl
import pytest
from colmena.models import Result
from waiting import PATIENCE, wait_for

from scoutbee.fabric.engines import parsl_starts
from scoutbee.fabric.engines.parsl import ParslServer
from scoutbee.fabric.engines.parsl_bundles import Call
from scoutbee.fabric.engines.parsl_starts import LateStart, Line, WorkerCounts, split_starts
from scoutbee.fabric.hosted import warm_hosted
from scoutbee.fabric.sites import Site
from scoutbee.fabric.workers import WorkerSettings

LOCAL = {'type': 'local'}
SLURM = {'type': 'slurm'}


class Executor:
    """An executor of Parsl that keeps what it is given."""

    bad_state_is_set = False
    interchange_proc = None

    def __init__(self, label):
        self.label = label
        self.warmings = []
        self.tasks = []

    def submit(self, function, resources, packed, *arguments):
        future = Future()
        if function is warm_hosted:
            self.warmings.append(future)
        else:
            self.tasks.append((*arguments, future))
        return future

    def unfinished_jobs(self):
        return []


class Kernel:
    """Parsl's kernel; what it may not start it refuses."""

    run_dir = 'somewhere'

    def __init__(self, refusal=None):
        self.refusal = refusal
        self.asked = threading.Event()
        self.is_clean = False

    def add_executors(self, executors):
        self.asked.set()
        if self.refusal is not None:
            raise self.refusal

    def cleanup(self):
        self.is_clean = True


class Told(threading.Event):
    """Something to be called."""

    __call__ = threading.Event.set


@pytest.fixture
def server(queues, tmp_path, monkeypatch):
    """Makes a server with an executor that simulates and one that learns, its kernel a double, and sets it up."""

    def make(kernel):
        monkeypatch.setattr(parsl, 'load', lambda config: kernel)
        simulate, learn = Executor('simulate'), Executor('learn')
        settings = WorkerSettings(WorkerSettings.pack({})), WorkerCounts(2, 2)
        made = ParslServer(
            queues,
            {'simulate': 'simulate', 'train': 'learn'},
            {'simulate': settings, 'learn': settings},
            SimpleNamespace(executors=[simulate], run_dir=str(tmp_path)),
            [learn],
        )
        made._setup()
        return made, simulate, learn

    return make


def site_with(**providers):
    kinds = {'simulate': ['simulate'], 'learn': ['train', 'infer'], 'all': ['simulate', 'train', 'infer']}
    executors = {name: {'kinds': kinds[name], 'provider': provider} for name, provider in providers.items()}
    return Site.model_validate({'name': 'test', 'address': '127.0.0.1', 'executors': executors})


@pytest.mark.parametrize(
    ('providers', 'at_once', 'later'),
    [
        ({'simulate': LOCAL, 'learn': LOCAL}, ['simulate'], ['learn']),
        ({'simulate': SLURM, 'learn': LOCAL}, ['simulate', 'learn'], []),
        ({'simulate': LOCAL, 'learn': SLURM}, ['simulate', 'learn'], []),
        ({'all': LOCAL}, ['all'], []),
    ],
)
def test_only_those_that_share_a_machine_with_the_first_wait_for_it(providers, at_once, later):
    assert split_starts(site_with(**providers), list(providers)) == (at_once, later)


def test_the_late_ones_start_when_every_worker_before_them_is_ready_or_cannot_be():
    before, started = [Future(), Future(), Future()], Told()
    late = LateStart(started, before)
    before[0].set_result({})
    before[1].set_exception(OSError('no memory'))
    assert not started.is_set()
    before[2].set_result({})
    assert started.wait(PATIENCE)
    late.cancel()
    assert late.error is None


def test_the_late_ones_start_even_if_the_workers_before_them_are_never_ready(monkeypatch):
    monkeypatch.setattr(parsl_starts, '_PATIENCE_SECONDS', 0.01)
    started = Told()
    LateStart(started, [Future()])
    assert started.wait(PATIENCE)


def test_nothing_is_started_after_it_was_cancelled():
    before, started = Future(), Told()
    LateStart(started, [before]).cancel()
    before.set_result({})
    assert not started.is_set()


def test_tasks_wait_in_their_order_for_an_executor_that_has_not_started():
    executor = Executor('learn')
    line = Line(executor, b'', WorkerCounts(1, 1))
    calls = [Call('train', bytes([i])) for i in range(3)]
    for call in calls:
        line.add(call)
    assert calls[1].answer.cancel()
    assert executor.tasks == []
    line.open()
    line.add(Call('train', b'later'))
    assert [[packed for _, packed in tasks] for tasks, _ in executor.tasks] == [[b'\0'], [b'\2'], [b'later']]


def test_the_one_that_learns_starts_when_the_simulation_workers_are_warm(server):
    kernel = Kernel()
    made, simulate, learn = server(kernel)
    assert made.trouble() is None
    assert not kernel.asked.is_set()
    for each in simulate.warmings:
        each.set_result({})
    assert kernel.asked.wait(PATIENCE)
    made._cleanup()
    assert len(learn.warmings) == 2


def test_a_task_that_learns_is_run_even_if_no_simulation_worker_is_ever_warm(server, monkeypatch):
    monkeypatch.setattr(parsl_starts, '_PATIENCE_SECONDS', 0.01)
    made, _, learn = server(Kernel())
    made.process_queue('train', Result(((1,), {}), method='train', topic='train'))
    wait_for(lambda: learn.tasks)
    made._cleanup()


def test_a_late_one_that_cannot_be_started_is_told_in_a_sentence(server):
    kernel = Kernel(OSError('no port is free'))
    made, simulate, _ = server(kernel)
    for each in simulate.warmings:
        each.set_result({})
    assert kernel.asked.wait(PATIENCE)
    made._cleanup()  # waits for what is under way
    assert made.trouble() == 'The executor learn could not be started: OSError: no port is free.'


def test_one_that_has_not_started_by_the_end_never_does(server):
    kernel = Kernel()
    made, simulate, learn = server(kernel)
    made._cleanup()
    for each in simulate.warmings:
        each.set_result({})
    assert kernel.is_clean
    assert not kernel.asked.is_set()
    assert learn.warmings == []
