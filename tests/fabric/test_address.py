import os
import platform
import socket
import threading
from dataclasses import replace

import certifi
import pytest

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.address import RedisAddress

RIGHTS = ('+ping', '+rpush', '+lpop', '+blpop', '+del', '+set', '+get', '+exists', '+unlink', '+scan')


@pytest.fixture
def make_user(address):
    """Makes a user of the server, whose password is honey."""
    client = address.connect()
    yield lambda name, *rights: client.execute_command('ACL', 'SETUSER', name, 'reset', 'on', '>honey', *rights)
    client.execute_command('ACL', 'DELUSER', 'bee')
    client.close()


def test_the_password_is_shown_nowhere():
    address = RedisAddress('redis.example', 6379, username='bee', password='honey')
    assert 'honey' not in f'{address} {address!r}'


def test_secrets_come_from_the_environment():
    env = {
        'SCOUTBEE_REDIS_PASSWORD': 'honey',
        'SCOUTBEE_REDIS_USERNAME': 'bee',
        'SCOUTBEE_REDIS_TLS': '1',
        'SCOUTBEE_REDIS_CA': certifi.where(),
    }
    assert RedisAddress.from_environment('h', 1, env) == RedisAddress('h', 1, 'bee', 'honey', True, certifi.where())
    assert RedisAddress.from_environment('h', 1, {}) == RedisAddress('h', 1)


def test_the_password_may_be_in_a_file(tmp_path):
    file = tmp_path / 'password'
    file.write_text('honey\n')
    file.chmod(0o600)
    assert RedisAddress.from_environment('h', 1, {'SCOUTBEE_REDIS_PASSWORD_FILE': str(file)}).password == 'honey'


@pytest.mark.parametrize(
    ('env', 'words'),
    [
        ({'SCOUTBEE_REDIS_PASSWORD': 'a', 'SCOUTBEE_REDIS_PASSWORD_FILE': 'b'}, 'unset one'),
        ({'SCOUTBEE_REDIS_PASSWORD_FILE': '/nowhere/at/all'}, '/nowhere/at/all'),
        ({'SCOUTBEE_REDIS_PASSWORD_FILE': os.devnull}, 'empty'),
        ({'SCOUTBEE_REDIS_CA': '/nowhere/at/all'}, 'PEM'),
        ({'SCOUTBEE_REDIS_CA': os.devnull}, 'holds no certificate'),
        ({'SCOUTBEE_REDIS_TLS': 'perhaps'}, 'expected 1 or 0'),
        ({'SCOUTBEE_REDIS_TLS': '0', 'SCOUTBEE_REDIS_CA': __file__}, 'unset one'),
    ],
)
def test_a_wrong_environment_is_explained(env, words):
    with pytest.raises(ConfigurationError, match=words):
        RedisAddress.from_environment('h', 1, env)


def test_a_server_that_lets_us_in_passes(address):
    address.check()


@pytest.mark.parametrize(
    ('password', 'words'), [(None, 'it wants a password. Set'), ('wrong', 'it refused the user or password')]
)
def test_a_wrong_password_is_refused_and_not_repeated(address, password, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        RedisAddress(address.host, address.port, password=password).check()
    assert 'wrong' not in str(caught.value)
    assert address.password not in str(caught.value)


def test_a_user_who_may_do_all_that_a_campaign_does_passes_and_leaves_nothing(address, make_user):
    make_user('bee', '~scoutbee-*', '-@all', *RIGHTS)
    replace(address, username='bee', password='honey').check()
    assert address.connect().keys('scoutbee-check-*') == []


@pytest.mark.parametrize('lacking', RIGHTS)
def test_a_user_who_lacks_a_right_is_told_before_the_campaign_begins(address, make_user, lacking):
    make_user('bee', '~scoutbee-*', '-@all', *(right for right in RIGHTS if right != lacking))
    with pytest.raises(ConfigurationError, match='its user may not do all that a campaign does') as caught:
        replace(address, username='bee', password='honey').check()
    assert lacking.removeprefix('+') in str(caught.value)


def test_a_user_of_other_keys_is_told_likewise(address, make_user):
    make_user('bee', '~wasp-*', '-@all', *RIGHTS)
    with pytest.raises(ConfigurationError, match='its user may not do all that a campaign does'):
        replace(address, username='bee', password='honey').check()


def test_a_worker_trusts_the_certificates_that_its_own_machine_has(tmp_path, monkeypatch):
    address = RedisAddress('127.0.0.1', 1, tls=True, ca_file=str(tmp_path / 'as on the machine of the driver'))
    with pytest.raises(ConfigurationError, match=f'expected a PEM file on {platform.node()}, got .*of the driver'):
        address.connect()
    monkeypatch.setenv('SCOUTBEE_REDIS_CA', certifi.where())
    assert address.connect().connection_pool.connection_kwargs['ssl_ca_certs'] == certifi.where()


def test_nobody_listening_is_explained():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    with pytest.raises(ConfigurationError, match='nothing listens there'):
        RedisAddress('127.0.0.1', port).check()


def test_a_plain_server_is_not_taken_for_a_tls_one(address):
    with pytest.raises(ConfigurationError, match='SCOUTBEE_REDIS_TLS'):
        RedisAddress(address.host, address.port, password=address.password, tls=True).check(0.5)


@pytest.mark.parametrize(
    ('answer', 'words'),
    [
        (b'HTTP/1.1 400 Bad Request\r\n\r\n', 'is not Redis'),
        (b'\x15\x03\x01\x00\x02\x02\x16', 'SCOUTBEE_REDIS_TLS|is not Redis'),
        (b'', 'SCOUTBEE_REDIS_TLS=1'),
    ],
    ids=['http', 'tls alert', 'closes'],
)
def test_what_is_not_redis_is_told_apart(answer, words):
    with socket.create_server(('127.0.0.1', 0)) as listener:

        def serve():
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(ConfigurationError, match=words):
            RedisAddress('127.0.0.1', listener.getsockname()[1]).check(1)
