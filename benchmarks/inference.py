"""How many molecules a second does an ensemble predict? Scoutbee beside Chemprop 2 and a padded Keras network.

The same width and rounds of messages, on the same molecules and threads, from features made before and from SMILES,
with one model and with several. Every program runs in a process of its own, started and warm before anything is timed,
and they take turns. Chemprop predicts with its own trainer and data loader, in the fastest of the ways it offers (tried
first); the padded network is fed by a Python generator, as the original application did.

What Scoutbee takes depends on the molecules of a task, because atoms that look alike are computed once. So it is asked
for tasks of several sizes, each the first molecules of the search space; that of ``run.py`` by default is marked. To
see whether Chemprop's rate depends on the number, it is asked for two, and the better rate counts.

    python benchmarks/inference.py --chemprop-python PATH
    python benchmarks/inference.py --chemprop-python PATH --search-space moses.smi.gz   # larger tasks too

Without a path, Chemprop is installed from PyPI into a new virtual environment first (some gigabytes).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from common import print_table
from contenders import Contender

from scoutbee import data
from scoutbee.data.molecule_files import read_molecules
from scoutbee.driver.settings import Settings

HERE = Path(__file__).parent

SOURCES = ('features', 'smiles')
_OURS, _CHEMPROP, _PADDED = 'scoutbee', 'chemprop', 'padded keras'
_MOSES = 1_584_663
_PRODUCT_TASK: int = Settings.model_fields['molecules_per_ml_task'].default


class Case(NamedTuple):
    """What one contender was asked: from what, how many models together, and for how many molecules."""

    name: str
    source: str
    models: int
    molecules: int


class Rate(NamedTuple):
    """Molecules x models a second: by the clock, and of processor time."""

    wall: float
    cpu: float


Rates = Mapping[Case, Sequence[Rate]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / 'molecules.txt'
        smiles = list(islice(read_molecules(options.search_space), max(options.tasks)))
        file.write_text('\n'.join(smiles))
        sizes = _sizes(options, len(smiles))
        scripts = {
            _OURS: [sys.executable, str(HERE / 'inference_scoutbee.py')],
            _CHEMPROP: [chemprop_python(options.chemprop_python, folder), str(HERE / 'inference_chemprop.py')],
            _PADDED: [sys.executable, str(HERE / 'padded_keras.py')],
        }
        command = [str(file), str(options.width), str(options.steps)]
        contenders = {
            name: stack.enter_context(Contender([*script, *command], thread_settings(options.threads)))
            for name, script in scripts.items()
        }
        rates, ways = _measure(contenders, sizes, options)
        limits = {size: contenders[_OURS].ask(source='limit', models=1, molecules=size) for size in sizes[_OURS]}
        _report(rates, ways, sizes, options)
        _report_limits(limits, options.threads)
    return 0


def _sizes(options: argparse.Namespace, available: int) -> dict[str, list[int]]:
    """Numbers of molecules that each contender is asked for, as far as there are as many."""
    told = {_OURS: options.tasks, _CHEMPROP: options.chemprop_molecules, _PADDED: [options.padded_molecules]}
    return {name: sorted({min(size, available) for size in sizes}) for name, sizes in told.items()}


def thread_settings(threads: int) -> dict[str, str]:
    """Environment that gives each program so many threads."""
    names = ('OMP_NUM_THREADS', 'TF_NUM_INTRAOP_THREADS')
    return {**dict.fromkeys(names, str(threads)), 'TF_NUM_INTEROP_THREADS': '1', 'TF_CPP_MIN_LOG_LEVEL': '3'}


def chemprop_python(given: str | None, folder: Path) -> str:
    """An interpreter that has Chemprop: the one given, or that of a virtual environment made in ``folder``."""
    if given is not None:
        return given
    made = folder / 'chemprop'
    venv.create(made, with_pip=True)
    python = str(made / 'bin' / 'python')
    subprocess.run([python, '-m', 'pip', 'install', '--quiet', 'chemprop'], check=True)
    return python


def _measure(
    contenders: Mapping[str, Contender], sizes: Mapping[str, Sequence[int]], options: argparse.Namespace
) -> tuple[Rates, dict[str, str]]:
    """The rates of each case, and how Chemprop was used."""
    rates: dict[Case, list[Rate]] = {}
    ways = {}
    for source in SOURCES:
        for models in options.models:
            for turn in range(options.repeats + 1):
                for name in list(contenders)[:: -1 if turn % 2 else 1]:
                    for molecules in sizes[name]:
                        case = Case(name, source, models, molecules)
                        answer = contenders[name].ask(source=source, models=models, molecules=molecules)
                        if turn:  # The first time, all warm up.
                            rates.setdefault(case, []).append(_rate(case, answer))
                            print(f'{", ".join(map(str, case))} molecules: {_told(rates[case][-1:])}', flush=True)
                        if 'way' in answer:
                            ways[f'{source}, {models}'] = answer['way']
    return rates, ways


def _rate(case: Case, answer: Mapping[str, Any]) -> Rate:
    work = case.models * case.molecules
    return Rate(work / answer['seconds'], work / max(answer['cpu_seconds'], 1e-9))


def _told(rates: Sequence[Rate]) -> str:
    return f'{median(rate.wall for rate in rates):,.0f} ({median(rate.cpu for rate in rates):,.0f})'


def _report(
    rates: Rates, ways: Mapping[str, str], sizes: Mapping[str, Sequence[int]], options: argparse.Namespace
) -> None:
    rows = []
    for source in SOURCES:
        for models in options.models:
            peers = {name: _best(rates, name, source, models, sizes[name]) for name in (_CHEMPROP, _PADDED)}
            for molecules in sizes[_OURS]:
                ours = rates[Case(_OURS, source, models, molecules)]
                wall, cpu = median(rate.wall for rate in ours), median(rate.cpu for rate in ours)
                times = [f'{wall / peer.wall:.1f} ({cpu / peer.cpu:.1f})' for peer in peers.values()]
                mark = ' *' if molecules == _PRODUCT_TASK else ''
                minutes = f'{models * _MOSES / wall / 60:.1f}'
                rows.append((source, models, f'{molecules:,}{mark}', _told(ours), *times, minutes))
    print_table(
        f'Molecules x models a second by the clock (of processor time), {options.threads} threads; medians of '
        f'{options.repeats}. * run.py by default',
        ['from', 'models', 'molecules a task', _OURS, 'times chemprop', 'times padded', 'minutes for 1,584,663'],
        rows,
    )
    peers_rows = [
        (case.name, case.source, case.models, f'{case.molecules:,}', _told(found))
        for case, found in rates.items()
        if case.name != _OURS
    ]
    print_table('Their peers, likewise', ['program', 'from', 'models', 'molecules', 'rate'], peers_rows)
    for used, way in ways.items():
        print(f'Chemprop, {used} models: {way}')


def _best(rates: Rates, name: str, source: str, models: int, sizes: Sequence[int]) -> Rate:
    """The better of a contender's median rates over its numbers of molecules."""
    found = [rates[Case(name, source, models, size)] for size in sizes]
    walls = max(median(rate.wall for rate in some) for some in found)
    return Rate(walls, max(median(rate.cpu for rate in some) for some in found))


def _report_limits(limits: Mapping[int, Mapping[str, float]], threads: int) -> None:
    rows = []
    for size, limit in limits.items():
        speed = limit['flop_per_second'] * threads
        shared = f'{limit["flop_shared"] / 1e6:.2f}'
        rows.append((f'{size:,}', f'{limit["shared"]:.0%}', shared, f'{speed / limit["flop_shared"]:,.0f}'))
    some = next(iter(limits.values()))
    print_table(
        f'Limit: dense layers at the rate of BLAS ({some["flop_per_second"] / 1e9:.0f} GFLOP/s a core), atoms that '
        f'look alike counted once. Without that: {some["flop"] / 1e6:.2f} MFLOP a molecule and model, '
        f'{some["flop_per_second"] * threads / some["flop"]:,.0f} molecules x models/s',
        ['molecules a task', 'atoms left', 'MFLOP', 'molecules x models/s'],
        rows,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    committed, tasks = data.path('moses-20k.smi.gz'), [2_000, _PRODUCT_TASK, 20_000, 100_000]
    parser.add_argument('--chemprop-python', metavar='PATH', help='an interpreter that has Chemprop 2 installed')
    parser.add_argument('--search-space', type=Path, default=committed, help='molecules (20,000 of MOSES)')
    parser.add_argument('--tasks', type=int, nargs='+', default=tasks, help='molecules a task (%(default)s)')
    parser.add_argument('--chemprop-molecules', type=int, nargs='+', default=[2_000, 8_000], help='(2000 8000)')
    parser.add_argument('--padded-molecules', type=int, default=1_000, help='(1000)')
    parser.add_argument('--models', type=int, nargs='+', default=[1, 8], help='models asked together (1 8)')
    parser.add_argument('--repeats', type=int, default=3, help='rounds that count (3)')
    parser.add_argument('--threads', type=int, default=2, help='threads of each program (2)')
    parser.add_argument('--width', type=int, default=64, help='numbers that describe an atom (64)')
    parser.add_argument('--steps', type=int, default=4, help='rounds of messages (4)')
    return parser


if __name__ == '__main__':
    sys.exit(main())
