"""What a run has outside of its files: found by the names it wrote down, counted, and removed."""

import logging

import numpy as np
import pytest
from proxystore.store import get_store
from proxystore.store.utils import get_key

from scoutbee.driver.leftovers import Leftovers, count_objects
from scoutbee.fabric.depots import make_depot
from scoutbee.fabric.methods import TaskMethod
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.stores import BACKENDS, TopicStore
from scoutbee.testing.globus_transfer import GlobusTransfer
from scoutbee.testing.peer_endpoints import PeerEndpoints

LARGE = np.arange(10_000)
EVERY_BACKEND = [pytest.param(name, marks=[pytest.mark.slow] if name == 'endpoint' else []) for name in BACKENDS]


@pytest.fixture(scope='module')
def server():
    with EmbeddedRedis() as made:
        yield made


@pytest.fixture(scope='session')
def endpoints(tmp_path_factory):
    with PeerEndpoints(tmp_path_factory.mktemp('endpoints')) as made:
        yield made


@pytest.fixture
def reached(request, tmp_path, monkeypatch):
    """What a start must be told so that it can use a backend."""
    backend = getattr(request, 'param', request.node.callspec.params.get('fabric'))
    if backend == 'endpoint':
        running = request.getfixturevalue('endpoints')
        monkeypatch.setenv('PROXYSTORE_HOME', str(running.endpoints[0].home))
        yield {'endpoints': running.ids}
    elif backend == 'globus':
        with GlobusTransfer(tmp_path / 'globus') as service:
            service.log_in()
            sites = {'.*': tmp_path / 'here', 'elsewhere': tmp_path / 'elsewhere'}
            yield {'globus_config': service.add_sites(sites)}
    else:
        yield {}


@pytest.fixture(params=EVERY_BACKEND)
def fabric(request, server, tmp_path, reached):
    """The stores and queues of one start, and the leftovers of its run."""
    leftovers = Leftovers(tmp_path)
    places = leftovers.begin(server.address, is_ours=False, directory=tmp_path / 'shared', patience=5, **reached)
    depot = make_depot(places, {'simulate': TopicStore(request.param, 1000)})
    queues = SecureRedisQueues(
        server.address, ['simulate'], prefix=places.run, stores=depot.stores, thresholds=depot.thresholds
    )
    yield depot, queues, leftovers
    depot.close()
    queues.disconnect()


def work(queues, *, answer):
    """Do a task whose value is stored, as a worker would; without an answer, its task server was killed."""
    queues.send_inputs(10_000, method='simulate', topic='simulate')
    _, task = queues.get_task(timeout=2)
    done = TaskMethod('simulate', np.ones)(task)
    if answer:
        queues.send_result(done)


def test_what_a_killed_driver_left_is_found(fabric, server, tmp_path):
    """Its objects, wherever they are, and its messages; of a worker's values those that the backend can list."""
    depot, queues, _ = fabric
    client = server.address.connect()
    client.set('of-someone-else', 'x')
    loan = depot.lend('simulate', LARGE)
    connector = get_store(depot.stores['simulate']).connector
    if connector.backend != 'endpoint':
        work(queues, answer=True)
    queues.send_inputs(1, method='simulate', topic='simulate')
    assert len(client.keys()) > 1
    Leftovers(tmp_path).clear(server.address)
    assert client.keys() == [b'of-someone-else']
    if connector.backend != 'zmq':  # which ends with its driver
        assert not connector.exists(get_key(loan.ref))
    assert [list(tmp_path.glob(f'{place}/*')) for place in ('shared', 'here', 'elsewhere', 'engine')] == [[]] * 4
    client.flushall()
    client.close()


@pytest.mark.parametrize('reached', EVERY_BACKEND[-2:], indirect=True)
def test_what_is_noted_is_kept_until_it_can_be_removed(reached, request, server, tmp_path, monkeypatch):
    backend = request.node.callspec.params['reached']
    leftovers = Leftovers(tmp_path)
    places = leftovers.begin(server.address, is_ours=True, directory=None, patience=1, **reached)
    depot = make_depot(places, {'simulate': TopicStore(backend, 1000)})
    key = get_key(depot.lend('simulate', LARGE).ref)
    connector = get_store(depot.stores['simulate']).connector
    with monkeypatch.context() as elsewhere:  # where neither an endpoint runs nor anybody has logged in
        elsewhere.setenv('PROXYSTORE_HOME', str(tmp_path / 'nothing'))
        leftovers.clear(None)
    assert connector.exists(key)
    assert places.run in (tmp_path / 'engine' / 'names.json').read_text()
    leftovers.clear(None)
    assert not connector.exists(key)
    assert list((tmp_path / 'engine').iterdir()) == []
    depot.close()


def test_a_start_that_ended_well_leaves_nothing_to_remove(fabric, server, tmp_path, caplog):
    depot, queues, leftovers = fabric
    depot.lend('simulate', LARGE)
    depot.close()
    queues.flush()
    leftovers.clear(server.address)
    assert [list(tmp_path.glob(f'{place}/*')) for place in ('shared', 'here', 'elsewhere', 'engine')] == [[]] * 4
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_name_is_kept_until_what_it_stands_for_is_removed(fabric, server, tmp_path):
    _, queues, leftovers = fabric
    queues.send_inputs(1, method='simulate', topic='simulate')
    names = tmp_path / 'engine' / 'names.json'
    leftovers.clear(None)  # the server is out of reach
    assert queues.prefix in names.read_text()
    assert server.address.password not in names.read_text()
    leftovers.clear(server.address)
    assert not names.exists()


def test_names_that_cannot_be_read_are_no_obstacle(fabric, server, tmp_path):
    _, _, leftovers = fabric
    (tmp_path / 'engine' / 'names.json').write_text('{')
    leftovers.clear(server.address)
    leftovers.begin(server.address, is_ours=True, directory=None, patience=5)


@pytest.mark.parametrize(
    ('lent', 'reclaimed', 'answered', 'unanswered', 'strays', 'leaked'),
    [
        (2, 2, 1, 0, 0, 0),
        (2, 1, 0, 0, 0, 1),  # a loan that nobody took back
        (0, 0, 1, 2, 0, 0),  # values of tasks whose answers were lost
        (0, 0, 1, 1, 1, 1),  # an object more than there are such tasks
        (1, 0, 0, 1, 0, 1),
    ],
)
def test_only_what_no_lost_task_explains_is_leaked(fabric, lent, reclaimed, answered, unanswered, strays, leaked):
    depot, queues, _ = fabric
    loans = [depot.lend('simulate', LARGE + number) for number in range(lent)]
    for loan in loans[:reclaimed]:
        depot.reclaim(loan)
    for _ in range(answered):
        work(queues, answer=True)
    for _ in range(unanswered):
        work(queues, answer=False)
    for _ in range(strays):
        depot._open['simulate'].put(b'x')
    counted = count_objects(depot, queues, agents_ended=True)
    assert counted == {
        'created': lent + answered + unanswered,
        'evicted': reclaimed + answered + unanswered,
        'leaked': leaked,
    }


def test_what_agents_that_were_left_behind_had_lent_is_taken_back(fabric):
    depot, queues, _ = fabric
    depot.lend('simulate', LARGE)
    assert count_objects(depot, queues, agents_ended=False) == {'created': 1, 'evicted': 1, 'leaked': 0}


def test_stores_that_are_out_of_reach_hold_what_was_not_taken_back(tmp_path):
    with EmbeddedRedis() as server:
        places = Leftovers(tmp_path).begin(server.address, is_ours=False, directory=None, patience=0.2)
        depot = make_depot(places, {'simulate': TopicStore('redis', 1000)})
        queues = SecureRedisQueues(server.address, ['simulate'], prefix=places.run, patience=0.2)
        depot.lend('simulate', LARGE)
        server.stop()
        assert count_objects(depot, queues, agents_ended=True)['leaked'] == 1
        depot.close()
        queues.disconnect()
