"""What does a ranking of a million and a half candidates cost? Scoutbee beside the original's way and plain NumPy.

Each program is given what eight models predict of every candidate, chunk by chunk as the models' answers came, and what
was taken already; it fills a buffer with the best of the rest.

* ``original``: joins the chunks, sorts everything, makes a Python object of every candidate, and takes from the top
  what is in no set of those taken and not in the queue already.
* ``numpy``: joins the chunks, sorts everything, leaves out what was taken with ``np.isin``, makes objects of the top.
* ``scoutbee``: ``EnsembleSearch.rank`` and the buffer, as the buffer manager calls them.

    python benchmarks/ranking.py
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from common import print_table
from numpy.typing import NDArray
from random_space import RandomSpace

from scoutbee.agents.buffer import CandidateBuffer
from scoutbee.contracts.campaign import Snapshot
from scoutbee.contracts.candidates import Candidate, Choice
from scoutbee.contracts.learning import ModelVersion, Predictions
from scoutbee.models.acquisition import ACQUISITIONS

MOSES = 1_584_663
"""Candidates of the original's search space."""

BUFFERS = (64, 256, 1000)
_CHUNK = 20_000


@dataclass(frozen=True)
class Work:
    """What every program is given.

    Attributes:
        predictions: As ``Campaign.rank`` gets them.
        taken: Rows that were taken; shape (taken,).
        keys: Key of every candidate; shape (n,), Python strings.
        campaigns: Scoutbee's campaign with each acquisition function.
    """

    predictions: Predictions
    taken: NDArray[np.int64]
    keys: NDArray[np.object_]
    campaigns: Mapping[str, RandomSpace]


Program = Callable[[Work, int], list[str]]
"""Fills a buffer of so many candidates; returns their keys, best first."""


def scoutbee(acquisition: str, work: Work, size: int) -> list[str]:
    """A ranking as the buffer manager makes it."""
    ranking = work.campaigns[acquisition].rank(work.predictions, Snapshot(taken_rows=work.taken), 1)
    buffer = CandidateBuffer(size)
    return [candidate.key for candidate in buffer.replace(ranking.candidates)]


def original(work: Work, size: int) -> list[str]:
    """UCB as the original's ``_select_molecules`` ranks by it, in its order of steps."""
    predicted = np.concatenate([np.stack(chunk, axis=1) for chunk in zip(*work.predictions.arrays, strict=True)])
    mean, std = predicted.mean(axis=1), predicted.std(axis=1)
    score = mean + std
    order = np.argsort(-score)
    best = list(zip(work.keys[order].tolist(), mean[order], std[order], score[order], strict=True))
    taken = set(work.keys[work.taken].tolist())
    queue: list[tuple[str, dict[str, float]]] = []
    for key, middle, spread, value in best:
        if key not in taken and key not in queue:
            queue.append((key, {'mean': float(middle), 'std': float(spread), 'ucb': float(value), 'batch': 1}))
        if len(queue) >= size:
            break
    return [key for key, _ in queue]


def numpy(work: Work, size: int) -> list[str]:
    """UCB in the fewest lines of NumPy."""
    predicted = np.stack([np.concatenate(parts) for parts in work.predictions.arrays])
    mean, std = predicted.mean(axis=0), predicted.std(axis=0)
    score = mean + std
    order = np.argsort(-score)
    top = order[~np.isin(order, work.taken)][:size]
    made = [
        Candidate(str(work.keys[row]), (), int(row), Choice(1, float(score[row]), float(mean[row]), float(std[row])))
        for row in top
    ]
    return [candidate.key for candidate in made]


PROGRAMS: Mapping[str, Program] = {
    'original (ucb)': original,
    'numpy (ucb)': numpy,
    **{f'scoutbee ({name})': partial(scoutbee, name) for name in ACQUISITIONS},
}
"""What is compared, by name."""


def make_work(candidates: int, models: int, taken: int, programs: Sequence[str]) -> Work:
    """Predictions of a search space, the same each time, and what these programs need besides."""
    rng = np.random.default_rng(0)
    truth = rng.normal(12.2, 0.4, candidates).astype(np.float32)
    starts = range(0, candidates, _CHUNK)
    arrays = tuple(
        tuple(truth[s : s + _CHUNK] + rng.normal(0, 0.2, len(truth[s : s + _CHUNK])).astype(np.float32) for s in starts)
        for _ in range(models)
    )
    # The best were taken before: that is what a campaign takes.
    rows = np.argsort(-truth)[:taken].astype(np.int64)
    used = [name for name in ACQUISITIONS if f'scoutbee ({name})' in programs]
    campaigns = {name: RandomSpace(candidates, acquisition=name, model_count=models) for name in used}
    keys = np.array([f'x{row}' for row in range(candidates)], dtype=object)
    return Work(Predictions(tuple(ModelVersion(1, m) for m in range(models)), arrays), rows, keys, campaigns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    work = make_work(options.candidates, options.models, options.taken, options.programs)
    expected = numpy(work, max(BUFFERS))
    rows = []
    for name in options.programs:
        program = PROGRAMS[name]
        program(work, 1)  # what is imported on first use
        if name.endswith('(ucb)') and sorted(program(work, max(BUFFERS))) != sorted(expected):
            raise RuntimeError(f'Expected {name} to choose what the others choose.')
        memory = _peak_megabytes(program, work)
        times = {size: [_measured(program, work, size) for _ in range(options.repeats)] for size in BUFFERS}
        wall = [f'{1e3 * median(w for w, _ in times[size]):.0f}' for size in BUFFERS]
        cpu = 1e3 * median(c for _, c in times[max(BUFFERS)])
        rows.append((name, *wall, f'{cpu:.0f}', f'{memory:.0f}'))
    title = (
        f'Ranking {options.candidates:,} candidates by {options.models} models, {options.taken:,} taken; '
        f'medians of {options.repeats}'
    )
    print_table(title, ['program', *(f'ms, buffer {size}' for size in BUFFERS), 'CPU ms', 'MB beyond its input'], rows)
    total = sum(part.nbytes for parts in work.predictions.arrays for part in parts)
    limit = 1e3 * median(_reading(work) for _ in range(options.repeats))
    print(f'The limit: reading the {total / 1e6:.0f} MB of predictions once takes {limit:.0f} ms.')
    print(f'Peak memory of this process, with all that these programs were given: {_process_megabytes():.0f} MB.')
    return 0


def _measured(program: Program, work: Work, size: int) -> tuple[float, float]:
    """Wall and processor seconds of one ranking."""
    wall, cpu = time.perf_counter(), time.process_time()
    program(work, size)
    return time.perf_counter() - wall, time.process_time() - cpu


def _peak_megabytes(program: Program, work: Work) -> float:
    """Most memory that a ranking holds beyond what it was given."""
    tracemalloc.start()
    try:
        program(work, max(BUFFERS))
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _reading(work: Work) -> float:
    began = time.perf_counter()
    for parts in work.predictions.arrays:
        for part in parts:
            part.max()
    return time.perf_counter() - began


def _process_megabytes() -> float:
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--candidates', type=int, default=MOSES, help=f'size of the search space ({MOSES})')
    parser.add_argument('--programs', nargs='+', choices=PROGRAMS, default=list(PROGRAMS), help='what to compare')
    parser.add_argument('--models', type=int, default=8, help='members of the ensemble (8)')
    parser.add_argument('--taken', type=int, default=10_000, help='candidates that were taken (10000)')
    parser.add_argument('--repeats', type=int, default=5, help='rankings of each kind (5)')
    return parser


if __name__ == '__main__':
    sys.exit(main())
