"""What does steering find? A closed space of 1,000 molecules with known values, through the real Thinker.

100 random labels to start, 150 choices, and the share of the true top 50 found by each method; random choice beside.
Every run is a process of its own, and its result a line of a file: started again, the benchmark goes on where it was.

    python benchmarks/discovery.py --seeds 0-9 --results discovery.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from common import median_interval, print_table, seed_list
from discovery_run import METHODS, Closed, Discovery, settings_of
from pydantic import ValidationError

ONE_RUN = Path(__file__).with_name('discovery_run.py')

Job = tuple[str, int]
"""A method and a seed."""


def read_results(file: Path, space: Closed) -> dict[Job, Discovery]:
    """Results that were made with today's settings; others in the file are passed over.

    Args:
        file: JSON lines; a file that does not exist holds none, a half line at its end (of a run that was killed)
            counts as none.
        space: The space and the budget that results must be of.
    """
    wanted = {method: settings_of(method) for method in METHODS}
    found: dict[Job, Discovery] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            result = Discovery.model_validate_json(line)
        except ValidationError:
            continue
        if result.space == space and result.settings == wanted.get(result.method):
            found[result.method, result.seed] = result
    return found


def run_one(job: Job, space: Closed, cache: Path) -> Discovery:
    """Make one run in a process of its own, on one core.

    Raises:
        RuntimeError: If it fails.
    """
    method, seed = job
    command = [sys.executable, str(ONE_RUN), method, str(seed), '--space', space.model_dump_json()]
    command += ['--cache', str(cache)]
    ended = subprocess.run(
        command, env={**os.environ, 'OMP_NUM_THREADS': '1'}, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise RuntimeError(f'{method}, seed {seed}: the run failed with status {ended.returncode}:\n{ended.stderr}')
    return Discovery.model_validate_json(ended.stdout.splitlines()[-1])


def run_missing(missing: Sequence[Job], space: Closed, file: Path, jobs: int) -> Iterator[Discovery]:
    """Make the runs that are not there yet; each is in the file before it is yielded.

    Raises:
        RuntimeError: If one fails; those that have not begun are dropped.
    """
    with _cache() as cache, ThreadPoolExecutor(jobs) as pool, file.open('a') as results:
        if results.tell() and not file.read_bytes().endswith(b'\n'):
            results.write('\n')  # the half line of a run that was killed must not swallow the next
        pending = [pool.submit(run_one, job, space, cache) for job in missing]
        try:
            for done in as_completed(pending):
                result = done.result()
                results.write(result.model_dump_json() + '\n')
                results.flush()
                yield result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    space = Closed(**json.loads(options.space))
    wanted = [(method, seed) for method in options.methods for seed in options.seeds]
    results = read_results(options.results, space)
    missing = [job for job in wanted if job not in results]
    print(f'{len(wanted) - len(missing)} of {len(wanted)} runs are in {options.results}.', flush=True)
    try:
        for result in run_missing(missing, space, options.results, options.jobs):
            results[result.method, result.seed] = result
            share = result.share(space.choices)
            print(f'{result.method}, seed {result.seed}: {share:.0%} in {result.seconds:.0f} s', flush=True)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    report([results[job] for job in wanted], space)
    return 0


def report(results: Sequence[Discovery], space: Closed) -> None:
    """Print the table."""
    marks = sorted({max(1, space.choices // 3), max(1, 2 * space.choices // 3), space.choices})
    rows = [
        _row([r for r in results if r.method == method], marks) for method in dict.fromkeys(r.method for r in results)
    ]
    headers = [
        'method',
        'seeds',
        *(f'found after {mark}' for mark in marks),
        'all known then',
        'stale',
        'seconds a run',
    ]
    print_table(
        f'Share of the true top {space.top} found (of those not among the {space.known} known at the start), in %: '
        f'median over seeds [90% bootstrap interval of the median]',
        headers,
        rows,
    )
    print(
        f'"all known then": share of all {space.top} after {space.choices} choices, those known at first included.\n'
        f'"stale": median number of the {space.choices} choices that were made by an older ranking than could be.'
    )


def _row(results: Sequence[Discovery], marks: Sequence[int]) -> tuple[object, ...]:
    return (
        results[0].method,
        len(results),
        *(f'{median_interval([100 * result.share(mark) for result in results]):.0f}' for mark in marks),
        f'{median_interval([100 * result.share_with_known(marks[-1]) for result in results]):.0f}',
        f'{median(result.stale for result in results):g}',
        f'{median(result.seconds for result in results):.0f}',
    )


@contextmanager
def _cache() -> Iterator[Path]:
    """A folder for features; each run would find the same ones."""
    with tempfile.TemporaryDirectory(prefix='scoutbee-discovery-') as folder:
        yield Path(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--seeds', type=seed_list, default=seed_list('0-9'), help='such as 0-9 (default) or 1,4,9')
    parser.add_argument(
        '--methods', nargs='+', choices=tuple(METHODS), default=['random', 'greedy', 'fingerprint', 'mpnn']
    )
    parser.add_argument(
        '--results', type=Path, default=Path('discovery.jsonl'), help='file of results, one a line (discovery.jsonl)'
    )
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, a core each (1)')
    parser.add_argument('--space', default='{}', help='changes to the space and the budget, as JSON')
    return parser


if __name__ == '__main__':
    sys.exit(main())
