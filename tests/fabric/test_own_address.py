import socket

import pytest

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.own_address import can_listen, own_address


def known_as(monkeypatch, *addresses):
    """Have every name stand for these addresses."""
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, '', (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *_, **__: answers)


def test_an_address_of_this_machine_is_taken_as_it_is():
    assert own_address('127.0.0.1') == '127.0.0.1'
    assert own_address('localhost') in ('127.0.0.1', '::1')


def test_of_the_addresses_of_a_name_the_one_that_others_reach_is_meant(monkeypatch):
    monkeypatch.setattr('scoutbee.fabric.own_address.can_listen', lambda address: address != '198.51.100.7')
    known_as(monkeypatch, '127.0.1.1', '198.51.100.7', '192.0.2.1')
    assert own_address('node1') == '192.0.2.1'


def test_a_name_that_means_this_machine_only_to_itself_is_refused(monkeypatch):
    known_as(monkeypatch, '127.0.1.1')  # as Debian has it in /etc/hosts
    with pytest.raises(ConfigurationError, match=r'node1, which stands for 127\.0\.1\.1 here, where no other machine'):
        own_address('node1')


def test_a_name_of_another_machine_is_refused_with_what_it_stands_for(monkeypatch):
    monkeypatch.setattr('scoutbee.fabric.own_address.can_listen', lambda _: False)
    known_as(monkeypatch, '192.0.2.1', '192.0.2.2')
    with pytest.raises(ConfigurationError, match=r'node2, which stands for 192\.0\.2\.1 and 192\.0\.2\.2\.'):
        own_address('node2')


def test_a_port_that_is_taken_is_told_from_a_free_one():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        assert not can_listen('127.0.0.1', taken.getsockname()[1])
    assert can_listen('127.0.0.1')
