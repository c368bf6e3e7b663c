"""A disk that fills up while a campaign runs: a real one, small, mounted for the test."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from scoutbee.contracts.policy import Policy, Slots
from scoutbee.driver.run_directory import RunDirectory
from scoutbee.driver.settings_layers import load_settings
from scoutbee.testing.campaign import HillCampaign
from scoutbee.testing.inline import run_inline
from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import read, read_all
from scoutbee.traces.records import EventRecord, SimulationRecord
from scoutbee.traces.summary import read_summary
from scoutbee.traces.writer import TraceWriter

ROOT = Path(__file__).parents[2]


def mount(*arguments: str) -> bool:
    try:
        return subprocess.run(['mount', *arguments], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a disk of a size, or gives it another; returns where it is."""
    where = tmp_path / 'disk'

    def make(size: str) -> Path:
        options = f'size={size}'
        if where.exists():
            assert mount('-o', f'remount,{options}', str(where))
            return where
        where.mkdir()
        if not mount('-t', 'tmpfs', '-o', options, 'tmpfs', str(where)):
            pytest.skip('a small disk cannot be mounted here: that takes Linux and its root')
        return where

    yield make
    if os.path.ismount(where):
        subprocess.run(['umount', str(where)], check=True)


def test_every_record_that_was_written_is_whole_and_the_next_ones_are_after_space_was_made(disk):
    folder = disk('64k')
    writer = TraceWriter(folder / 'run')
    written = []

    def fill() -> None:
        for number in range(10_000):
            writer.event('a', 'tick', 'x' * (number % 700), number=number)
            written.append(number)

    with pytest.raises(TraceError, match=r'events\.jsonl: the disk is full.*go on with --resume'):
        fill()
    assert [record.facts['number'] for record in read(folder / 'run', EventRecord)] == written
    assert (folder / 'run' / 'events.jsonl').read_bytes().endswith(b'\n')
    with pytest.raises(TraceError):
        writer.event('a', 'tick', 'x' * 5_000)
    disk('1m')
    writer.event('a', 'after', 'It goes on.')
    writer.close()
    *before, after = read(folder / 'run', EventRecord)
    assert (len(before), after.event) == (len(written), 'after')


@pytest.mark.parametrize('size', ['32k', '60k', '100k', '160k'])
def test_a_campaign_ends_as_failed_and_goes_on_after_space_was_made(disk, size):
    run_dir = disk(size) / 'run'
    policy = Policy(search_size=150, buffer_size=8, retrain_frequency=10, slots=Slots(simulate=2, train=1, infer=1))
    first = run_inline(HillCampaign(), policy, run_dir)
    assert first.outcome.status == 'failed'
    assert 'the disk is full' in first.outcome.reason
    assert not first.depot.lent
    before = {r.key: r.value for r in read(run_dir, SimulationRecord) if r.outcome == 'observed'}
    assert len(list(read_all(run_dir))) > len(before)
    disk('10m')
    again = run_inline(HillCampaign(), policy, run_dir, resume=first.shelf)
    assert again.outcome.status == 'completed'
    observed = [(r.key, r.value) for r in read(run_dir, SimulationRecord) if r.outcome == 'observed']
    assert len(observed) == len(dict(observed)) == 150
    assert before.items() <= dict(observed).items()


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs a device that is always full')
def test_a_log_that_cannot_be_written_is_done_without(tmp_path, capsys):
    chosen = load_settings(['--campaign', 'ackley', '--runs-dir', str(tmp_path / 'runs')], {})
    with RunDirectory.create(chosen) as directory:
        (directory.path / 'runtime.log').symlink_to('/dev/full')
        directory.log()
        logging.getLogger('scoutbee.test').warning('Nobody will read this.')
    assert capsys.readouterr().err == ''


@pytest.mark.slow
def test_a_person_is_told_and_can_resume(disk, tmp_path):
    folder = disk('400k')
    config = tmp_path / 'ackley.yaml'
    config.write_text(
        yaml.safe_dump(
            {
                'ackley': {'points': 300, 'delay_scale': 0.0},
                'search_size': 300,
                'retrain_frequency': 60,
                'buffer_size': 300,
                'num_qc_workers': 2,
                'redis_patience': 5,
                'policy': {'slots': {'reserve': 0}, 'slot_moves': []},
            }
        )
    )

    def run(*flags: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / 'run.py'), *map(str, flags), '--quiet']
        environment = {**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache')}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
        )

    ended = run('--campaign', 'ackley', '--engine', 'local', '--config', config, '--runs-dir', folder / 'runs')
    said = ended.stdout + ended.stderr
    assert ended.returncode == 3, said
    assert 'Traceback' not in said
    assert 'disk' in said or 'space' in said
    (run_dir,) = (folder / 'runs').iterdir()
    before = len([r for r in read(run_dir, SimulationRecord) if r.outcome == 'observed'])
    disk('50m')
    resumed = run('--resume', run_dir)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert read_summary(run_dir).simulations.succeeded == 300
    keys = [r.key for r in read(run_dir, SimulationRecord) if r.outcome == 'observed']
    assert len(keys) == len(set(keys)) == 300 > before > 0
