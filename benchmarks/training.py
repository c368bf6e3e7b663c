"""How long does an epoch take? Scoutbee beside Chemprop 2's trainer and a padded Keras network's ``fit``.

The same width, rounds of messages, batches and threads, on the same molecules, whose graphs were made before; each
epoch ends with the error on held-out molecules. Scoutbee trains a member alone on one core, and as many members as
there are threads at once: in threads of one process, and each in a process of its own, as workers are. Every program
runs in processes of its own, warm before anything is timed, in turn.

    python benchmarks/training.py --chemprop-python PATH

Without a path, Chemprop is installed from PyPI into a new virtual environment first (some gigabytes). What it is worth
to start from the last model is asked by ``warm_start.py``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from common import print_table
from contenders import Contender
from inference import HERE, chemprop_python, thread_settings

from scoutbee import data
from scoutbee.data.molecule_files import read_molecules

HELD_OUT = 1 / 9
"""Molecules held out for each that is learned from: a tenth of all."""

ALONE = 'scoutbee, alone on a core'


@dataclass(frozen=True)
class Case:
    """A way to train.

    Attributes:
        contenders: The processes that train, all at once.
        members: Models that each of them trains.
        threads: Threads in which it trains them.
    """

    contenders: Sequence[Contender]
    members: int = 1
    threads: int = 1

    def train(self, request: Mapping[str, Any]) -> tuple[float, float]:
        """Seconds for each epoch and model: by the clock, and of processor time."""
        with ThreadPoolExecutor(len(self.contenders)) as pool:
            asked = [
                pool.submit(contender.ask, **request, members=self.members, threads=self.threads)
                for contender in self.contenders
            ]
            answers = [answer.result() for answer in asked]
        models = request['epochs'] * self.members * len(self.contenders)
        return max(one['seconds'] for one in answers) / models, sum(one['cpu_seconds'] for one in answers) / models


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    held = round(options.molecules * HELD_OUT)
    request = {'molecules': options.molecules, 'held_out': held, 'batch': options.batch, 'epochs': options.epochs}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / 'molecules.txt'
        molecules = read_molecules(data.path('moses-20k.smi.gz'))
        file.write_text('\n'.join(islice(molecules, options.molecules + held)))
        cases = _cases(options, folder, file, stack)
        seconds: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
        for turn in range(options.repeats + 1):
            for case in list(cases)[:: -1 if turn % 2 else 1]:
                wall, cpu = cases[case].train(request)
                if turn:  # The first time, all warm up.
                    seconds[case].append((wall, cpu))
                    print(f'{case}: {wall:.3f} s an epoch and model, {cpu:.3f} s of processor time', flush=True)
        limit = cases[ALONE].contenders[0].ask(**request, limit=True)
    _report(seconds, limit, options)
    return 0


def _cases(options: argparse.Namespace, folder: Path, file: Path, stack: ExitStack) -> dict[str, Case]:
    """The ways to train, with their processes running."""
    ours = [sys.executable, '-W', 'ignore', str(HERE / 'training_scoutbee.py')]
    chemprop = [chemprop_python(options.chemprop_python, folder), str(HERE / 'training_chemprop.py')]
    padded = [sys.executable, '-W', 'ignore', str(HERE / 'training_padded.py')]

    def start(script: list[str], threads: int) -> Contender:
        command = [*script, str(file), str(options.width), str(options.steps)]
        return stack.enter_context(Contender(command, thread_settings(threads)))

    workers = [start(ours, 1) for _ in range(options.threads)]
    return {
        ALONE: Case(workers[:1]),
        'scoutbee, together in processes': Case(workers),
        'scoutbee, together in threads': Case([start(ours, options.threads)], options.threads, options.threads),
        'chemprop': Case([start(chemprop, options.threads)]),
        'padded keras': Case([start(padded, options.threads)]),
    }


def _report(
    seconds: Mapping[str, Sequence[tuple[float, float]]], limit: Mapping[str, float], options: argparse.Namespace
) -> None:
    ours = median(wall for wall, _ in seconds[ALONE])
    rows = []
    for case, pairs in seconds.items():
        wall, cpu = median(wall for wall, _ in pairs), median(cpu for _, cpu in pairs)
        rows.append((case, f'{wall:.3f}', f'{cpu:.3f}', f'{options.molecules / wall:,.0f}', f'{wall / ours:.1f}'))
    title = f'An epoch of {options.molecules:,} molecules, batches of {options.batch}, {options.threads} threads'
    headers = ['program', 's a model', 'CPU s', 'molecules/s', 'times ours, alone']
    print_table(f'{title}; medians of {options.repeats}', headers, rows)
    needed = limit['flop'] / limit['flop_per_second']
    print(
        f'\nLimit: {limit["flop"] / 1e9:.1f} GFLOP of dense products an epoch, {limit["flop_per_second"] / 1e9:.0f} '
        f'GFLOP/s a core in products of this shape: {needed:.3f} s a model on one core.'
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--chemprop-python', metavar='PATH', help='an interpreter that has Chemprop 2 installed')
    parser.add_argument('--molecules', type=int, default=2_000, help='molecules learned from (2,000)')
    parser.add_argument('--batch', type=int, default=32, help='molecules between two steps (32)')
    parser.add_argument('--epochs', type=int, default=5, help='epochs of each run (5)')
    parser.add_argument('--repeats', type=int, default=5, help='rounds that count (5)')
    parser.add_argument('--threads', type=int, default=2, help='threads of each program (2)')
    parser.add_argument('--width', type=int, default=64, help='numbers that describe an atom (64)')
    parser.add_argument('--steps', type=int, default=4, help='rounds of messages (4)')
    return parser


if __name__ == '__main__':
    sys.exit(main())
