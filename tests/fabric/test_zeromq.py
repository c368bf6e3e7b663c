"""The backend zmq: who gets in, and what becomes of its server."""

import os
import subprocess
import sys

import psutil
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.connectors.shelf import Shelf
from scoutbee.fabric.connectors.zeromq import ZeroMQConnector
from scoutbee.fabric.errors import StoreLostError

FORKING = """
import os
from scoutbee.fabric.connectors.zeromq import ZeroMQConnector
driver = ZeroMQConnector.serve('127.0.0.1', 10)
worker = ZeroMQConnector(**driver.config())
key = worker.put(b'before')
for connector in (driver, worker):
    child = os.fork()
    if not child:
        left = connector.put(connector.get(key))
        os._exit(0 if connector.exists(left) else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(list(driver.names())), flush=True)
driver.close()
"""

LEAVING = """
import os
from scoutbee.fabric.connectors.zeromq import ZeroMQConnector
driver = ZeroMQConnector.serve('127.0.0.1', 10)
print(driver.get(driver.put(b'here')).decode(), flush=True)
"""


@pytest.fixture
def driver():
    made = ZeroMQConnector.serve('127.0.0.1', 1)
    yield made
    made.close()


def listening(port):
    connections = psutil.Process().net_connections('tcp')
    return {each.laddr.ip for each in connections if each.laddr.port == port and each.status == psutil.CONN_LISTEN}


def test_it_listens_where_it_was_told_and_nowhere_else(driver):
    config = driver.config()
    assert listening(config['port']) == {config['host']}
    driver.close()
    assert listening(config['port']) == set()


def test_only_who_has_the_key_gets_in(driver):
    key = driver.put(b'ours')
    public, secret = (half.decode() for half in zmq.curve_keypair())
    forged = {**driver.config(), 'client_key': public, 'client_secret': secret, 'patience': 0.3}
    stranger = ZeroMQConnector(**forged)
    with pytest.raises(StoreLostError, match='has not answered'):
        stranger.get(key)
    stranger.close()
    friend = ZeroMQConnector(**driver.config())
    assert bytes(friend.get(key)) == b'ours'
    friend.close()


def test_who_does_not_encrypt_is_not_heard(driver):
    config = driver.config()
    with zmq.Context() as context, context.socket(zmq.REQ) as plain:
        plain.linger = 0
        plain.connect(f'tcp://{config["host"]}:{config["port"]}')
        plain.send_multipart([b'names'])
        assert plain.poll(300) == 0


def test_one_that_asks_nonsense_does_not_keep_the_others_from_being_served(driver):
    worker = ZeroMQConnector(**driver.config())
    with pytest.raises(StoreLostError):
        ZeroMQConnector(**{**driver.config(), 'patience': 0.3})._remote._ask(b'dance')
    assert bytes(worker.get(worker.put(b'x'))) == b'x'
    worker.close()


def test_a_forked_process_uses_the_store_and_not_its_copy_of_it():
    done = subprocess.run([sys.executable, '-c', FORKING], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    assert done.stdout.splitlines() == ['0 2', '0 3']


def test_it_ends_with_the_driver_however_that_ends():
    done = subprocess.run([sys.executable, '-c', LEAVING], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    assert done.stdout == 'here\n'


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ConfigurationError, match=r'192\.0\.2\.1.*--driver-address'):
        ZeroMQConnector.serve('192.0.2.1')


def test_what_a_worker_that_died_left_unfinished_counts_until_it_is_cleared(driver):
    driver._server.shelf.write_part('half', 0, 10, b'12345')
    assert list(driver.names()) == ['half']
    driver.clear()
    assert list(driver.names()) == []


def test_an_object_that_is_removed_while_it_is_being_stored_is_not_taken_for_stored(driver):
    shelf = driver._server.shelf
    assert shelf.write_part('half', 0, 10, b'12345')
    shelf.clear()
    assert not shelf.write_part('half', 5, 10, b'67890')
    assert not shelf.has('half')


@given(st.binary(max_size=200), st.integers(1, 60), st.data())
def test_parts_make_the_object_however_often_each_comes(data, length, draw):
    shelf = Shelf()
    for start in range(0, max(len(data), 1), length):
        for _ in range(draw.draw(st.integers(1, 3))):
            assert shelf.write_part('it', start, len(data), data[start : start + length])
    assert bytes(shelf.read('it')) == data
    assert shelf.names() == ['it']


def test_an_ipv6_address_will_do():
    if not os.path.exists('/proc/net/if_inet6'):
        pytest.skip('this machine has no IPv6')
    driver = ZeroMQConnector.serve('::1', 5)
    worker = ZeroMQConnector(**driver.config())
    assert bytes(worker.get(driver.put(b'six'))) == b'six'
    worker.close()
    driver.close()
