"""The run directory: its name, what stands in it from the start, who may write it, and what never gets in."""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import re
import subprocess
import sys
import time

import pytest

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.driver.run_directory import RunDirectory
from scoutbee.driver.run_lock import RunLock
from scoutbee.driver.settings import Settings
from scoutbee.driver.settings_layers import load_settings


@pytest.fixture
def chosen(tmp_path):
    return load_settings(['--campaign', 'ackley', '--runs-dir', str(tmp_path / 'runs')], {})


def test_a_new_directory_tells_what_is_run_and_with_what(chosen):
    with RunDirectory.create(chosen, ['--campaign', 'ackley']) as directory:
        assert re.fullmatch(r'ackley-local-[0-9a-f]{8}-\d{8}T\d{6}Z', directory.path.name)
        again = load_settings(['--config', str(directory.path / 'params.yaml')], {})
        assert again.model_dump(exclude={'config'}) == chosen.model_dump(exclude={'config'})
        facts = json.loads((directory.path / 'provenance.json').read_text())
    assert facts['arguments'] == ['--campaign', 'ackley']
    assert 'numpy' in facts['packages']
    assert facts['python'] == '.'.join(map(str, sys.version_info[:3]))


def test_the_environment_is_not_written_down(chosen, monkeypatch):
    monkeypatch.setenv('SCOUTBEE_REDIS_PASSWORD', 'hunter2-in-the-environment')
    with RunDirectory.create(chosen) as directory:
        written = [path.read_text() for path in directory.path.iterdir()]
    assert written
    assert not any('hunter2' in text for text in written)


def test_two_runs_in_the_same_second_have_a_directory_each(chosen):
    with RunDirectory.create(chosen) as first, RunDirectory.create(chosen) as second:
        assert first.path != second.path


def test_other_settings_give_another_hash_and_another_place_does_not(chosen, tmp_path):
    def part(given):
        with RunDirectory.create(given) as directory:
            return directory.path.name.split('-')[2]

    assert part(chosen) == part(chosen.model_copy(update={'runs_dir': tmp_path / 'elsewhere'}))
    assert part(chosen) != part(chosen.model_copy(update={'seed': 5}))


def test_a_site_of_ones_own_gives_a_name_without_its_folder(chosen, tmp_path):
    with RunDirectory.create(chosen.model_copy(update={'site': str(tmp_path / 'my site.yaml')})) as directory:
        assert directory.path.name.startswith('ackley-my_site-')


def test_a_second_driver_is_told_who_holds_the_directory(chosen):
    opener = (
        'import sys; from pathlib import Path; from scoutbee.driver.run_directory import RunDirectory\n'
        'from scoutbee.driver.settings import Settings\n'
        'try: RunDirectory.reopen(Path(sys.argv[1]), Settings()).close()\n'
        'except Exception as error: print(error)'
    )
    with RunDirectory.create(chosen) as directory:
        command = [sys.executable, '-c', opener, str(directory.path)]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert f'process {os.getpid()} on' in refused.stdout
        with pytest.raises(ConfigurationError, match='this process'):
            RunDirectory.reopen(directory.path, chosen)
    free = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert free.stdout == ''


@pytest.fixture
def abandoned(tmp_path):
    """A folder whose driver, on another host, did not sign off."""
    (tmp_path / '.lock').write_text('process 1 on elsewhere, since 2026-01-01 00:00:00 UTC')
    return tmp_path


def test_the_lock_of_a_process_of_this_host_that_was_killed_is_no_obstacle(chosen, tmp_path):
    holder = (
        'import os, sys; from pathlib import Path; from scoutbee.driver.run_lock import RunLock\n'
        'RunLock(Path(sys.argv[1]), print); os.kill(os.getpid(), 9)'
    )
    subprocess.run([sys.executable, '-c', holder, str(tmp_path)], timeout=60, check=False)
    assert f'on {platform.node()}, since' in (tmp_path / '.lock').read_text()
    said = []
    RunLock(tmp_path, said.append).release()
    assert said == []
    assert (tmp_path / '.lock').read_text() == ''


def test_a_driver_on_another_host_that_shows_no_sign_of_life_is_gone(abandoned):
    said = []
    RunLock(abandoned, said.append, silence_seconds=0.1).release()
    assert 'process 1 on elsewhere' in said[0]


def test_a_driver_on_another_host_that_shows_a_sign_of_life_has_the_directory(abandoned):
    # The lock was granted, as on a file system where each host has its own.
    with pytest.raises(ConfigurationError, match='process 1 on elsewhere, since 2026'):
        RunLock(abandoned, lambda _: os.utime(abandoned / '.lock', (1, 1)), silence_seconds=5)
    RunLock(abandoned, lambda _: None, silence_seconds=0.1).release()


def test_a_driver_shows_signs_of_life_until_it_signs_off(tmp_path, monkeypatch):
    monkeypatch.setattr('scoutbee.driver.run_lock.BEAT_SECONDS', 0.01)
    lock = RunLock(tmp_path, print)
    os.utime(tmp_path / '.lock', (1, 1))
    deadline = time.monotonic() + 10
    while (tmp_path / '.lock').stat().st_mtime == 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (tmp_path / '.lock').stat().st_mtime > 1
    lock.release()


def test_a_file_system_without_locks_is_gone_by_signs_of_life(tmp_path, monkeypatch):
    def lockf(*_):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr('fcntl.lockf', lockf)
    (tmp_path / '.lock').write_text(f'process 1 on {platform.node()}, since then')
    with pytest.raises(ConfigurationError, match='process 1'):
        RunLock(tmp_path, lambda _: os.utime(tmp_path / '.lock', (1, 1)), silence_seconds=5)
    RunLock(tmp_path, lambda _: None, silence_seconds=0.1).release()


def test_a_resumption_adds_its_provenance_and_keeps_its_settings_and_those_that_were_changed(chosen):
    with RunDirectory.create(chosen) as directory:
        params = (directory.path / 'params.yaml').read_text()
    larger = chosen.model_copy(update={'search_size': 751})
    with RunDirectory.reopen(directory.path, larger, ['--resume', 'x']):
        changed = (directory.path / 'params.yaml').read_text()
    assert changed == params.replace('search_size: 750', 'search_size: 751')
    (resumed,) = directory.path.glob('provenance-resumed-*.json')
    assert json.loads(resumed.read_text())['arguments'] == ['--resume', 'x']


def test_a_folder_that_is_no_run_directory_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r'params\.yaml'):
        RunDirectory.reopen(tmp_path, Settings())


def test_the_log_holds_messages_but_no_secrets(chosen):
    logger = logging.getLogger('scoutbee.somewhere')
    with RunDirectory.create(chosen) as directory:
        directory.log()
        directory.hide('hunter2')
        logger.info('connected with %s', 'hunter2')
        try:
            raise ValueError('refused hunter2')
        except ValueError:
            logger.exception('it failed')
        log = directory.path / 'runtime.log'
    logger.info('after the end')
    text = log.read_text()
    assert 'connected with ***' in text
    assert 'ValueError: refused ***' in text
    assert 'hunter2' not in text
    assert 'after the end' not in text
