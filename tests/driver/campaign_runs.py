"""Runs of `run.py` as a person makes them, followed from outside, and what must be left of them: nothing but files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import yaml

from scoutbee.traces.reader import read
from scoutbee.traces.records import EventRecord, SelectionRecord, SimulationRecord
from scoutbee.traces.summary import Summary, read_summary

ROOT = Path(__file__).parents[2]

_MARK = 'CAMPAIGN_RUNS_MARK'
_REDIS = ('valkey-server', 'redis-server')


class CampaignRuns:
    """Starts `run.py` in a folder of its own, with a folder of its own for temporary files.

    Attributes:
        folder: The folder.
        temporary: The folder for temporary files.
        program: What a driver is started with, before its flags.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / 'tmp'
        self.temporary.mkdir()
        self.program: tuple[str, ...] = (sys.executable, str(ROOT / 'run.py'))
        self._mark = uuid.uuid4().hex
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *flags: object, **environment: str) -> subprocess.Popen[str]:
        """Start a driver, which leads a session of its own as in a terminal."""
        process = subprocess.Popen(
            [*self.program, *map(str, flags)],
            cwd=self.folder,
            env={
                **os.environ,
                'XDG_CACHE_HOME': str(self.folder / 'cache'),
                'TMPDIR': str(self.temporary),
                _MARK: self._mark,
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], status: int = 0, timeout: float = 280) -> str:
        """Wait for a driver to end with a status; returns what it said."""
        out, err = process.communicate(timeout=timeout)
        assert process.returncode == status, f'exit status {process.returncode}\n{out}\n{err}\n{self._logs()}'
        assert 'Traceback' not in err
        return out + err

    def __call__(self, *flags: object, status: int = 0, **environment: str) -> str:
        """Run a driver to its end."""
        return self.finish(self.start(*flags, **environment), status)

    def close(self) -> None:
        """End what a failed test left."""
        for process in self._started:
            process.kill()
            process.communicate()
        for left in self.processes():
            left.kill()

    @property
    def directories(self) -> list[Path]:
        """All run directories."""
        runs = self.folder / 'runs'
        return sorted(path for path in runs.iterdir() if path.is_dir()) if runs.exists() else []

    @property
    def directory(self) -> Path:
        """The only run directory there is."""
        (found,) = self.directories
        return found

    def events(self, event: str) -> list[EventRecord]:
        """Events of the run, by their word."""
        return [record for record in read(self.directory, EventRecord) if record.event == event]

    def results(self) -> int:
        """Lines of simulations that came back so far."""
        found = list((self.folder / 'runs').glob('*/simulation-results.jsonl'))
        return len(found[0].read_text().splitlines()) if found else 0

    def wait(self, ready: Callable[[], object], seconds: float = 120) -> None:
        """Follow the run until something holds."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f'It did not come to that within {seconds} s.\n{self._logs()}')
            time.sleep(0.01)

    def wait_for_results(self, wanted: int) -> None:
        """Follow the run until so many results are in it."""
        self.wait(lambda: self.results() >= wanted)

    # -- its processes ------------------------------------------------------------------------------------------

    def processes(self) -> list[psutil.Process]:
        """All processes that descend from the drivers started here, whoever their parents are now."""
        return [process for process in psutil.process_iter() if self._is_mine(process)]

    def _is_mine(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error, OSError):
            # A Redis server writes its title over its environment; it works in the run directory.
            is_ours = process.environ().get(_MARK) == self._mark or process.cwd().startswith(str(self.folder))
            return is_ours and process.status() != psutil.STATUS_ZOMBIE
        return False

    def redis(self) -> psutil.Process:
        """The embedded Redis server."""
        return next(p for p in self.processes() if any(name in ' '.join(p.cmdline()) for name in _REDIS))

    def task_server(self, driver: subprocess.Popen[str]) -> psutil.Process | None:
        """The task server, if it runs."""
        for child in psutil.Process(driver.pid).children():
            with suppress(psutil.Error, ProcessLookupError):
                if 'spawn_main' in ' '.join(child.cmdline()) and os.getsid(child.pid) == child.pid:
                    return child
        return None

    # -- what is left -------------------------------------------------------------------------------------------

    def assert_nothing_left(self) -> None:
        """No process, no temporary file, no key file, no object, no Redis data."""
        self.wait(lambda: not self.processes(), 30)
        assert list(self.temporary.iterdir()) == []
        for run_dir in self.directories:
            assert not (run_dir / 'engine' / 'redis').exists()
            assert not (run_dir / 'engine' / 'names.json').exists()
            assert not (run_dir / 'objects').exists()
            assert (run_dir / '.lock').read_text() == ''

    def assert_complete(self, succeeded: int, run_dir: Path | None = None) -> Summary:
        """A run (the only one) is complete: each candidate was observed once, and every object was taken back."""
        run_dir = run_dir or self.directory
        summary = read_summary(run_dir)
        assert summary.status == 'completed'
        assert summary.simulations.succeeded == succeeded
        assert summary.proxies.leaked == 0
        assert summary.proxies.created == summary.proxies.evicted
        assert summary.slots['simulate'].utilization
        for name in ('params.yaml', 'provenance.json', 'runtime.log', 'events.jsonl', 'report.html'):
            assert (run_dir / name).stat().st_size > 0
        keys = [r.key for r in read(run_dir, SimulationRecord) if r.outcome == 'observed']
        assert len(keys) == len(set(keys)) == succeeded
        return summary

    def _logs(self) -> str:
        return '\n'.join((run / 'runtime.log').read_text()[-4000:] for run in self.directories)


def choices(run_dir: Path) -> tuple[object, ...]:
    """What was simulated, in which order and why, what came of it, and every ranking."""
    submitted: dict[str, object] = {}
    for event in read(run_dir, EventRecord):
        if event.event == 'submitted':
            submitted.setdefault(event.facts['key'], (event.facts['args'], event.facts['choice']))
    values = {r.key: r.value for r in read(run_dir, SimulationRecord) if r.outcome == 'observed'}
    rankings = [(s.ranking, s.models, s.observations, s.taken, s.top) for s in read(run_dir, SelectionRecord)]
    return list(submitted.items()), values, rankings


def ackley_flags(folder: Path, points: int = 60, delay: float = 0.0, engine: str = 'local', **settings: object):
    """Flags of a small ackley campaign on two workers; ``policy`` and others go into its YAML."""
    given = {
        'ackley': {'points': points, 'delay_scale': delay},
        'search_size': points,
        'retrain_frequency': 20,
        'buffer_size': points,
        'num_qc_workers': 2,
        **settings,
        'policy': {'slots': {'reserve': 0}, 'slot_moves': [], **settings.get('policy', {})},
    }
    config = folder / 'ackley.yaml'
    config.write_text(yaml.safe_dump(given))
    return ('--campaign', 'ackley', '--engine', engine, '--config', config, '--seed', '3')
