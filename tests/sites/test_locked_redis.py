"""A Redis server behind TLS and users, as docs/security.md sets it up: it serves who may, and tells who may not why."""

import hashlib
import subprocess

import certifi
import pytest
from campaign_runs import ackley_flags
from locked_redis import LockedRedis, why_not

from scoutbee.fabric.depots import ProxyDepot, new_run_name
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.stores import Places, TopicStore

REASON = why_not()

pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

STORED = {'ps_threshold': 0, **{f'{topic}_ps_backend': 'redis' for topic in ('simulate', 'train', 'infer')}}


@pytest.fixture
def server(tmp_path_factory):
    with LockedRedis(tmp_path_factory.mktemp('elsewhere')) as made:
        yield made


def other_authority(folder):
    """Certificates of somebody else's authority."""
    file = folder / 'other.crt'
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-subj', '/CN=scoutbee authority', '-days', '2',
         '-keyout', folder / 'other.key', '-out', file],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return str(file)


def contents(folder):
    return {p: hashlib.sha256(p.read_bytes()).digest() for p in folder.rglob('*') if p.is_file() and not p.is_symlink()}


def test_queues_speak_tls(server):
    queues = SecureRedisQueues(server.address, ('simulate',))
    queues.send_inputs(7, method='simulate', topic='simulate')
    topic, task = queues.get_task(5)
    task.deserialize()
    task.set_result(task.args[0] + 1)
    task.serialize()
    queues.send_result(task)
    assert (topic, queues.get_result('simulate', 5).value) == ('simulate', 8)
    queues.flush()
    queues.disconnect()
    assert server.held() == []


def test_stores_speak_tls_and_a_copy_of_one_made_elsewhere_does(server):
    topics = {'infer': TopicStore('redis', threshold=0)}
    with ProxyDepot(Places(new_run_name(), server.address), topics) as depot:
        loan = depot.lend('infer', list(range(1000)))
        assert len(server.held()) == 1
        assert loan.ref[999] == 999
        depot.reclaim(loan)
        assert server.held() == []


@pytest.mark.slow
def test_a_campaign_runs_through_it_and_leaves_it_empty(runs, server):
    runs(*ackley_flags(runs.folder, 20, **STORED), *server.flags(), '--quiet', **server.environment)
    assert runs.assert_complete(20).proxies.created > 20
    assert server.held() == []


WRONG = {
    'wrong authority': (
        lambda server, folder: {'SCOUTBEE_REDIS_CA': other_authority(folder)},
        'its certificate is not trusted',
    ),
    'public authorities': (
        lambda server, folder: {'SCOUTBEE_REDIS_CA': certifi.where()},
        'its certificate is not trusted',
    ),
    'wrong password': (
        lambda server, folder: {'SCOUTBEE_REDIS_PASSWORD_FILE': '', 'SCOUTBEE_REDIS_PASSWORD': 'wrong'},
        'it refused the user or password',
    ),
    'no password': (lambda server, folder: {'SCOUTBEE_REDIS_PASSWORD_FILE': ''}, 'it wants a password'),
    'wrong user': (lambda server, folder: {'SCOUTBEE_REDIS_USERNAME': 'wasp'}, 'it refused the user or password'),
    'no user': (lambda server, folder: {'SCOUTBEE_REDIS_USERNAME': ''}, 'it refused the user or password'),
    'no TLS': (lambda server, folder: {'SCOUTBEE_REDIS_CA': ''}, 'If it wants TLS, set SCOUTBEE_REDIS_TLS=1'),
}  # fmt: skip
"""What is wrong in the environment of the driver, and what it says to that."""


def assert_one_line(said, words):
    (line,) = said.splitlines()
    assert line.startswith('run.py: Redis at 127.0.0.1:')
    assert words in line


@pytest.mark.parametrize('wrong', WRONG)
def test_who_may_not_in_is_told_why_in_one_line_before_anything_starts(runs, server, tmp_path, wrong):
    change, words = WRONG[wrong]
    environment = {**server.environment, **change(server, tmp_path)}
    said = runs(*ackley_flags(runs.folder, 20), *server.flags(), status=2, **environment)
    assert_one_line(said, words)
    assert server.password not in said
    assert runs.directories == []
    assert runs.processes() == []


def test_a_certificate_of_another_name_is_refused(runs, server):
    flags = ('--redishost', 'localhost', '--redisport', server.port)
    said = runs(*ackley_flags(runs.folder, 20), *flags, status=2, **server.environment)
    assert 'its certificate is for another name' in said
    assert len(said.splitlines()) == 1


@pytest.mark.slow
def test_tls_to_a_port_that_does_not_speak_it_is_told_in_one_line(runs, server):
    with EmbeddedRedis() as plain:
        flags = ('--redishost', plain.address.host, '--redisport', plain.address.port)
        said = runs(*ackley_flags(runs.folder, 20), *flags, status=2, **server.environment)
    assert_one_line(said, 'no answer to TLS')
    assert runs.directories == []


@pytest.mark.slow
def test_a_run_is_not_gone_on_with_under_a_wrong_password_and_stays_as_it_was(runs, server):
    flags = ackley_flags(runs.folder, 30, search_size=10, **STORED)
    runs(*flags, *server.flags(), '--quiet', **server.environment)
    before = contents(runs.directory)
    wrong = {**server.environment, 'SCOUTBEE_REDIS_PASSWORD_FILE': '', 'SCOUTBEE_REDIS_PASSWORD': 'wrong'}
    said = runs('--resume', runs.directory, '--search-size', '20', status=2, **wrong)
    assert_one_line(said, 'it refused the user or password')
    assert contents(runs.directory) == before
    runs('--resume', runs.directory, '--search-size', '20', '--quiet', **server.environment)
    runs.assert_complete(20)
    assert server.held() == []
