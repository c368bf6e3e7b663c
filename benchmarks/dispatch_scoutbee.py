"""Scoutbee itself on sleeping tasks: a whole ``run.py``, whose ledger tells what its workers did and when."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from pathlib import Path

import psutil
from chaos_campaigns import Place, Setup, start_driver
from chaos_processes import Kind, RunProcesses, kill
from chaos_run import PATIENCE, Growth, tails
from dispatch_figures import Run, Work

from scoutbee.traces.reader import read
from scoutbee.traces.records import SimulationRecord

_LOOK_SECONDS = 0.1


def run(work: Work, engine: str) -> Run:
    """Run a campaign of points that sleep for as long as the work says.

    Raises:
        RuntimeError: If it does not end well.
    """
    with tempfile.TemporaryDirectory(prefix='scoutbee-dispatch-') as folder:
        place = Place(Path(folder) / 'run', Path(folder) / 'cache')
        setup = _setup(work, engine)
        place.prepare(setup)
        driver_cpu, server_cpu, other_cpu = _follow(setup, place)
        run_dir = place.run_dir()
        assert run_dir is not None
        tasks = [
            (int(r.worker_info['pid']), r.timestamps['compute_started'], r.timestamps['compute_ended'])
            for r in read(run_dir, SimulationRecord)
            if r.outcome == 'observed'
        ]
    return Run(tasks, driver_cpu, server_cpu, other_cpu)


def _setup(work: Work, engine: str) -> Setup:
    settings = {
        # Without a spread, every delay is the same.
        'ackley': {
            'points': work.tasks,
            'delay_log_mean': math.log(work.seconds or 1.0),
            'delay_log_std': 0.0,
            'delay_scale': 1.0 if work.seconds else 0.0,
        },
        'search_size': work.tasks,
        'buffer_size': 256,
        'retrain_frequency': work.tasks,
        'num_qc_workers': work.workers,
        'policy': {'slots': {'reserve': 0}, 'slot_moves': []},
    }
    return Setup('ackley', engine, settings)


def _follow(setup: Setup, place: Place) -> tuple[float, float, float]:
    """Run it to its end; returns the processor time of driver, task server and others from first to last result."""
    processes, growth = RunProcesses(), Growth(place)
    used = _Used()
    driver = start_driver(setup, place, processes.environment(place.environment()))
    processes.adopt(driver.pid)
    try:
        while driver.poll() is None:
            growth.look()
            if growth.still > PATIENCE:
                raise RuntimeError(f'No result for {PATIENCE:g} s after {growth.results} of them.')
            if 0 < growth.results < setup.size:
                used.look(processes)
            time.sleep(_LOOK_SECONDS)
    finally:
        for process in processes.members():
            kill(process)
    if driver.returncode != 0:
        raise RuntimeError(f'Expected run.py to end with status 0, got {driver.returncode}.\n{tails(place)}')
    found = used.by_kind()
    return found.pop('driver', 0.0), found.pop('task server', 0.0), sum(found.values())


class _Used:
    """Processor time that processes use from the first look to the last, those that end before included."""

    def __init__(self) -> None:
        self._first: dict[tuple[Kind, int], float] | None = None
        self._last: dict[tuple[Kind, int], float] = {}

    def look(self, processes: RunProcesses) -> None:
        """Note what each has used."""
        for kind, found in processes.by_kind().items():
            for process in found:
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    self._last[kind, process.pid] = times.user + times.system
        if self._first is None:
            self._first = dict(self._last)

    def by_kind(self) -> dict[Kind, float]:
        """Seconds that those of each kind have used."""
        used: dict[Kind, float] = {}
        for (kind, pid), seconds in self._last.items():
            used[kind] = used.get(kind, 0.0) + seconds - (self._first or {}).get((kind, pid), 0.0)
        return used
