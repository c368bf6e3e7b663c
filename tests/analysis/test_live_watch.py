"""`watch` on a terminal: what it prints, and how it ends."""

import signal
import subprocess
import sys

import pytest

from scoutbee.testing.small_ledger import campaign, ended, write

COMMAND = (sys.executable, '-m', 'scoutbee.analysis', 'watch')


def watch(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def test_a_run_that_has_ended_is_shown_and_left(tmp_path):
    done = watch(write(tmp_path / 'run', [*campaign(), ended(11.0)]))
    assert done.returncode == 0
    for words in ('4/10 simulations', 'generation 1', '1 failed', 'best 4.000', 'completed after 0:11', 'All is done.'):
        assert words in done.stdout, words
    assert not done.stderr


def test_a_run_whose_driver_was_killed_says_how_to_go_on(tmp_path):
    run_dir = write(tmp_path / 'run', campaign())
    done = watch(run_dir)
    assert done.returncode == 0
    assert 'stopped after 0:10' in done.stdout
    assert f'--resume {run_dir}' in done.stdout


def test_a_run_can_be_played_from_its_beginning(tmp_path):
    done = watch(write(tmp_path / 'run', [*campaign(), ended(11.0)]), '--follow-speed', '20')
    assert '0/10 simulations' in done.stdout
    assert '4/10 simulations' in done.stdout


def test_a_run_that_is_not_there_is_waited_for(tmp_path):
    process = subprocess.Popen([*COMMAND, str(tmp_path / 'run')], stdout=subprocess.PIPE, text=True)
    assert 'waiting' in process.stdout.readline()
    write(tmp_path / 'run', [*campaign(), ended(11.0)])
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert '4/10 simulations' in out


def test_an_interrupt_ends_it_at_once(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, str(tmp_path / 'run')], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, '')


def test_a_run_of_another_scoutbee_is_refused(tmp_path):
    run_dir = write(tmp_path / 'run', campaign()[:2])
    path = run_dir / 'events.jsonl'
    path.write_bytes(path.read_bytes().replace(b'"schema_version":2', b'"schema_version":9'))
    done = watch(run_dir)
    assert done.returncode == 2
    assert 'schema version 9' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    'arguments',
    [('--port', '80'), ('--serve', '--port', '0'), ('--follow-speed', '0'), ('--serve', '--follow-speed', '2')],
)
def test_flags_that_will_not_do_are_refused(tmp_path, arguments):
    done = watch(tmp_path, *arguments)
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
