"""A search space from SMILES to features, once and for all: how fast, how large, and how soon it is there again.

On a sample of 20,000 molecules of MOSES, or with ``--full`` on all of them. Each start of a driver is a process of its
own, one of which is killed on its way.

    python benchmarks/space.py
    python benchmarks/space.py --full
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common import print_table
from space_parse import RDKIT, time_ways
from space_start import Start
from space_travel import Travel, travel

from scoutbee import data
from scoutbee.campaigns.molecule_space import read_molecule_space
from scoutbee.data.molecule_files import read_molecules
from scoutbee.data.moses import default_path, fetch
from scoutbee.models.featurizing import usable_cores
from scoutbee.models.registry import make_surrogate

_START = Path(__file__).with_name('space_start.py')
_TRAINING_SET = data.path('moses-ip-gfn2.csv')
_LOOK_SECONDS = 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    space = _space(options)
    smiles = [text for _, text in zip(range(options.sample), read_molecules(space), strict=False)]
    _print_parsing(time_ways(smiles, options.repeats), len(smiles))
    with tempfile.TemporaryDirectory(prefix='scoutbee-space-') as folder:
        starts = dict(_starts(space, Path(folder), options.surrogate, options.cores or [usable_cores()]))
        _print_starts(starts)
        _print_travel(space, Path(folder) / 'killed', options.surrogate, options.piece)
    return 0


def _space(options: argparse.Namespace) -> Path:
    if options.molecules is not None:
        return Path(options.molecules)
    if not options.full:
        return data.path('moses-20k.smi.gz')
    path = default_path()
    if not path.exists():
        fetch(path)
    return path


def _starts(space: Path, folder: Path, surrogate: str, cores: Sequence[int]) -> Iterator[tuple[str, Start]]:
    """From nothing on each number of cores, after a kill, and from the cache."""
    for count in cores:
        with _running(space, folder / f'on-{count}', surrogate, count) as process:
            yield f'from nothing, {count} process{"" if count == 1 else "es"}', _result(process)
    cache = folder / 'killed'
    left = _kill_half_way(space, cache, surrogate)
    with _running(space, cache, surrogate) as process:
        yield f'after a kill that left {left} pieces', _result(process)
    for number in (1, 2):
        with _running(space, cache, surrogate) as process:
            yield f'from the cache ({number})', _result(process)


@contextmanager
def _running(space: Path, cache: Path, surrogate: str, processes: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """A start of a driver, leading a process group of its own."""
    command = [sys.executable, str(_START), str(space), str(_TRAINING_SET), str(cache), '--surrogate', surrogate]
    command += [] if processes is None else ['--processes', str(processes)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _result(process: subprocess.Popen[str]) -> Start:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f'A start of the driver failed with status {process.returncode}.')
    return Start.model_validate_json(output.splitlines()[-1])


def _kill_half_way(space: Path, cache: Path, surrogate: str) -> int:
    """Kill a start once half of its pieces are there; returns how many it left."""
    count = sum(1 for _ in read_molecules(space))
    half = max(1, count // make_surrogate(surrogate).featurizer.piece // 2)
    with _running(space, cache, surrogate) as process:
        while process.poll() is None and len(_pieces(cache)) < half:
            time.sleep(_LOOK_SECONDS)
    return len(_pieces(cache))


def _pieces(cache: Path) -> list[Path]:
    return list(cache.glob('features/.unfinished-*/rows-*'))


def _print_parsing(spent: dict[str, float], count: int) -> None:
    rows = [(name, f'{each:.0f}', f'{1e6 / each:,.0f}', f'{each / spent[RDKIT]:.2f}') for name, each in spent.items()]
    print_table(
        f'From SMILES, on one core, {count:,} molecules: median CPU time',
        ['what', 'µs a molecule', 'molecules/s', 'times RDKit alone'],
        rows,
    )


def _print_starts(starts: dict[str, Start]) -> None:
    some = next(iter(starts.values()))
    rows = [
        (
            name,
            f'{start.seconds:.1f}',
            f'{start.candidates / start.seconds:,.0f}',
            f'{start.cpu_seconds:.1f}',
            f'{start.peak_bytes / 1e6:,.0f}',
            '' if start.went_on_from is None else f'{start.went_on_from:,}',
        )
        for name, start in starts.items()
    ]
    print_table(
        f'Start of a driver: {some.candidates:,} candidates, {some.known:,} known values, '
        f'{some.bytes_each:.0f} bytes a molecule, {some.reading_seconds:.2f} s to read the file',
        ['start', 'seconds', 'molecules/s', "driver's own CPU s", "driver's peak MB", 'went on from'],
        rows,
    )


def _print_travel(space: Path, cache: Path, surrogate: str, piece: int) -> None:
    featurizer = make_surrogate(surrogate).featurizer
    found, _ = read_molecule_space(space, None, '', featurizer, cache, lambda sentence: None)
    ways: dict[str, Travel] = {}
    for name, by_file in (('through Redis', False), ('by file', True)):
        with tempfile.TemporaryDirectory() as folder:
            ways[name] = travel(found, piece, Path(folder), by_file=by_file)
    rows = [
        (
            name,
            f'{way.stored_bytes / 1e6:,.1f}',
            f'{way.lending_seconds:.2f}',
            f'{way.first_seconds:.3f}',
            f'{way.all_seconds:.2f}',
        )
        for name, way in ways.items()
    ]
    print_table(
        f'To a worker on the same machine, {piece:,} molecules at a time',
        ['way', 'MB in the store', 'driver s', 'worker s, first', 'worker s, all'],
        rows,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--full', action='store_true', help='all 1,584,663 molecules of MOSES; fetched where needed')
    parser.add_argument('--molecules', type=Path, help='a file of molecules instead')
    parser.add_argument('--surrogate', choices=('mpnn', 'fingerprint'), default='mpnn', help='whose features (mpnn)')
    parser.add_argument('--cores', type=int, nargs='+', help='numbers of processes to start with (all cores)')
    parser.add_argument('--sample', type=int, default=4_000, help='molecules of the comparison on one core (4,000)')
    parser.add_argument('--repeats', type=int, default=5, help='passes of that comparison (5)')
    parser.add_argument('--piece', type=int, default=20_000, help='molecules in an inference task (20,000)')
    return parser


if __name__ == '__main__':
    sys.exit(main())
