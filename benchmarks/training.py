"""How long does an epoch take? Scoutbee beside Chemprop 2's trainer and a padded Keras network's ``fit``.

The same width, rounds of messages, batches and threads, on the same molecules, whose graphs were made before; each
epoch ends with the error on held-out molecules. Scoutbee trains members alone, one after the other, and together, each
in a thread of one process. Every program runs in a process of its own, warm before anything is timed, in turn.

    python benchmarks/training.py --chemprop-python PATH

Without a path, Chemprop is installed from PyPI into a new virtual environment first (some gigabytes). What it is worth
to start from the last model is asked by ``warm_start.py``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median

from common import print_table
from contenders import Contender
from inference import HERE, chemprop_python, thread_settings

from scoutbee import data
from scoutbee.data.molecule_files import read_molecules

HELD_OUT = 1 / 9
"""Molecules held out for each that is learned from: a tenth of all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    held = round(options.molecules * HELD_OUT)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / 'molecules.txt'
        molecules = read_molecules(data.path('moses-20k.smi.gz'))
        file.write_text('\n'.join(islice(molecules, options.molecules + held)))
        scripts = {
            'scoutbee': [sys.executable, '-W', 'ignore', str(HERE / 'training_scoutbee.py')],
            'chemprop': [chemprop_python(options.chemprop_python, folder), str(HERE / 'training_chemprop.py')],
            'padded keras': [sys.executable, '-W', 'ignore', str(HERE / 'training_padded.py')],
        }
        command = [str(file), str(options.width), str(options.steps)]
        running = {
            name: stack.enter_context(Contender([*script, *command], thread_settings(options.threads)))
            for name, script in scripts.items()
        }
        cases = {
            'scoutbee, alone': ('scoutbee', 1, 1),
            'scoutbee, together': ('scoutbee', options.threads, options.threads),
            'chemprop': ('chemprop', 1, 1),
            'padded keras': ('padded keras', 1, 1),
        }
        seconds: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
        for turn in range(options.repeats + 1):
            for case in list(cases)[:: -1 if turn % 2 else 1]:
                name, members, threads = cases[case]
                answer = running[name].ask(
                    molecules=options.molecules, held_out=held, batch=options.batch, epochs=options.epochs,
                    members=members, threads=threads,
                )  # fmt: skip
                wall, cpu = (answer[key] / options.epochs / members for key in ('seconds', 'cpu_seconds'))
                if turn:  # The first time, all warm up.
                    seconds[case].append((wall, cpu))
                    print(f'{case}: {wall:.3f} s an epoch and model, {cpu:.3f} s of processor time', flush=True)
    ours = median(wall for wall, _ in seconds['scoutbee, alone'])
    rows = []
    for case, pairs in seconds.items():
        wall, cpu = median(wall for wall, _ in pairs), median(cpu for _, cpu in pairs)
        rows.append((case, f'{wall:.3f}', f'{cpu:.3f}', f'{options.molecules / wall:,.0f}', f'{wall / ours:.1f}'))
    title = f'An epoch of {options.molecules:,} molecules, batches of {options.batch}, {options.threads} threads'
    headers = ['program', 's a model', 'CPU s', 'molecules/s', 'times ours, alone']
    print_table(f'{title}; medians of {options.repeats}', headers, rows)
    return 0


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
