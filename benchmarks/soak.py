"""Does anything grow that should not? Many thousand tiny tasks through the real program, looked at from outside.

One campaign of ``run.py`` whose points cost nothing, with its real Redis server, task server, workers and agents. Four
times a second the memory, the open files and the threads of every process are noted beside the number of results.

    python benchmarks/soak.py --tasks 20000

The driver may grow by what it must remember of each observation, which is measured too; nothing else may grow. The exit
status is 1 if something does.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from chaos_campaigns import Place, Setup, start_driver
from chaos_processes import KINDS, Kind, RunProcesses, kill
from chaos_run import PATIENCE, Growth, tails
from common import print_table

from scoutbee.traces.replay import replay

FLAT = 100.0
"""Bytes a task by which the memory of a process may seem to grow that does not, because allocators keep pages."""

SLACK = 2.0
"""The driver may grow by so many times what its observations take: allocators round up, containers keep room."""

_PERIOD = 0.25
_SHORTEST = 8
"""Fewer samples than this say nothing about a process."""


@dataclass(frozen=True)
class Sample:
    """One process at one moment.

    Attributes:
        results: Results there were.
        rss: Resident memory in bytes.
        uss: Memory in bytes that would be free if the process ended.
        files: Open file descriptors.
        threads: Threads.
    """

    results: int
    rss: int
    uss: int
    files: int
    threads: int


@dataclass(frozen=True)
class Trend:
    """How one process developed over the last three quarters of the tasks.

    Attributes:
        kind: What it is.
        pid: Its id.
        samples: How often it was looked at.
        rss: Resident memory in bytes, at first and at last.
        uss: Memory of its own in bytes, likewise.
        slope: Bytes of its own by which it grew with each task: least squares.
        files: File descriptors, likewise: median of the first and the last quarter of the samples.
        threads: The same of threads.
    """

    kind: Kind
    pid: int
    samples: int
    rss: tuple[int, int]
    uss: tuple[int, int]
    slope: float
    files: tuple[float, float]
    threads: tuple[float, float]

    def is_flat(self, allowed: float) -> bool:
        """Whether it grows by no more than so many bytes a task, and opens no files and starts no threads for ever."""
        return self.slope <= allowed and self.files[1] <= self.files[0] + 1 and self.threads[1] <= self.threads[0] + 1


def setup(engine: str, tasks: int) -> Setup:
    """The campaign: points that take no time, and a model that is trained once, on the first of them.

    An exact Gaussian process of all of them would grow with their square, by its nature.
    """
    settings = {
        'ackley': {'points': tasks, 'delay_scale': 0.0},
        'search_size': tasks,
        'buffer_size': 256,
        'retrain_frequency': tasks,
        'molecules_per_ml_task': 5_000,
        'num_qc_workers': 2,
        'policy': {'slots': {'reserve': 0}, 'slot_moves': [], 'prefetch': 4},
    }
    return Setup('ackley', engine, settings)


def soak(campaign: Setup, place: Place) -> dict[tuple[Kind, int], list[Sample]]:
    """Run a campaign to its end and look at its processes meanwhile.

    Returns:
        The samples of each process, in order.

    Raises:
        RuntimeError: If the run does not end well.
    """
    place.prepare(campaign)
    processes, growth = RunProcesses(), Growth(place)
    samples: dict[tuple[Kind, int], list[Sample]] = {}
    driver = start_driver(campaign, place, processes.environment(place.environment()))
    processes.adopt(driver.pid)
    try:
        for results in _until_it_ends(driver, growth):
            for kind, found in processes.by_kind().items():
                for process in found:
                    with contextlib.suppress(psutil.Error):
                        samples.setdefault((kind, process.pid), []).append(_sample(process, results))
    finally:
        for process in processes.members():
            kill(process)
    if driver.returncode != 0:
        raise RuntimeError(f'Expected run.py to end with status 0, got {driver.returncode}.\n{tails(place)}')
    return samples


def trends(samples: Mapping[tuple[Kind, int], Sequence[Sample]], tasks: int) -> list[Trend]:
    """How each process developed, once a quarter of the tasks was done and as long as results came.

    Raises:
        RuntimeError: If it was over too soon to tell.
    """
    found = []
    for (kind, pid), series in samples.items():
        late = [sample for sample in series if tasks / 4 <= sample.results < tasks]
        if len(late) >= _SHORTEST:
            found.append(_trend(kind, pid, late))
    if not {'driver', 'task server', 'redis', 'worker'} <= {trend.kind for trend in found}:
        raise RuntimeError('The run was over before enough could be seen of it; ask for more --tasks.')
    return sorted(found, key=lambda trend: (KINDS.index(trend.kind), trend.pid))


def bytes_an_observation(run_dir: Path) -> float:
    """Memory that what is known of one candidate takes, as measured by reading a ledger back."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        history = replay(run_dir)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / len(history.observations)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix='scoutbee-soak-') as folder:
        place = Place(Path(folder) / 'run', Path(folder) / 'cache')
        started = time.monotonic()
        try:
            found = trends(soak(setup(options.engine, options.tasks), place), options.tasks)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        seconds = time.monotonic() - started
        run_dir = place.run_dir()
        assert run_dir is not None
        remembered = bytes_an_observation(run_dir)
    kept = _report(found, remembered, options.tasks, seconds)
    if options.json is not None:
        figures = {'seconds': seconds, 'bytes_an_observation': remembered, 'trends': [asdict(t) for t in found]}
        options.json.write_text(json.dumps(figures, indent=2) + '\n')
    return 0 if kept else 1


def _until_it_ends(driver: subprocess.Popen[bytes], growth: Growth) -> Iterator[int]:
    """The number of results, again and again.

    Raises:
        RuntimeError: If there are no more of them for too long.
    """
    told = 0
    while driver.poll() is None:
        growth.look()
        if growth.still > PATIENCE:
            raise RuntimeError(f'No result for {PATIENCE:g} s after {growth.results} of them.')
        yield growth.results
        if growth.results >= told + 1_000:
            told = growth.results
            print(f'{told:,} results', flush=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(_PERIOD)


def _sample(process: psutil.Process, results: int) -> Sample:
    with process.oneshot():
        memory = process.memory_full_info()
        return Sample(results, memory.rss, memory.uss, process.num_fds(), process.num_threads())


def _trend(kind: Kind, pid: int, series: Sequence[Sample]) -> Trend:
    quarter = max(1, len(series) // 4)
    first, last = series[:quarter], series[-quarter:]
    results = np.array([sample.results for sample in series], dtype=np.float64)
    own = np.array([sample.uss for sample in series], dtype=np.float64)
    return Trend(
        kind=kind,
        pid=pid,
        samples=len(series),
        rss=(series[0].rss, series[-1].rss),
        uss=(series[0].uss, series[-1].uss),
        slope=float(np.polyfit(results, own, 1)[0]),
        files=(median(s.files for s in first), median(s.files for s in last)),
        threads=(median(s.threads for s in first), median(s.threads for s in last)),
    )


def _report(found: Sequence[Trend], remembered: float, tasks: int, seconds: float) -> bool:
    """Print the table and the verdict; returns whether all is flat."""
    rows = [
        (
            trend.kind,
            trend.samples,
            *(f'{value / 2**20:.1f}' for value in (*trend.rss, *trend.uss)),
            f'{trend.slope * 1_000 / 2**10:+.1f}',
            *(f'{value:g}' for value in (*trend.files, *trend.threads)),
        )
        for trend in found
    ]
    headers = ['process', 'samples', 'RSS', '→', 'own', '→', 'kB / 1,000 tasks', 'files', '→', 'threads', '→']
    print_table(
        f'{tasks:,} tasks in {seconds:.0f} s: memory in MB, open files and threads, from a quarter of the tasks to '
        'their end',
        headers,
        rows,
    )
    allowed = {'driver': SLACK * remembered + FLAT}
    growing = [trend for trend in found if not trend.is_flat(allowed.get(trend.kind, FLAT))]
    grew = ', '.join(f'{trend.slope:,.0f}' for trend in found if trend.kind == 'driver')
    print(f'An observation takes {remembered:,.0f} bytes to remember; the driver grew by {grew} bytes for each.')
    for trend in growing:
        print(f'Not flat: {trend.kind} {trend.pid} ({trend.slope:+,.0f} bytes a task).')
    if not growing:
        print('Verdict: flat.')
    return not growing


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--tasks', type=int, default=20_000, help='simulations to run (20000)')
    parser.add_argument('--engine', choices=('local', 'parsl'), default='local', help='what runs them (local)')
    parser.add_argument('--json', type=Path, help='write the figures here')
    return parser


if __name__ == '__main__':
    sys.exit(main())
