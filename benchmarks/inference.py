"""How many molecules a second does an ensemble predict? Scoutbee beside Chemprop 2 and a padded Keras network.

The same width and rounds of messages, on the same molecules and threads, from features made before and from SMILES,
with one model and with several. Every program runs in a process of its own, started and warm before anything is timed,
and they take turns. Chemprop predicts with its own trainer and data loader, in the fastest of the ways it offers (tried
first); the padded network is fed by a Python generator, as the original application did.

    python benchmarks/inference.py --chemprop-python PATH

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
from pathlib import Path
from statistics import median
from typing import Any

from common import print_table
from contenders import Contender

from scoutbee import data
from scoutbee.data.molecule_files import read_molecules

HERE = Path(__file__).parent

MOLECULES: Mapping[str, int] = {'scoutbee': 20_000, 'chemprop': 2_000, 'padded keras': 1_000}
"""Molecules that each is given: as many as a small task of a campaign, and fewer where that would take minutes."""

SOURCES = ('features', 'smiles')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / 'molecules.txt'
        file.write_text('\n'.join(read_molecules(data.path('moses-20k.smi.gz'))))
        scripts = {
            'scoutbee': [sys.executable, str(HERE / 'inference_scoutbee.py')],
            'chemprop': [chemprop_python(options.chemprop_python, folder), str(HERE / 'inference_chemprop.py')],
            'padded keras': [sys.executable, str(HERE / 'padded_keras.py')],
        }
        command = [str(file), str(options.width), str(options.steps)]
        contenders = {
            name: stack.enter_context(Contender([*script, *command], thread_settings(options.threads)))
            for name, script in scripts.items()
        }
        rates, ways = _measure(contenders, options)
        count = _molecules('scoutbee', options)
        _report(rates, ways, contenders['scoutbee'].ask(source='limit', models=1, molecules=count), options)
    return 0


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
    contenders: Mapping[str, Contender], options: argparse.Namespace
) -> tuple[dict[tuple[str, str, int], list[float]], dict[str, str]]:
    """Molecules x models a second of each program, source and number of models, and how Chemprop was used."""
    rates: dict[tuple[str, str, int], list[float]] = {}
    ways = {}
    for source in SOURCES:
        for models in options.models:
            for turn in range(options.repeats + 1):
                for name in list(contenders)[:: -1 if turn % 2 else 1]:
                    count = _molecules(name, options)
                    answer = contenders[name].ask(source=source, models=models, molecules=count)
                    if turn:  # The first time, all warm up.
                        rates.setdefault((name, source, models), []).append(count * models / answer['seconds'])
                        print(f'{name}, {source}, {models}: {_told(count * models, answer)}', flush=True)
                    if 'way' in answer:
                        ways[f'{source}, {models}'] = answer['way']
    return rates, ways


def _molecules(name: str, options: argparse.Namespace) -> int:
    return max(10, int(MOLECULES[name] * options.scale))


def _told(work: int, answer: Mapping[str, Any]) -> str:
    by_cpu = work / max(answer['cpu_seconds'], 1e-9)
    return f'{work / answer["seconds"]:,.0f} molecules x models/s ({by_cpu:,.0f} a second of processor time)'


def _report(
    rates: Mapping[tuple[str, str, int], Sequence[float]],
    ways: Mapping[str, str],
    limit: Mapping[str, float],
    options: argparse.Namespace,
) -> None:
    rows = []
    for source in SOURCES:
        for models in options.models:
            found = {name: median(rates[name, source, models]) for name in MOLECULES}
            ours = found['scoutbee']
            ratios = (f'{ours / found[name]:.1f}' for name in MOLECULES if name != 'scoutbee')
            rows.append((source, models, *(f'{rate:,.0f}' for rate in found.values()), *ratios))
    headers = ['from', 'models', *MOLECULES, 'ours / chemprop', 'ours / padded']
    print_table(f'Molecules x models a second, {options.threads} threads; medians of {options.repeats}', headers, rows)
    for case, way in ways.items():
        print(f'Chemprop, {case} models: {way}')
    speed = limit['flop_per_second'] * options.threads
    print(
        f'\nLimit: {limit["flop"] / 1e6:.2f} MFLOP a molecule and model ({limit["atoms"]:.1f} atoms), '
        f'{limit["flop_per_second"] / 1e9:.0f} GFLOP/s a core in products of this shape: '
        f'{speed / limit["flop"]:,.0f} molecules x models/s. Atoms that look alike counted once '
        f'({limit["shared"]:.0%} of all, over all rounds): {limit["flop_shared"] / 1e6:.2f} MFLOP, '
        f'{speed / limit["flop_shared"]:,.0f}/s.'
    )
    whole = median(rates['scoutbee', 'features', max(options.models)])
    print(f'8 models over 1,584,663 molecules at the rate from features: {8 * 1_584_663 / whole / 60:.1f} minutes.')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--chemprop-python', metavar='PATH', help='an interpreter that has Chemprop 2 installed')
    parser.add_argument('--models', type=int, nargs='+', default=[1, 8], help='models asked together (1 8)')
    parser.add_argument('--repeats', type=int, default=3, help='rounds that count (3)')
    parser.add_argument('--threads', type=int, default=2, help='threads of each program (2)')
    parser.add_argument('--width', type=int, default=64, help='numbers that describe an atom (64)')
    parser.add_argument('--steps', type=int, default=4, help='rounds of messages (4)')
    parser.add_argument('--scale', type=float, default=1.0, help='factor on the number of molecules (1)')
    return parser


if __name__ == '__main__':
    sys.exit(main())
