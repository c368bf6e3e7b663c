"""A task server's process that is started before it is known what it will serve."""

import os
import subprocess
import sys
import time

import psutil

from scoutbee.fabric.redis_environment import PASSWORD, hidden_password
from scoutbee.fabric.server_process import ServerProcess


def tell_about(news, *facts):
    news.send((*facts, os.getsid(0) == os.getpid(), os.environ.get(PASSWORD)))


def is_gone(pid):
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_it_does_what_it_is_told_in_a_session_of_its_own_without_the_password(monkeypatch):
    monkeypatch.setenv(PASSWORD, 'open sesame')
    with ServerProcess('local') as server:
        server.tell(tell_about, 1, 'two')
        assert server.news.recv() == (1, 'two', True, None)
    assert os.environ[PASSWORD] == 'open sesame'
    server.process.join()
    assert server.process.exitcode == 0


def test_one_that_was_told_nothing_ends_with_the_block():
    with ServerProcess('local') as server:
        assert server.process.is_alive()
    assert is_gone(server.process.pid)


def test_one_that_was_told_nothing_ends_with_the_process_that_started_it():
    code = (
        'import os, signal\n'
        'from scoutbee.fabric.server_process import ServerProcess\n'
        'server = ServerProcess("local")\n'
        'server.start()\n'
        'print(server.process.pid, flush=True)\n'
        'os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert is_gone(int(done.stdout))


def test_one_that_has_died_can_be_told_and_is_seen_to_be_dead():
    server = ServerProcess('local')
    server.start()
    server.process.kill()
    server.process.join()
    server.tell(tell_about)
    assert not server.process.is_alive()


def test_a_password_is_hidden_only_inside(monkeypatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    with hidden_password():
        assert PASSWORD not in os.environ
    assert PASSWORD not in os.environ
