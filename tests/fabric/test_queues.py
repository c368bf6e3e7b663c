import os
import pickle
import signal

import psutil
import pytest
from colmena.exceptions import KillSignalException, TimeoutException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoutbee.contracts.control import ROLL_CALL
from scoutbee.contracts.errors import ConfigurationError, FailureKind
from scoutbee.fabric.address import RedisAddress
from scoutbee.fabric.connectors.redis import LockedRedisConnector
from scoutbee.fabric.errors import QueuesLostError
from scoutbee.fabric.failures import mark_failed
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.seals import Seal


class Bomb:
    """Goes off when it is unpickled."""

    exploded = False

    def __reduce__(self):
        return _explode, ()


def _explode():
    Bomb.exploded = True


def answer(queues, value=None):
    """Do what a task server and a worker do."""
    topic, task = queues.get_task(timeout=2)
    task.deserialize()
    task.set_result(task.args if value is None else value)
    task.serialize()
    queues.send_result(task)
    return topic


def test_a_task_goes_out_and_its_result_comes_back(queues):
    server = pickle.loads(pickle.dumps(queues))  # as it reaches the task server's process
    sent = queues.send_inputs(1, 'two', method='simulate', topic='simulate', task_info={'key': 'k'})
    assert queues.active_count == 1
    assert answer(server) == 'simulate'
    result = queues.get_result('simulate', timeout=2)
    assert (result.task_id, result.success, result.value) == (sent, True, (1, 'two'))
    assert result.task_info == {'key': 'k'}
    assert queues.active_count == 0
    server.disconnect()


@pytest.mark.parametrize('timeout', [0, 0.02, 0.3])
def test_a_wait_may_be_shorter_than_a_second(queues, timeout, caplog):
    with pytest.raises(TimeoutException):
        queues.get_result('simulate', timeout=timeout)
    with pytest.raises(TimeoutException):
        queues.get_task(timeout=timeout)
    assert not caplog.records


def test_the_kill_signal_arrives(queues):
    queues.send_kill_signal()
    with pytest.raises(KillSignalException):
        queues.get_task(timeout=2)


def test_two_campaigns_on_one_server_do_not_meet(queues, address):
    other = SecureRedisQueues(address, ['simulate'])
    queues.send_inputs(1, method='simulate', topic='simulate')
    with pytest.raises(TimeoutException):
        other.get_task(timeout=0)
    other.disconnect()


def test_what_is_not_sealed_is_dropped_unread(queues, address):
    """Whatever is pushed by someone without the secret: nothing of it is unpickled, and ours still arrives."""
    client = address.connect()
    forged = SecureRedisQueues(address, queues.topics, prefix=queues.prefix)  # another secret
    forged.send_inputs(Bomb(), method='simulate', topic='simulate')
    forged.send_kill_signal()
    client.rpush(f'{queues.prefix}_requests', b'', b'null', b'\xff\xfe', b'simulate{}')
    queues.send_inputs(7, method='simulate', topic='simulate')
    assert answer(queues, value=Bomb()) == 'simulate'
    assert queues.dropped == 6
    # The same message, sealed, moved to a queue it was not meant for.
    client.rename(f'{queues.prefix}_simulate_result', f'{queues.prefix}_train_result')
    with pytest.raises(TimeoutException):
        queues.get_result('train', timeout=0)
    assert queues.dropped == 7
    assert not Bomb.exploded
    forged.disconnect()
    client.close()


def test_a_sealed_message_that_is_no_result_is_dropped(queues):
    for message in (b'{"inputs": 3}', b'not even json'):
        queues._mail.send(queues._link, f'{queues.prefix}_simulate_result', [message])
    with pytest.raises(TimeoutException):
        queues.get_result('simulate', timeout=0)
    assert queues.dropped == 2


def test_several_go_and_come_at_once_in_order(queues):
    sent = queues.send_many([((number,), {'key': number}) for number in range(7)], method='simulate', topic='simulate')
    taken = [task for _ in range(4) for _, task in queues.get_tasks(timeout=2, most=2)]
    assert [task.task_id for task in taken] == sent
    for task in taken:
        task.deserialize()
        task.set_result(task.args[0])
        task.serialize()
    queues.send_results(taken)
    arrived = [*queues.get_results('simulate', 2, 3), *queues.get_results('simulate', 2, 100)]
    assert [(r.task_id, r.value, r.task_info['key']) for r in arrived] == [(id_, n, n) for n, id_ in enumerate(sent)]
    assert queues.active_count == 0


def test_what_was_sent_before_the_kill_signal_is_taken_first(queues):
    queues.send_inputs(1, method='simulate', topic='simulate')
    queues.send_kill_signal()
    assert len(queues.get_tasks(timeout=2, most=10)) == 1
    with pytest.raises(KillSignalException):
        queues.get_tasks(timeout=2, most=10)


def test_one_that_is_not_ours_does_not_take_others_with_it(queues, address):
    client = address.connect()
    queues.send_many([((1,), {}), ((2,), {})], method='simulate', topic='simulate')
    client.rpush(f'{queues.prefix}_requests', b'noise')
    queues.send_inputs(3, method='simulate', topic='simulate')
    tasks = [task for _, task in queues.get_tasks(timeout=2, most=10)]
    for task in tasks:
        task.deserialize()
    assert [task.args for task in tasks] == [(1,), (2,), (3,)]
    assert queues.dropped == 1
    client.close()


def test_a_value_that_cannot_be_read_here_fails_its_task(queues):
    queues.send_inputs(1, method='simulate', topic='simulate')
    _, task = queues.get_task(timeout=2)
    task.set_result(1)
    task.serialize()
    task.value = pickle.dumps(1)[:-1]
    queues.send_result(task)
    result = queues.get_result('simulate', timeout=2)
    assert result.success is False
    assert result.task_info['failure']['kind'] == 'resource'


@given(st.binary(max_size=200), st.text(max_size=20), st.binary(max_size=20))
def test_a_seal_opens_only_what_it_closed(noise, queue, message):
    seal = pickle.loads(pickle.dumps(Seal(b'0123456789abcdef')))
    sealed = seal.close(queue, message)
    assert seal.open(queue, sealed) == message
    assert seal.open(queue + 'x', sealed) is None
    assert seal.open(queue, noise) is None
    assert seal.open(queue, sealed + b'x') is None
    assert Seal().open(queue, sealed) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(noise=st.binary(max_size=100))
def test_no_bytes_on_a_queue_break_the_reader(queues, address, noise):
    client = address.connect()
    client.rpush(f'{queues.prefix}_infer_result', noise)
    before = queues.dropped
    with pytest.raises(TimeoutException):
        queues.get_result('infer', timeout=0)
    assert queues.dropped == before + 1
    client.close()


def test_secrets_do_not_show(queues, address, caplog):
    caplog.set_level('DEBUG')
    queues.send_inputs(1, method='simulate', topic='simulate')
    assert address.password not in f'{caplog.text}{queues!r}{queues._mail.seal!r}{queues.address}'


def test_a_wrong_password_is_said_at_once(address):
    with pytest.raises(ConfigurationError, match='password'):
        SecureRedisQueues(RedisAddress(address.host, address.port, password='wrong'), ['simulate'])


def test_a_server_that_goes_away_and_comes_back_is_waited_for():
    with EmbeddedRedis() as server:
        queues = SecureRedisQueues(server.address, ['simulate'], patience=30)
        kill(server)
        with pytest.raises(TimeoutException):
            queues.get_result('simulate', timeout=0.1)  # a short wait stays short
        server.start()
        queues.send_inputs(1, method='simulate', topic='simulate')
        assert answer(queues) == 'simulate'
        assert queues.get_result('simulate', timeout=2).success
        queues.disconnect()


def test_a_server_that_stays_away_is_given_up():
    with EmbeddedRedis() as server:
        queues = SecureRedisQueues(server.address, ['simulate'], patience=0.2)
        kill(server)
        with pytest.raises(QueuesLostError, match='out of reach for more than'):
            queues.send_inputs(1, method='simulate', topic='simulate')
        with pytest.raises(QueuesLostError):
            queues.get_result('simulate', timeout=5)
        with pytest.raises(QueuesLostError):
            queues.check_patience()
        # Other links of this process know, and what is worth no waiting does not wait.
        connector = LockedRedisConnector(server.address.host, server.address.port, 'x')
        with pytest.raises(QueuesLostError, match='is out of reach'):
            connector.clear()
        server.start()
        queues.send_inputs(1, method='simulate', topic='simulate')
        assert not queues.is_away
        queues.check_patience()
        queues.disconnect()


def test_a_task_server_may_be_started_while_the_server_is_away():
    with EmbeddedRedis() as server:
        queues = SecureRedisQueues(server.address, ['simulate'], patience=30)
        pickled = pickle.dumps(queues)
        kill(server)
        tasks = pickle.loads(pickled)
        with pytest.raises(TimeoutException):
            tasks.get_task(timeout=0.1)
        server.start()
        queues.send_inputs(1, method='simulate', topic='simulate')
        assert tasks.get_task(timeout=5)[0] == 'simulate'
        tasks.disconnect()
        queues.disconnect()


def test_only_results_of_tasks_count_as_received(queues):
    queues.send_inputs(method=ROLL_CALL, topic='simulate')
    answer(queues, value=())
    queues.get_result('simulate', timeout=2)
    assert queues.received == 0
    queues.send_inputs(1, method='simulate', topic='simulate')
    answer(queues)
    queues.get_result('simulate', timeout=2)
    assert queues.received == 1
    queues.send_inputs(1, method='simulate', topic='simulate')
    _, task = queues.get_task(2)
    mark_failed(task, RuntimeError('The engine died.'), FailureKind.LOST)
    queues.send_result(task)
    assert not queues.get_result('simulate', timeout=2).success
    assert queues.received == 1, 'what an engine answers as it dies is no sign of life'
    assert queues.unheard == 1


def kill(server):
    os.kill(server.pid, signal.SIGKILL)
    psutil.Process(server.pid).wait(5)
