"""The run directory: its name, what stands in it from the start, who may write it, and what never gets in."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys

import pytest

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.driver.run_directory import RunDirectory
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
        'try: RunDirectory.reopen(Path(sys.argv[1])).close()\n'
        'except Exception as error: print(error)'
    )
    with RunDirectory.create(chosen) as directory:
        command = [sys.executable, '-c', opener, str(directory.path)]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert f'process {os.getpid()} on' in refused.stdout
        with pytest.raises(ConfigurationError, match='this process'):
            RunDirectory.reopen(directory.path)
    free = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert free.stdout == ''


def test_a_resumption_adds_its_provenance_and_keeps_the_settings(chosen):
    with RunDirectory.create(chosen) as directory:
        params = (directory.path / 'params.yaml').read_text()
    with RunDirectory.reopen(directory.path, ['--resume', 'x']):
        assert (directory.path / 'params.yaml').read_text() == params
    (resumed,) = directory.path.glob('provenance-resumed-*.json')
    assert json.loads(resumed.read_text())['arguments'] == ['--resume', 'x']


def test_a_folder_that_is_no_run_directory_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r'params\.yaml'):
        RunDirectory.reopen(tmp_path)


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
