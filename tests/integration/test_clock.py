"""A clock that jumps while a campaign runs: nothing waits for it, and what is written adds up all the same.

A small library in front of the system's own lets every process of the campaign see the wall clock shifted by what a
file says. The clock that only runs forward is left alone, as a person who sets the clock leaves it alone.
"""

import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from scoutbee.traces.reader import read, read_all
from scoutbee.traces.records import SelectionRecord, SimulationRecord
from scoutbee.traces.summary import read_summary

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HOURS = 3600.0

SHIFTED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile double *offset;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SHIFTED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(0, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) offset = page;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long answer = syscall(SYS_clock_gettime, clock, now);
    if (answer == 0 && clock == CLOCK_REALTIME && offset) now->tv_sec += (time_t)*offset;
    return (int)answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (out) *out = precise.tv_sec;
    return precise.tv_sec;
}
"""


class Clock:
    """The wall clock of the processes that are started with its environment."""

    def __init__(self, folder):
        self._file = folder / 'offset'
        self.set(0.0)
        source, library = folder / 'shifted.c', folder / 'shifted.so'
        source.write_text(SHIFTED)
        subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', str(library), str(source)], check=True)
        self.environment = {**os.environ, 'LD_PRELOAD': str(library), 'SHIFTED_CLOCK': str(self._file)}

    def set(self, seconds):
        """Shift it by so much."""
        if not self._file.exists():
            self._file.write_bytes(struct.pack('d', 0.0))
        with self._file.open('r+b', buffering=0) as file:
            file.write(struct.pack('d', seconds))


@pytest.fixture
def clock(tmp_path):
    if not sys.platform.startswith('linux') or shutil.which('cc') is None:
        pytest.skip('shifting the clock of a process takes Linux and a C compiler')
    return Clock(tmp_path)


def results_in(folder):
    return sum(len(path.read_bytes().splitlines()) for path in folder.glob('runs/*/simulation-results.jsonl'))


def test_the_clock_of_a_process_can_be_shifted(clock):
    clock.set(5 * HOURS)
    code = 'import time, datetime; print(time.time(), datetime.datetime.now().timestamp(), time.monotonic())'
    out = subprocess.run(
        [sys.executable, '-c', code], env=clock.environment, capture_output=True, text=True, check=True
    )
    wall, date, monotonic = map(float, out.stdout.split())
    assert abs(wall - time.time() - 5 * HOURS) < HOURS
    assert abs(date - wall) < HOURS
    assert abs(monotonic - time.monotonic()) < HOURS


@pytest.mark.parametrize('engine', ['local', 'parsl'])
def test_a_campaign_is_not_confused_by_a_clock_that_jumps(clock, tmp_path, engine):
    config = tmp_path / 'ackley.yaml'
    settings = {
        'ackley': {'points': 90, 'delay_scale': 0.01},
        'search_size': 90,
        'retrain_frequency': 20,
        'buffer_size': 90,
        'num_qc_workers': 2,
        'policy': {'slots': {'reserve': 0}, 'slot_moves': [], 'simulation_lease': 600},
        'max_hours': 1,
    }
    config.write_text(yaml.safe_dump(settings))
    flags = ['--campaign', 'ackley', '--engine', engine, '--config', str(config), '--quiet']
    campaign = subprocess.Popen(
        [sys.executable, str(ROOT / 'run.py'), *flags],
        cwd=tmp_path,
        env={**clock.environment, 'XDG_CACHE_HOME': str(tmp_path / 'cache')},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    began = time.monotonic()
    jumps = iter([5, -7, 30, -200, 0, 3, -3, 12])
    jumped_at = 0
    while campaign.poll() is None:
        if results_in(tmp_path) >= jumped_at + 8:
            jumped_at = results_in(tmp_path)
            clock.set(next(jumps, 12) * HOURS)
        if time.monotonic() - began > 240:
            campaign.kill()
        time.sleep(0.02)
    out, err = campaign.communicate()
    took = time.monotonic() - began
    (run_dir,) = (tmp_path / 'runs').iterdir()
    assert campaign.returncode == 0, f'{out}\n{err}\n{(run_dir / "runtime.log").read_text()[-8000:]}'
    summary = read_summary(run_dir)
    assert summary.status == 'completed'
    assert (summary.simulations.succeeded, summary.simulations.failed) == (90, 0)
    assert summary.simulations.lost_and_resubmitted == 0
    assert 0 < summary.wall_seconds <= took
    written = [record.time for record in read_all(run_dir)]
    assert max(written) - min(written) > 4 * HOURS  # It did jump.
    assert len({r.key for r in read(run_dir, SimulationRecord) if r.outcome == 'observed'}) == 90
    assert all(0 <= record.seconds < took for record in read(run_dir, SelectionRecord))
    assert all(span >= 0 for record in read(run_dir, SimulationRecord) for span in record.spans.values())
