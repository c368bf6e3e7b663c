import os
import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest
import redis

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.errors import EngineError
from scoutbee.fabric.own_address import can_listen
from scoutbee.fabric.redis_server import EmbeddedRedis


def listening(pid):
    """Addresses at which a process listens."""
    return {c.laddr.ip for c in psutil.Process(pid).net_connections('inet') if c.status == 'LISTEN'}


def test_it_answers_whoever_knows_the_password_and_is_gone_afterwards():
    with EmbeddedRedis() as server:
        client = server.address.connect()
        client.set('a', 'b')
        assert client.get('a') == b'b'
        with pytest.raises(redis.ResponseError):
            client.save()  # it has nowhere to write to
        process = psutil.Process(server.pid)
        assert server.address.password not in ' '.join(process.cmdline())
        assert listening(server.pid) == {'127.0.0.1'}
        client.close()
    assert not process.is_running()
    assert not server.is_alive()


def test_a_ctrl_c_in_the_terminal_does_not_reach_it():
    with EmbeddedRedis() as server:
        assert os.getpgid(server.pid) != os.getpgid(0)
        assert os.getsid(server.pid) != os.getsid(0)


def test_it_comes_back_at_its_old_address():
    with EmbeddedRedis() as server:
        before = server.address
        os.kill(server.pid, signal.SIGKILL)
        psutil.Process(server.pid).wait(5)
        server.start()
        assert server.address == before
        before.check()


@pytest.mark.parametrize('host', ['127.0.0.2', '::1'])
def test_it_listens_at_one_address_more_for_workers_elsewhere_and_says_that_one(host):
    if host == '::1' and not can_listen(host):
        pytest.skip('this machine has no IPv6')
    with EmbeddedRedis(host=host) as server:
        assert server.address.host == host
        server.address.check()
        replace(server.address, host='127.0.0.1').check()
        assert listening(server.pid) == {'127.0.0.1', host}
        os.kill(server.pid, signal.SIGKILL)
        psutil.Process(server.pid).wait(5)
        server.start()
        assert listening(server.pid) == {'127.0.0.1', host}


@pytest.mark.parametrize('host', ['0.0.0.0', '::', '*', '0', '198.51.100.1', 'nowhere.invalid', '', 'a b', 'ä' * 70])
def test_it_listens_neither_everywhere_nor_where_this_machine_is_not(host):
    with pytest.raises(ConfigurationError, match=r"The driver's address: expected one address of this machine") as told:
        EmbeddedRedis(host=host)
    assert host in str(told.value)
    assert '--driver-address' in str(told.value)


def test_given_a_directory_it_comes_back_with_all_it_held_and_leaves_nothing(tmp_path):
    directory = tmp_path / 'engine' / 'redis'
    directory.mkdir(parents=True)
    (directory / 'appendonlydir').mkdir()  # what another server left, under another password
    with EmbeddedRedis(directory) as server:
        assert directory.stat().st_mode & 0o077 == 0
        client = server.address.connect()
        for number in range(3):
            client.rpush('queue', str(number))
            client.set('object', b'x' * 100_000)
            os.kill(server.pid, signal.SIGKILL)
            psutil.Process(server.pid).wait(5)
            assert not server.is_alive()
            server.start()
        assert client.lrange('queue', 0, -1) == [b'0', b'1', b'2']
        assert client.strlen('object') == 100_000
        client.close()
    assert not directory.exists()


def test_one_that_cannot_start_leaves_nothing_either(tmp_path, monkeypatch):
    monkeypatch.setattr('scoutbee.fabric.redis_server._server_binary', lambda: '/bin/false')
    with pytest.raises(EngineError, match='did not start'), EmbeddedRedis(tmp_path / 'redis'):
        pass
    assert list(tmp_path.iterdir()) == []


def test_asking_too_early_says_what_to_do():
    with pytest.raises(EngineError, match='with'):
        _ = EmbeddedRedis().address


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux kills children of a killed process')
def test_it_does_not_outlive_a_killed_driver():
    code = (
        'import time; from scoutbee.fabric.redis_server import EmbeddedRedis\n'
        'with EmbeddedRedis() as server: print(server.pid, flush=True); time.sleep(60)'
    )
    with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True) as driver:
        server = psutil.Process(int(driver.stdout.readline()))
        driver.kill()
    psutil.wait_procs([server], timeout=5)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
