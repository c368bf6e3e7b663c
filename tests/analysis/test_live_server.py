"""The page's server, as any program on this machine may talk to it."""

import http.client
import json
import re
import socket
import subprocess
import sys
import time

import psutil
import pytest

from scoutbee.testing.served_page import ServedPage
from scoutbee.testing.small_ledger import campaign, ended, simulated, write


def ask(page, path='/', token=None, method='GET', **headers):
    connection = http.client.HTTPConnection('127.0.0.1', page.port, timeout=30)
    given = page.token if token is None else token
    separator = '&' if '?' in path else '?'
    connection.request(method, f'{path}{separator}token={given}' if given else path, headers=headers)
    return connection.getresponse()


@pytest.fixture(scope='module')
def served(tmp_path_factory):
    with ServedPage(write(tmp_path_factory.mktemp('served') / 'run', [*campaign(), ended(11.0)])) as page:
        yield page


def first_update(answer):
    line = answer.readline()
    assert line.startswith(b'data: ')
    return json.loads(line[6:])


def test_the_page_says_what_it_may_do(served):
    answer = ask(served)
    text = answer.read().decode()
    assert answer.status == 200
    policy = answer.headers['Content-Security-Policy']
    assert "default-src 'none'" in policy
    assert "script-src 'self' 'nonce-" in policy
    for word in ('unsafe', 'http:', 'https:', '*'):
        assert word not in policy
    assert answer.headers['Referrer-Policy'] == 'no-referrer'
    assert answer.headers['X-Content-Type-Options'] == 'nosniff'
    assert answer.headers['Cache-Control'] == 'no-store'
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


@pytest.mark.parametrize('path', ['/', '/updates', '/drawing?key=CCO', '/assets/main.js', '/nothing'])
@pytest.mark.parametrize('token', ['', 'wrong'])
def test_nothing_is_shown_without_the_token(served, path, token):
    answer = ask(served, path, token=token)
    assert answer.status == 403
    assert 'whole address' in answer.read().decode()


def test_a_token_given_twice_is_no_token(served):
    assert ask(served, f'/?token={served.token}').status == 403


@pytest.mark.parametrize('host', ['example.org', 'scoutbee.evil.example:80', '127.0.0.1', '127.0.0.1:1', ''])
def test_another_name_of_this_host_is_refused(served, host):
    assert ask(served, Host=host).status == 403


def test_localhost_is_this_host(served):
    assert ask(served, Host=f'localhost:{served.port}').status == 200


@pytest.mark.parametrize('method', ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'])
def test_the_page_can_only_be_read(served, method):
    answer = ask(served, method=method)
    assert answer.status == 405
    assert answer.headers['Allow'] == 'GET'


@pytest.mark.parametrize('path', ['/assets/../app.py', '/assets/%2e%2e/app.py', '/assets/..%2fapp.py', '/assets/'])
def test_only_the_page_itself_is_served(served, path):
    assert ask(served, path).status == 404


def test_all_scripts_of_the_page_are_there(served):
    text = ask(served).read().decode()
    addresses = re.findall(r'"(/assets/[^"?]+)\?', text)
    assert len(addresses) > 8
    for address in addresses:
        answer = ask(served, address)
        assert (answer.status, bool(answer.read())) == (200, True)


def test_updates_tell_of_the_run(served):
    answer = ask(served, '/updates')
    assert answer.headers['Content-Type'].startswith('text/event-stream')
    update = first_update(answer)
    assert update['now']['succeeded'] == 4
    assert update['now']['status'] == 'completed'
    assert update['best']['key'] == ['a', 'b', 'e', 'd']


def test_molecules_are_drawn_for_dark_and_light(served):
    pytest.importorskip('rdkit')
    answer = ask(served, '/drawing?key=CCO')
    text = answer.read().decode()
    assert answer.status == 200
    assert answer.headers['Content-Type'] == 'image/svg+xml'
    assert 'prefers-color-scheme:dark' in text
    assert ask(served, '/drawing?key=point-1').status == 404
    assert ask(served, '/drawing').status == 404
    assert ask(served, '/drawing?key=' + 'C' * 1000).status == 404


def test_it_listens_on_the_loopback_interface_alone(served):
    listening = [c for c in psutil.Process(served.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.ip for c in listening} == {'127.0.0.1'}


def test_a_page_sees_what_is_written_after_it_was_opened(tmp_path):
    run_dir = tmp_path / 'run'
    page = ServedPage(run_dir)
    answer = ask(page, '/updates')
    assert first_update(answer)['now']['phase'] == 'awaited'
    write(run_dir, campaign())
    found = {}
    while found.get('succeeded') != 4:
        line = answer.readline()
        found = json.loads(line[6:]).get('now', found) if line.startswith(b'data: ') else found
    write(run_dir, [simulated(12.0, 'f', 9.0)])
    while found.get('succeeded') != 5:
        line = answer.readline()
        found = json.loads(line[6:]).get('now', found) if line.startswith(b'data: ') else found
    page.end()


def test_a_page_that_takes_nothing_holds_no_one_up(served):
    """It asks for updates and never reads them; another page is served all the same, and the end waits for neither."""
    stuck = socket.create_connection(('127.0.0.1', served.port))
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    request = f'GET /updates?token={served.token} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n'
    stuck.sendall(request.encode())
    assert first_update(ask(served, '/updates'))['now']['succeeded'] == 4


def test_an_interrupt_ends_it_with_pages_open_and_leaves_nothing(tmp_path):
    page = ServedPage(write(tmp_path / 'run', campaign()))
    answer = ask(page, '/updates')
    first_update(answer)
    before = sorted(tmp_path.rglob('*'))
    began = time.monotonic()
    code, _, err = page.end()
    assert (code, err) == (130, '')
    assert time.monotonic() - began < 20
    assert sorted(tmp_path.rglob('*')) == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(('127.0.0.1', page.port), timeout=1)


def test_a_port_that_is_taken_is_named(served, tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'scoutbee.analysis', 'watch', str(tmp_path), '--serve', '--port', str(served.port)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert f'got {served.port}' in done.stderr
    assert 'Traceback' not in done.stderr
