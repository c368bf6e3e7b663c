"""How early is the best of 750 points evaluated, when the waiting ones are re-ordered by a model?

Runs the real program (``run.py --campaign ackley``, a process each seed) and reads the order of completion from its
trace. Beside it stands the same point's place in the order in which the points would run if nobody re-ordered them.

    python benchmarks/ackley_reprioritisation.py --seeds 0-7

The exit status is 1 if the median rank is above what is promised.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from common import print_table, seed_list

from scoutbee.campaigns.ackley import Ackley
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.driver.building import build_campaign
from scoutbee.driver.settings_layers import load_settings
from scoutbee.simulation.ackley import ackley
from scoutbee.traces.reader import read
from scoutbee.traces.records import SelectionRecord, SimulationRecord

PROMISED = 100
"""The median completion rank of the best point is to be at most this."""

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ranks:
    """What one run came to.

    Attributes:
        seed: Its seed.
        points: How many points there were.
        steered: Completion rank of the best point, from 1.
        first_come: Rank of the same point in the order of the seeds, from 1.
        rankings: How often the waiting points were re-ordered.
        rerank_seconds: Median time from the start of a training to the points being re-ordered; None if they never
            were.
        wall_seconds: From starting the program to its end.
    """

    seed: int
    points: int
    steered: int
    first_come: int
    rankings: int
    rerank_seconds: float | None
    wall_seconds: float


def run(seed: int, folder: Path, config: Path | None) -> tuple[Path, float]:
    """Run the program; return its run directory and how long it took in seconds.

    Raises:
        RuntimeError: If it did not end well.
    """
    runs = folder / f'seed-{seed}'
    command = [sys.executable, str(ROOT / 'run.py'), '--campaign', 'ackley', '--site', 'local', '--engine', 'local']
    command += ['--seed', str(seed), '--quiet', '--runs-dir', str(runs)]
    command += [] if config is None else ['--config', str(config.resolve())]
    environment = {**os.environ, 'XDG_CACHE_HOME': str(folder / 'cache')}
    started = time.monotonic()
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if ended.returncode != 0:
        raise RuntimeError(f'Expected run.py to end with status 0, got {ended.returncode}:\n{ended.stderr}')
    return max(runs.glob('ackley-*'), key=lambda path: path.stat().st_mtime), seconds


def ranks(run_dir: Path, wall_seconds: float) -> Ranks:
    """Read how early the best point came.

    Args:
        run_dir: A completed run of the campaign ``ackley``.
        wall_seconds: How long it took.

    Raises:
        RuntimeError: If it did not evaluate the best of its points.
    """
    settings = load_settings(['--config', str(run_dir / 'params.yaml')], {})
    campaign = build_campaign(settings, run_dir, lambda sentence: None)
    assert isinstance(campaign, Ackley)
    best = int(np.argmin([ackley(point) for point in campaign.points.tolist()]))
    completed = [record.row for record in read(run_dir, SimulationRecord) if record.outcome == 'observed']
    if best not in completed:
        raise RuntimeError(f'Expected {run_dir} to have evaluated point {best}, the best; it did not.')
    selections = list(read(run_dir, SelectionRecord))
    waits = [record.time - record.started for record in selections if record.started is not None]
    return Ranks(
        seed=settings.seed,
        points=len(campaign.points),
        steered=completed.index(best) + 1,
        first_come=[candidate.row for candidate in campaign.seeds()].index(best) + 1,
        rankings=len(selections),
        rerank_seconds=median(waits) if waits else None,
        wall_seconds=wall_seconds,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    results = []
    try:
        with _folder(options.keep) as folder:
            for seed in options.seeds:
                results.append(ranks(*run(seed, folder, options.config)))
                print(f'seed {seed}: rank {results[-1].steered}, first come {results[-1].first_come}', flush=True)
    except (RuntimeError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return 2
    steered = median(result.steered for result in results)
    _report(results, steered)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2) + '\n')
    return 0 if steered <= PROMISED else 1


def _report(results: Sequence[Ranks], steered: float) -> None:
    rows: list[tuple[object, ...]] = [_row(result) for result in results]
    rows.append(
        (
            'median',
            f'{steered:g}',
            f'{median(result.first_come for result in results):g}',
            f'{median(result.rankings for result in results):g}',
            '',
            f'{median(result.wall_seconds for result in results):.0f}',
        )
    )
    headers = ('seed', 'steered', 'first come', 'rankings', 'seconds to re-rank', 'seconds in all')
    print_table(f'Completion rank of the best of {results[0].points} points', headers, rows)
    print(f'At most {PROMISED} promised: {"kept" if steered <= PROMISED else "not kept"}.')


def _row(result: Ranks) -> tuple[object, ...]:
    wait = '' if result.rerank_seconds is None else f'{result.rerank_seconds:.2f}'
    return result.seed, result.steered, result.first_come, result.rankings, wait, f'{result.wall_seconds:.0f}'


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where runs go: a folder to be kept, or one that is gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix='scoutbee-ackley-') as folder:
        yield Path(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--seeds', type=seed_list, default=seed_list('0-7'), help='such as 0-7 (default) or 1,4,9')
    parser.add_argument('--config', type=Path, help='settings laid over those of configs/campaigns/ackley.yaml')
    parser.add_argument('--json', type=Path, help='write the figures of each seed here')
    parser.add_argument('--keep', type=Path, help='keep the run directories in this folder')
    return parser


if __name__ == '__main__':
    sys.exit(main())
