import pickle
from concurrent.futures import ThreadPoolExecutor

import fabric_tasks
import numpy as np
import pytest
from colmena.models import Result
from proxystore.proxy import Proxy, extract
from proxystore.store import get_store

from scoutbee.contracts.errors import ConfigurationError, InputTaskError
from scoutbee.fabric.connectors import DirectoryConnector, Key, LockedRedisConnector
from scoutbee.fabric.depots import ProxyDepot, make_depot, new_run_name
from scoutbee.fabric.errors import TamperedObjectError
from scoutbee.fabric.methods import TaskMethod
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.stores import Places, TopicStore

LARGE = np.arange(10_000)
TOPICS = ('simulate', 'train', 'infer')


def open_depot(backend, address, directory):
    stores = {topic: TopicStore(backend, 1000) for topic in ('simulate', 'train')} if backend != 'direct' else {}
    return make_depot(Places(new_run_name(), address, directory), stores)


@pytest.fixture(params=['redis', 'file'])
def proxy_depot(request, address, tmp_path):
    made = open_depot(request.param, address, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=['direct', 'redis', 'file'])
def depot(request, address, tmp_path):
    made = open_depot(request.param, address, tmp_path)
    yield made
    made.close()


def on_worker(ref):
    """What a worker gets: what was sent, resolved."""
    sent = pickle.loads(pickle.dumps(ref))
    return extract(sent) if type(sent) is Proxy else sent


class TestEveryDepot:
    """What agents rely on, whichever depot they have."""

    @pytest.mark.parametrize(
        'obj', [LARGE, {'a': 1}, (), None, True, 'text' * 1000], ids=lambda obj: type(obj).__name__
    )
    @pytest.mark.parametrize('topic', TOPICS)
    def test_what_is_lent_arrives(self, depot, topic, obj):
        loan = depot.lend(topic, obj)
        for _ in range(2):  # several tasks use one loan
            np.testing.assert_equal(on_worker(loan.ref), obj)
        assert loan.size == len(pickle.dumps(obj, protocol=5))
        depot.reclaim(loan)
        assert depot.leaked() == 0

    def test_reclaiming_twice_is_harmless(self, depot):
        loan = depot.lend('simulate', LARGE)
        depot.reclaim(loan)
        depot.reclaim(loan)
        assert depot.created == depot.evicted
        assert depot.leaked() == 0

    def test_what_cannot_be_pickled_is_refused(self, depot):
        with pytest.raises(InputTaskError, match='pickled for topic simulate'):
            depot.lend('simulate', lambda: None)
        assert depot.created == 0

    def test_many_threads_may_lend_and_reclaim(self, depot):
        with ThreadPoolExecutor(8) as pool:
            loans = list(pool.map(lambda i: depot.lend('train', LARGE + i), range(40)))
            assert [int(on_worker(loan.ref)[0]) for loan in loans] == list(range(40))
            list(pool.map(depot.reclaim, loans * 2))
        assert depot.created == depot.evicted
        assert depot.leaked() == 0


def test_only_large_objects_are_stored(proxy_depot):
    small, large = proxy_depot.lend('simulate', 1), proxy_depot.lend('simulate', LARGE)
    assert small.key is None
    assert small.ref == 1
    assert type(large.ref) is Proxy
    assert (proxy_depot.created, proxy_depot.leaked()) == (1, 1)


def test_closing_removes_what_is_left(proxy_depot, address, tmp_path):
    name = proxy_depot.stores['simulate']
    proxy_depot.lend('simulate', LARGE)
    proxy_depot.close()
    assert get_store(name) is None
    client = address.connect()
    assert not list(client.scan_iter(f'{name}*'))
    client.close()
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_a_large_value_of_a_worker_is_fetched_and_evicted(proxy_depot, address):
    queues = SecureRedisQueues(address, TOPICS, stores=proxy_depot.stores, thresholds=proxy_depot.thresholds)
    loan = proxy_depot.lend('simulate', LARGE)
    queues.send_inputs(loan.ref, method='simulate', topic='simulate')
    queues.send_inputs(10_000, method='simulate', topic='simulate')
    for function in (fabric_tasks.total, fabric_tasks.ones):
        _, task = queues.get_task(timeout=2)
        queues.send_result(TaskMethod('simulate', function)(task))
    first, second = queues.get_result('simulate', 2), queues.get_result('simulate', 2)
    assert first.value == LARGE.sum()
    (times,) = first.time.proxy.values()
    assert times['times']['store.get']['count'] >= 1  # how long the worker took to fetch it
    assert type(second.value) is np.ndarray
    assert queues.fetched == 1
    assert proxy_depot.leaked() == 1  # the loan
    proxy_depot.reclaim(loan)
    assert proxy_depot.leaked() == 0
    queues.disconnect()


@pytest.mark.parametrize('items', [100, 150])
def test_driver_and_worker_mean_the_same_by_a_threshold(proxy_depot, address, items):
    """An array just under it goes with the task and comes back with the result; one over it uses the store."""
    queues = SecureRedisQueues(address, TOPICS, stores=proxy_depot.stores, thresholds=proxy_depot.thresholds)
    is_large = len(pickle.dumps(np.ones(items), protocol=5)) >= 1000
    loan = proxy_depot.lend('simulate', np.ones(items))
    queues.send_inputs(loan.ref, method='simulate', topic='simulate')
    assert proxy_depot.leaked() == is_large
    _, task = queues.get_task(timeout=2)
    queues.send_result(TaskMethod('simulate', np.copy)(task))
    assert proxy_depot.leaked() == 2 * is_large
    np.testing.assert_equal(queues.get_result('simulate', timeout=2).value, np.ones(items))
    proxy_depot.reclaim(loan)
    assert proxy_depot.leaked() == 0
    queues.disconnect()


def test_results_that_nobody_waits_for_leave_nothing_behind(proxy_depot, address):
    queues = SecureRedisQueues(address, TOPICS, stores=proxy_depot.stores, thresholds=proxy_depot.thresholds)
    queues.send_inputs(10_000, method='simulate', topic='simulate')
    _, task = queues.get_task(timeout=2)
    queues.send_result(TaskMethod('simulate', fabric_tasks.ones)(task))
    assert proxy_depot.leaked() == 1
    assert queues.discard_results() == 1
    assert proxy_depot.leaked() == 0
    assert (queues.fetched, queues.active_count) == (1, 0)
    queues.disconnect()


def test_what_nobody_will_take_back_is_recalled(proxy_depot):
    for number in range(5):
        proxy_depot.lend('train', LARGE + number)
    proxy_depot.recall()
    assert (proxy_depot.created, proxy_depot.evicted, proxy_depot.leaked()) == (5, 5, 0)


def test_inputs_that_are_gone_fail_the_task_and_say_where_they_were(proxy_depot, address):
    loan = proxy_depot.lend('simulate', LARGE)
    proxy_depot.reclaim(loan)
    task = Result(((loan.ref,), {}), method='simulate', topic='simulate', serialization_method='pickle')
    task.serialize()
    result = TaskMethod('simulate', fabric_tasks.total)(task)
    failure = result.task_info['failure']
    assert failure['kind'] == 'resource'
    assert "topic 'simulate'" in failure['message']
    assert address.password not in failure['message'] + failure['traceback']


@pytest.mark.parametrize('backend', ['redis', 'file'])
def test_an_object_that_was_exchanged_is_not_read(backend, address, tmp_path):
    if backend == 'redis':
        connector = LockedRedisConnector(address.host, address.port, 'x', password=address.password)
    else:
        connector = DirectoryConnector(str(tmp_path / 'x'))
    key = connector.put(b'ours')
    rebuilt = type(connector).from_config(connector.config())
    assert rebuilt.get(key) == b'ours'
    assert list(rebuilt.names()) == [key.name]
    rebuilt._write(key.name, b'theirs')
    with pytest.raises(TamperedObjectError, match=key.name):
        connector.get(key)
    assert connector.get(Key('absent', '')) is None
    assert (address.password or '-') not in repr(connector)
    connector.clear()
    assert not connector.exists(key)


@pytest.mark.parametrize(
    ('settings', 'words'), [(TopicStore('tape', 1), 'expected one of file, redis'), (TopicStore('file', 1), 'ps-file')]
)
def test_a_backend_that_cannot_be_used_is_explained(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        ProxyDepot(Places(new_run_name()), {'train': settings})
