import socket

import psutil
import pytest

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric import reach
from scoutbee.fabric.reach import with_address
from scoutbee.fabric.sites import Site


def site(provider='slurm', **fields):
    executor = {'kinds': ['simulate', 'train', 'infer'], 'provider': {'type': provider}}
    return Site.model_validate({'name': 'mine', 'executors': {'all': executor}, **fields})


def interface_of(address):
    return next(name for name, each in psutil.net_if_addrs().items() if address in {entry.address for entry in each})


def test_workers_of_this_machine_find_it_on_loopback():
    assert with_address(site('local')).address is None


def test_an_address_of_this_machine_stays():
    assert with_address(site(address='127.0.0.1')).address == '127.0.0.1'


def test_a_network_interface_stands_for_its_address():
    assert with_address(site(address=interface_of('127.0.0.1'))).address == '127.0.0.1'


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ConfigurationError, match=r'got 198\.51\.100\.1'):
        with_address(site(address='198.51.100.1'))


def test_nodes_of_a_batch_system_find_the_machine_by_its_name(monkeypatch):
    monkeypatch.setattr(reach, 'own_address', lambda name: {'login1': '10.0.0.1'}[name])
    monkeypatch.setattr(reach.platform, 'node', lambda: 'login1')
    assert with_address(site()).address == '10.0.0.1'


class _Network:
    """A machine whose name stands for nothing, and whose default route begins at an address, or that has none."""

    def __init__(self, monkeypatch, address):
        self.address = address
        monkeypatch.setattr(reach.platform, 'node', lambda: 'no-such-name.invalid')
        monkeypatch.setattr(reach.socket, 'socket', lambda *_: self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def connect(self, _):
        if self.address is None:
            raise OSError('Network is unreachable')

    def getsockname(self):
        return self.address, 4711


def test_or_where_its_default_route_begins(monkeypatch):
    _Network(monkeypatch, '10.0.0.2')
    assert with_address(site()).address == '10.0.0.2'


@pytest.mark.parametrize('address', [None, '127.0.0.1'])
def test_a_machine_that_cannot_be_reached_is_refused(monkeypatch, address):
    _Network(monkeypatch, address)
    with pytest.raises(ConfigurationError, match=r'No address of this machine was found.*--driver-address'):
        with_address(site())


def test_what_was_found_can_be_listened_at():
    """On the machine that runs the tests, if it has a network."""
    try:
        address = with_address(site()).address
    except ConfigurationError:
        pytest.skip('no network but loopback')
    with socket.create_server((address, 0)):
        pass
