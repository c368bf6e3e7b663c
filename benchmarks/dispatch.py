"""How fast are tasks handed out? Scoutbee beside a plain Colmena thinker and beside Parsl alone, on the same work.

Three programs run the same sleeping tasks on two workers, one after the other and again, each as it is released:

* ``parsl``: all tasks submitted at once to a high-throughput executor, with nobody to decide anything: the ceiling.
* ``colmena``: a thinker that sends one task for each that comes back, Redis queues, Parsl's task server.
* ``scoutbee``: ``run.py`` with the campaign ``ackley``, each task recorded before and after it runs.

Beside them stands the processor time that each spends on a task, which other work on the machine changes least.

Every figure is taken from the clock of the workers, on the middle of each run, so that no start and no end counts.

    python benchmarks/dispatch.py
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import dispatch_peers
import dispatch_scoutbee
from common import print_table
from dispatch_figures import Figures, Work, figures_of

PROGRAMS: Mapping[str, Callable[[Work], Figures]] = {
    'parsl': lambda work: figures_of(dispatch_peers.run('parsl', work), work),
    'colmena': lambda work: figures_of(dispatch_peers.run('colmena', work), work),
    'scoutbee': lambda work: figures_of(dispatch_scoutbee.run(work, 'parsl'), work),
    'scoutbee, local engine': lambda work: figures_of(dispatch_scoutbee.run(work, 'local'), work),
}
"""What is compared, by name."""

TASKS: Mapping[float, int] = {0.0: 1_200, 0.05: 160, 0.2: 60, 1.0: 16}
"""Seconds that a task sleeps, and how many such tasks a run has."""

RUNS: Mapping[float, int] = {0.0: 3, 0.05: 3, 0.2: 3, 1.0: 1}
"""How often each program runs them: starting one takes longer than its tasks, and long ones leave little to chance."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    found: dict[float, dict[str, list[Figures]]] = {}
    for seconds in options.seconds:
        runs: dict[str, list[Figures]] = {name: [] for name in options.programs}
        work = Work(seconds, max(40, int(TASKS[seconds] * options.scale)), options.workers)
        for repeat in range(options.repeats or RUNS[seconds]):
            # In turn, and every other time backwards: whatever else the machine does hits all of them.
            for name in options.programs[:: -1 if repeat % 2 else 1]:
                runs[name].append(PROGRAMS[name](work))
                print(f'{seconds:g} s, {name}: {runs[name][-1]}', flush=True)
        found[seconds] = runs
    for seconds, runs in found.items():
        _report(seconds, runs)
    if options.json is not None:
        plain = {f'{s:g}': {name: [f.__dict__ for f in runs[name]] for name in runs} for s, runs in found.items()}
        options.json.write_text(json.dumps(plain, indent=2) + '\n')
    return 0


def _report(seconds: float, runs: Mapping[str, Sequence[Figures]]) -> None:
    rows = []
    base = {name: _median(runs['colmena'], name) for name in Figures.__dataclass_fields__} if 'colmena' in runs else {}
    ceiling = _median(runs['parsl'], 'rate') if 'parsl' in runs else None
    for name, figures in runs.items():
        row = {field: _median(figures, field) for field in Figures.__dataclass_fields__}
        share = f'{row["rate"] / ceiling:.2f}' if ceiling else ''
        ratio = f'{base["idle_median"] / row["idle_median"]:.1f}' if base and row['idle_median'] else ''
        rows.append(
            (
                name,
                f'{row["rate"]:.0f}',
                share,
                f'{1e3 * row["idle_median"]:.2f}',
                f'{1e3 * row["idle_p95"]:.2f}',
                ratio,
                f'{row["utilization"]:.4f}',
                f'{1e3 * row["driver_cpu"]:.2f}',
                f'{1e3 * row["server_cpu"]:.2f}',
                f'{1e3 * row["other_cpu"]:.2f}',
            )
        )
    headers = [
        'program', 'tasks/s', 'of Parsl', 'idle ms', 'p95', 'Colmena / this', 'utilization', 'driver CPU ms/task',
        'server', 'others',
    ]  # fmt: skip
    print_table(f'Tasks of {seconds:g} s; medians of {max(map(len, runs.values()))} runs', headers, rows)


def _median(figures: Sequence[Figures], field: str) -> float:
    return float(median(getattr(each, field) for each in figures))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--seconds', type=float, nargs='+', choices=TASKS, default=list(TASKS), help='task times')
    parser.add_argument('--programs', nargs='+', choices=PROGRAMS, default=list(PROGRAMS), help='what to compare')
    parser.add_argument('--repeats', type=int, help='runs of each program (3; 1 with 1 s)')
    parser.add_argument('--workers', type=int, default=2, help='workers (2)')
    parser.add_argument('--scale', type=float, default=1.0, help='factor on the number of tasks (1)')
    parser.add_argument('--json', type=Path, help='write the figures here')
    return parser


if __name__ == '__main__':
    sys.exit(main())
