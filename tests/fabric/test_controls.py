"""Roll calls, tasks that are called back, and answers that each go out once."""

import threading
from concurrent.futures import Future

import fabric_tasks
import pytest
from colmena.models import Result
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.contracts.control import CANCEL, ROLL_CALL
from scoutbee.fabric.engines import make_engine
from scoutbee.fabric.engines.answers import Answers
from scoutbee.fabric.engines.held import HeldTasks
from scoutbee.fabric.engines.server import ReportingServer
from scoutbee.fabric.sites import Site
from scoutbee.testing.queues import ThreadQueues
from scoutbee.testing.server import ThreadTaskServer

PATIENCE = 60  # never waited for unless something is broken
STEPS = st.lists(st.tuples(st.sampled_from(['take', 'answer', 'forget', 'call back']), st.integers(0, 4)))


class Gate:
    """Holds up every task whose argument is 'wait' until it is opened, and loses those whose argument is 'lose'."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, task):
        task.deserialize()
        how = task.args[0][0]
        if how == 'wait':
            self.begun.release()
            self.open.wait(PATIENCE)
        return how


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def one_worker(gate):
    """Queues served by one thread."""
    queues = ThreadQueues()
    with ThreadTaskServer(queues, dict.fromkeys(('simulate', 'train', 'infer'), fabric_tasks.total), 1, gate):
        yield queues
        gate.open.set()


def ask(queues, method, *args, topic='simulate', **info):
    return queues.send_inputs(*args, method=method, topic=topic, task_info=info)


def hear(queues, topic='simulate'):
    return queues.get_result(topic, PATIENCE)


def test_a_roll_call_tells_what_is_held_of_what_was_asked_about_and_no_more(one_worker, gate):
    other = ask(one_worker, 'infer', ('wait',), topic='infer')
    assert gate.begun.acquire(timeout=PATIENCE)
    held = [ask(one_worker, 'simulate', (1,)) for _ in range(2)]
    ask(one_worker, ROLL_CALL, (*held, 'never heard of'), number=7)
    answer = hear(one_worker)
    assert (answer.method, answer.value, answer.task_info) == (ROLL_CALL, tuple(held), {'number': 7})
    ask(one_worker, ROLL_CALL, (other,), topic='infer')
    assert hear(one_worker, 'infer').value == (other,)


def test_what_vanished_or_was_answered_is_held_by_nobody(one_worker, gate):
    gate.open.set()
    lost = ask(one_worker, 'simulate', ('lose',))
    done = ask(one_worker, 'simulate', (1,))
    assert hear(one_worker).task_id == done
    ask(one_worker, ROLL_CALL, (lost, done))
    assert hear(one_worker).value == ()


def test_only_what_has_not_begun_is_called_back(one_worker, gate):
    begun = ask(one_worker, 'simulate', ('wait',))
    assert gate.begun.acquire(timeout=PATIENCE)
    waiting = [ask(one_worker, 'simulate', (1,)) for _ in range(3)]
    ask(one_worker, CANCEL, (begun, *waiting[:2], 'never heard of'))
    cancelled = [hear(one_worker) for _ in range(2)]
    assert {task.task_id for task in cancelled} == set(waiting[:2])
    assert {task.task_info['failure']['kind'] for task in cancelled} == {'cancelled'}
    assert hear(one_worker).value == tuple(waiting[:2])
    gate.open.set()
    assert [hear(one_worker).task_id for _ in range(2)] == [begun, waiting[2]]


def test_a_cancellation_that_makes_no_sense_is_answered(one_worker):
    ask(one_worker, CANCEL)
    answer = hear(one_worker)
    assert answer.success is False


NAMES = ['local', pytest.param('parsl', marks=pytest.mark.slow)]


@pytest.mark.parametrize('name', NAMES)
def test_every_engine_answers(name, queues, tmp_path):
    site = Site.model_validate({'name': 'test', 'executors': {'all': {'kinds': ['simulate', 'train', 'infer']}}})
    with make_engine(site, name, {'simulate': fabric_tasks.misbehave}, queues, tmp_path) as engine:
        engine.wait_until_ready()
        begun = ask(queues, 'simulate', 'touch and wait', str(tmp_path / 'mark'))
        waiting = ask(queues, 'simulate', 'well')
        while not (tmp_path / 'mark').exists():
            ask(queues, ROLL_CALL, (begun, waiting))
            assert hear(queues).value == (begun, waiting)
        ask(queues, CANCEL, (begun, waiting))
        if name == 'local':
            assert hear(queues).task_info['failure']['kind'] == 'cancelled'
            assert hear(queues).value == (waiting,)
        else:
            assert hear(queues).value == ()
        ask(queues, ROLL_CALL, (begun, waiting))
        assert hear(queues).value == ((begun,) if name == 'local' else (begun, waiting))


class Narrow(ThreadQueues):
    """Queues through which one result does not get."""

    error = ValueError('A message of 1 byte is too large.')

    def _send_result(self, message, topic):
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        super()._send_result(message, topic)


class Immediate(ReportingServer):
    """A server whose tasks are done when they are taken."""

    def _submit(self, task, topic):
        future = Future()
        task.set_result('done')
        task.serialize()
        future.set_result(task)
        return future


def test_a_result_that_is_too_large_comes_back_as_a_failure():
    queues = Narrow(['simulate'])
    ask(queues, 'simulate', 1)
    queues.send_kill_signal()
    Immediate(queues, ['simulate']).listen_and_launch()
    told = hear(queues).task_info['failure']
    assert told['kind'] == 'input'
    assert 'too large' in told['message']


def test_a_server_that_cannot_push_a_result_dies_of_it():
    queues = Narrow(['simulate'])
    queues.error = ConnectionError('no way through')
    ask(queues, 'simulate', 1)
    with pytest.raises(ConnectionError, match='no way through'):
        Immediate(queues, ['simulate']).listen_and_launch()


def make_task(number=0):
    return Result(((), {}), task_id=str(number), method='simulate', topic='simulate')


def test_a_task_is_held_until_its_answer_is_on_its_way():
    seen, held, task = [], HeldTasks(), make_task()
    answers = Answers(lambda sent: seen.extend(held.of(['0'])), lambda sent: held.forget(sent.task_id), None)
    held.take(task)
    assert held.claim('0')
    assert not held.claim('0')
    answers.put(task)
    assert answers.flush(PATIENCE)
    assert seen == ['0']
    assert held.of(['0']) == ()


@given(STEPS)
def test_every_task_is_answered_at_most_once_and_held_until_then(steps):
    claimed, held = [], HeldTasks()
    tasks = [make_task(i) for i in range(5)]
    expected = {}
    for step, i in steps:
        task = tasks[i]
        if step == 'take' and task.task_id not in claimed:
            expected[task.task_id] = Future()
            held.take(task)
            held.attach(task, expected[task.task_id])
        elif step == 'answer':
            assert held.claim(task.task_id) == (task.task_id in expected and task.task_id not in claimed)
            if task.task_id in expected and task.task_id not in claimed:
                claimed.append(task.task_id)
        elif step == 'forget':
            held.forget(task.task_id)
            expected.pop(task.task_id, None)
        elif step == 'call back':
            future = expected.get(task.task_id)
            may_be = future is not None
            assert held.call_back([task.task_id]) == ((task.task_id,) if may_be else ())
        assert set(held.of(map(str, range(6)))) == set(expected)
    assert len(claimed) == len(set(claimed))


@given(sizes=st.lists(st.integers(0, 3), max_size=30))
def test_answers_leave_in_order_and_one_that_is_too_large_is_told_in_its_place(sizes):
    """A result of size 3 does not fit through, nor does anything that is sent together with it."""
    sent, done = [], []

    def send(tasks):
        if any(task.task_info['size'] == 3 for task in tasks):
            raise ValueError('too large')
        sent.extend(tasks)

    def refuse(task, error):
        task.task_info['size'] = 0
        answers.put(task)

    answers = Answers(send, done.append, refuse)
    tasks = [make_task(number) for number, _ in enumerate(sizes)]
    for task, size in zip(tasks, sizes, strict=True):
        task.task_info['size'] = size
        answers.put(task)
    assert answers.flush(PATIENCE)
    assert done == sent
    assert sorted(int(task.task_id) for task in sent) == list(range(len(sizes)))
    fitted = [int(task.task_id) for task, size in zip(tasks, sizes, strict=True) if size < 3]
    assert [int(task.task_id) for task in sent if int(task.task_id) in fitted] == fitted


def test_nothing_is_sent_after_what_could_not_be():
    def send(tasks):
        raise ConnectionError('no way through')

    answers = Answers(send, None, None)
    answers.put(make_task())
    assert not answers.flush(PATIENCE)
    assert isinstance(answers.fault, ConnectionError)
