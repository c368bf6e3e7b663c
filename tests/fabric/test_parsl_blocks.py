"""When blocks are asked for, and when an executor gives up. The batch system is in memory, and so is the clock."""

import itertools
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from parsl.executors.errors import BadStateException
from parsl.jobs.states import JobState, JobStatus
from parsl.jobs.strategy import Strategy
from parsl.providers.base import ExecutionProvider

from scoutbee.fabric.engines import parsl_blocks
from scoutbee.fabric.engines.parsl_blocks import BlockExecutor


class Batch(ExecutionProvider):
    """A batch system that does as it is told. ``refuses`` says why it takes no job, ``command`` remembers the last."""

    label = 'slurm'
    status_polling_interval = 1e-9
    nodes_per_block = 1
    init_blocks = 0
    parallelism = 1

    def __init__(self, min_blocks, max_blocks):
        self.min_blocks, self.max_blocks = min_blocks, max_blocks
        self.script_dir = '/runs/scripts'
        self.jobs = {}
        self.refuses = None
        self.requests = 0
        self.command = None

    def submit(self, command, tasks_per_node, job_name='job'):
        self.requests += 1
        if self.refuses is not None:
            raise RuntimeError(self.refuses)
        job = str(1000 + len(self.jobs))
        self.jobs[job] = JobStatus(JobState.PENDING)
        return job

    def status(self, job_ids):
        return [self.jobs[job] for job in job_ids]

    def cancel(self, job_ids):
        for job in job_ids:
            self.jobs[job] = JobStatus(JobState.CANCELLED)
        return [True] * len(job_ids)

    def execute_wait(self, command, timeout=None):
        self.command = command
        return 0, '', ''

    def end_all(self, state=JobState.FAILED):
        for job, status in self.jobs.items():
            if not status.terminal:
                self.jobs[job] = JobStatus(state)

    @property
    def waiting(self):
        return sum(not status.terminal for status in self.jobs.values())


class Rig:
    """An executor that was not started, with all that it would talk to."""

    def __init__(self, monkeypatch, folder, min_blocks=0, max_blocks=4):
        self.now = 0.0
        self.reported = []
        self.batch = Batch(min_blocks, max_blocks)
        # Two workers in each block.
        self.executor = BlockExecutor(label='all', provider=self.batch, max_workers_per_node=2, address='127.0.0.1')
        self.executor.run_dir = str(folder / 'parsl' / '000')
        (folder / 'parsl' / '000').mkdir(parents=True, exist_ok=True)
        self.executor.launch_cmd = 'workers'
        self.strategy = Strategy(strategy='htex_auto_scale', max_idletime=300)
        self.strategy.add_executors([self.executor])
        self.executor.command_client = SimpleNamespace(run=self._answer)
        monkeypatch.setattr(parsl_blocks, 'time', SimpleNamespace(monotonic=lambda: self.now, time=lambda: self.now))

    def _answer(self, command):
        return list(self.reported) if command == 'CONNECTED_BLOCKS' else []

    def look(self, tasks=0):
        """What Parsl does every few seconds: look at the blocks, and have as many as the tasks need."""
        self.executor.tasks.clear()
        self.executor.tasks.update({number: Future() for number in range(tasks)})
        self.executor.poll_facade()
        self.executor.handle_errors(self.executor.status_facade)
        self.strategy.strategize([self.executor])
        self.now += 2.0

    def report(self):
        """The workers of all blocks that there are report."""
        self.reported += [block for block in self.executor.blocks_to_job_id if block not in self.reported]

    @property
    def reason(self):
        return str(self.executor.executor_exception) if self.executor.bad_state_is_set else None


@pytest.fixture
def make(monkeypatch, tmp_path):
    return lambda **limits: Rig(monkeypatch, tmp_path, **limits)


def test_the_fewest_blocks_are_kept_whether_there_is_work_or_not(make):
    rig = make(min_blocks=2)
    rig.look()
    assert rig.batch.waiting == 2
    rig.report()
    rig.batch.end_all(JobState.COMPLETED)
    rig.look()
    assert rig.batch.waiting == 2


def test_no_block_is_had_without_work_if_none_is_to_be_kept(make):
    rig = make()
    rig.look()
    assert rig.batch.requests == 0


def test_blocks_are_as_many_as_the_work_needs(make):
    rig = make()
    for tasks, blocks in ((1, 1), (3, 2), (100, 4)):
        rig.look(tasks)
        assert rig.batch.waiting == blocks


def test_a_block_that_waits_is_not_given_back_because_some_of_its_workers_will_be_idle(make):
    rig = make()
    for _ in range(10):
        rig.look(tasks=3)
    assert rig.batch.requests == rig.batch.waiting == 2


def test_a_block_that_waits_is_given_back_when_nothing_is_left_for_it(make):
    rig = make()
    rig.look(tasks=8)
    rig.look(tasks=2)
    assert rig.batch.waiting == 1


def test_a_batch_system_that_refuses_is_left_in_peace_for_longer_and_longer(make):
    rig = make()
    rig.look(tasks=2)  # a block that is had, so that the refusals do no harm
    rig.report()
    rig.batch.refuses = 'too many jobs'
    times = []
    while len(times) < 8:
        before = rig.batch.requests
        rig.look(tasks=8)
        assert rig.batch.requests - before <= 1
        times += [rig.now] * (rig.batch.requests - before)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 5
    assert pauses[-1] >= 120


def test_a_limit_on_jobs_does_not_end_an_executor_that_has_some(make):
    rig = make()
    rig.look(tasks=4)
    rig.batch.refuses = 'too many jobs'
    for _ in range(1000):
        rig.look(tasks=8)
    assert rig.reason is None
    assert rig.batch.waiting == 2
    rig.batch.refuses = None
    for _ in range(100):
        rig.look(tasks=8)
    assert rig.batch.waiting == 4


def test_a_batch_system_that_never_takes_a_job_is_given_up_with_what_it_says(make):
    rig = make()
    rig.batch.refuses = 'Invalid account or account/partition combination specified'
    for _ in range(100):
        rig.look(tasks=1)
    assert 'Invalid account' in rig.reason
    assert rig.batch.requests == 5


def test_one_that_took_jobs_before_may_be_away_for_a_while(make):
    rig = make()
    rig.look(tasks=1)
    rig.report()
    rig.batch.end_all(JobState.COMPLETED)
    rig.batch.refuses = 'Unable to contact slurm controller'
    while rig.now < 30 * 60:
        rig.look(tasks=1)
    assert rig.reason is None
    rig.batch.refuses = None
    while rig.now < 35 * 60:
        rig.look(tasks=1)
    assert rig.batch.waiting == 1


def test_blocks_that_fail_after_they_worked_are_replaced_for_ever(make):
    rig = make(min_blocks=1)
    for _ in range(50):
        rig.look()
        rig.report()
        rig.batch.end_all()
    assert rig.reason is None
    assert rig.batch.requests == 50


def test_blocks_that_never_work_are_given_up_with_what_the_last_one_said(make, tmp_path):
    said = tmp_path / 'stderr'
    said.write_text('apptainer: command not found')
    rig = make(min_blocks=1)
    for _ in range(50):
        rig.look()
        for job, status in rig.batch.jobs.items():
            if not status.terminal:
                rig.batch.jobs[job] = JobStatus(JobState.FAILED, stderr_path=str(said))
    assert rig.batch.requests == 5
    assert 'apptainer: command not found' in rig.reason
    assert 'worker_init' in rig.reason


def test_blocks_that_never_work_do_not_end_an_executor_while_another_works(make):
    rig = make(min_blocks=2)
    rig.look()
    rig.report()
    works = next(iter(rig.batch.jobs))
    for _ in range(50):
        for job, status in rig.batch.jobs.items():
            if job != works and not status.terminal:
                rig.batch.jobs[job] = JobStatus(JobState.FAILED)
        rig.look()
    assert rig.reason is None
    rig.batch.end_all()
    rig.look()
    assert rig.reason is not None


def test_a_block_that_worked_forgives_those_before_it(make):
    rig = make(min_blocks=1)
    for attempt in range(20):
        rig.look()
        if attempt % 4 == 3:
            rig.report()
        rig.batch.end_all()
    assert rig.reason is None


def test_the_tasks_of_an_executor_that_gives_up_are_told(make):
    rig = make()
    rig.batch.refuses = 'no'
    while rig.reason is None:
        rig.look(tasks=1)
    (future,) = rig.executor.tasks.values()
    assert isinstance(future.exception(0), BadStateException)


def test_the_fewest_blocks_are_asked_for_as_it_starts_and_only_once(make, monkeypatch):
    monkeypatch.setattr(parsl_blocks.HighThroughputExecutor, 'start', lambda self: None)
    rig = make(min_blocks=2)
    rig.executor.start()
    assert rig.batch.waiting == 2
    rig.look()
    assert (rig.batch.waiting, rig.batch.requests) == (2, 2)


def test_jobs_of_a_task_server_that_was_killed_are_cancelled_by_the_next(make, monkeypatch):
    monkeypatch.setattr(parsl_blocks.HighThroughputExecutor, 'start', lambda self: None)
    killed = make(min_blocks=2)
    killed.look()
    following = make()
    following.executor.start()
    assert following.batch.command == 'scancel 1000 1001'
    third = make()
    third.executor.start()
    assert third.batch.command is None


def test_jobs_that_were_cancelled_are_not_cancelled_again(make, monkeypatch):
    monkeypatch.setattr(parsl_blocks.HighThroughputExecutor, 'start', lambda self: None)
    ended = make(min_blocks=2)
    ended.look()
    assert ended.executor.unfinished_jobs() == ['1000', '1001']
    ended.executor.scale_in_facade(2)
    ended.executor.shutdown()
    following = make()
    following.executor.start()
    assert following.batch.command is None
