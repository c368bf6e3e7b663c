"""How many workers can one driver keep busy? Scoutbee's driver and task server before a simulated cluster.

The driver (the six agents, the ledger, the depot), the Redis server and its queues, and the task server with its loop
are those of a real run. Behind the task server, virtual workers answer each simulation after a drawn time; see
``scale_cluster.py``. Four models are trained again and again, predict the whole search space and rank it meanwhile.

* ``most decisions``: simulations so short that nobody could keep up: how many decisions a second there can be.
* ``busy workers``: simulations of 86 s, as the original's took, in real time, at the steady state of such a run.
* ``search spaces``: what a decision costs for more and more candidates.

A decision is a result received, written down and counted, and the next candidate chosen, written down and sent.

    python benchmarks/scale.py
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from common import print_table
from scale_cluster import Cluster
from scale_run import Figures, Trial, run

WORKERS = (64, 1_024, 16_384, 65_536)
CANDIDATES = (1_000, 10_000, 100_000, 1_584_663)

_SPREAD = 0.3
"""Of the logarithm of simulations' times: most molecules took the original between one and two minutes."""

_TOO_FAST = 20_000.0
"""Decisions a second that the workers ask for where the most is looked for."""

_ALL = 10**9


def most_decisions(workers: int, options: argparse.Namespace) -> Figures:
    """As many decisions as there can be."""
    cluster = Cluster(workers, workers / _TOO_FAST, _SPREAD)
    return run(Trial(cluster, options.candidates, options.retrain, options.prefetch, options.steady, _ALL))


def busy_workers(workers: int, options: argparse.Namespace) -> Figures:
    """Simulations of the given time."""
    cluster = Cluster(workers, options.seconds, _SPREAD)
    return run(Trial(cluster, options.candidates, options.retrain, options.prefetch, options.steady, _ALL))


def search_space(candidates: int, options: argparse.Namespace) -> Figures:
    """Many short simulations on few workers, until half of a small space is done."""
    workers = min(WORKERS)
    most = min(candidates // 2, options.decisions)
    cluster = Cluster(workers, workers / _TOO_FAST, _SPREAD)
    return run(Trial(cluster, candidates, max(100, most // 4), options.prefetch, options.steady, most))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    found: dict[str, dict[int, list[Figures]]] = {}
    for part in options.parts:
        measure, sizes = {
            'most': (most_decisions, options.workers),
            'busy': (busy_workers, options.workers),
            'spaces': (search_space, options.spaces),
        }[part]
        found[part] = {}
        for size in sizes:
            found[part][size] = []
            for _ in range(options.repeats if part == 'spaces' else 1):
                found[part][size].append(measure(size, options))
                print(f'{part} {size:,}: {found[part][size][-1]}', flush=True)
    for part, figures in found.items():
        _REPORTS[part](figures, options)
    if options.json is not None:
        plain = {
            part: {str(n): [asdict(f) for f in each] for n, each in sizes.items()} for part, sizes in found.items()
        }
        options.json.write_text(json.dumps(plain, indent=2) + '\n')
    return 0


def _report_most(found: dict[int, list[Figures]], options: argparse.Namespace) -> None:
    rows = [
        (f'{workers:,}', f'{f.rate:.0f}', *_costs(f), f'{workers / f.ramp_seconds:.0f}', *_memory(f), f.rankings)
        for workers, (f,) in found.items()
    ]
    headers = ['workers', 'decisions/s', *_COSTS, 'first simulations/s', *_MEMORY, 'rankings']
    print_table(f'Most decisions a second, {options.candidates:,} candidates', headers, rows)


def _report_busy(found: dict[int, list[Figures]], options: argparse.Namespace) -> None:
    rows = []
    for workers, (f,) in found.items():
        idle = (1 - f.utilization) * workers * f.seconds / f.decisions
        needed = workers / options.seconds
        utilization, ramp = f'{f.utilization:.4f}', f'{f.ramp_seconds:.1f}'
        rows.append(
            (f'{workers:,}', f'{needed:.1f}', f'{f.rate:.1f}', utilization, f'{1e3 * idle:.0f}', f'{1e3 * f.late:.1f}',
             ramp, *_costs(f), *_memory(f), f.rankings)
        )  # fmt: skip
    headers = [
        'workers', 'needed/s', 'decisions/s', 'utilization', 'idle ms/task', 'of it the cluster', 'ramp-up s',
        *_COSTS, *_MEMORY, 'rankings',
    ]  # fmt: skip
    title = f'Simulations of {options.seconds:g} s in real time, {options.steady:g} s of the steady state'
    print_table(title, headers, rows)


def _report_spaces(found: dict[int, list[Figures]], options: argparse.Namespace) -> None:
    rows = []
    for size, figures in found.items():
        costs = [f'{1e6 * median(values):.0f}' for values in zip(*map(_cpu, figures), strict=True)]
        rows.append((f'{size:,}', *costs, f'{median(f.rate for f in figures):.0f}', figures[-1].decisions))
    headers = ['candidates', *_COSTS, 'decisions/s', 'decisions']
    print_table(f'What a decision costs; medians of {options.repeats}', headers, rows)


_REPORTS = {'most': _report_most, 'busy': _report_busy, 'spaces': _report_spaces}
_COSTS = ('driver CPU µs', 'task server', 'Redis')
_MEMORY = ('driver MB', 'task server MB')


def _cpu(figures: Figures) -> tuple[float, float, float]:
    return figures.driver_cpu, figures.server_cpu, figures.redis_cpu


def _costs(figures: Figures) -> list[str]:
    return [f'{1e6 * seconds:.0f}' for seconds in _cpu(figures)]


def _memory(figures: Figures) -> tuple[str, str]:
    return f'{figures.driver_megabytes:.0f}', f'{figures.server_megabytes:.0f}'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--parts', nargs='+', choices=_REPORTS, default=list(_REPORTS), help='what to measure')
    parser.add_argument('--workers', type=int, nargs='+', default=list(WORKERS), help='sizes of the cluster')
    parser.add_argument('--spaces', type=int, nargs='+', default=list(CANDIDATES), help='sizes of search spaces')
    parser.add_argument('--candidates', type=int, default=max(CANDIDATES), help='search space of the clusters')
    parser.add_argument('--seconds', type=float, default=86.0, help='time of a simulation (86)')
    parser.add_argument('--steady', type=float, default=20.0, help='seconds of the steady state looked at (20)')
    parser.add_argument('--retrain', type=int, default=8_192, help='results after which models are trained (8192)')
    parser.add_argument('--prefetch', type=int, help="simulations ready beyond the workers (the policy's own choice)")
    parser.add_argument('--decisions', type=int, default=4_000, help='decisions in a search space, at most (4000)')
    parser.add_argument('--repeats', type=int, default=3, help='runs of each search space (3)')
    parser.add_argument('--json', type=Path, help='write the figures here')
    return parser


if __name__ == '__main__':
    sys.exit(main())
