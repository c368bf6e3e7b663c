"""Which tasks are handed to Parsl together, and what comes back of them."""

from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsl.executors.high_throughput.errors import WorkerLost

from scoutbee.contracts.errors import FailureKind
from scoutbee.fabric.engines.parsl_bundles import BUNDLE_SECONDS, Bundles, Call
from scoutbee.fabric.failures import engine_kind_of

WORKERS = 2


class Executor:
    """Takes bundles, and ends them when told to."""

    def __init__(self):
        self.out = []
        self.error = None

    def submit(self, tasks):
        if self.error is not None:
            raise self.error
        self.out.append((tasks, Future()))
        return self.out[-1][1]

    def finish(self, seconds_each):
        tasks, future = self.out.pop(0)
        future.set_result(([packed for _, packed in tasks], seconds_each * len(tasks)))

    def fail(self, error):
        self.out.pop(0)[1].set_exception(error)


def add(bundles, count, kind='simulate'):
    calls = [Call(kind, b'%d' % number) for number in range(count)]
    for call in calls:
        bundles.add(call)
    return calls


def short(executor, bundles):
    """Let it be known that tasks are short."""
    add(bundles, 1)
    executor.finish(1e-4)


def test_tasks_of_which_nothing_is_known_or_that_are_long_go_out_alone_and_at_once():
    executor = Executor()
    bundles = Bundles(executor.submit, WORKERS)
    add(bundles, 5)
    executor.finish(BUNDLE_SECONDS)
    add(bundles, 5)
    assert [len(tasks) for tasks, _ in executor.out] == [1] * 9


def test_short_tasks_wait_while_enough_is_out_and_go_out_together():
    executor = Executor()
    bundles = Bundles(executor.submit, WORKERS)
    short(executor, bundles)
    calls = add(bundles, 20)
    assert len(executor.out) == 2 * WORKERS
    assert calls[-1].answer.cancel()
    while executor.out:
        assert len(executor.out) <= 2 * WORKERS
        executor.finish(1e-4)
    assert [call.answer.result() for call in calls[:-1]] == [call.packed for call in calls[:-1]]


def test_a_long_task_ends_bundling_for_a_long_time():
    executor = Executor()
    bundles = Bundles(executor.submit, WORKERS)
    short(executor, bundles)
    for seconds in (100.0, *[1e-4] * 50):
        add(bundles, 1)
        executor.finish(seconds)
    add(bundles, 9)
    assert [len(tasks) for tasks, _ in executor.out] == [1] * 9


def test_a_worker_that_died_under_several_tasks_is_no_evidence_against_any():
    executor = Executor()
    bundles = Bundles(executor.submit, WORKERS)
    short(executor, bundles)
    calls = add(bundles, 12)
    while len(executor.out[0][0]) == 1:
        executor.fail(WorkerLost(1, 'host'))
    size = len(executor.out[0][0])
    executor.fail(WorkerLost(1, 'host'))
    kinds = [engine_kind_of(call.answer.exception()) for call in calls if call.answer.done()]
    assert size > 1
    assert kinds.count(FailureKind.LOST) == size
    assert set(kinds) == {FailureKind.LOST, FailureKind.KILLED}


@pytest.mark.parametrize('count', [1, 3000])
def test_what_the_executor_refuses_fails_at_once_and_is_not_counted_as_out(count):
    executor = Executor()
    bundles = Bundles(executor.submit, WORKERS)
    short(executor, bundles)
    held = add(bundles, count + 2 * WORKERS)
    executor.error = RuntimeError('it gave up')
    while executor.out:
        executor.finish(1e-4)
    assert all(call.answer.done() for call in held)
    executor.error = None
    (call,) = add(bundles, 1)
    executor.finish(1e-4)
    assert call.answer.result() == call.packed


STEPS = st.one_of(
    st.tuples(st.just('add'), st.sampled_from(['simulate', 'train'])),
    st.tuples(st.just('finish'), st.sampled_from([1e-5, 1e-3, 1e-2, 1.0])),
    st.tuples(st.just('fail'), st.none()),
)


@given(st.lists(STEPS, max_size=80))
def test_every_task_is_answered_once_and_no_bundle_mixes_kinds(steps):
    executor, calls = Executor(), []
    bundles = Bundles(executor.submit, WORKERS)
    for step, what in steps:
        if step == 'add':
            calls += add(bundles, 1, what)
        elif step == 'finish' and executor.out:
            executor.finish(what)
        elif step == 'fail' and executor.out:
            executor.fail(RuntimeError('lost'))
        assert all(len({kind for kind, _ in tasks}) == 1 for tasks, _ in executor.out)
    while executor.out:
        executor.finish(1e-3)
    assert all(call.answer.done() for call in calls)
