"""How long a run of 100,000 tasks takes to read and to report on, and how much memory.

    python benchmarks/report_scale.py [--tasks 100000] [--keep DIR]

A synthetic run is written through the real trace writer; then two fresh processes load every table of it and write its
report. The peer is the reader that checks every line against the schema (``scoutbee.traces.reader``), timed on the same
files.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scoutbee.testing.synthetic_run import IP, SyntheticRun

LOADED = 5.0
REPORTED, MEMORY, SIZE = 60.0, 2e9, 10e6


def main() -> int:
    """Print the figures; returns 1 where one is over its limit."""
    parser = argparse.ArgumentParser(description='Time the reading of a big run, and its report.')
    parser.add_argument('--tasks', type=int, default=100_000)
    parser.add_argument('--keep', type=Path, help='folder for the run, used again where it is there')
    parser.add_argument('--step', choices=['peer', 'load', 'report'], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        told = STEPS[options.step](options.keep)
        print(json.dumps({**told, 'peak_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        run_dir = options.keep or Path(folder) / 'run'
        if not run_dir.exists():
            write(run_dir, options.tasks)
        size = sum(path.stat().st_size for path in run_dir.glob('*.jsonl'))
        print(f'ledger: {size / 1e6:.0f} MB')
        figures = {step: _measure(step, run_dir) for step in STEPS}
        file = (run_dir / 'report.html').stat().st_size
    print(f'every line against the schema: {figures["peer"]["seconds"]:.1f} s, {_memory(figures["peer"])}')
    load, report = figures['load'], figures['report']
    print(f'tasks: {load["tasks"]:.1f} s ({load["cpu"]:.1f} s of CPU) for {load["rows"]:,} (limit {LOADED:.0f} s)')
    print(f'every table: {load["seconds"]:.1f} s, {_memory(load)}')
    print(f'report: {report["seconds"]:.1f} s, {_memory(report)}, {file / 1e6:.1f} MB (limits 60 s, 2 GB, 10 MB)')
    good = load['tasks'] < LOADED and report['seconds'] < REPORTED and report['peak_bytes'] < MEMORY and file < SIZE
    return 0 if good else 1


def write(run_dir: Path, tasks: int) -> None:
    """A synthetic run of about so many tasks, four fifths of them simulations."""
    simulations = tasks * 4 // 5
    rounds = 25
    per_round = max(1, (tasks - simulations) // rounds)
    members = 8
    SyntheticRun(
        run_dir, count=simulations, workers=64, members=members, chunk_seconds=0.03,
        chunks=max(1, per_round // members - 1), retrain_every=max(1, simulations // rounds),
        failures=max(1, simulations // 100),
    ).write()  # fmt: skip


def _peer(run_dir: Path) -> dict[str, float]:
    from scoutbee.traces.reader import read
    from scoutbee.traces.records import RECORDS

    started = time.perf_counter()
    held = [list(read(run_dir, kind)) for kind in RECORDS]
    return {'seconds': time.perf_counter() - started, 'rows': sum(map(len, held))}


def _load(run_dir: Path) -> dict[str, float]:
    from scoutbee.analysis import Run

    run = Run(run_dir)
    started, cpu = time.perf_counter(), time.process_time()
    rows = len(run.tasks)
    tasks, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert all(len(table) for table in run.tables.values())
    return {'tasks': tasks, 'cpu': cpu, 'rows': rows, 'seconds': time.perf_counter() - started}


def _report(run_dir: Path) -> dict[str, float]:
    started = time.perf_counter()
    from scoutbee.analysis.report import write_report

    write_report(run_dir, objective=IP, reference_values=[11.0, 12.0, 12.5, 13.0, 14.1])
    return {'seconds': time.perf_counter() - started}


STEPS = {'peer': _peer, 'load': _load, 'report': _report}


def _measure(step: str, run_dir: Path) -> dict[str, float]:
    """A step in a process of its own, which tells the most memory it used."""
    command = [sys.executable, __file__, '--step', step, '--keep', str(run_dir)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _memory(figures: dict[str, float]) -> str:
    return f'{figures["peak_bytes"] / 1e9:.2f} GB'


if __name__ == '__main__':
    sys.exit(main())
