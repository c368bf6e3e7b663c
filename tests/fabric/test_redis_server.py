import os
import signal
import subprocess
import sys

import psutil
import pytest
import redis

from scoutbee.fabric.errors import EngineError
from scoutbee.fabric.redis_server import EmbeddedRedis


def test_it_answers_whoever_knows_the_password_and_is_gone_afterwards():
    with EmbeddedRedis() as server:
        client = server.address.connect()
        client.set('a', 'b')
        assert client.get('a') == b'b'
        with pytest.raises(redis.ResponseError):
            client.save()  # it has nowhere to write to
        process = psutil.Process(server.pid)
        assert server.address.password not in ' '.join(process.cmdline())
        assert {c.laddr.ip for c in process.net_connections('inet') if c.status == 'LISTEN'} == {'127.0.0.1'}
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
