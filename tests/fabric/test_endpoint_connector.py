"""The backend endpoint: the endpoint of this machine, its peers, and what is said when there is none."""

import json
import os
import signal
import subprocess
import sys

import pytest
from proxystore.endpoint.config import EndpointConfig, EndpointStorageConfig, write_config

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.connectors.base import Key
from scoutbee.fabric.connectors.endpoint import PeerEndpointConnector
from scoutbee.fabric.errors import StoreLostError
from scoutbee.testing.peer_endpoints import PeerEndpoints

NUMBER = '7d3bba6c-8d0b-4d92-9c5f-2f0c4bd0a3c1'

VISITOR = """
import json, sys
from scoutbee.fabric.connectors.base import Key
from scoutbee.fabric.connectors.endpoint import PeerEndpointConnector
config, key = json.load(sys.stdin)
connector = PeerEndpointConnector(**config)
found = connector.get(Key(*key[:3], tuple(key[3])))
print(json.dumps([repr(connector), found.decode(), connector.put(b'from the other')]))
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """ProxyStore's folder, still empty."""
    monkeypatch.setenv('PROXYSTORE_HOME', str(tmp_path))
    return tmp_path


def test_a_machine_without_one_is_told_how_to_start_one(home):
    with pytest.raises(ConfigurationError, match=f'(?s){NUMBER} is one of host .*configure NAME.*start NAME') as told:
        PeerEndpointConnector([NUMBER])
    assert str(home) in str(told.value)


@pytest.mark.parametrize('host', [None, '127.0.0.1'])
def test_one_that_does_not_run_is_named(home, host):
    write_config(EndpointConfig(name='mine', uuid=NUMBER, port=9, host=host), str(home / 'mine'))
    with pytest.raises(ConfigurationError, match=rf'mine \({NUMBER}\).*proxystore-endpoint start mine'):
        PeerEndpointConnector([NUMBER])


@pytest.mark.slow
def test_one_of_another_machine_is_not_taken_for_this_ones(endpoints, home):
    (running,) = endpoints.endpoints
    write_config(EndpointConfig(name='copy', uuid=NUMBER, port=running.port, host='127.0.0.1'), str(home / 'copy'))
    with pytest.raises(ConfigurationError, match='does not answer'):
        PeerEndpointConnector([NUMBER])


@pytest.mark.slow
def test_what_is_too_large_for_it_is_refused_at_once(endpoints, home):
    (running,) = endpoints.endpoints
    storage = EndpointStorageConfig(max_object_size=1000)
    config = EndpointConfig(name='x', uuid=running.id, port=running.port, host='127.0.0.1', storage=storage)
    write_config(config, str(home / 'x'))
    connector = PeerEndpointConnector([running.id])
    with pytest.raises(ConfigurationError, match=r'1001 bytes.*up to 1000.*max_object_size'):
        connector.put(bytes(1001))
    assert list(connector.names()) == []
    connector.close()


@pytest.mark.slow
def test_one_that_hangs_is_not_waited_for_longer_than_the_patience(tmp_path, monkeypatch):
    with PeerEndpoints(tmp_path) as running:
        (endpoint,) = running.endpoints
        monkeypatch.setenv('PROXYSTORE_HOME', str(endpoint.home))
        connector = PeerEndpointConnector(running.ids, patience=0.5)
        key = connector.put(b'x')
        endpoint.process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreLostError, match=str(endpoint.port)):
            connector.get(key)
        with pytest.raises(StoreLostError):
            list(connector.names())
        connector.close()


@pytest.mark.slow
def test_peers_pass_objects_on(tmp_path, monkeypatch):
    """Through a real relay, from the endpoint of one machine to that of another."""
    with PeerEndpoints(tmp_path, 2) as peers:
        here, there = peers.endpoints
        monkeypatch.setenv('PROXYSTORE_HOME', str(here.home))
        connector = PeerEndpointConnector(peers.ids)
        key = connector.put(b'from the first')
        done = subprocess.run(
            [sys.executable, '-c', VISITOR], input=json.dumps([connector.config(), key]), stdout=subprocess.PIPE,
            text=True, check=True, timeout=200, env={**os.environ, **there.environment},
        )  # fmt: skip
        home, found, (name, digest, size, place) = json.loads(done.stdout)
        assert str(there.port) in home
        assert found == 'from the first'
        left = Key(name, digest, size, tuple(place))
        assert left.place == (there.id,)
        assert connector.get(left) == b'from the other'
        connector.evict(left)
        assert not connector.exists(left)
        assert list(connector.names()) == [key.name]  # what the other stored was never known here
        there.stop()
        connector.close()
