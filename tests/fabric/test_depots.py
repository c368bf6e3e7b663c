import pickle
import platform
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import backends
import fabric_tasks
import numpy as np
import pytest
from colmena.models import Result
from proxystore.proxy import Proxy, extract
from proxystore.store import Store, get_store, unregister_store
from proxystore.store.utils import get_key

from scoutbee.contracts.errors import ConfigurationError, InputTaskError
from scoutbee.fabric.depots import ProxyDepot, make_depot, new_run_name
from scoutbee.fabric.methods import TaskMethod
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.stores import BACKENDS, Places, TopicStore

LARGE = np.arange(10_000)
TOPICS = ('simulate', 'train', 'infer')


EVERY_BACKEND = [pytest.param(name, marks=[pytest.mark.slow] if name == 'endpoint' else []) for name in BACKENDS]


@contextmanager
def open_depot(request, folder):
    """A depot over the backend that a test asks for."""
    if request.param == 'direct':
        yield make_depot(Places(new_run_name()), {})
        return
    endpoints = request.getfixturevalue('endpoints') if request.param == 'endpoint' else None
    with backends.GROUNDS[request.param](folder, endpoints) as ground:
        stores = {topic: TopicStore(request.param, 1000) for topic in ('simulate', 'train')}
        depot = make_depot(ground.places(new_run_name()), stores)
        yield depot
        depot.close()


@pytest.fixture(params=EVERY_BACKEND)
def proxy_depot(request, tmp_path):
    with open_depot(request, tmp_path) as made:
        yield made


@pytest.fixture(params=['direct', *EVERY_BACKEND])
def depot(request, tmp_path):
    with open_depot(request, tmp_path) as made:
        yield made


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


def test_closing_removes_what_is_left(proxy_depot, tmp_path):
    loan = proxy_depot.lend('simulate', LARGE)
    store = get_store(proxy_depot.stores['simulate'])
    connector = type(store.connector).from_config(store.connector.config())
    key = get_key(loan.ref)
    assert connector.exists(key)
    proxy_depot.close()
    assert get_store(store.name) is None
    if store.connector.backend != 'zmq':  # whose server is gone as well
        assert not connector.exists(key)
    connector.close()
    assert key.name not in backends.files_below(tmp_path)


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
    (moves,) = first.time.proxy.values()
    assert moves.keys() == {'in'}
    assert moves['in']['bytes'] == loan.size
    assert moves['in']['seconds'] > 0
    assert not moves['in']['hit']
    (moves,) = second.time.proxy.values()
    assert moves['out']['bytes'] == second.message_sizes['value'] == len(pickle.dumps(np.ones(10_000), protocol=5))
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


def failed(result):
    failure = result.task_info['failure']
    return failure['kind'], failure['error'], failure['message'] + failure['traceback']


def test_inputs_that_are_gone_fail_the_task_and_say_where_they_were(proxy_depot):
    """Topic, backend, host, and where it looked; nothing that is secret."""
    loan = proxy_depot.lend('simulate', LARGE)
    connector = get_store(proxy_depot.stores['simulate']).connector
    proxy_depot.reclaim(loan)
    task = Result(((loan.ref,), {}), method='simulate', topic='simulate', serialization_method='pickle')
    task.serialize()
    kind, error, told = failed(TaskMethod('simulate', fabric_tasks.total)(task))
    assert (kind, error) == ('unreachable', 'InputsUnreachableError')
    where = f'the backend {connector.backend} ({connector.where(connector.config())})'
    assert f"topic 'simulate' could not be fetched on host {platform.node()} from {where}" in told
    assert not any(secret in told for secret in proxy_depot.secrets)


@pytest.mark.parametrize('backend', EVERY_BACKEND)
def test_a_value_that_cannot_be_stored_fails_the_task_and_says_where(backend, tmp_path, address):
    """It is the machine's doing, not the task's, so another worker may try."""
    with backends.GROUNDS[backend](tmp_path) as ground:
        connector = ground.open()
        store = Store('lost', connector, cache_size=0)
        told = {'proxystore_name': 'lost', 'proxystore_config': store.config(), 'proxystore_threshold': 1000}
        task = Result(((10_000,), {}), method='simulate', topic='simulate', serialization_method='pickle', **told)
        task.serialize()
        where = ground.lose()
        kind, error, said = failed(TaskMethod('simulate', fabric_tasks.ones)(task))
        assert (kind, error) == ('unreachable', 'ValueNotStoredError')
        assert f'the backend {backend} (' in said
        assert where in said
        assert not any(secret in said for secret in connector.secrets)
        unregister_store('lost')
        store.close()


def test_an_object_outlives_every_attempt_at_its_tasks(proxy_depot):
    """A loan is there for each try of each task that uses it, whatever became of the others."""
    loan = proxy_depot.lend('train', LARGE)
    for function in (fabric_tasks.total, fabric_tasks.misbehave, fabric_tasks.total):
        task = Result(((loan.ref,), {}), method='train', topic='train', serialization_method='pickle')
        task.serialize()
        TaskMethod('train', function)(task)
        assert proxy_depot.leaked() == 1
    proxy_depot.reclaim(loan)
    assert (proxy_depot.created, proxy_depot.evicted, proxy_depot.leaked()) == (1, 1, 0)


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (TopicStore('tape', 1), 'expected one of redis, file, zmq, endpoint, globus'),
        (TopicStore('redis', 1), 'no Redis server'),
        (TopicStore('file', 1), '--ps-file-dir'),
        (TopicStore('endpoint', 1), '--ps-endpoints'),
        (TopicStore('globus', 1), '--ps-globus-config'),
    ],
)
def test_a_backend_that_cannot_be_used_is_explained(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        ProxyDepot(Places(new_run_name()), {'train': settings})
