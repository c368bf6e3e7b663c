"""From the command to the first simulation running: where the time goes.

Starts the real command again and again, each time with nothing kept from before and then with the features that this
left in the cache, follows it until its first simulation has come back, and ends it. The times are those that the run
itself wrote down. CPU seconds are those of all its processes until the first simulation ran, so that figures of a busy
machine can be compared.

The command is `./run_local.sh`, which installs first where nothing is installed; that is not timed.

    python benchmarks/startup.py --repeats 3
    python benchmarks/startup.py --repeats 5 --command "python run.py" -- --campaign ackley --engine local
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil
from chaos_processes import RunProcesses
from common import print_table

from scoutbee.traces.reader import read
from scoutbee.traces.records import EventRecord, SimulationRecord

HERE = Path(__file__).resolve().parent.parent

_LOOK_SECONDS = 0.05
_SAMPLE_SECONDS = 0.25
_STAGE = re.compile(r'(?P<name>[A-Za-z ]+) (?P<seconds>[0-9.]+) s')
_SERVER_LINES = {
    'task server takes tasks': 'Ready for tasks',
    'a simulation worker is warm': 'A worker of simulate is warm',
    'the learning worker is warm': 'A worker of learn is warm',
}
_IN_ALL = 'CPU seconds by then'


class Watched:
    """One start of the command, followed until its first simulation has come back."""

    def __init__(self, command: Sequence[str], folder: Path, cache: Path) -> None:
        """Start it."""
        self.folder = folder
        self._cpu: dict[psutil.Process, tuple[str, float]] = {}
        self._samples: list[tuple[float, dict[str, float]]] = []
        self._members = RunProcesses()
        env = self._members.environment({**os.environ, 'XDG_CACHE_HOME': str(cache)})
        with (folder / 'out.log').open('w') as out:
            self.began = time.time()
            self._process = psutil.Popen(
                [*command, '--runs-dir', str(folder / 'runs')],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=HERE,
                start_new_session=True,
            )
        self._members.adopt(self._process.pid)

    def follow(self, seconds: float) -> None:
        """Wait for the first result, and end the run.

        Raises:
            RuntimeError: If it ends before, or takes too long.
        """
        deadline = time.monotonic() + seconds
        try:
            while not self._has_result():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f'No simulation came back. {(self.folder / "out.log").read_text()[-2000:]}')
                self._sample()
                time.sleep(_LOOK_SECONDS)
        finally:
            self._end()

    def _has_result(self) -> bool:
        return any(path.stat().st_size for path in self.folder.glob('runs/*/simulation-results.jsonl'))

    def _sample(self) -> None:
        if self._samples and time.time() - self._samples[-1][0] < _SAMPLE_SECONDS:
            return
        for process in self._members.members():
            with suppress(psutil.Error, ProcessLookupError):
                times = process.cpu_times()
                self._cpu[process] = self._members.kind(process) or 'the rest', times.user + times.system
        spent: dict[str, float] = {}
        for kind, seconds in self._cpu.values():
            spent[kind] = spent.get(kind, 0.0) + seconds
        self._samples.append((time.time(), spent))

    def _end(self) -> None:
        for _ in range(2):  # the second time it waits for nothing
            with suppress(psutil.Error):
                self._process.send_signal(signal.SIGINT)
            time.sleep(_LOOK_SECONDS)
        self._process.wait()

    def timeline(self) -> dict[str, float]:
        """Seconds from the start to the end of each stage, and the CPU seconds spent by then on everything."""
        (run_dir,) = self.folder.glob('runs/*')
        ends = self._driver_stages(run_dir)
        for name, text in _SERVER_LINES.items():
            at = _logged(run_dir / 'engine' / 'server.log', text)
            if at is not None:
                ends[name] = at - self.began
        events = list(read(run_dir, EventRecord))
        ends['agents set out'] = next(e.time for e in events if e.event == 'started') - self.began
        ends['first simulation sent'] = next(e.time for e in events if e.event == 'submitted') - self.began
        ran = [r.timestamps['compute_started'] for r in read(run_dir, SimulationRecord)]
        ends['first simulation runs'] = min(ran) - self.began
        return {**dict(sorted(ends.items(), key=lambda item: item[1])), **self._cpu_until(min(ran))}

    def _driver_stages(self, run_dir: Path) -> dict[str, float]:
        """When the stages ended that the driver told of, which counts from when its process was made: the script's."""
        line = next(line for line in (run_dir / 'runtime.log').read_text().splitlines() if 'Ready to set out' in line)
        ends, passed = {}, 0.0
        for found in _STAGE.finditer(line.rpartition(' s: ')[2]):
            passed += float(found['seconds'])
            ends[f'driver: {found["name"].strip()}'] = passed
        return ends

    def _cpu_until(self, end: float) -> dict[str, float]:
        spent = next((kinds for at, kinds in reversed(self._samples) if at <= end), {})
        by_kind = dict(sorted(spent.items(), key=lambda item: -item[1]))
        return {_IN_ALL: sum(by_kind.values()), **{f'CPU seconds: {kind}': each for kind, each in by_kind.items()}}


def _logged(file: Path, text: str) -> float | None:
    """When a line with a text was first logged, seconds since the epoch; None if it was not."""
    for line in file.read_text().splitlines():
        if text in line:
            return datetime.strptime(line[:23], '%Y-%m-%d %H:%M:%S,%f').timestamp()
    return None


def measure(command: Sequence[str], cache: Path, timeout: float) -> dict[str, float]:
    """The timeline of one start."""
    with tempfile.TemporaryDirectory(prefix='scoutbee-startup-') as folder:
        watched = Watched(command, Path(folder), cache)
        watched.follow(timeout)
        return watched.timeline()


def print_timelines(title: str, found: Sequence[Mapping[str, float]]) -> None:
    """Medians, smallest and largest of each stage over all starts."""
    names = [name for name in found[0] if all(name in each for each in found)]
    rows = []
    for name in names:
        values = [each[name] for each in found]
        rows.append((name, f'{statistics.median(values):.2f}', f'{min(values):.2f}', f'{max(values):.2f}'))
    print_table(f'{title}: seconds from the command, {len(found)} starts', ('until', 'median', 'least', 'most'), rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--repeats', type=int, default=3, help='starts of each kind (default: 3)')
    parser.add_argument('--timeout', type=float, default=300.0, help='seconds a start may take (default: 300)')
    parser.add_argument('--command', default='./run_local.sh', help='what is started (default: ./run_local.sh)')
    parser.add_argument('flags', nargs='*', help='flags for it, after --')
    options = parser.parse_args(arguments)
    command = [*shlex.split(options.command), *options.flags]
    print(f'{shlex.join(command)}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
    # Whatever is made only once, an installation or byte-code, is made by this.
    subprocess.run([*command, '--dry-run'], cwd=HERE, check=False, stdout=subprocess.DEVNULL)
    cold, warm = [], []
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory(prefix='scoutbee-cache-') as cache:
            cold.append(measure(command, Path(cache), options.timeout))
            warm.append(measure(command, Path(cache), options.timeout))
    print_timelines('Nothing in the cache', cold)
    print_timelines('Features in the cache', warm)
    return 0


if __name__ == '__main__':
    sys.exit(main())
