"""What a run has outside of its files: found by the names it wrote down, counted, and removed."""

import numpy as np
import pytest

from scoutbee.driver.leftovers import Leftovers, count_objects
from scoutbee.fabric.depots import make_depot
from scoutbee.fabric.methods import TaskMethod
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.stores import TopicStore

LARGE = np.arange(10_000)


@pytest.fixture(scope='module')
def server():
    with EmbeddedRedis() as made:
        yield made


@pytest.fixture(params=['redis', 'file'])
def fabric(request, server, tmp_path):
    """The stores and queues of one start, and the leftovers of its run."""
    leftovers = Leftovers(tmp_path)
    places = leftovers.begin(server.address, is_ours=False, directory=tmp_path / 'shared', patience=5)
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


def test_what_a_killed_driver_left_is_found_by_its_name(fabric, server, tmp_path):
    depot, queues, _ = fabric
    client = server.address.connect()
    client.set('of-someone-else', 'x')
    depot.lend('simulate', LARGE)
    work(queues, answer=True)
    queues.send_inputs(1, method='simulate', topic='simulate')
    assert len(client.keys()) > 1
    Leftovers(tmp_path).clear(server.address)
    assert client.keys() == [b'of-someone-else']
    assert list(tmp_path.glob('shared/*')) == []
    assert not (tmp_path / 'engine' / 'names.json').exists()
    client.flushall()
    client.close()


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
