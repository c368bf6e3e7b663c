"""Fetch the MOSES training set, 1,584,663 molecules, or draw a random sample of it.

``python -m scoutbee.data.moses [--out PATH] [--sample N --seed S] [--exclude PATH] [--wheel PATH] [--force]``

The set (D. Polykovskiy et al., Front. Pharmacol. 2020, 11, 565644; MIT licence) lies inside the wheel of ``molsets``,
whose dependencies do not install today: pip downloads the wheel without them, and it is read as the archive it is.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from scoutbee.contracts.errors import ConfigurationError, ScoutbeeError

from .molecule_files import check_name, read_molecules, sample, write_molecules
from .moses_wheel import COUNT, REQUIREMENT, download, molecules_in

_PROGRESS_SECONDS = 2.0


def default_path() -> Path:
    """Where the full set is kept: ``scoutbee/moses.smi.gz`` in the user's cache folder."""
    cache = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(cache) / 'scoutbee' / 'moses.smi.gz'


def fetch(
    out: Path,
    *,
    size: int | None = None,
    seed: int = 1,
    exclude: Path | None = None,
    wheel: Path | None = None,
    expected: int = COUNT,
) -> int:
    """Write the set, or a sample of it, and return how many molecules that was.

    Args:
        out: File to write, ``.smi`` or ``.csv``, gzip too; it appears only when it is complete.
        size: How many to sample; all of them, in their order, if not given.
        seed: Seed of the sample.
        exclude: A file of molecules to leave out, compared as they are written.
        wheel: The wheel of ``molsets``, if it is at hand; downloaded if not given.
        expected: How many molecules the wheel must hold.

    Raises:
        DownloadError: If the wheel cannot be had or is not the right one.
        ConfigurationError: If a file or a number cannot be used.
    """
    check_name(out)
    excluded = frozenset(read_molecules(exclude)) if exclude else frozenset()
    with TemporaryDirectory(prefix='scoutbee-moses-') as folder:
        if wheel is None:
            _say(f'Downloading {REQUIREMENT} (51 MB) …')
            wheel = download(Path(folder))
        everything = _reported(molecules_in(wheel, expected), expected)
        wanted: Iterable[str] = (smiles for smiles in everything if smiles not in excluded)
        return write_molecules(out, wanted if size is None else sample(wanted, size, seed))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0 done, 2 bad input, 1 the set could not be had."""
    options = _parser().parse_args(argv)
    out: Path = options.out or default_path()
    try:
        if options.out is None and options.sample is not None:
            raise ConfigurationError('A sample needs a name of its own: give --out PATH.')
        if out.exists() and not options.force:
            _say(f'{out} is there already; --force makes it again.')
        else:
            count = fetch(out, size=options.sample, seed=options.seed, exclude=options.exclude, wheel=options.wheel)
            _say(f'Wrote {count:,} molecules.')
    except ScoutbeeError as error:
        _say(f'Error: {error}')
        return 2 if isinstance(error, ConfigurationError) else 1
    print(out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m scoutbee.data.moses',
        description=f'Fetch the MOSES training set ({COUNT:,} molecules), or draw a random sample of it.',
        epilog='Prints where the file is; pass that to run.py --search-space.',
    )
    parser.add_argument('--out', type=Path, metavar='PATH', help=f'.smi or .csv, gzip too (default: {default_path()})')
    parser.add_argument('--sample', type=_positive, metavar='N', help='draw this many at random (default: all)')
    parser.add_argument('--seed', type=int, default=1, help='seed of the sample (default: 1)')
    parser.add_argument('--exclude', type=Path, metavar='PATH', help='leave out the molecules of this file')
    parser.add_argument('--wheel', type=Path, metavar='PATH', help=f'wheel of {REQUIREMENT}, if it is at hand')
    parser.add_argument('--force', action='store_true', help='replace a file that is there')
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'expected at least 1, got {text}')
    return number


def _reported(molecules: Iterator[str], expected: int) -> Iterator[str]:
    """The same molecules, with a line of progress every few seconds."""
    last = time.monotonic()
    for count, smiles in enumerate(molecules, 1):
        yield smiles
        if count % 10_000 == 0 and time.monotonic() - last >= _PROGRESS_SECONDS:
            last = time.monotonic()
            _say(f'{count:,} of {expected:,} molecules')


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
